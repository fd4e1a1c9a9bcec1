"""Embeddings of a frozen encoder. Every part of a data set is embedded on first use, and then kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from care_bench.augmentations import Augmentation, ImageAugmentation, Parameters, RotationParameters
from care_bench.augmentations.single import acting, at_strength
from care_bench.augmentations.strengths import STRENGTHS
from care_bench.augmentations.transfer import to_device
from care_bench.config import EvaluationConfig
from care_bench.data import PreparedDataset, Split
from care_bench.data.subsets import evenly_spaced, evenly_spaced_rows, labelled
from care_bench.evaluation.derivatives import derivative, smooth, tangent
from care_bench.evaluation.embedded import Embedded
from care_bench.evaluation.measurement import MOST_CLOUDS, MOST_SAMPLES, MOST_SINGLE, MOST_VELOCITIES, composed_draws
from care_bench.evaluation.parts import Part, check_finite
from care_bench.evaluation.probe_stream import ProbeStream
from care_bench.evaluation.training_log import NO_LOG, TrainingLog
from care_bench.evaluation.views import composable, crop_and_flip, of_one_draw
from care_bench.metrics.linear_probe import RECIPES
from care_bench.metrics.one_parameter_group import CLOUDS
from care_bench.metrics.trajectories import axis_rotations
from care_bench.models import Encoder, FeatureExtractor
from care_bench.runs.randomness import generator
from care_bench.untrusted import is_memory_short

__all__ = ["Embedded", "Embedder"]  # outside packages import Embedded from here, too


class Embedder:
    """Embeds the parts of a data set with a frozen encoder, each sample once for all its representations.

    The draws depend on the data set, the distributions of ``augmentation`` and ``augmentation_seed``, not on the size
    of its views: runs of a data set whose augmentations have the same distributions are measured under the same draws.

    Args:
        encoder: it is moved to the device and set to evaluation mode.
        augmentation: the distribution of the draws, with views of the encoder's size.
        dataset: images or point clouds.
        settings: numbers of augmentations and samples, and the batch size.
        device: where to embed; the embeddings stay there.
        where: names the encoder in errors, such as the id of its run.
        log: as :class:`Embedded` hands it to protocols.
        pretraining: the augmentation of the training, where it differs.
        say: takes a line for the user.

    Attributes:
        batch_size: samples embedded at a time: that of the settings, halved as often as memory was short.
        seconds: time spent on embedding so far.
    """

    def __init__(
        self,
        encoder: FeatureExtractor,
        augmentation: Augmentation[Any],
        dataset: PreparedDataset,
        settings: EvaluationConfig,
        device: torch.device,
        where: str = "encoder",
        log: TrainingLog = NO_LOG,
        pretraining: Augmentation[Any] | None = None,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        most = settings.samples
        if dataset.kind == "point_cloud":
            most = min(MOST_CLOUDS, most or MOST_CLOUDS)
        self.encoder = encoder.to(device).eval()
        self.augmentation = augmentation
        self.dataset = replace(
            dataset, train=evenly_spaced(labelled(dataset.train), most), test=evenly_spaced(dataset.test, most)
        )
        self.settings = settings
        self.batch_size = settings.batch_size
        self.device = device
        self.where = where
        self.say = say
        self.log = log
        self.pretraining = pretraining or augmentation
        self.seconds = 0.0
        self._parts: dict[str, Part] = {}
        self._makers: dict[str, Callable[[], Part]] = {
            "test": lambda: self._plain(self.dataset.test),
            "augmented": lambda: self._augmented(self.dataset.test, self._test_draw),
            "composed": lambda: self._composed(self._test_draw),
            "train": lambda: self._plain(self.dataset.train),
            "train_augmented": lambda: self._augmented(self.dataset.train, self._train_draw),
            "train_pairs": lambda: self._pairs("train"),
            "test_pairs": lambda: self._pairs("test"),
            "train_parameters": lambda: self._vectors(self._own_draws("train")),
            "test_parameters": lambda: self._vectors(self._own_draws("test")),
            "single": self._single,
            "single_rows": lambda: dict.fromkeys(self.encoder.representations, self._single_rows),
            "velocities": self._velocities,
            "train_clouds": lambda: self._inputs(self.dataset.train, self._train_draw),
            "test_clouds": lambda: self._inputs(self.dataset.test, self._test_draw),
            "trajectories": self._trajectories,
            "trajectory_rows": lambda: dict.fromkeys(self.encoder.representations, self.trajectory_clouds),
        }

    def embedded(self, representation: str) -> Embedded:
        """Return one representation; its parts are embedded on first use."""
        part: Callable[[str], Tensor] = lambda name: self.part(name)[representation]  # noqa: E731
        return Embedded(
            self.dataset,
            self.settings,
            part,
            self.log,
            self._probe_stream,
            acting(self.augmentation),
            smooth(self.augmentation),
        )

    def _probe_stream(self, protocol: str) -> ProbeStream:
        """Return training images as CARE's release augments them on small images, or MoCo's on ImageNet."""
        if not isinstance(self.encoder, Encoder):
            raise ValueError(f"{protocol} trains as the run's own release does; an imported encoder has none")
        released = protocol == "released-small-v1"
        augmentation = self.pretraining if released else crop_and_flip(self.pretraining)
        seed, batch = self.settings.augmentation_seed, RECIPES[protocol].batch
        return ProbeStream.of(self.encoder, augmentation, self.dataset, batch, released, seed, self.device)

    def part(self, name: str) -> Part:
        """Return a part in every representation.

        Raises:
            CareBenchError: an embedding is not finite.
        """
        if name not in self._parts:
            before, began = self.seconds, time.perf_counter()
            found = self._made(name)
            for representation in self.encoder.representations:
                check_finite(self.where, name, representation, found[representation])
            self._parts[name] = found
            self.seconds = before + time.perf_counter() - began  # with the parts that it was made of
        return self._parts[name]

    def _made(self, name: str) -> Part:
        """Make a part, with smaller batches where memory is short; its rows do not depend on the batches."""
        while True:
            try:
                return self.make(name)
            except (RuntimeError, MemoryError) as error:  # an accelerator's, the CPU's
                if not is_memory_short(error) or self.batch_size == 1:
                    raise
            self.batch_size //= 2  # here the failed attempt's tensors are freed
            self.say(f"{self.where}: out of memory: it goes on with batches of {self.batch_size}")

    def make(self, name: str) -> Part:
        """Embed the samples of a part; it is called once for each."""
        return self._makers[name]()

    @cached_property
    def _test_draw(self) -> Parameters:
        return self._draw("test augmentations")

    @cached_property
    def _train_draw(self) -> Parameters:
        return self._draw("train augmentations")

    def _draw(self, purpose: str) -> Parameters:
        drawn: Parameters = self.augmentation.sample(self.settings.augmentations, self._generator(purpose))
        return drawn

    def _generator(self, purpose: str) -> torch.Generator:
        return generator(self.dataset.name, self.settings.augmentation_seed, purpose)

    def _plain(self, split: Split) -> Part:
        return self._embed(self.augmentation.identity(samples) for samples in self._batches(split))

    def _augmented(self, split: Split, parameters: Parameters) -> Part:
        def view(samples: Tensor, i: int) -> Tensor:
            return of_one_draw(self.augmentation, samples, parameters[i])

        return self._copies(split, len(parameters), view)

    def _composed(self, drawn: Parameters) -> Part:
        """Embed the test samples under a second augmentation, drawn for the size of a view, after a few first ones."""
        first = drawn[: composed_draws(len(self.dataset.test), len(drawn))]
        before, after = composable(self.augmentation)
        second = after.sample(len(first), self._generator("composed"))

        def view(samples: Tensor, i: int) -> Tensor:
            return of_one_draw(after, of_one_draw(before, samples, first[i]), second[i])

        return self._copies(self.dataset.test, len(first), view)

    def _own_draws(self, name: Literal["train", "test"]) -> Parameters:
        """Return a draw for each sample of a split, of at most ``MOST_SAMPLES``."""
        split: Split = getattr(self.dataset, name)
        number = min(len(split), MOST_SAMPLES)
        drawn: Parameters = self.augmentation.sample(number, self._generator(f"{name} draws of their own"))
        return drawn

    def _pairs(self, name: Literal["train", "test"]) -> Part:
        """Embed samples, evenly spaced, each under its own draw, beside the plain ones: (n, 2 d)."""
        parameters, split = self._own_draws(name), getattr(self.dataset, name)
        few = evenly_spaced(split, len(parameters))
        rows = torch.split(torch.arange(len(few)), self.batch_size)
        plain = self._few_of(name, len(few))
        moved = self._embed(
            self.augmentation.apply(samples, parameters[part])
            for samples, part in zip(self._batches(few), rows, strict=True)
        )
        return {name: torch.cat([plain[name], moved[name]], dim=1) for name in plain}

    def _vectors(self, parameters: Parameters) -> Part:
        return dict.fromkeys(self.encoder.representations, parameters.to_vector())

    def _few_of(self, name: Literal["train", "test"], most: int) -> Part:
        """Return the plain embeddings of samples, evenly spaced."""
        rows = to_device(torch.from_numpy(evenly_spaced_rows(len(getattr(self.dataset, name)), most)), self.device)
        return {representation: plain[rows] for representation, plain in self.part(name).items()}

    @property
    def _single_rows(self) -> Tensor:
        return torch.from_numpy(evenly_spaced_rows(len(self.dataset.test), MOST_SINGLE))

    def _single(self) -> Part:
        """Embed a few test samples plain, then under each augmentation alone at each strength: (1 + S, k, d)."""
        few = evenly_spaced(self.dataset.test, MOST_SINGLE)
        copies = [self._few_of("test", MOST_SINGLE)]
        shared = self.augmentation
        pixel = self.settings.pixel(shared.size[0]) if isinstance(shared, ImageAugmentation) else 1.0
        for name in acting(shared):
            for strength in STRENGTHS[name]:
                views = (at_strength(shared, part, name, strength, pixel) for part in self._batches(few))
                copies.append(self._embed(views))
        return {name: torch.stack([copy[name] for copy in copies]) for name in copies[0]}

    def _velocities(self) -> Part:
        """Embed a few test samples plain, then their derivatives under each smooth transformation: (1 + G, k, d)."""
        few = evenly_spaced(self.dataset.test, MOST_VELOCITIES)
        names = smooth(self.augmentation)
        found: dict[str, list[Tensor]] = {name: [] for name in self.encoder.representations}
        for samples in self._batches(few):
            views = self.augmentation.identity(samples)
            parts = [derivative(self.encoder, views, tangent(self.augmentation, views, name)) for name in names]
            for name in found:
                found[name].append(torch.stack([parts[0][0][name], *(moved[name] for _, moved in parts)]))
        return {name: torch.cat(parts, dim=1) for name, parts in found.items()}

    def _inputs(self, split: Split, parameters: Parameters) -> Part:
        samples = torch.from_numpy(np.array(split.inputs)).to(self.device)
        inputs = torch.stack([of_one_draw(self.augmentation, samples, parameters[i]) for i in range(len(parameters))])
        return dict.fromkeys(self.encoder.representations, inputs)

    @property
    def trajectory_clouds(self) -> Tensor:
        """Places of the clouds of ``trajectories`` among the test samples, in random order."""
        return torch.randperm(len(self.dataset.test), generator=self._generator("trajectory clouds"))[:CLOUDS]

    def _trajectories(self) -> Part:
        """Embed a few test clouds under every rotation about every axis."""
        clouds = torch.from_numpy(np.array(self.dataset.test.inputs[self.trajectory_clouds.numpy()])).to(self.device)
        turns = axis_rotations()
        embedded = self._embed(
            self.augmentation.apply(cloud.expand(len(part), *cloud.shape), RotationParameters(part))
            for cloud in clouds
            for part in torch.split(turns.flatten(0, 1), self.batch_size)
        )
        return {name: rows.view(len(clouds), *turns.shape[:2], -1) for name, rows in embedded.items()}

    def _batches(self, split: Split) -> Iterable[Tensor]:
        size = self.batch_size
        for start in range(0, len(split), size):
            yield to_device(torch.from_numpy(np.array(split.inputs[start : start + size])), self.device)

    def _copies(self, split: Split, number: int, view: Callable[[Tensor, int], Tensor]) -> Part:
        """Embed the copies of a split one by one into a single tensor, so that memory never holds them twice."""
        found: Part = {}
        for i in range(number):
            copy = self._embed(view(samples, i) for samples in self._batches(split))
            for name, rows in copy.items():
                if i == 0:
                    found[name] = rows.new_empty(number, *rows.shape)
                found[name][i] = rows
        return found

    @torch.inference_mode()
    def _embed(self, batches: Iterable[Tensor]) -> Part:
        found: dict[str, list[Tensor]] = {name: [] for name in self.encoder.representations}
        for views in batches:
            for name, rows in self.encoder.represent(views).items():
                found[name].append(rows)
        return {name: torch.cat(rows) for name, rows in found.items()}
