"""What the rows of benchmarks are called is what they train, and the paper's rows train what the profile has."""

from __future__ import annotations

import re
from collections import namedtuple
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from benchmarks import formats, processes, training_step
from benchmarks import runs as of_benchmarks
from benchmarks.gpu import agreement, profile, repeats, steps, views
from benchmarks.gpu.limit import Limit
from benchmarks.timing import Row
from care_bench.config import RunConfig, read_run

TRAINED = re.compile(r"(\w+(?:-\w+)?)(?: in (\d+) splits)?, (\w+), (\d+) (?:images of (\d+)x(\d+)|point clouds)")
LIMIT = Limit.after(60)
Identity = namedtuple("Identity", ["metric", "representation", "protocol"])


def named(name: str) -> list[Any]:
    """Return what a name says: method, splits, backbone, samples of a step, height and width of the views."""
    found = TRAINED.search(name)
    assert found, name
    return [int(one) if one and one.isdigit() else one for one in found.groups()]


def trained(config: RunConfig) -> list[Any]:
    """Return the same of a configuration."""
    method, size = config.method, getattr(config.augmentation, "size", None)
    about = [config.variant, getattr(method, "splits", None), config.encoder.backbone.name]
    return [*about, config.training.batch_size, size, size]


@pytest.mark.parametrize("method", steps.METHODS)
@pytest.mark.parametrize("size", [*steps.SIZES, *steps.TOY], ids=lambda size: f"{size.dataset}-{size.mapped}")
def test_a_step_on_a_gpu_is_that_of_the_profile_and_called_so(size: steps.Size, method: str) -> None:
    config = size.config(method, {"precision": "bf16-mixed"})
    name = steps.name_of(size, config, "bfloat16")
    source, _, rest = name.partition(": ")
    assert source == f"{size.dataset} of {size.stored} pixels" + (", memory map" if size.mapped else "")
    assert named(rest) == trained(config)
    assert rest.endswith(", bfloat16")
    if size in steps.SIZES:
        paper = read_run(of_benchmarks.PAPER, f"{size.dataset}/{method}/seed0")
        same = ("method", "encoder", "augmentation")
        assert [getattr(config, one) for one in same] == [getattr(paper, one) for one in same]
        cut = config.training.batch_size != paper.training.batch_size
        assert size.note.startswith("a quarter of the batch") == cut
        assert paper.training.batch_size == config.training.batch_size * paper.training.devices


def test_the_steps_on_a_gpu_are_of_all_data_sets_and_read_a_memory_map() -> None:
    def found(precision: str) -> list[tuple[str, int, bool]]:
        return [(size.dataset, size.stored, size.mapped) for size in steps.sizes(precision)]

    kept = [("cifar10", 32, False), ("stl10", 96, False), ("imagenet100", 256, False)]
    mapped = {steps.MAPPED: [("imagenet100", 256, True)]}
    assert {one: found(one) for one in steps.PRECISIONS} == {
        one: kept + mapped.get(one, []) for one in steps.PRECISIONS
    }
    assert steps.SIZES[1].config("care", {}).method.splits == 8  # type: ignore[union-attr]


@pytest.fixture
def configs(monkeypatch: pytest.MonkeyPatch) -> list[RunConfig]:
    """The runs that are opened on the CPU, which do nothing and take no time."""
    opened: list[RunConfig] = []

    @contextmanager
    def note(config: RunConfig, dataset: object) -> Iterator[Any]:
        opened.append(config)
        yield SimpleNamespace(config=config)

    def row(name: str, *works: object, **options: object) -> Row:
        return Row(name, 1.0, 1.0, 1.0, "", True)

    monkeypatch.setattr(training_step, "opened", note)
    monkeypatch.setattr(training_step, "_bare", lambda session: None)
    monkeypatch.setattr(training_step, "overhead", row)
    monkeypatch.setattr(formats, "speedup", row)
    return opened


def test_steps_on_the_cpu_are_called_what_they_are(configs: list[RunConfig]) -> None:
    names = [row.name for row in training_step.measure()]
    assert [*map(named, names)] == [*map(trained, configs)]
    assert len(names) == 6


def test_steps_in_other_formats_are_called_what_they_are(configs: list[RunConfig]) -> None:
    digits, *names = [row.name for row in formats.measure()]
    names.append(digits)  # its row comes first and is measured last
    assert [*map(named, names)] == [*map(trained, configs[::2])] == [*map(trained, configs[1::2])]


def test_runs_on_two_processes_are_called_what_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    run: list[list[Any]] = []

    def seconds(config: RunConfig, runs: int, folder: Path) -> float:
        run.append(trained(config))
        return float(config.training.steps or 0)

    monkeypatch.setattr(processes, "_seconds", seconds)
    names = [row.name.rpartition(": ")[2] for row in processes.measure()]
    each = len(run) // len(names)
    assert [named(name) for name in names for _ in range(each)] == run


@pytest.mark.parametrize("toy", [True, False])
@pytest.mark.parametrize("part", [agreement, profile, repeats], ids=lambda part: part.__name__)
def test_runs_on_a_gpu_are_called_what_they_are(part: Any, toy: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    configs: list[RunConfig] = []
    run = part.run

    def note(*arguments: Any, **changes: Any) -> RunConfig:
        configs.append(run(*arguments, **changes))
        return configs[-1]

    def log(folder: Path, *arguments: object, **options: object) -> Path:
        (folder / "log.jsonl").write_text('{"step": 1, "loss": 2.0}\n')
        return folder

    record = SimpleNamespace(identity=Identity("m", "r", "p"), value=1.0)
    done: dict[str, Callable[..., Any]] = {
        "_trained": log,
        "_seconds": lambda *arguments, **options: 1.0,
        "_weights": lambda *arguments: "hash",
        "care_bench": lambda *arguments, **options: None,
        "read_records": lambda path: [] if part is profile else [record],
    }
    monkeypatch.setattr(part, "run", note)
    for name in done.keys() & vars(part).keys():
        monkeypatch.setattr(part, name, done[name])
    rows = [row.name.partition(": ")[2] for row in part.measure(toy, LIMIT)]
    each = 1 if part is agreement else 2
    assert [*map(named, rows)] == [trained(config) for config in configs for _ in range(each)]


def test_augmentations_on_a_gpu_are_of_the_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[Any] = []
    build = views.build_augmentation

    def note(*arguments: Any) -> Any:
        taken.append(build(*arguments))
        return taken[-1]

    few = of_benchmarks.random_images
    monkeypatch.setattr(views, "random_images", lambda name, number, side: few(name, 2, side))
    monkeypatch.setattr(views, "build_augmentation", note)
    monkeypatch.setattr(views, "best_device", lambda: torch.device("cpu"))
    assert [row.name for row in views.measure(False, LIMIT)] == [
        "cifar10: augmentation of 2 images of 32x32 to 32x32",
        "stl10: augmentation of 2 images of 96x96 to 32x32",
        "imagenet100: augmentation of 2 images of 256x256 to 224x224",
    ]
    assert [(one.input_size[0], one.size[0], one.blur_kernel) for one in taken] == [
        (32, 32, 3),
        (96, 32, 3),
        (256, 224, 23),
    ]
