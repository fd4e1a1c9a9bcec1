"""The evaluation protocols: what each measures, on which data, and in which unit. An id fixes every detail."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from care_bench.data import PreparedDataset
from care_bench.evaluation.cosine_histogram import cosine_statistics
from care_bench.evaluation.embed import Embedded
from care_bench.evaluation.knn import knn
from care_bench.evaluation.linear_probe import LinearProbe, cached_linear_probe, linear_probe
from care_bench.evaluation.principal_component import principal_component
from care_bench.evaluation.relative_equivariance import relative_equivariance_summary
from care_bench.evaluation.wahba import wahba
from care_bench.losses import alignment, uniformity

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
    """

    value: float | None
    n: int
    spread: float | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Protocol:
    """A way to measure a frozen encoder.

    Attributes:
        id: name that records and tables cite.
        version: raised whenever the same encoder would get another number.
        metrics: what it gives, in the order of ``measure``.
        skip: the reason why a data set cannot be measured so, or None.
        measure: one measurement per metric.
    """

    id: str
    version: int
    metrics: tuple[Metric, ...]
    skip: Callable[[PreparedDataset], str | None]
    measure: Callable[[Embedded], tuple[Measurement, ...]]


def _single(value: float) -> Measurement:
    return Measurement(value, 1)


def _over(values: Tensor | Sequence[float]) -> Measurement:
    """Mean and standard deviation of a value that was measured once per repeat."""
    numbers = [float(value) for value in values]
    mean = math.fsum(numbers) / len(numbers)
    spread = math.sqrt(math.fsum((number - mean) ** 2 for number in numbers) / (len(numbers) - 1))
    return Measurement(mean, len(numbers), spread)


def _needs_classes(dataset: PreparedDataset) -> str | None:
    return None if "class" in dataset.train.labels else f"{dataset.name} has no class labels"


def _needs_clouds(dataset: PreparedDataset) -> str | None:
    return None if dataset.kind == "point_cloud" else f"{dataset.name} holds images, not point clouds"


def _never(dataset: PreparedDataset) -> str | None:
    return None


def _classification(embedded: Embedded) -> tuple[Tensor, Tensor, Tensor, Tensor, int]:
    dataset = embedded.dataset
    train_labels, test_labels = embedded.labels(dataset.train), embedded.labels(dataset.test)
    return embedded.train, train_labels, embedded.test, test_labels, int(train_labels.max()) + 1


def _probe(result: LinearProbe) -> tuple[Measurement, ...]:
    return (Measurement(result.mean, len(result.top1), result.spread),)


def _measure_paper_probe(embedded: Embedded) -> tuple[Measurement, ...]:
    seeds = range(embedded.settings.classifier_seeds)
    return _probe(linear_probe(*_classification(embedded), seeds=seeds))


def _measure_cached_probe(embedded: Embedded) -> tuple[Measurement, ...]:
    return _probe(cached_linear_probe(*_classification(embedded)))


def _measure_knn(embedded: Embedded) -> tuple[Measurement, ...]:
    return (_single(knn(*_classification(embedded)).top1),)


def _measure_wahba(embedded: Embedded) -> tuple[Measurement, ...]:
    result = wahba(*embedded.directions)
    worst = Measurement(float(result.error.max()), len(result.error))
    return _over(result.error), worst, _over(result.error_per_sample)


def _measure_relative_equivariance(embedded: Embedded) -> tuple[Measurement, ...]:
    z, za = embedded.directions
    result = relative_equivariance_summary(z, za)
    values = (result.mean, result.median, result.trimmed_mean, result.invariance)
    return tuple(Measurement(value, len(za)) for value in values)


def _measure_cosines(embedded: Embedded) -> tuple[Measurement, ...]:
    result = cosine_statistics(embedded.test, embedded.augmented)
    return _over(result.mean), _over(result.variance), _over(result.fraction_opposed)


def _measure_alignment_uniformity(embedded: Embedded) -> tuple[Measurement, ...]:
    z, za = embedded.directions
    pairs = zip(za[0::2], za[1::2], strict=False)
    aligned = [float(alignment(first, second)) for first, second in pairs]
    return Measurement(math.fsum(aligned) / len(aligned), len(aligned)), _single(float(uniformity(z)))


def _measure_first_component(embedded: Embedded) -> tuple[Measurement, ...]:
    assert embedded.train_augmented is not None
    assert embedded.train_clouds is not None
    assert embedded.test_clouds is not None
    result = principal_component(
        embedded.train_augmented.flatten(0, 1),
        embedded.train_clouds.flatten(0, 1),
        embedded.augmented.flatten(0, 1),
        embedded.test_clouds.flatten(0, 1),
    )
    return _single(result.r2), _single(result.angle)


TOP1 = (Metric("top1", "%", True),)

PROTOCOLS: tuple[Protocol, ...] = (
    Protocol("paper-small-v1", 1, TOP1, _needs_classes, _measure_paper_probe),
    Protocol("cached-v1", 1, TOP1, _needs_classes, _measure_cached_probe),
    Protocol("knn-v1", 1, TOP1, _needs_classes, _measure_knn),
    Protocol(
        "wahba-v1",
        1,
        (
            Metric("wahba_error", "1", False),
            Metric("wahba_error_worst", "1", False),
            Metric("wahba_error_per_sample", "1", False),
        ),
        _never,
        _measure_wahba,
    ),
    Protocol(
        "relative-equivariance-v1",
        1,
        (
            Metric("gamma", "1", False),
            Metric("gamma_median", "1", False),
            Metric("gamma_trimmed", "1", False),
            Metric("invariance", "1", None),
        ),
        _never,
        _measure_relative_equivariance,
    ),
    Protocol(
        "cosine-v1",
        1,
        (
            Metric("cosine_mean", "1", None),
            Metric("cosine_variance", "1", None),
            Metric("cosine_opposed", "1", None),
        ),
        _never,
        _measure_cosines,
    ),
    Protocol(
        "alignment-uniformity-v1",
        1,
        (Metric("alignment", "1", None), Metric("uniformity", "1", None)),
        _never,
        _measure_alignment_uniformity,
    ),
    Protocol(
        "first-pc-v1",
        1,
        (Metric("first_pc_r2", "1", True), Metric("first_pc_angle", "degree", False)),
        _needs_clouds,
        _measure_first_component,
    ),
)
