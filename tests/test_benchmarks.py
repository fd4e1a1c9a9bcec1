"""What benchmarks compare: a step with its bare work, and the start of the workflow's jobs in processor time."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from benchmarks import default_profile, evaluation, processes, training_step, usual_step
from benchmarks.default_profile import IMPORTS
from benchmarks.scaling import CASES, Case, exponent
from benchmarks.timing import Row, Work
from care_bench.data import prepare
from care_bench.evaluation.protocols import OURS
from care_bench.losses import Equivariance, InfoNCE
from care_bench.names import GRADIENT_RATIO


@pytest.mark.parametrize("stage", IMPORTS)
def test_the_imports_of_a_stage_exist(stage: str) -> None:
    assert all(find_spec(module) for module in IMPORTS[stage].split(", "))


def test_the_exponent_of_a_power_is_found() -> None:
    assert exponent((2, 4, 16), (3 * 2**1.5, 3 * 4**1.5, 3 * 16**1.5)) == pytest.approx(1.5, rel=1e-12)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_scales_is_measured_at_two_sizes(case: Case) -> None:
    assert all(case.make(n, d)() is not None for n, d in ((32, 8), (64, 16)))


def test_the_whole_evaluation_has_every_protocol_of_images() -> None:
    found = evaluation.seconds(evaluation.Size(test=60, train=80, dimension=16, draws=2))
    others = {"gradient-ratio-v1", "paper-imagenet100-v1", "augmented-imagenet100-v1", "first-pc-v1", "trajectories-v1"}
    assert found.keys() == {protocol.id for protocol in OURS} - others


def test_starts_are_measured_in_processor_time() -> None:
    assert 0 < default_profile._seconds(["-c", "import time; time.sleep(2)"]) < 1.5


@pytest.mark.parametrize("devices", [1, pytest.param(2, marks=pytest.mark.long)])
def test_steps_on_two_processes_are_ordinary_ones(devices: int, tmp_path: Path) -> None:
    prepare("digits", tmp_path / "data")
    work = processes.Work({"name": "convnet", "width": 4}, 8, 64, few=1, many=2)
    assert processes._seconds(processes._config(work, devices, work.many), 1, tmp_path) > 0
    (log,) = tmp_path.glob("*/run0/log.jsonl")
    steps = [json.loads(line) for line in log.read_text().splitlines()]
    assert [step.get(GRADIENT_RATIO) for step in steps] == [None, None]


def once(done: list[object]) -> Callable[..., Row]:
    """Do ours, the reference and ours again instead of timing them."""

    def work(name: str, ours: Work, reference: Work, **options: object) -> Row:
        done.extend(work() for work in (ours, reference, ours))
        return Row(name, 1.0, 1.0, 1.0, "", True)

    return work


def test_a_step_and_its_bare_work_can_be_done_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[object] = []
    monkeypatch.setattr(training_step, "overhead", once(done))
    training_step.measure_digits("care")
    assert len(done) == 3


def test_a_step_can_be_done_in_the_usual_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[object] = []
    monkeypatch.setattr(usual_step, "speedup", once(done))
    names = [row.name for row in usual_step.measure("convnet", batch_size=8)]
    assert [name.partition(", against ")[2] for name in names] == [
        "PIL images one by one",
        "the parts of lightly",
        "PIL images one by one and chunks in a loop",
    ]
    named = [name.partition(", against ")[0].removeprefix("training step of ") for name in names]
    assert named == [*["simclr, convnet, 8 images of 32x32"] * 2, "care in 4 splits, convnet, 8 images of 32x32"]
    assert len(done) == 9


def test_the_usual_losses_are_ours() -> None:
    """On the same views the plain losses, and lightly's, are those of the package; else another step is timed."""
    generator = torch.Generator().manual_seed(0)
    first, second = functional.normalize(torch.randn(2, 8, 5, generator=generator), dim=2)
    expected = InfoNCE(usual_step.TEMPERATURE)(first, second)
    torch.testing.assert_close(usual_step._info_nce(first, second), expected)
    torch.testing.assert_close(usual_step._equivariance(first, second, 2), Equivariance(2)(first, second))


def test_images_of_a_chunk_share_their_augmentation() -> None:
    drawn = torch.stack(usual_step._shared(lambda image: torch.rand(()), range(6), 3))
    assert drawn[:3].unique().numel() == drawn[3:].unique().numel() == 1
    assert drawn.unique().numel() == 2
