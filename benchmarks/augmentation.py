"""Throughput of the image augmentation against the usual ones: PIL and torchvision's v2 image by image, and kornia.

Images of 3 x 32 x 32, 96 x 96 and 224 x 224 with the blur of the presets for that size, on one thread, alternating,
in processor time. Ours is ``sample`` and ``apply`` on a stored uint8 batch. Theirs start from PIL images, uint8
tensors or, for kornia, a float batch, whose conversion is not timed, and end with the stacked batch. The last row
says what an image costs in a large batch.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import kornia.augmentation as of_kornia
import torch
from torch import Tensor
from torch.nn import functional
from torchvision import transforms
from torchvision.transforms import v2
from torchvision.transforms.functional import to_pil_image

from benchmarks.timing import Row, overhead, speedup
from care_bench.augmentations import ImageAugmentation

SIZES = {32: (256, 3, 7), 96: (64, 3, 7), 224: (16, 23, 5)}
"""Side -> images, taps of the blur, and pairs of timings."""
FASTER = 4.0
"""How many times as fast as PIL."""
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
SMALL, LARGE = 512, 4096
"""Images of the batches that are compared with each other."""


def measure() -> list[Row]:
    """Time all pipelines."""
    rows = []
    for side, (batch, kernel, pairs) in SIZES.items():
        images = _images(batch, side)
        of_pil = _usual(transforms, side, kernel, [transforms.ToTensor()])
        of_tensors = _usual(v2, side, kernel, [v2.ToDtype(torch.float32, scale=True)])
        name = f"augmentation of {batch} images of 3x{side}x{side}, against"
        ours = _ours(images, kernel)
        of = {
            "PIL and torchvision image by image": (_each(of_pil, list(map(to_pil_image, images))), FASTER),
            "torchvision's v2 on tensors one by one": (_each(of_tensors, list(images)), 1.0),
            "kornia on the batch": (_kornia(images, kernel), 1.0),
        }
        for what, (reference, at_least) in of.items():
            rows.append(
                speedup(f"{name} {what}", ours, reference, at_least=at_least, pairs=pairs, clock=time.process_time)
            )
    return [*rows, _large_batch()]


def _large_batch() -> Row:
    images = _images(LARGE, 32)
    parts = [_ours(part, 3) for part in images.split(SMALL)]
    name = f"augmentation of a batch of {LARGE} images of 3x32x32, against batches of {SMALL}"
    return overhead(
        name, _ours(images, 3), lambda: [work() for work in parts], at_most=1.25, pairs=5, clock=time.process_time
    )


def _images(batch: int, side: int) -> Tensor:
    """Smooth images, as photographs are."""
    draws = torch.Generator().manual_seed(0)
    rough = torch.rand(batch, 3, side // 4, side // 4, generator=draws)
    return (functional.interpolate(rough, (side, side), mode="bilinear") * 255).byte()


def _ours(images: Tensor, kernel: int) -> Callable[[], Tensor]:
    side, generator = images.shape[2], torch.Generator().manual_seed(0)
    augmentation = ImageAugmentation(input_size=(side, side), size=(side, side), mean=MEAN, std=STD, blur_kernel=kernel)
    return lambda: augmentation.apply(images, augmentation.sample(len(images), generator))


def _usual(library: Any, side: int, kernel: int, to_float: list[Any]) -> Any:
    steps = [
        library.RandomResizedCrop(side),
        library.RandomHorizontalFlip(),
        library.RandomApply([library.ColorJitter(0.4, 0.4, 0.4, 0.1)], 0.8),
        library.RandomGrayscale(0.2),
        library.RandomApply([library.GaussianBlur(kernel, (0.1, 2.0))], 0.5),
    ]
    return library.Compose([*steps, *to_float, library.Normalize(MEAN, STD)])


def _kornia(images: Tensor, kernel: int) -> Callable[[], Tensor]:
    side, batch = images.shape[2], images.float() / 255
    steps = [
        of_kornia.RandomResizedCrop((side, side)),
        of_kornia.RandomHorizontalFlip(),
        of_kornia.ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8),
        of_kornia.RandomGrayscale(p=0.2),
        of_kornia.RandomGaussianBlur((kernel, kernel), (0.1, 2.0), p=0.5),
        of_kornia.Normalize(torch.tensor(MEAN), torch.tensor(STD)),
    ]
    pipeline = torch.nn.Sequential(*steps)
    return lambda: pipeline(batch)


def _each(transform: Any, images: list[Any]) -> Callable[[], Tensor]:
    return lambda: torch.stack([transform(image) for image in images])
