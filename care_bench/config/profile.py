"""A profile is a matrix of data sets x methods x seeds; resolving it gives one full configuration per run."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from itertools import pairwise
from typing import Annotated, Any

from pydantic import Field, PositiveInt, field_validator, model_validator

from care_bench.config.base import Settings, spelt
from care_bench.config.evaluation import EvaluationConfig, EvaluationPlan
from care_bench.config.methods.equivariant import EquivarianceTerm
from care_bench.config.presets import load_preset
from care_bench.config.run import KINDS, SHAPE, RunConfig, Seed
from care_bench.data import DATASETS
from care_bench.errors import CareBenchError, unknown
from care_bench.names import check_file_name

PARTS = ("encoder", "augmentation", "training")
CHECK_BATCHES = (8, 16, 32)
"""Batches of runs that are cut to a few steps, the first that the method takes: a check has to fit any machine."""
CHECK_SPLITS = 4
"""Such runs have a number of splits that divides this, and so the smallest batch, into chunks of two at least."""
CHECK_EVALUATION = {"samples": 64, "augmentations": 2}
"""How such runs are evaluated at most: on few samples of each split, under few augmentations."""


class DatasetEvaluation(Settings):
    """What is measured otherwise on one data set."""

    augmentation: dict[str, Any] = Field(default_factory=dict)
    """Keys of the data set's augmentation to replace where its runs are measured, such as `crop_scale`."""

    @model_validator(mode="before")
    @classmethod
    def _not_of_the_profile(cls, content: Any) -> Any:
        for key in content if isinstance(content, dict) else ():
            if key in EvaluationPlan.model_fields:
                raise ValueError(f"{key!r} holds for all data sets; expected in the profile's `evaluation` at the top")
        return content

    def check_drawn(self, dataset: str, where: str) -> None:
        """Raise CareBenchError unless the keys to replace are of what is drawn for the samples of the data set."""
        samples = DATASETS[dataset].kind
        found = self.augmentation.get("kind", KINDS[samples])
        if found != KINDS[samples]:
            raise CareBenchError(
                f"{where}: augmentation.kind = {spelt(found)} cannot be replaced; expected {KINDS[samples]!r}, that of "
                f"the data set's samples ({samples.replace('_', ' ')}s)"
            )
        for key in self.augmentation:
            if key != "kind" and samples == "point_cloud":
                raise CareBenchError(
                    f"{where}: augmentation.{key}: the samples are point clouds, whose rotations have no keys to "
                    "replace; expected none"
                )
            if key in SHAPE:
                raise CareBenchError(
                    f"{where}: augmentation: {key} is the run's own; expected keys of what is drawn, such as "
                    "'crop_scale'"
                )


