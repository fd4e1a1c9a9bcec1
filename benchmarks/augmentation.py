"""Throughput of the image augmentation against the usual one: PIL images one by one through torchvision's transforms.

256 images of 3 x 32 x 32 on one thread, alternating. Ours is ``sample`` and ``apply`` on a stored uint8 batch; theirs
starts from PIL images, whose conversion is not timed, and ends with the stacked batch.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor
from torchvision import transforms
from torchvision.transforms.functional import to_pil_image

from benchmarks.timing import Row, speedup
from care_bench.augmentations import ImageAugmentation

BATCH, SIDE = 256, 32
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


def measure() -> list[Row]:
    """Time both pipelines."""
    ours, reference = _pipelines()
    name = f"augmentation of {BATCH} images of 3x{SIDE}x{SIDE}, against PIL and torchvision image by image"
    return [speedup(name, ours, reference, at_least=4, pairs=15, clock=time.process_time)]


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
