"""Which protocols apply to which data, and their numbers for embeddings written by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from care_bench.config import EvaluationConfig
from care_bench.data import PreparedDataset
from care_bench.evaluation.measurement import Measurement, over_repeats
from care_bench.evaluation.protocols import PROTOCOLS
from care_bench.evaluation.records import measure as measured
from care_bench.evaluation.training_log import TrainingLog
from care_bench.metrics.linear_probe import RECIPES
from care_bench.runs.folder import RunFolder
from tests.evaluation.given import dataset, embedded, given, measure, unit


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
        ("retrieval-v1", 3),
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
    assert without["gradient_ratio"].reason == "its method adds no term to another one"


@pytest.mark.parametrize(
    ("precision", "reason"), [("16-mixed", "it was trained in 16-mixed"), ("32-true", "its method")]
)
def test_a_training_without_ratios_says_why(tmp_path: Path, precision: str, reason: str) -> None:
    """In float16 no ratio of gradients is measured, of CARE neither."""
    folder = RunFolder(tmp_path)
    folder.log.write_text('{"step": 1, "equivariance": 0.5}\n{"step": 2, "equivariance": 0.25}\n')
    log = TrainingLog.read(folder, precision)
    result = measure(PROTOCOLS["gradient-ratio-v1"], replace(given(dataset("any")), log=log))
    assert result["gradient_ratio"].reason.startswith(reason)
    assert log.equivariance == (0.5, 0.25)


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


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_a_number_that_is_not_finite_is_a_blank(number: float) -> None:
    """As a protocol of another package may return it."""
    undefined = replace(PROTOCOLS["knn-v1"], measure=lambda embedded: (Measurement(number, 3),))
    (found,) = measured(undefined, given(dataset("any", **{"class": np.arange(10)})))
    assert (found.value, found.n, found.reason) == (None, 3, f"undefined on these embeddings: {number}")
