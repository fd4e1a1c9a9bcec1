"""Protocols: metrics with units and captions, the data sets they apply to, and the measurement itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from care_bench.data import PreparedDataset
from care_bench.names import REPRESENTATIONS, Representation, Unit

if TYPE_CHECKING:
    from torch import Tensor

    from care_bench.evaluation.embedded import Embedded

Family: TypeAlias = Literal[
    "probe",
    "equivariance",
    "positive pairs",
    "composition",
    "certificate",
    "held out",
    "prediction",
    "profile",
    "lie derivative",
    "retrieval",
    "point clouds",
    "training",
    "other",
]
"""Which tables of a report show a protocol."""
MOST_SAMPLES = 4096
"""Most test samples of which protocols compare every pair: a larger set is cut to so many, evenly spaced."""
FEW_DRAWS = 5
"""Most draws for which a protocol fits maps of its own, where there are more than ``MOST_SAMPLES`` test samples."""
MOST_SINGLE = 1024
"""Most test samples, evenly spaced, that are measured under single augmentations at many strengths."""
MOST_VELOCITIES = 512
"""Most test samples, evenly spaced, whose embeddings are differentiated."""
MOST_CLOUDS = 10_000
"""Most point clouds of each split that are measured, evenly spaced, since each augmentation needs a copy of them."""
COMPOSED = 5
"""Most sampled augmentations that are composed with a second one."""
FEW_COMPOSED = 3
"""The same where there are more than ``MOST_SAMPLES`` test samples: each composition takes two decompositions."""
FEWER_DRAWS = f"Of more than {MOST_SAMPLES:,} test samples, the first {FEW_DRAWS} draws."
"""Caption of a protocol that fits maps of its own."""


@dataclass(frozen=True)
class Metric:
    """A number that a protocol gives.

    Attributes:
        name: its name in records.
        unit: its unit; "1" is a plain number.
        higher_is_better: the better direction; None where a row without information can win, or neither is better.
        label: its name in tables; that in records where empty.
        caption: one or two sentences on how to read the number.
    """

    name: str
    unit: Unit
    higher_is_better: bool | None
    label: str = ""
    caption: str = ""


@dataclass(frozen=True)
class Measurement:
    """A measured value, or the reason why there is none.

    Attributes:
        value: the mean over the repeats; None where there is a reason.
        n: number of repeats, such as classifier seeds or sampled augmentations.
        spread: standard deviation over the repeats (ddof 1); None for a single one and where it is undefined.
        reason: why there is no value.
        values: the repeats in their order, such as one for each sampled augmentation; None for a single number, and
            where the value is not their mean.
    """

    value: float | None
    n: int
    spread: float | None = None
    reason: str | None = None
    values: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Protocol:
    """A way to measure a frozen encoder. Its module imports torch inside ``measure`` only.

    Attributes:
        id: name that records and tables cite.
        version: raised whenever the same encoder would get another number.
        metrics: in the order of the measurements.
        skip: returns the reason why a data set cannot be measured this way, or None.
        measure: returns one measurement per metric. A part of the data set is embedded when a protocol first uses it.
        over_training: whether the snapshots of a run are measured too.
        representations: which of the two are measured.
        family: which tables of a report show it.
    """

    id: str
    version: int
    metrics: tuple[Metric, ...]
    skip: Callable[[PreparedDataset], str | None]
    measure: Callable[[Embedded], tuple[Measurement, ...]]
    over_training: bool = False
    representations: tuple[Representation, ...] = REPRESENTATIONS
    family: Family = "other"


def composed_draws(samples: int, draws: int) -> int:
    """Return how many draws are composed with a second one, of a test set of so many samples."""
    return min(draws, COMPOSED if samples <= MOST_SAMPLES else FEW_COMPOSED)


def single(value: float) -> Measurement:
    """Return a value that was measured once."""
    return Measurement(value, 1)


def over_repeats(values: Tensor | Sequence[float]) -> Measurement:
    """Return mean, standard deviation and values of the repeats; of a single repeat, its value."""
    # A tensor as a whole, so that the host waits for its device once.
    numbers = tuple(float(value) for value in (values if isinstance(values, Sequence) else values.tolist()))
    if len(numbers) == 1:
        return single(numbers[0])
    mean = math.fsum(numbers) / len(numbers)
    spread = math.sqrt(math.fsum((number - mean) ** 2 for number in numbers) / (len(numbers) - 1))
    return Measurement(mean, len(numbers), spread, values=numbers)


def never_skipped(dataset: PreparedDataset) -> str | None:
    """Skip no data set."""
    return None


def needs_classes(dataset: PreparedDataset) -> str | None:
    """Skip data sets without class labels."""
    return None if "class" in dataset.train.labels else f"{dataset.name} has no class labels"


def needs_point_clouds(dataset: PreparedDataset) -> str | None:
    """Skip data sets of images."""
    return None if dataset.kind == "point_cloud" else f"{dataset.name} holds images, not point clouds"
