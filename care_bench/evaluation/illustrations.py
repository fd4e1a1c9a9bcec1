"""Illustrations of finished runs: which are shown, and what is drawn of them beside their records."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from care_bench.artifacts import code_version
from care_bench.artifacts.illustrations import FigureName, Illustrations, Neighbours, Shown
from care_bench.artifacts.json_lines import encode_lines
from care_bench.config import EvaluationConfig, Profile, RunConfig
from care_bench.errors import CareBenchError, unknown
from care_bench.evaluation.pictures import (
    NEEDS,
    PictureEmbedder,
    cosines,
    nearest,
    query_rows,
    thumbnails,
    turns,
)
from care_bench.evaluation.run import Task, alone
from care_bench.files import canonical_json, write_bytes
from care_bench.metrics.trajectories import CLOUDS
from care_bench.runs.build import build_augmentation, build_run_encoder
from care_bench.runs.device import best_device, reproducible
from care_bench.runs.weights import load_encoder_weights

MOST = 8
"""Most rows of a data set in a figure of a report."""
FIRST = ("simclr", "care", "equimod", "untrained")
"""Methods whose first row is drawn before all others."""
COLOURLESS = "no draw of the evaluation turns the hue"


def illustrate(
    paths: Sequence[Path], data: Path, settings: EvaluationConfig, figure: str, verify: bool = False
) -> Illustrations:
    """Return what a figure shows of finished runs of one data set.

    Args:
        paths: folders of the runs, in the order in which they are drawn.
        data: folder of prepared data sets.
        settings: of the evaluation, which decide the draws.
        figure: a key of ``NEEDS``.
        verify: compare every byte of the data with its checksum again.

    Raises:
        CareBenchError: an unknown figure; a run as :func:`care_bench.evaluation.run.evaluate` refuses it; runs of
            several data sets, measured under different augmentations, or of one name; a reference row without an
            encoder of its own; or a figure that the data set does not allow.
    """
    if figure not in NEEDS:
        raise unknown("figure", figure, NEEDS)
    name: FigureName = figure
    tasks = [_opened(path, data, settings, verify and path == paths[0]) for path in paths]  # of one data set
    _check_alike(paths, tasks)
    if (reason := _reason(name, tasks[0])) is not None:
        raise CareBenchError(f"{paths[0]}: {reason}; expected runs that the figure {figure!r} can be of")
    return _illustrated(tasks, {name: [task.config for task in tasks]}, len(tasks))


def illustrate_profile(
    profile: Profile, dataset: str, runs: Path, data: Path, settings: EvaluationConfig, out: Path
) -> Illustrations:
    """Write what the figures show of a data set of a profile; the rows are those of :func:`chosen`.

    Args:
        profile: its runs are finished.
        dataset: one of its data sets.
        runs: folder of the profile's runs.
        data: folder of prepared data sets.
        settings: of the evaluation, those of the records.
        out: the file to write, of one line.

    Raises:
        CareBenchError: a data set without a row that is trained, or a run as :func:`illustrate` refuses it.
    """
    rows = candidates(profile, dataset)
    if not rows:
        raise CareBenchError(f"profile {profile.name} trains no row of {dataset!r}; expected a data set with one")
    first = _opened(runs / rows[0].id, data, settings)
    wanted = {name: part for name, part in chosen(rows).items() if _reason(name, first) is None}
    shown = [run for run in rows if any(run in part for part in wanted.values())]
    found = _illustrated([_opened(runs / run.id, data, settings) for run in shown], wanted, len(rows))
    write_bytes(out, encode_lines([found]))
    return found


def candidates(profile: Profile, dataset: str) -> list[RunConfig]:
    """Return the runs of the first seed that can be shown: of trained rows, and of the untrained encoder beside them.

    It is empty where no row is trained.
    """
    runs = [run for run in profile.runs() if run.dataset == dataset and run.seed == profile.seeds[0]]
    found = [run for run in runs if run.method.reference in (None, "untrained")]
    return found if any(run.method.reference is None for run in found) else []


def chosen(rows: Sequence[RunConfig]) -> dict[FigureName, list[RunConfig]]:
    """Choose at most ``MOST`` rows for each figure: the first of each of ``FIRST``, then the others in their order.

    Cosines are those of encoders into the plane where there are some, as in Fig. 6 of CARE.
    """
    first = [next((run for run in rows if run.method.name == name), None) for name in FIRST]
    ordered = [run for run in first if run] + [run for run in rows if run not in first]
    plane = [run for run in rows if run.encoder.projector.output == 2]
    return {"trajectories": ordered[:MOST], "retrieval": ordered[:MOST], "cosines": (plane or ordered)[:MOST]}


def _opened(path: Path, data: Path, settings: EvaluationConfig, verify: bool = False) -> Task:
    with alone(path):
        task = Task.open(path, data, settings, verify)
    if task.config.method.reference not in (None, "untrained"):
        raise CareBenchError(
            f"{path} is reference row {task.config.method.name!r}, which has no encoder of its own; expected "
            "a run that is trained, or untrained"
        )
    return task


def _check_alike(paths: Sequence[Path], tasks: Sequence[Task]) -> None:
    """Check that runs can be in one figure: one data set, one distribution of draws, and names that differ."""
    first = tasks[0]
    names = set()
    for path, task in zip(paths, tasks, strict=True):
        config = task.config
        if config.dataset != first.config.dataset:
            raise CareBenchError(
                f"{path} is a run of {config.dataset}, {paths[0]} of {first.config.dataset}; expected one data set"
            )
        if task.settings.recorded(config) != first.settings.recorded(first.config):
            raise CareBenchError(
                f"{path} and {paths[0]} have different augmentations; expected --settings with one `augmentation`"
            )
        if (config.variant, config.seed) in names:
            raise CareBenchError(f"{path}: {config.id} is drawn already; expected runs of different names")
        names.add((config.variant, config.seed))


def _reason(figure: FigureName, task: Task) -> str | None:
    """Say why a figure cannot be of the data set and the draws of a run."""
    reason = NEEDS[figure](task.dataset)
    if reason is None and figure == "retrieval" and _embedder(task).colour is None:
        return COLOURLESS
    return reason


def _embedder(task: Task) -> PictureEmbedder:
    where = f"run {task.config.id}"
    encoder = build_run_encoder(task.config, task.dataset)
    load_encoder_weights(encoder, task.folder.encoder, task.config.sha256())
    augmentation = build_augmentation(task.settings.augmentation_of(task.config), task.dataset, where)
    return PictureEmbedder(encoder, augmentation, task.dataset, task.settings, best_device(), where)


def _illustrated(tasks: Sequence[Task], wanted: Mapping[FigureName, Sequence[RunConfig]], rows: int) -> Illustrations:
    """Return what the figures show of the runs that they want; runs share the thumbnails of training images."""
    places: dict[int, int] = {}  # training image -> its place among the thumbnails
    beside: dict[str, Any] = {}
    parts: dict[str, dict[str, Any]] = {}
    for task in tasks:
        training = task.config.training
        own = parts.setdefault(task.config.id, {})
        with reproducible(training.deterministic, training.threads, best_device(), tf32=training.tf32):
            embedder = _embedder(task)
            if task.config in wanted.get("trajectories", ()):
                own["trajectories"] = turns(embedder)
                beside["clouds"] = tuple(embedder.trajectory_clouds[:CLOUDS].tolist())
            if task.config in wanted.get("retrieval", ()):
                found = nearest(embedder)
                own["retrieval"] = tuple(zip(*(_neighbours(*one, places) for one in found), strict=True))
                beside["query_rows"] = tuple(query_rows(embedder))
            if task.config in wanted.get("cosines", ()):
                own["cosines"] = cosines(embedder)
    if places:
        images = thumbnails(embedder, list(places))
        beside |= {"train_rows": tuple(places), "image_shape": images.shape[1:]}
        beside["images"] = base64.b64encode(images.tobytes()).decode()
    first = tasks[0]
    order = {run.id: None for part in wanted.values() for run in part}
    shown = {task.config.id: _shown(task, parts[task.config.id]) for task in tasks}
    return Illustrations(
        profile=first.config.profile,
        dataset=first.config.dataset,
        data_sha256=first.dataset.sha256,
        evaluation=canonical_json(first.settings.recorded(first.config)).decode(),
        code_version=code_version(),
        candidates=rows,
        runs=tuple(shown[name] for name in order),
        **beside,
    )


def _neighbours(rows: torch.Tensor, distances: torch.Tensor, places: dict[int, int]) -> list[Neighbours]:
    """Return the neighbours of each query; training images that are new get the next place."""
    return [
        Neighbours(
            places=tuple(places.setdefault(row, len(places)) for row in line),
            distances=tuple(float(f"{distance:.6g}") for distance in apart),
        )
        for line, apart in zip(rows.tolist(), distances.tolist(), strict=True)
    ]


def _shown(task: Task, parts: Mapping[str, Any]) -> Shown:
    config = task.config
    return Shown(
        variant=config.variant,
        method=config.method.name,
        base=config.method.base_name,
        fidelity=config.method.fidelity_used,
        seed=config.seed,
        config_sha256=task.summary.config_sha256,
        weights_sha256=task.summary.weights_sha256,
        **parts,
    )
