"""Protocol certificate-v1: what the equivariance loss on the test split guarantees, beside what is measured."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from care_bench.evaluation.measurement import (
    FEWER_DRAWS,
    Measurement,
    Metric,
    Protocol,
    never_skipped,
    over_repeats,
    single,
)

if TYPE_CHECKING:
    from torch import Tensor

    from care_bench.evaluation.embedded import Embedded

NO_SPAN = "the embeddings do not span the space: Prop. 3 says nothing"


def _measure(embedded: Embedded) -> tuple[Measurement, ...]:
    from care_bench.metrics import certificate
    from care_bench.metrics.certificate import MOST

    z, za = embedded.directions
    draws = slice(embedded.few_draws)
    found = certificate(z, za[draws], embedded.wahba_errors["O"].error_per_sample[draws])
    admissible = (found.condition <= MOST).double() * 100
    return (
        over_repeats(found.error),
        over_repeats(embedded.held_out.orthogonal),
        over_repeats(found.bound),
        over_repeats(found.rank),
        _finite(found.printed_bound),
        over_repeats(admissible),
        _finite(found.condition),
        single(float(found.smallest_singular_value[0])),
        over_repeats(found.loss),
    )


def _finite(values: Tensor) -> Measurement:
    if math.isfinite(float(values.max())):
        return over_repeats(values)
    return Measurement(None, len(values), reason=NO_SPAN)


PROTOCOL = Protocol(
    "certificate-v1",
    4,
    (
        Metric(
            "certificate_error",
            "1",
            None,
            "error",
            "Error: that of the best orthogonal map, in O(d), root mean square over the samples; it is at most the "
            f"rank-k bound. {FEWER_DRAWS}",
        ),
        Metric(
            "certificate_held_out_error",
            "1",
            None,
            "error, held out",
            "Held out: that of the map of held-out-wahba-v1, on the half of the samples that it is not fitted to.",
        ),
        Metric(
            "certificate_bound",
            "1",
            None,
            "rank-k bound",
            "Rank-k bound: always guaranteed, from the leading k directions of the embeddings and the mass outside of "
            "them.",
        ),
        Metric("certificate_rank", "1", None, "k", "k: the best rank."),
        Metric(
            "certificate_printed_bound",
            "1",
            None,
            "Prop. 3 bound",
            "Prop. 3 bound: (1 + √2) ‖A†‖ε² / √n, guaranteed for admissible augmentations only; √2 is trivial.",
        ),
        Metric(
            "certificate_admissible", "%", None, "admissible", "Admissible: augmentations to which Prop. 3 applies."
        ),
        Metric(
            "certificate_condition",
            "1",
            None,
            "‖A†‖ε",
            "‖A†‖ε: ε² is the Frobenius norm of the difference of the Gram matrices, and ‖A†‖ = 1/σ_min; Prop. 3 "
            "applies up to 1/√2.",
        ),
        Metric("certificate_sigma_min", "1", None, "σ_min", "σ_min: smallest singular value of the embeddings."),
        Metric(
            "certificate_loss",
            "1",
            None,
            "loss",
            "Loss: the ideal equivariance loss on the test split, (f(a(x)).f(a(x')) - f(x).f(x'))^2, mean over pairs "
            "and augmentations; 0 also where all embeddings are one.",
        ),
    ),
    never_skipped,
    _measure,
    family="certificate",
)
