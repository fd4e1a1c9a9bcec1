"""Values of rows by seed, as the records that a ledger reads, and rules about them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

SEEDS = (10, 11, 12, 13, 14, 15, 16, 17)
PROTOCOLS = {
    "top1": "cached-v1",
    "wahba_error": "wahba-v1",
    "gamma_median": "relative-equivariance-v1",
    "invariance": "relative-equivariance-v1",
    "uniformity": "alignment-uniformity-v1",
}


def values_of(row: str, metric: str, per_seed: Sequence[float | None], **changes: Any) -> list[Any]:
    """Return one record per seed, with the attributes that the ledger reads; None leaves a seed out."""
    about = {
        "profile": "tried",
        "dataset": "digits",
        "variant": row,
        "metric": metric,
        "protocol": PROTOCOLS.get(metric),
        "representation": "projection",
        "epoch": None,
        "values": None,
        **changes,
    }
    found = [{**about, "seed": seed, "value": value} for seed, value in zip(SEEDS, per_seed, strict=False)]
    return [SimpleNamespace(**one, id=_id(one)) for one in found if one["value"] is not None]


def _id(content: Mapping[str, Any]) -> str:
    return "r" + hashlib.sha256(repr(sorted(content.items())).encode()).hexdigest()[:10]


def rules(*claims: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """Return the content of a file of rules."""
    return {"profile": "tried", "seeds": list(SEEDS), "claims": list(claims), **changes}


def claim(*comparisons: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """Return the content of a claim, each comparison with these changes: by default Wahba's error of care is lower."""
    default = {
        "rows": ["care"],
        "against": ["simclr"],
        "datasets": ["digits"],
        "protocols": ["wahba-v1"],
        "metric": "wahba_error",
        "direction": "lower",
    }
    made = [{**default, **one} for one in (comparisons or ({},))]
    return {"id": "C5", "text": "CARE has a lower error.", "source": "Figure 5", "comparisons": made, **changes}


def listed(records: Iterable[Iterable[Any]]) -> list[Any]:
    return [record for part in records for record in part]
