"""Data sets and rows have the order of the profile that is beside the records, else a fixed one."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from care_bench.artifacts import Record, write_records
from care_bench.artifacts.collection import collect
from care_bench.report.build import write_report

Make = Callable[..., Record]
# Not the order of the names, nor that of the methods; each data set has its own.
PROFILE: dict[str, Any] = {
    "profile": "small",
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
"""A metric of every kind of table."""


@pytest.fixture
def folder(tmp_path: Path, record: Make) -> Path:
    """A collection of the rows of PROFILE, which it does not know, under a probe and an equivariance metric."""
    records = [
        record(dataset=dataset, variant=row, metric=metric, value=1.0)
        for dataset, plan in PROFILE["datasets"].items()
        for row in plan["methods"]
        for metric in SHOWN
    ]
    failed = {"metric": "trajectory_planarity", "value": None, "n": 0, "reason": "not clouds"}
    records += [record(dataset=dataset, **failed) for dataset in PROFILE["datasets"]]
    write_records(tmp_path / "all.jsonl", records)
    return collect([tmp_path / "all.jsonl"], tmp_path / "results" / "collected" / "small").parent


def tables(results: Path) -> dict[str, tuple[list[str], list[str]]]:
    """Title of a table -> its rows and its spanning headers, in the order of the report."""
    (path,) = write_report(results, formats=["csv"], console=Console(file=io.StringIO()))
    found: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
    for cell in csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))):
        rows, groups = found.setdefault(cell["table"], ({}, {}))
        rows[cell["row"]] = groups[cell["group"]] = None
    return {title: (list(rows), list(groups)) for title, (rows, groups) in found.items()}


def names(*rows: str) -> list[str]:
    return [LABELS[row] for row in rows]


def data(titles: dict[str, Any], first: str) -> list[str]:
    """Data sets of the tables whose title begins so."""
    return [title.split(", ")[1].partition(" ")[0] for title in titles if title.startswith(first)]


KINDS = (
    *("Equivariance", "Positive pairs", "Composition", "Retrieval"),
    *("Loss ablation", "Rotated point clouds", "Other measurements"),
)


def test_the_profile_decides_in_every_table(folder: Path) -> None:
    (folder / "profile.json").write_text(json.dumps(PROFILE))
    found = tables(folder.parents[1])
    rows, groups = found["Probe accuracy, cached-v1"]
    # The rows of the first data set, then what the second and the third add.
    assert rows == names("care", "invariance", "simclr", "care-weight-3", "uniformity")
    assert groups == ["proteins (convnet)", "digits (convnet)", "cifar10 (convnet)"]
    for dataset, plan in PROFILE["datasets"].items():
        for title in ("Equivariance, {}, projection", "Retrieval, {}", "Other measurements, {}, projection"):
            assert found[title.format(f"{dataset} (convnet)")][0] == names(*plan["methods"])
    for kind in KINDS:
        assert data(found, kind) == ["proteins", "digits", "cifar10"]


def test_the_statements_and_reasons_follow_it_too(folder: Path, tmp_path: Path) -> None:
    (folder / "profile.json").write_text(json.dumps(PROFILE))
    (path,) = write_report(folder.parents[1], formats=["md"], console=Console(file=io.StringIO()))
    text = path.read_text(encoding="utf-8")
    places = [text.index(f"trajectories-v1, {name} ") for name in PROFILE["datasets"]]
    assert places == sorted(places)


def test_without_a_profile_the_order_is_that_of_methods_and_names(folder: Path) -> None:
    found = tables(folder.parents[1])
    rows, groups = found["Probe accuracy, cached-v1"]
    assert rows == names("simclr", "care", "care-weight-3", "invariance", "uniformity")
    assert groups == ["cifar10 (convnet)", "digits (convnet)", "proteins (convnet)"]
    for kind in KINDS:
        assert data(found, kind) == ["cifar10", "digits", "proteins"]
