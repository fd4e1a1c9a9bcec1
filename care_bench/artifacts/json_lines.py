"""Files of records: one strict model per line, in canonical JSON."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from care_bench.errors import CareBenchError
from care_bench.files import canonical_json, write_bytes

Model = TypeVar("Model", bound=BaseModel)


def write_lines(path: Path, models: Iterable[BaseModel]) -> None:
    """Write one canonical line per model, all or none of them."""
    write_bytes(path, b"".join(canonical_json(model.model_dump(by_alias=True)) + b"\n" for model in models))


def read_lines(path: Path, model: type[Model], what: str) -> list[Model]:
    """Read a file written by :func:`write_lines`.

    Args:
        path: the file.
        model: of every line.
        what: name of a line in messages.

    Raises:
        CareBenchError: no such file, or a damaged line, named as file:line.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CareBenchError(f"cannot read {what}s {path}: {error.strerror or error}") from None
    lines = content.removesuffix(b"\n").split(b"\n") if content else []
    return [_parse_line(line, model, f"{path}:{number}", what) for number, line in enumerate(lines, start=1)]


def parse(model: type[Model], content: dict[str, Any] | str, where: str, what: str) -> Model:
    """Validate one record that was read from a file, where every key has to be present.

    Args:
        model: of the record.
        content: the record as a dict of plain Python values, or as a line of JSON.
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


def _parse_line(line: bytes, model: type[Model], where: str, what: str) -> Model:
    try:
        return parse(model, line.decode(), where, what)
    except UnicodeDecodeError as error:
        raise CareBenchError(f"{where}: damaged {what}: not UTF-8 ({error.reason}); expected one JSON object") from None


def _first_line(error: ValidationError) -> str:
    found = error.errors(include_url=False)
    first = found[0]
    key = ".".join(str(part) for part in first["loc"])
    message = " ".join(first["msg"].removeprefix("Value error, ").split())
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return f"{key}: {message}{more}" if key else f"{message}{more}"
