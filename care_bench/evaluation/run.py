"""Evaluate the frozen encoder of a finished run under every protocol, and its snapshots under the cheap ones."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from care_bench.artifacts import Record, code_version, environment
from care_bench.artifacts.evaluated import RECORDS
from care_bench.artifacts.record import TRAINED
from care_bench.config import EvaluationConfig, RunConfig, read_run
from care_bench.data import PreparedDataset, load
from care_bench.errors import CareBenchError
from care_bench.evaluation.embed import Embedder
from care_bench.evaluation.inputs import inputs_of, is_current, write_evaluation
from care_bench.evaluation.measurement import Protocol
from care_bench.evaluation.protocols import PROTOCOLS
from care_bench.evaluation.records import measure_encoder
from care_bench.evaluation.references import EMBEDDERS
from care_bench.evaluation.training_log import TrainingLog
from care_bench.files import canonical_json, locked
from care_bench.runs.build import build_augmentation, build_run_encoder
from care_bench.runs.device import best_device, describe_device, reproducible, tf32_allowed
from care_bench.runs.folder import RunFolder
from care_bench.runs.summary import Summary
from care_bench.runs.weights import load_encoder_weights

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Task:
    """A finished run with everything that decides its records.

    Attributes:
        folder, config, summary: the run and what pretraining wrote.
        dataset: the data it was trained on.
        settings: how to evaluate.
        protocols: ours and those of installed packages.
    """

    folder: RunFolder
    config: RunConfig
    summary: Summary
    dataset: PreparedDataset
    settings: EvaluationConfig
    protocols: tuple[Protocol, ...]

    @classmethod
    def open(cls, path: Path, data: Path, settings: EvaluationConfig, verify: bool = False) -> Task:
        """Open a run with its data set, after checking both.

        Raises:
            CareBenchError: as :func:`evaluate`.
        """
        protocols = tuple(PROTOCOLS.values())  # first: a broken protocol of another package is reported before the work
        folder = RunFolder(path)
        if not folder.config.exists():
            raise CareBenchError(
                f"{path} holds no run: {folder.config.name} is missing; expected the folder of a finished run"
            )
        config = read_run(folder.config, None)
        summary = folder.check(config)
        dataset = load(config.dataset, data, verify)
        if dataset.sha256 != summary.data_sha256:
            raise CareBenchError(
                f"{path} was trained on data {summary.data_sha256[:12]}, but {data / config.dataset} now holds "
                f"{dataset.sha256[:12]}; delete {folder.summary} and pretrain the run again"
            )
        return cls(folder, config, summary, dataset, settings, protocols)

    def inputs(self) -> dict[str, Any]:
        """Return all that the records depend on."""
        hashes = {
            "config_sha256": self.summary.config_sha256,
            "data_sha256": self.summary.data_sha256,
            "weights_sha256": self.summary.weights_sha256,
            "snapshots": self.summary.snapshots,
        }
        return inputs_of(hashes, self.settings.recorded(self.config), self.protocols)


@dataclass(frozen=True)
class Weights:
    """Weights of the run: after the last step (``epoch`` None), or those of a snapshot."""

    path: Path
    epoch: int | None
    sha256: str


def evaluate(
    path: Path, data: Path, settings: EvaluationConfig, out: Path | None = None, verify: bool = False
) -> list[Record]:
    """Measure a finished run on the test split of its data set and write one record per metric.

    Nothing is selected on the test split. The file of records is followed by a summary beside it, which holds its
    SHA-256 and all the records depend on (see :func:`evaluate_unless_current`): `evaluate.json`, and of another file
    than `records.jsonl` its name with the ending `.evaluate.json`.

    Args:
        path: folder of the run.
        data: folder of prepared data sets.
        settings: how to evaluate.
        out: file of records to write; by default `records.jsonl` in the run's folder.
        verify: compare every byte of the data with its checksum again.

    Returns:
        The records: every metric of every protocol and representation after the last step, then those of the protocols
        with ``over_training`` for each snapshot. Missing values have their reason.

    Raises:
        CareBenchError: the run is unfinished, changed or of another config; a snapshot is missing or changed; the data
            is not what it was trained on; the settings' augmentation does not fit the run; an embedding is not finite;
            another package's protocol is unusable; ``out`` is another file of a run; or a file cannot be written.
    """
    if out is not None:
        _check_out(path, out)
    with alone(path):
        return _evaluate(Task.open(path, data, settings, verify), out)


def evaluate_unless_current(path: Path, data: Path, settings: EvaluationConfig) -> list[Record] | None:
    """Evaluate a run as :func:`evaluate` does, or return None if its folder holds these records already.

    They are current when weights, configuration, data, settings, protocols, installed packages and the source files of
    care_bench are those that `evaluate.json` names, and the records are unchanged.

    Raises:
        CareBenchError: as :func:`evaluate`.
    """
    with alone(path):
        task = Task.open(path, data, settings)
        return None if is_current(task.folder.records, task.inputs()) else _evaluate(task, None)


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Wait for another process that works on a finished run, so that records and summary are of one evaluation."""
    if RunFolder(path).read_summary() is None:
        yield  # no run to measure, as opening it says
        return
    with locked(path, wait=True):
        yield


