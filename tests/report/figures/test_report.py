"""The figures of a report: which are drawn, how to draw them again, and what is said of others."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from care_bench.report.figures import drawn_figures, figures_of, plots_of
from tests.report.figures.made import collection, values
from tests.sample_records import ROOT

FOUND = collection(
    values("simclr", "composition_error", [[0.1, 0.3]]),
    values("care", "composition_error", [[0.1, 0.2]]),
    values("untrained", "composition_error", [[0.1, 0.4]]),
    values("care", "gradient_ratio", [[0.5, 0.2]]),
)


def test_a_report_has_the_figures_it_has_records_for() -> None:
    assert list(plots_of(FOUND)) == ["gradient-ratio", "composition"]
    figures, left_out = figures_of(FOUND)
    assert [figure.title for figure in figures] == ["Gradient ratio through training", "Composition of augmentations"]
    assert figures[1].again == (
        "care-bench plot --collection collected/drawn --figure composition --out composition.pdf"
    )
    assert figures[1].data.startswith("dataset,row,protocol,metric,representation,seeds,mean,low,high\ndigits,simclr,")
    assert figures[1].pdf.startswith(b"%PDF")
    ElementTree.fromstring(figures[1].svg)
    assert figures_of(FOUND)[0] == figures
    (sentence,) = left_out
    assert "care-bench plot-run RUN" in sentence


def test_without_matplotlib_the_report_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    figures, left_out = figures_of(FOUND)
    assert figures == []
    assert left_out[0] == ("The figure 'Gradient ratio through training' needs matplotlib: install care-bench[report].")


def test_without_records_for_a_figure_matplotlib_is_not_imported() -> None:
    code = (
        "import sys; from tests.report.figures.made import collection, values\n"
        "from care_bench.report.figures import figures_of\n"
        "print(figures_of(collection(values('simclr', 'gamma_median', [1.0]))), 'matplotlib' in sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout == "([], []) False\n"


KEPT = b"<svg>kept: SimCLR, CARE (SimCLR), untrained</svg>"


def test_a_pinned_figure_is_shown_as_it_was_drawn_while_its_numbers_are_the_same() -> None:
    kept = {name: one._replace(svg=KEPT) for name, one in drawn_figures(FOUND).items()}
    figures, _ = figures_of(replace(FOUND, figures=kept))
    assert [figure.svg for figure in figures] == [KEPT] * 2
    fresh, _ = figures_of(FOUND)
    assert [figure.data for figure in figures] == [figure.data for figure in fresh]
    kept["composition"] = kept["composition"]._replace(data=kept["composition"].data.replace(b"0.2", b"0.3"))
    figures, _ = figures_of(replace(FOUND, figures=kept))
    assert [figure.svg for figure in figures] == [KEPT, fresh[1].svg]


def test_a_pinned_figure_is_drawn_again_where_a_row_has_another_label_by_now() -> None:
    drawn = drawn_figures(FOUND)
    kept = {name: one._replace(svg=KEPT.replace(b"CARE (SimCLR)", b"CARE")) for name, one in drawn.items()}
    figures, _ = figures_of(replace(FOUND, figures=kept))
    assert figures[1].svg == drawn["composition"].svg


def test_the_pins_here_are_reported_without_what_takes_long_to_import(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    for part in ("pinned", "reference"):  # and not what was collected here
        (tmp_path / "results" / part).symlink_to(ROOT / "results" / part)
    # matplotlib draws the figures again whose rows have other labels than when they were pinned
    code = (
        "import sys; from pathlib import Path; from care_bench.report.build import write_report\n"
        f"write_report(Path({str(tmp_path / 'results')!r}), Path({str(tmp_path / 'report')!r}))\n"
        "slow = ('pandas', 'pyarrow.compute', 'pyarrow.dataset', 'scipy.stats', 'torch')\n"
        "print([name for name in slow if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "[]"
    assert len(list((tmp_path / "report" / "figures").glob("*.svg"))) > 10
