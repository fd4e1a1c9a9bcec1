"""Protocols paper-small-v1, paper-imagenet100-v1 and cached-v1: linear classifiers on the frozen encoder."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from care_bench.data import PreparedDataset
from care_bench.evaluation.measurement import Measurement, Metric, Protocol, needs_classes

if TYPE_CHECKING:
    from care_bench.evaluation.embedded import Embedded
    from care_bench.metrics import LinearProbe

IMAGENET_RECIPE = frozenset({"imagenet100"})
"""Data sets whose linear probe is paper-imagenet100-v1 and not paper-small-v1."""
TOP1 = Metric("top1", "%", True, "top-1", "Top-1 accuracy on the test split of a classifier on the frozen encoder.")


def needs_small_images(dataset: PreparedDataset) -> str | None:
    """Skip ImageNet100, which has a recipe of its own, and data sets without class labels."""
    if dataset.name in IMAGENET_RECIPE:
        return f"{dataset.name} is probed under paper-imagenet100-v1"
    return needs_classes(dataset)


def needs_imagenet(dataset: PreparedDataset) -> str | None:
    """Skip all other data sets."""
    if dataset.name not in IMAGENET_RECIPE:
        return f"this recipe is for {', '.join(sorted(IMAGENET_RECIPE))}, not for {dataset.name}"
    return needs_classes(dataset)


def measured(probe: LinearProbe) -> tuple[Measurement, ...]:
    """Return the accuracy of a probe, mean over its classifiers."""
    values = probe.top1 if len(probe.top1) > 1 else None
    return (Measurement(probe.mean, len(probe.top1), probe.spread, values=values),)


def _measure_paper_probe(protocol: str, embedded: Embedded) -> tuple[Measurement, ...]:
    from care_bench.metrics import linear_probe
    from care_bench.metrics.linear_probe import train_classifiers

    seeds = range(embedded.settings.classifier_seeds)
    x, y, *_, classes = embedded.classification
    known = embedded.fitted(protocol, lambda: train_classifiers(x, y, classes, seeds, protocol))
    return measured(linear_probe(*embedded.classification, seeds=seeds, protocol=protocol, known=known))


def _measure_cached_probe(embedded: Embedded) -> tuple[Measurement, ...]:
    from care_bench.metrics import cached_linear_probe
    from care_bench.metrics.linear_probe import fit_cached

    x, y, *_ = embedded.classification
    known = embedded.fitted("cached-v1", lambda: fit_cached(x, y))
    return measured(cached_linear_probe(*embedded.classification, known=known))


CACHED = Protocol("cached-v1", 1, (TOP1,), needs_classes, _measure_cached_probe, family="probe")
PAPER_SMALL = Protocol(
    "paper-small-v1",
    1,
    (TOP1,),
    needs_small_images,
    partial(_measure_paper_probe, "paper-small-v1"),
    family="probe",
)
PAPER_IMAGENET100 = Protocol(
    "paper-imagenet100-v1",
    2,
    (TOP1,),
    needs_imagenet,
    partial(_measure_paper_probe, "paper-imagenet100-v1"),
    family="probe",
)
