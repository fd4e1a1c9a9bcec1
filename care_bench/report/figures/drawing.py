"""What the figures share: panels, colours that all kinds of eyes tell apart, and files without dates."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

MISSING = "The figure {!r} needs matplotlib: install care-bench[report]."
OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Colours of Okabe and Ito."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
GREY = "#555555"
PER_ROW = 3
PANEL = 3.1
"""Side of a panel in inches."""


def drawable() -> bool:
    """Whether matplotlib is installed."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError:
        return False
    return True


def small_multiples(number: int, sharex: bool = False, sharey: bool = False) -> tuple[Canvas, list[Axes]]:
    """Return a canvas and its square panels, at most ``PER_ROW`` in a row."""
    import matplotlib.figure

    columns = min(PER_ROW, number)
    rows = -(-number // columns)
    size = (PANEL * columns + 0.6, PANEL * rows + 0.7)
    canvas = matplotlib.figure.Figure(figsize=size, layout="constrained")
    panels = list(canvas.subplots(rows, columns, squeeze=False, sharex=sharex, sharey=sharey).ravel())
    for panel in panels[number:]:
        panel.set_visible(False)
    return canvas, panels[:number]


def saved(canvas: Canvas, form: Literal["svg", "pdf"]) -> bytes:
    """Return the image without a date or random ids."""
    import matplotlib as mpl

    content = io.BytesIO()
    dates = {"svg": {"Date": None, "Creator": None}, "pdf": {"CreationDate": None, "Creator": None, "Producer": None}}
    with mpl.rc_context({"svg.hashsalt": "care-bench", "svg.fonttype": "path", "pdf.fonttype": 42}):
        canvas.savefig(content, format=form, metadata=dates[form])
    return content.getvalue()
