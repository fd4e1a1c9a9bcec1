"""A figure before it is drawn: its numbers, what they are, and how they are drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from care_bench.artifacts.drawn import Drawn
from care_bench.report.figures.drawing import drawn
from care_bench.report.model import Figure
from care_bench.report.writers import csv_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

    from care_bench.report.statistics import Summary

INTERVAL = ("seeds", "mean", "low", "high")
"""Columns of a mean over the seeds with its interval."""
AS_PINNED = "Shown as it was drawn when the collection was pinned."
"""Said of a drawing that cannot be made again, since matplotlib is missing."""


@dataclass(frozen=True)
class Plot:
    """A figure before it is drawn.

    Attributes:
        title: its heading.
        caption: says what is drawn.
        alt: describes it to readers who cannot see it.
        columns: of its numbers.
        rows: its numbers.
        draw: draws it in the style of the figures.
        narrow: draws it in one column for a narrow page, where it has several panels beside each other.
        labels: of rows that stand in it. A drawing that was kept has to have them.
    """

    title: str
    caption: str
    alt: str
    columns: tuple[str, ...]
    rows: list[tuple[object, ...]]
    draw: Callable[[], Canvas]
    narrow: Callable[[], Canvas] | None = None
    labels: tuple[str, ...] = ()

    @property
    def csv(self) -> str:
        """Its numbers as CSV; what is missing is empty."""
        return csv_text(self.columns, self.rows)

    def drawn(self) -> Drawn:
        """Draw it for pages and for papers."""
        svg, pdf = drawn(self.draw, ("svg", "pdf"))
        narrow = drawn(self.narrow, ("svg",))[0] if self.narrow else b""
        return Drawn(svg, pdf, self.csv.encode(), narrow, self.caption, self.alt)

    def shown_by(self, kept: Drawn) -> bool:
        """Say whether a drawing that was kept shows the numbers of this figure, whatever was said of it."""
        return kept.data == self.csv.encode()

    def described_by(self, kept: Drawn) -> bool:
        """Say whether a drawing that was kept has the labels of this figure, and was described in its words."""
        labelled = all(escape(label).encode() in kept.svg for label in self.labels)
        return labelled and (kept.caption, kept.alt) == (self.caption, self.alt)

    def as_kept(self, kept: Drawn) -> Plot:
        """Return it with what was said of a drawing that was kept, and that it is this drawing."""
        if not kept.caption:
            return replace(self, caption=f"{self.caption.rstrip()} {AS_PINNED[:-1]}; the words are of today.")
        return replace(self, caption=f"{kept.caption.rstrip()} {AS_PINNED}", alt=kept.alt)

    def figure(self, again: str, images: Drawn) -> Figure:
        """Return it for a report; ``again`` is the command that draws it alone."""
        data = images.data.decode()
        return Figure(self.title, self.caption, self.alt, images.svg, images.pdf, data, again, images.narrow)


def over_seeds(seeds: Iterable[int]) -> str:
    """Say of what means and intervals are, as they are drawn.

    Args:
        seeds: number of pretraining seeds behind each.
    """
    if max(seeds) == 1:
        return "of one pretraining seed, without intervals"
    return "means over the pretraining seeds with 95 % t-intervals"


def numbers(found: Summary) -> tuple[object, ...]:
    """Return a summary as the columns of ``INTERVAL``."""
    return found.n, found.mean, found.low, found.high
