"""Protocol relative-equivariance-v1: γ, the change of distances relative to the movement (Fig. 8 of CARE)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from care_bench.evaluation.measurement import MOST_SAMPLES, Measurement, Metric, Protocol, never_skipped

if TYPE_CHECKING:
    from care_bench.evaluation.embedded import Embedded


def _measure(embedded: Embedded) -> tuple[Measurement, ...]:
    from care_bench.metrics import relative_equivariance_summary

    z, za = embedded.fewer_directions
    result = relative_equivariance_summary(z, za)
    ratios = (result.mean, result.median, result.trimmed_mean)
    if math.isnan(result.mean):
        still = Measurement(None, 0, reason="no draw moves the embeddings by more than rounding")
        return (*[still] * len(ratios), Measurement(result.invariance, len(za)))
    return (*(Measurement(value, result.moving) for value in ratios), Measurement(result.invariance, len(za)))


PROTOCOL = Protocol(
    "relative-equivariance-v1",
    3,
    (
        # No direction is better: γ is low where views are equivariant, and also where they do not depend on the input.
        Metric(
            "gamma",
            "1",
            None,
            "γ, mean",
            "γ is a mean of ratios without bound near invariance: read it beside its median and the invariance. It is "
            "about 1/(2d) also where views have nothing to do with the input: read it beside Wahba's error. Draws that "
            "move the embeddings by rounding alone have no ratio and do not count, here and in held-out errors; in "
            "Wahba's error, the invariance and compositions they count as 0.",
        ),
        Metric("gamma_median", "1", None, "γ, median", "Median: over pairs and draws."),
        Metric(
            "gamma_trimmed",
            "1",
            None,
            "γ, trimmed mean",
            f"Trimmed: without 10 % at each end. Of more than {MOST_SAMPLES:,} test samples, so many, evenly spaced.",
        ),
        Metric(
            "invariance",
            "1",
            None,
            "distance to invariance (0 = invariant)",
            "Distance to invariance: mean |f(a(x)) - f(x)|.",
        ),
    ),
    never_skipped,
    _measure,
    over_training=True,
    family="equivariance",
)
