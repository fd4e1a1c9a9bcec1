from __future__ import annotations

import csv
import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from care_bench.artifacts import Record
from care_bench.report.figures.certificate import certificate_figure, certificate_points
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
