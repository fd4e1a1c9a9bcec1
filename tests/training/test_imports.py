"""What the processes of the workflow do not import, since it would take seconds of every job."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from care_bench.config import EvaluationConfig, RunConfig

Loaded = Callable[[str], set[str]]

REPORT = """
import atexit, json, sys
from pathlib import Path
atexit.register(lambda: Path({out!r}).write_text(json.dumps(sorted(sys.modules))))
from care_bench.__main__ import main
main()
"""
COMPILER = {"torch._dynamo", "torch._inductor", "torch.distributed.fsdp"}
NEVER = {*COMPILER, "torchmetrics", "torchvision", "timm", "snakemake", "lightly", "skimage"}
ABSENT = {
    "pretrain-runs": {*NEVER, "matplotlib", "pandas", "pyarrow", "scipy", "sklearn", "sympy", "triton"},
    "evaluate-runs": {*NEVER, "matplotlib", "lightning_fabric", "triton"},
    "collect": {*NEVER, "matplotlib", "scipy", "sklearn", "torch"},
    "report": {*NEVER, "sklearn", "torch"},
}
"""Command of the workflow -> what it does not import."""
NEEDED = {
    "pretrain-runs": {"torch", "lightning_fabric"},
    "evaluate-runs": {"torch", "sklearn"},
    "collect": {"pandas"},
    "report": {"matplotlib"},
}
"""Command -> what it does import, which shows that it was seen."""


@pytest.fixture(scope="module")
def loaded(tiny: Callable[..., RunConfig], data: Path, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """A function that returns the modules which a command has imported at its end; all work on one small run."""
    folder = tmp_path_factory.mktemp("imports")
    run = tiny()
    (folder / "runs.json").write_text(json.dumps([run.model_dump(mode="json")]))
    (folder / "evaluation.json").write_text(EvaluationConfig(augmentations=2).model_dump_json())
    jobs = [folder / "runs.json", "--runs", folder / "runs", "--logs", folder / "logs", "--data", data]
    records = folder / "runs" / run.id / "records.jsonl"
    commands = {
        "pretrain-runs": [*jobs, "--out", folder / "pretrained.json"],
        "evaluate-runs": [*jobs, "--out", folder / "evaluated.json", "--settings", folder / "evaluation.json"],
        "collect": [records, "--out", folder / "results/collected/one"],
        "report": [folder / "results", "--collection", "one"],
    }
    modules = {}
    for command, arguments in commands.items():
        code = REPORT.format(out=str(folder / command))
        words = [sys.executable, "-c", code, command, *map(str, arguments)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        modules[command] = set(json.loads((folder / command).read_text()))
    return modules.__getitem__


@pytest.mark.parametrize("command", ABSENT)
def test_a_command_imports_nothing_that_it_does_not_use(command: str, loaded: Loaded) -> None:
    assert loaded(command) & ABSENT[command] == set()
    assert loaded(command) >= NEEDED[command]


@pytest.mark.long
def test_the_compiler_can_be_imported_where_it_was_left_out() -> None:
    code = (
        "import care_bench.training.pretrain, torch\n"
        "from care_bench.evaluation.derivatives import _use_first\n"
        "_use_first()\n"
        "double = torch.compile(lambda x: 2 * x, backend='eager')\n"
        "print(torch._dynamo.__file__, double(torch.ones(1)).item())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[1:] == ["2.0"]
