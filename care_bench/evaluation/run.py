"""Evaluate the frozen encoder of a finished run under every protocol, and its snapshots under the cheap ones."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from care_bench.config import EvaluationConfig, RunConfig, read_run
from care_bench.data import load
from care_bench.errors import CareBenchError
from care_bench.evaluation.embed import REPRESENTATIONS, Embedded, Representation, embed_dataset
from care_bench.evaluation.measurement import Measurement, Metric, Protocol
from care_bench.evaluation.protocols import all_protocols
from care_bench.runs.build import build_augmentation, build_run_encoder
from care_bench.runs.device import best_device, describe_device, reproducible
from care_bench.runs.folder import RunFolder
from care_bench.runs.weights import load_encoder_weights


@dataclass(frozen=True)
class Measured:
    """One metric of one representation of one encoder.

    Attributes:
        protocol, metric, representation, measurement: what came out.
        seconds: how long the protocol took for all its metrics.
        epoch: epochs of training that the encoder had behind it; None after the last step.
        weights_sha256: hash of its weights.
    """

    protocol: Protocol
    metric: Metric
    representation: Representation
    measurement: Measurement
    seconds: float
    epoch: int | None
    weights_sha256: str


@dataclass(frozen=True)
class _Weights:
    path: Path
    epoch: int | None
    sha256: str


@dataclass(frozen=True)
class Evaluation:
    """Everything measured on one run.

    Attributes:
        config: the run.
        summary: what pretraining wrote, with the hashes of weights and data.
        device: where it was measured.
        measured: every metric of every protocol and representation after the last step, then those of the protocols
            with ``over_training`` for each snapshot; missing ones with their reason.
    """

    config: RunConfig
    summary: dict[str, Any]
    device: str
    measured: tuple[Measured, ...]


def evaluate_run(folder: Path, data: Path, settings: EvaluationConfig) -> Evaluation:
    """Measure a finished run on the test split of its data set; nothing is selected there.

    Args:
        folder: folder of the run.
        data: folder of prepared data sets.
        settings: how to evaluate.

    Raises:
        CareBenchError: the run is unfinished, changed or of another config; a snapshot is missing or changed; the data
            is not what it was trained on; the settings' augmentation does not fit the run; an embedding is not finite;
            another package's protocol is unusable.
    """
    protocols = all_protocols()  # first: a package's broken one is reported before the work
    run = RunFolder(folder)
    if not run.config.exists():
        raise CareBenchError(
            f"{folder} holds no run: {run.config.name} is missing; expected the folder of a finished run"
        )
    config = read_run(run.config, None)
    summary = run.check(config)
    dataset = load(config.dataset, data)
    if dataset.sha256 != summary["data_sha256"]:
        raise CareBenchError(
            f"{folder} was trained on data {summary['data_sha256'][:12]}, but {data / config.dataset} now holds "
            f"{dataset.sha256[:12]}; pretrain the run again"
        )
    found = _weights(run, summary)
    encoder = build_run_encoder(config, dataset)
    measured_under = config.model_copy(update={"augmentation": settings.augmentation_of(config)})
    augmentation = build_augmentation(measured_under, dataset)
    device = best_device()
    measured: list[Measured] = []
    with reproducible(config.training.deterministic, config.training.threads, device):
        for weights in found:
            load_encoder_weights(encoder, weights.path, config.sha256())
            snapshot = weights.epoch is not None
            # Held by no name here: the embeddings of one encoder are gone before the next are made.
            measured += _measure_all(
                embed_dataset(encoder, augmentation, dataset, settings, device, test_only=snapshot),
                protocols,
                weights,
                f"run {config.id}" + (f", epoch {weights.epoch}" if snapshot else ""),
            )
    return Evaluation(config, summary, describe_device(device), tuple(measured))


def _weights(run: RunFolder, summary: dict[str, Any]) -> list[_Weights]:
    snapshots = sorted(run.snapshots(summary).items())
    return [
        _Weights(run.encoder, None, summary["weights_sha256"]),
        *(_Weights(path, epoch, summary["snapshots"][str(epoch)]) for epoch, path in snapshots),
    ]


def _measure_all(
    embedded: dict[Representation, Embedded], protocols: Sequence[Protocol], weights: _Weights, where: str
) -> Iterator[Measured]:
    for representation in REPRESENTATIONS:
        _check_finite(embedded[representation], representation, where)
    for protocol in protocols:
        if weights.epoch is not None and not protocol.over_training:
            continue
        for representation in REPRESENTATIONS:
            began = time.perf_counter()
            measurements = _measure(protocol, embedded[representation])
            seconds = time.perf_counter() - began
            for metric, measurement in zip(protocol.metrics, measurements, strict=True):
                yield Measured(protocol, metric, representation, measurement, seconds, weights.epoch, weights.sha256)


def _measure(protocol: Protocol, embedded: Embedded) -> tuple[Measurement, ...]:
    reason = protocol.skip(embedded.dataset)
    if reason is None:
        try:
            measurements = protocol.measure(embedded)
        except ValueError as error:
            # A metric that is undefined on these embeddings, such as an angle to zero: a blank with its reason.
            reason = str(error)
        else:
            _check_kind(measurements, protocol)
            return tuple(_defined(measurement) for measurement in measurements)
    return tuple(Measurement(None, 0, reason=reason) for _ in protocol.metrics)


def _check_kind(measurements: object, protocol: Protocol) -> None:
    """Refuse what another package's protocol gives and should not."""
    number = len(protocol.metrics)
    given = measurements if isinstance(measurements, tuple) else (measurements,)
    if len(given) != number or not all(isinstance(one, Measurement) for one in given):
        raise CareBenchError(
            f"protocol {protocol.id!r} measured {measurements!r}; expected a tuple of {number} Measurement"
        )


def _defined(measurement: Measurement) -> Measurement:
    if measurement.value is None or math.isfinite(measurement.value):
        return measurement
    return Measurement(None, measurement.n, reason=f"undefined on these embeddings: {measurement.value}")


def _check_finite(embedded: Embedded, representation: Representation, where: str) -> None:
    samples = {
        "train": embedded.train,
        "test": embedded.test,
        "augmented test": embedded.augmented,
        "twice augmented test": embedded.composed,
        "augmented train": embedded.train_augmented,
        "turned test": embedded.trajectories,
    }
    for name, tensor in samples.items():
        # A copy at a time: isfinite holds more memory than what it looks at.
        copies = [] if tensor is None else tensor.unbind() if tensor.ndim > 2 else [tensor]
        bad = sum(int((~torch.isfinite(copy)).any(dim=-1).sum()) for copy in copies)
        if bad:
            raise CareBenchError(
                f"{where}: {bad} {representation} rows of the {name} samples are not finite; "
                "expected finite embeddings (the encoder has diverged)"
            )
