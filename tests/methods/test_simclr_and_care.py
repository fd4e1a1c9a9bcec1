"""SimCLR, CARE with every base method, and the loss ablation, against terms computed in numpy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from torch import nn

from care_bench.methods import Method, View
from care_bench.models import Encoder
from care_bench.training.session import weighted_sum

Array = np.ndarray[Any, Any]
Build = Callable[..., Method]
Views = Callable[..., list[View]]
Rows = Callable[[View], Array]
Unit = Callable[[Array], Array]

BASES: dict[str, dict[str, Any]] = {
    "simclr": {"temperature": 0.2},
    "moco_v2": {"temperature": 0.1, "queue": 32, "momentum": 0.75},
    "barlow_twins": {"off_diagonal_weight": 0.02},
    "byol": {"predictor_hidden": 6, "momentum": 0.75},
}


def pair_loss(first: Array, second: Array, splits: int, released: bool = False) -> float:
    """Return the mean over chunks of the mean over pairs i != j of (f_i.f_j - f'_i.f'_j)^2, by a loop."""
    size = len(first) // splits
    means = []
    for k in range(splits):
        rows = slice(k * size, (k + 1) * size)
        difference = (first[rows] @ first[rows].T - second[rows] @ second[rows].T) ** 2
        means.append(sum(difference[i, j] for i in range(size) for j in range(size) if i != j) / (size * (size - 1)))
    return float(np.mean(means)) * (2 * (size - 1) if released else 1)


def test_simclr_is_infonce_and_its_weight_acts_on_the_invariance_term(
    build: Build, same: Encoder, draw_views: Views, rows_of: Rows, unit: Unit
) -> None:
    method = build("simclr", invariance_weight=0.1)
    pair = draw_views(method, 8)
    z = np.concatenate([unit(rows_of(view)) for view in pair])
    similarity = z @ z.T / 0.2
    positives = np.array([similarity[i, (i + 8) % 16] for i in range(16)])
    np.fill_diagonal(similarity, -np.inf)
    normaliser = np.log(np.exp(similarity).sum(axis=1))
    terms = method(same, pair)
    assert terms["invariance"].item() == pytest.approx(-positives.mean(), rel=1e-5)
    assert terms["uniformity"].item() == pytest.approx(normaliser.mean(), rel=1e-5)
    expected = -0.1 * positives.mean() + normaliser.mean()
    assert weighted_sum(terms, method.weights).item() == pytest.approx(expected, rel=1e-5)


def test_simclr_takes_negatives_from_groups_of_the_batch(
    build: Build, same: Encoder, draw_views: Views, rows_of: Rows, unit: Unit, nt_xent: Callable[..., float]
) -> None:
    """Twelve images, negatives from four at a time: the mean of three losses."""
    method, care = build("simclr", negatives_per=4), build("care", base={"name": "simclr", "negatives_per": 4})
    pair = draw_views(method, 12)
    first, second = (unit(rows_of(view)) for view in pair)
    parts = [slice(0, 4), slice(4, 8), slice(8, 12)]
    expected = np.mean([nt_xent([first[rows], second[rows]], 0.2) for rows in parts])
    assert weighted_sum(method(same, pair), method.weights).item() == pytest.approx(expected, rel=1e-5)
    terms = care(same, draw_views(care, 12))
    half = np.mean([nt_xent([first[rows], second[rows]], 0.5) for rows in parts])
    assert (terms["invariance"] + terms["uniformity"]).item() == pytest.approx(half, rel=1e-5)


@pytest.mark.parametrize("fidelity", ["paper", "released-code"])
@pytest.mark.parametrize("base", BASES)
def test_care_is_its_base_plus_the_weighted_equivariance_of_its_own_views(
    base: str, fidelity: str, build: Build, same: Encoder, draw_views: Views, rows_of: Rows, unit: Unit
) -> None:
    method = build("care", fidelity=fidelity, base={"name": base, **BASES[base]})
    four = draw_views(method, 16)
    assert len(four) == 4
    alone = build(base, **BASES[base])
    terms, of_base = method(same, four), alone(same, four[:2])
    assert list(terms) == [*of_base, "equivariance"]
    assert {name: terms[name].item() for name in of_base} == {name: term.item() for name, term in of_base.items()}
    third, fourth = (unit(rows_of(view)) for view in four[2:])
    equivariance = pair_loss(third, fourth, 4, released=fidelity == "released-code")
    assert terms["equivariance"].item() == pytest.approx(equivariance, rel=1e-4)
    expected = weighted_sum(of_base, alone.weights).item() + 0.7 * equivariance
    assert weighted_sum(terms, method.weights).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("base", ["moco_v2", "byol"])
def test_momentum_encoder_and_queue_behave_the_same_inside_care(
    base: str, build: Build, linear: Encoder, draw_views: Views
) -> None:
    method = build("care", linear, base={"name": base, **BASES[base]})
    alone = build(base, linear, **BASES[base])
    four = draw_views(method, 16)
    for step in (1, 2):
        method(linear, four)
        alone(linear, four[:2])
        with torch.no_grad():
            for weight in linear.parameters():
                weight.mul_(1.5)  # in place of an optimizer step
        for each in (method, alone):
            each.after_step(linear, step, total=4)
    left, right = method.get_submodule("base").state_dict(), alone.state_dict()
    assert all(torch.equal(left[key], right[key]) for key in right)
    start = build(base, linear, **BASES[base]).get_parameter("momentum_encoder.encoder.projector.weight")
    assert not torch.equal(right["momentum_encoder.encoder.projector.weight"], start)


def wahba_by_scipy(first: Array, second: Array, splits: int) -> float:
    """Return the mean squared distance after the best rotation of R^3 of each chunk, by scipy."""
    size = len(first) // splits
    total = 0.0
    for k in range(splits):
        rows = slice(k * size, (k + 1) * size)
        rotation, _ = Rotation.align_vectors(second[rows], first[rows])
        total += ((rotation.apply(first[rows]) - second[rows]) ** 2).sum()
    return total / len(first)


@pytest.mark.parametrize("name", ["care", "equivariance"])
@pytest.mark.parametrize("loss", ["gram", "wahba"])
@pytest.mark.parametrize("representation", ["projection", "features"])
def test_the_equivariance_term_acts_on_unit_projections_or_unit_features(
    name: str, loss: str, representation: str, build: Build, draw_views: Views, rows_of: Rows, unit: Unit
) -> None:
    torch.manual_seed(1)
    encoder = Encoder(nn.Linear(5, 3, bias=False), nn.Linear(3, 3, bias=False), 3, 3)
    backbone, head = (layer.weight.detach().double().numpy() for layer in (encoder.backbone, encoder.projector))
    method = build(name, encoder, splits=2, fidelity="paper", sharing="chunk", loss=loss, representation=representation)
    views = draw_views(method, 12)
    matrix = backbone if representation == "features" else head @ backbone
    first, second = (unit(rows_of(view) @ matrix.T) for view in views[-2:])
    expected = pair_loss(first, second, 2) if loss == "gram" else wahba_by_scipy(first, second, 2)
    assert method(encoder, views)["equivariance"].item() == pytest.approx(expected, rel=1e-4)


def test_equivariance_on_features_leaves_the_projection_head_alone(
    build: Build, linear: Encoder, draw_views: Views
) -> None:
    method = build("equivariance", linear, representation="features")
    method(linear, draw_views(method, 8))["equivariance"].backward()
    assert linear.projector.weight.grad is None
    assert linear.backbone.weight.grad.abs().max() > 0


def spread(rows: Array) -> float:
    """Return the log of the mean of exp(f.f') over pairs of different rows."""
    return float(np.log(np.mean([np.exp(a @ b) for i, a in enumerate(rows) for j, b in enumerate(rows) if i != j])))


def test_the_loss_ablation_has_exactly_the_named_terms(
    build: Build, same: Encoder, draw_views: Views, rows_of: Rows, unit: Unit
) -> None:
    alone = {name: build(name) for name in ("invariance", "uniformity", "equivariance", "uniformity_equivariance")}
    drawn = {name: draw_views(method, 8, 5, seed=2) for name, method in alone.items()}
    found = {name: method(same, drawn[name]) for name, method in alone.items()}
    terms = {name: {key: term.item() for key, term in each.items()} for name, each in found.items()}
    rows = {name: [unit(rows_of(view)) for view in views] for name, views in drawn.items()}

    first, second = rows["invariance"]
    distance = np.linalg.norm(first - second, axis=1).mean()
    assert terms["invariance"] == {"invariance": pytest.approx(distance, rel=1e-5)}

    first, second = rows["equivariance"]
    assert terms["equivariance"] == {
        "equivariance": pytest.approx(pair_loss(first, second, 4, released=True), rel=1e-4)
    }

    (only,) = rows["uniformity"]
    assert terms["uniformity"] == {"uniformity": pytest.approx(spread(only), rel=1e-4)}

    only, first, second = rows["uniformity_equivariance"]
    assert terms["uniformity_equivariance"] == {
        "uniformity": pytest.approx(spread(only), rel=1e-4),
        "equivariance": pytest.approx(pair_loss(first, second, 2), rel=1e-4),
    }
    assert alone["uniformity_equivariance"].weights == {"uniformity": 1.0, "equivariance": 0.3}
