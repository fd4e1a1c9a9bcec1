"""Records recognised by the column are those that validation gives, and nothing else is recognised."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from care_bench.artifacts import Record
from care_bench.artifacts.frame import frame, read_parquet
from care_bench.artifacts.unchanged import unchanged
from tests.sample_records import make_record, sample


@pytest.fixture
def records() -> list[Record]:
    """The sample records, and one with its repeats."""
    return [*sample(), make_record(dataset="repeated", value=0.5, n=2, spread=None, values=(0.25, 0.75))]


@pytest.fixture
def path(records: list[Record], tmp_path: Path) -> Path:
    """A Parquet file of the sample records."""
    frame(records).to_parquet(tmp_path / "records.parquet", index=False)
    return tmp_path / "records.parquet"


def columns(path: Path) -> dict[str, list[Any]]:
    return pq.read_table(path).to_pydict()


@pytest.mark.parametrize("rehash", [True, False])
def test_records_are_those_that_validation_gives(records: list[Record], path: Path, rehash: bool) -> None:
    found = unchanged(columns(path), rehash)
    assert found is not None
    assert len(found) == len(records) > 50
    for one, other in zip(found, records, strict=True):
        assert one == other
        assert one.model_dump_json() == other.model_dump_json()
        assert one.model_fields_set == set(Record.model_fields)
        assert one.sha256 == Record.model_validate(one.model_dump()).sha256
        assert [type(getattr(one, key)) for key in Record.model_fields] == [
            type(getattr(other, key)) for key in Record.model_fields
        ]


CHANGES: dict[str, Any] = {
    **dict.fromkeys(("profile", "dataset", "method", "variant", "backbone", "protocol", "metric", "unit"), "other"),
    **dict.fromkeys(("representation", "evaluation", "config", "code_version", "device", "id"), "other"),
    **dict.fromkeys(("config_sha256", "data_sha256", "weights_sha256"), "0" * 64),
    **dict.fromkeys(("seed", "protocol_version", "n", "samples", "epoch"), 77),
    **dict.fromkeys(("value", "spread", "duration_s"), 0.77),
    "values": [0.1, 0.2, 0.3],
    "environment": '{"torch":"9"}',
    **dict.fromkeys(("base", "fidelity", "reason"), "other"),
    "higher_is_better": None,
}


@pytest.mark.parametrize("key", ["id", *Record.model_fields])
def test_any_changed_value_is_noticed(path: Path, key: str) -> None:
    found = columns(path)
    row = next(row for row, value in enumerate(found[key]) if value != CHANGES[key])
    found[key][row] = CHANGES[key]
    assert unchanged(found, rehash=True) is None


def test_ids_are_those_of_the_file_where_its_hash_is_known(records: list[Record], path: Path) -> None:
    found = columns(path)
    found["value"][0] = 0.77
    kept = unchanged(found, rehash=False)
    assert kept is not None
    assert kept[0].value == 0.77
    assert [record.id for record in kept] == [record.id for record in records]
    assert kept[0].sha256 != records[0].sha256  # it is worked out, not read


@pytest.mark.parametrize("rehash", [True, False])
@pytest.mark.parametrize(
    ("key", "kind"), [("seed", float), ("value", str), ("values", str), ("environment", len), ("higher_is_better", int)]
)
def test_a_column_of_another_type_is_left_to_validation(path: Path, key: str, kind: Any, rehash: bool) -> None:
    found = columns(path)
    found[key] = [None if one is None else kind(one) for one in found[key]]
    assert unchanged(found, rehash) is None


@pytest.mark.parametrize("rehash", [True, False])
def test_a_missing_or_added_column_is_left_to_validation(path: Path, rehash: bool) -> None:
    found = columns(path)
    assert unchanged({**found, "more": found["seed"]}, rehash) is None
    del found["unit"]
    assert unchanged(found, rehash) is None


@pytest.mark.parametrize("rehash", [True, False])
def test_repeats_as_json_are_read_as_in_older_pins(rehash: bool, records: list[Record], tmp_path: Path) -> None:
    older = frame(records)
    older["values"] = older["values"].map(lambda values: None if values is None else str(values))
    older.to_parquet(tmp_path / "older.parquet", index=False)
    assert unchanged(columns(tmp_path / "older.parquet"), rehash) is None
    assert read_parquet(tmp_path / "older.parquet", rehash) == records
