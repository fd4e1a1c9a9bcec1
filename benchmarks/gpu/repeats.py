"""Runs on the GPU repeat to the bit: done twice, and killed and continued."""

from __future__ import annotations

import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.gpu.commands import care_bench, start
from benchmarks.gpu.found import Found
from benchmarks.runs import RESNET, run
from care_bench.config import RunConfig
from care_bench.data import prepare
from care_bench.files import sha256_file, write_json

REPEATED = ("simclr", "care", "moco_v2", "byol")
"""Methods with all kinds of state: queue, momentum encoder, predictor."""
PATIENCE = 120.0
"""Seconds until the first checkpoint."""


def measure(toy: bool) -> Iterator[Found]:
    """Train three times each: twice to the end, once killed after the first checkpoint; in the toy size one method."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare("tinted_digits", folder / "data")
        for method in REPEATED[:1] if toy else REPEATED:
            training = {"steps": 8 if toy else 40, "checkpoint_every": 2 if toy else 5}
            config = run("tinted_digits", "tinted_digits", method, training=training, **({} if toy else RESNET))
            write_json(folder / f"{method}.json", config.model_dump(mode="json"))
            once, again, killed = (_weights(folder, config, kind) for kind in ("once", "again", "killed"))
            for kind, other in (("done twice", again), ("killed and continued", killed)):
                yield Found(f"{method} {kind}: weights equal to the bit", float(once == other), "", "1", once == other)


def _weights(folder: Path, config: RunConfig, name: str) -> str:
    """Train, and return the hash of the encoder's weights."""
    out = folder / config.variant / name
    arguments = ("pretrain", folder / f"{config.variant}.json", "--data", folder / "data", "--out", out)
    if name == "killed":
        with start(*arguments) as process:
            end = time.monotonic() + PATIENCE
            while not list(out.glob("state-*/checkpoint.pt")) and process.poll() is None and time.monotonic() < end:
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
        if (out / "pretrain.json").exists():
            raise RuntimeError(f"{config.variant} was at its end before it could be killed")
    care_bench(*arguments)
    return sha256_file(out / "encoder.safetensors")
