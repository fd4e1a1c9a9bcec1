from __future__ import annotations

import csv
import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest

from care_bench.artifacts import Record
from care_bench.report.figures import drawing
from care_bench.report.figures.accuracy import accuracy_figure, accuracy_points
from care_bench.report.figures.certificate import certificate_figure, certificate_points
from care_bench.report.labels import labels, variant_of
from care_bench.report.model import Figure
from tests.sample_records import ROOT

Make = Callable[..., Record]


def certified(
    record: Make, error: float, bound: float, printed: float | None, share: float, **place: object
) -> list[Record]:
    """Return the records of one certificate."""
    spans = {"value": printed} if printed is not None else {"value": None, "reason": "no span", "n": 0}
    return [
        record(metric="certificate_error", value=error, **place),
        record(metric="certificate_bound", value=bound, **place),
        record(metric="certificate_printed_bound", **{**place, **spans}),
        record(metric="certificate_admissible", value=share, **place),
    ]


@pytest.fixture
def some(record: Make) -> list[Record]:
    return [
        *certified(record, 0.3, 0.7, 40.0, 5.0),
        *certified(record, 0.01, 0.05, None, 0.0, representation="features"),
        *certified(record, 0.2, 0.4, 2.0, 0.0, dataset="proteins", backbone="deepset", variant="care"),
    ]


def test_the_points_are_those_of_the_records(some: list[Record], record: Make) -> None:
    later = certified(record, 0.9, 0.9, 0.9, 0.0, epoch=3)  # of a snapshot
    points = certificate_points([*some, *later, record(metric="gamma", value=1.0)])
    assert points == [
        ("digits", "simclr", 0, "projection", 0.3, 0.7, 40.0, 5.0),
        ("digits", "simclr", 0, "features", 0.01, 0.05, None, 0.0),
        ("proteins", "care", 0, "projection", 0.2, 0.4, 2.0, 0.0),
    ]


def test_the_figure_says_how_far_the_theory_explains(some: list[Record]) -> None:
    figure = certificate_figure(some)
    assert isinstance(figure, Figure)
    assert "below half of the trivial √2 for 3 of 3 encoders, and 2.3 times the error in the middle" in figure.caption
    assert "Prop. 3 applies to some of the augmentations for 1 of 3" in figure.caption
    rows = list(csv.DictReader(io.StringIO(figure.data)))
    assert [row["rank_k_bound"] for row in rows] == ["0.7", "0.05", "0.4"]
    assert figure.pdf.startswith(b"%PDF")
    assert figure.svg.count(b"<svg") == 1
    again = certificate_figure(some)
    assert isinstance(again, Figure)
    assert (again.svg, again.pdf) == (figure.svg, figure.pdf)


