"""Recorded numbers of maps that are fitted on one half, computed again on the other."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from torchvision.transforms import functional

from tests.wiring.end_to_end.whole_run import (
    BOTH,
    DRAWS,
    EVERY,
    Array,
    Measured,
    assert_same,
    half,
    orthogonal,
    plain,
    rms,
    statistics,
    unit,
)


@EVERY
@BOTH
def test_held_out_maps_and_retrieval(name: str, representation: str, measured: Callable[[str], Measured]) -> None:
    run = measured(name)
    drawn, fitted = run.draw("test augmentations"), half(run)
    z = unit(run.embed(plain(run, run.test))[representation])
    fractions, linear, still, ranks = [], [], [], []
    for i in range(DRAWS):
        view = unit(run.embed(run.views(run.test, drawn, i))[representation])
        moved = z[~fitted] @ orthogonal(z[fitted], view[fitted]).T
        still.append(rms(view[~fitted] - z[~fitted]))
        fractions.append(rms(view[~fitted] - moved) / still[-1])
        least = np.linalg.pinv(z[fitted], rcond=1e-6) @ view[fitted]
        linear.append(rms(view[~fitted] - z[~fitted] @ least) / still[-1])
        distances = np.linalg.norm(moved[:, None] - view[~fitted][None], axis=2)
        ranks.append([(row <= row[k] + 1e-6).sum() for k, row in enumerate(distances)])
    assert_same(run.value("held-out-wahba-v1", "held_out_wahba", representation), np.mean(fractions), rel=5e-3)
    # Directions of the features that hardly any sample has decide the linear map, and float32 decides them.
    loose = {"projection": 5e-3, "features": 0.1}[representation]
    assert_same(run.value("held-out-wahba-v1", "held_out_linear", representation), np.mean(linear), rel=loose)
    assert_same(run.value("held-out-wahba-v1", "held_out_identity", representation), np.mean(still))
    assert_same(run.value("held-out-wahba-v1", "held_out_still", representation), 0)
    rank = np.array(ranks)
    one = 100 / rank.size  # a tie in float32
    for metric, expected in (
        ("transformed_mrr", (1 / rank).mean()),
        ("transformed_hit_1", 100 * (rank <= 1).mean()),
        ("transformed_hit_5", 100 * (rank <= 5).mean()),
    ):
        found = run.value("equivariant-retrieval-v1", metric, representation)
        assert_same(found, expected, abs_=3 * one if found.unit == "%" else 0.03 * one)


SINGLE = {
    "crop": (0.8, 0.5, 0.3, 0.2, 0.08),
    "rotation": (15.0, 45.0, 90.0, 135.0, 180.0),
    "blur": (0.5, 1.0, 1.5, 2.0),
    "flip": (1.0,),
}


def alone(run: Measured, name: str, strength: float) -> torch.Tensor:
    """Return the test samples under one augmentation, by torchvision and scipy."""
    if run.dataset.kind == "point_cloud":
        turned = Rotation.from_euler("z", strength, degrees=True).apply(run.test.reshape(-1, 3))
        return torch.from_numpy(turned.reshape(run.test.shape)).float()
    pixels = torch.from_numpy(run.test).float() / 255
    if name == "crop":
        side = 8 * strength**0.5
        places, shown = np.arange(8) + 0.5, 4 + side * ((np.arange(8) + 0.5) / 8 - 0.5)
        seen = places[np.abs(places - 4) < side / 2]  # pixels with their centre in the box
        rows = np.array([[np.interp(shown, seen, line[abs(places - 4) < side / 2]) for line in np.eye(8)]])[0].T
        pixels = torch.from_numpy(rows @ pixels.double().numpy() @ rows.T).float()
    elif name == "rotation":
        pixels = functional.rotate(pixels, strength, functional.InterpolationMode.BILINEAR)
    elif name == "blur":
        pixels = functional.gaussian_blur(pixels, [2 * int(np.ceil(3 * strength)) + 1] * 2, [strength] * 2)
    else:
        pixels = functional.hflip(pixels)
    return plain(run, pixels.numpy() * 255)


@EVERY
@BOTH
def test_augmentation_profile(name: str, representation: str, measured: Callable[[str], Measured]) -> None:
    run = measured(name)
    fitted = half(run)
    z = unit(run.embed(plain(run, run.test))[representation])
    for augmentation, strengths in SINGLE.items():
        metric = f"profile_{augmentation}"
        found, angle = (
            run.value("augmentation-profile-v1", f"{metric}{ending}", representation) for ending in ("", "_angle")
        )
        if name == "proteins" and augmentation != "rotation":
            assert found.reason == angle.reason == f"{augmentation} does not change these samples"
            continue
        fractions, angles = [], []
        for strength in strengths:
            view = unit(run.embed(alone(run, augmentation, strength))[representation])
            moved = z[~fitted] @ orthogonal(z[fitted], view[fitted]).T
            fractions.append(rms(view[~fitted] - moved) / rms(view[~fitted] - z[~fitted]))
            angles.append(np.degrees(np.arccos(np.clip((unit(moved) * z[~fitted]).sum(axis=1), -1, 1))).mean())
        assert found.values == (None if len(strengths) == 1 else pytest.approx(fractions, rel=1e-2))
        assert_same(found, np.mean(fractions), rel=1e-2)
        assert_same(angle, np.mean(angles), rel=1e-2)
    reason = "hue does not change these samples"
    assert run.value("augmentation-profile-v1", "profile_hue", representation).reason == reason


@EVERY
@BOTH
def test_lie_derivatives(name: str, representation: str, measured: Callable[[str], Measured]) -> None:
    run = measured(name)
    fitted, views = half(run), plain(run, run.test).double()
    model = copy.deepcopy(run.encoder).double()

    def embed(inputs: torch.Tensor) -> Array:
        with torch.no_grad():
            features = model.backbone(inputs)
            return unit((features if representation == "features" else model.projector(features)).numpy())

    z = embed(views)
    for transformation, directions in tangents(run).items():
        speeds, fractions = [], []
        for direction in directions:
            step = 1e-6 * torch.from_numpy(direction)
            velocity = (embed(views + step) - embed(views - step)) / 2e-6
            speeds.append(rms(velocity))
            turn = best_generator(z[fitted], velocity[fitted])
            fractions.append(rms(velocity[~fitted] - z[~fitted] @ turn.T) / rms(velocity[~fitted]))
        metric = f"lie_{transformation}"
        assert_same(run.value("lie-derivative-v1", metric, representation), np.mean(speeds), rel=2e-3)
        found = run.value("lie-derivative-v1", f"{metric}_unexplained", representation)
        assert_same(found, np.mean(fractions), rel=2e-2)
    reason = "saturation does not act on these samples"
    assert run.value("lie-derivative-v1", "lie_saturation", representation).reason == reason


def tangents(run: Measured) -> dict[str, list[Array]]:
    """Return transformation -> how fast each coordinate of the normalised samples moves."""
    if run.dataset.kind == "point_cloud":
        return {"rotation": [np.cross(axis, run.test.astype(np.float64)) for axis in np.eye(3)]}
    pixels = run.test / 255
    std = statistics(run.dataset)[1][0]
    down, right = np.gradient(pixels, axis=(2, 3))
    y, x = np.meshgrid(np.arange(8) - 3.5, np.arange(8) - 3.5, indexing="ij")
    found = {
        "translation": [-0.8 * right, -0.8 * down],
        "rotation": [x * down - y * right],
        "scale": [-(x * right + y * down)],
        "brightness": [pixels],
        "contrast": [pixels - pixels.mean(axis=(1, 2, 3), keepdims=True)],
    }
    return {name: [direction / std for direction in directions] for name, directions in found.items()}


def best_generator(z: Array, velocity: Array) -> Array:
    """Return the skew-symmetric matrix of least squares, over a basis of them."""
    d = z.shape[1]
    upper = np.triu_indices(d, 1)
    rows = np.zeros((len(upper[0]), d, d))
    index = np.arange(len(upper[0]))
    rows[index, upper[0], upper[1]], rows[index, upper[1], upper[0]] = 1, -1
    moved = np.einsum("nk,bjk->bnj", z, rows).reshape(len(rows), -1)
    return np.tensordot(np.linalg.lstsq(moved.T, velocity.ravel(), rcond=None)[0], rows, 1)
