"""The benchmark of a GPU, tried on the CPU at tiny sizes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "gpu.sh"


def called(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, "PYTHON": sys.executable, "CUDA_VISIBLE_DEVICES": ""}
    command = [str(SCRIPT), *arguments]
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)


@pytest.mark.long
def test_every_part_finds_something_and_nothing_is_missed(tmp_path: Path) -> None:
    ended = called(tmp_path, "found.json", "--toy")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["found.json"]
    content: dict[str, Any] = json.loads((tmp_path / "found.json").read_text())
    assert content["toy"]
    assert content["device"].startswith("cpu: ")
    rows = {row["name"]: row for row in content["found"]}
    assert len(rows) == len(content["found"])
    agreeing = [row for name, row in rows.items() if name.startswith("loss terms")]
    assert [row["value"] for row in agreeing] == [0.0, 0.0]  # both sides are the CPU here
    run = "tinted_digits: simclr, convnet, 256 images of 8x8"
    assert all(
        rows[f"{run}, {kind}: weights equal to the bit"]["met"] for kind in ("done twice", "killed and continued")
    )
    for start in (
        "tinted_digits: augmentation of",
        "metrics within",
        f"{run}: pretraining",
        "tinted_digits of 8 pixels: care in 4 splits, convnet, 32 images of 8x8, float32: step over",
        "tinted_digits of 8 pixels, memory map: care in 4 splits, convnet, 32 images of 8x8, float32: step over",
    ):
        assert sum(name.startswith(start) for name in rows) == 1, start


def test_a_machine_without_a_gpu_is_one_line(tmp_path: Path) -> None:
    ended = called(tmp_path, "found.json")
    assert ended.returncode == 2
    assert ended.stderr.splitlines() == ["benchmarks.gpu: torch finds no GPU; expected one, or --toy"]
    assert not list(tmp_path.iterdir())
