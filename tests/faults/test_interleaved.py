"""Two commands at once: one stops at a file operation, the other runs, then the first goes on."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import pytest

from tests.faults.conftest import HELD, LINE, SILENT, TRACEBACK, Command, Counting, Server
from tests.faults.samples import collect, make, ok
from tests.faults.test_killed_commands import tree

RUN = "results/runs/faults/digits/care/seed0"
PAIRS: dict[str, tuple[tuple[str | Path, ...], tuple[str | Path, ...], tuple[str, ...]]] = {
    "pin and pin": (
        ("pin", "again", "--collection", "faults"),
        ("pin", "again", "--collection", "other"),
        ("results/pinned/again",),
    ),
    "collect and pin": (
        collect("faults"),
        ("pin", "again", "--collection", "faults"),
        ("results/collected/faults", "results/pinned/again"),
    ),
    "collect and collect": (
        (*collect("faults"), "--replace"),
        (*collect("other")[:-1], "results/collected/faults", "--replace"),
        ("results/collected/faults",),
    ),
    "prepare and prepare": (
        ("prepare", "digits", "--data", "results/again"),
        ("prepare", "digits", "--data", "results/again"),
        ("results/again",),
    ),
    "evaluate and evaluate": (
        ("evaluate", RUN, "--settings", "evaluation.json"),
        ("evaluate", RUN, "--settings", "evaluation.json"),
        (RUN,),
    ),
    "pretrain and pretrain": (
        ("pretrain", "faults.yaml", "--run", "digits/care/seed0", "--out", "results/again"),
        ("pretrain", "faults.yaml", "--run", "digits/care/seed0", "--out", "results/again"),
        ("results/again",),
    ),
    "report and report": (
        ("report", "results", "--collection", "faults"),
        ("report", "results", "--collection", "faults", "--format", "md"),
        ("results/report/faults",),
    ),
    "report and collect": (
        ("report", "results", "--collection", "faults"),
        collect("faults"),
        ("results/report/faults", "results/collected/faults"),
    ),
}
"""Two commands, and the folders that they write."""


@pytest.fixture(scope="module")
def both(server: Server, sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample with a second profile of the same run."""
    folder = Path(shutil.copytree(sample, tmp_path_factory.mktemp("both") / "sample"))
    make(server, folder, "other")
    return folder


def outcomes_alone(pair: str, sample: Path, place: Path, server: Server) -> list[dict[str, object]]:
    """What either command leaves alone, and one after the other."""
    first, second, folders = PAIRS[pair]
    found = []
    for order in ((first,), (second,), (first, second), (second, first)):
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(sample, place)
        for arguments in order:
            server.run(place, *arguments)
        found.append(written(place, folders))
    return found


def written(place: Path, folders: tuple[str, ...]) -> dict[str, object]:
    """The files in the folders, without what tells the time."""
    timed = ("pretrain.json",)
    found = {name: tree(place / name) for name in folders if (place / name).exists()}
    return {f"{name}/{file}": content for name in found for file, content in found[name].items() if file not in timed}


@pytest.mark.faults
@pytest.mark.parametrize("pair", PAIRS)
def test_interleaved(
    pair: str, server: Server, counting: Counting, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Stop the first command at each of its file operations."""
    first, second, folders = PAIRS[pair]
    sample = request.getfixturevalue("both" if "other" in repr(PAIRS[pair]) else "sample")
    allowed = outcomes_alone(pair, sample, tmp_path / "alone", server)
    place = tmp_path / "both"
    with counting("interleaved commands") as outcomes:
        for at in itertools.count(1):
            shutil.rmtree(place, ignore_errors=True)
            shutil.copytree(sample, place)
            one = server.run(place, *first, stop_at=at)
            if one.state == "ended":
                break
            two = server.run(place, *second, patience=0.5)  # it may wait for the first
            one = server.go_on(one)
            two = two if two.state == "ended" else server.go_on(two)
            what = f"{pair}, the first stopped at operation {at}"
            broken = [ended for ended in (one, two) if ended.code != 0 and not refused(ended)]
            if broken:
                outcomes.add(TRACEBACK, f"{what}: {broken[0].code} {broken[0].stderr}")
            elif written(place, folders) not in allowed:
                outcomes.add(SILENT, f"{what}: neither the one nor the other")
            else:
                outcomes.add(LINE if one.code or two.code else HELD, what)
        ok(server.run(place, "verify"))


def refused(command: Command) -> bool:
    """Whether a command ended in one line because of the other; its lines about waiting do not count."""
    lines = [line for line in command.stderr.splitlines() if not line.startswith("waiting for ")]
    return command.code == 2 and len(lines) == 1 and "Traceback" not in command.stderr
