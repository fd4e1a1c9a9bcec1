"""Figures 3 and 17 to 20 of CARE: the curves of embeddings while point clouds turn about an axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from care_bench.artifacts.illustrations import FULL, Curve, Illustrations, Shown, Turn
from care_bench.report.figures.drawing import legend, small_multiples
from care_bench.report.figures.illustrated import Names, headed, rows_sentence, shown_in
from care_bench.report.figures.looks import PAPER, looks
from care_bench.report.figures.plots import Plot

if TYPE_CHECKING:
    import numpy.typing as npt
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

AXES = ("x", "y", "z")
APART = 0.3
"""Points of a curve by which the drawn one may be off, in pixels: a page holds many."""
COLUMNS = (
    *("dataset", "row", "axis", "step_variation", "residual", "closure"),
    *("cloud", "planarity", "radius", "step", "first", "second"),
)


def trajectories_plot(found: Sequence[Illustrations], names: Names) -> Plot | None:
    """Return the curves of a few clouds about three axes, a line of panels for each row; None without any."""
    parts = shown_in("trajectories", found, names)
    if not parts:
        return None
    numbers: list[tuple[object, ...]] = []
    for one, runs in parts:
        for name, run in runs:
            for axis, turn in zip(AXES, run.trajectories, strict=True):
                about = (one.dataset, name, axis, turn.step_variation, turn.residual, turn.closure)
                for cloud, curve in zip(one.clouds, turn.curves, strict=True):
                    for step, (x, y) in enumerate(plane(curve).tolist()):
                        numbers.append((*about, cloud, curve.planarity, curve.radius, step, f"{x:.4g}", f"{y:.4g}"))
    clouds = "; ".join(f"of {one.dataset} test clouds {', '.join(map(str, one.clouds))}" for one, _ in parts)
    return Plot(
        "Trajectories",
        f"The embedding of a point cloud while it turns once about an axis, in equal steps: {clouds}, the first of "
        "those that protocol trajectories-v1 draws at random. Each curve is in its own principal plane, from the dot "
        "on; the curves of a panel have one scale, panels have their own. Step variation, of these curves: 0 at "
        "constant speed. In the plane: mean share of their variance. Radius: mean root mean square distance from "
        "their mean, of embeddings of length 1; a small one is near invariance. Residual and closure, of one map for "
        "the steps of all clouds about the axis, on clouds that it was not fitted to: 0 if they move by one rotation. "
        f"{rows_sentence(parts)}",
        "Closed curves, a line of three panels for each row, one for each axis.",
        COLUMNS,
        numbers,
        lambda: _drawn(list(headed(parts)), parts[0][0] if len(parts) == 1 else None),
    )


def plane(curve: Curve) -> npt.NDArray[np.float64]:
    """Return the curve (T, 2) in units of the embedding."""
    return np.array(curve.points, dtype=np.float64).reshape(-1, 2) * curve.extent / FULL


def _drawn(runs: Sequence[tuple[str, Shown]], one: Illustrations | None) -> Canvas:
    canvas, grid = small_multiples(len(runs), len(AXES), 1.3)
    for line, (name, run) in zip(grid, runs, strict=True):
        for panel, axis, turn in zip(line, AXES, run.trajectories, strict=True):
            _panel(panel, axis, turn, one)
        line[0].set_title(name, loc="left")
    legend(canvas, grid[0], len(AXES))
    return canvas


def _panel(panel: Axes, axis: str, turn: Turn, one: Illustrations | None) -> None:
    curves = [plane(curve) for curve in turn.curves]
    scale = max(float(np.abs(curve).max()) for curve in curves) or 1.0
    for place, (curve, look) in enumerate(zip(curves, looks(len(curves)), strict=True)):
        closed = np.concatenate([curve, curve[:1]]) / scale
        label = f"test cloud {one.clouds[place]}" if one else f"cloud {place + 1} of the data set"
        (line,) = panel.plot(*closed.T, color=look.colour, linestyle=look.line, linewidth=1, label=label)
        line.get_path().should_simplify, line.get_path().simplify_threshold = True, APART
        panel.plot(*closed[0], marker=look.marker, color=look.colour, markersize=4, markeredgecolor=PAPER,
                   markeredgewidth=0.4, linestyle="none")  # fmt: skip
    shares = [curve.planarity for curve in turn.curves if curve.planarity is not None]
    lines = (
        f"about {axis}",
        f"step variation {_number(turn.step_variation)}",
        f"in the plane {sum(shares) / len(shares):.0f} %" if shares else "does not move",
        f"radius {sum(curve.radius for curve in turn.curves) / len(turn.curves):.2g}",
        f"residual {_number(turn.residual)}",
        f"closure {_number(turn.closure)}",
    )
    panel.text(1.3, 0, "\n".join(lines), fontsize=6.5, va="center", linespacing=1.3)
    panel.set(xlim=(-1.1, 3.3), ylim=(-1.1, 1.1), aspect="equal")
    panel.set_axis_off()


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
