"""Figures of a collection, drawn with matplotlib (extra `report`): the same records give the same bytes."""

from care_bench.report.figures.accuracy import accuracy_figure
from care_bench.report.figures.certificate import certificate_figure

__all__ = ["accuracy_figure", "certificate_figure"]
