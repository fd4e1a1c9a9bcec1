"""The training loop. A run that is killed and started again ends in the same bits, on the CPU."""

from __future__ import annotations

import signal
import time
from contextlib import nullcontext
from pathlib import Path

import torch

from care_bench import plugins
from care_bench.augmentations import draw
from care_bench.config import RunConfig
from care_bench.data import load
from care_bench.data.load import META
from care_bench.empty_folders import removing_empty
from care_bench.errors import CareBenchError
from care_bench.files import sha256_bytes, write_bytes, write_json
from care_bench.methods import PLAIN, View, package_of
from care_bench.runs.device import best_device, reproducible, tf32_allowed
from care_bench.runs.folder import RunFolder
from care_bench.runs.randomness import generator
from care_bench.runs.summary import Summary
from care_bench.runs.weights import encoder_bytes
from care_bench.training.distributed import check_devices, current_rank, leave
from care_bench.training.gradients import is_measured
from care_bench.training.interrupts import RunInterruptedError, StopSignal, stop_signals
from care_bench.training.optimiser import learning_rate_factor
from care_bench.training.progress import training_progress
from care_bench.training.session import Session


def pretrain(config: RunConfig, data: Path, out: Path, wait: bool = False) -> RunFolder:
    """Train one run to its end, continuing where an earlier call was stopped.

    For a run with several devices, this process starts one process per device and waits for them. Started by
    ``torchrun``, it is one of them itself.

    Args:
        config: the run.
        data: folder of prepared data sets.
        out: folder of the run. It ends with config.json, encoder.safetensors, log.jsonl and, written last,
            pretrain.json; until then the state is kept in a subfolder named by the configuration.
        wait: wait for another process that works on this folder, instead of refusing.

    Raises:
        CareBenchError: unusable data, folder, checkpoint or settings; a loss that is not finite; a lost rank.
        RunInterruptedError: SIGTERM or SIGINT came; the state is saved.
        SystemExit: the run has ended, in every rank but the first.
    """
    folder, rank = RunFolder(out), current_rank(config)
    made = (
        nullcontext() if rank else removing_empty(out)
    )  # of a run that is refused or stopped before its state is saved
    with made, folder.lock(wait) if rank == 0 else nullcontext():
        if rank == 0:
            _claim(config, data, folder)
        elif rank is None:
            with folder.lock(wait):  # the ranks must not wait: they would wait for each other only so long
                _claim(config, data, folder)
        if folder.read_summary() is None:
            check_devices(config)
            if rank is None:
                from care_bench.training.launcher import launch  # imported here: it is slow, and few runs need it

                launch(config, data, folder)
            else:
                _pretrain(config, data, folder)
        folder.check(config)
    if rank:
        raise SystemExit(0)
    return folder


def _claim(config: RunConfig, data: Path, folder: RunFolder) -> None:
    """Check that a folder is that of a run, and that a finished one was trained on the data that is prepared now."""
    folder.claim(config)
    summary = folder.read_summary()
    if summary is None or not (data / config.dataset / META).exists():
        return
    if (now := load(config.dataset, data).sha256) != summary.data_sha256:
        raise CareBenchError(
            f"{folder.path} was trained on data {summary.data_sha256[:12]}, but {data / config.dataset} now holds "
            f"{now[:12]}; use another folder, or delete {folder.summary} to train the run again"
        )


def _pretrain(config: RunConfig, data: Path, folder: RunFolder) -> None:
    training = config.training
    dataset = load(config.dataset, data)
    samples = min(len(dataset.train), training.samples or len(dataset.train))
    if training.batch_size > samples:
        raise CareBenchError(
            f"training.batch_size = {training.batch_size} exceeds the {samples} training samples of "
            f"{config.dataset!r}; expected at most that many"
        )
    with reproducible(training.deterministic, training.threads, best_device(), tf32=training.tf32):
        session = Session.open(config, dataset, folder)
        if session.ranks.writes and not folder.config.exists():
            write_json(folder.config, config.model_dump(mode="json"))
        # Not before: a rank that is told to stop waits for the others, which needs the process group.
        with session.log, stop_signals() as stop:
            session.snapshots()  # a missing or changed one is reported before the training, not after it
            _train(session, stop)
            if session.ranks.writes:
                _finish(session, folder)
        leave(session.fabric)
        if stop.number is not None:  # too late to stop this run; the next of a job must not begin
            raise RunInterruptedError(
                f"{config.id} was at its end when {signal.Signals(stop.number).name} came; it is finished", stop.number
            )


