"""Reports on records: one document model, printed and written as Markdown, LaTeX, HTML and CSV."""

from care_bench.report.build import write_report

__all__ = ["write_report"]
