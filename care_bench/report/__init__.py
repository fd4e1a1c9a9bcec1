"""Reports on records: one document model, printed and written as Markdown, LaTeX, HTML and CSV."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from care_bench.report.build import write_report

__all__ = ["write_report"]


def __getattr__(name: str) -> Any:
    # Imported when it is used: ``python -m care_bench.report`` handles signals before it imports anything slow.
    if name != "write_report":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from care_bench.report.build import write_report

    return write_report