def train_step(session: Session) -> None:
    """Do the next step of a run: views, terms, gradients, update, log."""
    training = session.config.training
    views = make_views(session)
    factor = learning_rate_factor(session.step, session.total, session.warmup, training.schedule)
    learning_rate = training.optimizer.learning_rate * factor
    for group in session.optimizer.param_groups:
        group["lr"] = learning_rate
    # float16 gradients vanish without the scale that the optimizer's have
    measured = is_measured(session.step, session.total) and training.precision != "16-mixed"
    loss, terms, ratio = session.model(views, measured)
    # The device has work now; meanwhile the next batch can be read from the disk.
    session.batches.prefetch(session.ranks.shard(session.batches.rows(session.step + 1)))
    session.fabric.backward(loss)
    session.optimizer.step()
    session.optimizer.zero_grad()

    session.step += 1
    session.module.method.after_step(session.module.encoder, session.step, session.total)
    session.log.add(session.step, learning_rate, loss, terms, ratio)


def make_views(session: Session) -> list[View]:
    """Draw the augmentations of the next step for the whole batch, and apply them to this rank's shard of it."""
    config, ranks, augmentation = session.config, session.ranks, session.augmentation
    identity = (config.dataset, config.seed)
    method, rows = session.module.method, session.batches.rows(session.step)
    draws_of_step = generator(*identity, "augmentation", session.step)
    shard = ranks.shard(torch.arange(len(rows)))
    samples = session.batches.take(rows[shard])

    views = []
    for number, draws in enumerate(method.draws(len(rows))):
        parameters = None if draws == PLAIN else draw(augmentation, len(rows), draws, draws_of_step)
        places, inputs, order = shard, samples, None
        if number in method.shuffled:
            order = ranks.permutation(len(rows), *identity, "shuffle", session.step, number)
        if order is not None:
            places = ranks.shard(order)
            inputs = session.batches.take(rows[places])
        seen = augmentation.identity(inputs) if parameters is None else augmentation.apply(inputs, parameters[places])
        views.append(View(seen, parameters, order))
    return views


def _train(session: Session, stop: StopSignal) -> None:
    config, package = session.config, package_of(session.config.method)
    began = time.perf_counter() - session.seconds
    session.model.train()
    progress = training_progress(config.id, session.step, session.total, config.training.batch_size)
    with progress if session.ranks.writes else nullcontext() as report:
        while session.step < session.total:
            with plugins.guarded(package, f"failed in step {session.step + 1}"):
                train_step(session)
            session.keep_snapshot()
            session.seconds = time.perf_counter() - began
            if report:
                report(session.step, session.log.last_loss)
            if session.step < session.total:
                _save_when_due(session, stop)
    session.log.flush()  # waits for the accelerator to finish
    session.seconds = time.perf_counter() - began


def _save_when_due(session: Session, stop: StopSignal) -> None:
    number = session.ranks.stop_signal(stop.number, session.step, session.fabric.device)
    if number is not None:
        session.save()
        leave(session.fabric)
        raise RunInterruptedError(
            f"{session.config.id} stopped by {signal.Signals(number).name} after step {session.step} of "
            f"{session.total}; its state is saved, the same command continues it",
            number,
        )
    if session.step % session.config.training.checkpoint_every == 0:
        session.save()


def _finish(session: Session, folder: RunFolder) -> None:
    config = session.config
    made_by = dict(session.made_by)
    weights = encoder_bytes(session.module.encoder, config.sha256())
    log, snapshots = session.log.content(), session.snapshots()
    for epoch, content in snapshots.items():
        write_bytes(folder.snapshot(epoch), content)
    write_bytes(folder.encoder, weights)
    write_bytes(folder.log, log)
    summary = Summary(
        run=config.id,
        steps=session.total,
        images_per_second=round(session.total * config.training.batch_size / max(session.seconds, 1e-9), 1),
        seconds=round(session.seconds, 3),
        resumed=session.resumed,
        device=made_by.pop("device"),
        torch=torch.__version__,
        tf32=tf32_allowed(session.fabric.device),
        code_version=made_by.pop("code_version"),
        environment=made_by,
        config_sha256=config.sha256(),
        data_sha256=session.data_sha256,
        weights_sha256=sha256_bytes(weights),
        log_sha256=sha256_bytes(log),
        snapshots={str(epoch): sha256_bytes(content) for epoch, content in snapshots.items()},
    )
    write_json(folder.summary, summary.model_dump(mode="json"))
    folder.clean_up(config)
