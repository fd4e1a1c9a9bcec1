"""Embeddings of the reference rows: what the numbers of an encoder are read against.

A reference row keeps the initial weights of its run. `untrained` is measured as it is, and `raw` has the inputs
themselves in place of the encoder's features. The others replace embeddings:
`random`, `constant` and `shuffled` say nothing about the input, or about the augmentation; under `oracle` every
augmentation acts as an exact rotation.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from care_bench.augmentations import Augmentation, ImageAugmentation
from care_bench.data import PreparedDataset
from care_bench.evaluation.embed import Embedder
from care_bench.evaluation.parts import Part
from care_bench.evaluation.probe_stream import ProbeStream
from care_bench.models import Encoder, FeatureExtractor
from care_bench.names import Reference
from care_bench.runs.randomness import generator

INPUTS = ("train_clouds", "test_clouds", "train_parameters", "test_parameters", "trajectory_rows", "single_rows")
"""Parts that hold inputs, draws and places, which stay as they are."""
PAIRS = ("train_pairs", "test_pairs")
"""Parts whose rows hold a plain embedding and, beside it, that of a view."""
PLAIN_FIRST = ("single", "velocities")
"""Parts whose first copy is that of the plain samples."""
SIDE = 16
"""Most pixels of a raw image's side: 768 numbers in colour, about as many as an encoder's features."""
PLAIN = {"augmented": "test", "train_augmented": "train"}
"""Augmented part -> the plain part of the same samples."""


class RawEmbedder(Embedder):
    """The views themselves, flattened, in place of an encoder's features; of unit length as its projection."""

    def __init__(
        self, encoder: FeatureExtractor, augmentation: Augmentation[Any], dataset: PreparedDataset, *others: Any
    ) -> None:
        super().__init__(_raw(augmentation, dataset), augmentation, dataset, *others)


class _ReplacedEmbedder(Embedder, ABC):
    """Replaces every embedding of a part by another one of its shape."""

    def make(self, name: str) -> Part:
        """Embed a part, and replace its embeddings."""
        own = super().make(name)
        return own if name in INPUTS else {key: self.replaced(name, key, rows) for key, rows in own.items()}

    @abstractmethod
    def replaced(self, name: str, representation: str, rows: Tensor) -> Tensor:
        """Return (..., d) embeddings in place of the rows of a part."""

    def draws(self, *purpose: str) -> torch.Generator:
        """Return a generator on the CPU for one purpose, which depends on the run only if the purpose names it."""
        return generator(self.dataset.name, self.settings.augmentation_seed, "reference", *purpose)

    def _probe_stream(self, protocol: str) -> ProbeStream:
        raise ValueError(f"{protocol} trains on the features of augmented images, and this reference row replaces them")


class RandomEmbedder(_ReplacedEmbedder):
    """Directions drawn uniformly and independently of the input, anew for every view and every run."""

    def replaced(self, name: str, representation: str, rows: Tensor) -> Tensor:
        """Return random unit vectors.

        Raises:
            ValueError: they are to be differentiated.
        """
        if name == "velocities":
            raise ValueError("random embeddings have no derivative")
        drawn = torch.randn(rows.shape, generator=self.draws("random", self.where, name, representation))
        return functional.normalize(drawn, dim=-1).to(rows.device)


