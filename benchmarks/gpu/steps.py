"""Steps of pretraining at the paper's sizes: images per second beside the bare model's, memory, and waits."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu.found import Found, missing
from benchmarks.runs import random_images, run
from benchmarks.training_step import ready_views
from care_bench.config import RunConfig
from care_bench.runs.device import best_device, reproducible
from care_bench.runs.folder import RunFolder
from care_bench.training.pretrain import train_step
from care_bench.training.session import Session

OVERHEAD = 1.15
"""Most time of a step over that of the bare forward and backward pass and optimizer."""

BLOCKS = 3
"""Blocks of calls whose median counts."""


@dataclass(frozen=True)
class Size:
    """A setting of the paper, and how it is cut to one device."""

    preset: str
    side: int
    batch_size: int
    images: int
    note: str = ""


SIZES = {
    "CIFAR, ResNet-50": Size("cifar", 32, 256, 4096),
    "STL10, ResNet-18": Size("stl10", 96, 256, 2048),
    "ImageNet100, ResNet-50": Size("imagenet100", 224, 128, 512, "a quarter of the batch, one of four GPUs"),
}
PRECISIONS: dict[str, dict[str, Any]] = {
    "float32": {},
    "TF32": {"tf32": True},
    "bfloat16": {"precision": "bf16-mixed", "tf32": True},
    "bfloat16, not deterministic": {"precision": "bf16-mixed", "tf32": True, "deterministic": False},
    "bfloat16, channels_last": {"precision": "bf16-mixed", "tf32": True, "memory_format": "channels_last"},
}


def measure(toy: bool) -> Iterator[Found]:
    """Time SimCLR and CARE; in the toy size a convnet on 8 pixels."""
    sizes = {"digits, convnet": Size("tinted_digits", 8, 32, 256)} if toy else SIZES
    precisions = {"float32": PRECISIONS["float32"]} if toy else PRECISIONS
    for precision, settings in precisions.items():
        for name, size in sizes.items():
            for method in ("simclr", "care"):
                changes = {"batch_size": size.batch_size, "devices": 1, **settings}
                config = run("made", size.preset, method, training=changes)
                yield from _of(f"{name}, {method}, {precision}", config, size, 3 if toy else 6)


def _of(name: str, config: RunConfig, size: Size, steps: int) -> Iterator[Found]:
    training, device = config.training, best_device()
    with (
        tempfile.TemporaryDirectory() as folder,
        reproducible(training.deterministic, training.threads, device, tf32=training.tf32),
    ):
        dataset = random_images("made", size.images, size.side)
        session = Session.open(config, dataset, RunFolder(Path(folder)))
        session.model.train()
        with session.log:
            if device.type == "cuda":
                torch.cuda.reset_peak_memory_stats()
                train_step(session)
                peak = torch.cuda.max_memory_allocated() / 2**30
                yield Found(f"{name}: peak memory of a step", round(peak, 2), "GiB", note=size.note)
            ours, bare = _medians(lambda: train_step(session), _bare(session), steps)
            yield _waits(name, session)
    ratio, speeds = ours / bare, [f"{training.batch_size / seconds:.0f}" for seconds in (ours, bare)]
    met = ratio <= OVERHEAD if device.type == "cuda" else None
    note = f"{speeds[0]} images/s, bare model {speeds[1]}"
    yield Found(f"{name}: step over bare model", ratio, "times", f"at most {OVERHEAD:g} on a GPU", met, note)


def _waits(name: str, session: Session) -> Found:
    """Let torch raise an error where a step waits for the device."""
    what = f"{name}: a step waits for the device"
    if session.fabric.device.type != "cuda":
        return missing(what, "needs CUDA")
    torch.cuda.set_sync_debug_mode("error")
    try:
        train_step(session)
    except RuntimeError as error:
        return Found(what, 1.0, "", "0", False, str(error).splitlines()[0])
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return Found(what, 0.0, "", "0", True)


def _bare(session: Session) -> Callable[[], object]:
    """Return forward and backward pass and optimizer on views that are ready."""
    views = ready_views(session)

    def work() -> None:
        loss, _, _ = session.model(views)
        session.fabric.backward(loss)
        session.optimizer.step()
        session.optimizer.zero_grad()

    return work


def _medians(ours: Callable[[], object], bare: Callable[[], object], steps: int) -> tuple[float, float]:
    """Return the median seconds of a call of both, over blocks of calls in turns; the first blocks warm up."""
    blocks = [(_seconds(ours, steps), _seconds(bare, steps)) for _ in range(BLOCKS + 1)][1:]
    mine, theirs = zip(*blocks, strict=True)
    return statistics.median(mine), statistics.median(theirs)


def _seconds(work: Callable[[], object], calls: int) -> float:
    wait = torch.cuda.synchronize if torch.cuda.is_available() else lambda: None
    wait()
    began = time.perf_counter()
    for _ in range(calls):
        work()
    wait()
    return (time.perf_counter() - began) / calls
