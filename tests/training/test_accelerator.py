"""Errors that a GPU would raise, found without one: tensors on two devices, waits for the device, refused operations.

The work runs in a separate process on a pretended device, which stays registered with torch until the process ends.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.forks import run_forked
from tests.trained import TRAINED

from .conftest import ROOT, Make

CASES: dict[str, tuple[str, ...]] = {
    **{name: (name,) for name in TRAINED},
    **{f"care-{base}": ("care", base) for base in ("moco_v2", "barlow_twins", "byol")},
    **{f"{wrapper}-byol": (wrapper, "byol") for wrapper in ("equimod", "augself")},
}
CLOUDS = ("simclr", "care", "equimod", "parameter_prediction")
"""Methods that are also run on point clouds: with terms of the views alone, and with terms of the rotations."""
VARIANTS: dict[str, dict[str, Any]] = {
    "care on features": {"representation": "features"},
    "care with wahba": {"loss": "wahba"},
    "care as released": {"fidelity": "released-code"},
}
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "sgd": {"name": "sgd", "learning_rate": 0.01},
    "lars": {"name": "lars", "learning_rate": 0.1},
}


SHORT = (*TRAINED, "care-moco_v2", "care with wahba", "lars")
"""What is run in `make test`, and on point clouds the methods of CLOUDS; the others combine their parts."""


@pytest.fixture(scope="module", params=["short", pytest.param("long", marks=pytest.mark.long)])
def found(
    request: pytest.FixtureRequest,
    tiny: Make,
    small: Callable[..., dict[str, Any]],
    data: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Any]:
    """The results of the process."""
    methods = {name: small(*names) for name, names in CASES.items()}
    methods |= {name: {**small("care"), **changes} for name, changes in VARIANTS.items()}
    methods["moco_v2 both ways"] = {**small("moco_v2"), "symmetric": True}
    runs = {f"digits {name}": tiny(method) for name, method in methods.items()}
    runs |= {f"proteins {name}": tiny(methods[name], "proteins") for name in CLOUDS}
    runs |= {name: tiny(small("byol"), optimizer=optimizer) for name, optimizer in OPTIMIZERS.items()}
    if request.param == "short":
        runs = {name: run for name, run in runs.items() if name.removeprefix("digits ") in SHORT or "proteins" in name}
    folder = tmp_path_factory.mktemp("pretended")
    configs, out = folder / "runs.json", folder / "found.json"
    configs.write_text(json.dumps({name: run.model_dump(mode="json") for name, run in runs.items()}))
    ended = run_forked("tests.training.on_pretended_device", data, configs, out, cwd=ROOT)
    assert ended.returncode == 0, ended.stderr
    return json.loads(out.read_text())


def test_every_planted_mistake_is_noticed_and_nothing_else(found: dict[str, Any]) -> None:
    assert {name: notes for name, notes in found["planted"].items() if len(notes) != 1} == {}
    assert {name: notes for name, notes in found["free"].items() if notes} == {}


def test_two_steps_use_one_device_and_compute_what_the_cpu_does(found: dict[str, Any]) -> None:
    every = len(CASES) + len(VARIANTS) + 1 + len(CLOUDS) + len(OPTIMIZERS)
    assert len(found["steps"]) in (len(SHORT) + len(CLOUDS), every)
    assert {name: run["mistakes"] for name, run in found["steps"].items() if run["mistakes"]} == {}
    for name, run in found["steps"].items():
        for here, there in zip(run["here"]["log"], run["there"]["log"], strict=True):
            assert there == pytest.approx(here, rel=1e-5), name


def test_no_step_waits_for_the_device(found: dict[str, Any]) -> None:
    assert {name: run["there"]["waits"] for name, run in found["steps"].items() if run["there"]["waits"]} == {}
    assert found["shuffled"] == []


@pytest.mark.parametrize("dataset", ["digits", "proteins"])
def test_evaluation_uses_one_device_and_measures_what_the_cpu_does(dataset: str, found: dict[str, Any]) -> None:
    evaluation = found["evaluations"][dataset]
    assert evaluation["mistakes"] == []
    assert evaluation["there"].keys() == evaluation["here"].keys()
    for name, values in evaluation["here"].items():
        assert evaluation["there"][name] == pytest.approx(values, rel=1e-5), name
