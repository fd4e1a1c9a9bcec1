"""Embeddings of a frozen encoder: both splits, and the test split under fixed sampled augmentations."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from care_bench.augmentations import Augmentation, ImageAugmentation, Parameters, RotationParameters
from care_bench.augmentations.transfer import to_device
from care_bench.config import EvaluationConfig
from care_bench.data import UNLABELLED, PreparedDataset, Split
from care_bench.metrics.trajectories import CLOUDS, axis_rotations
from care_bench.models import Encoder
from care_bench.runs.randomness import generator

Representation = Literal["projection", "features"]
REPRESENTATIONS: tuple[Representation, ...] = ("projection", "features")
Both = dict[Representation, Tensor]
MOST_CLOUDS = 10_000
"""Point clouds of each split that are measured, evenly spaced: they are held once for every augmentation."""
COMPOSED = 5
"""Sampled augmentations, at most, that a second one is composed with."""


@dataclass(frozen=True)
class Embedded:
    """One representation of a data set. A row of ``augmented[a]`` belongs to the same row of ``test``.

    Attributes:
        dataset: the data set, as much of it as was embedded.
        settings: the evaluation's settings.
        test: (m, d) of the plain test samples; projections have unit length, features their own.
        augmented: (A, m, d) of the test samples, the same augmentation for all of them in each of A copies.
        composed: (C, m, d) of the test samples under a second augmentation after each of the first C of ``augmented``;
            None, as all that follow, where ``test`` and ``augmented`` alone were embedded.
        train: (n, d) of the plain training samples that have a label.
        train_clouds, train_augmented: for point clouds, (A, n, P, 3) rotated training clouds and their (A, n, d);
            None for images.
        test_clouds: for point clouds, the (A, m, P, 3) rotated test clouds; None for images.
        trajectories: for point clouds, (3, 3, 100, d) of three test clouds through a whole turn about each axis; None
            for images.
    """

    dataset: PreparedDataset
    settings: EvaluationConfig
    test: Tensor
    augmented: Tensor
    composed: Tensor | None = None
    train: Tensor | None = None
    train_clouds: Tensor | None = None
    train_augmented: Tensor | None = None
    test_clouds: Tensor | None = None
    trajectories: Tensor | None = None

    def labels(self, split: Split, name: str = "class") -> Tensor:
        """Return labels of a split on the device of the embeddings."""
        return torch.from_numpy(np.array(split.labels[name])).to(self.test.device)

    @cached_property
    def directions(self) -> tuple[Tensor, Tensor]:
        """``test`` and ``augmented`` on the unit sphere, where the paper's metrics are defined."""
        return functional.normalize(self.test, dim=-1), functional.normalize(self.augmented, dim=-1)


def embed_dataset(
    encoder: Encoder,
    augmentation: Augmentation[Any],
    dataset: PreparedDataset,
    settings: EvaluationConfig,
    device: torch.device,
    *,
    test_only: bool = False,
) -> dict[Representation, Embedded]:
    """Embed a data set with a frozen encoder, every input once for both representations.

    The draws depend on the data set, the distributions of ``augmentation`` and ``augmentation_seed``, not on the size
    of its views: runs of a data set whose augmentations have the same distributions are measured under the same draws.

    Args:
        encoder: frozen or not; it is set to evaluation mode.
        augmentation: what is drawn from, with views of the encoder's size.
        dataset: images or point clouds.
        settings: how many augmentations, how many samples, and how many at a time.
        device: where to embed; the embeddings stay there.
        test_only: embed ``test`` and ``augmented`` and nothing else.
    """
    most = settings.samples
    if dataset.kind == "point_cloud":
        most = min(MOST_CLOUDS, most or MOST_CLOUDS)
    dataset = replace(dataset, train=_few(_labelled(dataset.train), most), test=_few(dataset.test, most))
    embedder = _Embedder(encoder.to(device).eval(), augmentation, settings.batch_size, device)
    identity = (dataset.name, settings.augmentation_seed)
    test_draw = augmentation.sample(settings.augmentations, generator(*identity, "test augmentations"))
    tensors = {"test": embedder.plain(dataset.test), "augmented": embedder.augmented(dataset.test, test_draw)}
    clouds = {}
    if not test_only:
        tensors["composed"] = embedder.composed(dataset.test, test_draw[:COMPOSED], generator(*identity, "composed"))
        tensors["train"] = embedder.plain(dataset.train)
    if not test_only and dataset.kind == "point_cloud":
        train_draw = augmentation.sample(settings.augmentations, generator(*identity, "train augmentations"))
        tensors["train_augmented"] = embedder.augmented(dataset.train, train_draw)
        chosen = torch.randperm(len(dataset.test), generator=generator(*identity, "trajectory clouds"))[:CLOUDS]
        tensors["trajectories"] = embedder.trajectories(dataset.test, chosen)
        clouds["train_clouds"] = embedder.inputs(dataset.train, train_draw)
        clouds["test_clouds"] = embedder.inputs(dataset.test, test_draw)
    return {
        representation: Embedded(
            dataset, settings, **{name: both[representation] for name, both in tensors.items()}, **clouds
        )
        for representation in REPRESENTATIONS
    }


