"""Rows as dots with intervals: the ablation (Figure 10 of CARE), the first component (Figure 4), composition."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from care_bench.names import REPRESENTATIONS, Representation
from care_bench.report.figures.drawing import legend, log_axis, row_axis, small_multiples, whiskers
from care_bench.report.figures.looks import GREY, Look, looks, role_looks
from care_bench.report.figures.plots import INTERVAL, Plot, numbers, over_seeds
from care_bench.report.figures.rows import GAMMA, HELD_OUT, MOVED, PROBES, REFERENCES, Measure, Rows
from care_bench.report.labels import Variant

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

TERMS = ("invariance", "uniformity", "equivariance", "uniformity_equivariance")
"""Methods of the loss ablation, apart from SimCLR and CARE on it, which have two and three of the terms."""
SHIFTS = {1: (0.0,), 2: (-0.16, 0.16)}
"""Number of representations -> where each stands beside the line of its row."""
FEWEST = 3
"""Fewest rows of a data set that are drawn: two are read in a table."""
WIDE = 10
"""From the smallest number to the largest, of an axis that is logarithmic."""
R2 = Measure("first-pc-v1", "first_pc_r2", "projection", "R², 1 = exact")
LEAST_R2 = -0.5
"""Smallest R² that is drawn; a smaller one lies on the edge."""
ANGLE = Measure("first-pc-v1", "first_pc_angle", "projection", "error of the angle (degrees)")
COMPOSITION = Measure("composition-v1", "composition_error", "projection", "composition error")
UNIFORM = Measure("alignment-uniformity-v1", "uniformity", "projection", "distance to uniformity")


class Line(NamedTuple):
    """Some rows of a data set, and what is shown of them: a column for each measure."""

    dataset: str
    rows: Sequence[Variant]
    measures: Sequence[Measure]


def ablation_plot(rows: Rows) -> Plot | None:
    """Return what single terms of the loss and pairs of them do; None where they were not trained."""
    lines = []
    for dataset in rows.datasets:
        shown = [row for row in rows.rows(dataset) if row.method in TERMS]
        shown += _whole(rows, dataset, shown)
        shown += [row for row in rows.rows(dataset) if REFERENCES.get(row.method) == "untrained"]
        known = rows.first((*PROBES, R2), dataset)
        if any(row.method in TERMS for row in shown):
            measures = [one for one in (known, rows.first([GAMMA], dataset), rows.first([MOVED], dataset)) if one]
            lines.append(Line(dataset, shown, [*measures, *filter(None, [rows.first([UNIFORM], dataset)])]))
    return _plot(
        rows,
        lines,
        "Ablation of the loss",
        f"The encoder trained with single terms of the loss and with pairs of them{_beside(lines)}. Accuracy is "
        "that of the features, the other numbers are those of the projection."
        + (
            " γ is small for a collapsed encoder too, whose distance to uniformity is 1."
            if any({GAMMA, UNIFORM} <= set(line.measures) for line in lines)
            else ""
        ),
    )


def _whole(rows: Rows, dataset: str, terms: Sequence[Variant]) -> list[Variant]:
    """Return SimCLR and CARE on it; of other invariance weights too, where they are trained as the single terms are."""
    like = [rows.shared((dataset, term)) for term in terms]
    found = [family for family in rows.families(dataset) if family[0].method == "simclr"]
    chosen = [*found[:1], *(family for family in found[1:] if rows.shared((dataset, family[0])) in like)]
    return [row for family in chosen for row in family if row.method in ("simclr", "care")]


def _beside(lines: Sequence[Line]) -> str:
    """Say which whole methods stand beside the terms."""
    drawn = {row.method for line in lines for row in line.rows}
    terms = {"simclr": "SimCLR (invariance and uniformity)", "care": "CARE (all three)"}
    found = [text for method, text in terms.items() if method in drawn]
    return f", beside {' and '.join(found)}" if found else ""


def component_plot(rows: Rows) -> Plot | None:
    """Return how well the first principal component knows the orientation; None where it was not measured."""
    lines = [
        Line(dataset, _measured(rows, dataset, R2), [one for one in (R2, ANGLE) if rows.first([one], dataset)])
        for dataset in rows.datasets
    ]
    return _plot(
        rows,
        lines,
        "First principal component",
        "How well a linear map of the augmented embeddings' coordinates predicts the first principal axis of a rotated "
        "point cloud: R² (0 is the constant guess)"
        + (", and the angle between the lines." if any(ANGLE in line.measures for line in lines) else ".")
        + (f" R² below {LEAST_R2:g} lies on the left edge." if _is_cut(rows, lines) else ""),
        both=True,
    )


def _is_cut(rows: Rows, lines: Sequence[Line]) -> bool:
    """Whether some R² is too small to be drawn where it is."""
    return any(
        found.mean < LEAST_R2
        for layer in REPRESENTATIONS
        for (dataset, row), found in rows.summaries(R2._replace(representation=layer)).items()
        if any(line.dataset == dataset and row in line.rows for line in lines)
    )


def composition_plot(rows: Rows) -> Plot | None:
    """Return the composition error beside Wahba's held-out error and the movement; None where it was not measured."""
    lines = []
    for dataset in rows.datasets:
        family = {row for found in rows.families(dataset) for row in found}
        shown = [row for row in _measured(rows, dataset, COMPOSITION) if row in family or row.method in REFERENCES]
        lines.append(
            Line(dataset, shown, [one for one in (COMPOSITION, HELD_OUT, MOVED) if rows.first([one], dataset)])
        )
    return _plot(
        rows,
        lines,
        "Composition of augmentations",
        "How far the rotation of two composed augmentations is from the product of theirs, on the embeddings: 0 where "
        f"composed augmentations act as composed rotations, and near invariance too{_also(lines)}. Base methods, the "
        "first row of each method that wraps them, and the reference rows, where they were measured; all of the "
        "projection.",
    )


