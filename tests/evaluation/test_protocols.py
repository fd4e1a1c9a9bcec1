"""Which protocols apply to which data, and their numbers for embeddings written by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.linear_model import LinearRegression

from care_bench.config import EvaluationConfig
from care_bench.data import PreparedDataset, Split
from care_bench.evaluation.measurement import over_repeats
from care_bench.evaluation.protocols import PROTOCOLS
from care_bench.evaluation.training_log import TrainingLog
from care_bench.metrics.linear_probe import RECIPES
from care_bench.runs import randomness
from tests.evaluation.given import SETTINGS, dataset, embedded, given, measure, unit


def applicable(data: PreparedDataset) -> set[str]:
    return {protocol.id for protocol in PROTOCOLS.values() if protocol.skip(data) is None}


def test_the_setting_of_classifiers_names_every_probe_that_trains_some() -> None:
    said = EvaluationConfig.model_fields["classifier_seeds"].description or ""
    assert {protocol for protocol in PROTOCOLS if protocol in said} == set(RECIPES)


def test_ids_and_versions_are_fixed() -> None:
    assert [(protocol.id, protocol.version) for protocol in PROTOCOLS.values()] == [
        ("cached-v1", 1),
        ("paper-small-v1", 1),
        ("paper-imagenet100-v1", 2),
        ("released-small-v1", 1),
        ("augmented-imagenet100-v1", 1),
        ("knn-v1", 1),
        ("wahba-v1", 2),
        ("relative-equivariance-v1", 3),
        ("cosine-v1", 1),
        ("positive-cosine-v1", 1),
        ("alignment-uniformity-v1", 1),
        ("composition-v1", 2),
        ("certificate-v1", 4),
        ("held-out-wahba-v1", 2),
        ("augmentation-prediction-v1", 2),
        ("augmentation-profile-v1", 3),
        ("lie-derivative-v1", 2),
        ("gradient-ratio-v1", 1),
        ("retrieval-v1", 2),
        ("equivariant-retrieval-v1", 2),
        ("first-pc-v1", 1),
        ("trajectories-v1", 2),
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


@pytest.mark.parametrize(
    "name",
    [
        *("wahba-v1", "relative-equivariance-v1", "cosine-v1", "positive-cosine-v1", "alignment-uniformity-v1"),
        *("held-out-wahba-v1", "certificate-v1", "composition-v1", "equivariant-retrieval-v1"),
    ],
)
def test_no_number_on_the_sphere_comes_from_a_zero_embedding(name: str) -> None:
    data = dataset("any", **{"class": np.arange(10) % 2})
    rows = torch.from_numpy(unit(10, 4, seed=0)).float()
    zero = rows * (torch.arange(10) != 3)[:, None]
    found = given(data, test=zero, augmented=torch.stack([rows, zero]), composed=torch.stack([rows, zero]), train=rows)
    with pytest.raises(ValueError, match="zero, which has no direction"):
        PROTOCOLS[name].measure(found)


@pytest.mark.parametrize("name", ["knn-v1", "cached-v1", "paper-small-v1"])
def test_no_accuracy_comes_from_one_class(name: str) -> None:
    rows = torch.from_numpy(unit(10, 4, seed=0)).float()
    with pytest.raises(ValueError, match="train labels are all 2; expected at least 2 classes"):
        PROTOCOLS[name].measure(embedded(dataset("any", **{"class": np.full(10, 2)}), rows))


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


@pytest.mark.parametrize("most", [None, 40, 39, 7])
def test_retrieval_of_a_random_part_of_the_test_samples(most: int | None) -> None:
    generator = np.random.default_rng(0)
    train, test, shifts = (generator.standard_normal(shape) for shape in ((90, 3), (40, 3), (2, 40, 3)))
    tints = [generator.random((n, 3)).astype(np.float32) for n in (90, 40)]
    splits = [Split(np.zeros((len(one), 1, 2, 2), dtype=np.uint8), {"tint": one}) for one in tints]
    data = PreparedDataset("tinted", "image", {}, *splits, "0" * 64, [], [])
    parts = {"train": train, "test": test, "augmented": test + 0.3 * shifts}
    found = replace(
        given(data, **{name: torch.from_numpy(part) for name, part in parts.items()}),
        settings=SETTINGS.model_copy(update={"retrieval_queries": most}),
    )
    result = measure(PROTOCOLS["retrieval-v1"], found)
    draws = randomness.generator("tinted", SETTINGS.augmentation_seed, "retrieval queries")
    chosen = torch.randperm(40, generator=draws)[:most].numpy()

    def nearest(queries: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return cdist(queries[chosen], train).argsort(axis=1)[:, :5]  # type: ignore[no-any-return]

    plain = nearest(test)
    for view, overlap in zip(parts["augmented"], result["retrieval_overlap"].values, strict=True):
        shared = [len({*one} & {*other}) for one, other in zip(plain, nearest(view), strict=True)]
        assert overlap == pytest.approx(20 * np.mean(shared), rel=1e-12)
    apart = cdist(tints[1][chosen], tints[0])
    expected = np.take_along_axis(apart, plain, axis=1).mean() / apart.mean()
    assert result["retrieval_tint_distance"].value == pytest.approx(expected, rel=1e-6)


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


def test_of_one_embedding_no_colour_is_nearest() -> None:
    data = dataset("tinted", tint=np.arange(30).reshape(10, 3) / 30, **{"class": np.zeros(10, dtype=int)})
    rows = torch.from_numpy(unit(1, 3, seed=0)).expand(10, 3) + 1e-9 * torch.from_numpy(unit(10, 3, seed=1))
    result = measure(PROTOCOLS["retrieval-v1"], embedded(data, rows))["retrieval_tint_distance"]
    assert (result.value, result.reason) == (None, "all training samples have one embedding, so that none is nearest")
    spread = embedded(data, rows + 1e-3 * torch.from_numpy(unit(10, 3, seed=1)))
    assert measure(PROTOCOLS["retrieval-v1"], spread)["retrieval_tint_distance"].value is not None


def test_a_still_trajectory_has_no_shape_and_leaves_the_group_of_the_others() -> None:
    angle = torch.arange(100, dtype=torch.float64) * 2 * torch.pi / 100
    circle = torch.stack([angle.cos(), angle.sin()], dim=1)
    curves = circle.expand(8, 3, 100, 2).clone()
    curves[0] = 0
    result = measure(
        PROTOCOLS["trajectories-v1"],
        given(dataset("proteins", "point_cloud"), trajectories=curves, trajectory_rows=torch.arange(8)),
    )
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
