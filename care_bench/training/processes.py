"""Several processes that share every batch, one on each GPU: who has which rows, and what has to be agreed."""

from __future__ import annotations

import inspect
import os
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.strategies.ddp import DDPStrategy
from torch import Tensor, autograd, distributed, nn

from care_bench.config import RunConfig
from care_bench.errors import CareBenchError
from care_bench.models import Encoder
from care_bench.runs.device import best_device

AGREE_EVERY = 10
"""Steps between two looks at whether any process was asked to stop: asking the others costs time."""


def follows(config: RunConfig) -> bool:
    """Tell whether this process was started by another one to share its batches."""
    return config.training.devices > 1 and int(os.environ.get("LOCAL_RANK", "0")) > 0


def check_devices(config: RunConfig) -> None:
    """Check that a run finds the devices it asks for.

    Raises:
        CareBenchError: the machine has too few GPUs, or none where the run needs them.
    """
    training, device = config.training, best_device()
    if training.precision == "16-mixed" and device.type == "cpu":
        raise CareBenchError(
            f"run {config.id}: training.precision = '16-mixed' needs a GPU and there is none; "
            "expected 32-true or bf16-mixed"
        )
    if training.devices == 1:
        return
    if training.batchnorm == "synchronised" and device.type == "cpu":
        raise CareBenchError(
            f"run {config.id}: training.batchnorm = 'synchronised' needs GPUs and there is none; expected per-device"
        )
    if device.type != "cpu" and torch.cuda.device_count() < training.devices:
        raise CareBenchError(
            f"run {config.id}: training.devices = {training.devices}, and this machine shows "
            f"{torch.cuda.device_count()}; expected at most that many"
        )


def launch(config: RunConfig) -> Fabric:
    """Set up the device of this process, and meet the others where the run has several."""
    training = config.training
    if training.devices == 1:
        return Fabric(accelerator=best_device().type, devices=1, precision=training.precision)
    # Several forward passes a step: buffers are not broadcast between them, and the graph is the same at every step.
    known = inspect.signature(nn.parallel.DistributedDataParallel).parameters
    buffers = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
    options: dict[str, Any] = {buffers: False, "static_graph": True}
    fabric = Fabric(
        accelerator=best_device().type,
        devices=training.devices,
        strategy=DDPStrategy(**options),
        precision=training.precision,
        plugins=[LightningEnvironment()],  # the processes are this machine's, also inside a cluster's job
    )
    fabric.launch()
    return fabric


def share_batches(encoder: Encoder, config: RunConfig, fabric: Fabric) -> None:
    """Let an encoder see its share of every batch, and give everything behind its backbone the whole batch.

    Every process then computes the same loss. The gradient of a row comes back from each of them, their sum is
    averaged over the processes: what the backbone gets is the gradient of the whole batch.
    """
    if fabric.world_size == 1:
        return

    encoder.gather = _Gather.apply
    if config.training.batchnorm == "synchronised":
        convert = nn.SyncBatchNorm.convert_sync_batchnorm
        encoder.backbone = convert(encoder.backbone)  # type: ignore[no-untyped-call]


class _Gather(autograd.Function):
    """Rows of all processes, in the order of their ranks; backwards, the sum of what all of them send back."""

    @staticmethod
    def forward(context: Any, rows: Tensor) -> Tensor:
        parts = [torch.empty_like(rows) for _ in range(distributed.get_world_size())]
        distributed.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        total = gradient.clone(memory_format=torch.contiguous_format)  # autograd's own stays as it is
        distributed.all_reduce(total)
        return total.chunk(distributed.get_world_size())[distributed.get_rank()]


def share(rows: Tensor, fabric: Fabric) -> Tensor:
    """Return this process's part of the rows of a batch."""
    return rows.chunk(fabric.world_size)[fabric.global_rank]


def agreed(signal: int | None, step: int, fabric: Fabric) -> int | None:
    """Return the signal that asks any of the processes to stop; looked at every ``AGREE_EVERY`` steps."""
    if fabric.world_size == 1:
        return signal
    if step % AGREE_EVERY:
        return None
    number = torch.tensor(signal or 0, device=fabric.device)
    distributed.all_reduce(number, distributed.ReduceOp.MAX)
    return int(number) or None


def part(fabric: Fabric) -> None:
    """Wait for the other processes and take leave of them."""
    if fabric.world_size > 1:
        fabric.barrier()
        distributed.destroy_process_group()
