"""Throughput of the image augmentation against the usual one: PIL images one by one through torchvision's transforms.

Run ``python benchmarks/augmentation.py``: 256 images of 3 x 32 x 32, one thread, batches of both in turn, medians. Ours
is ``sample`` and ``apply`` on the uint8 batch as it comes from the store; theirs starts from PIL images that are made
beforehand and ends with the stacked batch.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import NamedTuple

import torch
from torch import Tensor
from torchvision import transforms
from torchvision.transforms.functional import to_pil_image

from care_bench.augmentations import ImageAugmentation

BATCH, SIDE = 256, 32
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


class Row(NamedTuple):
    """One comparison: medians in seconds, the median over pairs of reference / ours, and the ratio to reach."""

    name: str
    ours_seconds: float
    reference_seconds: float
    ratio: float
    target: float


def measure(pairs: int = 15) -> list[Row]:
    """Time both pipelines in interleaved pairs on one thread, after one pair that does not count."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        ours, reference = _pipelines()
        times = [(_seconds(ours), _seconds(reference)) for _ in range(pairs + 1)][1:]
    finally:
        torch.set_num_threads(threads)
    return [
        Row(
            name=f"augment {BATCH} images of 3x{SIDE}x{SIDE}",
            ours_seconds=median(mine for mine, _ in times),
            reference_seconds=median(theirs for _, theirs in times),
            ratio=median(theirs / mine for mine, theirs in times),
            target=4.0,
        )
    ]


def _pipelines() -> tuple[Callable[[], Tensor], Callable[[], Tensor]]:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (BATCH, 3, SIDE, SIDE), dtype=torch.uint8, generator=generator)
    augmentation = ImageAugmentation(input_size=(SIDE, SIDE), size=(SIDE, SIDE), mean=MEAN, std=STD)

    pictures = [to_pil_image(image) for image in images]
    usual = transforms.Compose(
        [
            transforms.RandomResizedCrop(SIDE),
            transforms.RandomHorizontalFlip(),
            transforms.RandomApply([transforms.ColorJitter(0.4, 0.4, 0.4, 0.1)], 0.8),
            transforms.RandomGrayscale(0.2),
            transforms.RandomApply([transforms.GaussianBlur(3, (0.1, 2.0))], 0.5),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    )

    def ours() -> Tensor:
        return augmentation.apply(images, augmentation.sample(BATCH, generator))

    def reference() -> Tensor:
        return torch.stack([usual(picture) for picture in pictures])

    return ours, reference


def _seconds(function: Callable[[], Tensor]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


if __name__ == "__main__":
    print(f"{'what':<32} {'ours':>10} {'reference':>10} {'ratio':>7} {'target':>7}")
    for row in measure():
        times = f"{row.ours_seconds * 1e3:7.2f} ms {row.reference_seconds * 1e3:7.2f} ms"
        print(f"{row.name:<32} {times} {row.ratio:6.1f}x {row.target:6.1f}x")
