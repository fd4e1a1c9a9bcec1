"""Runs on the GPU repeat to the bit: done twice, and killed and continued."""

from __future__ import annotations

import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.gpu.commands import care_bench, start
from benchmarks.gpu.found import Found
from benchmarks.gpu.limit import Limit
from benchmarks.runs import RESNET, described, run
from care_bench.config import RunConfig
from care_bench.data import prepare
from care_bench.files import sha256_file, write_json
from care_bench.runs.summary import Summary

REPEATED = ("simclr", "care", "moco_v2", "byol")
"""Methods with all kinds of state: queue, momentum encoder, predictor."""
PATIENCE = 120.0
"""Seconds until the first checkpoint."""


def measure(toy: bool, limit: Limit) -> Iterator[Found]:
    """Train three times each: twice to the end, once killed after the first checkpoint; in the toy size one method."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare("tinted_digits", folder / "data")
        for method in REPEATED[:1] if toy else REPEATED:
            training = {"steps": 40, "checkpoint_every": 2 if toy else 5}
            config = run("tinted_digits", "tinted_digits", method, training=training, **({} if toy else RESNET))
            write_json(folder / f"{method}.json", config.model_dump(mode="json"))
            once, again, killed = (_weights(folder, config, kind, limit) for kind in ("once", "again", "killed"))
            for kind, other in (("done twice", again), ("killed and continued", killed)):
                name = f"{config.dataset}: {described(config)}, {kind}: weights equal to the bit"
                yield Found(name, float(once == other), "", "1", once == other)


def _weights(folder: Path, config: RunConfig, name: str, limit: Limit) -> str:
    """Train, and return the hash of the encoder's weights.

    Raises:
        OutOfTimeError: no time is left.
        RuntimeError: the training failed; or the one to be killed ended by itself, or did not continue.
    """
    out = folder / config.variant / name
    arguments = ("pretrain", folder / f"{config.variant}.json", "--data", folder / "data", "--out", out)
    if name == "killed":
        _kill(start(*arguments), out, limit)
    care_bench(*arguments, limit=limit)
    resumed, expected = Summary.read(out / "pretrain.json").resumed, int(name == "killed")
    if resumed != expected:
        raise RuntimeError(f"{config.variant}, {name}, was continued {resumed} times, expected {expected}")
    return sha256_file(out / "encoder.safetensors")


def _kill(process: subprocess.Popen[str], out: Path, limit: Limit) -> None:
    """Kill a training once it has a checkpoint."""
    with process:
        try:
            end = time.monotonic() + PATIENCE
            while not list(out.glob("state-*/checkpoint.pt")):
                if process.poll() is not None:
                    raise RuntimeError(f"{out.name}: the training ended by itself, before it had a checkpoint")
                if time.monotonic() > end:
                    raise RuntimeError(f"{out.name}: the training had no checkpoint within {PATIENCE:g} seconds")
                limit.left()
                time.sleep(0.01)
        finally:
            process.send_signal(signal.SIGKILL)  # does nothing to one that has ended and been waited for
    if process.returncode != -signal.SIGKILL:
        raise RuntimeError(f"{out.name}: the training ended with exit code {process.returncode} before it was killed")
