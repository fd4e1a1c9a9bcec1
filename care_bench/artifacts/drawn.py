"""Figures as they were drawn when a collection was pinned: one archive, each image beside the numbers it shows."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from care_bench.untrusted import decoding, read_bytes

NAME = "figures.zip"
"""The file, in a pin."""
_EXPECTED = "expected the figures of a pin"
_DATE = (1980, 1, 1, 0, 0, 0)
_ENDINGS = {"svg": ".svg", "pdf": ".pdf", "data": ".csv", "narrow": ".narrow.svg"}


class Drawn(NamedTuple):
    """A drawn figure: for pages, for papers, its numbers as CSV, and in one column (empty where it has none)."""

    svg: bytes
    pdf: bytes
    data: bytes
    narrow: bytes


def encode_drawn(figures: Mapping[str, Drawn]) -> bytes:
    """Return the archive of figures by name. The same figures give the same bytes."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, figure in figures.items():
            for part, ending in _ENDINGS.items():
                if image := getattr(figure, part):
                    entry = zipfile.ZipInfo(name + ending, _DATE)
                    entry.compress_type = zipfile.ZIP_DEFLATED
                    archive.writestr(entry, image)
    return content.getvalue()


def read_drawn(path: Path) -> dict[str, Drawn]:
    """Read what :func:`encode_drawn` wrote.

    Raises:
        CareBenchError: it cannot be read, or is no such archive.
    """
    content = read_bytes(path, _EXPECTED)
    with decoding(path, _EXPECTED), zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
        names = [name.removesuffix(_ENDINGS["data"]) for name in parts if name.endswith(_ENDINGS["data"])]
        return {
            name: Drawn(
                *(
                    parts[name + ending] if part != "narrow" else parts.get(name + ending, b"")
                    for part, ending in _ENDINGS.items()
                )
            )
            for name in names
        }