@dataclass(frozen=True)
class _Embedder:
    encoder: Encoder
    augmentation: Augmentation[Any]
    batch_size: int
    device: torch.device

    def plain(self, split: Split) -> Both:
        return self._embed(self.augmentation.identity(samples) for samples in self._batches(split))

    def augmented(self, split: Split, parameters: Parameters) -> Both:
        return self._copies(
            split, len(parameters), lambda samples, i: _apply(self.augmentation, samples, parameters[i])
        )

    def composed(self, split: Split, first: Parameters, draws: torch.Generator) -> Both:
        """Embed the samples under a second augmentation after each of the first ones, drawn for the size of a view."""
        before, after = _composable(self.augmentation)
        second = after.sample(len(first), draws)
        return self._copies(
            split, len(first), lambda samples, i: _apply(after, _apply(before, samples, first[i]), second[i])
        )

    def inputs(self, split: Split, parameters: Parameters) -> Tensor:
        samples = torch.from_numpy(np.array(split.inputs)).to(self.device)
        return torch.stack([_apply(self.augmentation, samples, parameters[i]) for i in range(len(parameters))])

    def trajectories(self, split: Split, chosen: Tensor) -> Both:
        """Embed the chosen clouds under every rotation about every axis."""
        clouds = torch.from_numpy(np.array(split.inputs[chosen.numpy()])).to(self.device)
        turns = axis_rotations()
        embedded = self._embed(
            self.augmentation.apply(cloud.expand(len(part), *cloud.shape), RotationParameters(part))
            for cloud in clouds
            for part in torch.split(turns.flatten(0, 1), self.batch_size)
        )
        return {name: embedded[name].view(len(clouds), *turns.shape[:2], -1) for name in REPRESENTATIONS}

    def _batches(self, split: Split) -> Iterable[Tensor]:
        for start in range(0, len(split), self.batch_size):
            yield to_device(torch.from_numpy(np.array(split.inputs[start : start + self.batch_size])), self.device)

    def _copies(self, split: Split, number: int, view: Callable[[Tensor, int], Tensor]) -> Both:
        """Embed one copy after the other into its place, so that all of them are held once."""
        found: Both = {}
        for i in range(number):
            copy = self._embed(view(samples, i) for samples in self._batches(split))
            for name in REPRESENTATIONS:
                if i == 0:
                    found[name] = copy[name].new_empty(number, *copy[name].shape)
                found[name][i] = copy[name]
        return found

    @torch.inference_mode()
    def _embed(self, batches: Iterable[Tensor]) -> Both:
        projections, features = [], []
        for views in batches:
            backbone = self.encoder.features(views)
            features.append(backbone.float())
            projections.append(self.encoder.project(backbone))
        return {"projection": torch.cat(projections), "features": torch.cat(features)}


def _apply(augmentation: Augmentation[Any], samples: Tensor, one: Parameters) -> Tensor:
    return augmentation.apply(samples, one.repeat_interleave(len(samples)))


def _composable(augmentation: Augmentation[Any]) -> tuple[Augmentation[Any], Augmentation[Any]]:
    """Return the augmentation for whatever another follows, and for what the first one gives.

    The views of images are handed on in [0, 1] and have another size than the images; both then normalise once.
    """
    if not isinstance(augmentation, ImageAugmentation):
        return augmentation, augmentation
    channels = len(augmentation.mean)
    before = replace(augmentation, mean=(0.0,) * channels, std=(1.0,) * channels)
    return before, replace(augmentation, input_size=augmentation.size)


def _labelled(split: Split) -> Split:
    """Leave out what was only pretrained on."""
    classes = split.labels.get("class")
    return split if classes is None or (classes != UNLABELLED).all() else _rows(split, classes != UNLABELLED)


def _few(split: Split, most: int | None) -> Split:
    if most is None or most >= len(split):
        return split
    return _rows(split, np.arange(most) * len(split) // most)


def _rows(split: Split, rows: npt.NDArray[Any]) -> Split:
    return Split(split.inputs[rows], {name: labels[rows] for name, labels in split.labels.items()})
