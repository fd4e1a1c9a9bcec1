"""Two and four processes compute the loss, every term and every gradient of one process with the whole batch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from care_bench.files import write_json
from tests.forks import run_forked

from .conftest import Make
from .test_methods_in_training import CASES, ON_IMAGES, Small

ERROR, SMALL = 1e-9, 1e-3
"""Largest error of a tensor in float64, relative to its largest value, or to this part of the run's largest gradient:
gradients of biases that a BatchNorm cancels are nothing but rounding."""
ROOT = Path(__file__).parents[2]
Found = dict[str, dict[str, Any]]
Measure = Callable[[int], Found]
RUNS = {
    # A DeepSet has no BatchNorm, and the heads see the whole batch in every process.
    **{f"{case} without BatchNorm": (case, "proteins") for case in CASES if case not in ON_IMAGES},
    **{f"{case} with synchronised BatchNorm": (case, "digits") for case in CASES},
}


@pytest.fixture(scope="module")
def measure(
    tiny: Make, small: Small, data: Path, tmp_path_factory: pytest.TempPathFactory, forked_python: Path
) -> Measure:
    """A function that returns what a number of processes found, by run."""

    def config(case: str, dataset: str, devices: int) -> dict[str, Any]:
        method = small(*CASES[case])
        for settings in (method, method.get("base", {})):
            if "split_batchnorm" in settings:  # whose groups would be apart
                settings["split_batchnorm"] = 1
        training = {"batchnorm": "synchronised"} if dataset == "digits" and devices > 1 else {}
        return tiny(method, dataset, devices=devices, **training).model_dump(mode="json")

    def measure(processes: int) -> Found:
        folder = tmp_path_factory.mktemp("ranks")
        configs = [config(*run, processes) for run in RUNS.values()]
        write_json(folder / "job.json", {"data": str(data), "runs": configs})
        launcher = ["torch.distributed.run", "--standalone", "--nproc-per-node", processes, "-m"]
        module, *arguments = [*(launcher if processes > 1 else []), "tests.training.gradients_of_ranks"]
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TMPDIR", str(folder))  # torchrun leaves a folder in it
            files = (folder / "job.json", folder / "out.pt")
            done = run_forked(str(module), *arguments, *files, cwd=ROOT, python=forked_python)
        assert done.returncode == 0, done.stderr
        return dict(zip(RUNS, torch.load(folder / "out.pt"), strict=True))

    return measure


@pytest.fixture(scope="module")
def one(measure: Measure) -> Found:
    return measure(1)


@pytest.fixture(scope="module", params=[2, pytest.param(4, marks=pytest.mark.long)])
def several(measure: Measure, request: pytest.FixtureRequest) -> Found:
    return measure(request.param)


@pytest.mark.parametrize("run", RUNS)
def test_processes_compute_the_gradients_of_one(run: str, one: Found, several: Found) -> None:
    expected, found = one[run], several[run]
    assert list(expected) == list(found)
    gradients = [value.abs().max().item() for name, value in expected.items() if name.startswith("gradient of")]
    assert len(gradients) >= 4
    for name, value in expected.items():
        assert found[name].dtype == value.dtype
        if value.dtype == torch.float64:
            error = (found[name] - value).abs().max().item()
            assert error <= ERROR * max(value.abs().max().item(), SMALL * max(gradients)), f"{name}: {error}"
        else:
            assert torch.equal(found[name], value), name
