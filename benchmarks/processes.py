"""Processor time per image of a run on two processes of one thread each, over that of runs on one process.

It is compared with one run alone, and with two runs on one process each at a time: cores share caches and memory, so
that each is slower where both are busy, and the second ratio is what the sharing of a batch costs. Processor time is
measured, not time on the clock; waiting for the other process takes none. The start of the processes cancels: each run
is done with few and with many steps, and the difference counts.

Each of two processes computes the heads and the loss of the whole batch and the optimizer's step, and exchanges the
gradients of all weights; so the ratio falls towards 1 with the passes of the backbone. The target is for a ResNet-18 at
the size of CIFAR's images; the small convnet on 8 x 8 digits, whose step takes a few milliseconds, shows what the
exchange costs.

Ordinary steps count. The ratio of gradients, which a run measures at eight of its steps with two more backward passes
each, is left out: a run of so few steps would measure it at every one of them (see ``benchmarks.ordinary``).
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.runs import described
from benchmarks.timing import Row, children
from care_bench.config import RunConfig
from care_bench.config.presets import load_preset
from care_bench.data import prepare
from care_bench.files import write_json

AT_MOST, PAIRS = 1.15, 3
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Work:
    """What is trained."""

    backbone: dict[str, Any]
    side: int
    batch_size: int
    few: int
    many: int


WORK = (
    Work({"name": "convnet", "width": 24}, 8, 256, few=20, many=100),
    Work({"name": "resnet18", "stem": "small-image"}, 32, 64, few=1, many=3),
)


def measure() -> list[Row]:
    """Return two rows for each encoder."""
    with tempfile.TemporaryDirectory() as folder:
        prepare("digits", Path(folder) / "data")
        return [row for work in WORK for row in _rows(work, Path(folder))]


def _rows(work: Work, folder: Path) -> Iterator[Row]:
    def per_image(devices: int, runs: int) -> float:
        less, more = (_seconds(_config(work, devices, steps), runs, folder) for steps in (work.few, work.many))
        return (more - less) / ((work.many - work.few) * work.batch_size * runs)

    found = [(per_image(2, 1), per_image(1, 1), per_image(1, 2)) for _ in range(PAIRS)]
    shared, *others = zip(*found, strict=True)
    name = described(_config(work, 1, work.many))
    for which, times in zip(("one on one", "two on one each at a time"), others, strict=True):
        ratio = statistics.median(mine / theirs for mine, theirs in zip(shared, times, strict=True))
        title = f"processor time per image of a run on two processes, against {which}: {name}"
        target = f"at most {AT_MOST:g} times as long"
        yield Row(title, statistics.median(shared), statistics.median(times), ratio, target, ratio <= AT_MOST)


def _config(work: Work, devices: int, steps: int) -> RunConfig:
    preset = load_preset("digits")
    preset["encoder"]["backbone"] = work.backbone
    preset["augmentation"]["size"] = work.side
    synchronised = {"batchnorm": "synchronised"} if devices > 1 else {}
    preset["training"] |= {"batch_size": work.batch_size, "steps": steps, "epochs": 1000}
    preset["training"] |= {"devices": devices, "threads": 1, **synchronised}
    method = {"name": "care", "base": {"name": "simclr"}, "splits": 16, "weight": 1.0}
    identity = {"profile": "benchmark", "dataset": "digits", "variant": "care", "seed": 0}
    return RunConfig.parse({**identity, "method": method, **preset}, "benchmark")


def _seconds(config: RunConfig, runs: int, folder: Path) -> float:
    """Train a run so many times at once, in processes of their own, and return their processor time."""
    place = folder / f"{time.monotonic_ns()}"
    write_json(place / "config.json", config.model_dump(mode="json"))
    command = [sys.executable, "-m", "benchmarks.ordinary", "care_bench", "pretrain", str(place / "config.json")]
    command += ["--data", str(folder / "data"), "--out"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    before = children()
    with (place / "log").open("w") as log:
        started = [
            subprocess.Popen([*command, str(place / f"run{number}")], stdout=log, stderr=log, env=environment, cwd=ROOT)
            for number in range(runs)
        ]
        failed = [process.wait() for process in started]
    if any(failed):
        raise RuntimeError(f"{' '.join(command)} failed: {(place / 'log').read_text()}")
    return children() - before
