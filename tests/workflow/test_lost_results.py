"""What was lost, edited or is out of date is made again, whichever target is named."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.evidence.made import claim, rules
from tests.workflow.conftest import ROOT, Edit, Workflow
from tests.workflow.test_dag import jobs

NAME = "tiny-steps2"
REPORT = f"results/report/{NAME}/report.md"
OUTPUTS = {
    f"results/jobs/{NAME}/collected.json": "collect",
    f"results/collected/{NAME}/records.csv": "collect",
    f"results/report/{NAME}/index.html": "report_tables",
    f"results/report/{NAME}/report.csv": "report_tables",
    f"results/report/{NAME}/report.tex": "report_tables",
    f"results/settings/{NAME}/settings.csv": "settings",
    f"results/settings/{NAME}/settings.html": "settings",
}


@pytest.fixture
def own(finished: Workflow, tmp_path: Path) -> Workflow:
    """A copy of the finished workflow."""
    return replace(finished, folder=Path(shutil.copytree(finished.folder, tmp_path / "workflow")))


def planned(workflow: Workflow, profile: dict[str, Any], *targets: str) -> set[str]:
    found = workflow.run(profile, *targets, "--dry-run")
    assert found.returncode == 0, found.stderr
    return jobs(found.stdout) - {"all"}


def test_the_profile_is_compared_with_the_results_alone(own: Workflow, edit: Edit) -> None:
    """Snakemake keeps parameters in a folder of its own, and results may have been copied without it."""
    shutil.rmtree(own.folder / ".snakemake")
    assert planned(own, edit()) == set()
    trained = {"configure care", "pretrain care", "evaluate care"}
    follows = {"illustrate", "collect", "report_tables", "resolved_profile", "settings"}
    assert planned(own, edit(care={"weight": 9})) == trained | follows
    changed = edit()
    changed["evaluation"]["samples"] = 32
    assert planned(own, changed) == follows | {"evaluation_settings", "evaluate care", "evaluate simclr"}


def test_another_number_of_halves_measures_them_again(own: Workflow, edit: Edit) -> None:
    """Also without the parameters that snakemake keeps: the file itself says the number."""
    _rules(own.folder / "results")
    kept = own.folder / f"results/jobs/{NAME}/claims.yaml"
    kept.write_text(json.dumps(rules(claim(), profile=NAME)))
    for variant, values in (("care", [0.0] * 10), ("simclr", [0.0] * 11)):
        line = json.dumps({"found": [{"values": values}]})
        (own.folder / f"results/jobs/{NAME}/digits/{variant}/seed0/resamples.jsonl").write_text(f"{line}\n")
    shutil.rmtree(own.folder / ".snakemake")
    found = planned(own, {**edit(), "resamples": 10})
    assert "resample simclr" in found
    assert "resample care" not in found


@pytest.mark.parametrize("targets", [(), ("all",), (REPORT,)])
@pytest.mark.parametrize("job", [False, True], ids=["the run alone", "its job too"])
def test_a_lost_run_is_noticed_by_every_target_that_needs_it(
    own: Workflow, edit: Edit, targets: tuple[str, ...], job: bool
) -> None:
    shutil.rmtree(own.folder / f"results/runs/{NAME}/digits/care")
    if job:
        shutil.rmtree(own.folder / f"results/jobs/{NAME}/digits/care")
    found = planned(own, edit(), *targets)
    assert {"pretrain care", "evaluate care", "collect", "report_tables"} <= found
    assert not {"pretrain simclr", "evaluate simclr"} & found


def test_a_target_that_needs_no_run_makes_none(own: Workflow, edit: Edit) -> None:
    shutil.rmtree(own.folder / f"results/runs/{NAME}/digits/care")
    assert planned(own, edit(), f"results/settings/{NAME}/settings.md") == set()


@pytest.mark.parametrize("output", OUTPUTS)
def test_every_lost_output_is_made_again(own: Workflow, edit: Edit, output: str) -> None:
    (own.folder / output).unlink()
    assert OUTPUTS[output] in planned(own, edit())


def _rules(results: Path) -> None:
    path = results / "reference/claims.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rules(claim(), profile=NAME)))


def _pin(about: dict[str, str]) -> str:
    return json.dumps({"about": about})


BESIDE = {
    "reference/table1.csv": (ROOT / "results/reference/table1.csv").read_text(),
    "reference/claims.yaml": json.dumps(rules(claim(), profile=NAME)),
    "pinned/mine/MANIFEST.json": _pin({"profile": NAME}),
}
OTHERS = {"pinned/another/MANIFEST.json": _pin({"profile": "another"}), "pinned/damaged/MANIFEST.json": "[]"}


def test_what_a_report_reads_beside_the_collection_is_its_input(own: Workflow, edit: Edit) -> None:
    for name, text in {**BESIDE, **OTHERS}.items():
        path = own.folder / "results" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    found = own.run(edit(), REPORT, "--dry-run")
    assert found.returncode == 0, found.stderr
    (block,) = re.findall(r"^rule report_tables:\n    input: (.*)", found.stdout, re.MULTILINE)
    assert {name for name in {**BESIDE, **OTHERS} if str(own.folder / "results" / name) in block.split(", ")} == set(
        BESIDE
    )
