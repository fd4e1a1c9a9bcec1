"""Protocols cosine-v1 (Fig. 6 of CARE) and positive-cosine-v1 (Fig. 11 to 16): cosines between views."""

from __future__ import annotations

from typing import TYPE_CHECKING

from care_bench.evaluation.measurement import Measurement, Metric, Protocol, never_skipped, over_repeats

if TYPE_CHECKING:
    from care_bench.evaluation.embedded import Embedded

POSITIVE = (
    "Cosine of f(a(x)) and f(a'(x)) over the test samples and pairs of sampled augmentations: its mean, and the points "
    "below which 5 to 95 % of the cosines lie."
)
VARIANCE = (
    "Variance of the cosine over the samples. An exactly equivariant encoder has none where d = 2 and its maps are "
    "rotations; in d >= 3 one rotation turns different embeddings by different angles, so it has some."
)
OPPOSED = (
    "Share of cosines in [-1, -0.5]. It can be large for an exactly equivariant encoder: where a rotation turns by "
    "more than 120 degrees, or a map is a reflection."
)
POINTS = {
    "mean": "mean",
    "05": "5 % point",
    "25": "25 % point",
    "50": "median",
    "75": "75 % point",
    "95": "95 % point",
}


def _measure_plain_and_augmented(embedded: Embedded) -> tuple[Measurement, ...]:
    from care_bench.metrics import cosine_statistics

    result = cosine_statistics(embedded.test, embedded.augmented)
    return over_repeats(result.mean), over_repeats(result.variance), over_repeats(result.fraction_opposed)


def _measure_positive_pairs(embedded: Embedded) -> tuple[Measurement, ...]:
    from care_bench.metrics import positive_cosines

    result = positive_cosines(embedded.augmented)
    pairs = len(result.mean)
    return over_repeats(result.mean), *(Measurement(quantile, pairs) for quantile in result.quantiles)


PLAIN_AND_AUGMENTED = Protocol(
    "cosine-v1",
    1,
    (
        Metric("cosine_mean", "1", None, "cosine, mean", "Cosine: of f(x) and f(a(x)), 1 = invariant."),
        Metric("cosine_variance", "1", None, "cosine, variance", VARIANCE),
        Metric("cosine_opposed", "1", None, "cosine, fraction opposed", OPPOSED),
    ),
    never_skipped,
    _measure_plain_and_augmented,
    over_training=True,
    family="equivariance",
)
POSITIVE_PAIRS = Protocol(
    "positive-cosine-v1",
    1,
    tuple(
        Metric(f"positive_cosine_{point}", "1", None, f"positive cosine, {label}", POSITIVE)
        for point, label in POINTS.items()
    ),
    never_skipped,
    _measure_positive_pairs,
    over_training=True,
    family="positive pairs",
)
