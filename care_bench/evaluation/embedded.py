"""The embeddings of a data set, as protocols see them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from care_bench.augmentations.strengths import STRENGTHS
from care_bench.augmentations.transfer import to_device
from care_bench.config import EvaluationConfig
from care_bench.data import PreparedDataset, Split
from care_bench.data.subsets import entries, evenly_spaced_rows
from care_bench.evaluation.measurement import FEW_DRAWS, MOST_SAMPLES, composed_draws
from care_bench.evaluation.probe_stream import ProbeStream
from care_bench.evaluation.training_log import NO_LOG, TrainingLog
from care_bench.metrics.checks import directions
from care_bench.metrics.held_out import HeldOut, held_out_errors, orthogonal_maps
from care_bench.metrics.wahba import Wahba, WahbaErrors, wahba_by_group, wahba_errors
from care_bench.names import Group
from care_bench.runs.randomness import generator

Model = TypeVar("Model")


def _no_stream(protocol: str) -> ProbeStream:
    raise ValueError(f"these embeddings come without images, which {protocol} needs")


@dataclass(frozen=True)
class Embedded:
    """One representation of a data set.

    Attributes:
        dataset: the data set, cut to the samples that are embedded.
        settings: the evaluation's settings.
        log: what the log of the run's training says.
        probe_stream: returns the augmented training images of a protocol.
        acting: the single augmentations behind ``single``.
        smooth: the transformations behind ``velocities``.
        part: returns the tensor of a property below by its name; embeds it on first use. Row i of every part of a
            split is sample i of that split.
        fits: what :meth:`fitted` has returned.
    """

    dataset: PreparedDataset
    settings: EvaluationConfig
    part: Callable[[str], Tensor]
    log: TrainingLog = NO_LOG
    probe_stream: Callable[[str], ProbeStream] = _no_stream
    acting: tuple[str, ...] = ()
    smooth: tuple[str, ...] = ()
    fits: dict[str, Any] = field(default_factory=dict)

    def fitted(self, name: str, fit: Callable[[], Model]) -> Model:
        """Return a model of the training split, fitted on first use: the same for every part of the test split."""
        if name not in self.fits:
            self.fits[name] = fit()
        found: Model = self.fits[name]
        return found

    @property
    def test(self) -> Tensor:
        """(m, d) of the plain test samples; projections have unit length, features their own."""
        return self.part("test")

    @property
    def augmented(self) -> Tensor:
        """(A, m, d) of the test samples, each of the A copies under one augmentation that all samples share."""
        return self.part("augmented")

    @property
    def composed(self) -> Tensor:
        """(C, m, d) of the test samples under a second augmentation after each of the first C of ``augmented``.

        C is that of :func:`composed_draws`.
        """
        return self.part("composed")

    @property
    def train(self) -> Tensor:
        """(n, d) of the plain training samples that have a label."""
        return self.part("train")

    @property
    def train_augmented(self) -> Tensor:
        """(A, n, d) of the training samples under augmentations of their own."""
        return self.part("train_augmented")

    @property
    def train_pairs(self) -> Tensor:
        """(k, 2 d) of at most ``MOST_SAMPLES`` training samples: plain, and under a draw of their own beside it."""
        return self.part("train_pairs")

    @property
    def test_pairs(self) -> Tensor:
        """(k, 2 d) of test samples, as ``train_pairs``."""
        return self.part("test_pairs")

    @property
    def train_parameters(self) -> Tensor:
        """(k, p) of the draws behind ``train_pairs``, on the CPU: the parameters' ``to_vector``."""
        return self.part("train_parameters")

    @property
    def test_parameters(self) -> Tensor:
        """(k, p) of the draws behind ``test_pairs``, on the CPU."""
        return self.part("test_parameters")

    @property
    def single(self) -> Tensor:
        """(1 + S, k, d) of a few test samples: plain, then under one augmentation alone at each of its strengths."""
        return self.part("single")

    @property
    def single_rows(self) -> Tensor:
        """(k,) places of the samples of ``single`` among the test samples, on the CPU."""
        return self.part("single_rows")

    def under(self, name: str) -> Tensor:
        """Return the copies of ``single`` under one of ``acting``, (S, k, d), by its rising strengths."""
        first = 1 + sum(len(STRENGTHS[one]) for one in self.acting[: self.acting.index(name)])
        return self.single[first : first + len(STRENGTHS[name])]

    @property
    def velocities(self) -> Tensor:
        """(1 + G, k, d) of a few test samples: plain, then their derivatives under each smooth transformation."""
        return self.part("velocities")

    @property
    def train_clouds(self) -> Tensor:
        """(A, n, P, 3) point clouds behind ``train_augmented``."""
        return self.part("train_clouds")

    @property
    def test_clouds(self) -> Tensor:
        """(A, m, P, 3) point clouds behind ``augmented``."""
        return self.part("test_clouds")

    @property
    def trajectories(self) -> Tensor:
        """(k, 3, 100, d) of a few test clouds, in random order, through a whole turn about each axis."""
        return self.part("trajectories")

    @property
    def trajectory_rows(self) -> Tensor:
        """(k,) places of the clouds of ``trajectories`` among the test samples, on the CPU."""
        return self.part("trajectory_rows")

    @cached_property
    def directions(self) -> tuple[Tensor, Tensor]:
        """``test`` and ``augmented`` on the unit sphere, where the paper's metrics are defined."""
        return directions(self.test, "test embeddings"), directions(self.augmented, "augmented embeddings")

    @cached_property
    def rotations(self) -> dict[Group, Wahba]:
        """The best maps of ``directions`` for the draws that are composed with a second one."""
        z, za = self.directions
        return wahba_by_group(z, za[: composed_draws(len(z), len(za))])

    @cached_property
    def wahba_errors(self) -> dict[Group, WahbaErrors]:
        """The errors of the best maps of ``directions``, (A,) for all draws: solved once for all protocols."""
        z, za = self.directions
        few = self.rotations["SO"].error.shape[0]
        others = wahba_errors(z, za[few:]) if few < len(za) else None
        errors = {}
        for group, solved in self.rotations.items():
            parts: list[Wahba | WahbaErrors] = [solved] if others is None else [solved, others[group]]
            errors[group] = WahbaErrors(
                torch.cat([one.error for one in parts]), torch.cat([one.error_per_sample for one in parts])
            )
        return errors

    @property
    def fewer_directions(self) -> tuple[Tensor, Tensor]:
        """``directions`` of at most ``MOST_SAMPLES`` samples, for measures of every pair of samples."""
        z, za = self.directions
        if len(z) <= MOST_SAMPLES:
            return z, za
        rows = to_device(torch.from_numpy(evenly_spaced_rows(len(z), MOST_SAMPLES)), z.device)
        return z[rows], za[:, rows]

    @property
    def is_large(self) -> bool:
        """Whether there are so many test samples that protocols measure a part of them, or fewer draws."""
        return len(self.test) > MOST_SAMPLES

    @property
    def few_draws(self) -> int:
        """The first draws for which a protocol fits maps of its own: all, or ``FEW_DRAWS`` of a large set."""
        draws = len(self.directions[1])
        return min(draws, FEW_DRAWS) if self.is_large else draws

    @cached_property
    def fitted_half(self) -> Tensor:
        """(m,) bool, a random half of the test samples, to which held-out maps are fitted."""
        return self.half_of(torch.arange(len(self.test))).to(self.test.device)

    @cached_property
    def held_out(self) -> HeldOut:
        """The errors of the maps of ``fitted_half`` on the other half, for each of the ``few_draws``."""
        z, za = self.directions
        return held_out_errors(z, za[: self.few_draws], self.fitted_half, self.turned)

    @cached_property
    def turned(self) -> list[Tensor]:
        """The other half of ``directions`` in float64, under the best orthogonal map of ``fitted_half``, for each draw.

        There are ``few_draws`` of them.
        """
        z, za = self.directions
        other = z[~self.fitted_half].double()
        return [turn(other) for turn in orthogonal_maps(z, za[: self.few_draws], self.fitted_half)]

    def half_of(self, rows: Tensor) -> Tensor:
        """Return (k,) bool on the CPU, a random half of some test samples, the same for all encoders of a data set.

        Samples cut from one PDB entry are all fitted or all held out. Entries are taken in random order, as long as the
        half has room for them.

        Args:
            rows: (k,) places among the test samples.
        """
        _, of, sizes = np.unique(entries(self.dataset.test)[rows.numpy()], return_inverse=True, return_counts=True)
        draws = generator(self.dataset.name, self.settings.augmentation_seed, "fitted half")
        chosen, room = np.zeros(len(sizes), dtype=bool), len(rows) // 2
        for entry in torch.randperm(len(sizes), generator=draws).argsort().tolist():
            if sizes[entry] <= room:
                chosen[entry], room = True, room - sizes[entry]
        return torch.from_numpy(chosen[of])

    @property
    def classification(self) -> tuple[Tensor, Tensor, Tensor, Tensor, int]:
        """Train features and labels, test features and labels, and the number of classes, at least two."""
        train_labels = self.labels(self.dataset.train)
        if (train_labels == train_labels[0]).all():
            raise ValueError(f"train labels are all {int(train_labels[0])}; expected at least 2 classes")
        return self.train, train_labels, self.test, self.labels(self.dataset.test), int(train_labels.max()) + 1

    def labels(self, split: Split, name: str = "class") -> Tensor:
        """Return labels of a split on the device of the embeddings."""
        return torch.from_numpy(np.array(split.labels[name])).to(self.test.device)
