"""Colours that all kinds of eyes tell apart, markers and lines, and which row has which."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from care_bench.report.labels import METHODS, Variant, method_label, position

OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F")
"""Colours of Okabe and Ito, with a grey in place of the black, which is that of text."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
LINES = ("-", "--", "-.", ":")
INK, GREY, GRID, PAPER = "#1b1f24", "#59636e", "#d1d9e0", "#fefefe"
"""Text, lesser text and lines, grids, and the edges of markers."""


class Look(NamedTuple):
    """How a row or group is drawn: neighbours differ in all three, so that grey print tells them apart."""

    colour: str
    marker: str
    line: str

    @property
    def keys(self) -> dict[str, Any]:
        """Arguments of a line with markers."""
        return {
            "color": self.colour,
            "marker": self.marker,
            "linestyle": self.line,
            "markeredgecolor": PAPER,
            "markeredgewidth": 0.4,
        }


def looks(number: int) -> list[Look]:
    """Return distinct looks."""
    return [
        Look(
            OKABE_ITO[place % len(OKABE_ITO)],
            MARKERS[(place + place // len(OKABE_ITO)) % len(MARKERS)],
            LINES[(place + place // len(OKABE_ITO)) % len(LINES)],
        )
        for place in range(number)
    ]


def family_looks(rows: Iterable[Variant]) -> dict[str, tuple[str, Look]]:
    """Return label and look of the methods that wrap others, by method; "" stands for the base methods."""
    wrapping = dict.fromkeys(row.method for row in rows if row.base)
    names = ["", *sorted(wrapping, key=lambda method: position(method, ("care", *METHODS)))]
    labels = ["the base method alone", *map(method_label, names[1:])]
    return dict(zip(names, zip(labels, looks(len(names)), strict=True), strict=True))


def role_looks(rows: Iterable[Variant], references: Collection[str]) -> dict[Variant, Look]:
    """Return the looks of rows: base methods, each method that wraps one, and reference rows differ."""
    found = list(rows)
    named = family_looks(found)
    return {
        row: Look(GREY, "X", ":") if row.method in references else named[row.method if row.base else ""][1]
        for row in found
    }
