"""Protocol held-out-wahba-v1: does a rotation that half of the samples decide say where the others go?"""

from __future__ import annotations

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


def _measure(embedded: Embedded) -> tuple[Measurement, ...]:
    found = embedded.held_out
    moved = found.moved
    return (
        _fractions(found.orthogonal[moved], found.identity[moved]),
        _fractions(found.linear[moved], found.identity[moved]),
        over_repeats(found.identity),
        single(float((~moved).sum())),
    )


def _fractions(error: Tensor, identity: Tensor) -> Measurement:
    if len(error) == 0:
        return Measurement(None, 0, reason="no draw moves the embeddings")
    return over_repeats(error / identity)


PROTOCOL = Protocol(
    "held-out-wahba-v1",
    2,
    (
        Metric(
            "held_out_wahba",
            "1",
            False,
            "map in O(d), held out",
            "Map in O(d), held out: under all augmentations together, the error of the best map in O(d) of one random "
            "half of the test samples on the other half, as a fraction of |f(a(x)) - f(x)| (root mean squares): 0 = "
            "steerable, 1 = the map explains nothing. Where no sample decides a direction, as for raw pixels that are "
            "always black, the map is the one that moves least. "
            f"{FEWER_DRAWS}",
        ),
        Metric("held_out_linear", "1", None, "linear map, held out", "Linear map: the same for least squares."),
        Metric("held_out_identity", "1", None, "no map", "No map: |f(a(x)) - f(x)| itself."),
        Metric(
            "held_out_still",
            "1",
            None,
            "still draws",
            "Still draws: those that move no embedding; they are left out of the fractions.",
        ),
    ),
    never_skipped,
    _measure,
    family="held out",
)
