"""What the figures share: style, panels, colours that all kinds of eyes tell apart, and files without dates."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Collection, Iterable, Sequence
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
HANDLE, LETTER = 0.55, 0.06
"""Width of a marker with its gaps, and of a letter, in inches, in a legend."""
_STYLE = {
    "font.size": 8,
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib; a browser without it takes its own
    "axes.titlesize": 9,
    "axes.labelsize": 8,
    "figure.labelsize": 8,
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
    "text.hinting": "none",  # widths as browsers have them
    "figure.constrained_layout.w_pad": 0.06,
    "svg.hashsalt": "care-bench",
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
}
_METADATA: dict[Form, dict[str, None]] = {
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "png": {"Software": None},
}


ROUND = (
    (1.0,),
    (1.0, 3.0),
    (1.0, 2.0, 5.0),
    (1.0, 1.5, 2.0, 3.0, 4.0, 6.0),
    tuple(step / 10 for step in range(10, 100)),
)
"""Places of the numbers on a logarithmic axis, of which the first that gives three is taken."""


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
    below = [0.0 if one.low is None else one.mean - one.low for one in found]
    above = [0.0 if one.high is None else one.high - one.mean for one in found]
    style: dict[str, Any] = {"elinewidth": 1.0, "capsize": 0, **look.keys, "linestyle": "none", **more}
    if upright:
        panel.errorbar(at, means, yerr=[below, above], **style)
    else:
        panel.errorbar(means, at, xerr=[below, above], **style)


def legend(canvas: Canvas, panels: Sequence[Axes], columns: int, cell: Axes | None = None) -> None:
    """Add one legend of what is labelled in any panel: in a free cell, or above, where the canvas grows."""
    handles = {label: line for panel in panels for line, label in zip(*panel.get_legend_handles_labels(), strict=True)}
    if not handles:
        return
    spacing: dict[str, Any] = {"ncols": columns, "handletextpad": 0.4, "columnspacing": 1.0}
    if cell is not None:
        cell.set_visible(True)
        cell.axis("off")
        cell.legend(list(handles.values()), list(handles), loc="center", fontsize=6.5, **spacing).set_in_layout(False)
        return
    width, height = canvas.get_size_inches()
    spacing["ncols"] = columns = min(columns, max(1, int(width / (HANDLE + LETTER * max(map(len, handles))))))
    canvas.set_size_inches(width, height + 0.17 * -(-len(handles) // columns))
    canvas.legend(list(handles.values()), list(handles), loc="outside upper center", **spacing)


def log_axis(panel: Axes, which: Literal["x", "y"]) -> None:
    """Make an axis logarithmic, with plain numbers at a few round places; after all is drawn on it."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    (panel.set_xscale if which == "x" else panel.set_yscale)("log")
    axis = panel.xaxis if which == "x" else panel.yaxis
    low, high = sorted(axis.get_view_interval())
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ROUND:
        ticks = [step * 10.0**power for power in powers for step in steps if low <= step * 10.0**power <= high]
        if len(ticks) >= 3:
            break
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())


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


def drawn(draw: Callable[[], Canvas], forms: Sequence[Form]) -> list[bytes]:
    """Return the image that ``draw`` makes in some formats, without a date or random ids."""
    images = []
    with styled():
        canvas = draw()
        laid_out(canvas)
        for form in forms:
            content = io.BytesIO()
            if form == "png":
                canvas.patch.set(alpha=1, facecolor="white")
            canvas.savefig(content, format=form, metadata=_METADATA[form], dpi=DPI if form == "png" else 72)
            images.append(_for_pages(content.getvalue()) if form == "svg" else content.getvalue())
    return images


def laid_out(canvas: Canvas) -> None:
    """Place the panels once, for all formats and for labels that are put beside points."""
    engine = canvas.get_layout_engine()
    if engine is not None:
        engine.execute(canvas)
        canvas.set_layout_engine("none")


def styled() -> AbstractContextManager[None]:
    """Draw in the figures' style, whatever a matplotlibrc says."""
    import matplotlib.style

    return matplotlib.style.context(["default", _STYLE])


def _for_pages(svg: bytes) -> bytes:
    """Let the ink of an SVG follow the page, light or dark, and shorten it: a hundredth of a point is enough."""
    rules = "".join(
        f'[style*="{part}: {light.lower()}"]{{{part}:{dark}!important}}'
        for light, dark in DARK.items()
        for part in ("fill", "stroke")
    )
    style = f'<style type="text/css">@media (prefers-color-scheme: dark){{{rules}}}</style>\n'
    text = re.sub(r"<!--.*?-->\s*|<metadata>.*?</metadata>\s*", "", svg.decode(), flags=re.DOTALL)
    text = re.sub(r"\d+\.\d{3,}", lambda match: f"{float(match[0]):.2f}".rstrip("0").rstrip("."), text)
    text = re.sub(r"\n\s*", "\n", text)
    return re.sub(r"(<svg [^>]*>\n)", lambda match: match[1] + style, text, count=1).encode()


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


def row_axis(panel: Axes, names: Sequence[str], most: int) -> None:
    """Name rows on a vertical axis from above, with room for ``most``."""
    panel.set_yticks(range(len(names)), names)
    panel.set_ylim(most - 0.4, -0.6)


def label_points(panel: Axes, points: Sequence[tuple[float, float, str]], size: float = 6) -> None:
    """Write short labels beside points, each on the side where it covers fewest labels and points.

    Args:
        panel: of a canvas that was drawn once, with its limits as they stay.
        points: x, y and text of each.
        size: of the letters, in points.
    """
    scale = panel.figure.dpi / 72
    centres = [tuple(panel.transData.transform((x, y))) for x, y, _ in points]
    taken = [(x - 3 * scale, y - 3 * scale, x + 3 * scale, y + 3 * scale) for x, y in centres]
    for (x, y), (at, height, text) in zip(centres, points, strict=True):
        wide, high = 0.32 * size * len(text) * scale, 0.4 * size * scale
        reach = 4.5 * scale
        places = [(x + dx * (reach + wide), y + dy * (reach + high)) for dx, dy in _SIDES]
        boxes = [(px - wide, py - high, px + wide, py + high) for px, py in places]
        best = min(range(len(boxes)), key=lambda place: sum(_common(boxes[place], box) for box in taken))
        taken.append(boxes[best])
        offset = ((places[best][0] - x) / scale, (places[best][1] - y) / scale)
        panel.annotate(
            text, (at, height), offset, textcoords="offset points", ha="center", va="center", fontsize=size, zorder=4,
            annotation_clip=False,
        )  # fmt: skip


_SIDES = ((1, 0), (-1, 0), (0, 1), (0, -1), (0.8, 0.8), (0.8, -0.8), (-0.8, 0.8), (-0.8, -0.8))


def _common(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the area that two boxes share."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    return max(wide, 0) * max(high, 0)
