"""Which protocol applies to which data, and what the new ones make of embeddings by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from care_bench.config import EvaluationConfig
from care_bench.data import PreparedDataset, Split
from care_bench.evaluation.embed import Embedded
from care_bench.evaluation.measurement import Protocol
from care_bench.evaluation.protocols import PROTOCOLS

BY_ID = {protocol.id: protocol for protocol in PROTOCOLS}
SETTINGS = EvaluationConfig(augmentations=2, classifier_seeds=2)


def dataset(name: str, kind: Any = "image", **labels: Any) -> PreparedDataset:
    """Ten train and ten test samples whose inputs nobody looks at."""
    split = Split(np.zeros((10, 1, 2, 2), dtype=np.uint8), {key: np.asarray(value) for key, value in labels.items()})
    return PreparedDataset(name, kind, {}, split, split, "0" * 64, [], [])


def embedded(data: PreparedDataset, rows: torch.Tensor) -> Embedded:
    """Train and test at the same places, twice under an augmentation that moves nothing."""
    return Embedded(data, SETTINGS, test=rows, augmented=torch.stack([rows, rows]), train=rows)


def applicable(data: PreparedDataset) -> set[str]:
    return {protocol.id for protocol in PROTOCOLS if protocol.skip(data) is None}


def test_ids_and_versions_are_fixed() -> None:
    assert [(protocol.id, protocol.version) for protocol in PROTOCOLS] == [
        ("paper-small-v1", 1),
        ("paper-imagenet100-v1", 1),
        ("cached-v1", 1),
        ("knn-v1", 1),
        ("wahba-v1", 1),
        ("relative-equivariance-v1", 1),
        ("cosine-v1", 1),
        ("alignment-uniformity-v1", 1),
        ("retrieval-v1", 1),
        ("first-pc-v1", 1),
        ("trajectories-v1", 1),
    ]


def test_training_curves_are_of_the_cheap_label_free_protocols() -> None:
    assert {protocol.id for protocol in PROTOCOLS if protocol.over_training} == {
        "wahba-v1",
        "relative-equivariance-v1",
        "cosine-v1",
        "alignment-uniformity-v1",
    }


def test_imagenet100_has_a_probe_of_its_own() -> None:
    classes = np.zeros(10, dtype=np.int64)
    probes = {"paper-small-v1", "paper-imagenet100-v1", "cached-v1", "knn-v1"}
    big, small = dataset("imagenet100", **{"class": classes}), dataset("cifar10", **{"class": classes})
    assert applicable(big) & probes == probes - {"paper-small-v1"}
    assert applicable(small) & probes == probes - {"paper-imagenet100-v1"}
    assert applicable(dataset("flowers")) & probes == set()
    assert BY_ID["paper-small-v1"].skip(big) == "imagenet100 is probed under paper-imagenet100-v1"
    assert BY_ID["paper-imagenet100-v1"].skip(small) == "this recipe is for imagenet100, not for cifar10"


def test_point_clouds_alone_have_first_components_and_trajectories() -> None:
    clouds = {"first-pc-v1", "trajectories-v1"}
    assert applicable(dataset("proteins", "point_cloud")) >= clouds
    assert not applicable(dataset("digits")) & clouds


@pytest.mark.parametrize("name", ["paper-small-v1", "paper-imagenet100-v1"])
def test_a_probe_is_trained_by_the_recipe_of_its_name(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = "care_bench.evaluation.protocols"
    found: list[Any] = []

    def spy(*arguments: Any, seeds: range, protocol: str) -> Any:
        found.append((list(seeds), protocol))
        raise ValueError("seen")

    monkeypatch.setattr(f"{module}.linear_probe", spy)
    data = dataset("any", **{"class": np.arange(10)})
    with pytest.raises(ValueError, match="seen"):
        BY_ID[name].measure(embedded(data, torch.eye(10)))
    assert found == [([0, 1], name)]


def measure(protocol: Protocol, found: Embedded) -> dict[str, Any]:
    return dict(zip((metric.name for metric in protocol.metrics), protocol.measure(found), strict=True))


def test_retrieval_by_a_known_colour() -> None:
    # On a line with its place as its tint each sample finds itself and the four nearest: their distances are
    # 0 1 2 3 4 (twice), 0 1 1 2 3 (twice) and 0 1 1 2 2 (six times), 70 in 50 neighbours.
    # Over all pairs of ten places the mean distance is 2 (1*9 + 2*8 + ... + 9*1) / 100 = 3.3.
    line = torch.arange(10.0)
    tints = np.stack([np.arange(10), np.zeros(10), np.zeros(10)], axis=1).astype(np.float32)
    result = measure(BY_ID["retrieval-v1"], embedded(dataset("tinted", tint=tints), line[:, None]))
    assert result["retrieval_overlap"].value == 100
    assert (result["retrieval_overlap"].n, result["retrieval_overlap"].spread) == (2, 0)
    assert result["retrieval_tint_distance"].value == pytest.approx(70 / 50 / 3.3, rel=1e-6)
    assert (result["retrieval_tint_distance"].n, result["retrieval_tint_distance"].spread) == (1, None)


def test_without_a_known_colour_there_is_an_overlap_and_a_reason() -> None:
    result = measure(BY_ID["retrieval-v1"], embedded(dataset("digits"), torch.eye(10)))
    assert result["retrieval_overlap"].value is not None
    assert result["retrieval_tint_distance"].value is None
    reason = "digits has no label tint: the colour that made an image"
    assert result["retrieval_tint_distance"].reason == reason


def test_directions_are_worked_out_once() -> None:
    found = embedded(dataset("digits"), 3 * torch.eye(10))
    assert found.directions[0] is found.directions[0]
    assert found.directions[1].tolist() == torch.stack([torch.eye(10)] * 2).tolist()
