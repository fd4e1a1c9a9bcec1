"""Reading the CSV files of `reference/` in a results folder: values of the paper and its released code."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from care_bench.errors import CareBenchError
from care_bench.untrusted import decoding, read_bytes

T = TypeVar("T")


def read_reference(path: Path, header: Sequence[str], parse: Callable[[list[str]], T]) -> list[T]:
    """Read a CSV file.

    Args:
        path: the file.
        header: its first row.
        parse: turns every other row into an entry; raises ValueError or CareBenchError.

    Raises:
        CareBenchError: no such file, another header, a damaged or duplicate row; one line naming file
            and line.
    """
    expected = f"expected a CSV file with the header {','.join(header)}"
    content = read_bytes(path, expected)
    with decoding(path, expected):
        text = content.decode()
    reader = csv.reader(io.StringIO(text), strict=True)
    found: list[T] = []
    try:
        first = next(reader, None)
        if first != list(header):
            raise ValueError(f"found the header {first}; expected {list(header)}")
        for row in reader:
            if len(row) != len(header):
                raise ValueError(f"found {len(row)} columns; expected {','.join(header)}")
            entry = parse(row)
            if entry in found:
                raise ValueError(f"found {','.join(row)!r} again; expected every entry once")
            found.append(entry)
    except (ValueError, RecursionError, CareBenchError, csv.Error) as error:
        raise CareBenchError(f"{path}:{max(reader.line_num, 1)}: {error}") from None
    return found
