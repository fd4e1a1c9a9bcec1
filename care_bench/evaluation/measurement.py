"""What a protocol is made of: metrics with their units, measurements with their repeats, and when it applies."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from care_bench.data import PreparedDataset
from care_bench.evaluation.embed import Embedded

Unit = Literal["%", "1", "degree"]


@dataclass(frozen=True)
class Metric:
    """A number that a protocol gives: its unit, and which direction is better (None: neither)."""

    name: str
    unit: Unit
    higher_is_better: bool | None


@dataclass(frozen=True)
class Measurement:
    """A measured value, or the reason why there is none.

    Attributes:
        value: the mean over the repeats; None where there is a reason.
        n: repeats, such as classifier seeds or sampled augmentations.
        spread: standard deviation over the repeats (ddof 1); None for a single one and where it has no meaning.
        reason: why there is no value.
        values: the repeats in their order, such as one for each sampled augmentation; None for a single number, and
            where the value is no mean of them.
    """

    value: float | None
    n: int
    spread: float | None = None
    reason: str | None = None
    values: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Protocol:
    """A way to measure a frozen encoder.

    Attributes:
        id: name that records and tables cite.
        version: raised whenever the same encoder would get another number.
        metrics: what it gives, in the order of ``measure``.
        skip: the reason why a data set cannot be measured so, or None.
        measure: one measurement per metric.
        over_training: whether it also measures the snapshots of a run. Such a protocol looks at ``test`` and
            ``augmented`` alone, since nothing else is embedded of a snapshot.
    """

    id: str
    version: int
    metrics: tuple[Metric, ...]
    skip: Callable[[PreparedDataset], str | None]
    measure: Callable[[Embedded], tuple[Measurement, ...]]
    over_training: bool = False


def single(value: float) -> Measurement:
    """Return a value that was measured once."""
    return Measurement(value, 1)


def over_repeats(values: Tensor | Sequence[float]) -> Measurement:
    """Return mean, standard deviation and values of what was measured once per repeat; of one repeat its value."""
    numbers = tuple(float(value) for value in values)
    if len(numbers) == 1:
        return single(numbers[0])
    mean = math.fsum(numbers) / len(numbers)
    spread = math.sqrt(math.fsum((number - mean) ** 2 for number in numbers) / (len(numbers) - 1))
    return Measurement(mean, len(numbers), spread, values=numbers)
