"""Preconditions of the losses, and the precision they compute in."""

from __future__ import annotations

import math
from collections.abc import Collection

import torch
from torch import Tensor


def rows(z: Tensor, name: str, at_least: int = 1) -> Tensor:
    """Check one matrix of embeddings and return it in at least float32.

    Args:
        z: (n, d), one embedding per row.
        name: of the argument, for messages.
        at_least: the smallest n the loss is defined for.

    Raises:
        ValueError: z is not 2-D, not floating point, or has too few rows or no columns.
    """
    if z.ndim != 2:
        raise ValueError(f"{name} has shape {tuple(z.shape)}; expected (rows, dimension)")
    if not z.is_floating_point():
        raise ValueError(f"{name} has dtype {z.dtype}; expected a floating point type")
    if z.shape[0] < at_least or z.shape[1] < 1:
        raise ValueError(f"{name} has shape {tuple(z.shape)}; expected at least {at_least} row(s) and 1 column")
    return z.to(torch.promote_types(z.dtype, torch.float32))


def paired_rows(
    z1: Tensor, z2: Tensor, at_least: int = 1, names: tuple[str, str] = ("z1", "z2")
) -> tuple[Tensor, Tensor]:
    """Check two matrices with one row per input each and return both in at least float32.

    Args:
        z1: (n, d), one embedding per row.
        z2: (n, d), likewise.
        at_least: the smallest n the loss is defined for.
        names: of the arguments, for messages.

    Raises:
        ValueError: as :func:`rows`, the shapes differ, or one is float64 and the other is not: all others are computed
            in float32.
    """
    first, second = names
    if z1.shape != z2.shape:
        shapes = f"{first} has shape {tuple(z1.shape)} and {second} {tuple(z2.shape)}"
        raise ValueError(f"{shapes}; expected equal shapes")
    found, other = rows(z1, first, at_least), rows(z2, second, at_least)
    if found.dtype != other.dtype:
        raise ValueError(f"{first} is computed in {found.dtype} and {second} in {other.dtype}; expected one type")
    return found, other


def paired_chunks(z1: Tensor, z2: Tensor, splits: int) -> tuple[Tensor, Tensor]:
    """Check two matrices as :func:`paired_rows` and return both cut into equal chunks of consecutive rows.

    Args:
        z1: (n, d), one embedding per row.
        z2: (n, d), likewise.
        splits: number of chunks.

    Returns:
        (splits, n / splits, d) each.

    Raises:
        ValueError: as :func:`paired_rows`, n is not divisible by splits, or a chunk has one row only.
    """
    z1, z2 = paired_rows(z1, z2)
    batch, dimension = z1.shape
    chunk, rest = divmod(batch, splits)
    if rest or chunk < 2:
        raise ValueError(
            f"a batch of {batch} rows in {splits} splits; expected a multiple of splits with at least 2 rows a chunk"
        )
    return z1.reshape(splits, chunk, dimension), z2.reshape(splits, chunk, dimension)


def check_choice(name: str, value: str, choices: Collection[str]) -> None:
    """Raise ValueError unless the value is one of the choices."""
    if value not in choices:
        raise ValueError(f"{name} is {value!r}; expected one of {', '.join(choices)}")


def positive_temperature(temperature: float) -> float:
    """Return the temperature, or raise ValueError where it is not a positive finite number."""
    if not (temperature > 0 and math.isfinite(temperature)):
        raise ValueError(f"temperature is {temperature}; expected a positive finite number")
    return temperature


def positive_splits(splits: int) -> int:
    """Return the number of chunks, or raise ValueError where it is not a positive whole number."""
    if isinstance(splits, bool) or not isinstance(splits, int) or splits < 1:
        raise ValueError(f"splits is {splits!r}; expected a positive whole number")
    return splits


def autocast_off(z: Tensor) -> torch.autocast:
    """Return the context in which matrix products keep the precision of ``z`` under mixed-precision training."""
    return torch.autocast(z.device.type, enabled=False)