def _also(lines: Sequence[Line]) -> str:
    """Say which numbers stand beside the composition error."""
    drawn = {measure for line in lines for measure in line.measures}
    texts = {HELD_OUT: "the held-out error of the best map", MOVED: "the movement itself"}
    found = [text for measure, text in texts.items() if measure in drawn]
    return f", so beside it {'is' if len(found) == 1 else 'are'} {' and '.join(found)}" if found else ""


def _measured(rows: Rows, dataset: str, measure: Measure) -> list[Variant]:
    found = rows.records(measure)
    return [row for row in rows.rows(dataset) if (dataset, row) in found]


def _known(rows: Rows, line: Line) -> Line:
    """Return a line without the rows of which nothing was measured."""
    found = {place for measure in line.measures for place in rows.records(measure)}
    return line._replace(rows=[row for row in line.rows if (line.dataset, row) in found])


def _plot(rows: Rows, lines: Iterable[Line], title: str, caption: str, both: bool = False) -> Plot | None:
    shown = [line for line in (_known(rows, line) for line in lines) if len(line.rows) >= FEWEST]
    if not shown:
        return None
    layers: Sequence[Representation | Literal[""]] = REPRESENTATIONS if both else ("",)
    series = [(line, measure._replace(representation=layer) if layer else measure) for line in shown
              for measure in line.measures for layer in layers]  # fmt: skip
    table: list[tuple[object, ...]] = [
        (line.dataset, row.name, one.protocol, one.metric, one.representation, *numbers(found[line.dataset, row]))
        for line, one in series
        if (found := rows.summaries(one))
        for row in line.rows
        if (line.dataset, row) in found
    ]

    def draw() -> Canvas:
        columns = max(len(line.measures) for line in shown)
        heights = [0.5 + 0.16 * len(line.rows) for line in shown]
        canvas, panels = small_multiples(
            len(shown), columns, sum(heights) / len(heights), sharey="row", gridspec_kw={"height_ratios": heights}
        )
        for cells, line in zip(panels, shown, strict=True):
            for panel, measure in zip(cells, line.measures, strict=False):
                _draw(panel, rows, line, measure, layers)
            for panel in cells[len(line.measures) :]:
                panel.set_visible(False)
            row_axis(cells[0], [rows.names[row] for row in line.rows], len(line.rows))
            cells[0].set_ylabel(line.dataset)
        if both:
            legend(canvas, [panels[0][0]], 2)
        return canvas

    return Plot(
        title,
        f"{caption} Shown: {over_seeds(int(str(row[5])) for row in table)}.",
        "Dots with intervals, a line for each row, a panel for each number and data set.",
        ("dataset", "row", "protocol", "metric", "representation", *INTERVAL),
        table,
        draw,
        labels=tuple(rows.names[row] for line in shown for row in line.rows),
    )


def _draw(
    panel: Axes, rows: Rows, line: Line, measure: Measure, layers: Sequence[Representation | Literal[""]]
) -> None:
    roles = role_looks(line.rows, REFERENCES)
    for layer, look, shift in zip(layers, looks(len(layers)), SHIFTS[len(layers)], strict=True):
        found = rows.summaries(measure._replace(representation=layer) if layer else measure)
        alike: dict[Look, list[int]] = defaultdict(list)
        for place, row in enumerate(line.rows):
            if (line.dataset, row) in found:
                alike[look if layer else roles[row]].append(place)
        for shown, places in alike.items():
            values = {place + shift: found[line.dataset, line.rows[place]] for place in places}
            low = [at for at, one in values.items() if measure.metric == R2.metric and one.mean < LEAST_R2]
            whole = {at: one for at, one in values.items() if at not in low}
            whiskers(panel, list(whole), list(whole.values()), shown, upright=False, label=layer or None)
            if not low:
                continue
            edge = {**shown.keys, "marker": "<", "linestyle": "none", "clip_on": False}
            panel.plot([LEAST_R2] * len(low), low, **edge)
    found = rows.summaries(measure)
    means = [found[line.dataset, row].mean for row in line.rows if (line.dataset, row) in found]
    if measure in (GAMMA, COMPOSITION) and min(means, default=0) > 0 and max(means) > WIDE * min(means):
        log_axis(panel, "x")
    else:
        panel.locator_params(axis="x", nbins=4)
    if measure.metric == R2.metric and panel.get_xlim()[0] < LEAST_R2:
        panel.set_xlim(left=LEAST_R2)
    if measure == HELD_OUT:
        panel.axvline(1, color=GREY, linewidth=0.8, linestyle="--")
    panel.set_xlabel(measure.label)
    panel.tick_params(axis="y", length=0)
    panel.spines["left"].set_visible(False)
