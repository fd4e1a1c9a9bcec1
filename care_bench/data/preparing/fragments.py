"""Fragments of protein chains: 64 consecutive C-alpha atoms without a gap, as point clouds."""

from __future__ import annotations

import numpy as np

from care_bench.data.source import Array

FRAGMENT = 64  # residues
NEAREST, CHAIN_BREAK = 2.6, 4.5
"""Between these distances, in angstrom, two C-alphas are neighbours: 3.8 apart, or 2.9 at a cis peptide bond (Engh and
Huber 1991 give the bonds and angles that this follows from)."""
ANGSTROM_PER_UNIT = 10.0  # prepared arrays are in nanometres, so that coordinates are of order one


def fragments(coordinates: Array, numbers: Array | None = None) -> Array:
    """Cut a chain into unbroken fragments that do not overlap, from the start of each unbroken stretch.

    A stretch ends where two C-alphas are too far apart or too close, and where the numbers jump.

    Args:
        coordinates: (n, 3), C-alpha positions in angstrom.
        numbers: (n,), positions of the residues in the polymer, nan where one is not known; None where none is.

    Returns:
        (k, 64, 3) of the same dtype; k may be 0. What is left at the end of a stretch is dropped.
    """
    steps = np.linalg.norm(np.diff(coordinates.astype(np.float64), axis=0), axis=1)
    broken = (steps >= CHAIN_BREAK) | (steps < NEAREST)
    if numbers is not None:
        jumps = np.diff(numbers.astype(np.float64))
        broken |= ~np.isnan(jumps) & (jumps != 1)
    stretches = np.split(coordinates, np.flatnonzero(broken) + 1)
    pieces = [stretch[: len(stretch) // FRAGMENT * FRAGMENT].reshape(-1, FRAGMENT, 3) for stretch in stretches]
    return np.concatenate(pieces)


def point_clouds(pieces: Array) -> Array:
    """Centre fragments (n, 64, 3) in angstrom on their means; float32 (n, 64, 3) in nanometres."""
    exact = pieces.astype(np.float64)
    centred: Array = (exact - exact.mean(axis=1, keepdims=True)) / ANGSTROM_PER_UNIT
    return centred.astype(np.float32)
