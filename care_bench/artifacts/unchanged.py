"""Records made by the column: as their ids say, hashed again, or as a file says that was checked as a whole."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from care_bench.artifacts.record import Record
from care_bench.collector import without_collector
from care_bench.files import canonical_json, sha256_bytes

_KINDS: dict[str, type] = dict.fromkeys(("id", *Record.model_fields), str)
_KINDS |= {**dict.fromkeys(("value", "spread", "duration_s"), float), "values": list, "higher_is_better": bool}
_KINDS |= dict.fromkeys(("seed", "epoch", "protocol_version", "n", "samples"), int)
"""Column -> type of its values, where they are not None."""
_EVERY = set(Record.model_fields)
_SET = object.__setattr__


def unchanged(columns: Mapping[str, Sequence[Any]], rehash: bool) -> list[Record] | None:
    """Return the records of a table, if they are as they were written.

    A record is validated before it gets an id, so that one with its own id needs no second validation: a tenth of the
    time.

    Args:
        columns: the ids as ``id``, and every key of a record -> its values; the environment as JSON.
        rehash: compare the hash of every row with its id. Else the ids are taken as they are, of a file whose hash is
            known: two thirds of the time.

    Returns:
        The records, or None if a column or row is not as it was written: validate each row to name the fault.
    """
    if set(columns) != set(_KINDS) or not all(map(_of_kind, columns.values(), map(_KINDS.get, columns))):
        return None
    try:
        environments = [_environment(text) for text in columns["environment"]]
        if rehash and list(map(_id, _rows_as_json(columns))) != list(columns["id"]):
            return None
    except (TypeError, ValueError, RecursionError):
        return None
    values = [None if one is None else tuple(one) for one in columns["values"]]
    parts = {**columns, "environment": environments, "values": values}
    names = tuple(parts)
    with without_collector():
        return [_made(dict(zip(names, row, strict=False))) for row in zip(*parts.values(), strict=True)]


def decode_known(content: bytes) -> list[Record]:
    """Read the content of a file of records that was decoded before: its hash is known, and nothing is validated."""
    return [_of_line(json.loads(line)) for line in content.splitlines()]


def _of_line(content: dict[str, Any]) -> Record:
    values, digest = content["values"], content["sha256"]
    parts = {**content, "values": None if values is None else tuple(values), "id": f"r{digest[:10]}"}
    return _made(parts)


def _of_kind(column: Sequence[Any], kind: type | None) -> bool:
    return set(map(type, column)) <= {kind, type(None)}


def _made(parts: dict[str, Any]) -> Record:
    """Make a record of valid fields and its id, as unpickling does: a fifth of the time of ``model_construct``."""
    record = Record.__new__(Record)
    _SET(record, "__dict__", parts)  # where cached properties keep the id and the hash
    _SET(record, "__pydantic_fields_set__", _EVERY)
    _SET(record, "__pydantic_extra__", None)
    _SET(record, "__pydantic_private__", None)
    return record


def _rows_as_json(columns: Mapping[str, Sequence[Any]]) -> Iterator[str]:
    """Yield the canonical JSON of every row, as a record has it."""
    texts = [_texts(name, columns[name]) for name in sorted(Record.model_fields)]
    return (f"{{{','.join(row)}}}" for row in zip(*texts, strict=True))


def _id(row: str) -> str:
    return f"r{sha256_bytes(row.encode())[:10]}"


def _texts(name: str, column: Sequence[Any]) -> list[str]:
    """Return a key with its values as they stand in the canonical JSON of a record.

    Raises:
        TypeError: the repeats are no numbers.
    """
    key = f'"{name}":'
    if name == "values":
        return [key + _repeats(one) for one in column]
    if _KINDS[name] in (float, int):
        null = key + "null"
        return [null if one is None else key + repr(one) for one in column]
    write = _environment_text if name == "environment" else _text
    known = {one: key + write(one) for one in set(column)}
    return [known[one] for one in column]


def _text(value: str | bool | None) -> str:
    return canonical_json(value).decode()


def _environment_text(value: str) -> str:
    return canonical_json(_environment(value)).decode()


@cache
def _environment(text: str) -> Any:
    return json.loads(text)


def _repeats(values: Sequence[float] | None) -> str:
    if values is None:
        return "null"
    if not _of_kind(values, float):
        raise TypeError
    return f"[{','.join(map(repr, values))}]"
