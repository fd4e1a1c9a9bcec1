"""Ways to damage a file, each drawn from a seeded generator."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

Edit = Callable[[bytes, random.Random], bytes]


def _flip(content: bytes, draws: random.Random, bits: int = 1) -> bytes:
    changed = bytearray(content)
    for _ in range(bits):
        changed[draws.randrange(len(changed))] ^= draws.randrange(1, 256)
    return bytes(changed)


def _cut(content: bytes, draws: random.Random) -> tuple[bytes, bytes, bytes]:
    start, stop = sorted(draws.sample(range(len(content) + 1), 2))
    return content[:start], content[start:stop], content[stop:]


def _doubled(content: bytes, draws: random.Random) -> bytes:
    before, part, after = _cut(content, draws)
    return before + part + part + after


def _without(content: bytes, draws: random.Random) -> bytes:
    before, _, after = _cut(content, draws)
    return before + after


def _inserted(content: bytes, draws: random.Random) -> bytes:
    before, part, after = _cut(content, draws)
    return before + part + draws.randbytes(7) + after


EDITS: dict[str, Edit] = {
    "truncated": lambda content, draws: content[: draws.randrange(len(content))],
    "last byte missing": lambda content, draws: content[:-1],
    "empty": lambda content, draws: b"",
    "one byte changed": _flip,
    "twenty bytes changed": lambda content, draws: _flip(content, draws, 20),
    "a part missing": _without,
    "a part twice": _doubled,
    "bytes inserted": _inserted,
    "zeros": lambda content, draws: bytes(len(content)),
    "random bytes": lambda content, draws: draws.randbytes(len(content)),
    "as UTF-16": lambda content, draws: content.decode("latin-1").encode("utf-16"),
    "nested deeply": lambda content, draws: b"[" * 100_000,
    "numbers out of range": lambda content, draws: content.replace(b"1", b"-1e999").replace(b"0", b"NaN"),
    "null": lambda content, draws: b"null\n",
    "another format": lambda content, draws: b"PK\x03\x04" + content,
}
"""What is done to the content of a file."""


def as_pipe(path: Path) -> None:
    """Replace a file by a named pipe that nobody writes to."""
    path.unlink()
    os.mkfifo(path)


def as_folder(path: Path) -> None:
    """Replace a file by a folder."""
    path.unlink()
    path.mkdir()


def as_dangling_link(path: Path) -> None:
    """Replace a file by a link to nothing."""
    path.unlink()
    path.symlink_to(path.with_name("nothing"))


REPLACEMENTS: dict[str, Callable[[Path], None]] = {
    "a named pipe": as_pipe,
    "a folder": as_folder,
    "a dangling link": as_dangling_link,
}
"""What a file is replaced by."""

DAMAGES = (*EDITS, *REPLACEMENTS)


def damage(path: Path, kind: str, draws: random.Random) -> None:
    """Damage a file in one of the ways of ``DAMAGES``."""
    if kind in REPLACEMENTS:
        REPLACEMENTS[kind](path)
    else:
        path.write_bytes(EDITS[kind](path.read_bytes(), draws))
