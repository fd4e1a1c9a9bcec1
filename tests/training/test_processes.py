"""Several processes that share every batch compute what one computes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from care_bench.augmentations import ImageAugmentation
from care_bench.config import RunConfig
from care_bench.errors import CareBenchError
from care_bench.files import write_json
from care_bench.methods import View
from care_bench.training.pretrain import make_views
from care_bench.training.processes import launch, share

from .conftest import Make

ROOT = Path(__file__).parents[2]
SGD = {"name": "sgd", "learning_rate": 0.05, "momentum": 0.0, "weight_decay": 0.0}
METHODS: dict[str, dict[str, Any]] = {
    "moco_v2": {"name": "care", "base": {"name": "moco_v2", "queue": 128}, "splits": 4, "weight": 10},
    "equimod": {"name": "equimod", "base": {"name": "byol", "predictor_hidden": 16}, "projector_hidden": [16]},
}


def start(config: RunConfig, data: Path, folder: Path) -> subprocess.Popen[str]:
    write_json(folder / "run.json", config.model_dump(mode="json"))
    command = [sys.executable, "-m", "care_bench", "pretrain", str(folder / "run.json")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [*command, "--data", str(data), "--out", str(folder / "out")],
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def finish(config: RunConfig, data: Path, folder: Path) -> list[dict[str, float]]:
    process = start(config, data, folder)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return [json.loads(line) for line in (folder / "out" / "log.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("name", list(METHODS))
def test_two_processes_compute_the_losses_of_one(name: str, tiny: Make, data: Path, tmp_path: Path) -> None:
    # A DeepSet has no BatchNorm, and everything behind it sees the whole batch: nothing may differ but rounding.
    one, two = (
        finish(tiny(METHODS[name], "proteins", optimizer=SGD, devices=n), data, tmp_path / str(n)) for n in (1, 2)
    )
    assert len(one) == len(two) == 7
    for first, second in zip(one, two, strict=True):
        assert second == pytest.approx(first, rel=1e-4, abs=1e-6)
    summary = json.loads((tmp_path / "2" / "out" / "pretrain.json").read_text())
    assert summary["device"].startswith("cpu: 2 x ")


def test_a_stopped_pair_continues_to_the_same_bits(tiny: Make, data: Path, tmp_path: Path) -> None:
    method = {"name": "moco_v2", "queue": 128}
    config = tiny(method, steps=150, epochs=4, devices=2, checkpoint_every=100_000)
    finish(config, data, tmp_path / "whole")

    process = start(config, data, tmp_path / "cut")
    log = next(iter_until(lambda: list((tmp_path / "cut" / "out").glob("state-*/log.jsonl"))))
    next(iter_until(lambda: [log] if log.stat().st_size else []))
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 128 + signal.SIGTERM, errors
    assert "stopped by SIGTERM after step" in errors
    finish(config, data, tmp_path / "cut")

    first, second = ((tmp_path / name / "out" / "encoder.safetensors").read_bytes() for name in ("whole", "cut"))
    assert first == second
    assert json.loads((tmp_path / "cut" / "out" / "pretrain.json").read_text())["resumed"] == 1


def iter_until(look: Any) -> Any:
    """Yield the first thing found, looking for up to a minute."""
    for _ in range(6000):
        if found := look():
            yield found[0]
            return
        time.sleep(0.01)
    pytest.fail("nothing came")


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
        launch(tiny(None, devices=2, batchnorm="synchronised"))
