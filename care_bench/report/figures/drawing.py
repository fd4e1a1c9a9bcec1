"""What the figures share: style, panels, colours that all kinds of eyes tell apart, and files without dates."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from care_bench.report.figures.looks import GREY, GRID, INK, PAPER, Look

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

    from care_bench.report.statistics import Summary

Form: TypeAlias = Literal["svg", "pdf", "png"]

MISSING = "The figure {!r} needs matplotlib: install care-bench[report]."
DARK = {INK: "#e6edf3", GREY: "#9aa5b1", GRID: "#3a424b", PAPER: "#0f1419", "#0072B2": "#4aa3df"}
"""Colours of a page in light -> in dark; the others are seen on both."""
WIDTH = 7.6
"""Width of a figure in inches: text is readable on a page and over both columns of a paper."""
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
TICKS = 4
"""Most numbers on a logarithmic axis."""


def drawable() -> bool:
    """Whether matplotlib is installed."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError:
        return False
    return True


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


def legend(
    canvas: Canvas, panels: Sequence[Axes], columns: int, cell: Axes | None = None, *, below: bool = False
) -> None:
    """Add one legend of what is labelled in any panel: in a free cell, or above or below, where the canvas grows."""
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
    spacing["loc"] = "outside lower center" if below else "outside upper center"
    canvas.legend(list(handles.values()), list(handles), **spacing)


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
    ticks = ticks[:: -(-len(ticks) // TICKS)]
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())


def drawn(draw: Callable[[], Canvas], forms: Sequence[Form]) -> list[bytes]:
    """Return the image that ``draw`` makes in some formats, without a date or random ids."""
    images = []
    with styled():
        canvas = draw()
        laid_out(canvas)
        for form in forms:
            content = _saved(canvas, form)
            images.append(_for_pages(content) if form == "svg" else content)
    return images


def _saved(canvas: Canvas, form: Form) -> bytes:
    """Return a canvas that is laid out as an image. ``Figure.savefig`` draws it once more before, to lay it out."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_pdf import FigureCanvasPdf
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    kinds: dict[Form, Any] = {"svg": FigureCanvasSVG, "pdf": FigureCanvasPdf, "png": FigureCanvasAgg}
    if form == "png":
        canvas.patch.set(alpha=1, facecolor="white")
        canvas.set_dpi(DPI)
    content = io.BytesIO()
    getattr(kinds[form](canvas), f"print_{form}")(content, metadata=_METADATA[form])
    return content.getvalue()


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
    text = re.sub(r"<[^>]*>", lambda tag: re.sub(r"\d+\.\d{3,}", _hundredths, tag[0]), text)  # what is read stays
    text = re.sub(r'<g id="[^"]*">', "<g>", text)  # no rule and no link names them
    text = re.sub(r' transform="rotate\(-0 [^)]*\)"', "", text)
    text = re.sub(r"\n\s*", "\n", text)
    return re.sub(r"(<svg [^>]*>\n)", lambda match: match[1] + style, text, count=1).encode()


def _hundredths(number: re.Match[str]) -> str:
    return f"{float(number[0]):.2f}".rstrip("0").rstrip(".")


def row_axis(panel: Axes, names: Sequence[str], most: int) -> None:
    """Name rows on a vertical axis from above, with room for ``most``."""
    panel.set_yticks(range(len(names)), names)
    panel.set_ylim(most - 0.4, -0.6)
