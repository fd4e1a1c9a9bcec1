"""The rules for claims are copied once before the first training, and go into the collection."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.evidence.made import claim, rules
from tests.workflow.conftest import Edit, Workflow

KEPT = "results/jobs/tiny-steps2/claims.yaml"


@pytest.fixture
def workflow(tmp_path: Path) -> Workflow:
    write(tmp_path, profile="tiny-steps2")
    return Workflow(tmp_path)


def write(folder: Path, **changes: Any) -> str:
    path = folder / "results/reference/claims.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rules(claim(), **changes)))
    return path.read_text()


def test_they_are_copied_before_any_training_and_collected(workflow: Workflow, edit: Edit) -> None:
    planned = workflow.run(edit(), "--dry-run", "--printshellcmds")
    assert planned.returncode == 0, planned.stderr
    for block in planned.stdout.split("rule pretrain:")[1:]:
        assert KEPT in block.split("output:")[0]
    assert f"--rules {KEPT}" in planned.stdout


def test_they_stay_as_they_were(workflow: Workflow, edit: Edit) -> None:
    before = (workflow.folder / "results/reference/claims.yaml").read_text()
    first = workflow.run(edit(), KEPT)
    assert first.returncode == 0, first.stderr
    after = write(workflow.folder, profile="tiny-steps2", seeds=[1, 2, 3, 4, 5])
    again = workflow.run(edit(), KEPT, "--forcerun", "fix_claims")
    assert again.returncode == 0, again.stderr
    assert (workflow.folder / KEPT).read_text() == before != after


def test_those_that_come_after_runs_say_so(workflow: Workflow, edit: Edit) -> None:
    runs = workflow.folder / "results/runs/tiny-steps2/digits"
    for kept in ("simclr/seed0/pretrain.json", "care/seed0/config-0123456789ab/pretrain.json"):
        (runs / kept).parent.mkdir(parents=True)
        (runs / kept).write_text("{}")
    ended = workflow.run(edit(), KEPT)
    assert ended.returncode == 0, ended.stderr
    given = (workflow.folder / "results/reference/claims.yaml").read_text()
    expected = f"# Kept after 2 runs had been trained or measured.\n{given}"
    assert (workflow.folder / KEPT).read_text() == expected


def test_those_of_another_profile_are_not(workflow: Workflow, edit: Edit) -> None:
    write(workflow.folder, profile="another")
    planned = workflow.run(edit(), "--dry-run", "--printshellcmds")
    assert planned.returncode == 0, planned.stderr
    assert "claims.yaml" not in planned.stdout
