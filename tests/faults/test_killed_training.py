"""A training that is killed at a random moment and started again ends in the same bits."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest

from tests.faults.conftest import HELD, SILENT, TRACEBACK, Counting, Server, files
from tests.faults.samples import METHODS, ok, write_profile

MEASURED = ("images_per_second", "seconds", "resumed")
"""Keys of pretrain.json that tell the time or the restarts."""


def result(run: Path) -> dict[str, object]:
    """Every file of a finished run; its summary without times."""
    found: dict[str, object] = dict(files(run))
    summary = json.loads((run / "pretrain.json").read_bytes())
    return found | {"pretrain.json": {key: value for key, value in summary.items() if key not in MEASURED}}


@pytest.fixture(scope="module")
def prepared(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with digits and the profile of five methods."""
    folder = tmp_path_factory.mktemp("prepared")
    write_profile(folder)
    ok(server.run(folder, "prepare", "digits"))
    return folder


@pytest.mark.parametrize(
    ("method", "kills"),
    [("care", 1), ("moco", 1), *(pytest.param(method, 20, marks=pytest.mark.faults) for method in METHODS)],
)
def test_killed_training(
    method: str, kills: int, prepared: Path, server: Server, counting: Counting, tmp_path: Path
) -> None:
    arguments = ("pretrain", prepared / "faults.yaml", "--run", f"digits/{method}/seed0")
    arguments += ("--data", prepared / "results/data", "--out", "run")
    undisturbed = ok(server.run(tmp_path, *arguments))
    expected = result(tmp_path / "run")
    draws = random.Random(method)
    with counting("killed trainings (SIGKILL)") as outcomes:
        for _ in range(kills):
            shutil.rmtree(tmp_path / "run")
            at = draws.randrange(1, undisturbed.operations + 1)
            assert server.run(tmp_path, *arguments, kill_at=at).code == -9
            again = server.run(tmp_path, *arguments)
            what = f"{method} killed at operation {at} of {undisturbed.operations}"
            if again.code != 0:
                outcomes.add(TRACEBACK, f"{what}: {again.stderr}")
            else:
                found = result(tmp_path / "run")
                differ = {name for name in found | expected if found.get(name) != expected.get(name)}
                outcomes.add(SILENT if differ else HELD, f"{what}: {sorted(differ)}")
