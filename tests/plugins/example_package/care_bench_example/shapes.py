"""Shapes: discs, squares and triangles of known radius, drawn as grey images of 16x16 pixels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from care_bench.data import Built, DatasetInfo, Raw, SplitArrays

SIDE, FINE, COUNT = 16, 4, 1500
RADII = (2.5, 6.0)
STEPS = np.sqrt([2, 3, 5])  # rationally independent: their multiples modulo 1 fill the cube evenly


def draw(kind: int, x: float, y: float, radius: float) -> npt.NDArray[np.uint8]:
    """Draw a shape: (16, 16) uint8, each pixel the mean of 4x4 points that are 255 inside the shape, else 0.

    Args:
        kind: 0 disc, 1 square, 2 triangle.
        x, y: its centre, in pixels from the upper left corner.
        radius: half its width, in pixels.
    """
    points = (np.arange(SIDE * FINE) + 0.5) / FINE
    across, down = points[None, :] - x, points[:, None] - y
    inside = (
        across**2 + down**2 < radius**2,
        np.maximum(abs(across), abs(down)) < radius,
        (abs(down) < radius) & (2 * abs(across) < down + radius),
    )[kind]
    image: npt.NDArray[np.uint8] = np.rint(255 * inside.reshape(SIDE, FINE, SIDE, FINE).mean(axis=(1, 3))).astype("u1")
    return image


def build(raw: Raw) -> Built:
    """Draw all images; the arrays, and so the hash of the data set, are the same every time."""
    index = np.arange(COUNT)
    across, down, size = (index[:, None] * STEPS % 1).T
    radius = RADII[0] + (RADII[1] - RADII[0]) * size
    x, y = (radius + (SIDE - 2 * radius) * place for place in (across, down))  # shapes stay inside the image
    images = np.stack([draw(i % 3, x[i], y[i], radius[i]) for i in range(COUNT)])[:, None]
    labels = {"class": index % 3, "radius": radius.astype(np.float32)}
    fifth = index % 5 == 0
    train, test = (
        SplitArrays(images[part], {name: label[part] for name, label in labels.items()}) for part in (~fifth, fifth)
    )
    return Built(
        train=train,
        test=test,
        inputs=f"grey images, {SIDE}x{SIDE}, 0..255: one shape, its radius {RADII[0]} to {RADII[1]} pixels",
        source="drawn by care_bench_example",
        licence="CC0 1.0",
        split_rule="every fifth image is in the test split",
    )


INFO = DatasetInfo(
    name="shapes",
    kind="image",
    title="Shapes 16x16",
    how_to_get="nothing to download: the package draws it",
    labels=("class", "radius"),
    build=build,
)
