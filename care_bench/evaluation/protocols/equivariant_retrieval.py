"""Protocol equivariant-retrieval-v1: is R f(x) nearest to f(a(x)) among the f(a(x')) of other inputs?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from care_bench.evaluation.measurement import FEWER_DRAWS, Measurement, Metric, Protocol, never_skipped, over_repeats

if TYPE_CHECKING:
    from care_bench.evaluation.embedded import Embedded


HIT = "Hit@k: the share found among the first k."


def _measure(embedded: Embedded) -> tuple[Measurement, ...]:
    from care_bench.metrics import equivariant_retrieval

    _, za = embedded.directions
    other = (~embedded.fitted_half).nonzero()[:, 0]
    found = [
        equivariant_retrieval(turned, view[other])
        for turned, view in zip(embedded.turned, za, strict=False)  # of a large set, under fewer draws
    ]
    return (
        over_repeats([one.reciprocal_rank for one in found]),
        over_repeats([one.hit_at_1 for one in found]),
        over_repeats([one.hit_at_5 for one in found]),
    )


PROTOCOL = Protocol(
    "equivariant-retrieval-v1",
    2,
    (
        Metric(
            "transformed_mrr",
            "1",
            True,
            "transformed input, MRR",
            "Transformed input: R f(x), with the best map R in O(d) of one half of the test samples, searches f(a(x)) "
            "among all f(a(x')) of the other half; MRR is the mean of 1 / rank. An invariant encoder finds it as well. "
            f"{FEWER_DRAWS}",
        ),
        Metric("transformed_hit_1", "%", True, "transformed input, hit@1", HIT),
        Metric("transformed_hit_5", "%", True, "transformed input, hit@5", HIT),
    ),
    never_skipped,
    _measure,
    family="retrieval",
)
