"""Steps of the profile `paper`: images per second beside the bare model's, memory, and waits.

Images are kept on the device, as in a real run of CIFAR10 and STL10. ImageNet100's 25 GB are more than one of 80 GB
keeps: rows in bfloat16, whose steps are short, also read them from a memory map, gather each batch on the host and copy
it. The map is in the system's cache; what a disk adds is not measured.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from benchmarks.gpu.found import Found, missing
from benchmarks.gpu.limit import Limit
from benchmarks.runs import STORED, described, paper_run, random_images, run
from benchmarks.training_step import ready_views
from care_bench.config import RunConfig
from care_bench.data import PreparedDataset
from care_bench.runs.device import best_device, reproducible
from care_bench.runs.folder import RunFolder
from care_bench.training import batches
from care_bench.training.pretrain import train_step
from care_bench.training.session import Session

OVERHEAD = 1.15
"""Most time of a step over that of the bare forward and backward pass and optimizer."""

BLOCKS = 3
"""Blocks of calls whose median counts."""

CYCLES = 300_000_000
"""Cycles of the device's clock, a few tenths of a second, that it is kept busy: longer than taking a batch takes."""


@dataclass(frozen=True)
class Size:
    """A data set, how its runs are cut to one device, and whether its images stay on the disk."""

    dataset: str
    images: int
    training: dict[str, Any]
    note: str = ""
    mapped: bool = False

    def config(self, method: str, settings: dict[str, Any]) -> RunConfig:
        """Return a run of the profile `paper`, or of the tiny preset that tries this script."""
        training = {**self.training, **settings, "devices": 1}
        if self.dataset in STORED:
            return paper_run(self.dataset, method, **training)
        return run(self.dataset, self.dataset, method, training=training)

    @property
    def stored(self) -> int:
        """Side of the prepared images, in pixels."""
        return STORED.get(self.dataset, 8)


_IMAGENET = Size("imagenet100", 512, {"batch_size": 128}, "a quarter of the batch, as one of four GPUs has it")
SIZES = (Size("cifar10", 4096, {}), Size("stl10", 2048, {}), _IMAGENET, replace(_IMAGENET, mapped=True))
_DIGITS = Size("tinted_digits", 256, {"batch_size": 32})
TOY = (_DIGITS, replace(_DIGITS, mapped=True))
METHODS = ("simclr", "care")
PRECISIONS: dict[str, dict[str, Any]] = {
    "float32": {},
    "TF32": {"tf32": True},
    "bfloat16": {"precision": "bf16-mixed", "tf32": True},
    "bfloat16, not deterministic": {"precision": "bf16-mixed", "tf32": True, "deterministic": False},
    "bfloat16, channels_last": {"precision": "bf16-mixed", "tf32": True, "memory_format": "channels_last"},
}
MAPPED = "bfloat16"
"""The precision in which the memory map is measured."""


def measure(toy: bool, limit: Limit) -> Iterator[Found]:
    """Time SimCLR and CARE; in the toy size a convnet on 8 pixels."""
    precisions = {"float32": PRECISIONS["float32"]} if toy else PRECISIONS
    for precision, settings in precisions.items():
        for size in TOY if toy else sizes(precision):
            for method in METHODS:
                limit.left()
                config = size.config(method, settings)
                yield from _of(name_of(size, config, precision), config, size, 3 if toy else 6)


def sizes(precision: str) -> list[Size]:
    """Return the sizes that are measured in a precision."""
    return [size for size in SIZES if precision == MAPPED or not size.mapped]


def name_of(size: Size, config: RunConfig, precision: str) -> str:
    """Return the name of the rows of a run."""
    source = ", memory map" if size.mapped else ""
    return f"{config.dataset} of {size.stored} pixels{source}: {described(config)}, {precision}"


def opened(size: Size, config: RunConfig, folder: Path) -> Session:
    """Open a run on random images, which are kept on the device or read from a memory map."""
    dataset = random_images("made", size.images, size.stored)
    small: AbstractContextManager[object] = nullcontext()
    if size.mapped:
        np.save(folder / "inputs.npy", dataset.train.inputs)
        dataset = _from(dataset, folder / "inputs.npy")
        small = patch.object(batches, "_most_resident", lambda device: 0)
    with small:
        return Session.open(config, dataset, RunFolder(folder / "run"))


def _from(dataset: PreparedDataset, inputs: Path) -> PreparedDataset:
    return replace(dataset, train=replace(dataset.train, inputs=np.load(inputs, mmap_mode="r")))


def _of(name: str, config: RunConfig, size: Size, steps: int) -> Iterator[Found]:
    training, device = config.training, best_device()
    with (
        tempfile.TemporaryDirectory() as folder,
        reproducible(training.deterministic, training.threads, device, tf32=training.tf32),
    ):
        session = opened(size, config, Path(folder))
        session.model.train()
        with session.log:
            if device.type == "cuda":
                train_step(session)  # the optimizer's state is made, and the ratio of gradients measured
                torch.cuda.reset_peak_memory_stats()
                train_step(session)
                peak = torch.cuda.max_memory_allocated() / 2**30
                yield Found(f"{name}: peak memory of a step", round(peak, 2), "GiB", note=size.note)
            ours, bare = _medians(lambda: train_step(session), _bare(session), steps)
            yield _waits(name, session)
            yield _batch_waits(name, session)
    ratio, speeds = ours / bare, [f"{training.batch_size / seconds:.0f}" for seconds in (ours, bare)]
    met = ratio <= OVERHEAD if device.type == "cuda" else None
    note = f"{speeds[0]} images/s, bare model {speeds[1]}"
    yield Found(f"{name}: step over bare model", ratio, "times", f"at most {OVERHEAD:g} on a GPU", met, note)


def _waits(name: str, session: Session) -> Found:
    """Let torch raise an error where a step calls what waits for the device.

    torch sees the calls in which it waits itself: numbers that the host asks for (``item``, ``nonzero``) and copies
    that are not ``non_blocking``. It does not see waits within CUDA, as for a copy from pageable memory or for new
    memory.
    """
    what = f"{name}: a step calls what waits for the device"
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


def _batch_waits(name: str, session: Session) -> Found:
    """Tell whether taking a batch returns while the device is still busy: this sees waits within CUDA, too."""
    what = f"{name}: taking a batch waits for the device"
    if session.fabric.device.type != "cuda":
        return missing(what, "needs CUDA")
    rows, before = session.batches.rows(session.step), torch.cuda.Event()
    torch.cuda.synchronize()
    torch.cuda._sleep(CYCLES)
    before.record()
    session.batches.take(rows)
    waited = before.query()
    torch.cuda.synchronize()
    return Found(what, float(waited), "", "0", not waited)


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
