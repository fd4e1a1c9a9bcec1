"""Data parallelism: one rank per device, each with its shard of every batch, and the same loss in all of them."""

from __future__ import annotations

import inspect
import os
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, autograd, distributed, nn

from care_bench.config import RunConfig
from care_bench.errors import CareBenchError
from care_bench.models import Encoder, group_batchnorm
from care_bench.models.batchnorm import RunningStatistics, synchronise_batchnorm
from care_bench.runs.device import best_device
from care_bench.runs.randomness import generator
from care_bench.torchrun import check_interface, hidden, torchrun_rank, torchrun_world_size
from care_bench.training.fabric import DDPStrategy, Fabric, LightningEnvironment, TorchElasticEnvironment

STOP_CHECK_EVERY = 10
"""Steps between checks for a stop signal in any rank; each is an all-reduce, which waits for the GPU."""


@dataclass(frozen=True)
class Ranks:
    """The ranks of a run, seen from one of them; the default is the only rank of a run with one device.

    Attributes:
        rank: this process, from 0.
        world_size: number of ranks; it divides the batch size.
        shuffle: whether the views that a method asks to shuffle are shuffled (MoCo's shuffled BatchNorm). That is
            pointless where BatchNorm sees the whole batch, and wanted where it sees groups of it, also on one device.
    """

    rank: int = 0
    world_size: int = 1
    shuffle: bool = False

    @classmethod
    def of(cls, fabric: Fabric, config: RunConfig) -> Ranks:
        """Return the ranks of a run from the ``fabric`` of one of them."""
        apart = fabric.world_size > 1 or config.batchnorm_groups > 1
        shuffle = apart and config.training.batchnorm == "per-device"
        return cls(fabric.global_rank, fabric.world_size, shuffle)

    @property
    def writes(self) -> bool:
        """Whether this rank is the one that writes files and shows progress."""
        return self.rank == 0

    def shard(self, rows: Tensor) -> Tensor:
        """Return this rank's shard of the rows of a batch: consecutive ones, (n / world_size, ...)."""
        return rows.chunk(self.world_size)[self.rank]

    def permutation(self, n: int, *identity: str | int) -> Tensor | None:
        """Return the order (n,) of a shuffled view, which the ranks shard; None if nothing is shuffled.

        Args:
            n: batch size.
            identity: the draw is derived from it; the same in every rank.
        """
        return torch.randperm(n, generator=generator(*identity)) if self.shuffle else None

    def all_gather(self, rows: Tensor) -> Tensor:
        """Return the rows of all ranks in the order of the ranks, with gradients."""
        gathered: Tensor = _AllGather.apply(rows)
        return gathered

    def average(self, values: Tensor) -> Tensor:
        """Return the mean of a tensor over the ranks."""
        if self.world_size > 1:
            distributed.all_reduce(values)
            values /= self.world_size
        return values

    def stop_signal(self, received: int | None, step: int, device: torch.device) -> int | None:
        """Return the signal that asks the run to stop: the same in every rank, whichever rank received one.

        Args:
            received: signal that this rank has received.
            step: steps done; several ranks exchange signals every ``STOP_CHECK_EVERY`` steps.
            device: device of this rank.
        """
        if self.world_size == 1:
            return received
        if step % STOP_CHECK_EVERY:
            return None
        number = torch.tensor(received or 0, device=device)
        distributed.all_reduce(number, distributed.ReduceOp.MAX)
        return int(number) or None


def current_rank(config: RunConfig) -> int | None:
    """Return the rank of this process in a run, or None where the run's ranks have yet to be launched.

    A run with one device has rank 0, even if a launcher or scheduler has set the environment. The ranks of one with
    several are those that torchrun has started. Without torchrun this process launches them.

    Raises:
        CareBenchError: torchrun has started several ranks for a run with one device; or, for a run with several, what
            it has set is left over, or another launcher has started this process as one of several.
    """
    if config.training.devices > 1:
        return torchrun_rank()
    if (size := torchrun_world_size()) > 1:
        raise CareBenchError(
            f"run {config.id}: training.devices = 1, and torchrun has started {size} ranks; expected no torchrun"
        )
    return 0


