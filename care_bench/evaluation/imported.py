"""Measure an imported encoder as the encoder of a run is measured."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from care_bench.artifacts import Record, code_version, environment, read_records
from care_bench.artifacts.evaluated import RECORDS
from care_bench.config import EvaluationConfig
from care_bench.config.imported_run import ImportedConfig, representation_of, row_of
from care_bench.data import PreparedDataset
from care_bench.empty_folders import removing_empty
from care_bench.errors import CareBenchError
from care_bench.evaluation.embed import Embedder
from care_bench.evaluation.imported_views import Views, views_of
from care_bench.evaluation.inputs import inputs_of, is_current, write_evaluation
from care_bench.evaluation.measurement import Protocol
from care_bench.evaluation.protocols import PROTOCOLS
from care_bench.evaluation.records import Row, measure_encoder
from care_bench.files import canonical_json, locked, sha256_bytes
from care_bench.imported import Imported, Inputs, load_imported
from care_bench.names import IMPORTED
from care_bench.runs.device import best_device, describe_device, reproducible, tf32_allowed
from care_bench.untrusted import absent


@dataclass(frozen=True)
class Measured:
    """The records of an imported encoder.

    Attributes:
        records: in the order in which they were measured; None where the file held them already.
        path: the file that holds them.
        samples: number of test samples that were measured.
        notes: lines on what of the user's own data was not read.
    """

    records: list[Record] | None
    path: Path
    samples: int
    notes: tuple[str, ...] = ()


def measure_imported(
    config: ImportedConfig,
    dataset: PreparedDataset,
    settings: EvaluationConfig,
    folder: Path,
    say: Callable[[str], None],
    unless_current: bool = False,
    refuse: Callable[[], None] | None = None,
) -> Measured:
    """Load an encoder, measure it on the test split of a data set, and write one record per metric.

    The file of records, `records.jsonl`, is followed by `evaluate.json` beside it, with its hash and all it depends on.

    Args:
        config: the encoder, and what its records are called.
        dataset: its data.
        settings: how to evaluate; without an augmentation, under SimCLR's with CARE's strengths, or rotations in space.
            The plain view is that of the augmentation, or a run's own.
        folder: where to write.
        say: takes a line for the user: what was found in the weights, and how they are used.
        unless_current: measure nothing if the folder holds these records already.
        refuse: raises where the folder has what would be lost; called when no other process writes there. With it, a
            folder with the records of other weights or of other code in a user's files is refused, too.

    Raises:
        CareBenchError: the encoder cannot be loaded or used; the augmentation does not fit; an embedding is not finite;
            or a file cannot be written.
    """
    protocols = tuple(PROTOCOLS.values())
    where, device = f"encoder {config.variant}", best_device()
    with reproducible(True, config.threads, device, tf32=False):
        shape = dataset.train.inputs.shape[1:]
        inputs = Inputs(dataset.kind, shape, tuple(dataset.mean), tuple(dataset.std), dataset.sha256)
        loaded = load_imported(config.imported, inputs, where)
        for line in loaded.said:
            say(line)
        views = views_of(settings.augmentation, dataset, loaded, where)
        say(f"{where}: plain view: {views.plain}")
        if views.blur:
            say(f"{where}: blur: {views.blur}")
        settings = settings.model_copy(update={"augmentation": views.asked})
        task = _Task(config, dataset, settings, loaded, views, protocols)
        path = folder / RECORDS
        with removing_empty(folder), locked(folder, wait=True):
            if unless_current and is_current(path, task.inputs()):
                return Measured(None, path, task.samples)
            if refuse is not None:
                refuse()
                _check_encoder(path, config, loaded, views)
            augmentation = views.augmentation(dataset, where)
            embedder = Embedder(loaded.encoder, augmentation, dataset, settings, device, where, say=say)
            rows = [
                Row(layer, representation_of(layer), row_of(config.variant, layer))
                for layer in loaded.encoder.representations
            ]
            shared = task.shared(describe_device(device), "on" if tf32_allowed(device) else "off")
            records = list(measure_encoder(embedder, protocols, shared, loaded.weights_sha256, rows=rows))
            write_evaluation(path, records, task.inputs())
    return Measured(records, path, task.samples, task.notes)


def _check_encoder(path: Path, config: ImportedConfig, loaded: Imported, views: Views) -> None:
    if absent(path):
        return
    try:
        first = read_records(path)[0]
        recorded = json.loads(first.config)
        settings, made_by = recorded["settings"], dict(recorded["provenance"]["made_by"])
        plain = recorded["provenance"].get("plain_view", views.plain)
        there = f"{settings['encoder']} with {settings['weights'] or 'no weights'}"
    except (CareBenchError, ValueError, LookupError, TypeError):
        return  # damaged, and replaced by what is measured now
    if first.weights_sha256 != loaded.weights_sha256:
        raise CareBenchError(
            f"{path.parent} has the records of {there} on {first.dataset}, of weights "
            f"{str(first.weights_sha256)[:12]}, which would be lost; these have {loaded.weights_sha256[:12]}; expected "
            "another folder, or this one removed"
        )
    if plain != views.plain:
        raise CareBenchError(
            f"{path.parent} has the records of {there} on {first.dataset}, of the plain view {plain}, which would"
            f" be lost; these have {views.plain}; expected another folder, or this one removed"
        )
    ours = loaded.provenance["made_by"]
    other = sorted(name for name in made_by.keys() | ours.keys() if made_by.get(name) != ours.get(name))
    if other and config.imported.is_file:
        raise CareBenchError(
            f"{path.parent} has the records of {there} on {first.dataset}, of another {', '.join(other)}, which "
            "would be lost; expected another folder, or this one removed"
        )


@dataclass(frozen=True)
class _Task:
    """A loaded encoder with everything that decides its records."""

    config: ImportedConfig
    dataset: PreparedDataset
    settings: EvaluationConfig
    loaded: Imported
    views: Views
    protocols: tuple[Protocol, ...]

    @property
    def described(self) -> str:
        """The configuration as records have it: without paths of this machine, with what was found in the files."""
        config = self.config
        content = {
            "profile": config.profile,
            "dataset": config.dataset,
            "variant": config.variant,
            "threads": config.threads,
            "settings": config.imported.recorded(),
            "provenance": {
                **self.loaded.provenance,
                "plain_view": self.views.plain,
                **({"blur": self.views.blur} if self.views.blur else {}),
                **({"data": self.notes} if self.notes else {}),
            },
        }
        return canonical_json(content).decode()

    @property
    def samples(self) -> int:
        """Number of test samples that are measured."""
        return min(len(self.dataset.test), self.settings.samples or len(self.dataset.test))

    @property
    def notes(self) -> tuple[str, ...]:
        """Lines on what of the user's own data was not read."""
        return tuple(self.dataset.meta.get("notes", ()))

    def inputs(self) -> dict[str, Any]:
        """Return all that the records depend on."""
        hashes: Mapping[str, Any] = {
            "config_sha256": sha256_bytes(self.described.encode()),
            "data_sha256": self.dataset.sha256,
            "weights_sha256": self.loaded.weights_sha256,
            "snapshots": {},
        }
        return inputs_of(hashes, self.settings.recorded_under(self.views.asked), self.protocols)

    def shared(self, device: str, tf32: str) -> dict[str, Any]:
        """Return the fields that all records have in common."""
        config, settings = self.config, self.settings
        weights = "" if config.imported.weights or config.imported.brings_weights else ", no weights"
        return {
            "profile": config.profile,
            "dataset": config.dataset,
            "method": IMPORTED,
            "base": None,
            "fidelity": None,
            "variant": config.variant,
            "backbone": f"{config.imported.spelt}{weights}",
            "seed": config.imported.seed,
            "samples": settings.samples,
            "evaluation": canonical_json(settings.recorded_under(self.views.asked)).decode(),
            "config": self.described,
            "config_sha256": sha256_bytes(self.described.encode()),
            "data_sha256": self.dataset.sha256,
            "code_version": code_version(),
            "device": device,
            "environment": {**environment(), "tf32": tf32},
        }
