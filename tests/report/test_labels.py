from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from care_bench.artifacts import Record
from care_bench.report.labels import Order, Variant, labels, natural, position
from care_bench.report.variants import Variants, variant_of
from tests.sample_records import sha


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


SIMCLR: dict[str, Any] = {"name": "simclr", "temperature": 0.5, "invariance_weight": 1.0}
WEAK = {**SIMCLR, "invariance_weight": 0.1}


def trained(record: Callable[..., Record], variant: str, dataset: str, **method: Any) -> Record:
    base = method.get("base")
    kept = {"method": method["name"], "base": base and base["name"], "fidelity": "paper" if base else None}
    config = json.dumps({"method": method})
    return record(variant=variant, dataset=dataset, config=config, config_sha256=sha(config), **kept)


def test_a_name_that_is_another_method_on_another_data_set_is_another_row(record: Callable[..., Record]) -> None:
    found = [
        trained(record, "simclr", "digits", **SIMCLR),
        trained(record, "care", "digits", name="care", base=SIMCLR, splits=8, weight=10),
        trained(record, "simclr", "proteins", **SIMCLR),
        trained(record, "care", "proteins", name="care", base=WEAK, splits=4, weight=10),
        trained(record, "care-full-invariance", "proteins", name="care", base=SIMCLR, splits=4, weight=10),
        trained(record, "simclr-weak-invariance", "proteins", **WEAK),
    ]
    variants = Variants(found)
    names = labels(set(map(variants.of, found)))
    assert [names[variants.of(one)] for one in found] == [
        "SimCLR",
        "CARE (SimCLR), paper fidelity",
        "SimCLR",
        "CARE (SimCLR, invariance weight 0.1), paper fidelity",
        "CARE (SimCLR), paper fidelity [care-full-invariance]",
        "SimCLR, invariance weight 0.1 [simclr-weak-invariance]",
    ]


def test_a_base_is_told_from_the_row_that_bears_its_plain_name(record: Callable[..., Record]) -> None:
    warm = {**SIMCLR, "temperature": 0.2}
    found = [
        trained(record, "simclr", "a", **SIMCLR),
        trained(record, "care", "a", name="care", base=warm),
        trained(record, "simclr", "b", **warm),
        trained(record, "care", "b", name="care", base=warm),
        trained(record, "simclr", "c", **WEAK),
        trained(record, "care", "c", name="care", base=SIMCLR),
        trained(record, "care", "d", name="care", base=warm),
    ]
    settings = [Variants(found).of(one).setting for one in found]
    assert settings == ["", "temperature 0.2", "", "", "invariance weight 0.1", "invariance weight 1", ""]


def test_settings_of_one_row_that_differ_between_data_sets_are_named(record: Callable[..., Record]) -> None:
    found = [
        trained(record, "care", dataset, name="care", base=base, splits=splits, weight=10)
        for dataset, base, splits in (("a", SIMCLR, 8), ("b", SIMCLR, 4), ("c", WEAK, 2), ("d", SIMCLR, 8))
    ]
    variants = Variants(found)
    plain = variants.of(found[0])
    assert variants.differing(plain, ["a", "b", "c"]) == ["splits"]
    assert variants.differing(plain, ["a", "c", "d"]) == []


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
