"""From an encoder to records. The metrics are those of ``care_bench.metrics``, importable from here too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from care_bench.metrics import *  # noqa: F403


def __getattr__(name: str) -> Any:
    """Return a metric. They import torch, which listing the protocols does without."""
    from care_bench import metrics

    if name not in metrics.__all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(metrics, name)
