"""Methods: the views they draw, terms worked out again in numpy, and that the loss falls."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from care_bench.augmentations import ImageAugmentation, RandomRotation3D, draw
from care_bench.config.methods import METHOD_SETTINGS, MethodSettings, parse_method
from care_bench.methods import METHODS, Method, View, build_method
from care_bench.models import Encoder
from care_bench.training.session import weighted_sum

SETTINGS: dict[str, dict[str, Any]] = {
    "simclr": {"temperature": 0.2},
    "care": {"base": {"name": "simclr", "temperature": 0.2}, "splits": 4, "weight": 0.7},
    "invariance": {},
    "uniformity": {},
    "equivariance": {"splits": 4, "fidelity": "released-code"},
    "uniformity_equivariance": {"splits": 2, "weight": 0.3, "sharing": "batch"},
}


def settings(name: str, **more: Any) -> MethodSettings:
    parsed: MethodSettings = parse_method({"name": name, **SETTINGS[name], **more})
    return parsed


def build(name: str, **more: Any) -> Method:
    return build_method(settings(name, **more))


class Same(Encoder):
    """An encoder that only normalises, so that terms can be worked out by hand."""

    def __init__(self) -> None:
        super().__init__(nn.Identity(), nn.Identity())


def views(method: Method, n: int, d: int, seed: int) -> list[View]:
    chance = torch.Generator().manual_seed(seed)
    parameters = RandomRotation3D().sample(n, chance)
    return [View(torch.randn(n, d, generator=chance, dtype=torch.float64), parameters) for _ in method.draws(n)]


def unit(view: View) -> np.ndarray[Any, Any]:
    rows = view.inputs.float().numpy().astype(np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def pair_loss(first: np.ndarray[Any, Any], second: np.ndarray[Any, Any], splits: int, scale: bool) -> float:
    """Mean over chunks of the mean over pairs i != j of (f_i.f_j - f'_i.f'_j)^2, a loop on purpose."""
    size = len(first) // splits
    means = []
    for k in range(splits):
        rows = slice(k * size, (k + 1) * size)
        difference = (first[rows] @ first[rows].T - second[rows] @ second[rows].T) ** 2
        means.append(sum(difference[i, j] for i in range(size) for j in range(size) if i != j) / (size * (size - 1)))
    return float(np.mean(means)) * (2 * (size - 1) if scale else 1)


def test_every_method_has_settings_and_the_other_way_round() -> None:
    assert set(METHODS) == set(METHOD_SETTINGS) == set(SETTINGS)
    for name, cls in METHODS.items():
        assert type(build(name)) is cls


@pytest.mark.parametrize(
    ("name", "more", "expected"),
    [
        ("simclr", {}, (16, 16)),
        ("invariance", {}, (16, 16)),
        ("uniformity", {}, (16,)),
        ("care", {}, (16, 16, 4, 4)),
        ("care", {"sharing": "batch"}, (16, 16, 1, 1)),
        ("care", {"fidelity": "released-code"}, (16, 16, 1, 1)),
        ("care", {"fidelity": "released-code", "sharing": "chunk"}, (16, 16, 4, 4)),
        ("equivariance", {}, (1, 1)),
        ("uniformity_equivariance", {"sharing": None}, (16, 2, 2)),
    ],
)
def test_views_are_drawn_per_image_chunk_or_batch(name: str, more: dict[str, Any], expected: tuple[int, ...]) -> None:
    assert build(name, **more).draws(16) == expected


def test_simclr_is_infonce_in_two_halves_and_the_weight_acts_on_the_first() -> None:
    method = build("simclr", invariance_weight=0.1)
    pair = views(method, 8, 5, seed=0)
    z = np.concatenate([unit(view) for view in pair])
    similarity = z @ z.T / 0.2
    positives = np.array([similarity[i, (i + 8) % 16] for i in range(16)])
    np.fill_diagonal(similarity, -np.inf)
    normaliser = np.log(np.exp(similarity).sum(axis=1))
    terms = method(Same(), pair)
    assert terms["attraction"].item() == pytest.approx(-positives.mean(), rel=1e-5)
    assert terms["repulsion"].item() == pytest.approx(normaliser.mean(), rel=1e-5)
    expected = -0.1 * positives.mean() + normaliser.mean()
    assert weighted_sum(terms, method.weights).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("fidelity", ["paper", "released-code"])
def test_care_is_its_base_plus_the_weighted_equivariance_of_its_own_views(fidelity: str) -> None:
    method = build("care", fidelity=fidelity)
    four = views(method, 16, 5, seed=1)
    base = build("simclr")
    terms = method(Same(), four)
    equivariance = pair_loss(unit(four[2]), unit(four[3]), 4, scale=fidelity == "released-code")
    assert terms["equivariance"].item() == pytest.approx(equivariance, rel=1e-4)
    expected = weighted_sum(base(Same(), four[:2]), base.weights).item() + 0.7 * equivariance
    assert weighted_sum(terms, method.weights).item() == pytest.approx(expected, rel=1e-5)


def test_ablation_members_have_their_terms_and_no_other() -> None:
    alone = {name: build(name) for name in ("invariance", "uniformity", "equivariance", "uniformity_equivariance")}
    drawn = {name: views(method, 8, 3, seed=2) for name, method in alone.items()}
    terms = {name: method(Same(), drawn[name]) for name, method in alone.items()}

    first, second = (unit(view) for view in drawn["invariance"])
    distance = np.linalg.norm(first - second, axis=1).mean()
    assert {key: pytest.approx(value.item(), rel=1e-5) for key, value in terms["invariance"].items()} == {
        "alignment": distance
    }

    first, second = (unit(view) for view in drawn["equivariance"])
    released = pair_loss(first, second, 4, scale=True)
    assert terms["equivariance"]["equivariance"].item() == pytest.approx(released, rel=1e-4)
    assert set(terms["uniformity"]) == {"uniformity"}
    assert terms["uniformity"]["uniformity"].item() < 1.0, "log-mean-exp of inner products is at most 1"

    _, first, second = (unit(view) for view in drawn["uniformity_equivariance"])
    assert set(terms["uniformity_equivariance"]) == {"uniformity", "equivariance"}
    expected = pair_loss(first, second, 2, scale=False)
    assert terms["uniformity_equivariance"]["equivariance"].item() == pytest.approx(expected, rel=1e-4)
    assert alone["uniformity_equivariance"].weights == {"uniformity": 1.0, "equivariance": 0.3}


class Small(Encoder):
    def __init__(self) -> None:
        torch.manual_seed(0)
        super().__init__(nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU()), nn.Linear(32, 8))


@pytest.mark.parametrize("name", list(SETTINGS))
def test_the_loss_of_every_method_falls(name: str) -> None:
    method, encoder = build(name), Small()
    augmentation = ImageAugmentation(input_size=(8, 8), size=(8, 8), mean=(0.5,), std=(0.25,))
    chance = torch.Generator().manual_seed(0)
    images = torch.rand(32, 1, 8, 8, generator=chance)
    drawn = [draw(augmentation, 32, k, chance) for k in method.draws(32)]
    fixed = [View(augmentation.apply(images, parameters), parameters) for parameters in drawn]
    optimizer = torch.optim.SGD(encoder.parameters(), lr=0.02)
    losses: list[Tensor] = []
    for _ in range(3):
        loss = weighted_sum(method(encoder, fixed), method.weights)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    assert losses[0] > losses[1] > losses[2]
