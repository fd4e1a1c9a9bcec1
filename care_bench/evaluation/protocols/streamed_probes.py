"""Protocols released-small-v1 and augmented-imagenet100-v1: linear probes on augmented training images."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from care_bench.data import PreparedDataset
from care_bench.evaluation.measurement import Measurement, Protocol
from care_bench.evaluation.protocols.linear_probes import TOP1, measured, needs_imagenet, needs_small_images

if TYPE_CHECKING:
    from care_bench.evaluation.embedded import Embedded

NOT_ASKED = "not asked for: evaluation.augmented_probe is false"


def _needs_images(dataset: PreparedDataset) -> str | None:
    return needs_small_images(dataset) or (None if dataset.kind == "image" else f"{dataset.name} holds no images")


def _measure(protocol: str, embedded: Embedded) -> tuple[Measurement, ...]:
    if not embedded.settings.augmented_probe:
        return (Measurement(None, 0, reason=NOT_ASKED),)
    from care_bench.metrics.streamed_probe import streamed_linear_probe

    stream = embedded.probe_stream(protocol)
    classes = int(embedded.dataset.train.labels["class"].max()) + 1
    seeds = range(embedded.settings.classifier_seeds)
    return measured(streamed_linear_probe(stream.epoch, stream.test, stream.dimension, classes, seeds, protocol))


RELEASED_SMALL = Protocol(
    "released-small-v1",
    1,
    (TOP1,),
    _needs_images,
    partial(_measure, "released-small-v1"),
    representations=("features",),
    family="probe",
)
AUGMENTED_IMAGENET100 = Protocol(
    "augmented-imagenet100-v1",
    1,
    (TOP1,),
    needs_imagenet,
    partial(_measure, "augmented-imagenet100-v1"),
    representations=("features",),
    family="probe",
)