def _check_out(path: Path, out: Path) -> None:
    """Refuse to replace a file of a run by records, other than the run's own records, or what is no file."""
    above = next(parent for parent in out.absolute().parents if parent.exists())
    if out.is_dir() or not above.is_dir() or not os.access(above, os.W_OK):
        raise CareBenchError(f"cannot write {out}; expected a file in a folder that can be written")
    folder = RunFolder(out.parent)
    own = out.name == RECORDS and out.parent.resolve() == path.resolve()
    files = (folder.config, folder.summary, folder.encoder, folder.log, folder.evaluation, folder.records)
    if folder.config.exists() and out.name in {file.name for file in files} and not own:
        raise CareBenchError(f"{out} is a file of the run in {out.parent}; expected another name for records of {path}")


def _evaluate(task: Task, out: Path | None) -> list[Record]:
    records = list(_records(task))
    write_evaluation(task.folder.records if out is None else out, records, task.inputs())
    return records


def _records(task: Task) -> Iterator[Record]:
    config, settings = task.config, task.settings
    device = best_device()
    shared = {
        "profile": config.profile,
        "dataset": config.dataset,
        "method": config.method.name,
        "base": config.method.base_name,
        "fidelity": config.method.fidelity_used,
        "variant": config.variant,
        "backbone": config.encoder.backbone.name,
        "seed": config.seed,
        "samples": settings.samples,
        "evaluation": canonical_json(settings.recorded(config)).decode(),
        "config": canonical_json(config.model_dump(mode="json")).decode(),
        "config_sha256": task.summary.config_sha256,
        "data_sha256": task.summary.data_sha256,
        "code_version": code_version(),
        "device": describe_device(device),
    }
    training = config.training
    with reproducible(training.deterministic, training.threads, device, tf32=training.tf32):
        found = {**environment(), "tf32": "on" if tf32_allowed(device) else "off"}
        used = {**shared, "environment": found | _trained(task.summary, {**found, **shared})}
        for weights, embedder in embedders(task, device):
            yield from measure_encoder(embedder, task.protocols, used, weights.sha256, weights.epoch)


def _trained(summary: Summary, measuring: Mapping[str, Any]) -> dict[str, str]:
    """Return what was another in the training than in the measurement: code, device, Python, packages, platform."""
    trained = {**summary.environment, "device": summary.device, "code_version": summary.code_version}
    return {f"{TRAINED}{key}": value for key, value in trained.items() if measuring.get(key) != value}


def embedders(task: Task, device: torch.device) -> Iterator[tuple[Weights, Embedder]]:
    """Yield the embedder of each encoder of a run: after the last step, then of its snapshots.

    Raises:
        CareBenchError: as :func:`evaluate`.
    """
    config, dataset, settings = task.config, task.dataset, task.settings
    all_weights, log = _weights(task), TrainingLog.read(task.folder, config.training.precision)
    encoder = build_run_encoder(config, dataset)
    augmentation = build_augmentation(settings.augmentation_of(config), dataset, f"run {config.id}")
    pretraining = build_augmentation(config.augmentation, dataset, f"run {config.id}")
    for weights in all_weights:
        load_encoder_weights(encoder, weights.path, config.sha256())
        where = f"run {config.id}" + ("" if weights.epoch is None else f", epoch {weights.epoch}")
        # A new embedder for each encoder: the embeddings of the one before are freed first.
        kind = EMBEDDERS.get(config.method.reference, Embedder)
        yield weights, kind(encoder, augmentation, dataset, settings, device, where, log, pretraining)


def _weights(task: Task) -> list[Weights]:
    snapshots = sorted(task.folder.snapshots(task.summary).items())
    return [
        Weights(task.folder.encoder, None, task.summary.weights_sha256),
        *(Weights(path, epoch, task.summary.snapshots[str(epoch)]) for epoch, path in snapshots),
    ]
