"""The figures of a report: which are drawn, how to draw them again, and what is said of others."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from care_bench.artifacts.collecting import collect
from care_bench.artifacts.drawn import Drawn
from care_bench.artifacts.pin import pin, read_pin
from care_bench.report.figures import drawn_figures, figures_of, plots_of
from tests.report.figures.made import collection, values
from tests.sample_records import ROOT, write_runs

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


def test_a_pinned_figure_is_drawn_again_where_a_row_has_another_label_by_now() -> None:
    drawn = drawn_figures(FOUND)
    kept = {name: one._replace(svg=KEPT.replace(b"CARE (SimCLR)", b"CARE")) for name, one in drawn.items()}
    figures, _ = figures_of(replace(FOUND, figures=kept))
    assert figures[1].svg == drawn["composition"].svg


def _pinned(**changes: str | bytes) -> dict[str, Drawn]:
    """The figures as a pin keeps them, the second of them with changes."""
    kept = {name: one._replace(svg=KEPT) for name, one in drawn_figures(FOUND).items()}
    return {**kept, "composition": kept["composition"]._replace(**changes)}


def test_a_pinned_figure_is_shown_as_it_was_drawn_while_its_numbers_and_words_are_the_same() -> None:
    fresh, _ = figures_of(FOUND)
    figures, _ = figures_of(replace(FOUND, figures=_pinned()))
    assert [figure.svg for figure in figures] == [KEPT] * 2
    assert [replace(figure, svg=b"") for figure in figures] == [replace(figure, svg=b"") for figure in fresh]
    changed = fresh[1].data.replace("0.2", "0.3").encode()
    for other in ({"data": changed}, {"caption": "On the left edge."}, {"alt": "Bars."}, {"caption": "", "alt": ""}):
        figures, _ = figures_of(replace(FOUND, figures=_pinned(**other)))
        assert [figure.svg for figure in figures] == [KEPT, fresh[1].svg], other
        assert figures[1] == fresh[1]


def test_without_matplotlib_a_pinned_figure_is_said_to_be_the_one_drawn_then(monkeypatch: pytest.MonkeyPatch) -> None:
    today = plots_of(FOUND)["composition"]
    other, older, gone = (
        _pinned(**changes)
        for changes in ({"caption": "Then.", "alt": "Bars."}, {"caption": "", "alt": ""}, {"data": b"a\n1\n"})
    )
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    (same, figure), left_out = figures_of(replace(FOUND, figures=other))
    assert same.caption == plots_of(FOUND)["gradient-ratio"].caption
    assert (figure.svg, figure.alt) == (KEPT, "Bars.")
    assert figure.caption == "Then. Shown as it was drawn when the collection was pinned."
    assert len(left_out) == 1
    (_, figure), _ = figures_of(replace(FOUND, figures=older))
    assert (figure.svg, figure.alt) == (KEPT, today.alt)
    assert figure.caption.startswith(today.caption.rstrip())
    assert figure.caption.endswith(" Shown as it was drawn when the collection was pinned; the words are of today.")
    (figure,), left_out = figures_of(replace(FOUND, figures=gone))
    assert figure.title == "Gradient ratio through training"
    assert left_out[0].startswith("The figure 'Composition of augmentations' needs matplotlib")


def test_the_figures_of_a_pin_without_words_are_drawn_anew() -> None:
    """What is said of them may be of what was drawn since, such as a left edge."""
    found = read_pin(ROOT / "results/pinned/cpu-v3", rehash=False)
    plots = plots_of(found)
    assert found.figures.keys() == plots.keys()
    assert any(plot.shown_by(found.figures[name]) for name, plot in plots.items())
    assert not any(plot.described_by(found.figures[name]) for name, plot in plots.items())


def test_a_pin_is_reported_without_what_takes_long_to_import(results: Path, tmp_path: Path) -> None:
    collect(write_runs(tmp_path / "runs", FOUND.records), results / "collected" / "drawn")
    folder = pin(results, "drawn", "drawn", drawn_figures)
    assert list(read_pin(folder).figures) == ["gradient-ratio", "composition"]
    code = (
        "import sys; from pathlib import Path; from care_bench.report.build import write_report\n"
        f"write_report(Path({str(results)!r}), Path({str(tmp_path / 'report')!r}), collection='pinned/drawn')\n"
        "slow = ('matplotlib', 'pandas', 'pyarrow.compute', 'pyarrow.dataset', 'scipy.stats', 'torch')\n"
        "print([name for name in slow if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "[]"
    assert len(list((tmp_path / "report" / "figures").glob("*.svg"))) == 2
