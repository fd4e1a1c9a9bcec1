"""Which protocols apply to which data, and their numbers for embeddings written by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.linalg import orthogonal_procrustes
from scipy.spatial.transform import Rotation
from sklearn.linear_model import LinearRegression

from care_bench.config import EvaluationConfig
from care_bench.data import PreparedDataset, Split
from care_bench.evaluation.embedded import Embedded
from care_bench.evaluation.measurement import Protocol, composed_draws, over_repeats
from care_bench.evaluation.protocols import PROTOCOLS
from care_bench.evaluation.training_log import TrainingLog

SETTINGS = EvaluationConfig(augmentations=2, classifier_seeds=2)


def dataset(name: str, kind: Any = "image", **labels: Any) -> PreparedDataset:
    """Return ten train and ten test samples, whose inputs are never read."""
    split = Split(np.zeros((10, 1, 2, 2), dtype=np.uint8), {key: np.asarray(value) for key, value in labels.items()})
    return PreparedDataset(name, kind, {}, split, split, "0" * 64, [], [])


def given(data: PreparedDataset, **parts: torch.Tensor) -> Embedded:
    """Return embeddings given by hand; parts that a protocol must not read are missing."""
    return Embedded(data, SETTINGS, parts.__getitem__)


def embedded(data: PreparedDataset, rows: torch.Tensor) -> Embedded:
    """Return the same embeddings for train and test, and two augmentations that change nothing."""
    return given(data, test=rows, augmented=torch.stack([rows, rows]), train=rows)


def applicable(data: PreparedDataset) -> set[str]:
    return {protocol.id for protocol in PROTOCOLS.values() if protocol.skip(data) is None}


def test_ids_and_versions_are_fixed() -> None:
    assert [(protocol.id, protocol.version) for protocol in PROTOCOLS.values()] == [
        ("cached-v1", 1),
        ("paper-small-v1", 1),
        ("paper-imagenet100-v1", 2),
        ("released-small-v1", 1),
        ("augmented-imagenet100-v1", 1),
        ("knn-v1", 1),
        ("wahba-v1", 2),
        ("relative-equivariance-v1", 2),
        ("cosine-v1", 1),
        ("positive-cosine-v1", 1),
        ("alignment-uniformity-v1", 1),
        ("composition-v1", 2),
        ("certificate-v1", 3),
        ("held-out-wahba-v1", 1),
        ("augmentation-prediction-v1", 1),
        ("augmentation-profile-v1", 1),
        ("lie-derivative-v1", 1),
        ("gradient-ratio-v1", 1),
        ("retrieval-v1", 1),
        ("equivariant-retrieval-v1", 1),
        ("first-pc-v1", 1),
        ("trajectories-v1", 1),
    ]


def test_only_cheap_protocols_without_labels_measure_snapshots() -> None:
    assert {protocol.id for protocol in PROTOCOLS.values() if protocol.over_training} == {
        "wahba-v1",
        "relative-equivariance-v1",
        "cosine-v1",
        "positive-cosine-v1",
        "alignment-uniformity-v1",
    }


def test_imagenet100_has_a_probe_of_its_own() -> None:
    classes = np.zeros(10, dtype=np.int64)
    probes = {"paper-small-v1", "paper-imagenet100-v1", "cached-v1", "knn-v1"}
    big, small = dataset("imagenet100", **{"class": classes}), dataset("cifar10", **{"class": classes})
    assert applicable(big) & probes == probes - {"paper-small-v1"}
    assert applicable(small) & probes == probes - {"paper-imagenet100-v1"}
    assert applicable(dataset("flowers")) & probes == set()
    assert PROTOCOLS["paper-small-v1"].skip(big) == "imagenet100 is probed under paper-imagenet100-v1"
    assert PROTOCOLS["paper-imagenet100-v1"].skip(small) == "this recipe is for imagenet100, not for cifar10"


def test_only_point_clouds_have_first_components_and_trajectories() -> None:
    clouds = {"first-pc-v1", "trajectories-v1"}
    assert applicable(dataset("proteins", "point_cloud")) >= clouds
    assert not applicable(dataset("digits")) & clouds


@pytest.mark.parametrize("name", ["paper-small-v1", "paper-imagenet100-v1"])
def test_every_probe_protocol_uses_its_own_recipe(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Any] = []

    def spy(*arguments: Any, seeds: range, protocol: str, known: Any) -> Any:
        found.append((list(seeds), protocol))
        raise ValueError("seen")

    monkeypatch.setattr("care_bench.metrics.linear_probe", spy)
    data = dataset("any", **{"class": np.arange(10)})
    with pytest.raises(ValueError, match="seen"):
        PROTOCOLS[name].measure(embedded(data, torch.eye(10)))
    assert found == [([0, 1], name)]


def measure(protocol: Protocol, found: Embedded) -> dict[str, Any]:
    return dict(zip((metric.name for metric in protocol.metrics), protocol.measure(found), strict=True))


def test_retrieval_by_a_known_colour() -> None:
    # Ten samples on a line, whose tint is their place: each sample finds itself and the four nearest, at distances
    # 0 1 2 3 4 (twice), 0 1 1 2 3 (twice) and 0 1 1 2 2 (six times), in total 70 for 50 neighbours.
    # The mean distance over all pairs of the ten places is 2 (1*9 + 2*8 + ... + 9*1) / 100 = 3.3.
    line = torch.arange(10.0)
    tints = np.stack([np.arange(10), np.zeros(10), np.zeros(10)], axis=1).astype(np.float32)
    result = measure(PROTOCOLS["retrieval-v1"], embedded(dataset("tinted", tint=tints), line[:, None]))
    assert result["retrieval_overlap"].value == 100
    assert (result["retrieval_overlap"].n, result["retrieval_overlap"].spread) == (2, 0)
    assert result["retrieval_tint_distance"].value == pytest.approx(70 / 50 / 3.3, rel=1e-6)
    assert (result["retrieval_tint_distance"].n, result["retrieval_tint_distance"].spread) == (1, None)


def coloured(features: np.ndarray[Any, Any], images: np.ndarray[Any, Any]) -> Any:
    """Return what retrieval-v1 finds for samples, of which each third is held out."""
    rows, held = np.arange(len(images)) % 3 > 0, np.arange(len(images)) % 3 == 0
    data = PreparedDataset("coloured", "image", {}, Split(images[rows], {}), Split(images[held], {}), "0" * 64, [], [])
    parts = {"train": features[rows], "test": features[held], "augmented": features[None, held]}
    return given(data, **{name: torch.from_numpy(part) for name, part in parts.items()})


def test_colour_is_read_from_features_that_hold_it() -> None:
    """A linear function of the colour says all of it, numbers of another kind nothing, a noisy one a part."""
    rng = np.random.default_rng(0)
    grey, tint = rng.uniform(0.3, 1, (600, 1, 4, 4)), rng.uniform(0.2, 1, (600, 3, 1, 1))
    images = np.round(255 * grey * tint).astype(np.uint8)
    shares = images.mean(axis=(2, 3)) / images.mean(axis=(2, 3)).sum(axis=1, keepdims=True)
    mixed = shares @ rng.standard_normal((3, 5)) + 2

    def found(features: np.ndarray[Any, Any]) -> float:
        value = measure(PROTOCOLS["retrieval-v1"], coloured(features, images))["colour_r2"].value
        assert value is not None
        return float(value)

    assert found(mixed) == pytest.approx(1, abs=1e-4)
    assert found(rng.standard_normal((600, 5))) == pytest.approx(0, abs=0.05)
    assert found(images.mean(axis=(1, 2, 3))[:, None]) < 0.1, "how bright a sample is says little of its colour"
    noisy, held = mixed + 0.2 * rng.standard_normal((600, 5)), np.arange(600) % 3 == 0
    model = LinearRegression().fit(noisy[~held], shares[~held])
    expected = 1 - ((model.predict(noisy[held]) - shares[held]) ** 2).sum(axis=0) / (
        (shares[held] - shares[held].mean(axis=0)) ** 2
    ).sum(axis=0)
    assert 0.2 < expected.mean() < 0.9
    assert found(noisy) == pytest.approx(expected.mean(), abs=0.02)


def test_without_colour_nothing_is_read() -> None:
    grey = np.random.default_rng(0).integers(1, 255, (90, 1, 4, 4), dtype=np.uint8).repeat(3, axis=1)
    result = measure(PROTOCOLS["retrieval-v1"], coloured(unit(90, 3, seed=0), grey))["colour_r2"]
    assert result.reason == "the colour of the samples: it is the same in all draws"
    result = measure(PROTOCOLS["retrieval-v1"], coloured(unit(90, 3, seed=0), grey[:, :1]))["colour_r2"]
    assert result.reason == "coloured holds no images in colour"


def test_a_still_trajectory_has_no_shape_and_leaves_the_group_of_the_others() -> None:
    angle = torch.arange(100, dtype=torch.float64) * 2 * torch.pi / 100
    circle = torch.stack([angle.cos(), angle.sin()], dim=1)
    curves = circle.expand(8, 3, 100, 2).clone()
    curves[0] = 0
    result = measure(PROTOCOLS["trajectories-v1"], given(dataset("proteins", "point_cloud"), trajectories=curves))
    assert result["trajectory_planarity"].reason == (
        "3 of 9 trajectories do not move (an invariant encoder); they have no shape"
    )
    assert result["trajectory_group_residual"].value == pytest.approx(0, abs=1e-9)
    assert (result["trajectory_group_residual"].n, result["trajectory_closure"].n) == (3, 12)


def test_the_equivariance_term_of_the_log() -> None:
    """Ratios 1 and 3; a term of 4 with deviation 1 in the second half (see the test of the metric)."""
    later = [4.0 + one for one in (1, -1, -1, 1, 1, -1, -1, 1, 0, 0)]
    log = TrainingLog((1.0, 3.0), (*[9.0] * 10, *later))
    result = measure(PROTOCOLS["gradient-ratio-v1"], replace(given(dataset("any")), log=log))
    assert result["gradient_ratio"].value == 2
    assert result["term_deviation"].value == pytest.approx(0.25, rel=1e-12)
    without = measure(PROTOCOLS["gradient-ratio-v1"], given(dataset("any")))
    assert without["term_deviation"].reason == "its method has no equivariance term"


def unit(*shape: int, seed: int) -> np.ndarray[Any, Any]:
    rows = np.random.default_rng(seed).standard_normal(shape)
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


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


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([3.0], (3.0, 1, None, None)),
        ([1.0, 2.0, 6.0], (3.0, 3, pytest.approx(7**0.5), (1.0, 2.0, 6.0))),  # 4 + 1 + 9 over two
        (torch.tensor([0.5, 0.25]), (0.375, 2, pytest.approx(0.125 * 2**0.5), (0.5, 0.25))),
    ],
)
def test_the_repeats_are_kept_with_their_mean(values: Any, expected: tuple[Any, ...]) -> None:
    found = over_repeats(values)
    assert (found.value, found.n, found.spread, found.values) == expected


def test_without_a_known_colour_only_the_overlap_is_measured() -> None:
    result = measure(PROTOCOLS["retrieval-v1"], embedded(dataset("digits"), torch.eye(10)))
    assert result["retrieval_overlap"].value is not None
    assert result["retrieval_tint_distance"].value is None
    reason = "digits has no label tint: the colour that made an image"
    assert result["retrieval_tint_distance"].reason == reason


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


def test_of_a_large_set_one_half_is_held_out_and_fewer_draws_are_composed(monkeypatch: pytest.MonkeyPatch) -> None:
    z, views = (torch.from_numpy(unit(*shape, 3, seed=seed)) for seed, shape in enumerate([(40,), (6, 40)]))
    parts = {"test": z, "augmented": views, "composed": views[:3].flip(0)}
    whole = measure(PROTOCOLS["certificate-v1"], given(dataset("any"), **parts))["certificate_held_out_error"]
    assert composed_draws(40, 6) == 5
    for module in ("measurement", "embedded"):
        monkeypatch.setattr(f"care_bench.evaluation.{module}.MOST_SAMPLES", 30)
    assert (composed_draws(40, 6), composed_draws(40, 2), composed_draws(30, 6)) == (3, 2, 5)
    large = given(dataset("any"), **parts)
    held_out = measure(PROTOCOLS["certificate-v1"], large)["certificate_held_out_error"]
    fitted = large.fitted_half.numpy()
    expected = []
    for view in views[:5].numpy():
        right, _ = orthogonal_procrustes(z.numpy()[fitted], view[fitted])
        expected.append(np.linalg.norm(z.numpy()[~fitted] @ right - view[~fitted]) / 20**0.5)
    assert held_out.values == pytest.approx(expected, rel=1e-5)
    assert whole.n == 6
    assert whole.values[:5] != pytest.approx(expected, rel=1e-3)
    assert measure(PROTOCOLS["composition-v1"], large)["composition_error"].n == 3


def test_draws_that_move_nothing_are_left_out_of_held_out_fractions() -> None:
    z = torch.from_numpy(unit(40, 3, seed=0))
    found = given(dataset("any"), test=z, augmented=torch.stack([z, z @ torch.from_numpy(turn()).T, z]))
    result = measure(PROTOCOLS["held-out-wahba-v1"], found)
    assert (result["held_out_wahba"].value, result["held_out_wahba"].n) == (pytest.approx(0, abs=1e-6), 1)
    assert result["held_out_still"].value == 2
    still = measure(PROTOCOLS["held-out-wahba-v1"], given(dataset("any"), test=z, augmented=z[None]))
    assert still["held_out_wahba"].reason == "no draw moves the embeddings"


def turn() -> np.ndarray[Any, Any]:
    return np.asarray(Rotation.random(rng=3).as_matrix())
