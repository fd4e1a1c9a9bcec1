"""The DAG: it makes the tables, a second run has nothing to do, and a change reruns only what depends on it."""

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
    """What snakemake would run: rule names, with the variant where a rule has one."""
    found = set()
    for rule, block in re.findall(r"^(?:local)?rule (\w+):\n((?:    .*\n)+)", text, re.MULTILINE):
        variant = re.search(r"job=digits/(\w+)/", block)
        found.add(f"{rule} {variant.group(1)}" if variant else rule)
    return found


@pytest.fixture(scope="session")
def folder(finished: Any) -> Path:
    return Path(finished.folder)


def test_every_run_leaves_its_files_and_the_tables_cite_them(folder: Path) -> None:
    for variant in ("simclr", "care"):
        run = folder / "results/runs/tiny-steps2/digits" / variant / "seed0"
        names = {path.name for path in run.iterdir()}
        written = {"config.json", "encoder.safetensors", "log.jsonl", "pretrain.json"}
        assert names == written | {"records.jsonl", "evaluate.json"}
        assert json.loads((run / "pretrain.json").read_text())["steps"] == 2
    frame = pd.read_parquet(folder / "results/collected/tiny-steps2/records.parquet")
    assert set(frame["variant"]) == {"simclr", "care"}
    assert set(frame["device"].str.split(":").str[0]) <= {"cpu", "cuda"}
    report = (folder / "results/report/tiny-steps2/report.md").read_text()
    assert "Histogram of cosines" in report
    cited = set(re.findall(r"r[0-9a-f]{10}", report))
    assert cited
    assert cited <= set(frame["id"])
    assert "measured on at most 64 samples of each split" in report, "runs of two steps are measured on a few samples"
    profile = json.loads((folder / "results/collected/tiny-steps2/profile.json").read_text())
    assert list(profile["datasets"]["digits"]["methods"]) == ["simclr", "care"], "the tables follow this order"


def test_the_scheduler_works_when_a_job_ends_and_not_by_the_clock(folder: Path) -> None:
    shown = (folder / "snakemake.txt").read_text()
    ended = shown.count("Finished jobid")
    assert ended >= 9
    assert 0 < shown.count("Ready jobs: ") <= ended + 1


def test_encoders_are_trained_before_any_is_measured(folder: Path) -> None:
    """So the long jobs come first, and the cores have work until the end."""
    rules = re.findall(r"^(?:local)?rule (\w+):", (folder / "snakemake.txt").read_text(), re.MULTILINE)
    assert [rule for rule in rules if rule in ("pretrain", "evaluate")] == ["pretrain"] * 2 + ["evaluate"] * 2
    assert rules.index("pretrain") < rules.index("settings")


def test_every_job_wrote_a_log(folder: Path) -> None:
    kept = folder / "results/logs/tiny-steps2"
    logs = {str(path.relative_to(kept)) for path in kept.rglob("*.log")}
    variants = ("simclr", "care")
    of_runs = {f"digits/{variant}/seed0.{stage}.log" for variant in variants for stage in ("pretrain", "evaluate")}
    of_jobs = {
        f"jobs/digits/{variant}/seed0.{stage}.log"
        for variant in variants
        for stage in ("configure", "pretrain", "evaluate")
    }
    assert logs == of_runs | of_jobs | {
        *("digits/prepare.log", "digits/evaluation_settings.log", "digits/illustrate.log"),
        *("collect.log", "report.log"),
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
        "illustrate",
        "collect",
        "report_tables",
        "resolved_profile",
        "settings",
    }
    assert jobs(planned.stdout) - {"all"} == follows


def test_a_changed_evaluation_augmentation_repeats_the_evaluation_only(finished: Any, edit: Edit) -> None:
    changed = edit()
    changed["datasets"]["digits"]["evaluation"] = {"augmentation": {"crop_scale": [1, 1]}}
    planned = finished.run(changed, "--dry-run")
    assert planned.returncode == 0, planned.stderr
    follows = {
        *("evaluation_settings", "evaluate simclr", "evaluate care"),
        *("illustrate", "collect", "report_tables", "resolved_profile", "settings"),
    }
    assert jobs(planned.stdout) - {"all"} == follows


def test_the_changed_run_is_trained_again_and_the_other_is_not(finished: Any, edit: Edit, tmp_path: Path) -> None:
    own = replace(finished, folder=Path(shutil.copytree(finished.folder, tmp_path / "workflow")))
    runs = {
        variant: own.folder / "results/runs/tiny-steps2/digits" / variant / "seed0/pretrain.json"
        for variant in ("simclr", "care")
    }
    before = {variant: (path.stat().st_mtime_ns, json.loads(path.read_text())) for variant, path in runs.items()}
    changed = edit(care={"weight": 0.5})
    trained = "results/jobs/tiny-steps2/digits/care/seed0/pretrained.json"
    ended = own.run(changed, trained, "--show-failed-logs")
    assert ended.returncode == 0, ended.stderr
    after = {variant: (path.stat().st_mtime_ns, json.loads(path.read_text())) for variant, path in runs.items()}
    assert after["simclr"] == before["simclr"]
    assert after["care"][1]["config_sha256"] != before["care"][1]["config_sha256"]
    assert after["care"][1]["weights_sha256"] != before["care"][1]["weights_sha256"]
    assert "Nothing to be done" in own.run(changed, trained, "--dry-run").stdout


def test_a_mistake_in_the_profile_stops_before_anything_runs(finished: Any, edit: Edit) -> None:
    ended = finished.run(edit(care={"wieght": 1}), "--dry-run")
    assert ended.returncode != 0
    assert "unknown key 'wieght': did you mean 'weight'?" in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr
