"""The state of a run in training: building, saving and restoring it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor, nn

from care_bench.artifacts.environment import code_version, environment
from care_bench.augmentations import Augmentation
from care_bench.config import RunConfig
from care_bench.data import PreparedDataset
from care_bench.data.subsets import evenly_spaced
from care_bench.errors import CareBenchError
from care_bench.files import sha256_bytes, write_bytes
from care_bench.methods import Method, View, build_method
from care_bench.models import Encoder
from care_bench.runs.build import build_augmentation, build_run_encoder
from care_bench.runs.device import describe_device
from care_bench.runs.folder import RunFolder
from care_bench.runs.randomness import derive_seed
from care_bench.runs.weights import encoder_bytes, load_weights
from care_bench.training.batches import Batches
from care_bench.training.checkpoint import (
    Checkpoint,
    Progress,
    how_to_repair,
    load_checkpoint,
    made_by,
    save_checkpoint,
)
from care_bench.training.distributed import Ranks, build_fabric, group_rows, shard_batches
from care_bench.training.gradients import gradient_ratio
from care_bench.training.log import TermLog
from care_bench.training.optimiser import build_optimizer, load_optimizer
from care_bench.untrusted import decoding, read_bytes

if TYPE_CHECKING:
    from lightning_fabric import Fabric

FLUSH_EVERY = 50
"""Steps whose loss terms stay on an accelerator until they are fetched, checked and written together."""


class Pretraining(nn.Module):
    """Encoder and method as one module: a step is one forward call, and DistributedDataParallel sees all parameters."""

    def __init__(self, encoder: Encoder, method: Method, ranks: Ranks | None = None) -> None:
        super().__init__()
        self.encoder = encoder
        self.method = method
        self.ranks = ranks or Ranks()

    def forward(self, views: list[View], measured: bool = False) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
        """Return the loss, its unweighted terms, and if it is asked for, the ratio of their gradients."""
        terms = self.method(self.encoder, views)
        if terms.keys() != self.method.weights.keys():
            raise CareBenchError(
                f"method {type(self.method).__name__} returns the terms {sorted(terms)} and has weights for "
                f"{sorted(self.method.weights)}; expected the same names"
            )
        # Here and not in the training loop: outside of it, DistributedDataParallel follows every backward pass.
        ratio = gradient_ratio(self.method, terms, self.encoder, self.ranks.average) if measured else {}
        return weighted_sum(terms, self.method.weights), terms, ratio


def weighted_sum(terms: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """Return the loss: the sum of weight times term."""
    return torch.stack([weights[name] * term for name, term in terms.items()]).sum()


@dataclass
class Session:
    """One run in training.

    Attributes:
        model: ``module`` as lightning-fabric wraps it for the device and the ranks.
        total: steps of the whole run.
        warmup: steps of linear warm-up.
        step: steps done.
        seconds: training time so far, over all resumes.
        resumed: number of resumes.
        kept: epoch -> hash of the snapshot kept after it.
        made_by: code version, device, Python, packages and platform, of all processes where they differ.
    """

    config: RunConfig
    fabric: Fabric
    ranks: Ranks
    model: nn.Module
    module: Pretraining
    optimizer: torch.optim.Optimizer
    augmentation: Augmentation[Any]
    batches: Batches
    log: TermLog
    checkpoint: Path
    data_sha256: str
    total: int
    warmup: int
    step: int = 0
    seconds: float = 0.0
    resumed: int = 0
    kept: dict[str, str] = field(default_factory=dict)
    made_by: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def open(cls, config: RunConfig, dataset: PreparedDataset, folder: RunFolder) -> Self:
        """Build the run, and restore its checkpoint if there is one.

        Raises:
            CareBenchError: the checkpoint is damaged or belongs to other data or settings; an unwritable folder.
        """
        training = config.training
        augmentation = build_augmentation(config.augmentation, dataset, f"run {config.id}")
        fabric = build_fabric(config)
        ranks = Ranks.of(fabric, config)
        encoder = build_run_encoder(config, dataset)
        shard_batches(encoder, config, ranks)
        group_rows(encoder, config, ranks)
        seed = derive_seed(config.dataset, config.seed, "initial weights of the method")
        module = Pretraining(encoder, build_method(config.method, encoder, augmentation, seed), ranks)
        if training.memory_format == "channels_last":  # convolutions give images in the format of their weights
            module.to(memory_format=torch.channels_last)
        optimizer = build_optimizer(training.optimizer, module)
        split = evenly_spaced(dataset.train, training.samples)
        batches = Batches(split, training.batch_size, config.dataset, config.seed, fabric.device)
        total = training.epochs * batches.per_epoch if module.method.weights else 0
        total = total if training.steps is None else min(total, training.steps)
        checkpoint = folder.state(config.sha256()) / "checkpoint.pt"
        saved = load_checkpoint(checkpoint, config.sha256()) if checkpoint.exists() else None
        progress = None if saved is None else saved.progress
        if progress is not None and progress.data_sha256 != dataset.sha256:
            raise CareBenchError(
                f"checkpoint {checkpoint} was trained on other data ({progress.data_sha256[:12]}, now "
                f"{dataset.sha256[:12]}); {how_to_repair(checkpoint)}"
            )
        kept = (progress.log_bytes, progress.log_sha256) if progress and ranks.writes else (0, sha256_bytes(b""))
        log = TermLog(
            checkpoint.with_name("log.jsonl" if ranks.writes else f"log-rank{ranks.rank}.jsonl"),
            *kept,
            every=1 if fabric.device.type == "cpu" else FLUSH_EVERY,
            run=f"run {config.id} (config {config.sha256()[:12]})",
        )
        model, optimizer = fabric.setup(module, optimizer)
        session = cls(
            config=config,
            fabric=fabric,
            ranks=ranks,
            model=model,
            module=module,
            optimizer=optimizer,
            augmentation=augmentation,
            batches=batches,
            log=log,
            checkpoint=checkpoint,
            data_sha256=dataset.sha256,
            total=total,
            warmup=min(training.warmup_steps or training.warmup_epochs * batches.per_epoch, total),
            made_by={
                **environment(),
                "code_version": code_version(),
                "device": describe_device(fabric.device, fabric.world_size),
            },
        )
        if saved is not None:
            with log.closed_on_error(), decoding(checkpoint, how_to_repair(checkpoint)):
                session._restore(saved)
        return session

    def keep_snapshot(self) -> None:
        """Write the encoder's weights if this step ends an epoch of ``snapshot_epochs``."""
        if not self.ranks.writes:
            return
        epoch, rest = divmod(self.step, self.batches.per_epoch)
        if rest == 0 and epoch in self.config.training.snapshot_epochs:
            content = encoder_bytes(self.module.encoder, self.config.sha256())
            write_bytes(self._snapshot(epoch), content)
            self.kept[str(epoch)] = sha256_bytes(content)

    def snapshots(self) -> dict[int, bytes]:
        """Return the content of the snapshots kept so far, by epoch.

        Raises:
            CareBenchError: one is missing, or is not what was kept.
        """
        found = {}
        for epoch, expected in self.kept.items():
            path, again = self._snapshot(int(epoch)), how_to_repair(self.checkpoint)
            if not path.exists():
                raise CareBenchError(f"{path} is missing, but its checkpoint needs it; {again}")
            found[int(epoch)] = content = read_bytes(path, again)
            if (digest := sha256_bytes(content)) != expected:
                raise CareBenchError(f"{path} was changed: sha256 {digest[:12]}, but {expected[:12]} was kept; {again}")
        return found

    def _snapshot(self, epoch: int) -> Path:
        return self.checkpoint.with_name(f"epoch{epoch}.safetensors")

    def save(self) -> None:
        """Write a checkpoint: all state of the run but the draws, which follow from config and step."""
        if not self.ranks.writes:
            return
        progress = Progress(
            config_sha256=self.config.sha256(),
            data_sha256=self.data_sha256,
            step=self.step,
            seconds=self.seconds,
            resumed=self.resumed,
            log_bytes=self.log.sync(),
            log_sha256=self.log.sha256,
            snapshots=self.kept,
            made_by=dict(self.made_by),
        )
        tensors = {
            "model": self.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "precision": self.fabric.strategy.precision.state_dict(),
        }
        save_checkpoint(self.checkpoint, Checkpoint(progress, tensors))

    def _restore(self, saved: Checkpoint) -> None:
        progress = saved.progress
        epochs = progress.step // self.batches.per_epoch
        reached = [epoch for epoch in self.config.training.snapshot_epochs if epoch <= epochs]
        if progress.step > self.total or sorted(map(int, progress.snapshots)) != reached:
            raise ValueError(
                f"step {progress.step} of {self.total} with snapshots of the epochs {list(progress.snapshots)}; "
                f"expected those of {reached}"
            )
        load_weights(self.module, saved.tensors["model"])
        load_optimizer(self.optimizer, saved.tensors["optimizer"])
        self.fabric.strategy.precision.load_state_dict(saved.tensors["precision"])
        self.step, self.seconds, self.resumed = progress.step, progress.seconds, progress.resumed + 1
        self.kept = dict(progress.snapshots)
        self.made_by = made_by(progress.made_by, self.made_by)
        if self.ranks.writes and (changed := sorted(key for key in self.made_by if ", then " in self.made_by[key])):
            named = "; ".join(f"{key}: {self.made_by[key]}" for key in changed)
            print(f"{self.config.id} was begun elsewhere, which its records will say: {named}", file=sys.stderr)  # noqa: T201