def check_devices(config: RunConfig) -> None:
    """Check that a run finds the devices it asks for.

    Raises:
        CareBenchError: the machine has too few GPUs, or none where the run needs them, or ``torchrun`` has started
            another number of ranks; or the environment names a network interface for them that is not there.
    """
    training, device = config.training, best_device()
    if training.precision == "16-mixed" and device.type == "cpu":
        raise CareBenchError(
            f"run {config.id}: training.precision = '16-mixed' needs a GPU and there is none; "
            "expected 32-true or bf16-mixed"
        )
    if training.devices == 1:
        return
    if device.type != "cpu" and torch.cuda.device_count() < training.devices:
        raise CareBenchError(
            f"run {config.id}: training.devices = {training.devices}, and this machine shows "
            f"{torch.cuda.device_count()}; expected at most that many"
        )
    if device.type == "cpu":
        check_interface()
    if torchrun_rank() is not None:
        for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"):
            if os.environ[name] != str(training.devices):
                raise CareBenchError(
                    f"run {config.id}: training.devices = {training.devices}, and torchrun says {name} = "
                    f"{os.environ[name]}; expected --nproc-per-node {training.devices} on one machine"
                )


def build_fabric(config: RunConfig) -> Fabric:
    """Set up the device of this process and, in a run with several, join the process group.

    The cluster environment is always given: by default lightning-fabric would follow a Slurm job or a launcher around
    the run.
    """
    training, device = config.training, best_device().type
    if training.devices == 1:
        with hidden():
            return Fabric(accelerator=device, devices=1, precision=training.precision, plugins=[LightningEnvironment()])
    # A step has several forward passes, between which buffers must not change. The graph is the same at every step.
    known = inspect.signature(nn.parallel.DistributedDataParallel).parameters
    buffers = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
    options: dict[str, Any] = {buffers: False, "static_graph": True}
    with hidden(ranks=False):
        fabric = Fabric(
            accelerator=device,
            devices=training.devices,
            strategy=DDPStrategy(**options),
            precision=training.precision,
            plugins=[TorchElasticEnvironment()],
        )
    fabric.launch()
    return fabric


def shard_batches(encoder: Encoder, config: RunConfig, ranks: Ranks) -> None:
    """Give the backbone of an encoder a shard of every batch, and all that follows it the whole batch.

    So every rank computes the loss of the whole batch. A row's gradient is the sum over the ranks, and
    DistributedDataParallel averages over them: the backbone gets the gradient of the whole batch.
    """
    if ranks.world_size == 1:
        return
    encoder.gather = ranks.all_gather
    if config.training.batchnorm == "synchronised":
        on_cpu = best_device().type == "cpu"  # where torch's own layer refuses to run
        convert = synchronise_batchnorm if on_cpu else nn.SyncBatchNorm.convert_sync_batchnorm
        encoder.backbone = convert(encoder.backbone)


def group_rows(encoder: Encoder, config: RunConfig, ranks: Ranks) -> None:
    """Let BatchNorm take the rows of an encoder in the groups that the run asks for.

    The backbone sees the groups of this rank's shard, the projection head those of the whole batch. Running statistics
    are the mean of the groups that a rank sees where the method asks for groups, as in MoCo's example, and those of the
    first group where ``training.batchnorm_rows`` does, as with DataParallel. Rank 0 writes its own.
    """
    groups = config.batchnorm_groups
    if groups == 1:
        return
    running: RunningStatistics = "mean" if config.training.batchnorm_rows is None else "first"
    encoder.groups = groups // ranks.world_size
    encoder.backbone = group_batchnorm(encoder.backbone, encoder.groups, running)
    encoder.projector = group_batchnorm(encoder.projector, groups, running)


def leave(fabric: Fabric) -> None:
    """Wait for the other ranks at a barrier, then destroy the process group."""
    if fabric.world_size > 1:
        fabric.barrier()
        distributed.destroy_process_group()


class _AllGather(autograd.Function):
    """All-gather of rows; backwards, the sum of the gradients of all ranks."""

    @staticmethod
    def forward(context: Any, rows: Tensor) -> Tensor:
        parts = [torch.empty_like(rows) for _ in range(distributed.get_world_size())]
        distributed.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        total = gradient.clone(memory_format=torch.contiguous_format)  # autograd's tensor must not change
        distributed.all_reduce(total)
        return total.chunk(distributed.get_world_size())[distributed.get_rank()]
