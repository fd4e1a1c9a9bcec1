"""Expected cost of a profile: counted passes and floating-point operations, and hours at an assumed speed.

    python -m benchmarks.cost workflows/config/paper.yaml --tflops 60

torch counts the operations of a forward pass from shapes alone; the backward pass takes twice as many. Memory is the
tensors kept for the backward pass, counted the same way, plus weights, gradients and optimizer state. Augmentation,
reading and start-up are not counted; they are small compared with ResNets.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from care_bench.augmentations import ImageAugmentation, RandomRotation3D, draw
from care_bench.config import RunConfig, read_profile
from care_bench.config.run import EncoderConfig, ImageAugmentationConfig
from care_bench.methods import PLAIN, View, build_method
from care_bench.models import Encoder, build_encoder

TRAIN_SAMPLES = {
    "digits": 1_437,
    "tinted_digits": 1_437,
    "proteins": 286,
    "cifar10": 50_000,
    "cifar100": 50_000,
    "stl10": 105_000,
    "imagenet100": 127_000,  # about: 100 classes of 732 to 1,300
    "flowers102": 2_040,
    "fashion_mnist": 60_000,
    "tinted_fashion_mnist": 60_000,
    "pdb": 1_000_000,  # a guess for 130,000 entries
}
"""Training samples of each data set, so that it need not be prepared."""
COPIES = {"adam": 4, "sgd": 3, "lars": 3}
"""Tensors of the size of the weights: the weights, their gradients, the optimizer's state."""


@dataclass(frozen=True)
class Cost:
    """Cost of one run: operations of training, steps, and peak memory in bytes."""

    operations: float
    steps: int
    memory: float


def cost(config: RunConfig) -> Cost:
    """Return the expected cost of one run."""
    size = config.augmentation.size if isinstance(config.augmentation, ImageAugmentationConfig) else None
    channels = 1 if config.dataset in ("digits", "fashion_mnist") else 3
    forward, kept, weights = _encoder_cost(config.encoder.model_dump_json(), channels, size)
    trained, frozen = _passes(config)
    training = config.training
    per_epoch = TRAIN_SAMPLES[config.dataset] // training.batch_size
    steps = min(training.epochs * per_epoch, training.steps or training.epochs * per_epoch)
    operations = forward * (3 * trained + frozen) * training.batch_size * steps
    width = 1 if training.precision == "32-true" else 0.5
    copies = COPIES[training.optimizer.name] + (1 if frozen else 0)
    return Cost(operations, steps, kept * trained * training.batch_size * width + copies * weights)


@cache
def _encoder_cost(encoder: str, channels: int, size: int | None) -> tuple[float, float, float]:
    """Return operations of a forward pass, bytes kept for the backward pass (both per sample), bytes of the weights."""
    model = build_encoder(EncoderConfig.model_validate_json(encoder), channels, 0).to("meta").train()
    batch = 2
    shape = (batch, 64, 3) if size is None else (batch, channels, size, size)
    of_weights = {parameter.untyped_storage()._cdata for parameter in model.parameters()}
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in of_weights:
            kept[storage._cdata] = storage
        return tensor

    with FlopCounterMode(display=False) as counter, torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        model(torch.empty(shape, device="meta"))
    weights = sum(4.0 * parameter.numel() for parameter in model.parameters())
    return counter.get_total_flops() / batch, sum(storage.nbytes() for storage in kept.values()) / batch, weights


@cache
def _passes(config: RunConfig) -> tuple[int, int]:
    """Return the passes of a sample through the backbone per step, with gradients and without."""
    clouds = not isinstance(config.augmentation, ImageAugmentationConfig)
    encoder = Encoder(nn.Sequential(nn.Flatten(), nn.LazyLinear(4)), nn.Linear(4, 4), 4, 4)
    batch = 64
    samples = torch.rand(batch, 8, 3) if clouds else torch.rand(batch, 3, 8, 8)
    encoder.backbone(samples)
    image = ImageAugmentation(input_size=(8, 8), size=(8, 8), mean=(0.5,) * 3, std=(0.25,) * 3)
    augmentation = RandomRotation3D() if clouds else image
    counted = [0.0, 0.0]

    def count(module: nn.Module, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
        counted[0 if torch.is_grad_enabled() else 1] += len(output) / batch

    encoder.backbone.register_forward_hook(count)
    method = build_method(config.method, encoder, augmentation, 0)
    generator = torch.Generator().manual_seed(0)
    views = []
    for draws in method.draws(batch):
        parameters = None if draws == PLAIN else draw(augmentation, batch, draws, generator)
        views.append(View(samples if parameters is None else augmentation.apply(samples, parameters), parameters))
    counted[:] = [0.0, 0.0]
    method(encoder, views)
    return round(counted[0]), round(counted[1])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("profile", type=Path)
    parser.add_argument("--tflops", type=float, default=60.0, help="assumed speed, in 10^12 operations a second")
    arguments = parser.parse_args()
    _print(read_profile(arguments.profile).runs(), arguments.tflops)


def _print(runs: Iterable[RunConfig], tflops: float) -> None:
    columns = ("data set", "variants", "runs", "steps", "hours per run", "hours in total", "peak GB")
    table = Table(*columns, title=f"at {tflops:g} TFLOP/s")
    groups: dict[tuple[str, int, float, float], list[RunConfig]] = {}
    for run in runs:
        found = cost(run)
        hours = found.operations / (tflops * 1e12) / 3600
        groups.setdefault((run.dataset, found.steps, round(hours, 2), round(found.memory / 1e9, 1)), []).append(run)
    for (dataset, steps, hours, memory), members in groups.items():
        variants = ", ".join(dict.fromkeys(run.variant for run in members))
        counts = (str(len(members)), f"{steps:,}", f"{hours:.2f}", f"{hours * len(members):.1f}", f"{memory:.1f}")
        table.add_row(dataset, variants, *counts)
    total = sum(hours * len(members) for (_, _, hours, _), members in groups.items())
    table.add_row("all", "", str(sum(map(len, groups.values()))), "", "", f"{total:.0f}", "")
    Console(width=180).print(table)


if __name__ == "__main__":
    main()
