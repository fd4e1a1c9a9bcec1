"""Small settings of every method, encoders and views for computing terms by hand, and layers written in numpy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from care_bench.augmentations import Augmentation, ImageAugmentation, RandomRotation3D
from care_bench.config import METHOD_SETTINGS, MethodSettings
from care_bench.methods import PLAIN, Method, View, build_method
from care_bench.methods.augself import AugSelf
from care_bench.models import Encoder

Array = np.ndarray[Any, Any]

SIMCLR = {"name": "simclr", "temperature": 0.2}
SETTINGS: dict[str, dict[str, Any]] = {
    "simclr": {"temperature": 0.2},
    # Random directions are easier negatives than the keys that replace them after each step. Only in a long queue is
    # this effect so small that the loss on a fixed batch falls.
    "moco_v2": {"temperature": 0.2, "queue": 4096, "momentum": 0.9},
    "byol": {"predictor_hidden": 6, "momentum": 0.9},
    "barlow_twins": {"off_diagonal_weight": 0.1},
    "equimod": {"base": SIMCLR, "weight": 0.5, "projector_hidden": [7], "projector_output": 4},
    "augself": {"base": SIMCLR, "crop_weight": 0.4, "colour_weight": 0.6, "predictor_hidden": [6]},
    "parameter_prediction": {"base": SIMCLR, "weight": 0.4, "predictor_hidden": [6]},
    "care": {"base": SIMCLR, "splits": 4, "weight": 0.7},
    "invariance": {},
    "uniformity": {},
    "equivariance": {"splits": 4, "fidelity": "released-code"},
    "uniformity_equivariance": {"splits": 2, "weight": 0.3, "sharing": "batch"},
}
IMAGES = ImageAugmentation(input_size=(8, 10), size=(8, 8), mean=(0.5,), std=(0.25,))


def augmentation_for(name: str) -> Augmentation[Any]:
    """Return rotations, or an augmentation of images for the method that only images have."""
    return IMAGES if name == "augself" else RandomRotation3D()


@pytest.fixture(scope="session")
def settings() -> Callable[..., MethodSettings]:
    """A function that returns the settings of a method, with some keys replaced."""

    def parse(name: str, **more: Any) -> MethodSettings:
        return METHOD_SETTINGS[name].parse({"name": name, **SETTINGS.get(name, {}), **more}, "tests")

    return parse


@pytest.fixture(scope="session")
def build(settings: Callable[..., MethodSettings], same: Encoder) -> Callable[..., Method]:
    """A function that builds a method; its defaults are the encoder ``same`` and rotations, or crops for AugSelf."""

    def make(
        name: str,
        encoder: Encoder = same,
        augmentation: Augmentation[Any] | None = None,
        seed: int = 0,
        **more: Any,
    ) -> Method:
        return build_method(settings(name, **more), encoder, augmentation or augmentation_for(name), seed)

    return make


@pytest.fixture(scope="session")
def same() -> Encoder:
    """An encoder of vectors in R^5 that only normalises them, so that terms can be computed by hand."""
    return Encoder(nn.Identity(), nn.Identity(), 5, 5)


@pytest.fixture
def linear() -> Encoder:
    """An encoder R^5 -> R^4 -> R^3 with two matrices and no bias."""
    torch.manual_seed(5)
    return Encoder(nn.Linear(5, 4, bias=False), nn.Linear(4, 3, bias=False), 4, 3)


@pytest.fixture(scope="session")
def draw_views() -> Callable[..., list[View]]:
    """A function that draws the views that a method needs: n random vectors and n augmentations each."""

    def make(method: Method, n: int, d: int = 5, seed: int = 0) -> list[View]:
        generator = torch.Generator().manual_seed(seed)
        augmentation = augmentation_for("augself" if isinstance(method, AugSelf) else "")
        return [
            View(
                torch.randn(n, d, generator=generator),
                None if draws == PLAIN else augmentation.sample(n, generator),
            )
            for draws in method.draws(n)
        ]

    return make


@pytest.fixture(scope="session")
def by_numpy() -> Callable[[nn.Module, Array], Array]:
    """A function that applies Linear, BatchNorm (in training mode) and ReLU layers to rows in float64."""

    def run(module: nn.Module, rows: Array) -> Array:
        for layer in module.modules():
            match layer:
                case nn.Linear():
                    rows = rows @ numbers(layer.weight).T + (0 if layer.bias is None else numbers(layer.bias))
                case nn.BatchNorm1d():
                    rows = (rows - rows.mean(axis=0)) / np.sqrt(rows.var(axis=0) + 1e-5)
                    rows = rows * numbers(layer.weight) + numbers(layer.bias) if layer.affine else rows
                case nn.ReLU():
                    rows = np.maximum(rows, 0)
                case _:
                    assert isinstance(layer, nn.Sequential | nn.Identity)
        return rows

    return run


def numbers(tensor: torch.Tensor) -> Array:
    return tensor.detach().double().numpy().copy()


@pytest.fixture(scope="session")
def rows_of() -> Callable[[View], Array]:
    """A function that returns a view's inputs in float64."""
    return lambda view: numbers(view.inputs)


@pytest.fixture(scope="session")
def unit() -> Callable[[Array], Array]:
    """A function that scales rows to length one."""
    return lambda rows: rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture(scope="session")
def nt_xent() -> Callable[[Sequence[Array], float], float]:
    """A function that returns NT-Xent by a loop; it takes unit rows and their positives."""

    def loss(halves: Sequence[Array], temperature: float) -> float:
        z = np.concatenate(halves)
        n = len(z) // 2
        losses = []
        for i in range(2 * n):
            similarities = [z[i] @ z[j] / temperature for j in range(2 * n) if j != i]
            losses.append(np.log(np.sum(np.exp(similarities))) - z[i] @ z[(i + n) % (2 * n)] / temperature)
        return float(np.mean(losses))

    return loss
