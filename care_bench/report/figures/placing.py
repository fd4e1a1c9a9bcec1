"""Labels beside curves and points, apart from each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes


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


def label_points(panel: Axes, points: Sequence[tuple[float, float, str]], size: float = 6) -> None:
    """Write short labels beside points, each on the side where it covers fewest labels and points.

    A point whose text is empty has no label and is not covered.

    Args:
        panel: of a canvas that was drawn once, with its limits as they stay.
        points: x, y and text of each.
        size: of the letters, in points.
    """
    scale = panel.figure.dpi / 72
    centres = [tuple(panel.transData.transform((x, y))) for x, y, _ in points]
    taken = [(x - 3 * scale, y - 3 * scale, x + 3 * scale, y + 3 * scale) for x, y in centres]
    for (x, y), (at, height, text) in zip(centres, points, strict=True):
        if not text:
            continue
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