def test_without_certificates_there_is_no_figure_and_matplotlib_is_not_imported(
    record: Make, results: Path, tmp_path: Path
) -> None:
    assert certificate_figure([record(metric="gamma", value=1.0)]) is None
    code = (
        "import sys; from care_bench.report.build import write_report; from pathlib import Path\n"
        "write_report(Path(sys.argv[1]), Path(sys.argv[2]), ['md'])\n"
        "print('matplotlib' in sys.modules, file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, str(results), str(tmp_path / "out")]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stderr.splitlines()[-1] == "False"


def test_without_matplotlib_the_report_says_so(some: list[Record], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert certificate_figure(some) == "The figure 'Bound against error' needs matplotlib: install care-bench[report]."


@pytest.fixture
def measured(record: Make) -> list[Record]:
    """Two seeds of two rows and of a reference row on digits, one row on proteins, which have no classes."""
    records = []
    for variant, accuracy, error in (("simclr", 90.0, 0.8), ("care", 88.0, 0.4), ("untrained", 80.0, 0.9)):
        for seed in (0, 1):
            place = {"variant": variant, "seed": seed, "representation": "features"}
            records += [
                record(metric="top1", protocol="knn-v1", value=accuracy + seed, **place),
                record(metric="top1", value=1.0, **place),  # of another probe
                record(metric="held_out_wahba", value=error + seed / 10, **place),
                record(metric="held_out_wahba", value=0.0, **{**place, "representation": "projection"}),
            ]
    proteins = {"dataset": "proteins", "backbone": "deepset", "representation": "features"}
    records += [
        record(metric="first_pc_r2", value=0.5, **proteins),
        record(metric="held_out_wahba", value=2.5, **proteins),
        record(metric="first_pc_r2", value=0.6, variant="care", **proteins),  # without the other number
    ]
    return records


def test_every_row_with_both_numbers_is_a_point(measured: list[Record]) -> None:
    names = labels({variant_of(one) for one in measured})
    points = [point for _, point in accuracy_points(measured, names)]
    percent, r2 = "kNN top-1 (%)", "R² of the first component"
    assert points == [
        ("digits", "SimCLR", 2, percent, 90.5, pytest.approx(0.85)),
        ("digits", "CARE (SimCLR), paper fidelity", 2, percent, 88.5, pytest.approx(0.45)),
        ("digits", "reference: untrained encoder", 2, percent, 80.5, pytest.approx(0.95)),
        ("proteins", "SimCLR", 1, r2, 0.5, 2.5),
    ]


def test_the_figure_of_accuracy_repeats_to_the_byte_and_has_its_numbers(measured: list[Record]) -> None:
    names = labels({variant_of(one) for one in measured})
    figure, again = (accuracy_figure(measured, names) for _ in range(2))
    assert isinstance(figure, Figure)
    assert figure == again
    assert "means over 1, 2 pretraining seeds" in figure.caption
    rows = list(csv.DictReader(io.StringIO(figure.data)))
    assert [float(row["accuracy"]) for row in rows] == [90.5, 88.5, 80.5, 0.5]
    assert accuracy_figure([one for one in measured if one.metric == "top1"], names) is None


@pytest.fixture
def canvas(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The canvases of the figures, as they are saved."""
    found: list[Any] = []

    def saved(canvas: Any, form: Literal["svg", "pdf"]) -> bytes:
        found.append(canvas)
        return drawing.saved(canvas, form)

    monkeypatch.setattr("care_bench.report.figures.accuracy.saved", saved)
    return found


def placed(record: Make, variant: str, accuracy: float, error: float, **place: Any) -> list[Record]:
    place = {"variant": variant, "representation": "features", **place}
    return [
        record(metric="top1", protocol="knn-v1", value=accuracy, **place),
        record(metric="held_out_wahba", value=error, **place),
    ]


def drawn(records: list[Record]) -> Figure:
    figure = accuracy_figure(records, labels({variant_of(one) for one in records}))
    assert isinstance(figure, Figure)
    return figure


def test_the_points_and_the_untrained_encoder_alone_decide_the_horizontal_axis(record: Make, canvas: list[Any]) -> None:
    """80 to 90 with a margin of 8 % of 10; neither chance at 10 nor the oracle at 99 is in it."""
    rows = [*placed(record, "simclr", 90.0, 0.5), *placed(record, "care", 85.0, 0.3)]
    references = [("untrained", 80.0, 0.9), ("random", 10.0, 1.4), ("oracle", 99.0, 0.0)]
    drawn([*rows, *(one for name, *numbers in references for one in placed(record, name, *numbers))])
    (panel,) = canvas[0].axes
    assert panel.get_xlim() == pytest.approx((79.2, 90.8))
    upright = [line.get_xdata()[0] for line in panel.lines if len(set(line.get_xdata())) == 1 and line.get_ls() == ":"]
    assert upright == [80.0]
    assert "chance" not in panel.get_legend_handles_labels()[1]


def test_one_point_is_in_the_middle(record: Make, canvas: list[Any]) -> None:
    drawn(placed(record, "simclr", 50.0, 0.5))
    assert canvas[0].axes[0].get_xlim() == pytest.approx((46.0, 54.0))


def test_imported_encoders_are_hollow(record: Make, canvas: list[Any]) -> None:
    ours = [*placed(record, "simclr", 90.0, 0.5), *placed(record, "untrained", 80.0, 0.9)]
    assert "ollow" not in drawn(ours).caption
    theirs = placed(record, "dino", 95.0, 0.8, method="imported", backbone="timm:vit_small")
    figure = drawn([*ours, *theirs])
    assert figure.caption.endswith("Hollow: not trained here.")
    assert [float(row["accuracy"]) for row in csv.DictReader(io.StringIO(figure.data))] == [90.0, 80.0, 95.0]
    (panel,) = canvas[-1].axes
    faces = {line.get_xdata()[0]: line.get_markerfacecolor() for line in panel.lines if line.get_ls() == "None"}
    assert faces.keys() == {90.0, 95.0}
    assert faces[95.0] == "none" != faces[90.0]


@pytest.mark.parametrize("datasets", [1, 2, 4])
def test_the_legend_is_on_the_page_and_below_square_panels(record: Make, canvas: list[Any], datasets: int) -> None:
    names = [f"care-with-a-rather-long-name-of-its-own-{k}" for k in range(12)]
    drawn(
        [
            one
            for k in range(datasets)
            for place, name in enumerate(names)
            for one in placed(record, name, 80.0 + place, 0.5, dataset=f"set{k}", method="care", base="simclr")
        ]
    )
    page = canvas[0].bbox
    (legend,) = canvas[0].legends
    box = legend.get_window_extent()
    assert page.x0 <= box.x0 <= box.x1 <= page.x1
    assert page.y0 <= box.y0
    for panel in canvas[0].axes[:datasets]:
        assert panel.get_window_extent().y0 > box.y1
        assert 0.8 < panel.get_window_extent().width / panel.get_window_extent().height < 1.25
