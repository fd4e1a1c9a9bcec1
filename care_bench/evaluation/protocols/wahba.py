"""Protocol wahba-v1: distance of augmented views from the best rotation of the plain ones (Fig. 5 of CARE)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from care_bench.evaluation.measurement import Measurement, Metric, Protocol, never_skipped, over_repeats

if TYPE_CHECKING:
    from care_bench.evaluation.embedded import Embedded


def _measure(embedded: Embedded) -> tuple[Measurement, ...]:
    result = embedded.wahba_errors["SO"]
    worst = Measurement(float(result.error.max()), len(result.error))
    means = over_repeats(result.error), worst, over_repeats(result.error_per_sample)
    return *means, over_repeats(embedded.wahba_errors["O"].error)


PROTOCOL = Protocol(
    "wahba-v1",
    2,
    (
        Metric(
            "wahba_error",
            "1",
            False,
            "Wahba, mean",
            "Wahba's error is small for a collapsed or invariant encoder too: read it beside invariance and "
            "uniformity.",
        ),
        Metric("wahba_error_worst", "1", False, "Wahba, worst", "Worst: the draw with the largest error."),
        Metric(
            "wahba_error_per_sample",
            "1",
            False,
            "Wahba, per sample",
            "Per sample: over the square root of the number of samples.",
        ),
        Metric(
            "wahba_error_orthogonal",
            "1",
            False,
            "Wahba over O(d), mean",
            "Over rotations, as in the paper, Wahba's error punishes an encoder on which an augmentation acts exactly "
            "as a reflection; over O(d), which zero loss promises, it does not.",
        ),
    ),
    never_skipped,
    _measure,
    over_training=True,
    family="equivariance",
)
