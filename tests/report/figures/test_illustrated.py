"""Figures of what no record holds: their numbers, captions, files, and where they are in a report."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from care_bench.report.figures import FIGURES, ILLUSTRATED, Rows, figures_of, plots_of
from care_bench.report.figures.drawing import drawn
from care_bench.report.figures.plots import Plot
from care_bench.report.figures.rows import short_labels
from care_bench.report.variants import variant_of
from tests.illustrated import illustrations, images, neighbours, shown, turns
from tests.report.figures.made import collection, values

SIMCLR, CARE = (values(name, "top1", [90.0]) for name in ("simclr", "care"))
PARTS = {
    "trajectories": {"trajectories": turns(), "cosines": None},
    "retrieval": {"retrieval": neighbours(), "cosines": None},
    "cosines": {},
}
BESIDE = {"trajectories": {"clouds": (4,)}, "retrieval": images(4), "cosines": {}}


def made(figure: str, **changes: object) -> Plot:
    """Return a figure of two rows of one data set."""
    runs = tuple(shown(record, **PARTS[figure]) for record in (*SIMCLR, *CARE))
    line = illustrations([*SIMCLR, *CARE], **{"runs": runs, **BESIDE[figure], **changes})
    found = replace(collection(SIMCLR, CARE), illustrations=(line,))
    return plots_of(found)[figure]


def table(plot: Plot) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(plot.csv)))


def texts(plot: Plot) -> list[str]:
    root = ElementTree.fromstring(drawn(plot.draw, ["svg"])[0])
    return [element.text or "" for element in root.iter() if element.tag.endswith("text")]


def test_trajectories_have_their_points_and_numbers() -> None:
    plot = made("trajectories")
    lines = table(plot)
    assert len(lines) == 2 * 3 * 4
    assert [(line["row"], line["axis"], line["step"]) for line in lines[:5]] == [
        *(("SimCLR", "x", str(step)) for step in range(4)),
        ("SimCLR", "y", "0"),
    ]
    assert [(float(line["first"]), float(line["second"])) for line in lines[:4]] == [
        (0.5, 0.0),
        (0.0, 0.5),
        (-0.5, 0.0),
        (0.0, -0.5),
    ]
    numbers = ("cloud", "step_variation", "residual", "closure", "planarity", "radius")
    assert [lines[0][name] for name in numbers] == ["4", "0.0", "0.25", "0.125", "100.0", "0.5"]
    assert [lines[8][name] for name in numbers] == ["4", "", "", "", "", "0.0"]
    written = texts(plot)
    assert {"SimCLR", "CARE (SimCLR)", "residual 0.25", "closure 0.12", "in the plane 100 %"} <= set(written)
    assert written.count("does not move") == 2
    assert written.count("residual –") == 2
    assert "of digits test clouds 4" in plot.caption


def test_retrieved_images_have_their_distances_and_rows_of_the_training_set() -> None:
    plot = made("retrieval")
    lines = [line for line in table(plot) if line["row"] == "SimCLR"]
    assert [tuple(line.values())[2:] for line in lines] == [
        ("7", "x", "1", "30", "0.5"),
        ("7", "x", "2", "10", "0.75"),
        ("7", "a(x)", "1", "10", "0.25"),
        ("7", "a(x)", "2", "30", "1.5"),
    ]
    written = texts(plot)
    assert [text for text in written if text[0].isdigit()].count("0.25") == 2
    assert {"x", "a(x)", "digits, test image 7", "SimCLR", "CARE (SimCLR)"} <= set(written)


def test_a_histogram_counts_every_sample() -> None:
    plot = made("cosines")
    lines = [line for line in table(plot) if line["row"] == "CARE (SimCLR)"]
    full = [(line["from"], line["to"], line["samples"]) for line in lines if line["samples"] != "0"]
    assert full == [("0.0", "0.05", "3"), ("0.95", "1.0", "1")]
    assert len(lines) == 40
    assert "mean 0.25, variance 0.5" in texts(plot)


def test_a_caption_counts_the_rows_that_are_not_drawn() -> None:
    assert "One run is drawn of each row, of seed 0." in made("cosines").caption
    assert "then the profile's order; 3 of digits are not drawn." in made("cosines", candidates=5).caption


@pytest.mark.parametrize("figure", ILLUSTRATED)
def test_the_same_illustrations_give_the_same_bytes(figure: str) -> None:
    plot = made(figure)
    assert drawn(plot.draw, ["svg", "pdf", "png"]) == drawn(made(figure).draw, ["svg", "pdf", "png"])


def test_several_data_sets_and_seeds_are_named() -> None:
    proteins = values("simclr", "first_pc_r2", [0.5], "proteins", protocol="first-pc-v1")
    lines = tuple(
        illustrations(records, runs=(shown(records[0], trajectories=turns()),), clouds=(4,))
        for records in (SIMCLR, proteins)
    )
    drawn_together = plots_of(replace(collection(SIMCLR, proteins), illustrations=lines))["trajectories"]
    assert {"digits: SimCLR", "proteins: SimCLR"} <= set(texts(drawn_together))
    both = values("simclr", "top1", [90.0, 91.0])
    runs = tuple(shown(record) for record in both)
    names = short_labels(map(variant_of, runs))
    plot = ILLUSTRATED["cosines"]([illustrations(both, runs=runs)], lambda _, run: names[variant_of(run)])
    assert plot is not None
    assert list(dict.fromkeys(line["row"] for line in table(plot))) == ["SimCLR, seed 0", "SimCLR, seed 1"]


def test_they_are_in_a_report_where_a_collection_has_them() -> None:
    without = collection(SIMCLR, CARE)
    assert not set(ILLUSTRATED) & set(plots_of(without))
    assert Rows(without).illustrations == ()
    runs = tuple(shown(record) for record in (*SIMCLR, *CARE))
    found, _ = figures_of(replace(without, illustrations=(illustrations([*SIMCLR, *CARE], runs=runs),)))
    (figure,) = (figure for figure in found if figure.title == "Histogram of cosines")
    assert figure.again == "care-bench plot --collection collected/drawn --figure cosines --out cosines.pdf"
    assert list(FIGURES)[-3:] == ["trajectories", "retrieval", "cosines"]
