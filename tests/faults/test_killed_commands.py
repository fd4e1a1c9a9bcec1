"""A command that is killed at any of its file operations and started again leaves what one undisturbed call leaves."""

from __future__ import annotations

import itertools
import json
import re
import shutil
from pathlib import Path

import pytest

from tests.faults.conftest import HELD, SILENT, TRACEBACK, Counting, Server, files
from tests.faults.samples import collect, ok

RUN = "results/runs/faults/digits/care/seed0"
COMMANDS: dict[str, tuple[str | Path, ...]] = {
    "prepare": ("prepare", "digits", "--data", "results/again"),
    "evaluate": ("evaluate", RUN, "--settings", "evaluation.json"),
    "collect": collect("faults"),
    "pin": ("pin", "again", "--collection", "faults"),
    "report": ("report", "results", "--collection", "faults"),
}
BEFORE = {
    "evaluate": (f"{RUN}/records.jsonl", f"{RUN}/evaluate.json"),
    "collect": ("results/collected",),
    "report": ("results/report",),
}
"""What has to go so that the command makes it for the first time."""


def tree(folder: Path) -> dict[str, object]:
    """Every file but stamps of verified data; records and what depends on their time of measuring have no time."""
    found = {name: content for name, content in files(folder).items() if not name.endswith(".verified")}
    return {name: _timeless(name, content) for name, content in found.items()}


def _timeless(name: str, content: bytes) -> object:
    if name.endswith("records.jsonl"):
        untimed = [json.loads(line) for line in content.splitlines()]
        return [{key: value for key, value in line.items() if key not in ("duration_s", "sha256")} for line in untimed]
    if name.endswith("evaluate.json"):
        return {key: value for key, value in json.loads(content).items() if key != "records_sha256"}
    return content


CASES = [(name, again) for name in COMMANDS for again in ("first", "replaced") if (name, again) != ("pin", "replaced")]


@pytest.mark.parametrize(
    ("command", "again", "every"),
    [
        *((*case, 9) for case in CASES if case in (("prepare", "first"), ("collect", "replaced"))),
        *(pytest.param(*case, 1, marks=pytest.mark.faults) for case in CASES),
    ],
)
def test_killed_at_a_file_operation(
    command: str, again: str, every: int, sample: Path, server: Server, counting: Counting, tmp_path: Path
) -> None:
    """``every``: kill at each, or at every so many-th operation. ``again``: whether there was a result before."""
    arguments = COMMANDS[command]
    undisturbed = _copy(sample, tmp_path / "undisturbed", command, again)
    ok(server.run(undisturbed, *arguments))
    expected = tree(undisturbed)
    with counting(f"{command} killed at a file operation") as outcomes:
        for at in itertools.count(1, every):
            place = _copy(sample, tmp_path / "killed", command, again)
            killed = server.run(place, *arguments, kill_at=at)
            if killed.code == 0:
                break
            assert killed.code == -9, killed.stderr
            ended = server.run(place, *arguments)
            what = f"{command} killed at operation {at}, {again}"
            if ended.code != 0 and not _is_there(command, ended.stderr):
                outcomes.add(TRACEBACK, f"{what}: {ended.stderr}")
                continue
            found = tree(place)
            differ = {name for name in found | expected if found.get(name) != expected.get(name)}
            outcomes.add(SILENT if differ else HELD, f"{what}: {sorted(differ)}")


def _is_there(command: str, line: str) -> bool:
    """Whether a pin was complete before the kill: a pin is never replaced, and the second call says so."""
    return command == "pin" and re.search(r"results/pinned/again exists", line) is not None


def _copy(sample: Path, place: Path, command: str, again: str) -> Path:
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(sample, place)
    for name in BEFORE.get(command, ()) if again == "first" else ():
        path = place / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    if command == "prepare" and again == "replaced":  # a damaged data set is replaced
        shutil.copytree(place / "results/data", place / "results/again")
        labels = place / "results/again/digits/test_label_class.npy"
        labels.write_bytes(labels.read_bytes()[:-1])
    return place
