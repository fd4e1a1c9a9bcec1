from __future__ import annotations

import pytest

from care_bench.evaluation.protocols import PROTOCOLS
from care_bench.report.labels import METRICS, PROBES, Variant, labels, metric_order, natural, order, probe_order


@pytest.mark.parametrize(
    ("variant", "label"),
    [
        (Variant("simclr", None, None, "simclr"), "SimCLR"),
        (Variant("care", "simclr", "paper", "care"), "CARE (SimCLR), paper fidelity"),
        (Variant("care", "simclr", "paper", "care-simclr-paper"), "CARE (SimCLR), paper fidelity"),
        (Variant("care", "simclr", "released-code", "care-released-code"), "CARE (SimCLR), released-code fidelity"),
        (Variant("care", "moco_v2", "paper", "care-moco-v2"), "CARE (MoCo-v2), paper fidelity"),
        (Variant("care", "simclr", "paper", "care-weight-3"), "CARE (SimCLR), paper fidelity [care-weight-3]"),
        (Variant("equimod", "byol", None, "equimod-byol"), "EquiMod (BYOL)"),
        (Variant("augself", "moco_v2", None, "augself-moco-v2"), "AugSelf (MoCo-v2)"),
        (Variant("invariance", None, None, "invariance"), "invariance only"),
        (Variant("uniformity_equivariance", None, "paper", "uniformity-equivariance"), None),
        (Variant("somebody_elses", None, None, "somebody_elses"), "somebody_elses"),
        (Variant("simclr", None, None, "long"), "SimCLR [long]"),
    ],
)
def test_a_row_says_method_base_and_fidelity(variant: Variant, label: str | None) -> None:
    assert labels([variant]) == {variant: label or "uniformity + equivariance, paper fidelity"}


def test_rows_of_one_name_show_their_keys() -> None:
    one, two = Variant("care", "simclr", "paper", "care"), Variant("care", "simclr", "paper", "care-paper")
    assert list(labels([one, two]).values()) == [
        "CARE (SimCLR), paper fidelity [care]",
        "CARE (SimCLR), paper fidelity [care-paper]",
    ]


def test_rows_stand_in_a_fixed_order() -> None:
    expected = [
        Variant("simclr", None, None, "simclr"),
        Variant("care", "simclr", "paper", "care"),
        Variant("care", "simclr", "paper", "care-weight-0.3"),
        Variant("care", "simclr", "paper", "care-weight-3"),
        Variant("care", "simclr", "paper", "care-weight-10"),
        Variant("care", "simclr", "released-code", "care-released-code"),
        Variant("care", "moco_v2", "paper", "care-moco"),
        Variant("invariance", None, None, "invariance"),
        Variant("another", None, None, "another"),
    ]
    assert sorted(expected[4:] + expected[:4], key=order) == expected


def test_numbers_in_names_count() -> None:
    assert sorted(["w-10", "w-3", "w-0.3", "w", "w-3b"], key=natural) == ["w", "w-0.3", "w-3", "w-3b", "w-10"]


def test_known_metrics_and_protocols_come_first() -> None:
    assert sorted(["zeta", "gamma", "alpha", "top1"], key=metric_order) == ["top1", "gamma", "alpha", "zeta"]
    probes = ["cached-v1", "paper-small-v1", "paper-imagenet100-v1", "knn-v1", "a-v1"]
    assert sorted(sorted(probes), key=probe_order) == probes


def test_every_metric_and_probe_there_is_has_its_place() -> None:
    assert {metric.name for protocol in PROTOCOLS for metric in protocol.metrics} == set(METRICS)
    assert {protocol.id for protocol in PROTOCOLS if protocol.metrics[0].name == "top1"} == set(PROBES)
