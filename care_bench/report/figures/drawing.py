"""What the figures share: style, panels, colours that all kinds of eyes tell apart, and files without dates."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from care_bench.report.labels import METHODS, Variant, method_label, position

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

    from care_bench.report.statistics import Summary

Form: TypeAlias = Literal["svg", "pdf", "png"]

MISSING = "The figure {!r} needs matplotlib: install care-bench[report]."
OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F")
"""Colours of Okabe and Ito, with a grey in place of the black, which is that of text."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
LINES = ("-", "--", "-.", ":")
INK, GREY, GRID, PAPER = "#1b1f24", "#59636e", "#d1d9e0", "#fefefe"
"""Text, lesser text and lines, grids, and the edges of markers."""
DARK = {INK: "#e6edf3", GREY: "#9aa5b1", GRID: "#3a424b", PAPER: "#0f1419", "#0072B2": "#4aa3df"}
"""Colours of a page in light -> in dark; the others are seen on both."""
WIDTH = 7.6
"""Width of a figure in inches: text is readable on a page and over both columns of a paper."""
PER_ROW = 3
DPI = 300
_STYLE = {
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.labelsize": 8,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 7.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.7,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": GRID,
    "grid.linewidth": 0.5,
    "axes.axisbelow": True,
    "lines.linewidth": 1.3,
    "lines.markersize": 4.5,
    "legend.frameon": False,
    "svg.hashsalt": "care-bench",
    "svg.fonttype": "path",
    "pdf.fonttype": 42,
}
_METADATA: dict[Form, dict[str, None]] = {
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "png": {"Software": None},
}


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


def drawable() -> bool:
    """Whether matplotlib is installed."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError:
        return False
    return True


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


def small_multiples(
    rows: int, columns: int, height: float = 2.2, width: float = WIDTH, **axes: Any
) -> tuple[Canvas, list[list[Axes]]]:
    """Return a canvas and its panels, ``height`` inches each; ``axes`` are arguments of ``Figure.subplots``."""
    import matplotlib.figure

    canvas = matplotlib.figure.Figure(figsize=(width, height * rows + 0.4), layout="constrained")
    canvas.patch.set_alpha(0)
    panels = canvas.subplots(rows, columns, squeeze=False, **axes)
    for panel in panels.ravel():
        panel.patch.set_alpha(0)
    return canvas, [list(row) for row in panels]


def whiskers(
    panel: Axes, at: Sequence[float], found: Sequence[Summary], look: Look, *, upright: bool = True, **more: Any
) -> None:
    """Draw means with their intervals, where there are several seeds: up and down, or to both sides."""
    means = [one.mean for one in found]
    lengths = [(0.0, 0.0) if one.low is None or one.high is None else (one.mean - one.low, one.high - one.mean)
               for one in found]  # fmt: skip
    x, y = (at, means) if upright else (means, at)
    style = {"color": look.colour, "marker": look.marker, "linestyle": "none", "elinewidth": 1.0, "capsize": 0}
    errors = {"yerr" if upright else "xerr": [list(side) for side in zip(*lengths, strict=True)]}
    panel.errorbar(x, y, **errors, **{**style, "markeredgecolor": PAPER, "markeredgewidth": 0.4, **more})


def legend(canvas: Canvas, panels: Sequence[Axes], columns: int, place: str = "outside upper center") -> None:
    """Add one legend of what is labelled in any panel; the canvas grows by its lines."""
    handles = {label: line for panel in panels for line, label in zip(*panel.get_legend_handles_labels(), strict=True)}
    width, height = canvas.get_size_inches()
    canvas.set_size_inches(width, height + 0.17 * -(-len(handles) // columns))
    canvas.legend(list(handles.values()), list(handles), loc=place, ncols=columns, handletextpad=0.5, columnspacing=1.2)


def log_axis(panel: Axes, which: Literal["x", "y"]) -> None:
    """Make an axis logarithmic, with plain numbers at 1, 2 and 5 times the powers of ten."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

    (panel.set_xscale if which == "x" else panel.set_yscale)("log")
    axis = panel.xaxis if which == "x" else panel.yaxis
    low, high = sorted(axis.get_view_interval())
    subs = (1.0, 2.0, 5.0) if high < 200 * low else (1.0,)
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())


