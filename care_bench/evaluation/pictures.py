"""The content of pictures of one encoder: curves in their planes, nearest training images, and cosines.

Samples and draws are those of the protocols, so that the pictures show what the records measure.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from care_bench.artifacts.illustrations import BINS, FULL, Cosines, Curve, FigureName, Turn
from care_bench.augmentations import ImageAugmentation, ImageParameters
from care_bench.augmentations.single import colour_alone
from care_bench.data import PreparedDataset
from care_bench.data.subsets import evenly_spaced, evenly_spaced_rows
from care_bench.evaluation.embed import Embedder
from care_bench.evaluation.measurement import needs_point_clouds, never_skipped
from care_bench.evaluation.parts import Part
from care_bench.evaluation.views import of_one_draw
from care_bench.metrics import one_parameter_group, regularity
from care_bench.metrics.retrieval import NEIGHBOURS
from care_bench.metrics.trajectories import CLOUDS, LEAST_MOVEMENT, size
from care_bench.names import Representation

QUERIES = 2
"""Test images in a contact sheet."""
SIDE = 24
"""Largest side of a thumbnail in pixels."""
REPRESENTATION: Representation = "projection"
"""What is drawn."""
FIRST_DRAW, COLOURED = "first_draw", "coloured"


def _needs_colour(dataset: PreparedDataset) -> str | None:
    coloured = dataset.kind == "image" and dataset.train.inputs.shape[1] == 3
    return None if coloured else f"{dataset.name} holds no images in colour"


NEEDS: dict[FigureName, Callable[[PreparedDataset], str | None]] = {
    "trajectories": needs_point_clouds,
    "retrieval": _needs_colour,
    "cosines": never_skipped,
}
"""Figure -> says why it cannot be of a data set, or None."""


class PictureEmbedder(Embedder):
    """Embeds two more parts: the test samples under the first draw, and the queries under its colours alone."""

    def make(self, name: str) -> Part:
        """Embed the samples of a part."""
        if name == FIRST_DRAW:
            first = self._test_draw[0]
            test = self.dataset.test
            return self._embed(of_one_draw(self.augmentation, batch, first) for batch in self._batches(test))
        if name == COLOURED:
            queries = self._batches(evenly_spaced(self.dataset.test, QUERIES))
            return self._embed(of_one_draw(self.augmentation, batch, self.found_colour) for batch in queries)
        return super().make(name)

    @property
    def colour(self) -> ImageParameters | None:
        """The draw that turns the hue most, without its other parts, one row; None where none turns it."""
        drawn, augmentation = self._test_draw, self.augmentation
        assert isinstance(augmentation, ImageAugmentation)
        assert isinstance(drawn, ImageParameters)
        return colour_alone(augmentation, drawn)

    @property
    def found_colour(self) -> ImageParameters:
        """``colour`` where there is one."""
        found = self.colour
        assert found is not None  # as was asked before
        return found


def query_rows(embedder: PictureEmbedder) -> list[int]:
    """Return the places of the queries among the test samples."""
    return [int(row) for row in evenly_spaced_rows(len(embedder.dataset.test), QUERIES)]


def turns(embedder: PictureEmbedder) -> tuple[Turn, ...]:
    """Return the curves of the first clouds about each axis, with the numbers of protocol trajectories-v1."""
    embedded = embedder.embedded(REPRESENTATION)
    every = embedded.trajectories
    found = []
    for curves in every.double().unbind(dim=1):
        shown = curves[:CLOUDS]
        variation = residual = closure = None
        with suppress(ValueError):  # curves that do not move
            variation = _short(float(regularity(shown).step_variation.mean()))
        with suppress(ValueError):
            group = one_parameter_group(curves[:, None], embedded.half_of(embedded.trajectory_rows))
            residual, closure = _short(float(group.residual)), _short(float(group.closure.mean()))
        drawn = tuple(_curve(curve) for curve in shown)
        found.append(Turn(step_variation=variation, residual=residual, closure=closure, curves=drawn))
    return tuple(found)


def nearest(embedder: PictureEmbedder) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Return the training images nearest to each query, and to each under the colours of a draw.

    Returns:
        Twice places among the training samples and Euclidean distances, each (QUERIES, NEIGHBOURS), the nearest first;
        of equal distances the first place is taken.
    """
    embedded = embedder.embedded(REPRESENTATION)
    plain = embedded.test[torch.tensor(query_rows(embedder), device=embedded.test.device)]
    return _nearest(plain, embedded.train), _nearest(embedder.part(COLOURED)[REPRESENTATION], embedded.train)


