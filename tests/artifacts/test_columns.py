"""The files of a collection by the column: the values that a direct construction has, under types that are fixed."""

from __future__ import annotations

import csv
import gc
import json
import random
from collections.abc import Iterable, Iterator
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from benchmarks.records import templates
from benchmarks.records import write_runs as write_many
from benchmarks.used import used
from care_bench.artifacts import Record, frame
from care_bench.artifacts.collecting import collect
from care_bench.artifacts.collection import read_collection
from care_bench.artifacts.gathering import Gathered
from care_bench.errors import CareBenchError
from tests.sample_records import make_record, sample, write_run, write_runs

TEXTS = (
    "id profile dataset method base fidelity variant backbone protocol representation metric reason unit evaluation "
    "config config_sha256 data_sha256 weights_sha256 code_version environment device"
)
TYPES = {
    **dict.fromkeys(TEXTS.split(), "string"),
    **dict.fromkeys(("seed", "epoch", "protocol_version", "n", "samples"), "int64"),
    **dict.fromkeys(("value", "spread", "duration_s"), "double"),
    "higher_is_better": "bool",
    "values": "list<element: double>",
}
"""Column -> its type in Parquet."""


@pytest.fixture
def records() -> list[Record]:
    """The sample records, and one with its repeats."""
    return [*sample(), make_record(dataset="repeated", value=0.5, n=2, spread=None, values=(0.25, 0.75))]


@pytest.fixture
def folder(tmp_path: Path, records: list[Record]) -> Path:
    """A collection of them."""
    return collect(write_runs(tmp_path / "runs", records), tmp_path / "out").parent


def direct(records: Iterable[Record]) -> pd.DataFrame:
    """The records as their JSON has them, in the order of a collection, without any code of its files."""
    lines = [{"id": record.id, **json.loads(record.model_dump_json())} for record in records]
    key = ("profile", "dataset", "backbone", "method", "base", "fidelity", "variant", "seed")
    lines.sort(
        key=lambda line: (
            *(line[name] if line[name] is not None else "" for name in key),
            -1 if line["epoch"] is None else line["epoch"],
            *(line[name] for name in ("protocol", "representation", "metric")),
        )
    )
    for line in lines:
        line["environment"] = json.dumps(line["environment"], sort_keys=True, separators=(",", ":"))
    return pd.DataFrame(lines)


def test_values_are_those_of_a_direct_construction(folder: Path, records: list[Record]) -> None:
    expected = direct(records)
    parquet = pd.read_parquet(folder / "records.parquet")
    text = pd.read_csv(folder / "records.csv", float_precision="round_trip")
    assert len(parquet) == len(text) == len(records)
    for name in expected:
        for found in (parquet, text):
            assert found[name].isna().tolist() == expected[name].isna().tolist(), name
            there = found[name][found[name].notna()].tolist()
            if name == "values":
                there = [json.loads(one) if isinstance(one, str) else one.tolist() for one in there]
            assert there == expected[name][expected[name].notna()].tolist(), name


