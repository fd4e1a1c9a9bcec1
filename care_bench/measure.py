"""The command `care-bench measure`: an encoder and data from the command line to a file of records."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from care_bench.artifacts import Record, read_records
from care_bench.artifacts.collection import COLLECTED, PINNED
from care_bench.artifacts.evaluated import RECORDS
from care_bench.artifacts.folders import check_apart
from care_bench.config import EvaluationConfig, read_evaluation
from care_bench.config.imported import ImportedSettings
from care_bench.config.imported_run import HEAD, ImportedConfig
from care_bench.config.run import AugmentationConfig, RotationAugmentationConfig
from care_bench.data import DATASETS, PreparedDataset, load, read_own
from care_bench.data.own import ARRAYS
from care_bench.errors import CareBenchError, unknown
from care_bench.evaluation.imported import Measured, measure_imported
from care_bench.evaluation.imported_views import default_augmentation
from care_bench.files import canonical_json
from care_bench.names import IMPORTED, check_file_name
from care_bench.runs.device import check_threads
from care_bench.runs.folder import RunFolder
from care_bench.untrusted import absent

PROFILE = "measured"
"""Profile of the records of this command."""
PARTS: dict[str, dict[str, Any]] = {
    "crop": {"crop_scale": (1.0, 1.0)},
    "flip": {"flip_probability": 0.0},
    "colour": {"jitter_probability": 0.0, "grayscale_probability": 0.0},
    "blur": {"blur_probability": 0.0},
    "rotation": {"rotation_degrees": 0.0},
}
"""Part of the augmentation -> the settings without it."""
DEGREES = 180.0
"""Largest rotation in the plane, where it is asked for."""


def measure(
    encoder: dict[str, Any],
    dataset: str,
    data: Path,
    out: Path,
    augment: str | None,
    settings: Path | None,
    samples: int | None,
    threads: int,
    skip_broken: bool,
    verify: bool,
    floor: Path | None,
    say: Callable[[str], None],
) -> tuple[Measured, list[Record]]:
    """Measure an encoder, as :func:`care_bench.evaluation.imported.measure_imported` does.

    Args:
        encoder: keys of an imported encoder, as in a profile.
        dataset: a prepared data set, a folder of images, or a .npy or .npz file.
        data: folder of prepared data sets.
        out: folder for the records; its name is the encoder's.
        augment: names of ``PARTS``, separated by commas; None: all but rotation. Of images only.
        settings: file of evaluation settings; None: the defaults.
        samples: most samples of each split; None: those of the settings.
        threads: CPU threads.
        skip_broken: leave out images that cannot be read.
        verify: compare every byte of a prepared data set with its checksum again.
        floor: folder for the records of the same encoder without its checkpoint, measured unless it has them; None:
            no floor.
        say: takes a line for the user.

    Returns:
        What was measured, and the records of the floor.

    Raises:
        CareBenchError: a wrong option, or as ``measure_imported``.
    """
    check_threads(threads, "--threads")
    imported = ImportedSettings.parse(encoder, "encoder")
    given = imported.is_run or (imported.weights is not None and floor is None and not imported.allow_partial)
    if "seed" in encoder and given:
        its = imported.encoder if imported.is_run else imported.weights
        raise CareBenchError(f"--seed is for weights that no file gives, and {its} gives them; expected none")
    _check_folder("--out", out)
    untrained = None if floor is None else _without_weights(imported, floor, out)
    chosen = EvaluationConfig() if settings is None else read_evaluation(settings)
    if samples is not None:
        chosen = chosen.model_copy(update={"samples": samples})
    off = {} if augment is None else _switched(augment)
    if off and chosen.augmentation is not None:
        raise CareBenchError(f"--augment and {settings} both give the augmentation; expected one of the two")
    found = _dataset(dataset, data, chosen.samples, skip_broken, verify)
    if off and found.kind != "image":
        raise CareBenchError(
            f"--augment {augment}: {found.name} holds point clouds, which are rotated in space; expected none"
        )
    if off:
        chosen = chosen.model_copy(update={"augmentation": replace(default_augmentation(found), **off)})

    def prepared(what: ImportedSettings, folder: Path, unless_current: bool = False) -> Callable[[], Measured]:
        config = ImportedConfig(
            profile=PROFILE, dataset=found.name, variant=folder.name, imported=what, threads=threads
        )
        refuse = partial(_check_own, folder, config, _recorded(chosen, found), found.sha256)
        refuse()  # at once, and again when no other process writes there
        return partial(
            measure_imported, config, found, chosen, folder, say, unless_current=unless_current, refuse=refuse
        )

    tasks = [prepared(imported, out)]
    if floor is not None and untrained is not None:
        tasks.append(prepared(untrained, floor, unless_current=True))
    own, *beneath = [task() for task in tasks]
    return own, [record for one in beneath for record in read_records(one.path)]


def _check_folder(option: str, folder: Path) -> None:
    check_file_name(f"{option} {folder}: its name", folder.name)
    check_apart(folder, COLLECTED, PINNED)
    if not folder.is_dir() and os.path.lexists(folder):
        raise CareBenchError(f"{option} {folder} is no folder; expected a folder, or nothing")


def _without_weights(imported: ImportedSettings, floor: Path, out: Path) -> ImportedSettings:
    """Return the same encoder without its checkpoint.

    Raises:
        CareBenchError: it has none, it is measured in its projection head alone, or the folder is no other one.
    """
    _check_folder("--floor", floor)
    if floor.name == out.name:
        raise CareBenchError(
            f"--floor {floor} has the name of --out {out}, which is that of its row in tables; expected another one"
        )
    if imported.is_run:
        raise CareBenchError(
            f"--floor {floor} is for an encoder with a checkpoint, and {imported.encoder} is a run; expected none: a "
            "row `untrained` of its profile is its floor"
        )
    if imported.weights is None:
        raise CareBenchError(f"--floor {floor} is for the encoder without its checkpoint; expected --weights with it")
    layers = tuple(layer for layer in imported.layers if layer != HEAD)
    if imported.layers and not layers:
        raise CareBenchError(
            f"--floor {floor}: the checkpoint alone has the layer {HEAD!r}; expected --layer with another one, too"
        )
    return imported.model_copy(update={"weights": None, "prefix": None, "allow_partial": False, "layers": layers})


def _recorded(settings: EvaluationConfig, dataset: PreparedDataset) -> dict[str, Any]:
    """Return the settings as records have them."""
    usual: AugmentationConfig = RotationAugmentationConfig(kind="rotation")
    if dataset.kind == "image":
        usual = default_augmentation(dataset)
    recorded: dict[str, Any] = json.loads(canonical_json(settings.recorded_under(settings.augmentation or usual)))
    return recorded


def _check_own(out: Path, config: ImportedConfig, evaluation: dict[str, Any], data_sha256: str) -> None:
    """Check that a folder has no run, and no records of another encoder, data set or evaluation, which would be lost.

    Raises:
        CareBenchError: it has.
    """
    run, path = RunFolder(out), out / RECORDS
    if found := [file.name for file in (run.config, run.summary) if not absent(file)]:
        raise CareBenchError(
            f"{out} is the folder of a run ({', '.join(found)}), whose records would be lost; expected another folder"
        )
    if absent(path):
        return
    try:
        first = read_records(path)[0]
    except (CareBenchError, LookupError):
        return  # damaged or empty, and replaced by what is measured now
    if first.method != IMPORTED:
        raise CareBenchError(
            f"{out} has the records of {first.variant}, {first.method} on {first.dataset}, which would be lost; "
            "expected another folder"
        )
    try:
        settings = json.loads(first.config)["settings"]
        there = (settings["encoder"], settings["weights"], first.dataset)
        measured = json.loads(first.evaluation)
    except (ValueError, LookupError, TypeError):
        return  # damaged, and replaced by what is measured now
    wanted = config.imported.recorded()
    if there != (wanted["encoder"], wanted["weights"], config.dataset):
        what = f"{there[0]} with {'no weights' if there[1] is None else there[1]} on {there[2]}"
        raise CareBenchError(f"{out} has the records of {what}, which would be lost; expected another folder")
    other = [key for key in wanted if settings.get(key) != wanted[key]]
    other += [key for key in measured.keys() | evaluation.keys() if measured.get(key) != evaluation.get(key)]
    if differ := sorted(other):
        raise CareBenchError(
            f"{out} has records with another {', '.join(differ)}, which would be lost; expected another folder"
        )
    if first.data_sha256 != data_sha256:
        raise CareBenchError(
            f"{out} has the records of other data named {config.dataset}, of sha256 {first.data_sha256[:12]}, "
            f"which would be lost; these have {data_sha256[:12]}; expected another folder"
        )


def _dataset(name: str, data: Path, most: int | None, skip_broken: bool, verify: bool) -> PreparedDataset:
    """Read a data set, prepared or the user's own, after refusing options that are about the other kind."""
    if name in DATASETS:
        if skip_broken:
            raise CareBenchError(
                f"--skip-broken is for a folder of images, and {name} is prepared; expected none (it is an option of "
                "care-bench prepare)"
            )
        return load(name, data, verify)
    path = Path(name)
    if len(path.parts) == 1 and not path.suffix and not path.exists():
        raise CareBenchError(f"{unknown('data set', name, DATASETS)}, or a folder of images, .npy or .npz")
    if verify and path.exists():
        raise CareBenchError(
            f"--verify is for prepared data sets, and --dataset {name} is read as it is; expected none"
        )
    if skip_broken and path.exists() and path.suffix in ARRAYS:
        raise CareBenchError(f"--skip-broken is for a folder of images, and --dataset {name} is a file; expected none")
    return read_own(path, most, skip_broken)


def _switched(names: str) -> dict[str, Any]:
    """Return the settings of an augmentation of which only the named parts act."""
    parts = [name.strip() for name in names.split(",") if name.strip()]
    for part in parts:
        if part not in PARTS:
            raise unknown("augmentation", part, PARTS)
    if not parts:
        raise CareBenchError(f"--augment names nothing; expected some of {','.join(PARTS)}")
    off = {key: value for name, without in PARTS.items() if name not in parts for key, value in without.items()}
    return {**off, "rotation_degrees": DEGREES if "rotation" in parts else 0.0}