def apart(positions: Sequence[float], gap: float) -> list[float]:
    """Return positions, in their order, that are at least ``gap`` apart and as near to where they were as can be."""
    order = sorted(range(len(positions)), key=lambda index: positions[index])
    # Blocks of labels that touch: their first place is the mean of what their members ask for.
    blocks: list[tuple[float, int]] = []
    for index in order:
        blocks.append((positions[index], 1))
        while len(blocks) > 1 and blocks[-2][0] + gap * blocks[-2][1] > blocks[-1][0]:
            (low, lower), (high, upper) = blocks[-2:]
            blocks[-2:] = [((low * lower + (high - gap * lower) * upper) / (lower + upper), lower + upper)]
    spread = [first + gap * step for first, size in blocks for step in range(size)]
    found = [0.0] * len(positions)
    for index, place in zip(order, spread, strict=True):
        found[index] = place
    return found


def label_ends(panel: Axes, ends: Sequence[tuple[float, float, str, str]], size: float = 7) -> None:
    """Write labels right of the ends of curves, apart from each other.

    Args:
        panel: with its limits as they stay.
        ends: x, y, text and colour of each.
        size: of the letters, in points.
    """
    if not ends:
        return
    heights = [panel.transData.transform((x, y))[1] for x, y, *_ in ends]
    gap = size * 1.15 * panel.figure.dpi / 72
    for (x, y, text, colour), was, now in zip(ends, heights, apart(heights, gap), strict=True):
        shift = (now - was) * 72 / panel.figure.dpi
        panel.annotate(
            text, (x, y), (6, shift), textcoords="offset points", va="center", fontsize=size, color=colour,
            annotation_clip=False,
        )  # fmt: skip


def drawn(draw: Callable[[], Canvas], form: Form) -> bytes:
    """Return the image that ``draw`` makes, without a date or random ids; SVG changes its colours in dark mode."""
    content = io.BytesIO()
    with styled():
        canvas = draw()
        if form == "png":
            canvas.patch.set(alpha=1, facecolor="white")
        canvas.savefig(content, format=form, metadata=_METADATA[form], dpi=DPI if form == "png" else 72)
    return _for_dark_pages(content.getvalue()) if form == "svg" else content.getvalue()


def styled() -> AbstractContextManager[None]:
    """Draw in the figures' style, whatever a matplotlibrc says."""
    import matplotlib.style

    return matplotlib.style.context(["default", _STYLE])


def _for_dark_pages(svg: bytes) -> bytes:
    """Let the ink of an SVG follow the page: matplotlib writes colours as inline styles."""
    rules = "".join(
        f'[style*="{part}: {light.lower()}"]{{{part}:{dark}!important}}'
        for light, dark in DARK.items()
        for part in ("fill", "stroke")
    )
    style = f'<style type="text/css">@media (prefers-color-scheme: dark){{{rules}}}</style>\n'
    return re.sub(rb"(<svg [^>]*>\n)", lambda match: match[1] + b" " + style.encode(), svg, count=1)


def family_looks(rows: Iterable[Variant]) -> dict[str, tuple[str, Look]]:
    """Return label and look of the methods that wrap others, by method; "" stands for the base methods."""
    wrapping = dict.fromkeys(row.method for row in rows if row.base)
    names = ["", *sorted(wrapping, key=lambda method: position(method, ("care", *METHODS)))]
    labels = ["the base method alone", *map(method_label, names[1:])]
    return dict(zip(names, zip(labels, looks(len(names)), strict=True), strict=True))
