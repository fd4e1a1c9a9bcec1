"""Where commands do not write: among collections and pins, where every file and folder is read as one of them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.commands import run_care_bench
from tests.sample_records import results, written

__all__ = ["results", "written"]
ROOT = Path(__file__).parents[1]
SMOKE = ROOT / "workflows/config/smoke.yaml"
COMMANDS = (
    ("report", "{results}", "--collection", "small", "--format", "csv"),
    ("report", "{results}", "--compare", "small", "old"),
    ("settings", SMOKE, "--results", "{results}"),
    ("measure", "--encoder", "timm:resnet18", "--dataset", "digits"),
    ("pretrain", SMOKE, "--run", "digits/care/seed0"),
    ("evaluate", "{results}/runs/none"),
    ("collect", "{results}/runs/one/0.jsonl"),
)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: "-".join(map(str, words[:1])))
@pytest.mark.parametrize("place", ["pinned/x", "pinned/old/x", "collected/x"])
def test_nothing_is_written_among_collections(command: tuple[str | Path, ...], place: str, results: Path) -> None:
    shutil.copytree(ROOT / "results/reference", results / "reference", dirs_exist_ok=True)
    out = results / place
    ended = run_care_bench(*(str(word).format(results=results) for word in command), "--out", out)
    if command[0] == "collect" and place == "collected/x":
        assert ended.returncode == 0  # where it belongs
        return
    assert ended.returncode == 2
    parent = results / Path(place).parts[0]
    said = f"care-bench: --out {out} is in {parent}, where all is read as a collection or a pin; expected another place"
    assert ended.stderr.splitlines() == [said]
    assert not out.exists()
    assert run_care_bench("verify", results).returncode == 0


def test_a_figure_is_not_written_among_collections(results: Path) -> None:
    out = results / "pinned" / "old" / "gamma.svg"
    ended = run_care_bench("plot", results, "--collection", "small", "--x", "seed", "--y", "gamma", "--out", out)
    assert ended.returncode == 2
    assert f"--out {out} is in {results / 'pinned'}" in ended.stderr
    assert run_care_bench("verify", results).returncode == 0


def test_a_table_of_the_users_beside_those_of_a_report_is_kept(results: Path) -> None:
    written_to = ("report", results, "--collection", "small", "--format", "tex", "--out", results / "mine")
    assert run_care_bench(*written_to).returncode == 0
    assert run_care_bench(*written_to).returncode == 0
    (results / "mine" / "tables" / "notes.tex").write_text("mine")
    ended = run_care_bench(*written_to)
    assert ended.returncode == 2
    assert "holds tables/notes.tex, which cannot be part of the report files" in ended.stderr
    assert (results / "mine" / "tables" / "notes.tex").read_text() == "mine"
