"""Protocol composition-v1: is the rotation of two augmentations the product of theirs? (Cor. 1 of CARE)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from care_bench.evaluation.measurement import (
    FEW_COMPOSED,
    MOST_SAMPLES,
    Measurement,
    Metric,
    Protocol,
    never_skipped,
    over_repeats,
)

if TYPE_CHECKING:
    from care_bench.evaluation.embedded import Embedded


def _measure(embedded: Embedded) -> tuple[Measurement, ...]:
    from care_bench.metrics import composition_error
    from care_bench.metrics.checks import directions

    z, za = embedded.directions
    composed = directions(embedded.composed, "composed embeddings")
    # Rotations, as for Wahba's error, although Cor. 1 promises no more than orthogonal maps. The difference is measured
    # where embeddings lie: they rarely span R^d, and elsewhere a rotation is one of many.
    first, known = za[: len(composed)], embedded.rotations["SO"].rotation[: len(composed)]
    return (over_repeats(composition_error(z, first, composed, group="SO", known=known).per_sample),)


PROTOCOL = Protocol(
    "composition-v1",
    2,
    (
        Metric(
            "composition_error",
            "1",
            None,
            "composition error",
            "Root mean square over the test samples of |(R_a'a - R_a' R_a) f(x)|, mean over pairs of augmentations: 0 "
            "where composed augmentations act as composed rotations, and near invariance as well; read it beside "
            "Wahba's error and the invariance. Where a view loses directions that its source has, as raw pixels lose "
            "colours in grayscale, no sample decides where its map takes them, and the error says nothing. "
            f"Of more than {MOST_SAMPLES:,} test samples, the first {FEW_COMPOSED} draws.",
        ),
    ),
    never_skipped,
    _measure,
    family="composition",
)
