"""The profile that results from snakemake's command line and configuration files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.forks import run_forked

ROOT = Path(__file__).parents[2]
PROFILE = """
profile: tiny
seeds: [0, 1]
datasets:
  digits:
    preset: digits
    training: {optimizer: {name: adam, learning_rate: 1e-3, weight_decay: DECAY}}
    methods:
      simclr: {name: simclr}
"""


def plan(folder: Path, *arguments: str, more: tuple[str, ...] = (), decay: str = "1e-6") -> str:
    """Return the output of a dry run of snakemake; ``more`` are files read after the profile."""
    (folder / "profile.yaml").write_text(PROFILE.replace("DECAY", decay))
    options = ("--snakefile", ROOT / "Snakefile", "--dry-run", "--cores", 1, "--printshellcmds", "--directory", folder)
    done = run_forked("snakemake", *options, "--configfile", "profile.yaml", *more, *arguments, cwd=folder)
    return done.stdout + done.stderr


def test_the_command_line_sets_steps_seeds_and_evaluation(tmp_path: Path) -> None:
    said = plan(tmp_path, "--config", "steps=2", "seeds=[3]", "skip_broken=true", "evaluation={classifier_seeds: 2}")
    assert "results/jobs/tiny-steps2/digits/simclr/seed3/evaluated.json" in said
    assert "seed0" not in said
    assert '"classifier_seeds":2' in said
    assert "--skip-broken" in said
    assert '"weight_decay": 1e-06' in said


def test_a_later_file_replaces_only_the_keys_it_names(tmp_path: Path) -> None:
    variants = {"simclr": {"temperature": 0.25}, "invariance": {"name": "invariance"}}
    (tmp_path / "more.yaml").write_text(yaml.safe_dump({"seeds": [5], "datasets": {"digits": {"methods": variants}}}))
    said = plan(tmp_path, more=("more.yaml",))
    assert '"temperature": 0.25' in said
    assert '"learning_rate": 0.001' in said
    for variant in variants:
        assert f"results/jobs/tiny/digits/{variant}/seed5/evaluated.json" in said
    assert "seed0" not in said


@pytest.mark.parametrize(
    ("arguments", "decay", "line"),
    [
        (("steps=2.0",), "0", "profile: steps = 2.0: expected a whole number without a decimal point"),
        ((), "'1e-6'", "training.optimizer.weight_decay = '1e-6': expected a number"),
    ],
)
def test_a_wrong_type_stops_before_anything_runs(
    arguments: tuple[str, ...], decay: str, line: str, tmp_path: Path
) -> None:
    said = plan(tmp_path, *(("--config", *arguments) if arguments else ()), decay=decay)
    assert line in said
    assert "Traceback" not in said


def test_no_command_grows_with_the_number_of_runs(tmp_path: Path) -> None:
    """Linux takes 128 KiB for one argument; the shell of a job is handed its command as one."""

    def longest(seeds: int) -> dict[str, int]:
        said = plan(tmp_path, "--config", f"seeds={list(range(seeds))}", "runs_per_job=32")
        commands = re.findall(r"^Shell command: (.*)$", said, re.MULTILINE)
        rules = ("prepare", "pretrain-runs", "evaluate-runs", "collect", "report", "settings", "printf")
        return {rule: max(len(command) for command in commands if rule in command) for rule in rules}

    few, many = longest(32), longest(320)
    assert {rule: many[rule] - few[rule] for rule in many if rule != "printf"} == pytest.approx(
        dict.fromkeys(set(many) - {"printf"}, 0), abs=10
    )
    assert many["printf"] < 128 * 1024
