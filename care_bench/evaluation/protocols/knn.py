"""Protocol knn-v1: weighted k nearest neighbours on the frozen encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from care_bench.evaluation.measurement import Measurement, Protocol, needs_classes, single
from care_bench.evaluation.protocols.linear_probes import TOP1

if TYPE_CHECKING:
    from care_bench.evaluation.embedded import Embedded


def _measure(embedded: Embedded) -> tuple[Measurement, ...]:
    from care_bench.metrics import knn

    return (single(knn(*embedded.classification).top1),)


PROTOCOL = Protocol("knn-v1", 1, (TOP1,), needs_classes, _measure, family="probe")
