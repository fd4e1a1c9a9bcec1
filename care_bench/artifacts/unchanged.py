"""Records that are what their ids say, recognised by the column: a tenth of the time of validating each."""

from __future__ import annotations

import gc
import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from care_bench.artifacts.record import Record
from care_bench.files import canonical_json, sha256_bytes

_NUMBERS: dict[str, type[float] | type[int]] = {"value": float, "spread": float, "duration_s": float}
_NUMBERS |= dict.fromkeys(("seed", "epoch", "protocol_version", "n", "samples"), int)


def unchanged(columns: Mapping[str, Sequence[Any]]) -> list[Record] | None:
    """Return the records of a table, if every row has the hash that its id was made from.

    A record is validated before it gets an id, so that one with its own id needs no second validation.

    Args:
        columns: the ids as ``id``, and every key of a record -> its values; the environment as JSON.

    Returns:
        The records, or None if a column or row is not as it was written: validate each row to name the fault.
    """
    names = sorted(Record.model_fields)
    if set(columns) != {"id", *names}:
        return None
    try:
        texts = [_texts(name, columns[name]) for name in names]
        environments = [_environment(text) for text in columns["environment"]]
        values = [None if one is None else tuple(one) for one in columns["values"]]
    except (TypeError, ValueError, RecursionError):
        return None
    digests = [sha256_bytes(f"{{{','.join(row)}}}".encode()) for row in zip(*texts, strict=True)]
    if any(f"r{digest[:10]}" != name for digest, name in zip(digests, columns["id"], strict=True)):
        return None
    parts = {**columns, "environment": environments, "values": values}
    fields = list(Record.model_fields)
    rows = zip(*(parts[name] for name in fields), strict=True)
    every = set(fields)
    collecting = gc.isenabled()
    gc.disable()  # it would look through all records again and again while they are made
    try:
        records = [_made(dict(zip(fields, row, strict=True)), every) for row in rows]
    finally:
        if collecting:
            gc.enable()
    for record, digest in zip(records, digests, strict=True):
        record.__dict__["sha256"] = digest  # where the cached property keeps it
    return records


def _made(fields: dict[str, Any], every: set[str]) -> Record:
    """Make a record of valid fields, as unpickling one does: a third of the time of ``model_construct``."""
    record = Record.__new__(Record)
    record.__setstate__(
        {
            "__dict__": fields,
            "__pydantic_fields_set__": every,
            "__pydantic_extra__": None,
            "__pydantic_private__": None,
        }
    )
    return record


def _texts(name: str, column: Sequence[Any]) -> list[str]:
    """Return a key with its values as they stand in the canonical JSON of a record.

    Raises:
        TypeError: a value of another type than the key has.
    """
    key = f'"{name}":'
    if name == "values":
        return [key + _repeats(one) for one in column]
    if name not in _NUMBERS:
        if not set(map(type, column)) <= {str, bool, type(None)}:
            raise TypeError
        write = _environment_text if name == "environment" else _text
        known = {one: key + write(one) for one in set(column)}
        return [known[one] for one in column]
    kind = _NUMBERS[name]
    null = key + "null"
    return [null if one is None else key + _number(one, kind) for one in column]


def _number(value: Any, kind: type) -> str:
    if type(value) is not kind:
        raise TypeError
    return repr(value)


def _text(value: str | bool | None) -> str:
    return canonical_json(value).decode()


def _environment_text(value: str) -> str:
    return canonical_json(_environment(value)).decode()


@cache
def _environment(text: str) -> Any:
    return json.loads(text)


def _repeats(values: Sequence[float] | None) -> str:
    return "null" if values is None else f"[{','.join([_number(one, float) for one in values])}]"