class DatasetPlan(Settings):
    """The runs of one data set."""

    preset: str
    """Preset that gives encoder, augmentation and training: a file of care_bench/config/presets, without `.yaml`."""
    methods: dict[str, dict[str, Any]] = Field(min_length=1)
    """Row name -> settings of the method, with its `name`; `preset`, `encoder`, `augmentation` and `training` beside
    them hold for this row only."""
    encoder: dict[str, Any] = Field(default_factory=dict)
    """Keys of the preset's encoder to replace."""
    augmentation: dict[str, Any] = Field(default_factory=dict)
    """Keys of the preset's augmentation to replace."""
    training: dict[str, Any] = Field(default_factory=dict)
    """Keys of the preset's training to replace."""
    evaluation: DatasetEvaluation = DatasetEvaluation()
    """What its runs are measured under, where that is not the augmentation of the preset with the keys above."""
    why: dict[str, str] = Field(default_factory=dict)
    """Key of a run's configuration, such as `training.epochs` -> why it is not the paper's."""

    @field_validator("methods")
    @classmethod
    def _rows(cls, methods: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        for name, row in methods.items():
            for key in PARTS:
                if not isinstance(row.get(key, {}), dict):
                    raise ValueError(f"{name}.{key} = {spelt(row[key])}; expected keys of {key} with their values")
            if not isinstance(row.get("preset", ""), str):
                raise ValueError(f"{name}.preset = {spelt(row['preset'])}; expected the name of a preset")
        return methods

    def check_reasons(self, runs: Iterable[RunConfig], evaluation: EvaluationConfig, where: str) -> None:
        """Raise CareBenchError unless every key of ``why`` is one that some run or its evaluation has, or `seeds`."""
        known = {"seeds", *dotted_keys(evaluation.model_dump(mode="json"), "evaluation.")}
        known = known.union(*(dotted_keys(run.model_dump(mode="json")) for run in runs))
        for key in self.why:
            if key not in known:
                raise CareBenchError(f"{where}: why: {unknown('key', key, known)}")

    def parts(self, row: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """Return encoder, augmentation and training of a row: its preset, the data set's keys, then the row's own."""
        preset = load_preset(row.get("preset", self.preset))
        return {key: {**preset[key], **getattr(self, key), **row.get(key, {})} for key in PARTS}


class Profile(Settings):
    """A matrix of runs and how they are evaluated."""

    profile: str
    """Name of the profile; results are kept under it."""
    seeds: list[Seed] = Field(min_length=1)
    """Pretraining seeds; every row is run once with each."""
    datasets: dict[str, DatasetPlan] = Field(min_length=1)
    """Data set -> its runs."""
    evaluation: EvaluationPlan = EvaluationPlan()
    """How every run is evaluated."""
    runs_per_job: Annotated[int, Field(ge=1, le=32)] = 1
    """Runs of one data set that a job of the workflow trains or measures one after another: for runs of seconds, whose
    process would take longer to start. A run on several devices has a job to itself."""
    steps: PositiveInt | None = None
    """Cut every run to this many small steps on one device, and its evaluation to a few samples, to check a profile end
    to end; such numbers are no results and are kept apart, as NAME-stepsN."""
    raw: str = "results/raw"
    """Folder of raw data, for data sets that do not come with the package."""
    skip_broken: bool = False
    """Leave out raw files that cannot be read; the prepared data set names them."""

    @field_validator("evaluation", mode="before")
    @classmethod
    def _not_of_a_data_set(cls, evaluation: Any) -> Any:
        if isinstance(evaluation, dict) and "augmentation" in evaluation:
            raise ValueError("'augmentation' is that of a data set; expected in `datasets.NAME.evaluation`")
        return evaluation

    @field_validator("seeds")
    @classmethod
    def _distinct(cls, seeds: list[int]) -> list[int]:
        if len(set(seeds)) < len(seeds):
            raise ValueError("a seed stands twice; expected distinct seeds")
        return seeds

    @property
    def name(self) -> str:
        """Under which results are kept: the profile, and the steps where runs are cut."""
        return self.profile if self.steps is None else f"{self.profile}-steps{self.steps}"

    def measured(self, dataset: str) -> EvaluationConfig:
        """Return how the runs of a data set are evaluated: a little only where they are cut to a few steps.

        All of them are measured under the augmentation of the data set, whatever a row has of its own.

        Raises:
            CareBenchError: an unknown preset or key, or an augmentation that does not fit the data set.
        """
        plan, where = self.datasets[dataset], f"profile {self.profile!r}, data set {dataset!r}, evaluation"
        try:
            augmentation = plan.parts({})["augmentation"]
        except CareBenchError as error:
            raise CareBenchError(f"{where}: {error}") from None
        _check_kind(augmentation["kind"], plan.preset, dataset, where)
        plan.evaluation.check_drawn(dataset, where)
        content = self.evaluation.model_dump()
        if self.steps is not None:
            content |= {key: min(most, content[key] or most) for key, most in CHECK_EVALUATION.items()}
        return EvaluationConfig.parse(
            {**content, "augmentation": {**augmentation, **plan.evaluation.augmentation}}, where
        )

    def runs(self) -> list[RunConfig]:
        """Resolve the matrix, in the order in which it is written.

        Raises:
            CareBenchError: a name that cannot be a folder, an unknown data set, preset, method or key, or settings
                that do not fit together; the message names the data set and the row.
        """
        check_file_name("profile", self.profile)
        runs: list[RunConfig] = []
        for dataset, plan in self.datasets.items():
            where = f"profile {self.profile!r}"
            if dataset not in DATASETS:
                raise CareBenchError(f"{where}: {unknown('data set', dataset, DATASETS)}")
            first = len(runs)
            for variant, row in plan.methods.items():
                where = f"profile {self.profile!r}, data set {dataset!r}, method row {variant!r}"
                check_file_name(f"{where}: variant", variant)
                try:
                    parts = plan.parts(row)
                except CareBenchError as error:
                    raise CareBenchError(f"{where}: {error}") from None
                _check_kind(parts["augmentation"]["kind"], row.get("preset", plan.preset), dataset, where)
                method = {key: value for key, value in row.items() if key not in ("preset", *PARTS)}
                identity = {"profile": self.name, "dataset": dataset, "variant": variant, "seed": self.seeds[0]}
                run = RunConfig.parse({**identity, "method": method, **parts}, where)
                if self.steps is not None:
                    run = _cut(run, self.steps)
                runs += [run.model_copy(update={"seed": seed}) for seed in self.seeds]
            evaluation = self.measured(dataset)
            for run in runs[first:]:
                evaluation.augmentation_of(run)  # A mistake there is found before anything runs.
            plan.check_reasons(runs[first:], evaluation, f"profile {self.profile!r}, data set {dataset!r}")
        return runs

    def jobs(self) -> dict[str, list[RunConfig]]:
        """Divide the runs into jobs of at most ``runs_per_job`` runs of one data set.

        A job of one run has the run's id as its name, others are `DATASET/jobN`.

        Raises:
            CareBenchError: as :meth:`runs`.
        """
        alone: list[list[RunConfig]] = []
        shared: dict[str, list[RunConfig]] = {}
        for run in self.runs():
            if run.training.devices > 1 or self.runs_per_job == 1:
                alone.append([run])
            else:
                shared.setdefault(run.dataset, []).append(run)
        evenly = [part for runs in shared.values() for part in _evenly(runs, self.runs_per_job)]
        numbers: Counter[str] = Counter()
        jobs = {part[0].id: part for part in alone}
        for part in evenly:
            dataset = part[0].dataset
            numbers[dataset] += 1
            jobs[f"{dataset}/job{numbers[dataset]}"] = part
        return jobs


def dotted_keys(settings: Mapping[str, Any], prefix: str = "") -> set[str]:
    """Return the keys of nested settings, such as `training.optimizer.name`, those of inner settings among them."""
    keys = set()
    for key, value in settings.items():
        keys.add(prefix + key)
        if isinstance(value, Mapping):
            keys |= dotted_keys(value, f"{prefix}{key}.")
    return keys


def _evenly(runs: list[RunConfig], most: int) -> list[list[RunConfig]]:
    """Divide runs into as few parts as ``most`` a part allows, none more than one run longer than another."""
    parts = math.ceil(len(runs) / most)
    cuts = [len(runs) * part // parts for part in range(parts + 1)]
    return [runs[start:stop] for start, stop in pairwise(cuts)]


def _check_kind(kind: Any, preset: str, dataset: str, where: str) -> None:
    samples = DATASETS[dataset].kind
    if kind in KINDS.values() and kind != KINDS[samples]:
        raise CareBenchError(
            f"{where}: preset {preset!r} with augmentation {kind!r} does not fit {dataset!r}, whose samples are of "
            f"kind {samples!r}"
        )


def _cut(run: RunConfig, steps: int) -> RunConfig:
    small = {"steps": steps, "devices": 1, "batchnorm": "per-device"}
    batch, method = run.training.batch_size, run.method
    if isinstance(method, EquivarianceTerm):
        method = method.model_copy(update={"splits": math.gcd(method.splits, CHECK_SPLITS)})
    for size in (*CHECK_BATCHES, batch):
        training = run.training.model_copy(update={**small, "batch_size": min(size, batch)})
        with suppress(ValueError):
            method.check_batch(training.batch_size)
            break
    return run.model_copy(update={"training": training, "method": method})
