"""Images per second of the augmentation on the device."""

from __future__ import annotations

import time
from collections.abc import Iterator

import torch

from benchmarks.gpu.found import Found
from care_bench.augmentations import ImageAugmentation
from care_bench.runs.device import best_device


def measure(toy: bool) -> Iterator[Found]:
    """Time draws and their application at the paper's sizes."""
    device, wait = best_device(), torch.cuda.synchronize if torch.cuda.is_available() else lambda: None
    for side, batch in ((8, 32),) if toy else ((32, 1024), (96, 512), (224, 256)):
        generator = torch.Generator().manual_seed(0)
        images = torch.randint(0, 256, (batch, 3, side, side), dtype=torch.uint8, generator=generator).to(device)
        augmentation = ImageAugmentation(
            input_size=(side, side),
            size=(side, side),
            mean=(0.5,) * 3,
            std=(0.25,) * 3,
            blur_kernel=3 if side < 96 else 9,
        )
        for calls in (3, 10):  # the first block warms up
            wait()
            began = time.perf_counter()
            for _ in range(calls):
                augmentation.apply(images, augmentation.sample(batch, generator))
            wait()
            seconds = (time.perf_counter() - began) / calls
        yield Found(f"augmentation of {batch} images of {side} pixels", round(batch / seconds), "images/s")
