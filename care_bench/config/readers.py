"""Read profiles, runs and evaluation settings from files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from care_bench.config.evaluation import EvaluationConfig
from care_bench.config.imported_run import ImportedConfig
from care_bench.config.profile import Profile
from care_bench.config.run import RunConfig
from care_bench.config.yaml_files import kind_of, read_yaml
from care_bench.errors import CareBenchError, unknown


def parse_profile(content: Any, where: str) -> Profile:
    """Validate plain data as a profile; ``where`` is named in errors."""
    if not isinstance(content, Mapping):
        raise CareBenchError(f"{where}: expected the keys of a profile, found {kind_of(content)}")
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
        run: `DATASET/VARIANT/seedN` when ``path`` is a profile, else None.

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
        raise CareBenchError(f"{path}: expected the configuration of a run, found {kind_of(content)}")
    return RunConfig.parse(content, str(path))


def read_runs(path: Path) -> list[RunConfig]:
    """Read a JSON or YAML list of run configurations."""
    return [RunConfig.parse(entry, where) for entry, where in _entries(path)]


def read_imported(path: Path) -> list[ImportedConfig]:
    """Read a JSON or YAML list of imported encoders with their data sets."""
    return [ImportedConfig.parse(entry, where) for entry, where in _entries(path)]


def _entries(path: Path) -> list[tuple[Mapping[str, Any], str]]:
    """Return the entries of a list of configurations, and how errors name them."""
    content = read_yaml(path)
    if not isinstance(content, list) or not all(isinstance(entry, Mapping) for entry in content):
        raise CareBenchError(f"{path}: expected a list of run configurations, found {kind_of(content)}")
    return [(entry, f"{path}, run {number}") for number, entry in enumerate(content, start=1)]


def read_evaluation(path: Path) -> EvaluationConfig:
    """Read evaluation settings from a JSON or YAML file; there is no preset here that completes an augmentation."""
    content = read_yaml(path)
    if not isinstance(content, Mapping):
        raise CareBenchError(f"{path}: expected evaluation settings, found {kind_of(content)}")
    augmentation = content.get("augmentation")
    if isinstance(augmentation, Mapping) and "kind" not in augmentation:
        raise CareBenchError(
            f"{path}: augmentation: expected a whole one: `kind: image`, `size`, and the keys that differ from their "
            "defaults; or `kind: rotation`"
        )
    return EvaluationConfig.parse(content, str(path))
