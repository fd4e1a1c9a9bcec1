"""The DAG: it ends with tables, a second run finds nothing to do, one change reruns one run."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

Edit = Callable[..., dict[str, Any]]


def jobs(text: str) -> set[str]:
    """What snakemake would run: rule names, with the row where a rule has one."""
    found = set()
    for rule, block in re.findall(r"^(?:local)?rule (\w+):\n((?:    .*\n)+)", text, re.MULTILINE):
        row = re.search(r"job=digits/(\w+)/", block)
        found.add(f"{rule} {row.group(1)}" if row else rule)
    return found


@pytest.fixture(scope="session")
def folder(finished: Any) -> Path:
    return Path(finished.folder)


def test_every_run_leaves_its_files_and_the_tables_cite_them(folder: Path) -> None:
    for row in ("simclr", "care"):
        run = folder / "results/runs/tiny-steps2/digits" / row / "seed0"
        names = {path.name for path in run.iterdir()}
        written = {"config.json", "encoder.safetensors", "log.jsonl", "pretrain.json"}
        assert names == written | {"records.jsonl", "evaluate.json"}
        assert json.loads((run / "pretrain.json").read_text())["steps"] == 2
    frame = pd.read_parquet(folder / "results/collected/tiny-steps2/records.parquet")
    assert set(frame["variant"]) == {"simclr", "care"}
    assert set(frame["device"].str.split(":").str[0]) <= {"cpu", "cuda"}
    report = (folder / "results/report/tiny-steps2/report.md").read_text()
    cited = set(re.findall(r"r[0-9a-f]{10}", report))
    assert cited
    assert cited <= set(frame["id"])
    assert "measured on at most 64 samples of each split" in report, "two steps are measured on a few samples"
    profile = json.loads((folder / "results/collected/tiny-steps2/profile.json").read_text())
    assert list(profile["datasets"]["digits"]["methods"]) == ["simclr", "care"], "the tables have their order of it"


def test_every_job_wrote_a_log(folder: Path) -> None:
    kept = folder / "results/logs/tiny-steps2"
    logs = {str(path.relative_to(kept)) for path in kept.rglob("*.log")}
    rows = ("simclr", "care")
    of_runs = {f"digits/{row}/seed0.{stage}.log" for row in rows for stage in ("pretrain", "evaluate")}
    of_jobs = {
        f"jobs/digits/{row}/seed0.{stage}.log" for row in rows for stage in ("configure", "pretrain", "evaluate")
    }
    assert logs == of_runs | of_jobs | {
        *("digits/prepare.log", "digits/evaluation_settings.log", "collect.log", "report.log"),
        *("resolved_profile.log", "settings.log"),
    }
    assert "step 2/2" in (kept / "digits/care/seed0.pretrain.log").read_text()


def test_a_second_run_finds_nothing_to_do(finished: Any, edit: Edit) -> None:
    again = finished.run(edit(), "--dry-run")
    assert again.returncode == 0, again.stderr
    assert "Nothing to be done" in again.stdout + again.stderr
    assert jobs(again.stdout) == set()


def test_one_changed_hyperparameter_reruns_that_run_and_what_follows(finished: Any, edit: Edit) -> None:
    planned = finished.run(edit(care={"weight": 0.5}), "--dry-run")
    assert planned.returncode == 0, planned.stderr
    follows = {
        "configure care",
        "pretrain care",
        "evaluate care",
        "collect",
        "report_tables",
        "resolved_profile",
        "settings",
    }
    assert jobs(planned.stdout) - {"all"} == follows


def test_other_augmentations_to_measure_under_repeat_the_evaluation_and_no_training(finished: Any, edit: Edit) -> None:
    changed = edit()
    changed["datasets"]["digits"]["evaluation"] = {"augmentation": {"crop_scale": [1, 1]}}
    planned = finished.run(changed, "--dry-run")
    assert planned.returncode == 0, planned.stderr
    follows = {
        *("evaluation_settings", "evaluate simclr", "evaluate care"),
        *("collect", "report_tables", "resolved_profile", "settings"),
    }
    assert jobs(planned.stdout) - {"all"} == follows


def test_the_changed_run_is_trained_anew_and_the_other_left_alone(finished: Any, edit: Edit, tmp_path: Path) -> None:
    own = replace(finished, folder=Path(shutil.copytree(finished.folder, tmp_path / "workflow")))
    runs = {
        row: own.folder / "results/runs/tiny-steps2/digits" / row / "seed0/pretrain.json" for row in ("simclr", "care")
    }
    before = {row: (path.stat().st_mtime_ns, json.loads(path.read_text())) for row, path in runs.items()}
    changed = edit(care={"weight": 0.5})
    ended = own.run(changed, "--show-failed-logs")
    assert ended.returncode == 0, ended.stderr
    after = {row: (path.stat().st_mtime_ns, json.loads(path.read_text())) for row, path in runs.items()}
    assert after["simclr"] == before["simclr"]
    assert after["care"][1]["config_sha256"] != before["care"][1]["config_sha256"]
    assert after["care"][1]["weights_sha256"] != before["care"][1]["weights_sha256"]
    assert "Nothing to be done" in own.run(changed, "--dry-run").stdout


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"care": {"wieght": 1}}, "unknown key 'wieght': did you mean 'weight'?"),
        ({"care": {"splits": 7}}, "splits = 7 does not divide batch_size = 256"),
        ({"simclr": {"name": "simclir"}}, "unknown method 'simclir': did you mean 'simclr'?"),
    ],
)
def test_a_mistake_in_the_profile_stops_before_anything_runs(
    change: dict[str, dict[str, Any]], message: str, finished: Any, edit: Edit
) -> None:
    ended = finished.run(edit(**change), "--dry-run")
    assert ended.returncode != 0
    assert message in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr
