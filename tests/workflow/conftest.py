"""The real workflow on a tiny matrix, in a temporary folder."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.forks import Ended, run_forked

ROOT = Path(__file__).parents[2]
TINY: dict[str, Any] = {
    "profile": "tiny",
    "seeds": [0],
    "steps": 2,
    "evaluation": {"augmentations": 2, "classifier_seeds": 2},
    "datasets": {
        "digits": {
            "preset": "digits",
            "encoder": {"backbone": {"name": "convnet", "width": 4}},
            "methods": {
                "simclr": {"name": "simclr"},
                "care": {"name": "care", "base": {"name": "simclr"}, "splits": 16, "weight": 0.3},
            },
        },
    },
}


@dataclass(frozen=True)
class Workflow:
    """Runs snakemake on a profile in ``folder``, with ``python`` for its jobs if it is another than its own."""

    folder: Path
    python: Path | None = None

    def run(self, profile: dict[str, Any], *arguments: str) -> Ended:
        """Call snakemake on the real Snakefile and return what it did."""
        (self.folder / "profile.yaml").write_text(yaml.safe_dump(profile, sort_keys=False))
        options = ("--snakefile", ROOT / "Snakefile", "--configfile", "profile.yaml", "--cores", 2)
        return run_forked(
            "snakemake", *options, "--directory", self.folder, *arguments, cwd=self.folder, python=self.python
        )


Edit = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def edit() -> Edit:
    """A function that returns the tiny profile with one method's settings changed."""

    def edited(**methods: dict[str, Any]) -> dict[str, Any]:
        profile = copy.deepcopy(TINY)
        for variant, changes in methods.items():
            profile["datasets"]["digits"]["methods"][variant].update(changes)
        return profile

    return edited


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, edit: Edit, forked_python: Path) -> Workflow:
    """The tiny matrix, run to its end."""
    workflow = Workflow(tmp_path_factory.mktemp("workflow"), forked_python)
    ended = workflow.run(edit(), "--show-failed-logs", "--verbose", "--cores", "1")  # so that jobs wait for others
    assert ended.returncode == 0, ended.stderr
    (workflow.folder / "snakemake.txt").write_text(ended.stderr)
    return workflow
