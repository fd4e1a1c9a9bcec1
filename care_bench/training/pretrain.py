"""Pretraining: views, terms, one step; killed at any point and started again it ends in the same bits (on CPU)."""

from __future__ import annotations

import shutil
import signal
import time
from pathlib import Path

import torch

from care_bench.augmentations import draw
from care_bench.config import RunConfig
from care_bench.data import load
from care_bench.errors import CareBenchError
from care_bench.files import sha256_bytes, write_bytes, write_json
from care_bench.methods import PLAIN, View
from care_bench.runs.device import best_device, describe_device, reproducible
from care_bench.runs.folder import RunFolder
from care_bench.runs.randomness import generator
from care_bench.runs.weights import encoder_bytes
from care_bench.training.interrupts import RunInterruptedError, StopSignal, stop_signals
from care_bench.training.optimiser import learning_rate_factor
from care_bench.training.peers import peers
from care_bench.training.processes import agreed, check_devices, follows, part, share
from care_bench.training.progress import no_progress, training_progress
from care_bench.training.session import Session


def pretrain(config: RunConfig, data: Path, out: Path) -> RunFolder:
    """Train one run to its end, continuing where an earlier call was stopped.

    Args:
        config: the run.
        data: folder of prepared data sets.
        out: folder of the run. It ends with config.json, encoder.safetensors, log.jsonl and, written last,
            pretrain.json; until then the state is kept in a subfolder named by the configuration.

    Raises:
        CareBenchError: unusable data, folder, checkpoint or settings; a loss that is not finite.
        RunInterruptedError: SIGTERM or SIGINT came; the state is saved.
        SystemExit: in the further processes of a run with several devices, which end here.
    """
    folder = RunFolder(out)
    if follows(config):
        _pretrain(config, data, folder)
        raise SystemExit(0)
    with folder.lock():
        folder.check_unclaimed(config)
        if folder.read_summary() is None:
            _pretrain(config, data, folder)
        folder.check(config)
    return folder


def _pretrain(config: RunConfig, data: Path, folder: RunFolder) -> None:
    check_devices(config)
    dataset = load(config.dataset, data)
    samples = len(dataset.train.inputs)
    if config.training.batch_size > samples:
        raise CareBenchError(
            f"training.batch_size = {config.training.batch_size} exceeds the {samples} training samples of "
            f"{config.dataset!r}; expected at most that many"
        )
    training = config.training
    repeatable = reproducible(training.deterministic, training.threads, best_device())
    with repeatable, stop_signals() as stop, peers(config):
        session = Session.open(config, dataset, folder)
        first = session.fabric.global_rank == 0
        if first and not folder.config.exists():
            write_json(folder.config, config.model_dump(mode="json"))
        with session.log:
            session.snapshots()  # a lost one is named before the training, not after it
            _train(session, stop)
            if first:
                _finish(session, folder)
        part(session.fabric)


def train_step(session: Session) -> None:
    """Do the next step of a run: views, terms, gradients, update, log."""
    training = session.config.training
    views = make_views(session)
    factor = learning_rate_factor(session.step, session.total, session.warmup, training.schedule)
    learning_rate = training.optimizer.learning_rate * factor
    for group in session.optimizer.param_groups:
        group["lr"] = learning_rate
    loss, terms = session.model(views)
    # From here on the device has work, and the disk may have, too.
    session.batches.announce(share(session.batches.rows(session.step + 1), session.fabric))
    session.fabric.backward(loss)
    session.optimizer.step()
    session.optimizer.zero_grad()

    session.step += 1
    session.module.method.after_step(session.module.encoder, session.step, session.total)
    session.log.add(session.step, learning_rate, loss, terms)


def make_views(session: Session) -> list[View]:
    """Draw the augmentations of the next step for the whole batch, and apply them to this process's share of it."""
    config, fabric, augmentation = session.config, session.fabric, session.augmentation
    identity = (config.dataset, config.seed)
    method, rows = session.module.method, session.batches.rows(session.step)
    chance = generator(*identity, "augmentation", session.step)
    deal_anew = method.shuffled if fabric.world_size > 1 and config.training.batchnorm == "per-device" else ()
    mine = share(torch.arange(len(rows)), fabric)
    samples = session.batches.take(rows[mine])

    views = []
    for number, draws in enumerate(method.draws(len(rows))):
        parameters = None if draws == PLAIN else draw(augmentation, len(rows), draws, chance)
        inputs, places, order = samples, mine, None
        if number in deal_anew:
            order = torch.randperm(len(rows), generator=generator(*identity, "shuffle", session.step, number))
            places = share(order, fabric)
            inputs = session.batches.take(rows[places])
        seen = augmentation.identity(inputs) if parameters is None else augmentation.apply(inputs, parameters[places])
        views.append(View(seen, parameters, order))
    return views


def _train(session: Session, stop: StopSignal) -> None:
    config, batch_size = session.config, session.config.training.batch_size
    began = time.perf_counter() - session.seconds
    session.model.train()
    shown = training_progress if session.fabric.global_rank == 0 else no_progress
    with shown(config.id, session.step, session.total, batch_size) as report:
        while session.step < session.total:
            train_step(session)
            session.keep_snapshot()
            session.seconds = time.perf_counter() - began
            report(session.step, session.log.last_loss)
            if session.step < session.total:
                _save_when_due(session, stop)
    session.log.flush()  # waits for the work that an accelerator still has
    session.seconds = time.perf_counter() - began


def _save_when_due(session: Session, stop: StopSignal) -> None:
    number = agreed(stop.number, session.step, session.fabric)
    if number is not None:
        session.save()
        part(session.fabric)
        if session.fabric.global_rank > 0:
            raise SystemExit(0)
        raise RunInterruptedError(
            f"{session.config.id} stopped by {signal.Signals(number).name} after step {session.step} of "
            f"{session.total}; its state is saved, the same command continues it",
            number,
        )
    if session.step % session.config.training.checkpoint_every == 0:
        session.save()


def _finish(session: Session, folder: RunFolder) -> None:
    config = session.config
    session.log.sync()
    weights = encoder_bytes(session.module.encoder, config.sha256())
    log = session.log.path.read_bytes()
    snapshots = {epoch: path.read_bytes() for epoch, path in session.snapshots().items()}
    for epoch, content in snapshots.items():
        write_bytes(folder.snapshot(epoch), content)
    write_bytes(folder.encoder, weights)
    write_bytes(folder.log, log)
    summary = {
        "run": config.id,
        "steps": session.total,
        "images_per_second": round(session.total * config.training.batch_size / session.seconds, 1),
        "seconds": round(session.seconds, 3),
        "resumed": session.resumed,
        "device": describe_device(session.fabric.device, session.fabric.world_size),
        "torch": torch.__version__,
        "config_sha256": config.sha256(),
        "data_sha256": session.data_sha256,
        "weights_sha256": sha256_bytes(weights),
        "log_sha256": sha256_bytes(log),
        "snapshots": {str(epoch): sha256_bytes(content) for epoch, content in snapshots.items()},
    }
    write_json(folder.summary, summary)
    for state in folder.path.glob("state-*"):
        shutil.rmtree(state, ignore_errors=True)
