"""Imported encoders in a report: rows beside those of runs, points in the figure, a sentence on where each is from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest

from care_bench.artifacts import Record
from care_bench.report.grid import selection
from care_bench.report.labels import Order
from care_bench.report.settings import imported_lines, settings_lines
from tests.report.laid_out import tables

Make = Callable[..., Record]
PROVENANCE = {
    "encoder": "timm:resnet18",
    "made_by": {"timm": "1.0.31"},
    "weights": "a.pth",
    "weights_sha256": "0123456789abcdef",
    "prefix": "backbone.",
    "naming": "by name",
    "matched": 118,
    "missing": 2,
    "partial": True,
    "layers": {"pooled": "512, as it is"},
    "size": 32,
    "mean": [0.485, 0.456, 0.406],
    "std": [0.229, 0.224, 0.225],
    "repeated_channels": 3,
    "difference_of_two_passes": 0.0,
}


@pytest.fixture
def imported(record: Make) -> Make:
    """Make a record of an encoder `mine` of timm, or of one of its layers."""

    def make(**changes: Any) -> Record:
        config = json.dumps({"provenance": PROVENANCE}, sort_keys=True, separators=(",", ":"))
        about = {"config": config, "config_sha256": hashlib.sha256(config.encode()).hexdigest()}
        named = {"variant": "mine", "backbone": "timm:resnet18", "method": "imported"}
        return record(**{**named, **about, "base": None, "fidelity": None, **changes})

    return make


def test_they_stand_in_the_columns_of_the_runs(record: Make, imported: Make) -> None:
    records = [
        *(record(metric="wahba_error", variant=name, value=1.0) for name in ("simclr", "care")),
        record(metric="wahba_error", variant="simclr", value=3.0, backbone="resnet50"),
        imported(metric="wahba_error", value=2.0),
        imported(metric="wahba_error", value=4.0, variant="mine@layer3"),
        imported(metric="wahba_error", value=5.0, dataset="pictures"),
    ]
    found = tables(records)
    table = found["Equivariance, digits (convnet), projection"]
    assert table.rows == (
        "SimCLR",
        "CARE (SimCLR), paper fidelity",
        "mine (imported: timm:resnet18)",
        "mine@layer3 (imported: timm:resnet18)",
    )
    assert [row[0].summary.mean for row in table.cells if row[0].summary] == [1.0, 1.0, 2.0, 4.0]
    alone = found["Equivariance, pictures, projection"]
    assert alone.rows == ("mine (imported: timm:resnet18)",)


def test_what_was_not_read_of_own_data_is_said(imported: Make) -> None:
    """A reader of the numbers has to know on what they are, as the one who measured was told."""
    notes = ["2 images cannot be opened", "unknown arrays are not read: z"]
    config = json.dumps({"provenance": {**PROVENANCE, "data": notes}}, sort_keys=True, separators=(",", ":"))
    record = imported(config=config, config_sha256=hashlib.sha256(config.encode()).hexdigest())
    (line,) = imported_lines([record], Order())
    assert line.endswith("; of the data: 2 images cannot be opened; of the data: unknown arrays are not read: z.")


def test_a_sentence_says_where_each_is_from(record: Make, imported: Make) -> None:
    records = [record(), imported(), imported(variant="mine@layer3"), imported(dataset="pictures")]
    assert imported_lines(records, Order()) == [
        "mine, imported on digits and pictures: timm:resnet18 (timm 1.0.31); weights a.pth (sha256 0123456789ab, 118 "
        "tensors under backbone., by name); PARTIAL: 2 tensors keep their initial values; layer pooled: 512, as it is; "
        "images of 32 px, mean 0.485, 0.456, 0.406, standard deviation 0.229, 0.224, 0.225; their one channel repeated."
    ]
    assert not any("mine" in line for line in settings_lines(records, Order()))


def test_nothing_is_said_of_how_an_imported_encoder_was_chosen(record: Make) -> None:
    ours, theirs = record(), record(method="imported", variant="mine")
    assert selection([ours]) == "Selection: last checkpoint; nothing selected on test data."
    elsewhere = "nothing selected on test data here; how imported encoders were chosen is not known."
    assert selection([theirs]) == f"Selection: {elsewhere}"
    assert selection([ours, theirs]) == f"Selection: last checkpoint; {elsewhere}"
