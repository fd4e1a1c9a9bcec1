"""Small inputs of every command, made by the commands themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from tests.faults.conftest import Command, Server

METHODS: dict[str, dict[str, Any]] = {
    "care": {"name": "care", "base": {"name": "simclr"}, "splits": 4, "weight": 0.3},
    "moco": {"name": "moco_v2", "queue": 512, "momentum": 0.9},
    "byol": {"name": "byol", "predictor_hidden": 8, "momentum": 0.9},
    "barlow": {"name": "barlow_twins"},
    "equimod": {"name": "equimod", "base": {"name": "simclr"}, "projector_hidden": [8], "projector_output": 4},
}
TRAINING = {"batch_size": 256, "epochs": 2, "checkpoint_every": 3, "snapshot_epochs": [1], "warmup_epochs": 0}
EVALUATION = {"samples": 32, "augmentations": 2, "classifier_seeds": 2}


def profile(name: str = "faults", **methods: dict[str, Any]) -> dict[str, Any]:
    """A profile of short runs on digits."""
    return {
        "profile": name,
        "seeds": [0],
        "evaluation": EVALUATION,
        "datasets": {
            "digits": {
                "preset": "digits",
                "encoder": {"backbone": {"name": "convnet", "width": 4}},
                "training": TRAINING,
                "methods": methods or METHODS,
            }
        },
    }


def ok(command: Command) -> Command:
    """Check that a command ended well."""
    assert command.code == 0, command.stderr or command
    return command


def write_profile(folder: Path, name: str = "faults", **methods: dict[str, Any]) -> Path:
    """Write the profile and the settings of its evaluation into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "evaluation.json").write_text(json.dumps(EVALUATION))
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(profile(name, **methods), sort_keys=False))
    return path


def make(server: Server, folder: Path, name: str = "faults") -> None:
    """Prepare digits, and train, evaluate, collect and pin one run: a folder with everything that commands read."""
    write_profile(folder, name, care=METHODS["care"])
    run = Path("results/runs") / name / "digits/care/seed0"
    if not (folder / "results/data").exists():
        ok(server.run(folder, "prepare", "digits"))
    ok(server.run(folder, "pretrain", f"{name}.yaml", "--run", "digits/care/seed0", "--out", run))
    ok(server.run(folder, "evaluate", run, "--settings", "evaluation.json"))
    ok(server.run(folder, *collect(name)))
    ok(server.run(folder, "pin", f"pin-{name}", "--collection", name))
    ok(server.run(folder, "report", "results"))


def collect(name: str) -> tuple[str | Path, ...]:
    """The arguments that collect the runs of a profile."""
    runs = Path("results/runs") / name
    return ("collect", "--profile", f"{name}.yaml", "--runs", runs, "--out", Path("results/collected") / name)
