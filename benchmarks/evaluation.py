"""Processor seconds of every protocol at CIFAR's size: 10,000 test images, 50,000 training images, 20 draws.

    python -m benchmarks.evaluation
    python -m benchmarks.evaluation --test 2000 --train 10000 --dimension 512 wahba-v1 knn-v1

One thread. The features are made up, since embedding them is another matter: ten classes, a latent space in which an
augmentation acts by a rotation and noise, a random layer with ReLU, and a little noise in every direction.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from benchmarks.timing import Row, one_thread, within
from care_bench.augmentations import ImageAugmentation
from care_bench.augmentations.single import acting
from care_bench.augmentations.strengths import STRENGTHS
from care_bench.config import EvaluationConfig
from care_bench.data import PreparedDataset, Split
from care_bench.data.subsets import evenly_spaced_rows
from care_bench.evaluation.derivatives import smooth
from care_bench.evaluation.embedded import Embedded
from care_bench.evaluation.measurement import MOST_SAMPLES, MOST_SINGLE, MOST_VELOCITIES, composed_draws
from care_bench.evaluation.protocols import OURS
from care_bench.evaluation.records import measure as measured
from care_bench.runs.randomness import generator

AT_MOST = 300.0
"""Processor seconds of all protocols."""
CLASSES = 10
LATENT = 256
NOISE = 0.05
UNMEASURED = ("gradient-ratio-v1",)
"""Protocols of what a training leaves behind, not of embeddings."""


@dataclass(frozen=True)
class Size:
    """How large the data set and its embeddings are."""

    test: int = 10_000
    train: int = 50_000
    dimension: int = 2048
    draws: int = 20


class MadeUp:
    """The parts of a data set, as :class:`Embedded` asks for them; each is made on first use and kept."""

    def __init__(self, size: Size) -> None:
        self.size = size
        draws = self._draws("layer")
        self.layer = torch.randn(LATENT, size.dimension, generator=draws) / LATENT**0.5
        self.centres = 0.6 * torch.randn(CLASSES, LATENT, generator=draws)
        self.spread = torch.arange(1, LATENT + 1) ** -0.5
        self.augmentation = ImageAugmentation(input_size=(32, 32), size=(32, 32), mean=(0.5,) * 3, std=(0.25,) * 3)
        self.known: dict[str, Tensor] = {}

    @cached_property
    def dataset(self) -> PreparedDataset:
        """Images of noise with a class each."""
        noise = np.random.default_rng(0)
        train, test = (
            Split(noise.integers(0, 256, (n, 3, 32, 32), dtype=np.uint8), {"class": np.arange(n) % CLASSES})
            for n in (self.size.train, self.size.test)
        )
        return PreparedDataset("made_up", "image", {}, train, test, "0" * 64, [], [])

    def embedded(self) -> Embedded:
        """Return what protocols see."""
        settings = EvaluationConfig(augmentations=self.size.draws)
        names = {"acting": acting(self.augmentation), "smooth": smooth(self.augmentation)}
        return Embedded(self.dataset, settings, self.part, **names)

    def part(self, name: str) -> Tensor:
        """Return a part of the data set."""
        if name not in self.known:
            self.known[name] = self._make(name)
        return self.known[name]

    def _make(self, name: str) -> Tensor:
        size = self.size
        composed = composed_draws(size.test, size.draws)
        few, fewer = (evenly_spaced_rows(size.test, most) for most in (MOST_SINGLE, MOST_VELOCITIES))
        if name in ("train", "test"):
            return self._features(self._latents(name), name)
        if name in ("augmented", "composed"):
            return self._views(self._latents("test"), name, size.draws if name == "augmented" else composed)
        if name == "single":
            copies = sum(len(STRENGTHS[one]) for one in acting(self.augmentation))
            return torch.cat([self.part("test")[None, few], self._views(self._latents("test")[few], name, copies)])
        if name == "single_rows":
            return torch.from_numpy(few)
        if name == "velocities":
            moves = self._views(self._latents("test")[fewer], name, len(smooth(self.augmentation)))
            plain = self.part("test")[None, fewer]
            return torch.cat([plain, moves - plain])
        split, _, kind = name.partition("_")
        rows = evenly_spaced_rows(len(self._latents(split)), MOST_SAMPLES)
        if kind == "parameters":
            return self.augmentation.sample(len(rows), self._draws(name)).to_vector()
        own = self._latents(split)[rows]
        moved = self._features(own + 0.5 * torch.randn(own.shape, generator=self._draws(name)) * self.spread, name)
        return torch.cat([self.part(split)[rows], moved], dim=1)

    def _latents(self, split: str) -> Tensor:
        classes = torch.arange(self.size.train if split == "train" else self.size.test) % CLASSES
        draws = self._draws(f"{split} latents")
        return (self.centres[classes] + torch.randn(len(classes), LATENT, generator=draws)) * self.spread

    def _views(self, latents: Tensor, name: str, number: int) -> Tensor:
        draws = self._draws(name)
        copies = []
        for i in range(number):
            skew = 0.02 * torch.randn(LATENT, LATENT, generator=draws)
            moved = latents @ torch.linalg.matrix_exp(skew - skew.mT)
            moved += 0.2 * torch.randn(latents.shape, generator=draws) * self.spread
            copies.append(self._features(moved, f"{name} {i}"))
        return torch.stack(copies)

    def _features(self, latents: Tensor, name: str) -> Tensor:
        noise = torch.randn(len(latents), self.size.dimension, generator=self._draws(f"{name} noise"))
        return (latents @ self.layer).relu_().add_(noise, alpha=NOISE)

    def _draws(self, purpose: str) -> torch.Generator:
        return generator("benchmark", purpose)


def seconds(size: Size, chosen: tuple[str, ...] = ()) -> dict[str, float]:
    """Return protocol -> processor seconds, and print them with the values; what is shared counts where it is first."""
    made_up = MadeUp(size)
    embedded = made_up.embedded()
    found = {}
    for protocol in OURS:
        if protocol.id in UNMEASURED or protocol.skip(embedded.dataset) or (chosen and protocol.id not in chosen):
            continue
        for part in ("test", "augmented", "composed", "train", "train_pairs", "test_pairs", "single", "velocities"):
            made_up.part(part)
        began = time.process_time()
        values = measured(protocol, embedded)
        found[protocol.id] = time.process_time() - began
        shown = ", ".join(one.reason or "" if one.value is None else f"{one.value:.9g}" for one in values)
        print(f"  {protocol.id}: {found[protocol.id]:.1f} s ({shown})", file=sys.stderr, flush=True)
    return found


def measure(size: Size = Size(), chosen: tuple[str, ...] = ()) -> list[Row]:
    """Measure the protocols one after the other; a row for each, and one for all."""
    with one_thread():
        found = seconds(size, chosen)
    name = f"evaluation, {size.test} test and {size.train} training samples x {size.dimension}, {size.draws} draws"
    found["all protocols"] = sum(found.values())
    return [within(f"{name}: {one}", value, AT_MOST, "s") for one, value in found.items()]


def _arguments() -> tuple[Size, tuple[str, ...]]:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("protocols", nargs="*", help="only these; by default all")
    for name, number in vars(Size()).items():
        parser.add_argument(f"--{name}", type=int, default=number)
    given = vars(parser.parse_args())
    return Size(**{name: given[name] for name in vars(Size())}), tuple(given["protocols"])


if __name__ == "__main__":
    for row in measure(*_arguments()):
        print(f"{row.name}: {row.ours:.0f} s, {row.target}: {'met' if row.met else 'NOT met'}")
