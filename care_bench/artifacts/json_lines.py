"""Files of records: one strict model per line, in canonical JSON with its own SHA-256, so that an edit is noticed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from care_bench.errors import CareBenchError
from care_bench.files import canonical_json, sha256_bytes
from care_bench.untrusted import decoding

STRICT = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
"""Types are strict: nothing is coerced; NaN and infinity are refused, and so are keys that no field has."""


class Line(BaseModel):
    """One line."""

    model_config = STRICT

    @cached_property
    def sha256(self) -> str:
        """Hex SHA-256 of the canonical JSON of all keys; the line in a file has it as one more key."""
        return sha256_bytes(canonical_json(self.model_dump(by_alias=True)))


AnyLine = TypeVar("AnyLine", bound=Line)
Model = TypeVar("Model", bound=BaseModel)


def encode_lines(lines: Iterable[Line]) -> bytes:
    """Return the content of a file: every line with its hash."""
    return b"".join(_encode(line) + b"\n" for line in lines)


def decode_lines(content: bytes, path: Path, model: type[AnyLine], what: str) -> list[AnyLine]:
    """Read the content of a file that :func:`encode_lines` made.

    Args:
        content: read from ``path``.
        path: for messages.
        model: of every line.
        what: name of a line in messages.

    Raises:
        CareBenchError: a line is damaged, or differs in any byte from the one that was written; named as file:line.
    """
    lines = content.removesuffix(b"\n").split(b"\n") if content else []
    return [_decode(line, model, f"{path}:{number}", what) for number, line in enumerate(lines, start=1)]


def parse(model: type[Model], content: dict[str, Any] | str, where: str, what: str) -> Model:
    """Validate one record that was read from a file, where every key has to be present.

    Args:
        model: of the record.
        content: the record as a dict of plain Python values, or as JSON.
        where: file and line or row, named in the error.
        what: name of the record in the error.

    Raises:
        CareBenchError: not a whole, valid record; one line naming the first wrong key.
    """
    try:
        found = model.model_validate_json(content) if isinstance(content, str) else model.model_validate(content)
    except ValidationError as error:
        raise CareBenchError(f"{where}: damaged {what}: {_first_line(error)}") from None
    fields = model.model_fields.items()
    missing = [field.alias or key for key, field in fields if key not in found.model_fields_set]
    if missing:
        raise CareBenchError(f"{where}: damaged {what}: missing {', '.join(missing)}; expected every key")
    return found


def _encode(line: Line) -> bytes:
    return canonical_json({**line.model_dump(by_alias=True), "sha256": line.sha256})


def _decode(line: bytes, model: type[AnyLine], where: str, what: str) -> AnyLine:
    with decoding(where, f"expected a {what} as one JSON object"):
        content = json.loads(line.decode())
        if not isinstance(content, dict):
            raise ValueError(f"found {type(content).__name__}")
        own = content.pop("sha256", None)
        found = parse(model, json.dumps(content), where, what)
    if own is None:
        raise CareBenchError(f"{where}: the {what} lacks its sha256: it comes from an earlier version; make it again")
    if _encode(found) != line:
        raise CareBenchError(f"{where}: the {what} was changed after it was written; make it again")
    return found


def _first_line(error: ValidationError) -> str:
    found = error.errors(include_url=False)
    first = found[0]
    key = ".".join(str(part) for part in first["loc"])
    message = " ".join(first["msg"].removeprefix("Value error, ").split())
    others = len(found) - 1
    more = f" (and {others} more error{'s' if others > 1 else ''})" if others else ""
    return f"{key}: {message}{more}" if key else f"{message}{more}"
