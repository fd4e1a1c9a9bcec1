"""Data sets and rows have the order of the collection's profile, or a fixed order without one."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from care_bench.artifacts import Record
from care_bench.artifacts.collecting import collect
from care_bench.report.build import write_report
from tests.sample_records import add_profile, write_runs

Make = Callable[..., Record]
# This order is neither by name nor by method, and differs between data sets.
PROFILE: dict[str, Any] = {
    "profile": "small",
    "seeds": [0],
    "steps": None,
    "datasets": {
        "proteins": {"methods": {"care": {}, "invariance": {}, "simclr": {}}},
        "digits": {"methods": {"invariance": {}, "care-weight-3": {}, "simclr": {}, "care": {}}},
        "cifar10": {"methods": {"uniformity": {}, "simclr": {}}},
    },
}
LABELS = {
    "care": "CARE (SimCLR), paper fidelity",
    "care-weight-3": "CARE (SimCLR), paper fidelity [care-weight-3]",
    "simclr": "SimCLR",
    "invariance": "invariance only",
    "uniformity": "uniformity only",
}

SHOWN = (
    *("top1", "gamma", "positive_cosine_mean", "composition_error"),
    *("retrieval_overlap", "first_pc_r2", "effective_rank"),
)
"""One metric for every kind of table."""


@pytest.fixture
def folder(tmp_path: Path, record: Make) -> Path:
    """A collection of the variants of PROFILE, without its profile.json."""
    records = [
        record(dataset=dataset, variant=variant, metric=metric, value=1.0)
        for dataset, plan in PROFILE["datasets"].items()
        for variant in plan["methods"]
        for metric in SHOWN
    ]
    failed = {"metric": "trajectory_planarity", "value": None, "n": 0, "reason": "not clouds"}
    records += [record(dataset=dataset, **failed) for dataset in PROFILE["datasets"]]
    return collect(write_runs(tmp_path / "runs", records), tmp_path / "results" / "collected" / "small").parent


def tables(results: Path) -> dict[str, tuple[list[str], list[str]]]:
    """Return rows and spanning headers of every table by its title, in the order of the report."""
    (path,) = write_report(results, formats=["csv"], console=Console(file=io.StringIO()))
    found: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
    for cell in csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))):
        rows, groups = found.setdefault(cell["table"], ({}, {}))
        rows[cell["row"]] = groups[cell["group"]] = None
    return {title: (list(rows), list(groups)) for title, (rows, groups) in found.items()}


def names(*variants: str) -> list[str]:
    return [LABELS[variant] for variant in variants]


def data(titles: dict[str, Any], first: str) -> list[str]:
    """Return the data sets of the tables whose title starts with ``first``."""
    return [title.split(", ")[1].partition(" ")[0] for title in titles if title.startswith(first)]


KINDS = (
    *("Equivariance", "Positive pairs", "Composition", "Retrieval"),
    *("Loss ablation", "Rotated point clouds", "Other measurements"),
)


def test_every_table_has_the_order_of_the_profile(folder: Path) -> None:
    add_profile(folder, PROFILE)
    found = tables(folder.parents[1])
    rows, groups = found["Probe accuracy, cached-v1"]
    # The rows of the first data set, then those that the second and third add.
    assert rows == names("care", "invariance", "simclr", "care-weight-3", "uniformity")
    assert groups == ["proteins (convnet)", "digits (convnet)", "cifar10 (convnet)"]
    for dataset, plan in PROFILE["datasets"].items():
        for title in ("Equivariance, {}, projection", "Retrieval, {}", "Other measurements, {}, projection"):
            assert found[title.format(f"{dataset} (convnet)")][0] == names(*plan["methods"])
    for kind in KINDS:
        assert data(found, kind) == ["proteins", "digits", "cifar10"]


def test_statements_and_reasons_have_the_order_of_the_profile(folder: Path, tmp_path: Path) -> None:
    add_profile(folder, PROFILE)
    (path,) = write_report(folder.parents[1], formats=["md"], console=Console(file=io.StringIO()))
    text = path.read_text(encoding="utf-8")
    places = [text.index(f"trajectories-v1, {name} ") for name in PROFILE["datasets"]]
    assert places == sorted(places)


def test_without_a_profile_rows_are_sorted_by_method_and_name(folder: Path) -> None:
    found = tables(folder.parents[1])
    rows, groups = found["Probe accuracy, cached-v1"]
    assert rows == names("simclr", "care", "care-weight-3", "invariance", "uniformity")
    assert groups == ["cifar10 (convnet)", "digits (convnet)", "proteins (convnet)"]
    for kind in KINDS:
        assert data(found, kind) == ["cifar10", "digits", "proteins"]
