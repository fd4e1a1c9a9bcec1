"""Processor time per image of a run on two processes of one thread each, over that of one process of one thread.

Processor time is measured, not time on the clock; waiting for the other process takes none. The start of the processes
cancels: each run is done with few and with many steps, and the difference counts. Both processes compute the heads and
the loss of the whole batch, and draw its augmentations, so the ratio falls towards 1 with the size of the backbone.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.timing import Row
from care_bench.config import RunConfig
from care_bench.config.presets import load_preset
from care_bench.data import prepare
from care_bench.files import write_json

ENCODERS: dict[str, tuple[dict[str, Any], int, int]] = {
    "the convnet of the preset digits": ({"name": "convnet", "width": 24}, 20, 100),
    "a ResNet-18 on digits": ({"name": "resnet18", "stem": "small-image"}, 1, 5),
}
"""Backbone, and the two numbers of steps."""
AT_MOST, PAIRS = 1.15, 3


def measure() -> list[Row]:
    """Return a row for each encoder."""
    with tempfile.TemporaryDirectory() as folder:
        prepare("digits", Path(folder) / "data")
        return [_row(name, *settings, Path(folder)) for name, settings in ENCODERS.items()]


def _row(name: str, backbone: dict[str, Any], few: int, many: int, folder: Path) -> Row:
    def per_image(devices: int) -> float:
        less, more = (_seconds(_config(backbone, devices, steps), folder) for steps in (few, many))
        return (more - less) / ((many - few) * _config(backbone, devices, few).training.batch_size)

    pairs = [(per_image(2), per_image(1)) for _ in range(PAIRS)]
    two, one = (statistics.median(times) for times in zip(*pairs, strict=True))
    ratio = statistics.median(mine / theirs for mine, theirs in pairs)
    title = f"processor time per image on two processes, a thread each, against one: {name}, synchronised BatchNorm"
    return Row(title, two, one, ratio, f"at most {AT_MOST:g} times as long", ratio <= AT_MOST)


def _config(backbone: dict[str, Any], devices: int, steps: int) -> RunConfig:
    preset = load_preset("digits")
    preset["encoder"]["backbone"] = backbone
    synchronised = {"batchnorm": "synchronised"} if devices > 1 else {}
    preset["training"] |= {"devices": devices, "steps": steps, "epochs": 1000, "threads": 1, **synchronised}
    method = {"name": "care", "base": {"name": "simclr"}, "splits": 16, "weight": 1.0}
    identity = {"profile": "benchmark", "dataset": "digits", "variant": "care", "seed": 0}
    return RunConfig.parse({**identity, "method": method, **preset}, "benchmark")


def _seconds(config: RunConfig, folder: Path) -> float:
    """Train a run in processes of its own and return their processor time."""
    place = folder / f"{time.monotonic_ns()}"
    write_json(place / "config.json", config.model_dump(mode="json"))
    command = [sys.executable, "-m", "care_bench", "pretrain", str(place / "config.json")]
    command += ["--data", str(folder / "data"), "--out", str(place / "run")]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
