"""`care-bench doctor` lists the components of other packages."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from care_bench import plugins
from care_bench.config.methods import METHOD_SETTINGS
from care_bench.data import DATASETS
from care_bench.doctor import examine
from care_bench.evaluation.protocols import PROTOCOLS
from care_bench.methods import METHODS

ROOT = Path(__file__).parents[2]
Offer = Callable[..., Path]
COMPONENTS = """
from dataclasses import replace
from typing import Literal
from care_bench.config import MethodSettings
from care_bench.data.sources.digits import INFO
from care_bench.evaluation.protocols import OURS
from care_bench.methods.simclr import SimCLR

class Own(MethodSettings):
    name: Literal["working"]

class Working(SimCLR):
    Settings = Own

class NoMethod:
    Settings = Own

TOYS = replace(INFO, name="toys", how_to_get="from the shelf [upper one]")
MINE = replace(OURS[0], id="mine-v1")
"""
MODULE = "components_of_a_test"


@pytest.fixture(autouse=True)
def forget() -> None:
    """Make every test load its own components."""
    for registry in (METHOD_SETTINGS, METHODS, DATASETS, PROTOCOLS):
        registry.loaded.clear()
    sys.modules.pop(MODULE, None)


def examined(data: Path, *, quick: bool) -> list[list[str]]:
    """Return the cells of all printed tables."""
    printed = io.StringIO()
    assert examine(data, quick=quick, console=Console(file=printed, width=500))
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in printed.getvalue().splitlines()]


def states(rows: list[list[str]]) -> dict[tuple[str, ...], str]:
    """Return the states of the extensions, by group, name, package and version."""
    return {tuple(row[:4]): row[4] for row in rows if len(row) == 5 and row[0] in plugins.GROUPS}


def test_every_extension_of_every_group_is_listed_with_its_state(offer: Offer, tmp_path: Path) -> None:
    points = {
        plugins.METHODS: {"working": f"{MODULE}:Working"},
        plugins.DATASETS: {"toys": f"{MODULE}:TOYS"},
        plugins.EVALUATIONS: {"mine-v1": f"{MODULE}:MINE"},
    }
    offer("whole", points, {MODULE: COMPONENTS}, version="0.3")
    assert states(examined(tmp_path / "data", quick=False)) == {
        (plugins.METHODS, "working", "whole", "0.3"): "ready",
        (plugins.DATASETS, "toys", "whole", "0.3"): "ready",
        (plugins.EVALUATIONS, "mine-v1", "whole", "0.3"): "ready",
    }


@pytest.mark.parametrize(
    ("group", "name", "held", "reason"),
    [
        (plugins.METHODS, "gone", "no_such_module:M", "ModuleNotFoundError: No module named 'no_such_module'"),
        (plugins.METHODS, "working", f"{MODULE}:NoMethod", "expected a"),
        (plugins.METHODS, "simclr", f"{MODULE}:Working", "has the name of one that comes with care_bench"),
        (plugins.DATASETS, "other", f"{MODULE}:TOYS", "expected a care_bench.data.DatasetInfo of that name"),
        (
            plugins.EVALUATIONS,
            "gone-v1",
            f"{MODULE}:GONE",
            f"AttributeError: module '{MODULE}' has no attribute 'GONE'",
        ),
        (plugins.EVALUATIONS, "other-v1", f"{MODULE}:MINE", "expected a care_bench.evaluation"),
        (plugins.EVALUATIONS, "two words", f"{MODULE}:MINE", "cannot be a folder"),
    ],
)
def test_a_broken_extension_is_listed_with_the_reason_and_hides_no_other(
    group: str, name: str, held: str, reason: str, offer: Offer, tmp_path: Path
) -> None:
    offer("broken", {group: {name: held}}, {MODULE: COMPONENTS})
    offer("whole", {plugins.EVALUATIONS: {"mine-v1": f"{MODULE}:MINE"}}, version="2")
    found = states(examined(tmp_path / "data", quick=False))
    assert found.pop((plugins.EVALUATIONS, "mine-v1", "whole", "2")) == "ready"
    ((extension, state),) = found.items()
    assert extension == (group, name, "broken", "1.0")
    assert state.startswith(f"unusable: {name!r} of package broken 1.0 (entry point {group}: {held}) ")
    assert reason in state


def test_a_name_of_two_packages_is_listed_as_unusable_twice(offer: Offer, tmp_path: Path) -> None:
    for package in ("first", "second"):
        offer(package, {plugins.EVALUATIONS: {"mine-v1": f"{MODULE}:MINE"}}, {MODULE: COMPONENTS})
    found = states(examined(tmp_path / "data", quick=False))
    assert [package for _, _, package, _ in found] == ["first", "second"]
    assert all("have the same name" in state for state in found.values())


def test_data_sets_of_packages_are_listed_and_a_broken_one_with_its_reason(offer: Offer, tmp_path: Path) -> None:
    offer("mine", {plugins.DATASETS: {"gone": "no_such_module:INFO"}, plugins.METHODS: {"m": "x:Y"}}, version="0.3")
    offer("imitator", {plugins.DATASETS: {"digits": "no_such_module:INFO"}})
    offer("working", {plugins.DATASETS: {"toys": f"{MODULE}:TOYS"}}, {MODULE: COMPONENTS})
    rows = examined(tmp_path / "data", quick=True)
    found = states(rows)
    assert found[plugins.METHODS, "m", "mine", "0.3"] == "not checked", "it might need torch"
    assert found[plugins.DATASETS, "toys", "working", "1.0"] == "ready"
    assert "of package imitator 1.0" in found[plugins.DATASETS, "digits", "imitator", "1.0"]
    (gone,) = (row for row in rows if row[:1] == ["gone"])
    assert gone[1:3] == ["", "unusable"]
    assert "of package mine 0.3" in gone[3]
    assert "No module named 'no_such_module'" in gone[3]
    (ours,) = (row for row in rows if row[:1] == ["digits"])
    assert "of package imitator 1.0" in ours[3]
    assert ["toys", "image", "not prepared", "from the shelf [upper one]"] in rows
    assert any(row[:1] == ["proteins"] for row in rows)


def test_without_extensions_there_is_no_table_of_them(tmp_path: Path) -> None:
    printed = io.StringIO()
    assert examine(tmp_path, quick=True, console=Console(file=printed, width=400))
    assert "Extensions" not in printed.getvalue()


def test_quick_imports_neither_torch_nor_components_that_may_import_it(offer: Offer, tmp_path: Path) -> None:
    points = {plugins.METHODS: {"m": "needs_torch:M"}, plugins.EVALUATIONS: {"e-v1": "needs_torch:E"}}
    folder = offer("heavy", points, {"needs_torch": "import torch"})
    code = (
        "import sys; from care_bench.cli import app; app(['doctor', '--quick'], standalone_mode=False)\n"
        "sys.exit('imported' if {'torch', 'needs_torch'} & set(sys.modules) else 0)"
    )
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join((str(folder), os.environ["PYTHONPATH"])),
        "COLUMNS": "200",
    }
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=environment, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("not checked") == 2
