"""Several processes that share every batch compute what one computes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import torch
from lightning_fabric.plugins.environments.lightning import find_free_network_port

from care_bench.augmentations import ImageAugmentation
from care_bench.config import RunConfig
from care_bench.errors import CareBenchError
from care_bench.files import write_json
from care_bench.methods import View
from care_bench.training.pretrain import make_views, pretrain
from care_bench.training.processes import check_devices, share

from .conftest import Make

ROOT = Path(__file__).parents[2]
SGD = {"name": "sgd", "learning_rate": 0.05, "momentum": 0.0, "weight_decay": 0.0}
METHODS: dict[str, dict[str, Any]] = {
    "moco_v2": {"name": "care", "base": {"name": "moco_v2", "queue": 128}, "splits": 4, "weight": 10},
    "equimod": {"name": "equimod", "base": {"name": "byol", "predictor_hidden": 16}, "projector_hidden": [16]},
}


TOGETHER = """
import sys
from pathlib import Path
from care_bench.config import read_run
from care_bench.training.pretrain import pretrain

for folder in map(Path, sys.argv[2:]):
    try:
        pretrain(read_run(folder / "run.json", None), Path(sys.argv[1]), folder / "out")
    except SystemExit:  # where the further processes of a run end
        pass
"""


@dataclass
class Runs:
    """A folder with runs in folders of their own, each of which has its configuration and, once it was run, ``out``."""

    root: Path
    data: Path

    def write(self, name: str, config: RunConfig) -> Path:
        write_json(self.root / name / "run.json", config.model_dump(mode="json"))
        return self.root / name

    def command(self, name: str) -> subprocess.Popen[str]:
        """Start the command that pretrains a run; it starts the other process itself."""
        run, out = self.root / name / "run.json", self.root / name / "out"
        command = ["-m", "care_bench", "pretrain", str(run), "--data", str(self.data), "--out", str(out)]
        return self._start(command, {})

    def together(self, *names: str) -> None:
        """Pretrain runs one after the other in one pair of processes, which are started here."""
        command = ["-c", TOGETHER, str(self.data), *(str(self.root / name) for name in names)]
        shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(find_free_network_port())}
        pair = [self._start(command, {**shared, "LOCAL_RANK": rank}) for rank in "01"]
        errors = [process.communicate(timeout=300)[1] for process in pair]
        assert [process.returncode for process in pair] == [0, 0], errors

    def log(self, name: str) -> list[dict[str, float]]:
        return [json.loads(line) for line in (self.root / name / "out" / "log.jsonl").read_text().splitlines()]

    def summary(self, name: str) -> dict[str, Any]:
        summary: dict[str, Any] = json.loads((self.root / name / "out" / "pretrain.json").read_text())
        return summary

    def _start(self, command: list[str], variables: dict[str, str]) -> subprocess.Popen[str]:
        # Lightning imports torchmetrics, and this torchvision and SciPy, where lightly has brought it along.
        shade = self.root / "shade"
        shade.mkdir(exist_ok=True)
        (shade / "torchmetrics.py").write_text("raise ImportError")
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{shade}:{ROOT}", **variables}
        return subprocess.Popen([sys.executable, *command], stderr=subprocess.PIPE, text=True, env=environment)


@pytest.fixture(scope="module")
def pairs(tiny: Make, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """The runs of METHODS and one called `whole`, each of them pretrained by two processes."""
    runs = Runs(tmp_path_factory.mktemp("pairs"), data)
    for name, method in METHODS.items():
        runs.write(name, tiny(method, "proteins", optimizer=SGD, devices=2))
    for name in ("whole", "cut"):
        method = {"name": "moco_v2", "queue": 128}
        runs.write(name, tiny(method, steps=100, epochs=4, devices=2, checkpoint_every=10))
    runs.together(*METHODS, "whole")
    return runs


@pytest.mark.parametrize("name", list(METHODS))
def test_two_processes_compute_the_losses_of_one(name: str, pairs: Runs, tiny: Make, tmp_path: Path) -> None:
    # A DeepSet has no BatchNorm, and everything behind it sees the whole batch: nothing may differ but rounding.
    folder = pretrain(tiny(METHODS[name], "proteins", optimizer=SGD), pairs.data, tmp_path / "one")
    one, two = [json.loads(line) for line in folder.log.read_text().splitlines()], pairs.log(name)
    assert len(one) == len(two) == 7
    for first, second in zip(one, two, strict=True):
        assert second == pytest.approx(first, rel=1e-4, abs=1e-6)
    assert pairs.summary(name)["device"].startswith("cpu: 2 x ")


def test_a_pair_that_was_killed_and_stopped_continues_to_the_same_bits(pairs: Runs) -> None:
    run = "run digits/row/seed0"
    process = pairs.command("cut")
    read_until(process, "step 20/100")  # what it saved after ten steps is on the disk
    (other,) = psutil.Process(process.pid).children()
    other.kill()
    errors = process.communicate(timeout=300)[1].splitlines()
    assert process.returncode == 2, errors
    assert not any("Traceback" in line for line in errors)
    assert [line for line in errors if line.startswith("care-bench: ")] == [
        f"care-bench: {run}: process 1 (PID {other.pid}) ended by signal 9 (Killed), so the others stopped; the same "
        "command continues from the last checkpoint"
    ]

    process = pairs.command("cut")
    read_until(process, ": step ")
    children = psutil.Process(process.pid).children()
    process.send_signal(signal.SIGTERM)
    _, rest = process.communicate(timeout=300)
    assert process.returncode == 128 + signal.SIGTERM, rest
    assert "stopped by SIGTERM after step" in rest
    assert not any(child.is_running() for child in children)

    process = pairs.command("cut")
    _, rest = process.communicate(timeout=300)
    assert process.returncode == 0, rest
    first, second = ((pairs.root / name / "out" / "encoder.safetensors").read_bytes() for name in ("whole", "cut"))
    assert first == second
    assert pairs.summary("cut")["resumed"] == 2


def read_until(process: subprocess.Popen[str], text: str) -> None:
    """Read what a process prints until a line holds a text."""
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if text in line:
            return
    pytest.fail(f"{text!r} did not come: {lines}")


def session_of(rank: int, world: int, config: RunConfig, method: Any) -> Any:
    images = torch.arange(32 * 64, dtype=torch.float32).reshape(32, 1, 8, 8) / 2048
    batches = SimpleNamespace(rows=lambda step: torch.arange(32), take=lambda rows: images[rows])
    augmentation = ImageAugmentation(input_size=(8, 8), size=(8, 8), mean=(0.5,), std=(0.25,))
    return SimpleNamespace(
        config=config,
        fabric=SimpleNamespace(global_rank=rank, world_size=world),
        augmentation=augmentation,
        batches=batches,
        module=SimpleNamespace(method=method),
        step=3,
    )


def test_processes_apply_one_draw_to_their_shares_and_shuffled_keys_find_back(tiny: Make) -> None:
    method = SimpleNamespace(draws=lambda n: (n, n, 4), shuffled=(1,))
    config = tiny({"name": "moco_v2", "queue": 128})
    alone = make_views(session_of(0, 1, config, method))
    pair = [make_views(session_of(rank, 2, config, method)) for rank in (0, 1)]
    for number, whole in enumerate(alone):
        views: list[View] = [views[number] for views in pair]
        joined = views[0].in_batch_order(torch.cat([view.inputs for view in views]))
        assert torch.equal(joined, whole.inputs)
        assert len(views[1].inputs) == 16
        assert (views[0].order is not None) == (number == 1)
        assert whole.order is None
    order = pair[0][1].order
    assert order is not None
    assert pair[1][1].order is not None
    assert torch.equal(order, pair[1][1].order), "every process deals alike"
    assert not torch.equal(order, torch.arange(32))
    assert set(order[:16].tolist()) != set(range(16)), "a query and its key are not always in one process"


def test_synchronised_statistics_need_no_shuffle(tiny: Make) -> None:
    method = SimpleNamespace(draws=lambda n: (n, n), shuffled=(1,))
    views = make_views(session_of(1, 2, tiny(None, batchnorm="synchronised"), method))
    assert [view.order for view in views] == [None, None]


def test_shares_are_consecutive_rows() -> None:
    parts = [share(torch.arange(12), SimpleNamespace(global_rank=rank, world_size=3)) for rank in range(3)]  # type: ignore[arg-type]
    assert [part.tolist() for part in parts] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]


def test_what_several_devices_cannot_do_is_one_line(tiny: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CareBenchError, match="devices = 3 does not divide batch_size = 32; expected a divisor"):
        tiny(None, devices=3)
    monkeypatch.setattr("care_bench.training.processes.best_device", lambda: torch.device("cpu"))
    with pytest.raises(CareBenchError, match="'synchronised' needs GPUs and there is none; expected per-device"):
        check_devices(tiny(None, devices=2, batchnorm="synchronised"))
