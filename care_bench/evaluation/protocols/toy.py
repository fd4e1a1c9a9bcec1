"""Protocol toy-v1: the mean length of the test embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from care_bench.evaluation.measurement import Measurement, Metric, Protocol, never_skipped, single

if TYPE_CHECKING:
    from care_bench.evaluation.embed import Embedded


def _measure(embedded: Embedded) -> tuple[Measurement, ...]:
    return (single(float(embedded.test.norm(dim=1).mean())),)


PROTOCOL = Protocol("toy-v1", 1, (Metric("mean_length", "1", None, "mean length"),), never_skipped, _measure)
