"""Figures as they were drawn when a collection was pinned: one archive, each image beside its numbers and words."""

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
_ENDINGS = {"svg": ".svg", "pdf": ".pdf", "data": ".csv"}
_OPTIONAL = {"narrow": ".narrow.svg", "caption": ".caption.txt", "alt": ".alt.txt"}


class Drawn(NamedTuple):
    """A drawn figure.

    Attributes:
        svg: for pages.
        pdf: for papers.
        data: its numbers as CSV.
        narrow: in one column; empty where it has none.
        caption: what said then what is drawn; empty in older pins.
        alt: described it then to readers who cannot see it; empty in older pins.
    """

    svg: bytes
    pdf: bytes
    data: bytes
    narrow: bytes = b""
    caption: str = ""
    alt: str = ""


def encode_drawn(figures: Mapping[str, Drawn]) -> bytes:
    """Return the archive of figures by name. The same figures give the same bytes."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, figure in figures.items():
            for part, ending in (_ENDINGS | _OPTIONAL).items():
                if kept := getattr(figure, part):
                    entry = zipfile.ZipInfo(name + ending, _DATE)
                    entry.compress_type = zipfile.ZIP_DEFLATED
                    archive.writestr(entry, kept)
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
        found = {}
        for name in names:
            svg, pdf, data = (parts[name + ending] for ending in _ENDINGS.values())
            narrow, caption, alt = (parts.get(name + ending, b"") for ending in _OPTIONAL.values())
            found[name] = Drawn(svg, pdf, data, narrow, caption.decode(), alt.decode())
        return found
