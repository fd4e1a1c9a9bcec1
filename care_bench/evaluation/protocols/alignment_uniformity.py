"""Protocol alignment-uniformity-v1: distance of positive pairs, and spread over the sphere (Wang and Isola 2020)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from care_bench.evaluation.measurement import Measurement, Metric, Protocol, never_skipped, over_repeats, single

if TYPE_CHECKING:
    from care_bench.evaluation.embedded import Embedded


def _measure(embedded: Embedded) -> tuple[Measurement, ...]:
    import torch

    from care_bench.losses import alignment, uniformity

    z, za = embedded.directions
    aligned = [alignment(first, second) for first, second in zip(za[0::2], za[1::2], strict=False)]
    return over_repeats(torch.stack(aligned)), single(float(uniformity(z)))


PROTOCOL = Protocol(
    "alignment-uniformity-v1",
    1,
    (
        Metric("alignment", "1", None, "alignment", "Alignment: mean distance of two views, 0 = invariant."),
        Metric(
            "uniformity",
            "1",
            None,
            "distance to uniformity (0 = uniform)",
            "Distance to uniformity: log mean exp f(x).f(x'), about 1/(2d) if uniform, 1 if collapsed.",
        ),
    ),
    never_skipped,
    _measure,
    over_training=True,
    family="equivariance",
)
