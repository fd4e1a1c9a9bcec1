"""Numbers that were measured on a few samples say so, in every file that shows them."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from care_bench.artifacts import Record, write_records
from care_bench.artifacts.collection import collect
from care_bench.report.build import write_report
from care_bench.report.writers import FORMATS

PerSeed = Callable[..., list[Record]]
NOTE = "measured on at most 64 samples of each split: a check, no result"


def written(tmp_path: Path, records: list[Record]) -> dict[str, str]:
    """Ending -> text of a report, and `txt` -> what was printed."""
    results = tmp_path / "results"
    write_records(tmp_path / "all.jsonl", records)
    collect([tmp_path / "all.jsonl"], results / "collected" / "small")
    printed = io.StringIO()
    files = write_report(results, console=Console(file=printed, width=200))
    return {**{path.suffix[1:]: path.read_text(encoding="utf-8") for path in files}, "txt": printed.getvalue()}


def test_every_format_says_how_few_samples_there_were(tmp_path: Path, per_seed: PerSeed) -> None:
    records = per_seed([80.0, 82.0], samples=64) + per_seed([10.0], metric="gamma", samples=64, epoch=3)
    found = written(tmp_path, records)
    assert set(found) == {*FORMATS, "txt"}
    for suffix, text in found.items():
        assert NOTE in text, suffix
    cells = list(csv.DictReader(io.StringIO(found["csv"])))
    assert [(cell["epoch"], cell["text"].partition(" ")[0], cell["reason"]) for cell in cells] == [
        ("", "81.00", NOTE),
        ("3", "10.00", NOTE),
    ]


def test_the_note_stands_beside_others_and_not_at_blanks(tmp_path: Path, per_seed: PerSeed) -> None:
    failed = {"value": None, "n": 0, "reason": "diverged"}
    care = [record.model_copy(update=failed) for record in per_seed([90.0, 90.0], variant="care", samples=64)]
    found = written(tmp_path, [*per_seed([80.0, None], samples=64), *care])
    cells = {cell["row"]: cell["reason"] for cell in csv.DictReader(io.StringIO(found["csv"]))}
    assert cells["SimCLR"] == f"no record of seed 1 in this collection of profile small; {NOTE}"
    assert cells["CARE (SimCLR), paper fidelity"] == "diverged"


def test_numbers_on_all_samples_have_no_note(tmp_path: Path, per_seed: PerSeed) -> None:
    assert not any("samples of each split" in text for text in written(tmp_path, per_seed([80.0, 82.0])).values())
