"""Reading structure files that tests write, and the right answers for them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from care_bench.data.preparing.structures import StructureFile, read

NAMES = ["ALA", "GLY", "MSE", "TRP", "SEP"] * 40  # selenomethionine is M, phosphoserine S
LETTERS = "AGMWS" * 40


def read_file(path: Path) -> tuple[str, list[tuple[str, int]], np.ndarray]:
    """Return the entry, (sha256 of the sequence, number of fragments) of its chains, and all fragments."""
    found, (entry, chains) = read(StructureFile(path, path.name, path.stat().st_size, ""))
    return entry, chains, found


def sha(sequence: str) -> str:
    """Return the hex SHA-256 of a sequence."""
    return hashlib.sha256(sequence.encode()).hexdigest()


def centred(positions: np.ndarray, *starts: int) -> np.ndarray:
    """Return the fragments of 64 residues that start at these residues, centred, in nanometres."""
    pieces = [positions[start : start + 64] for start in starts]
    return np.stack([(piece - piece.mean(axis=0)) / 10 for piece in pieces])
