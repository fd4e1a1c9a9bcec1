"""Numbers of the protocols of equivariance for embeddings written by hand, also of large sets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.linalg import orthogonal_procrustes
from scipy.spatial.transform import Rotation

from care_bench.evaluation.measurement import composed_draws
from care_bench.evaluation.protocols import PROTOCOLS
from tests.evaluation.given import dataset, embedded, given, measure, unit


def test_composition_is_that_of_the_best_rotations() -> None:
    """The error agrees with scipy's solution of Wahba's problem in three dimensions."""
    z, noise = unit(40, 3, seed=0), 0.3 * unit(4, 40, 3, seed=1)
    turns = Rotation.random(4, rng=2).as_matrix()
    za = np.stack([z @ turns[0].T, z @ turns[1].T, z @ turns[2].T]) + noise[:3]
    twice = np.stack([za[0] @ turns[2].T + noise[3], unit(40, 3, seed=3)])
    za, twice = (rows / np.linalg.norm(rows, axis=-1, keepdims=True) for rows in (za, twice))
    expected = []
    for first, second in zip(za, twice, strict=False):
        whole, one, then = (
            Rotation.align_vectors(target, source)[0].as_matrix()
            for source, target in ((z, second), (z, first), (first, second))
        )
        expected.append(np.sqrt(np.mean(np.sum((z @ (whole - then @ one).T) ** 2, axis=1))))
    found = given(
        dataset("any"),
        test=torch.from_numpy(5 * z),
        augmented=torch.from_numpy(2 * za),
        composed=torch.from_numpy(3 * twice),
    )
    (result,) = PROTOCOLS["composition-v1"].measure(found)
    assert result.values == pytest.approx(expected, abs=1e-7)
    assert result.value == pytest.approx(np.mean(expected), abs=1e-7)
    assert expected[1] > 10 * expected[0] > 0, "unrelated views do not compose"


def test_a_reflection_has_an_error_over_rotations_and_none_over_all_orthogonal_maps() -> None:
    # Two points at right angles, mirrored: the best rotation leaves 2 + 2 - 2 * 0 = 4 squared, as its trace is zero.
    z, mirrored = torch.eye(2, dtype=torch.float64), torch.tensor([[-1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    found = given(dataset("any"), test=z, augmented=torch.stack([mirrored, z]))
    result = measure(PROTOCOLS["wahba-v1"], found)
    assert result["wahba_error"].values == pytest.approx((2, 0), abs=1e-12)
    assert result["wahba_error_worst"].value == pytest.approx(2)
    assert result["wahba_error_orthogonal"].values == pytest.approx((0, 0), abs=1e-12)
    certified = measure(PROTOCOLS["certificate-v1"], found)
    assert certified["certificate_error"].values == pytest.approx((0, 0), abs=1e-12)


def test_gamma_counts_the_draws_that_move_and_the_invariance_all() -> None:
    z, za = (torch.from_numpy(unit(*shape, seed=seed)) for shape, seed in (((30, 4), 0), ((3, 30, 4), 1)))
    found = measure(
        PROTOCOLS["relative-equivariance-v1"], given(dataset("any"), test=z, augmented=torch.stack([*za, z]))
    )
    assert [found[name].n for name in ("gamma", "gamma_median", "gamma_trimmed", "invariance")] == [3, 3, 3, 4]


def test_gamma_of_unrelated_views_is_low_so_neither_direction_is_better() -> None:
    d = 32
    z, za = (torch.from_numpy(unit(*shape, seed=seed)) for shape, seed in (((300, d), 0), ((2, 300, d), 1)))
    found = given(dataset("any"), test=z, augmented=za)
    protocol = PROTOCOLS["relative-equivariance-v1"]
    # The mean squared inner product of independent directions is 1/d, so the ratio is 4 * 2/d over (2 + 2)^2. The
    # denominator varies with a relative variance that adds 3/64 to the mean ratio.
    assert measure(protocol, found)["gamma"].value == pytest.approx((1 + 3 / 64) / (2 * d), rel=0.03)
    assert measure(PROTOCOLS["wahba-v1"], found)["wahba_error_per_sample"].value > 1
    assert {metric.higher_is_better for metric in protocol.metrics} == {None}


def test_positive_pairs_are_described_by_their_mean_and_five_points() -> None:
    # The cosine of the only pair is 1 for eight samples and -1 for the first two.
    rows = torch.eye(10)
    opposed = rows.clone()
    opposed[:2] *= -3
    found = given(dataset("any"), test=rows, augmented=torch.stack([rows, opposed]))
    result = measure(PROTOCOLS["positive-cosine-v1"], found)
    points = {name.removeprefix("positive_cosine_"): (one.value, one.n) for name, one in result.items()}
    # Of ten values, the 5 % quantile is 0.45 steps above the lowest, between -1 and -1; the 25 % quantile 2.25 steps.
    assert points == {"mean": (pytest.approx(0.6), 1), "05": (-1, 1), **dict.fromkeys(("25", "50", "75", "95"), (1, 1))}


def test_directions_are_computed_once() -> None:
    found = embedded(dataset("digits"), 3 * torch.eye(10))
    assert found.directions[0] is found.directions[0]
    assert found.directions[1].tolist() == torch.stack([torch.eye(10)] * 2).tolist()


def test_of_a_large_set_fewer_samples_and_draws_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    z = torch.from_numpy(unit(10, 3, seed=0))
    found = given(dataset("any"), test=z, augmented=torch.from_numpy(unit(7, 10, 3, seed=1)))
    assert found.few_draws == 7
    assert len(found.fewer_directions[0]) == 10
    monkeypatch.setattr("care_bench.evaluation.embedded.MOST_SAMPLES", 4)
    few, views = found.fewer_directions
    torch.testing.assert_close(few, z[[0, 2, 5, 7]])
    torch.testing.assert_close(views, found.augmented[:, [0, 2, 5, 7]])
    held_out = measure(PROTOCOLS["held-out-wahba-v1"], found)
    assert held_out["held_out_wahba"].n == measure(PROTOCOLS["certificate-v1"], found)["certificate_error"].n == 5
    assert measure(PROTOCOLS["equivariant-retrieval-v1"], found)["transformed_mrr"].n == 5
    assert measure(PROTOCOLS["wahba-v1"], found)["wahba_error"].n == 7


def test_every_draw_has_its_own_wahba_error_also_those_that_are_not_composed() -> None:
    z, views = unit(10, 3, seed=0), unit(8, 10, 3, seed=1)
    found = given(dataset("any"), test=torch.from_numpy(z), augmented=torch.from_numpy(views))
    result = measure(PROTOCOLS["wahba-v1"], found)
    rotations = [Rotation.align_vectors(view, z)[1] for view in views]
    maps = [np.linalg.norm(z @ orthogonal_procrustes(z, view)[0] - view) for view in views]
    assert result["wahba_error"].values == pytest.approx(rotations, rel=1e-5)
    assert result["wahba_error_per_sample"].values == pytest.approx(np.array(rotations) / 10**0.5, rel=1e-5)
    assert result["wahba_error_orthogonal"].values == pytest.approx(maps, rel=1e-5)
    assert result["wahba_error_worst"].value == pytest.approx(max(rotations), rel=1e-5)


def test_of_a_large_set_fewer_draws_are_held_out_and_composed(monkeypatch: pytest.MonkeyPatch) -> None:
    z, views = (torch.from_numpy(unit(*shape, 3, seed=seed)) for seed, shape in enumerate([(40,), (6, 40)]))
    parts = {"test": z, "augmented": views, "composed": views[:3].flip(0)}
    assert composed_draws(40, 6) == 5
    for module in ("measurement", "embedded"):
        monkeypatch.setattr(f"care_bench.evaluation.{module}.MOST_SAMPLES", 30)
    assert (composed_draws(40, 6), composed_draws(40, 2), composed_draws(30, 6)) == (3, 2, 5)
    large = given(dataset("any", samples=40), **parts)
    held_out = measure(PROTOCOLS["certificate-v1"], large)["certificate_held_out_error"]
    fitted = large.fitted_half.numpy()
    expected = []
    for view in views[:5].numpy():
        right, _ = orthogonal_procrustes(z.numpy()[fitted], view[fitted])
        expected.append(np.linalg.norm(z.numpy()[~fitted] @ right - view[~fitted]) / 20**0.5)
    assert held_out.values == pytest.approx(expected, rel=1e-5)
    assert measure(PROTOCOLS["composition-v1"], large)["composition_error"].n == 3


def test_draws_that_move_nothing_are_left_out_of_held_out_fractions() -> None:
    z = torch.from_numpy(unit(40, 3, seed=0))
    found = given(dataset("any", samples=40), test=z, augmented=torch.stack([z, z @ torch.from_numpy(turn()).T, z]))
    result = measure(PROTOCOLS["held-out-wahba-v1"], found)
    assert (result["held_out_wahba"].value, result["held_out_wahba"].n) == (pytest.approx(0, abs=1e-6), 1)
    assert result["held_out_still"].value == 2
    still = measure(PROTOCOLS["held-out-wahba-v1"], given(dataset("any", samples=40), test=z, augmented=z[None]))
    assert still["held_out_wahba"].reason == "no draw moves the embeddings"


def turn() -> np.ndarray[Any, Any]:
    return np.asarray(Rotation.random(rng=3).as_matrix())
