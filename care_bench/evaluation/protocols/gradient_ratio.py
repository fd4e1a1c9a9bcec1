"""Protocol gradient-ratio-v1: what the log of a training says of an added term: its pull, and how unsteady it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from care_bench.evaluation.measurement import Measurement, Metric, Protocol, never_skipped, over_repeats, single
from care_bench.names import GRADIENT_RATIO

if TYPE_CHECKING:
    from care_bench.evaluation.embedded import Embedded


def _measure(embedded: Embedded) -> tuple[Measurement, ...]:
    log = embedded.log
    if log.gradient_ratios:
        pull = over_repeats(log.gradient_ratios)
    else:
        pull = Measurement(None, 0, reason=log.without_ratios or "its method adds no term to another one")
    return pull, _deviation(log.equivariance)


def _deviation(terms: tuple[float, ...]) -> Measurement:
    from care_bench.metrics import relative_deviation

    if not terms:
        return Measurement(None, 0, reason="its method has no equivariance term")
    try:
        return single(relative_deviation(terms))
    except ValueError as error:
        return Measurement(None, 0, reason=str(error))


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
        Metric(
            "term_deviation",
            "1",
            None,
            "equivariance term, deviation",
            "Deviation: of the equivariance term from step to step in the second half of training, about its linear "
            "trend, relative to its mean.",
        ),
    ),
    never_skipped,
    _measure,
    representations=("projection",),
    family="training",
)
