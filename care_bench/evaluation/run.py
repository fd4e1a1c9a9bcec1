"""Evaluate the frozen encoder of a finished run under every protocol."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from care_bench.config import EvaluationConfig, RunConfig, read_run
from care_bench.data import load
from care_bench.errors import CareBenchError
from care_bench.evaluation.embed import REPRESENTATIONS, Embedded, Representation, embed_dataset
from care_bench.evaluation.protocols import PROTOCOLS, Measurement, Metric, Protocol
from care_bench.training import RunFolder, load_encoder_weights
from care_bench.training.build import build_augmentation, build_run_encoder
from care_bench.training.device import best_device, describe_device, reproducible


@dataclass(frozen=True)
class Measured:
    """One metric of one representation, and how long its protocol took in seconds."""

    protocol: Protocol
    metric: Metric
    representation: Representation
    measurement: Measurement
    seconds: float


@dataclass(frozen=True)
class Evaluation:
    """Everything measured on one run.

    Attributes:
        config: the run.
        summary: what pretraining wrote, with the hashes of weights and data.
        device: where it was measured.
        measured: every metric of every protocol and representation, missing ones with their reason.
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
        CareBenchError: the run is unfinished, changed or of another config; the data is not what it was trained on;
            an embedding is not finite.
    """
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
    encoder = build_run_encoder(config, dataset)
    load_encoder_weights(encoder, run.encoder, config.sha256())
    device = best_device()
    with reproducible(config.training.deterministic, config.training.threads, device):
        embedded = embed_dataset(encoder, build_augmentation(config, dataset), dataset, settings, device)
        for representation in REPRESENTATIONS:
            _check_finite(embedded[representation], representation, config)
        measured = tuple(_measure_all(embedded))
    return Evaluation(config, summary, describe_device(device), measured)


def _measure_all(embedded: dict[Representation, Embedded]) -> Iterator[Measured]:
    for protocol in PROTOCOLS:
        for representation in REPRESENTATIONS:
            began = time.perf_counter()
            measurements = _measure(protocol, embedded[representation])
            seconds = time.perf_counter() - began
            for metric, measurement in zip(protocol.metrics, measurements, strict=True):
                yield Measured(protocol, metric, representation, measurement, seconds)


def _measure(protocol: Protocol, embedded: Embedded) -> tuple[Measurement, ...]:
    reason = protocol.skip(embedded.dataset)
    if reason is None:
        try:
            measurements = protocol.measure(embedded)
        except ValueError as error:
            # A metric that is undefined on these embeddings, such as an angle to zero: a blank with its reason.
            reason = str(error)
        else:
            return tuple(_defined(measurement) for measurement in measurements)
    return tuple(Measurement(None, 0, reason=reason) for _ in protocol.metrics)


def _defined(measurement: Measurement) -> Measurement:
    if measurement.value is None or math.isfinite(measurement.value):
        return measurement
    return Measurement(None, measurement.n, reason=f"undefined on these embeddings: {measurement.value}")


def _check_finite(embedded: Embedded, representation: Representation, config: RunConfig) -> None:
    for name, tensor in (("train", embedded.train), ("test", embedded.test), ("augmented test", embedded.augmented)):
        bad = int((~torch.isfinite(tensor)).any(dim=-1).sum())
        if bad:
            raise CareBenchError(
                f"run {config.id}: {bad} {representation} rows of the {name} samples are not finite; "
                "expected finite embeddings (the encoder has diverged)"
            )
