"""A profile is a matrix of data sets x methods x seeds; resolving it gives one full configuration per run."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import Field, PositiveInt, field_validator

from care_bench.config.base import Settings
from care_bench.config.dataset import PARTS, DatasetPlan, check_kind
from care_bench.config.evaluation import EvaluationConfig, EvaluationPlan
from care_bench.config.imported_run import ImportedConfig
from care_bench.config.run import RunConfig, Seed
from care_bench.config.shortened import EVALUATION, shortened
from care_bench.data import DATASETS
from care_bench.errors import CareBenchError, unknown
from care_bench.names import check_file_name


def kept_under(profile: str, steps: int | None) -> str:
    """Return the name that results are kept under: the profile, and the steps if runs are cut."""
    return profile if steps is None else f"{profile}-steps{steps}"


class Profile(Settings):
    """A matrix of runs and how they are evaluated."""

    profile: str
    """Name of the profile; results are kept under it."""
    seeds: list[Seed] = Field(min_length=1)
    """Pretraining seeds; every variant is run once with each."""
    datasets: dict[str, DatasetPlan] = Field(min_length=1)
    """Data set -> its runs."""
    evaluation: EvaluationPlan = EvaluationPlan()
    """How every run is evaluated."""
    runs_per_job: Annotated[int, Field(ge=1, le=32)] = 1
    """Runs of one data set that a job of the workflow trains or measures one after another, for runs so short that a
    process takes longer to start. A run on several devices has its own job."""
    resamples: Annotated[int, Field(ge=10, le=1000)] | None = None
    """Measure what the rules for claims compare on this many random halves of the test samples as well, for intervals
    over test samples; none: not at all. It needs rules for the claims of the profile."""
    steps: PositiveInt | None = None
    """Cut every run to this many small steps on one device, and its evaluation to a few samples, to check the profile
    end to end. Such numbers are no results; they are kept apart, as NAME-stepsN."""
    raw: str = "results/raw"
    """Folder of raw data, for data sets that do not come with the package."""
    skip_broken: bool = False
    """Leave out raw files that cannot be read; the prepared data set names them."""

    @field_validator("evaluation", mode="before")
    @classmethod
    def _not_of_a_data_set(cls, evaluation: Any) -> Any:
        if isinstance(evaluation, dict) and "augmentation" in evaluation:
            raise ValueError("'augmentation' belongs to one data set; expected in `datasets.NAME.evaluation`")
        return evaluation

    @field_validator("seeds")
    @classmethod
    def _distinct(cls, seeds: list[int]) -> list[int]:
        if len(set(seeds)) < len(seeds):
            raise ValueError("a seed is repeated; expected distinct seeds")
        return seeds

    @property
    def name(self) -> str:
        """The name that results are kept under."""
        return kept_under(self.profile, self.steps)

    def measured(self, dataset: str) -> EvaluationConfig:
        """Return how the runs of a data set are evaluated; runs cut to a few steps on a few samples.

        All variants are measured under the augmentation of the data set, even those trained under another one.

        Raises:
            CareBenchError: an unknown preset or key, or an augmentation that does not fit the data set.
        """
        plan, where = self.datasets[dataset], f"profile {self.profile!r}, data set {dataset!r}, evaluation"
        try:
            augmentation = plan.parts({})["augmentation"]
        except CareBenchError as error:
            raise CareBenchError(f"{where}: {error}") from None
        check_kind(augmentation["kind"], plan.preset, dataset, where)
        plan.evaluation.check_drawn(dataset, where)
        content = self.evaluation.model_dump()
        if self.steps is not None:
            content |= {key: min(most, content[key] or most) for key, most in EVALUATION.items()}
        return EvaluationConfig.parse(
            {**content, "augmentation": {**augmentation, **plan.evaluation.augmentation}}, where
        )

    def runs(self) -> list[RunConfig]:
        """Resolve the matrix, in the order of the profile.

        Raises:
            CareBenchError: a name that cannot be a folder, an unknown data set, preset, method or key, or settings
                that do not fit together; the message names the data set and the variant.
        """
        check_file_name("profile", self.profile)
        runs: list[RunConfig] = []
        for dataset, plan in self.datasets.items():
            where = f"profile {self.profile!r}"
            if dataset not in DATASETS:
                raise CareBenchError(f"{where}: {unknown('data set', dataset, DATASETS)}")
            first = len(runs)
            for variant, settings in plan.methods.items():
                where = f"profile {self.profile!r}, data set {dataset!r}, variant {variant!r}"
                check_file_name(f"{where}: variant", variant)
                try:
                    parts = plan.parts(settings)
                except CareBenchError as error:
                    raise CareBenchError(f"{where}: {error}") from None
                check_kind(parts["augmentation"]["kind"], settings.get("preset", plan.preset), dataset, where)
                method = {key: value for key, value in settings.items() if key not in ("preset", *PARTS)}
                identity = {"profile": self.name, "dataset": dataset, "variant": variant, "seed": self.seeds[0]}
                run = RunConfig.parse({**identity, "method": method, **parts}, where)
                if self.steps is not None:
                    run = shortened(run, self.steps)
                runs += [run.model_copy(update={"seed": seed}) for seed in self.seeds]
            evaluation = self.measured(dataset)
            for run in runs[first:]:
                evaluation.augmentation_of(run)  # finds a mistake before anything runs
            plan.check_reasons(runs[first:], evaluation, f"profile {self.profile!r}, data set {dataset!r}")
        return runs

    def imported(self) -> list[ImportedConfig]:
        """Return the imported encoders, in the order of the profile.

        Raises:
            CareBenchError: an unknown data set, or a name that cannot be a folder.
        """
        found = []
        for dataset, plan in self.datasets.items():
            for name, settings in plan.imported.items():
                where = f"profile {self.profile!r}, data set {dataset!r}"
                if dataset not in DATASETS:
                    raise CareBenchError(f"{where}: {unknown('data set', dataset, DATASETS)}")
                check_file_name(f"{where}: imported encoder", name)
                found.append(ImportedConfig(profile=self.name, dataset=dataset, variant=name, imported=settings))
        return found

    def imported_jobs(self) -> dict[str, list[ImportedConfig]]:
        """Divide the imported encoders into jobs, `DATASET/importedN`, as :meth:`jobs` divides the runs."""
        by_dataset: dict[str, list[ImportedConfig]] = {}
        for one in self.imported():
            by_dataset.setdefault(one.dataset, []).append(one)
        return {
            f"{dataset}/imported{number}": part
            for dataset, found in by_dataset.items()
            for number, part in enumerate(_evenly(found, self.runs_per_job), start=1)
        }

    def jobs(self) -> dict[str, list[RunConfig]]:
        """Divide the runs into jobs of at most ``runs_per_job`` runs of one data set.

        A job of one run has the run's id as its name, others are `DATASET/jobN`.

        Raises:
            CareBenchError: as :meth:`runs`.
        """
        jobs: dict[str, list[RunConfig]] = {}
        shared: dict[str, list[RunConfig]] = {}
        for run in self.runs():
            if run.training.devices > 1 or self.runs_per_job == 1:
                jobs[run.id] = [run]
            else:
                shared.setdefault(run.dataset, []).append(run)
        for dataset, runs in shared.items():
            for number, part in enumerate(_evenly(runs, self.runs_per_job), start=1):
                jobs[f"{dataset}/job{number}"] = part
        return jobs


def _evenly(runs: list[Any], most: int) -> list[list[Any]]:
    """Deal runs out into as few parts as ``most`` a part allows, none more than one run longer than another.

    Neighbours go to different parts: rows that are not trained stand beside each other in a profile, and so do those
    whose steps are long.
    """
    parts = math.ceil(len(runs) / most)
    return [runs[part::parts] for part in range(parts)]
