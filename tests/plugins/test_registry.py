"""The registry is lazy and ordered; an unusable component is one line that names its package."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from care_bench import plugins
from care_bench.errors import CareBenchError, unknown

GROUP = plugins.DATASETS
Offer = Callable[..., Path]


def check(name: str, found: object) -> int:
    if not isinstance(found, int):
        raise ValueError(f"holds {found!r};\nexpected a whole number")
    return found


def registry() -> plugins.Registry[int]:
    return plugins.Registry(GROUP, {"zero": 0, "one": 1}, check)


def test_built_in_names_come_first_and_others_are_sorted(offer: Offer) -> None:
    points = {GROUP: {"ten": "numbers_a:TEN", "eight": "numbers_a:EIGHT"}}
    offer("numbers-a", points, {"numbers_a": "TEN, EIGHT = 10, 8"})
    offer("numbers-b", {GROUP: {"nine": "numbers_b:NINE"}}, {"numbers_b": "NINE = 9"})
    assert list(registry()) == ["zero", "one", "eight", "nine", "ten"]
    assert list(registry().values()) == [0, 1, 8, 9, 10]
    assert len(registry()) == 5


def test_only_the_component_that_is_looked_up_is_imported(offer: Offer) -> None:
    offer("lazy", {GROUP: {"lazy": "lazy_number:N"}}, {"lazy_number": "N = 5"})
    offer("broken", {GROUP: {"broken": "broken_number:N"}}, {"broken_number": "import no_such_module"})
    table = registry()
    assert "broken" in table
    assert "lazy" in table
    assert "absent" not in table
    assert str(unknown("number", "lasy", table)).endswith("did you mean 'lazy'? known: broken, lazy, one, zero")
    assert table["one"] == 1
    assert not {"lazy_number", "broken_number"} & set(sys.modules)
    assert table["lazy"] == 5
    assert table.get("absent") is None
    with pytest.raises(KeyError, match="absent"):
        table["absent"]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import no_such_module", r"cannot be imported (ModuleNotFoundError: No module named 'no_such_module')"),
        ("M = 1", "cannot be imported (AttributeError: module 'number_module' has no attribute 'N')"),
        (
            "raise RuntimeError('first line\\nsecond line')",
            "cannot be imported (RuntimeError: first line second line) at number_module.py:1;",
        ),
        ("import sys; sys.exit('no licence')", "cannot be imported (SystemExit: no licence)"),
        ("N = 'five'", "holds 'five'; expected a whole number"),
    ],
)
def test_a_component_that_cannot_be_used_is_one_line_naming_its_package(offer: Offer, code: str, reason: str) -> None:
    offer("numbers", {GROUP: {"five": "number_module:N"}}, {"number_module": code}, version="2.1")
    table = registry()
    for _ in range(2):  # the second time as well
        with pytest.raises(CareBenchError) as caught:
            table["five"]
        line = str(caught.value)
        where = "'five' of package numbers 2.1 (entry point care_bench.datasets: number_module:N) "
        assert line.startswith(where + reason)
        assert "\n" not in line
    sys.modules.pop("number_module", None)


def test_a_name_that_two_packages_offer_is_an_error_only_if_used(offer: Offer) -> None:
    offer("first", {GROUP: {"five": "first_five:N", "six": "first_five:M"}}, {"first_five": "N, M = 5, 6"})
    offer("second", {GROUP: {"five": "second_five:N"}}, {"second_five": "N = 55"})
    table = registry()
    assert list(table) == ["zero", "one", "five", "six"]
    assert table["six"] == 6
    with pytest.raises(CareBenchError, match=r"package first 1\.0 .* and 'five' of package second 1\.0 .* same name"):
        table["five"]


def test_a_built_in_name_is_ambiguous_while_a_package_offers_it_too(offer: Offer) -> None:
    offer("imitator", {GROUP: {"one": "imitation:ONE"}}, {"imitation": "ONE = 111"})
    table = registry()
    assert table["zero"] == 0
    assert list(table) == ["zero", "one"]
    with pytest.raises(CareBenchError, match=r"'one' of package imitator 1\.0 .* comes with care_bench"):
        table["one"]
    assert "imitation" not in sys.modules


@pytest.mark.parametrize("name", ["../elsewhere", "two words", "-rf", "a;b"])
def test_a_name_that_cannot_be_a_folder_is_refused(offer: Offer, name: str) -> None:
    offer("paths", {GROUP: {name: "path_number:N"}}, {"path_number": "N = 5"})
    with pytest.raises(CareBenchError, match=rf"{re.escape(repr(name))} of package paths .* cannot be a folder"):
        registry()[name]


def test_extensions_are_listed_with_their_packages_and_none_is_imported(offer: Offer) -> None:
    offer("both", {plugins.METHODS: {"m": "both_module:M"}, GROUP: {"d": "both_module:D"}}, version="3")
    folder = offer("ruin", {plugins.EVALUATIONS: {"e-v1": "ruin_module:E"}})
    (folder / "ruin-1.0.dist-info" / "METADATA").unlink()  # as after an interrupted installation
    plugins._offered.cache_clear()
    assert plugins.extensions() == (
        (plugins.METHODS, "m", "both", "3"),
        (GROUP, "d", "both", "3"),
        (plugins.EVALUATIONS, "e-v1", "unknown", "unknown"),
    )
    assert not {"both_module", "ruin_module"} & set(sys.modules)
