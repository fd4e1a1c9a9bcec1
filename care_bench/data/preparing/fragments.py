"""Fragments of protein chains: 64 consecutive C-alpha atoms without a gap, as point clouds."""

from __future__ import annotations

import numpy as np

from care_bench.data.source import Array

FRAGMENT = 64  # residues
CHAIN_BREAK = 4.5  # angstrom; neighbouring C-alphas are 3.8 apart
ANGSTROM_PER_UNIT = 10.0  # prepared arrays are in nanometres, so that coordinates are of order one


def fragments(coordinates: Array) -> Array:
    """Cut a chain into unbroken fragments that do not overlap, from the start of each unbroken stretch.

    Args:
        coordinates: (n, 3), C-alpha positions in angstrom.

    Returns:
        (k, 64, 3) of the same dtype; k may be 0. What is left at the end of a stretch is dropped.
    """
    steps = np.linalg.norm(np.diff(coordinates.astype(np.float64), axis=0), axis=1)
    stretches = np.split(coordinates, np.flatnonzero(steps >= CHAIN_BREAK) + 1)
    pieces = [stretch[: len(stretch) // FRAGMENT * FRAGMENT].reshape(-1, FRAGMENT, 3) for stretch in stretches]
    return np.concatenate(pieces)


def point_clouds(pieces: Array) -> Array:
    """Centre fragments (n, 64, 3) in angstrom on their means; float32 (n, 64, 3) in nanometres."""
    exact = pieces.astype(np.float64)
    centred: Array = (exact - exact.mean(axis=1, keepdims=True)) / ANGSTROM_PER_UNIT
    return centred.astype(np.float32)
