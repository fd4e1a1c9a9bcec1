"""``python -m care_bench.report`` as users run it."""

from __future__ import annotations

import errno
import io
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from care_bench.errors import CareBenchError
from care_bench.report import build
from care_bench.report.build import write_report
from care_bench.report.terminal import LOG_WIDTH
from tests.commands import run_report
from tests.forks import Ended

ROOT = Path(__file__).parents[2]


def _run_apart(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Make a report in a process of its own."""
    command = [sys.executable, "-m", "care_bench.report", *map(str, arguments)]
    environment = {**os.environ, "COLUMNS": "120", "PYTHONUTF8": "1"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def unreadable(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Make a folder unreadable, as its permissions do for everyone but root."""
    scandir, system_open = os.scandir, os.open

    def refuse(path: str | Path) -> None:
        if Path(path) == folder or Path(path).parent == folder:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))

    def scan(path: str | Path = ".") -> Any:
        refuse(path)
        return scandir(path)

    def opened(path: str | Path, *arguments: Any, **options: Any) -> int:
        if Path(path).parent == folder and not Path(path).is_dir():
            refuse(path)
        return system_open(path, *arguments, **options)

    monkeypatch.setattr(os, "scandir", scan)
    monkeypatch.setattr(os, "open", opened)


def _refused(done: Ended) -> str:
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("care_bench.report: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_the_report_prints_the_tables_and_names_the_files(results: Path, tmp_path: Path) -> None:
    done = _run_apart(results, "--out", tmp_path / "out", "--format", "md,csv", "--collection", "small", "--print")
    assert done.stderr == ""
    assert done.returncode == 0
    assert "Probe accuracy, cached-v1" in done.stdout
    assert "*95.50 ± 1.24*" in done.stdout
    assert "collected/small" in done.stdout
    assert "pinned/old" not in done.stdout
    assert max(map(len, done.stdout.splitlines()[:-2])) <= LOG_WIDTH
    assert done.stdout.splitlines()[-2:] == [f"wrote {tmp_path / 'out' / name}" for name in ("report.md", "report.csv")]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["report.csv", "report.md"]


def test_every_changed_pinned_file_is_named(results: Path) -> None:
    pinned = results / "pinned"
    shutil.copytree(pinned / "old", pinned / "another")
    (pinned / "old" / "records.csv").unlink()
    (pinned / "old" / "notes.txt").write_text("x")
    table = pinned / "another" / "records.csv"
    table.write_text(table.read_text().replace("90.0", "99.0"))
    message = _refused(run_report(results))
    assert f"missing {pinned / 'old' / 'records.csv'}" in message
    assert f"added {pinned / 'old' / 'notes.txt'}" in message
    assert f"changed {table}" in message
    assert not (results / "report").exists()


def test_damaged_pins_beside_one_collection_are_a_warning(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pinned = results / "pinned"
    (pinned / "old" / "records.csv").unlink()
    (pinned / "file").write_text("no pin")
    (path,) = write_report(results, formats=["md"], collection="small", console=Console(file=io.StringIO()))
    assert path == results / "report" / "small" / "report.md"
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"warning: not as they were pinned: {pinned}/file, {pinned}/old; see care-bench verify"
    for name, message in ((None, "missing"), ("old", "missing"), ("pinned/file", "is not a folder; expected a pin")):
        with pytest.raises(CareBenchError, match=message):
            write_report(results, collection=name)


@pytest.mark.parametrize("folders", [[], ["collected", "pinned"]])
def test_an_empty_folder_says_what_to_run(tmp_path: Path, folders: list[str]) -> None:
    for name in folders:
        (tmp_path / name).mkdir()
    assert f"no collection in {tmp_path}; make one with `care-bench collect" in _refused(run_report(tmp_path))


def test_a_missing_results_folder_is_named(tmp_path: Path) -> None:
    assert "no does not exist" in _refused(run_report(tmp_path / "no"))


def test_a_misspelt_format_gets_a_suggestion(results: Path) -> None:
    assert "unknown format 'htm': did you mean 'html'?" in _refused(run_report(results, "--format", "md,htm"))
    assert not (results / "report").exists()


def test_a_report_without_a_format_is_refused(results: Path) -> None:
    with pytest.raises(CareBenchError, match="found no format; expected some of md,tex,html,csv"):
        write_report(results, formats=["", " "])


def test_a_misspelt_collection_gets_a_suggestion(results: Path) -> None:
    with pytest.raises(CareBenchError, match="did you mean 'small'"):
        write_report(results, collection="smal")


def test_a_target_that_cannot_be_written(results: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a regular file")
    message = _refused(run_report(results, "--out", tmp_path / "file" / "out"))
    assert f"cannot write {tmp_path / 'file'}" in message


def test_a_record_changed_in_a_fresh_collection_is_refused(results: Path) -> None:
    path = results / "collected" / "small" / "records.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    assert f"changed {path}; collect it again" in _refused(run_report(results))


@pytest.mark.parametrize(
    ("line", "damage"), [(1, "method,top1"), (3, "simclr,,invariant"), (3, "simclr,,invariant,cifar100,x,,paper")]
)
def test_a_damaged_reference_is_named(results: Path, line: int, damage: str) -> None:
    path = results / "reference" / "table1.csv"
    lines = path.read_text().splitlines()
    lines[line - 1] = damage
    path.write_text("\n".join(lines))
    with pytest.raises(CareBenchError) as caught:
        write_report(results)
    assert str(caught.value).startswith(f"{path}:{line}: ")


def test_a_report_that_takes_long_says_what_it_does(
    results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_report(results, formats=["md", "csv"], collection="small", console=Console(file=io.StringIO()))
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(build, "SILENT", 0.0)
    write_report(results, formats=["md", "csv"], collection="small", console=Console(file=io.StringIO()))
    said = capsys.readouterr().err.splitlines()
    parts = ["1/3  collected/small", "2/3  report.md", "3/3  report.csv"]
    assert said == [f"report: parts {part}" for part in parts]


def test_two_values_of_the_paper_for_one_cell_are_refused(results: Path) -> None:
    path = results / "reference" / "table1.csv"
    lines = path.read_text().splitlines()
    twice = next(line for line in lines if line.startswith("simclr,,"))
    path.write_text("\n".join([*lines, twice.replace(",paper", ",cited")]))
    with pytest.raises(CareBenchError) as caught:
        write_report(results)
    assert str(caught.value) == f"{path} has 2 values of simclr on {twice.split(',')[3]}; expected one"


def test_without_the_papers_values_the_report_says_so(results: Path) -> None:
    (results / "reference" / "table1.csv").unlink()
    (path,) = write_report(results, formats=["md"], console=Console(file=io.StringIO()))
    assert "the results folder has no reference/table1.csv" in path.read_text()


def test_a_pin_and_a_collection_of_the_same_name_are_both_shown(results: Path) -> None:
    shutil.copytree(results / "pinned" / "old", results / "collected" / "old")
    quiet = Console(file=io.StringIO())
    for name, key in (("old", "collected/old"), ("pinned/old", "pinned/old"), ("collected/old", "collected/old")):
        (path,) = write_report(results, formats=["md"], collection=name, console=quiet)
        assert [line for line in path.read_text().splitlines() if line.startswith("## Coll")] == [
            f"## Collection {key}"
        ]


def test_the_default_folder_has_the_name_of_the_collection(results: Path) -> None:
    quiet = Console(file=io.StringIO())
    for name, folder in ((None, "all"), ("small", "small"), ("pinned/old", "old")):
        (path,) = write_report(results, formats=["csv"], collection=name, console=quiet)
        assert path == results / "report" / folder / "report.csv"


def test_all_files_of_a_report_have_one_age(results: Path, tmp_path: Path) -> None:
    quiet = Console(file=io.StringIO())
    write_report(results, tmp_path / "out", console=quiet)
    write_report(results, tmp_path / "out", ["md"], console=quiet)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["report.md"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "results"]


@pytest.mark.parametrize("name", ["notes.txt", "settings.md", "report.md.bak", "figures/mine.svg", "other/report.md"])
def test_a_folder_that_holds_anything_else_is_refused_and_kept(results: Path, tmp_path: Path, name: str) -> None:
    path = tmp_path / "out" / name
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    (tmp_path / "out" / "report.md").write_text("an older report")
    with pytest.raises(CareBenchError, match=r"out holds .*, which cannot be part of the report files; expected"):
        write_report(results, tmp_path / "out")
    assert path.read_text() == "mine"
    assert (tmp_path / "out" / "report.md").read_text() == "an older report"


@pytest.mark.parametrize("name", ["collected", "pinned"])
@pytest.mark.parametrize("fault", ["file", "link", "unreadable"])
def test_a_folder_that_cannot_be_listed_is_named(
    results: Path, name: str, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = results / name
    match fault:
        case "file":
            shutil.rmtree(folder)
            folder.write_text("a file")
        case "link":
            shutil.rmtree(folder)
            folder.symlink_to(folder)
        case "unreadable":
            unreadable(monkeypatch, folder)
    for collection in (None, "small", "old"):
        with pytest.raises(CareBenchError, match=f"^cannot read {folder}: .*; expected a folder of"):
            write_report(results, collection=collection)


@pytest.mark.parametrize("fault", ["file", "link", "loop", "unreadable"])
def test_a_collection_that_is_none_is_named_and_not_left_out(
    results: Path, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = results / "collected" / "other"
    match fault:
        case "file":
            path.write_text("a file")
        case "link":
            path.symlink_to("nowhere")
        case "loop":
            path.symlink_to(path)
        case "unreadable":
            shutil.copytree(results / "collected" / "small", path)
            unreadable(monkeypatch, path)
    for collection in (None, "other"):
        with pytest.raises(CareBenchError, match=str(path)):
            write_report(results, collection=collection)
    write_report(results, collection="small", console=Console(file=io.StringIO()))


def test_hidden_and_empty_folders_are_no_collections(results: Path) -> None:
    for name in (".small.part", ".other.old", "empty"):
        (results / "collected" / name).mkdir()
    (results / "pinned" / ".new.part").mkdir()
    (path,) = write_report(results, formats=["md"], console=Console(file=io.StringIO()))
    titles = [line for line in path.read_text().splitlines() if line.startswith("## Coll")]
    assert titles == ["## Collection collected/small", "## Collection pinned/old"]


def test_a_collection_that_a_killed_command_had_moved_aside_is_put_back(results: Path) -> None:
    (results / "collected" / "small").rename(results / "collected" / ".small.old")
    (results / "collected" / ".small.part").mkdir()
    (path,) = write_report(results, formats=["md"], console=Console(file=io.StringIO()))
    assert "## Collection collected/small" in path.read_text()


def test_the_same_records_give_the_same_bytes(results: Path, tmp_path: Path) -> None:
    assert run_report(results, "--out", tmp_path / "one").returncode == 0
    assert _run_apart(results, "--out", tmp_path / "two").returncode == 0, "another process orders its sets differently"
    files = [path for path in (tmp_path / "one").rglob("*") if path.is_file()]
    names = sorted(path.relative_to(tmp_path / "one").as_posix() for path in files)
    assert [name for name in names if "/" not in name] == [
        *("index.html", "records.html", "report.csv", "report.md", "report.tex"),
    ]
    assert "tables/pin.bib" in names
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_torch_is_never_imported(results: Path) -> None:
    code = (
        "import runpy, sys; sys.argv = ['report', sys.argv[1]]\n"
        "try: runpy.run_module('care_bench.report', run_name='__main__')\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "assert not {'torch', 'torchvision'} & set(sys.modules)\n"
    )
    command = [sys.executable, "-c", code, str(results)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    assert "index.html" in done.stdout
