"""Embeddings of a frozen encoder: both splits, and the test split under fixed sampled augmentations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from care_bench.augmentations import Augmentation, Parameters
from care_bench.config import EvaluationConfig
from care_bench.data import PreparedDataset, Split
from care_bench.models import Encoder
from care_bench.training.randomness import generator

Representation = Literal["projection", "features"]
REPRESENTATIONS: tuple[Representation, ...] = ("projection", "features")


@dataclass(frozen=True)
class Embedded:
    """One representation of a data set. A row of ``augmented[a]`` belongs to the same row of ``test``.

    Attributes:
        dataset: the data set.
        settings: the evaluation's settings.
        train: (n, d) of the plain training samples; projections have unit length, features their own.
        test: (m, d) of the plain test samples.
        augmented: (A, m, d) of the test samples, the same augmentation for all of them in each of A copies.
        train_clouds, train_augmented: for point clouds, (A, n, P, 3) rotated training clouds and their (A, n, d);
            None for images.
        test_clouds: for point clouds, the (A, m, P, 3) rotated test clouds; None for images.
    """

    dataset: PreparedDataset
    settings: EvaluationConfig
    train: Tensor
    test: Tensor
    augmented: Tensor
    train_clouds: Tensor | None
    train_augmented: Tensor | None
    test_clouds: Tensor | None

    def labels(self, split: Split) -> Tensor:
        """Return the class labels of a split on the device of the embeddings."""
        return torch.from_numpy(np.array(split.labels["class"])).to(self.test.device)

    @property
    def directions(self) -> tuple[Tensor, Tensor]:
        """``test`` and ``augmented`` on the unit sphere, where the paper's metrics are defined."""
        return functional.normalize(self.test, dim=-1), functional.normalize(self.augmented, dim=-1)


def embed_dataset(
    encoder: Encoder,
    augmentation: Augmentation[Any],
    dataset: PreparedDataset,
    settings: EvaluationConfig,
    device: torch.device,
) -> dict[Representation, Embedded]:
    """Embed a data set with a frozen encoder, every input once for both representations.

    The augmentations depend on data set and ``augmentation_seed`` alone, so every run is measured under the same ones.
    """
    embedder = _Embedder(encoder.to(device).eval(), augmentation, settings.batch_size, device)
    identity = (dataset.name, settings.augmentation_seed)
    test_draw = augmentation.sample(settings.augmentations, generator(*identity, "test augmentations"))
    train, test = embedder.plain(dataset.train), embedder.plain(dataset.test)
    augmented = embedder.augmented(dataset.test, test_draw)
    train_clouds = train_augmented = test_clouds = None
    if dataset.kind == "point_cloud":
        train_draw = augmentation.sample(settings.augmentations, generator(*identity, "train augmentations"))
        train_augmented = embedder.augmented(dataset.train, train_draw)
        train_clouds, test_clouds = embedder.inputs(dataset.train, train_draw), embedder.inputs(dataset.test, test_draw)
    return {
        representation: Embedded(
            dataset=dataset,
            settings=settings,
            train=train[representation],
            test=test[representation],
            augmented=augmented[representation],
            train_clouds=train_clouds,
            train_augmented=train_augmented[representation] if train_augmented else None,
            test_clouds=test_clouds,
        )
        for representation in REPRESENTATIONS
    }


@dataclass(frozen=True)
class _Embedder:
    encoder: Encoder
    augmentation: Augmentation[Any]
    batch_size: int
    device: torch.device

    def plain(self, split: Split) -> dict[Representation, Tensor]:
        return self._embed(split, None)

    def augmented(self, split: Split, parameters: Parameters) -> dict[Representation, Tensor]:
        copies = [self._embed(split, parameters[i]) for i in range(len(parameters))]
        return {name: torch.stack([copy[name] for copy in copies]) for name in REPRESENTATIONS}

    def inputs(self, split: Split, parameters: Parameters) -> Tensor:
        samples = torch.from_numpy(np.array(split.inputs)).to(self.device)
        return torch.stack([self._apply(samples, parameters[i]) for i in range(len(parameters))])

    def _apply(self, samples: Tensor, one: Parameters) -> Tensor:
        return self.augmentation.apply(samples, one.repeat_interleave(len(samples)))

    @torch.inference_mode()
    def _embed(self, split: Split, one: Parameters | None) -> dict[Representation, Tensor]:
        projections, features = [], []
        for start in range(0, len(split), self.batch_size):
            samples = torch.from_numpy(np.array(split.inputs[start : start + self.batch_size])).to(self.device)
            views = self.augmentation.identity(samples) if one is None else self._apply(samples, one)
            backbone = self.encoder.features(views)
            features.append(backbone.float())
            projections.append(self.encoder.project(backbone))
        return {"projection": torch.cat(projections), "features": torch.cat(features)}
