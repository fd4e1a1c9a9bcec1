"""Figures 9 and 21 of CARE: a query, its copy in other colours, and the training images nearest to each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from care_bench.artifacts.illustrations import Illustrations, Shown
from care_bench.report.figures.drawing import small_multiples
from care_bench.report.figures.illustrated import Names, rows_sentence, shown_in
from care_bench.report.figures.plots import Plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

Pixels: TypeAlias = npt.NDArray[np.uint8]
COPIES = ("x", "a(x)")
GAP, TEXT, BETWEEN = 0.12, 0.42, 0.6
"""Gaps between images, room for a number below one, and between the two groups, in sides of an image."""
SHARP = 32
"""Least side of a drawn image in pixels: pixels of smaller ones are repeated, which viewers would blur."""
LINE = 0.58
"""Height of a line in inches."""


def retrieval_plot(found: Sequence[Illustrations], names: Names) -> Plot | None:
    """Return contact sheets, one for each query, a line for each row; None without any."""
    parts = shown_in("retrieval", found, names)
    if not parts:
        return None
    numbers: list[tuple[object, ...]] = [
        (one.dataset, name, query, copy, rank, one.train_rows[place], distance)
        for one, runs in parts
        for name, run in runs
        for query, pair in zip(one.query_rows, run.retrieval, strict=True)
        for copy, near in zip(COPIES, pair, strict=True)
        for rank, (place, distance) in enumerate(zip(near.places, near.distances, strict=True), start=1)
    ]
    return Plot(
        "Nearest training images",
        "A test image x, its copy a(x) in other colours, and below them, for each row, the five training images whose "
        "embeddings are nearest to those of x and of a(x), with the Euclidean distances; embeddings have length 1, so "
        "that 0 is the same direction and 2 the opposite one. Neighbours that follow the colour say that the encoder "
        "keeps it. The queries are evenly spaced test samples; a is the draw of the evaluation that turns the "
        f"hue most, without its other parts. {rows_sentence(parts)}",
        "Contact sheets of small images with a distance below each, a line for each row.",
        ("dataset", "row", "query", "copy", "rank", "train_row", "distance"),
        numbers,
        lambda: _drawn(parts),
    )


def _drawn(parts: Sequence[tuple[Illustrations, list[tuple[str, Shown]]]]) -> Canvas:
    sheets = [(one, place, runs) for one, runs in parts for place in range(len(one.query_rows))]
    lines = [1 + len(runs) for _, _, runs in sheets]
    canvas, grid = small_multiples(len(sheets), 1, LINE * sum(lines) / len(lines), height_ratios=lines)
    for (panel,), (one, place, runs) in zip(grid, sheets, strict=True):
        _sheet(panel, one, place, runs)
        panel.set_title(f"{one.dataset}, test image {one.query_rows[place]}", loc="left")
    return canvas


def _sheet(panel: Axes, one: Illustrations, query: int, runs: Sequence[tuple[str, Shown]]) -> None:
    """Draw the sheet of one query as one image, with numbers and names as text."""
    small = np.frombuffer(one.pixels, dtype=np.uint8).reshape(-1, *one.image_shape).transpose(0, 2, 3, 1)
    times = -(-SHARP // max(one.image_shape))
    images = small.repeat(times, axis=1).repeat(times, axis=2)
    height, width = images.shape[1:3]
    number = len(runs[0][1].retrieval[query][0].places)
    across, down = width + math.ceil(GAP * width), height + math.ceil(TEXT * height)
    group = number * across + math.ceil(BETWEEN * width)
    sheet = np.zeros(((1 + len(runs)) * down, group + number * across, 4), dtype=np.uint8)

    def put(image: Pixels, line: int, copy: int, rank: int, text: str) -> None:
        top, left = line * down, copy * group + rank * across
        sheet[top : top + height, left : left + width] = np.dstack([image, np.full((height, width), 255)])
        panel.text(left + width / 2, top + height + 0.06 * height, text, fontsize=6, ha="center", va="top")

    queries = len(one.query_rows)
    for copy, name in enumerate(COPIES):
        put(images[query + copy * queries], 0, copy, 0, name)
        for line, (_, run) in enumerate(runs, start=1):
            near = run.retrieval[query][copy]
            for rank, (place, distance) in enumerate(zip(near.places, near.distances, strict=True)):
                put(images[2 * queries + place], line, copy, rank, f"{distance:.2f}")
    for line, (name, _) in enumerate(runs, start=1):
        panel.text(-across / 2, line * down + height / 2, name, fontsize=7.5, ha="right", va="center")
    panel.imshow(sheet, extent=(0, sheet.shape[1], sheet.shape[0], 0), interpolation="none")
    panel.set_axis_off()
