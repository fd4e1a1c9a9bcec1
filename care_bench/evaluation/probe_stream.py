"""Features of training images that are augmented anew in every epoch, for the linear probes of the released codes."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from care_bench.augmentations import Augmentation
from care_bench.augmentations.transfer import to_device
from care_bench.data import PreparedDataset, Split
from care_bench.models import Encoder
from care_bench.runs.randomness import generator


@dataclass(frozen=True)
class ProbeStream:
    """The backbone's features of a data set with class labels, batch by batch.

    Attributes:
        backbone: a copy of the encoder's.
        dimension: of its features.
        augmentation: of the training images; a draw for every image and epoch.
        dataset: the data set, cut to the samples that are embedded.
        batch: training images of a batch; the last one of an epoch may have fewer.
        learns_statistics: whether BatchNorm normalises a batch of training images by its own statistics, and moves its
            running statistics, which normalise the test images.
        seed: of order and draws.
        device: where the backbone is.
    """

    backbone: nn.Module
    dimension: int
    augmentation: Augmentation[Any]
    dataset: PreparedDataset
    batch: int
    learns_statistics: bool
    seed: int
    device: torch.device

    @classmethod
    def of(
        cls,
        encoder: Encoder,
        augmentation: Augmentation[Any],
        dataset: PreparedDataset,
        batch: int,
        learns_statistics: bool,
        seed: int,
        device: torch.device,
    ) -> ProbeStream:
        """Copy the backbone of an encoder, so that what BatchNorm learns stays here."""
        backbone = copy.deepcopy(encoder.backbone)
        return cls(backbone, encoder.feature_dimension, augmentation, dataset, batch, learns_statistics, seed, device)

    def epoch(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield features (b, d) and labels (b,) of all training images in a random order."""
        self.backbone.train(self.learns_statistics)
        train, draws = self.dataset.train, generator(self.dataset.name, self.seed, "probe", number)
        for rows in torch.split(torch.randperm(len(train), generator=draws), self.batch):
            parameters = self.augmentation.sample(len(rows), draws)
            views = self.augmentation.apply(self._take(train, rows), parameters)
            yield self._features(views), self._labels(train, rows)

    def test(self) -> tuple[Tensor, Tensor]:
        """Return features (m, d) and labels (m,) of the plain test images."""
        self.backbone.eval()
        test = self.dataset.test
        parts = torch.split(torch.arange(len(test)), self.batch)
        features = [self._features(self.augmentation.identity(self._take(test, rows))) for rows in parts]
        return torch.cat(features), self._labels(test, torch.arange(len(test)))

    @torch.no_grad()
    def _features(self, views: Tensor) -> Tensor:
        features: Tensor = self.backbone(views)
        return features.float()

    def _take(self, split: Split, rows: Tensor) -> Tensor:
        return to_device(torch.from_numpy(np.array(split.inputs[rows.numpy()])), self.device)

    def _labels(self, split: Split, rows: Tensor) -> Tensor:
        return to_device(torch.from_numpy(np.array(split.labels["class"])[rows.numpy()]), self.device)
