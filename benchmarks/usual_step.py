"""A step of pretraining against the usual ways to write it: PIL images one by one, and the parts of lightly.

Each way starts from a batch in its own form (uint8 arrays or PIL images) and ends with the optimizer's step: augment,
encode in float32, loss, gradients, update. All train the same ResNet-18 on images of 3 x 32 x 32, in one process, on
one thread and in processor time: workers that load images beside it would gain nothing here. Sharing an augmentation
within a chunk is written as most would: the seed is set again before each of its images.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from lightly.loss import NTXentLoss
from lightly.transforms import SimCLRTransform
from torch import Tensor
from torch.nn import functional
from torchvision import transforms
from torchvision.transforms.functional import to_pil_image

from benchmarks.runs import METHODS, described
from benchmarks.timing import Row, speedup
from benchmarks.training_step import SIDE, clock, on_images
from care_bench.models import Encoder
from care_bench.training.pretrain import train_step
from care_bench.training.session import Session

BATCH, PAIRS = 64, 5
MEAN, STD = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
TEMPERATURE = 0.5
Transform = Callable[[Any], Any]


def measure(backbone: str = "resnet18", batch_size: int = BATCH, pairs: int = PAIRS) -> list[Row]:
    """Time SimCLR against both, and CARE against the plain way.

    Args:
        backbone: a ResNet or `convnet`.
        batch_size: images of a batch.
        pairs: pairs of timings.
    """
    rows = []
    for method, ways in {"simclr": (_plain_simclr, _lightly_simclr), "care": (_plain_care,)}.items():
        with on_images(method, backbone, batch_size) as session:
            rows += [_row(pairs, session, way) for way in ways]
    return rows


def _row(pairs: int, session: Session, way: Callable[..., Tensor]) -> Row:
    """Compare with the same encoder, copied, and an optimizer of the same kind and settings."""
    encoder = copy.deepcopy(session.module.encoder)
    optimizer = _same(session, encoder)
    batch = session.batches.inputs[: session.config.training.batch_size]
    images = [to_pil_image(image) for image in torch.as_tensor(batch)]

    def usual() -> None:
        loss = way(encoder, images)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    what = (way.__doc__ or "").partition(":")[0].replace("The ", "the ", 1)
    name = f"training step of {described(session.config)}, against {what}"
    return speedup(name, lambda: train_step(session), usual, at_least=1.0, pairs=pairs, clock=clock())


def _same(session: Session, encoder: Encoder) -> torch.optim.Optimizer:
    settings = session.config.training.optimizer
    return torch.optim.Adam(encoder.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)


def _plain_simclr(encoder: Encoder, images: Sequence[Any]) -> Tensor:
    """PIL images one by one: two views, InfoNCE over the matrix of all pairs."""
    transform = _transform()
    return _info_nce(*(_embedded(encoder, [transform(image) for image in images]) for _ in range(2)))


def _plain_care(encoder: Encoder, images: Sequence[Any]) -> Tensor:
    """PIL images one by one and chunks in a loop: two more views, whose chunks share an augmentation."""
    transform, splits, weight = _transform(), METHODS["care"]["splits"], METHODS["care"]["weight"]
    views = (_embedded(encoder, _shared(transform, images, len(images) // splits)) for _ in range(2))
    return _plain_simclr(encoder, images) + weight * _equivariance(*views, splits)


def _lightly_simclr(encoder: Encoder, images: Sequence[Any]) -> Tensor:
    """The parts of lightly: its transform and its loss."""
    normalize = {"mean": list(MEAN), "std": list(STD)}
    transform = SimCLRTransform(input_size=SIDE, cj_strength=0.5, min_scale=0.08, normalize=normalize)
    pairs = [transform(image) for image in images]
    first, second = (_embedded(encoder, [pair[view] for pair in pairs]) for view in range(2))
    loss: Tensor = NTXentLoss(temperature=TEMPERATURE)(first, second)
    return loss


def _transform() -> Transform:
    steps = [
        transforms.RandomResizedCrop(SIDE),
        transforms.RandomHorizontalFlip(),
        transforms.RandomApply([transforms.ColorJitter(0.4, 0.4, 0.4, 0.1)], 0.8),
        transforms.RandomGrayscale(0.2),
        transforms.RandomApply([transforms.GaussianBlur(3, (0.1, 2.0))], 0.5),
        transforms.ToTensor(),
        transforms.Normalize(MEAN, STD),
    ]
    return transforms.Compose(steps)


def _embedded(encoder: Encoder, views: Sequence[Tensor]) -> Tensor:
    return encoder.embed(torch.stack(list(views)).to(next(encoder.parameters()).device))


def _shared(transform: Transform, images: Sequence[Any], size: int) -> list[Tensor]:
    views = []
    for start in range(0, len(images), size):
        seed = int(torch.randint(2**31, ()))
        for image in images[start : start + size]:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                views.append(transform(image))
    return views


def _info_nce(first: Tensor, second: Tensor) -> Tensor:
    views = torch.cat([first, second])
    n = len(first)
    logits = (views @ views.T / TEMPERATURE).fill_diagonal_(-torch.inf)
    return functional.cross_entropy(logits, torch.arange(2 * n, device=views.device).roll(n))


def _equivariance(first: Tensor, second: Tensor, splits: int) -> Tensor:
    size = len(first) // splits
    terms = []
    for one, two in zip(first.split(size), second.split(size), strict=True):
        terms.append((one @ one.T - two @ two.T).square().sum() / (size * (size - 1)))
    return torch.stack(terms).mean()
