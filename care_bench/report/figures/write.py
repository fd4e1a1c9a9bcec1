"""One figure of a collection, written as a file with its numbers beside it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from care_bench.artifacts.collection import COLLECTED, HOW_TO_COLLECT, PINNED, Collection, read_collection
from care_bench.artifacts.folders import check_apart, reading
from care_bench.artifacts.illustrations import Illustrations
from care_bench.artifacts.pin import collected, pinned
from care_bench.errors import CareBenchError, unknown
from care_bench.files import write_bytes
from care_bench.names import Representation
from care_bench.report.figures import FIGURES, ILLUSTRATED, plots_of
from care_bench.report.figures.drawing import Form, drawable, drawn
from care_bench.report.figures.over_settings import metric_plot
from care_bench.report.figures.plots import Plot
from care_bench.report.figures.rows import short_labels
from care_bench.report.model import slug
from care_bench.report.variants import variant_of
from care_bench.untrusted import read_bytes

FORMS: dict[str, Form] = {".svg": "svg", ".pdf": "pdf", ".png": "png"}
FOLDER = "plots"
"""Where figures are written by default, in the results folder."""


def write_plot(plot: Plot, out: Path) -> list[Path]:
    """Draw a figure into a file, and write its numbers beside it as CSV.

    Args:
        plot: the figure.
        out: `NAME.svg`, `NAME.pdf` or `NAME.png`.

    Returns:
        The two files.

    Raises:
        CareBenchError: another ending, a folder that cannot be written, a CSV beside it that holds something else, or
            matplotlib is missing.
    """
    check_apart(out, COLLECTED, PINNED)
    form, numbers, content = form_of(out), out.with_suffix(".csv"), plot.csv.encode()
    if not drawable():
        raise CareBenchError("figures need matplotlib; expected it installed, as care-bench[report]")
    expected = "expected numbers of this figure, or another --out"
    if os.path.lexists(numbers) and _header(read_bytes(numbers, expected)) != _header(content):
        raise CareBenchError(
            f"{numbers} has other columns than this figure, whose numbers would replace it; {expected}"
        )
    (image,) = drawn(plot.draw, [form])
    write_bytes(out, image)
    write_bytes(numbers, content)
    return [out, numbers]


def _header(content: bytes) -> bytes:
    return content.partition(b"\n")[0]


def form_of(out: Path) -> Form:
    """Return the format of a file by its ending.

    Raises:
        CareBenchError: it is not that of an image.
    """
    if out.suffix not in FORMS:
        raise CareBenchError(f"{out}: unknown ending {out.suffix!r}; expected one of {', '.join(FORMS)}")
    return FORMS[out.suffix]


def plot_figure(results: Path, collection: str | None, name: str, out: Path | None = None) -> tuple[Plot, list[Path]]:
    """Draw one of the figures of a report alone.

    Args:
        results: the results folder.
        collection: as :func:`chosen` takes it.
        name: a key of ``FIGURES``.
        out: by default `plots/NAME.svg` in the results folder.

    Raises:
        CareBenchError: an unknown name, or a collection that lacks what the figure shows.
    """
    if name not in FIGURES:
        raise unknown("figure", name, FIGURES)
    target = results / FOLDER / f"{name}.svg" if out is None else out
    form_of(target)
    found = chosen(results, collection)
    plots = plots_of(found)
    if name not in plots:
        lacks = "illustrations" if name in ILLUSTRATED else "records"
        raise CareBenchError(f"{found.key} has no {lacks} for the figure {name!r}; it has those for {', '.join(plots)}")
    return plots[name], write_plot(plots[name], target)


def plot_metric(
    results: Path,
    collection: str | None,
    x: str,
    y: str,
    by: str | None = None,
    representation: Representation = "projection",
    where: Sequence[str] = (),
    out: Path | None = None,
) -> tuple[Plot, list[Path]]:
    """Draw a metric over a setting, as :func:`metric_plot` does.

    Args:
        results: the results folder.
        collection: as :func:`chosen` takes it.
        x: a setting or a column.
        y: a metric.
        by: a setting or a column.
        representation: of which the metric is.
        where: `NAME=VALUE` each, of the rows that are drawn.
        out: by default `plots/Y-over-X.svg` in the results folder.

    Raises:
        CareBenchError: an unknown or ambiguous name, or nothing to draw.
    """
    name = slug(f"{y}-over-{x}" + (f"-by-{by}" if by else ""))
    target = results / FOLDER / f"{name}.svg" if out is None else out
    form_of(target)
    plot = metric_plot(chosen(results, collection), x, y, by, representation, _pairs(where))
    return plot, write_plot(plot, target)


def write_illustration(found: Illustrations, out: Path) -> tuple[Plot, list[Path]]:
    """Draw the one figure that illustrations of some runs hold, as :func:`write_plot` does."""
    names = short_labels(map(variant_of, found.runs))
    made = (make([found], lambda _, run: names[variant_of(run)]) for make in ILLUSTRATED.values())
    plot = next(plot for plot in made if plot is not None)
    return plot, write_plot(plot, out)


def chosen(results: Path, name: str | None) -> Collection:
    """Read the collection to draw.

    Args:
        results: the results folder.
        name: `collected/NAME`, `pinned/NAME`, or NAME, the fresh one where both exist; None where there is only one
            fresh collection, or none and only one pin.

    Raises:
        CareBenchError: none, an unknown name, several to choose from, or a collection that is not as it was made.
    """
    if not results.is_dir():
        raise CareBenchError(f"results folder {results} does not exist; expected one with {COLLECTED}/ or {PINNED}/")
    with reading(results / COLLECTED), reading(results / PINNED):
        fresh = {f"{COLLECTED}/{folder.name}": folder for folder in collected(results)[0]}
        pins = {f"{PINNED}/{folder.name}": folder for folder in pinned(results)[0]}
        known = fresh | pins
        if not known:
            raise CareBenchError(f"no collection in {results}; {HOW_TO_COLLECT}")
        if name is None:
            first = fresh or pins
            if len(first) > 1:
                raise CareBenchError(f"{results} has several collections; expected --collection {' or '.join(first)}")
            (key,) = first
        else:
            found = [key for key in (name, f"{COLLECTED}/{name}", f"{PINNED}/{name}") if key in known]
            if not found:
                raise unknown("collection", name, known)
            key = found[0]
        return read_collection(known[key], pinned=key in pins, rehash=False)


def _pairs(where: Sequence[str]) -> Mapping[str, str]:
    pairs = {}
    for text in where:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise CareBenchError(f"--where {text!r}; expected NAME=VALUE, such as dataset=digits")
        pairs[name] = value
    return pairs
