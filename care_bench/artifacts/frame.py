"""The records of a collection as one tidy frame, and its two files: CSV for people, Parquet for programs."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from care_bench.artifacts.record import Record
from care_bench.artifacts.unchanged import unchanged
from care_bench.errors import CareBenchError
from care_bench.files import canonical_json
from care_bench.untrusted import decoding, read_bytes

if TYPE_CHECKING:
    import pandas as pd

CSV, PARQUET = "records.csv", "records.parquet"

_DTYPES = {"value": "float64", "spread": "float64", "duration_s": "float64", "higher_is_better": "boolean"}
_DTYPES |= {**dict.fromkeys(("seed", "protocol_version", "n"), "int64"), "epoch": "Int64", "samples": "Int64"}

_NESTED = ("environment", "values")
"""Keys of a record that are JSON in a cell of CSV. In Parquet, values are lists; they were JSON in older pins."""


def frame(records: Sequence[Record]) -> pd.DataFrame:
    """One row per record: its id, then its keys; the environment as canonical JSON, the values as lists of numbers."""
    import pandas as pd  # half a second that reading records does not need

    names = ["id", *Record.model_fields]
    columns = {name: [_cell(getattr(record, name), name) for record in records] for name in names}
    kinds = {name: _DTYPES.get(name, "object") for name in names}
    return pd.DataFrame(columns, columns=pd.Index(names), dtype="object").astype(kinds)


def encode(records: Sequence[Record]) -> dict[str, bytes]:
    """Return the files of records: name -> content. The same records give the same bytes."""
    tidy = frame(records)
    table, parquet = io.BytesIO(), io.BytesIO()
    as_text = tidy["values"].map(lambda values: None if values is None else _json(values))
    tidy.assign(values=as_text).to_csv(table, index=False, lineterminator="\n")
    tidy.to_parquet(parquet, index=False)
    return {CSV: table.getvalue(), PARQUET: parquet.getvalue()}


def read_parquet(path: Path) -> list[Record]:
    """Read the records of a Parquet file, and check every one against its id.

    Raises:
        CareBenchError: not a readable Parquet file, a damaged record, or one that does not match its id.
    """
    import pyarrow.parquet as pq

    expected = "expected the records of a collection"
    content = read_bytes(path, expected)
    with decoding(path, expected):
        # No reading ahead: its threads may outlive a damaged file, and then abort the process at its end.
        # Not pq.read_table, which imports pandas.
        table = pq.ParquetFile(io.BytesIO(content), pre_buffer=False).read(use_threads=False)
        columns = {name: table.column(name).to_pylist() for name in table.column_names}
    if (found := unchanged(columns)) is not None:
        return found
    rows = (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))
    return [_record(row, f"{path} row {number}") for number, row in enumerate(rows, start=1)]


def _record(row: dict[str, Any], where: str) -> Record:
    name = row.pop("id", None)
    record = Record.parse(_with_nested(row, where), where)
    if record.id != name:
        raise CareBenchError(f"{where}: the record is {record.id}, found id {name!r}: it was changed by hand")
    return record


def _cell(value: Any, name: str) -> Any:
    if name == "values":
        return None if value is None else list(value)
    return _json(value) if name == "environment" else value


def _json(value: Any) -> str:
    return sys.intern(canonical_json(value).decode())


def _with_nested(row: dict[str, Any], where: str) -> dict[str, Any]:
    nested = {}
    for key in _NESTED:
        try:
            nested[key] = json.loads(row[key]) if isinstance(row[key], str) else row[key]
        except (KeyError, TypeError, ValueError, RecursionError):
            raise CareBenchError(f"{where}: damaged record: {key} is not a JSON string") from None
    return {**row, **nested}