def thumbnails(embedder: PictureEmbedder, train_rows: list[int]) -> npt.NDArray[np.uint8]:
    """Return small images, uint8 (n, 3, h, w): the queries, the queries in the colours of a draw, training images."""
    augmentation, dataset = embedder.augmentation, embedder.dataset
    assert isinstance(augmentation, ImageAugmentation)
    queries = torch.from_numpy(np.array(dataset.test.inputs[query_rows(embedder)]))
    black = (0.0,) * 3
    plain = replace(augmentation, size=augmentation.input_size, mean=black, std=(1.0,) * 3)
    # On the CPU: the same bytes on every device.
    coloured = of_one_draw(plain, queries, embedder.found_colour)
    train = torch.from_numpy(np.array(dataset.train.inputs[train_rows]))
    images = torch.cat([queries.float() / 255, coloured, train.float() / 255])
    height, width = augmentation.input_size
    if (largest := max(height, width)) > SIDE:
        small = (max(1, height * SIDE // largest), max(1, width * SIDE // largest))
        images = functional.interpolate(images, small, mode="area")
    pixels: npt.NDArray[np.uint8] = (255 * images).round().clamp(0, 255).byte().numpy()
    return pixels


def cosines(embedder: PictureEmbedder) -> Cosines:
    """Return the cosines of the test samples and their views under the first draw."""
    plain, moved = (embedder.part(name)[REPRESENTATION].double() for name in ("test", FIRST_DRAW))
    values = functional.cosine_similarity(plain, moved, dim=1).clamp(-1, 1).cpu().numpy()
    counts, _ = np.histogram(values, bins=BINS, range=(-1, 1))
    variance = float(values.var(ddof=1)) if len(values) > 1 else 0.0
    return Cosines(
        mean=_short(float(values.mean())), variance=_short(variance), counts=tuple(int(count) for count in counts)
    )


def _curve(points: Tensor) -> Curve:
    """Return a curve (T, d) in the plane of its first two principal components, where it starts at x, y >= 0."""
    centred = points - points.mean(dim=0)
    radius = float(size(centred))
    _, spread, directions = torch.linalg.svd(centred, full_matrices=False)
    plane = centred @ directions[:2].mT
    plane = plane * torch.where(plane[0] < 0, -1.0, 1.0)
    extent = float(plane.abs().max())
    moves = radius > LEAST_MOVEMENT * float(size(points))
    steps = (plane / extent * FULL).round() if moves else torch.zeros_like(plane)
    shares = spread.square()
    return Curve(
        planarity=_short(float(100 * shares[:2].sum() / shares.sum())) if moves else None,
        radius=_short(radius),
        extent=_short(extent),
        points=tuple(int(step) for step in steps.flatten().tolist()),
    )


def _nearest(queries: Tensor, bank: Tensor) -> tuple[Tensor, Tensor]:
    distances = torch.stack([torch.linalg.vector_norm(bank.double() - one, dim=1) for one in queries.double()])
    found, places = distances.sort(dim=1, stable=True)
    return places[:, :NEIGHBOURS].cpu(), found[:, :NEIGHBOURS].cpu()


def _short(value: float) -> float:
    """Keep six digits, which are more than a picture shows."""
    return float(f"{value:.6g}")
