"""Protocol gradient-ratio-v1: how strongly an added term pulls on the encoder in training, beside its base method."""

from __future__ import annotations

from typing import TYPE_CHECKING

from care_bench.evaluation.measurement import Measurement, Metric, Protocol, never_skipped, over_repeats
from care_bench.names import GRADIENT_RATIO

if TYPE_CHECKING:
    from care_bench.evaluation.embedded import Embedded


def _measure(embedded: Embedded) -> tuple[Measurement, ...]:
    ratios = embedded.gradient_ratios
    return (over_repeats(ratios) if ratios else Measurement(None, 0, reason="its method adds no term to another one"),)


PROTOCOL = Protocol(
    "gradient-ratio-v1",
    1,
    (
        Metric(
            GRADIENT_RATIO,
            "1",
            None,
            "gradient ratio",
            "Gradient ratio: norm of the gradient of the weighted term that a method adds, over that of the gradient "
            "of its base method, in the encoder's parameters; mean over a few steps of the training. Far below 1 the "
            "method is its base method.",
        ),
    ),
    never_skipped,
    _measure,
    representations=("projection",),
    family="training",
)
