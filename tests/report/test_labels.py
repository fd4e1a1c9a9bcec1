from __future__ import annotations

from collections.abc import Callable

import pytest

from care_bench.artifacts import Record
from care_bench.report.labels import Order, Variant, labels, natural, position, variant_of


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


def test_rows_with_the_same_label_show_the_variant_names() -> None:
    one, two = Variant("care", "simclr", "paper", "care"), Variant("care", "simclr", "paper", "care-paper")
    assert list(labels([one, two]).values()) == [
        "CARE (SimCLR), paper fidelity [care]",
        "CARE (SimCLR), paper fidelity [care-paper]",
    ]


def test_rows_have_a_fixed_order() -> None:
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
    assert sorted(expected[4:] + expected[:4], key=Order().variants([])) == expected


def test_numbers_in_names_are_sorted_as_numbers() -> None:
    assert sorted(["w-10", "w-3", "w-0.3", "w", "w-3b"], key=natural) == ["w", "w-0.3", "w-3", "w-3b", "w-10"]


def test_known_names_come_first() -> None:
    names = sorted(["zeta", "b", "alpha", "a"], key=lambda name: position(name, ["b", "a"]))
    assert names == ["b", "a", "alpha", "zeta"]


def test_names_that_are_not_in_the_profile_come_last(record: Callable[..., Record]) -> None:
    order = Order({"digits": ("uniformity", "simclr")})
    variants = {
        variant_of(record(variant=name)) for name in ("care", "care-weight-3", "simclr", "invariance", "uniformity")
    }
    by_row = order.variants(["proteins", "digits"])
    assert [variant.name for variant in sorted(variants, key=by_row)] == [
        *("uniformity", "simclr"),
        *("care", "care-weight-3", "invariance"),
    ]
    assert sorted(["b", "digits", "a"], key=order.dataset) == ["digits", "a", "b"]
