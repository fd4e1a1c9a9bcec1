"""A profile is a matrix of data sets x methods x seeds; resolving it gives one full configuration per run."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, PositiveInt, field_validator

from care_bench.config.base import Settings
from care_bench.config.evaluation import EvaluationConfig
from care_bench.config.run import RunConfig, Seed
from care_bench.data import DATASETS
from care_bench.errors import CareBenchError, unknown

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


class DatasetPlan(Settings):
    """The runs of one data set."""

    preset: str
    """Preset that gives encoder, augmentation and training: a file of care_bench/config/presets, without `.yaml`."""
    methods: dict[str, dict[str, Any]] = Field(min_length=1)
    """Row name -> settings of the method, with its `name` (see care_bench/config/methods.py)."""
    encoder: dict[str, Any] = Field(default_factory=dict)
    """Keys of the preset's encoder to replace."""
    augmentation: dict[str, Any] = Field(default_factory=dict)
    """Keys of the preset's augmentation to replace."""
    training: dict[str, Any] = Field(default_factory=dict)
    """Keys of the preset's training to replace."""


class Profile(Settings):
    """A matrix of runs and how they are evaluated."""

    profile: str
    """Name of the profile; results are kept under it."""
    seeds: list[Seed] = Field(min_length=1)
    """Pretraining seeds; every row is run once with each."""
    datasets: dict[str, DatasetPlan] = Field(min_length=1)
    """Data set -> its runs."""
    evaluation: EvaluationConfig = EvaluationConfig()
    """How every run is evaluated."""
    steps: PositiveInt | None = None
    """Cut every run to this many steps, to check a profile end to end; results are kept apart, as NAME-stepsN."""

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

    def runs(self) -> list[RunConfig]:
        """Resolve the matrix, in the order in which it is written.

        Raises:
            CareBenchError: a name that cannot be a folder, an unknown data set, preset, method or key, or settings
                that do not fit together; the message names the data set and the row.
        """
        check_name("profile", self.profile)
        runs = []
        for dataset, plan in self.datasets.items():
            if dataset not in DATASETS:
                raise unknown("data set", dataset, DATASETS)
            preset = load_preset(plan.preset)
            parts = {key: {**preset[key], **getattr(plan, key)} for key in ("encoder", "augmentation", "training")}
            if self.steps is not None:
                parts["training"]["steps"] = self.steps
            for variant, method in plan.methods.items():
                check_name("method row", variant)
                for seed in self.seeds:
                    content = {"profile": self.name, "dataset": dataset, "variant": variant, "seed": seed}
                    where = f"profile {self.profile!r}, data set {dataset!r}, method row {variant!r}"
                    run = RunConfig.parse({**content, "method": method, **parts}, where)
                    if (run.augmentation.kind == "image") != (DATASETS[dataset].kind == "image"):
                        raise CareBenchError(
                            f"{where}: preset {plan.preset!r} with augmentation {run.augmentation.kind!r} does not fit "
                            f"{dataset!r}, whose samples are of kind {DATASETS[dataset].kind!r}"
                        )
                    runs.append(run)
        return runs


def parse_profile(content: Any, where: str) -> Profile:
    """Validate plain data as a profile; ``where`` is named in errors."""
    if not isinstance(content, Mapping):
        raise CareBenchError(f"{where}: expected the keys of a profile, found {type(content).__name__}")
    return Profile.parse(content, where)


def read_profile(path: Path) -> Profile:
    """Read a profile from a YAML file.

    Raises:
        CareBenchError: no such file, not YAML, or not a profile.
    """
    return parse_profile(read_yaml(path), str(path))


def read_run(path: Path, run: str | None) -> RunConfig:
    """Read one run: from its own configuration file, or picked by its id out of a profile.

    Args:
        path: a run's configuration (`config.json`), or a profile.
        run: `dataset/variant/seedN` when ``path`` is a profile, else None.

    Raises:
        CareBenchError: the file is neither, or the run is not in the profile.
    """
    content = read_yaml(path)
    if isinstance(content, Mapping) and "datasets" in content:
        runs = {config.id: config for config in parse_profile(content, str(path)).runs()}
        if run is None:
            raise CareBenchError(f"{path} is a profile of {len(runs)} runs: pick one, as in --run {next(iter(runs))}")
        if run not in runs:
            raise unknown("run", run, runs)
        return runs[run]
    if run is not None:
        raise CareBenchError(f"{path} is not a profile: --run {run} picks a run out of a profile")
    if not isinstance(content, Mapping):
        raise CareBenchError(f"{path}: expected the configuration of a run, found {type(content).__name__}")
    return RunConfig.parse(content, str(path))


def read_evaluation(path: Path) -> EvaluationConfig:
    """Read evaluation settings from a JSON or YAML file."""
    content = read_yaml(path)
    if not isinstance(content, Mapping):
        raise CareBenchError(f"{path}: expected evaluation settings, found {type(content).__name__}")
    return EvaluationConfig.parse(content, str(path))


def profile_json_schema() -> str:
    """Return the JSON schema of a profile, as workflows/schemas/profile.schema.json holds it."""
    return json.dumps(Profile.model_json_schema(), indent=2) + "\n"


def check_name(kind: str, name: str) -> None:
    """Raise CareBenchError unless the name can be a folder."""
    if not NAME.fullmatch(name):
        raise CareBenchError(f"{kind} {name!r} cannot be a folder; expected letters, digits, '.', '_' and '-'")


@cache
def _presets() -> dict[str, str]:
    folder = resources.files("care_bench.config").joinpath("presets")
    return {Path(file.name).stem: file.read_text() for file in folder.iterdir() if file.name.endswith(".yaml")}


def load_preset(name: str) -> dict[str, dict[str, Any]]:
    """Return encoder, augmentation and training of a preset that comes with the package."""
    presets = _presets()
    if name not in presets:
        raise unknown("preset", name, presets)
    content: dict[str, dict[str, Any]] = yaml.safe_load(presets[name])
    return content


class _Loader(yaml.SafeLoader):
    """A safe loader that refuses a key which stands twice in one mapping, where YAML would keep the last."""


def _mapping_without_repetition(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[str] = set()
    for key, _ in node.value:
        if key.value in seen and key.tag != "tag:yaml.org,2002:merge":
            raise yaml.YAMLError(f"key {key.value!r} stands twice, the second time in line {key.start_mark.line + 1}")
        seen.add(str(key.value))
    loader.flatten_mapping(node)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping_without_repetition)


def read_yaml(path: Path) -> Any:
    """Read a YAML file.

    Raises:
        CareBenchError: no such file, not YAML, or a key that stands twice.
    """
    try:
        return yaml.load(path.read_text(), _Loader)  # a subclass of SafeLoader
    except OSError as error:
        raise CareBenchError(f"cannot read {path}: {error.strerror or error}") from None
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise CareBenchError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
