"""Runs are measured on halves of the test samples where the profile asks for it and has rules for claims."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from care_bench.config import read_profile
from tests.evidence.made import claim, rules
from tests.workflow.conftest import ROOT, Edit, Workflow
from tests.workflow.test_rules_for_claims import write

SEEDS = [0, 1, 2, 3, 4]
OF_A_JOB = "results/jobs/tiny-steps2/digits/care/seed0/resamples.jsonl"


@pytest.fixture
def workflow(tmp_path: Path) -> Workflow:
    write(tmp_path, profile="tiny-steps2", seeds=SEEDS)
    return Workflow(tmp_path)


@pytest.mark.long
def test_they_are_made_of_trained_runs_without_records_and_collected(workflow: Workflow, edit: Edit) -> None:
    asked = {**edit(), "resamples": 10}
    planned = workflow.run(asked, "--dry-run", "--printshellcmds")
    assert planned.returncode == 0, planned.stderr
    assert planned.stdout.count("rule resample:") == 2
    assert f"--resamples {OF_A_JOB}" in planned.stdout
    ended = workflow.run(asked, "resamples", "--show-failed-logs")
    assert ended.returncode == 0, ended.stderr
    (line,) = (workflow.folder / OF_A_JOB).read_text().splitlines()
    found = json.loads(line)
    assert (found["variant"], found["seed"], found["units"]) == ("care", 0, 64)
    assert [(one["metric"], len(one["values"])) for one in found["found"]] == [("wahba_error", 10)]
    assert not list((workflow.folder / "results/runs").rglob("records.jsonl"))


@pytest.mark.parametrize(("number", "profile"), [(None, "tiny-steps2"), (10, "another")])
def test_nothing_is_made_that_nobody_asked_for_or_has_no_rules(
    workflow: Workflow, edit: Edit, number: int | None, profile: str
) -> None:
    (workflow.folder / "results/reference/claims.yaml").write_text(
        json.dumps(rules(claim(), profile=profile, seeds=SEEDS))
    )
    planned = workflow.run({**edit(), "resamples": number}, "--dry-run", "--printshellcmds")
    assert planned.returncode == 0, planned.stderr
    assert "rule resample" not in planned.stdout
    assert "resamples.jsonl" not in planned.stdout


def test_the_profiles_of_the_repository_that_ask_for_them() -> None:
    profiles = {path.stem: read_profile(path) for path in (ROOT / "workflows/config").glob("*.yaml")}
    assert {name for name, profile in profiles.items() if profile.resamples} == {"cpu"}
