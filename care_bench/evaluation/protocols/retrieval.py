"""Protocol retrieval-v1: the nearest training samples of a test sample, plain and augmented (Fig. 9 and 21 of CARE)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from care_bench.evaluation.measurement import Measurement, Metric, Protocol, never_skipped, over_repeats, single

if TYPE_CHECKING:
    from torch import Tensor

    from care_bench.evaluation.embedded import Embedded

TINT = "tint"
"""Label with the colour that made an image, where a data set has it."""


def _measure(embedded: Embedded) -> tuple[Measurement, ...]:
    from care_bench.metrics import retrieval

    found = retrieval(embedded.train, embedded.test, embedded.augmented)
    return over_repeats(found.overlap), _tint_distance(embedded, found.neighbours)


def _tint_distance(embedded: Embedded, neighbours: Tensor) -> Measurement:
    from care_bench.metrics import factor_distance

    dataset = embedded.dataset
    if TINT not in dataset.train.labels:
        return Measurement(None, 0, reason=f"{dataset.name} has no label {TINT}: the colour that made an image")
    tints = embedded.labels(dataset.test, TINT), embedded.labels(dataset.train, TINT)
    return single(factor_distance(neighbours, *tints))


PROTOCOL = Protocol(
    "retrieval-v1",
    1,
    (
        Metric(
            "retrieval_overlap",
            "%",
            None,
            "top-5 overlap",
            "Overlap: the share of the five nearest train samples of f(x) that f(a(x)) has as well.",
        ),
        Metric(
            "retrieval_tint_distance",
            "1",
            False,
            "tint distance",
            "Tint distance: how far the neighbours' colour is from the query's, 1 by chance.",
        ),
    ),
    never_skipped,
    _measure,
    family="retrieval",
)
