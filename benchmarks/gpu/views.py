"""Images per second of the augmentation on the device, with the settings of the paper's data sets."""

from __future__ import annotations

import time
from collections.abc import Iterator

import torch

from benchmarks.gpu.found import Found
from benchmarks.gpu.limit import Limit
from benchmarks.runs import STORED, paper_run, random_images, run
from care_bench.config import RunConfig
from care_bench.data import PreparedDataset
from care_bench.runs.build import build_augmentation
from care_bench.runs.device import best_device

BATCHES = {"cifar10": 1024, "stl10": 512, "imagenet100": 256}


def measure(toy: bool, limit: Limit) -> Iterator[Found]:
    """Time draws and their application."""
    if toy:
        limit.left()
        yield _of(run("tinted_digits", "tinted_digits", "simclr"), random_images("made", 32, 8))
        return
    for dataset, batch in BATCHES.items():
        limit.left()
        yield _of(paper_run(dataset, "simclr"), random_images("made", batch, STORED[dataset]))


def _of(config: RunConfig, dataset: PreparedDataset) -> Found:
    device, wait = best_device(), torch.cuda.synchronize if torch.cuda.is_available() else lambda: None
    augmentation = build_augmentation(config.augmentation, dataset, f"run {config.id}")
    images, generator = torch.as_tensor(dataset.train.inputs).to(device), torch.Generator().manual_seed(0)
    for calls in (3, 10):  # the first block warms up
        wait()
        began = time.perf_counter()
        for _ in range(calls):
            augmentation.apply(images, augmentation.sample(len(images), generator))
        wait()
        seconds = (time.perf_counter() - began) / calls
    (height, width), (high, wide) = augmentation.input_size, augmentation.size
    name = f"{config.dataset}: augmentation of {len(images)} images of {height}x{width} to {high}x{wide}"
    return Found(name, round(len(images) / seconds), "images/s")
