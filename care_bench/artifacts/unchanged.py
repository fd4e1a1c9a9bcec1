"""Records that are what their ids say, recognised by the column: a tenth of the time of validating each."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
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
        texts = [[f'"{name}":{text}' for text in _texts(name, columns[name])] for name in names]
        environments = [_environment(text) for text in columns["environment"]]
        values = [None if one is None else tuple(one) for one in columns["values"]]
    except (TypeError, ValueError, RecursionError):
        return None
    digests = [sha256_bytes(f"{{{','.join(row)}}}".encode()) for row in zip(*texts, strict=True)]
    if any(f"r{digest[:10]}" != name for digest, name in zip(digests, columns["id"], strict=True)):
        return None
    parts = {**columns, "environment": environments, "values": values}
    keys: dict[str, Any] = dict.fromkeys(Record.model_fields)
    some, rows = Record.model_construct(**keys), zip(*(parts[name] for name in keys), strict=True)
    collecting = gc.isenabled()
    gc.disable()  # it would look through all records again and again while they are made
    try:
        records = [some.model_copy(update=dict(zip(keys, row, strict=True))) for row in rows]
    finally:
        if collecting:
            gc.enable()
    for record, digest in zip(records, digests, strict=True):
        record.__dict__["sha256"] = digest  # where the cached property keeps it
    return records


def _texts(name: str, column: Sequence[Any]) -> Iterable[str]:
    """Return the values of a key as they stand in the canonical JSON of a record.

    Raises:
        TypeError: a value of another type than the key has.
    """
    if name == "values":
        return map(_repeats, column)
    write: Callable[[Any], str] = cache(_environment_text if name == "environment" else _text)
    if name not in _NUMBERS:
        return map(write, column)
    kind = _NUMBERS[name]
    return ["null" if one is None else _number(one, kind) for one in column]


def _number(value: Any, kind: type) -> str:
    if type(value) is not kind:
        raise TypeError
    return repr(value)


def _text(value: Any) -> str:
    if not isinstance(value, str | bool | None):
        raise TypeError
    return canonical_json(value).decode()


def _environment_text(value: str) -> str:
    return canonical_json(_environment(value)).decode()


@cache
def _environment(text: str) -> Any:
    return json.loads(text)


def _repeats(values: Sequence[float] | None) -> str:
    return "null" if values is None else f"[{','.join([_number(one, float) for one in values])}]"