class ConstantEmbedder(_ReplacedEmbedder):
    """The first unit vector for every input."""

    def replaced(self, name: str, representation: str, rows: Tensor) -> Tensor:
        """Return the same unit vector in every row; it does not move."""
        one = torch.zeros_like(rows)
        one[(0,) if name == "velocities" else ...][..., 0] = 1
        if name in PAIRS:
            one[:, rows.shape[1] // 2] = 1
        return one


class ShuffledEmbedder(_ReplacedEmbedder):
    """Own plain embeddings; the view of every sample is that of another sample, a new one for every augmentation."""

    def replaced(self, name: str, representation: str, rows: Tensor) -> Tensor:
        """Return the views in another order."""
        draws = self.draws("shuffled", name)
        if name in PAIRS:
            plain, moved = rows.chunk(2, dim=1)
            return torch.cat([plain, _shuffled(moved, draws)], dim=1)
        if name in PLAIN_FIRST:
            return torch.stack([rows[0], *(_shuffled(copy, draws) for copy in rows[1:])])
        if rows.ndim == 2:
            return rows
        return torch.stack([_shuffled(copy, draws) for copy in rows.flatten(0, -3)]).view_as(rows)


class OracleEmbedder(_ReplacedEmbedder):
    """Own plain embeddings; every augmentation rotates all of them by one random rotation of its own."""

    def replaced(self, name: str, representation: str, rows: Tensor) -> Tensor:
        """Return the plain embeddings, rotated.

        Raises:
            ValueError: every sample has a draw of its own.
        """
        if name in PAIRS:
            raise ValueError("the rotations of this reference row are drawn at random, whatever the parameters")
        if rows.ndim == 2:
            return rows
        draws = self.draws("oracle", name, representation)
        if name == "velocities":
            return torch.stack([rows[0], *(rows[0] @ _generator(rows[0], draws).mT for _ in rows[1:])])
        if name == "single":
            return torch.stack([rows[0], *(rows[0] @ _rotation(rows[0], draws).mT for _ in rows[1:])])
        if name == "trajectories":
            return _turned(rows[:, :, 0], rows.shape[2], draws)
        before = self.part(PLAIN.get(name, "augmented"))[representation]
        before = before.expand(len(rows), *before.shape) if name in PLAIN else before[: len(rows)]
        return torch.stack([copy @ _rotation(copy, draws).mT for copy in before])


EMBEDDERS: dict[Reference | None, type[Embedder]] = {
    "raw": RawEmbedder,
    "random": RandomEmbedder,
    "constant": ConstantEmbedder,
    "shuffled": ShuffledEmbedder,
    "oracle": OracleEmbedder,
}
"""Reference row -> what embeds for it, where it is not the encoder itself."""


def _raw(augmentation: Augmentation[Any], dataset: PreparedDataset) -> Encoder:
    """Return the views of a data set as an encoder of their own."""
    shape = dataset.test.inputs.shape[1:]
    if not isinstance(augmentation, ImageAugmentation):
        return Encoder(nn.Flatten(), nn.Identity(), math.prod(shape), math.prod(shape))
    height, width = (min(side, SIDE) for side in augmentation.size)
    pixels = nn.Sequential(nn.AdaptiveAvgPool2d((height, width)), nn.Flatten())
    return Encoder(pixels, nn.Identity(), shape[0] * height * width, shape[0] * height * width)


def _elsewhere(number: int, draws: torch.Generator) -> Tensor:
    """Return a random order (number,) in which no sample keeps its place."""
    order = torch.randperm(number, generator=draws)
    partner = torch.empty_like(order)
    partner[order] = order.roll(1)
    return partner


def _shuffled(rows: Tensor, draws: torch.Generator) -> Tensor:
    return rows[_elsewhere(len(rows), draws).to(rows.device)]


def _rotation(rows: Tensor, draws: torch.Generator) -> Tensor:
    """Return a rotation (d, d) for embeddings (..., d), uniform in SO(d)."""
    d = rows.shape[-1]
    q, r = torch.linalg.qr(torch.randn(d, d, generator=draws, dtype=torch.float64))
    rotation: Tensor = q * r.diagonal().sign()
    rotation[:, 0] *= torch.linalg.det(rotation).sign()
    return rotation.to(rows)


def _generator(rows: Tensor, draws: torch.Generator) -> Tensor:
    """Return a skew-symmetric matrix (d, d) for embeddings (..., d), the generator of a one-parameter group."""
    d = rows.shape[-1]
    drawn = torch.randn(d, d, generator=draws) / d**0.5
    skew: Tensor = (drawn - drawn.mT).to(rows)
    return skew


def _turned(start: Tensor, turns: int, draws: torch.Generator) -> Tensor:
    """Turn embeddings (..., d) once around in equal steps, in random planes: (..., turns, d)."""
    d = start.shape[-1]
    basis = _rotation(start, draws)
    first, second = basis[:, : d // 2], basis[:, d // 2 : d // 2 * 2]
    a, b = start @ first, start @ second
    angle = (torch.arange(turns) * (2 * torch.pi / turns)).to(start)[:, None]
    a, b = a[..., None, :], b[..., None, :]
    moved: Tensor = (angle.cos() * a - angle.sin() * b) @ first.mT + (angle.sin() * a + angle.cos() * b) @ second.mT
    still: Tensor = start - (start @ first) @ first.mT - (start @ second) @ second.mT
    return moved + still[..., None, :]
