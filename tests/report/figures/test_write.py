"""`care-bench plot`: files, the collection that is drawn, and mistakes."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest

from care_bench.artifacts.collecting import collect
from tests.commands import run_care_bench
from tests.report.figures.made import values
from tests.sample_records import write_runs


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with a fresh collection, and its copy under another name."""
    results = tmp_path_factory.mktemp("made") / "results"
    records = [
        *(record for name, number in (("care", 0.2), ("care-weight-1", 0.5), ("simclr", 0.75))
          for record in values(name, "gamma_median", [number, number])),
        *values("simclr", "composition_error", [[0.1, 0.3]]),
        *values("care", "composition_error", [[0.1, 0.2]]),
        *values("untrained", "composition_error", [[0.1, 0.2]]),
    ]  # fmt: skip
    collect(write_runs(results / "runs", records), results / "collected" / "drawn")
    return results


def test_a_figure_and_its_numbers_are_written(made: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "one.svg"
    ended = run_care_bench("plot", made, "--x", "weight", "--y", "gamma_median", "--by", "dataset", "--out", out)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == f"γ, median over weight by dataset, in {out} and {out.with_suffix('.csv')}\n"
    ElementTree.parse(out)
    rows = list(csv.DictReader(out.with_suffix(".csv").read_text().splitlines()))
    assert [(row["weight"], row["row"], row["mean"], row["seeds"]) for row in rows] == [
        ("1.0", "care-weight-1", "0.5", "2"),
        ("10.0", "care", "0.2", "2"),
    ]


@pytest.mark.parametrize(("ending", "start"), [("pdf", b"%PDF"), ("png", b"\x89PNG")])
def test_a_figure_of_the_report_is_drawn_alone(made: Path, tmp_path: Path, ending: str, start: bytes) -> None:
    out = tmp_path / f"one.{ending}"
    ended = run_care_bench("plot", made, "--figure", "composition", "--collection", "drawn", "--out", out)
    assert ended.returncode == 0
    assert out.read_bytes().startswith(start)


@pytest.mark.parametrize("content", [b"epoch,gamma\n1,0.5\n", b"", b"\xff\n"])
def test_the_numbers_of_somebody_else_are_kept(made: Path, tmp_path: Path, content: bytes) -> None:
    out, mine = tmp_path / "one.svg", tmp_path / "one.csv"
    mine.write_bytes(content)
    ended = run_care_bench("plot", made, "--figure", "composition", "--out", out)
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert f"{mine} has other columns than this figure, whose numbers would replace it; expected" in ended.stderr
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [content]


def test_a_figure_and_its_own_numbers_are_replaced(made: Path, tmp_path: Path) -> None:
    out, numbers = tmp_path / "one.svg", tmp_path / "one.csv"
    assert run_care_bench("plot", made, "--figure", "composition", "--out", out).returncode == 0
    first = numbers.read_text()
    out.write_text("mine")
    numbers.write_text(first.replace("care", "other"))
    assert run_care_bench("plot", made, "--figure", "composition", "--out", out).returncode == 0
    assert numbers.read_text() == first
    assert out.read_text().startswith("<?xml")


def test_a_folder_that_cannot_be_made_is_named(made: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    ended = run_care_bench("plot", made, "--figure", "composition", "--out", tmp_path / "link" / "one.svg")
    assert ended.returncode == 2
    assert f"File exists ({tmp_path / 'link'}); expected a folder there" in ended.stderr


def test_by_default_it_is_in_the_results_folder(made: Path, tmp_path: Path) -> None:
    results = Path(shutil.copytree(made, tmp_path / "results"))
    assert run_care_bench("plot", results, "--x", "epochs", "--y", "gamma_median").returncode == 0
    assert run_care_bench("plot", results, "--figure", "composition").returncode == 0
    found = sorted(path.name for path in (results / "plots").iterdir())
    assert found == ["composition.csv", "composition.svg", "gamma_median-over-epochs.csv",
                     "gamma_median-over-epochs.svg"]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--x", "weight"], "plot takes --x and --y, or --figure; expected one of the two"),
        (["--figure", "composition", "--x", "weight"], "plot takes --x and --y, or --figure; expected one of the two"),
        (["--figure", "composition", "--representation", "features"], "--representation with the first alone"),
        (["--figure", "compositon"], "unknown figure 'compositon': did you mean 'composition'?"),
        (["--figure", "circle"], "collected/drawn has no records for the figure 'circle'; it has those for compos"),
        (["--figure", "composition", "--collection", "drwn"], "unknown collection 'drwn'"),
        (["--figure", "composition", "--out", "one.jpg"], "one.jpg: unknown ending '.jpg'; expected one of .svg"),
        (["--x", "weight", "--y", "gamma_median", "--where", "dataset"], "--where 'dataset'; expected NAME=VALUE"),
        (["--x", "weight", "--y", "gamma_median", "--representation", "feature"], "unknown representation 'feature'"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line(made: Path, arguments: list[str], message: str) -> None:
    ended = run_care_bench("plot", made, *arguments)
    assert ended.returncode == 2
    assert message in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_several_collections_have_to_be_chosen_from(made: Path, tmp_path: Path) -> None:
    results = Path(shutil.copytree(made, tmp_path / "results"))
    shutil.copytree(results / "collected" / "drawn", results / "collected" / "other")
    ended = run_care_bench("plot", results, "--figure", "composition")
    assert ended.returncode == 2
    assert ended.stderr.endswith("has several collections; expected --collection collected/drawn or collected/other\n")
    assert run_care_bench("plot", results, "--figure", "composition", "--collection", "other").returncode == 0


def test_without_a_collection_it_says_how_to_make_one(tmp_path: Path) -> None:
    ended = run_care_bench("plot", tmp_path, "--figure", "composition")
    assert ended.returncode == 2
    assert f"no collection in {tmp_path}" in ended.stderr


def test_a_changed_collection_is_not_drawn(made: Path, tmp_path: Path) -> None:
    results = Path(shutil.copytree(made, tmp_path / "results"))
    table = results / "collected" / "drawn" / "records.csv"
    table.write_text(table.read_text().replace("0.75", "0.25", 1))
    ended = run_care_bench("plot", results, "--figure", "composition")
    assert ended.returncode == 2
    assert "records.csv" in ended.stderr
