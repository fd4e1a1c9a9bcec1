"""The records of a collection as one tidy frame, and its two files: CSV for people, Parquet for programs."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from care_bench.artifacts.record import Record
from care_bench.artifacts.unchanged import unchanged
from care_bench.errors import CareBenchError
from care_bench.files import canonical_json
from care_bench.untrusted import decoding, read_bytes

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

CSV, PARQUET = "records.csv", "records.parquet"
COLUMNS = ("id", *Record.model_fields)
ROWS = 16_384
"""Rows that are in memory while a file is written or read: a group of rows of a Parquet file."""

_DTYPES = {"value": "float64", "spread": "float64", "duration_s": "float64", "higher_is_better": "boolean"}
_DTYPES |= {**dict.fromkeys(("seed", "protocol_version", "n"), "int64"), "epoch": "Int64", "samples": "Int64"}

_NESTED = ("environment", "values")
"""Keys of a record that are JSON in a cell of CSV. In Parquet, values are lists; they were JSON in older pins."""
_REPEATED = [name for name in Record.model_fields if name not in _DTYPES and name != "values"]
"""Columns of texts, which many records share."""


def frame(records: Sequence[Record]) -> pd.DataFrame:
    """One row per record: its id, then its keys; the environment as canonical JSON, the values as lists of numbers."""
    import pandas as pd  # half a second that reading records does not need

    columns = {name: [_cell(getattr(record, name), name) for record in records] for name in COLUMNS}
    kinds = {name: _DTYPES.get(name, "object") for name in COLUMNS}
    return pd.DataFrame(columns, columns=pd.Index(COLUMNS), dtype="object").astype(kinds)


def schema() -> pa.Schema:
    """Return the type of every column, which it has where all of its values are missing too.

    It comes with what pandas needs to read the same types as :func:`frame` has.
    """
    import pyarrow as pa

    types = {"float64": pa.float64(), "int64": pa.int64(), "Int64": pa.int64(), "boolean": pa.bool_()}
    others = {"values": pa.list_(pa.float64())}
    kinds = {name: types[_DTYPES[name]] if name in _DTYPES else others.get(name, pa.string()) for name in COLUMNS}
    found: pa.Schema = pa.Table.from_pandas(frame([]), pa.schema(kinds.items()), preserve_index=False).schema
    return found


def write(folder: Path, records: Iterable[Record]) -> None:
    """Write the files of records into a folder, ``ROWS`` at a time. The same records give the same bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    types, left = schema(), iter(records)
    with (
        (folder / CSV).open("wb") as text,
        (folder / PARQUET).open("wb") as file,
        pq.ParquetWriter(file, types) as table,
    ):
        text.write(f"{','.join(COLUMNS)}\n".encode())
        while rows := list(islice(left, ROWS)):
            tidy = frame(rows)
            table.write_table(pa.Table.from_pandas(tidy, types, preserve_index=False))
            as_text = tidy["values"].map(lambda values: None if values is None else _json(values))
            tidy.assign(values=as_text).to_csv(text, index=False, header=False, lineterminator="\n")


def read_parquet(path: Path, rehash: bool = True) -> list[Record]:
    """Read the records of a Parquet file, by default checking every one against its id.

    Args:
        path: the file.
        rehash: hash every record again. It can be left out where the hash of the file is known to be right, which says
            as much of bytes that changed by accident.

    Raises:
        CareBenchError: not a readable Parquet file, a damaged record, or one that does not match its id.
    """
    import pyarrow.parquet as pq

    expected = "expected the records of a collection"
    content = read_bytes(path, expected)
    with decoding(path, expected):
        # No reading ahead: its threads may outlive a damaged file, and then abort the process at its end.
        repeated = [name for name in pq.read_schema(io.BytesIO(content)).names if name in _REPEATED]
        file = pq.ParquetFile(io.BytesIO(content), read_dictionary=repeated, pre_buffer=False)
        groups = range(file.num_row_groups)
    texts: dict[str, str] = {}
    found: list[Record] = []
    for group in groups:
        with decoding(path, expected):
            table = file.read_row_group(group, use_threads=False)
            columns = {name: _values(column, texts) for name, column in zip(table.column_names, table, strict=True)}
        found += _records(columns, rehash, path, len(found))
    return found


def _records(columns: Mapping[str, Sequence[Any]], rehash: bool, path: Path, before: int) -> list[Record]:
    """Return the records of some rows, which ``before`` rows precede in their file."""
    if (found := unchanged(columns, rehash)) is not None:
        return found
    rows = (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))
    return [_record(row, f"{path} row {number}") for number, row in enumerate(rows, start=before + 1)]


def _values(column: pa.ChunkedArray, texts: dict[str, str]) -> list[Any]:
    """Return the values of a column; of one that was read with a dictionary, every value stands once in memory.

    ``texts`` are such values of the whole file.
    """
    values: list[Any] = []
    for chunk in column.chunks:
        if hasattr(chunk, "dictionary"):
            known = [texts.setdefault(one, one) for one in chunk.dictionary.to_pylist()]  # to_numpy would import pandas
            values += [None if place is None else known[place] for place in chunk.indices.to_pylist()]
        else:
            values += chunk.to_pylist()
    return values


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