def test_every_number_of_the_csv_is_written_in_full(folder: Path, records: list[Record]) -> None:
    with (folder / "records.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    known = {record.id: record for record in records}
    for row in rows:
        record = known[row["id"]]
        assert row["value"] == ("" if record.value is None else repr(record.value))
        assert row["epoch"] == ("" if record.epoch is None else str(record.epoch))
        assert row["higher_is_better"] == ("" if record.higher_is_better is None else str(record.higher_is_better))


def test_types_are_those_declared_where_a_column_is_empty_too(tmp_path: Path, folder: Path) -> None:
    lone = make_record(higher_is_better=None)
    alone = collect(write_runs(tmp_path / "one", [lone]), tmp_path / "lone")
    assert {name for name in TYPES if getattr(lone, name, "") is None} == {
        *("base", "fidelity", "epoch", "reason", "samples", "spread", "values", "higher_is_better")
    }
    for path in (alone, folder / "records.parquet"):
        schema = pq.read_schema(path)
        assert {name: str(kind) for name, kind in zip(schema.names, schema.types, strict=True)} == TYPES
    assert pq.read_schema(alone).equals(pq.read_schema(folder / "records.parquet"), check_metadata=True)
    empty = pd.read_parquet(alone)
    assert (empty["epoch"].dtype, empty["higher_is_better"].dtype) == ("Int64", "boolean")


@pytest.mark.parametrize("rows", [1, 7, 1000])
def test_the_number_of_rows_written_at_once_changes_no_value(
    rows: int, tmp_path: Path, folder: Path, records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frame, "ROWS", rows)
    path = collect(write_runs(tmp_path / "again", records), tmp_path / "chunks")
    assert pq.ParquetFile(path).num_row_groups == -(-len(records) // rows)
    assert path.with_name("records.csv").read_bytes() == (folder / "records.csv").read_bytes()
    assert pq.read_table(path).equals(pq.read_table(folder / "records.parquet"))
    assert read_collection(path.parent).records == read_collection(folder).records


def test_files_whose_records_alternate_are_merged_in_order(tmp_path: Path, folder: Path, records: list[Record]) -> None:
    shuffled = random.Random(5).sample(records, len(records))
    parts = [write_runs(tmp_path / f"part{place}", shuffled[place::3]) for place in range(3)]
    twice = write_runs(tmp_path / "twice", shuffled[:40])
    path = collect([*twice, *(one for part in parts for one in part)], tmp_path / "merged")
    assert path.read_bytes() == (folder / "records.parquet").read_bytes()
    assert path.with_name("records.csv").read_bytes() == (folder / "records.csv").read_bytes()


def test_a_file_that_changes_while_it_is_collected_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_run(tmp_path / "run.jsonl", [make_record()])
    check = Gathered.check

    def changed(self: Gathered, where: str) -> None:
        check(self, where)
        write_run(path, [make_record(value=1.0)])

    monkeypatch.setattr(Gathered, "check", changed)
    with pytest.raises(CareBenchError, match=f"^{path} was changed while it was collected; run the same command again"):
        collect([path], tmp_path / "out")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["run.evaluate.json", "run.jsonl"]


def _alive(runs: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """Collect runs of four records each, and return the most records that were in memory while they were written."""
    metrics = ("top1", "gamma", "invariance", "alignment")
    files = write_runs(
        folder / "runs", [make_record(seed=seed, metric=metric) for seed in range(runs) for metric in metrics]
    )
    most = 0

    def counted(found: Iterator[Record]) -> Iterator[Record]:
        nonlocal most
        for place, record in enumerate(found):
            if place % 7 == 0:  # every place in a group of 8 rows has its turn
                most = max(most, sum(isinstance(one, Record) for one in gc.get_objects()))
            yield record

    records = Gathered.records
    gc.collect()
    before = sum(isinstance(one, Record) for one in gc.get_objects())
    with monkeypatch.context() as patch:
        patch.setattr(frame, "ROWS", 8)
        patch.setattr(Gathered, "records", lambda self: counted(records(self)))
        collect(files, folder / "out")
    return most - before


def test_records_in_memory_do_not_grow_with_the_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few, many = (_alive(runs, tmp_path / str(runs), monkeypatch) for runs in (10, 40))
    assert 0 < few == many < 40  # at most: two times 8 rows, a file, and the first of each kind of fact


@pytest.mark.long
def test_memory_does_not_grow_with_the_runs(tmp_path: Path) -> None:
    run = templates(snapshots=False)[:1]
    peaks = {}
    for seeds in (200, 800):
        files = write_many(tmp_path / f"{seeds}", run, seeds, 1)
        peaks[seeds] = used("care_bench", "collect", *files, "--out", tmp_path / f"out-{seeds}").memory
    assert peaks[800] < peaks[200] + 60e6  # 98,400 more records, which took 1 GB when all of them were in memory
