"""A collection with rules for it, and the table of their verdicts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from care_bench.artifacts import Record
from care_bench.artifacts.collection import Collection
from care_bench.config.claims import parse_claims
from care_bench.report.claims import claims_of
from care_bench.report.model import Statements, Table
from tests.evidence.made import claim, rules

PerSeed = Callable[..., list[Record]]
LOWER, HIGHER = [0.5, 0.51, 0.49, 0.52, 0.48], [1.5, 1.51, 1.49, 1.52, 1.48]
TEXTS: dict[str, Any] = {"profile": "small", "seeds": [0, 1, 2, 3, 4]}
UNDECIDED = {"id": "C9", "text": "Regular.", "source": "Figure 3", "not_decided": "Nothing measures it."}
WORSE = claim({"direction": "higher"}, id="C7")


def small(per_seed: PerSeed) -> Collection:
    """CARE's error is half of SimCLR's, over five seeds."""
    found = [
        *per_seed([1.0] * 5, variant="simclr", metric="wahba_error"),
        *per_seed(LOWER, variant="care", metric="wahba_error"),
    ]
    return Collection("small", tuple(found))


def laid_out(
    collection: Collection, *claims: dict[str, Any], **changes: Any
) -> tuple[Table | Statements, Table] | None:
    """Decide claims by rules of their own."""
    return claims_of(
        collection, (parse_claims(rules(*claims, **{**TEXTS, **changes}), "here"), "d" * 64, "reference/claims.yaml")
    )
