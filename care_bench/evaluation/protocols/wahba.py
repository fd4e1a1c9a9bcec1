"""Protocol wahba-v1: distance of augmented views from the best rotation of the plain ones (Fig. 5 of CARE)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from care_bench.evaluation.measurement import Measurement, Metric, Protocol, never_skipped, over_repeats

if TYPE_CHECKING:
    from care_bench.evaluation.embedded import Embedded


def _measure(embedded: Embedded) -> tuple[Measurement, ...]:
    from care_bench.metrics import wahba

    result = wahba(*embedded.directions)
    worst = Measurement(float(result.error.max()), len(result.error))
    return over_repeats(result.error), worst, over_repeats(result.error_per_sample)


PROTOCOL = Protocol(
    "wahba-v1",
    1,
    (
        Metric(
            "wahba_error",
            "1",
            False,
            "Wahba, mean",
            "Wahba's error is small for a collapsed or invariant encoder too: read it beside invariance and "
            "uniformity.",
        ),
        Metric("wahba_error_worst", "1", False, "Wahba, worst"),
        Metric("wahba_error_per_sample", "1", False, "Wahba, per sample"),
    ),
    never_skipped,
    _measure,
    over_training=True,
    family="equivariance",
)
