"""Ranks that share every batch compute the same as one process."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from care_bench.augmentations import ImageAugmentation
from care_bench.config import RunConfig
from care_bench.errors import CareBenchError
from care_bench.files import write_json
from care_bench.methods import View
from care_bench.models import build_encoder
from care_bench.training.distributed import Ranks, check_devices, current_rank, group_rows
from care_bench.training.pretrain import make_views, pretrain
from tests.forks import run_forked

from .conftest import ROOT, Make

# Small steps: the rounding of a step stays small in the next ones.
SGD = {"name": "sgd", "learning_rate": 0.01, "momentum": 0.0, "weight_decay": 0.0}
METHODS: dict[str, dict[str, Any]] = {
    "moco_v2": {
        "name": "care",
        "base": {"name": "moco_v2", "queue": 128, "split_batchnorm": 4},
        "splits": 4,
        "weight": 10,
    },
    "equimod": {"name": "equimod", "base": {"name": "byol", "predictor_hidden": 16}, "projector_hidden": [16]},
}
LAUNCHERS = {
    "moco_v2": [],
    "equimod": ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"],
}
"""Method -> arguments of Python: the command starts its ranks itself, or torchrun starts it once per rank."""
TORCHRUN = {"TORCHELASTIC_RUN_ID": "1", "RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
TORCHRUN |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1", "TORCHELASTIC_USE_AGENT_STORE": "False"}
LEFT_OVER = {**TORCHRUN, "TORCHELASTIC_USE_AGENT_STORE": "True"}  # nobody listens at port 1
SLURM = {"SLURM_JOB_ID": "7", "SLURM_JOB_NAME": "job", "SLURM_NTASKS": "4", "SLURM_PROCID": "2", "SLURM_LOCALID": "2"}
MPI = {"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2", "PMI_RANK": "1", "MASTER_ADDR": "192.0.2.1"}
LSF = {"LSB_JOBID": "7", "LSB_DJOB_RANKFILE": "/none", "JSM_NAMESPACE_RANK": "1", "JSM_NAMESPACE_SIZE": "2"}
ODD = {"RANK": "x", "LOCAL_RANK": "", "WORLD_SIZE": "two", "MASTER_PORT": "?", "LT_DEVICES": "2", "LT_PRECISION": "7"}


@pytest.fixture(scope="module")
def pairs(tiny: Make, data: Path, tmp_path_factory: pytest.TempPathFactory, forked_python: Path) -> dict[str, Path]:
    """The folders of the runs of METHODS, pretrained with two ranks each."""
    root = tmp_path_factory.mktemp("pairs")
    for name, method in METHODS.items():
        write_json(root / f"{name}.json", tiny(method, "proteins", optimizer=SGD, devices=2).model_dump(mode="json"))
        command = ["pretrain", f"{root / name}.json", "--data", str(data), "--out", str(root / name)]
        _, module, *arguments = [*LAUNCHERS[name], "-m", "care_bench", *command]
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TMPDIR", str(root))  # torchrun leaves a folder in it
            # The ranks of the package end with the process that has started them, so that none may stand between.
            python = forked_python if LAUNCHERS[name] else None
            ended = run_forked(module, *arguments, cwd=ROOT, python=python)
        assert ended.returncode == 0, ended.stderr
        if not LAUNCHERS[name]:
            noise = [line for line in ended.stderr.splitlines() if not line.startswith("proteins/tiny/seed0: step ")]
            assert noise == []
    return {name: root / name for name in METHODS}


@pytest.mark.parametrize("name", list(METHODS))
def test_two_ranks_compute_the_losses_of_one_process(
    name: str, pairs: dict[str, Path], tiny: Make, data: Path, tmp_path: Path
) -> None:
    # A DeepSet has no BatchNorm, and everything after it sees the whole batch, so only rounding may differ. MoCo's keys
    # are shuffled alike, over groups of the projection head's BatchNorm that are the same in both.
    folder = pretrain(tiny(METHODS[name], "proteins", optimizer=SGD), data, tmp_path / "one")
    one, two = (
        [json.loads(line) for line in path.read_text().splitlines()] for path in (folder.log, pairs[name] / "log.jsonl")
    )
    assert len(one) == len(two) == 7
    for first, second in zip(one, two, strict=True):
        ratios = first.pop("gradient_ratio", None), second.pop("gradient_ratio", None)
        if first["step"] <= 3:  # the rounding of small gradients grows with every step
            assert ratios[1] == pytest.approx(ratios[0], rel=5e-3, abs=1e-6)
        assert second == pytest.approx(first, rel=1e-4, abs=1e-6)
    assert json.loads((pairs[name] / "pretrain.json").read_text())["device"].startswith("cpu: 2 x ")


@pytest.mark.parametrize(
    "variables",
    [LEFT_OVER, SLURM, {"SLURM_NTASKS": "4"}, MPI, LSF, ODD],
    ids=["torchrun", "slurm", "tasks", "mpi", "lsf", "odd"],
)
def test_one_device_ignores_the_environment_of_a_launcher(
    variables: dict[str, str], tiny: Make, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    folder = pretrain(tiny(dataset="proteins", steps=1), data, tmp_path / "run")
    assert "2 x" not in json.loads(folder.summary.read_text())["device"]


def test_the_rank_is_that_of_torchrun(tiny: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in TORCHRUN:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert [current_rank(tiny(devices=devices)) for devices in (1, 2)] == [0, None]
    for name, value in TORCHRUN.items():
        monkeypatch.setenv(name, value)
    assert current_rank(tiny(devices=2)) == 1
    with pytest.raises(CareBenchError, match=r"training\.devices = 1, and torchrun has started 2 ranks"):
        current_rank(tiny())
    monkeypatch.setattr("care_bench.training.distributed.best_device", lambda: torch.device("cpu"))
    check_devices(tiny(devices=2))
    with pytest.raises(CareBenchError, match="devices = 4, and torchrun says WORLD_SIZE = 2; expected"):
        check_devices(tiny(devices=4))


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"RANK": None}, "^RANK is missing, but TORCHELASTIC_RUN_ID says .*: unset TORCHELASTIC_RUN_ID$"),
        ({"LOCAL_RANK": "x"}, "^LOCAL_RANK is 'x', but "),
        ({"RANK": "2"}, "^RANK = 2 is not below WORLD_SIZE = 2, but "),
        ({"TORCHELASTIC_USE_AGENT_STORE": "True"}, "^nobody answers at MASTER_ADDR = 127.0.0.1, MASTER_PORT = 1, but "),
        ({"TORCHELASTIC_USE_AGENT_STORE": None}, "^TORCHELASTIC_USE_AGENT_STORE is missing, but "),
        ({"TORCHELASTIC_USE_AGENT_STORE": "True", "MASTER_PORT": "99999"}, "^nobody answers at "),
    ],
)
def test_variables_that_torchrun_has_left_over_are_named_at_once(
    changed: dict[str, str | None], line: str, tiny: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**TORCHRUN, **changed}.items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    with pytest.raises(CareBenchError, match=line):
        pretrain(tiny(devices=2), tmp_path, tmp_path / "run")
    assert current_rank(tiny()) == 0


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        ({"LOCAL_RANK": "1"}, "^LOCAL_RANK = 1 in the environment, and torchrun has not .*: unset LOCAL_RANK$"),
        ({"WORLD_SIZE": "2", "RANK": "0"}, "^WORLD_SIZE = 2 in the environment, .*: unset WORLD_SIZE$"),
        ({"RANK": "x", "LOCAL_RANK": "1"}, "^RANK = x, LOCAL_RANK = 1 in the .*: unset RANK LOCAL_RANK$"),
    ],
)
def test_several_devices_name_what_another_launcher_has_left(
    variables: dict[str, str], line: str, tiny: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in TORCHRUN:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(CareBenchError, match=line):
        pretrain(tiny(devices=2), tmp_path, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_network_interface_that_is_not_there_is_named(
    tiny: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("care_bench.training.distributed.best_device", lambda: torch.device("cpu"))
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo,none0")
    with pytest.raises(CareBenchError, match=r"^GLOO_SOCKET_IFNAME = none0 in the .* interfaces (.*, )?lo"):
        check_devices(tiny(devices=2))
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    check_devices(tiny(devices=2))
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "none0")
    check_devices(tiny())


def session_of(ranks: Ranks, config: RunConfig, method: Any) -> Any:
    images = torch.arange(32 * 64, dtype=torch.float32).reshape(32, 1, 8, 8) / 2048
    batches = SimpleNamespace(rows=lambda step: torch.arange(32), take=lambda rows: images[rows])
    augmentation = ImageAugmentation(input_size=(8, 8), size=(8, 8), mean=(0.5,), std=(0.25,))
    module = SimpleNamespace(method=method)
    return SimpleNamespace(
        config=config, ranks=ranks, augmentation=augmentation, batches=batches, module=module, step=3
    )


def test_ranks_share_one_draw_and_shuffled_views_return_to_batch_order(tiny: Make) -> None:
    method = SimpleNamespace(draws=lambda n: (n, n, 4), shuffled=(1,))
    config = tiny({"name": "moco_v2", "queue": 128})
    alone = make_views(session_of(Ranks(), config, method))
    pair = [make_views(session_of(Ranks(rank, 2, shuffle=True), config, method)) for rank in (0, 1)]
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
    assert torch.equal(order, pair[1][1].order), "every rank draws the same permutation"
    assert not torch.equal(order, torch.arange(32))
    assert set(order[:16].tolist()) != set(range(16)), "queries and their keys are not always on the same rank"


@pytest.mark.parametrize(
    ("world_size", "training", "split", "shuffle"),
    [
        (1, {}, 1, False),
        (1, {}, 4, True),
        (1, {"batchnorm_rows": 8}, 1, True),
        (1, {"batchnorm_rows": 32}, 1, False),
        (2, {}, 1, True),
        (2, {"batchnorm": "synchronised"}, 1, False),
    ],
)
def test_views_are_shuffled_if_batchnorm_sees_parts_of_the_batch(
    world_size: int, training: dict[str, Any], split: int, shuffle: bool, tiny: Make
) -> None:
    fabric: Any = SimpleNamespace(global_rank=0, world_size=world_size)
    method = {"name": "moco_v2", "queue": 64, "split_batchnorm": split}
    ranks = Ranks.of(fabric, tiny(method, devices=world_size, **training))
    assert ranks == Ranks(0, world_size, shuffle)
    assert (ranks.permutation(8, "digits", 0) is not None) == shuffle


@pytest.mark.parametrize(
    ("split", "rows", "groups", "of_shard", "running"),
    [
        (4, None, 4, 2, "mean"),
        (2, None, 2, 1, "mean"),
        (1, 8, 4, 2, "first"),
        (1, 16, 2, 1, "first"),
        (1, None, 1, 1, "mean"),
    ],
)
def test_the_groups_of_two_devices_are_those_of_one(
    split: int, rows: int | None, groups: int, of_shard: int, running: str, tiny: Make
) -> None:
    """32 rows: the backbone sees half of the groups in half of the rows, the projection head sees all of both."""

    def found(devices: int) -> tuple[list[tuple[Any, Any]], int]:
        config = tiny({"name": "moco_v2", "queue": 64, "split_batchnorm": split}, devices=devices, batchnorm_rows=rows)
        encoder = build_encoder(config.encoder, 1, 0)
        group_rows(encoder, config, Ranks(world_size=devices))
        layers = [layer for layer in encoder.modules() if isinstance(layer, _BatchNorm)]
        return [(getattr(layer, "groups", 1), getattr(layer, "running", running)) for layer in layers], encoder.groups

    assert found(1) == ([(groups, running)] * 4, groups)
    assert found(2) == ([*[(of_shard, running)] * 3, (groups, running)], of_shard)


def test_shards_are_consecutive_rows() -> None:
    shards = [Ranks(rank, 3).shard(torch.arange(12)) for rank in range(3)]
    assert [shard.tolist() for shard in shards] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    assert Ranks().shard(torch.arange(3)).tolist() == [0, 1, 2]


def test_settings_that_several_devices_do_not_allow_are_one_line(tiny: Make) -> None:
    with pytest.raises(CareBenchError, match="devices = 3 does not divide batch_size = 32; expected a divisor"):
        tiny(None, devices=3)
