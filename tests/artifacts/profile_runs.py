"""The runs of a small profile, and the files of records that they leave."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from care_bench.artifacts import Record
from care_bench.artifacts.collecting import collect_profile
from care_bench.config import Profile, RunConfig, parse_profile
from care_bench.files import canonical_json, write_json
from tests.sample_records import make_record, write_run, write_runs

Make = Callable[..., Record]


PROFILE: dict[str, Any] = {
    "profile": "small",
    "seeds": [0, 1],
    "datasets": {
        "proteins": {"preset": "proteins", "methods": {"simclr": {"name": "simclr"}}},
        "digits": {
            "preset": "digits",
            "methods": {"simclr": {"name": "simclr"}, "invariance": {"name": "invariance"}},
        },
    },
}


def record_files(folder: Path, *groups: list[Record]) -> list[Path]:
    """Write files of records, one for each group."""
    return [path for index, group in enumerate(groups) for path in write_runs(folder / str(index), group)]


def contents(folder: Path) -> dict[str, bytes]:
    """Name -> content of the files of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def profile() -> Profile:
    """The parsed profile."""
    return parse_profile(PROFILE, "here")


def measured(run: RunConfig, **changes: Any) -> Record:
    """A record of a run of a profile."""
    config = canonical_json(run.model_dump(mode="json")).decode()
    settings = parse_profile(PROFILE, "here").measured(run.dataset)
    place = {"profile": run.profile, "dataset": run.dataset, "variant": run.variant, "seed": run.seed}
    evaluation = canonical_json(settings.recorded(run)).decode()
    place |= {"evaluation": evaluation}
    return make_record(**{**place, "config": config, "config_sha256": run.sha256(), **changes})


def write_evaluated(folder: Path, records: list[Record]) -> Path:
    """Write the files of an evaluated run."""
    path = write_run(folder / "records.jsonl", records)
    summary = json.loads((folder / "evaluate.json").read_text())
    del summary["records_sha256"]
    write_json(folder / "pretrain.json", {**summary, "steps": 3})
    return path


@pytest.fixture
def runs(tmp_path: Path, profile: Profile) -> Path:
    """Records of every run of the profile."""
    for run in profile.runs():
        write_evaluated(tmp_path / "runs" / run.id, [measured(run), measured(run, metric="gamma", epoch=5)])
    return tmp_path / "runs"


@pytest.fixture
def whole(tmp_path: Path, profile: Profile, runs: Path) -> Path:
    """The collection of a profile."""
    return collect_profile(profile, runs, tmp_path / "collected" / "small").parent
