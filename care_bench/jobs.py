"""Jobs of the workflow: several runs of one data set, trained or measured one after another in one process.

Starting a process costs seconds of imports, which small runs share here. Every run keeps its own folder and log. A
killed job loses at most its current run: started again, it skips finished ones. A run that fails does not stop the
others, and is named at the end. A run that another process works on, such as a job that has outlived its workflow, is
waited for.
"""

from __future__ import annotations

import fcntl
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from care_bench.config import EvaluationConfig, ImportedConfig, RunConfig, read_imported, read_runs
from care_bench.data import load
from care_bench.errors import CareBenchError
from care_bench.files import sha256_file, write_json
from care_bench.runs.folder import RunFolder
from care_bench.terminal import line_of
from care_bench.training.interrupts import RunInterruptedError
from care_bench.untrusted import read_json
from care_bench.unwritable import make_folder, writing

One = TypeVar("One", RunConfig, ImportedConfig)


def pretrain_runs(file: Path, runs: Path, data: Path, logs: Path, out: Path) -> None:
    """Pretrain the runs of a job.

    Args:
        file: JSON list of run configurations.
        runs: folder of all runs; run `DATASET/VARIANT/seedN` has the folder of that name below it. The files
            of another configuration in it, or of other data, are set aside, and brought back when they are asked for
            again.
        data: folder of prepared data sets.
        logs: folder of logs; the run's is `DATASET/VARIANT/seedN.pretrain.log`.
        out: file to write at the end: JSON, run -> SHA-256 of its weights.

    Raises:
        CareBenchError: runs failed; one line that names them. Or the list is damaged.
        RunInterruptedError: a signal came; the state of the current run is saved.
    """
    from care_bench.training.pretrain import pretrain

    def work(config: RunConfig, folder: Path) -> tuple[str, str]:
        RunFolder(folder).switch_to(config, wait=True, data_sha256=load(config.dataset, data).sha256)
        summary = pretrain(config, data, folder, wait=True).check(config)
        return summary.weights_sha256, f"{summary.steps} steps, {summary.images_per_second} images/s"

    _work_through(read_runs(file), runs, logs, "pretrain", out, work)


def evaluate_runs(file: Path, settings: EvaluationConfig, runs: Path, data: Path, logs: Path, out: Path) -> None:
    """Evaluate the finished runs of a job, except those whose records are current.

    Args:
        file: JSON list of run configurations.
        settings: how to evaluate.
        runs: folder of all runs.
        data: folder of prepared data sets.
        logs: folder of logs; the run's is `DATASET/VARIANT/seedN.evaluate.log`.
        out: file to write at the end: JSON, run -> SHA-256 of its file of records.

    Raises:
        CareBenchError: runs failed; one line that names them. Or the list is damaged.
    """
    from care_bench.evaluation.run import evaluate_unless_current

    def work(config: RunConfig, folder: Path) -> tuple[str, str]:
        records = evaluate_unless_current(folder, data, settings)
        said = "its records are current" if records is None else f"{len(records)} records"
        return sha256_file(RunFolder(folder).records), said

    _work_through(read_runs(file), runs, logs, "evaluate", out, work)


def measure_runs(file: Path, settings: EvaluationConfig, runs: Path, data: Path, logs: Path, out: Path) -> None:
    """Measure the imported encoders of a job, except those whose records are current.

    Args:
        file: JSON list of their configurations.
        settings: how to evaluate.
        runs: folder of all runs; an encoder has its folder there as a run has.
        data: folder of prepared data sets.
        logs: folder of logs; the encoder's is `DATASET/NAME/seedN.measure.log`.
        out: file to write at the end: JSON, encoder -> SHA-256 of its file of records.

    Raises:
        CareBenchError: encoders failed; one line that names them. Or the list is damaged.
    """
    from care_bench.evaluation.imported import measure_imported

    def say(line: str) -> None:
        print(line, flush=True)  # noqa: T201  # to the log of the encoder

    def work(config: ImportedConfig, folder: Path) -> tuple[str, str]:
        dataset = load(config.dataset, data)
        measured = measure_imported(config, dataset, settings, folder, say, unless_current=True)
        said = "its records are current" if measured.records is None else f"{len(measured.records)} records"
        return sha256_file(measured.path), said

    _work_through(read_imported(file), runs, logs, "measure", out, work)


def _work_through(
    configs: Sequence[One], runs: Path, logs: Path, stage: str, out: Path, work: Callable[[One, Path], tuple[str, str]]
) -> None:
    """Work on one after another; ``work`` returns the hash of the result, and a line about it."""
    results: dict[str, str] = {}
    failed: list[str] = []
    for config in configs:
        log = logs / f"{config.id}.{stage}.log"
        try:
            with _output_to(log):
                results[config.id], said = work(config, runs / config.id)
        except RunInterruptedError:
            raise
        except Exception as error:
            line = line_of(error) or f"{type(error).__name__}: {error}".splitlines()[0]
            failed.append(f"{config.id}: {line} (log: {log})")
            said = f"failed: {line}"
        print(f"{config.id}: {said}", flush=True)  # noqa: T201
    if failed:
        raise CareBenchError(f"{len(failed)} of {len(configs)} runs failed: {'; '.join(failed)}")
    if not _says(out, results):  # a job that has outlived its workflow may have written it: keep its time
        write_json(out, results)


def _says(out: Path, results: dict[str, str]) -> bool:
    """Whether a file of results has this content already."""
    try:
        return bool(read_json(out, "expected the results of a job") == results)
    except CareBenchError:  # missing, damaged or no regular file: it is written again
        return False


@contextmanager
def _output_to(log: Path) -> Iterator[None]:
    """Send standard output and error to a file, those of child processes too; an error is its last line.

    The log of an earlier attempt is replaced; lines are appended to one that another process still writes.
    """
    with writing(log):
        make_folder(log.parent)
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK, 0o666)
    with suppress(OSError):  # another process has locked it, or the file system has no locks
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # as long as this process or a child has it open
        os.ftruncate(descriptor, 0)
    streams = (sys.stdout, sys.stderr)
    kept = [os.dup(stream.fileno()) for stream in streams]
    try:
        for stream in streams:
            stream.flush()
            os.dup2(descriptor, stream.fileno())
        yield
    except Exception as error:
        line = line_of(error)
        if line is None:  # a mistake in the package
            traceback.print_exc()
        else:
            print(f"care-bench: {line}", file=sys.stderr, flush=True)  # noqa: T201
        raise
    finally:
        os.close(descriptor)
        for stream, original in zip(streams, kept, strict=True):
            stream.flush()
            os.dup2(original, stream.fileno())
            os.close(original)
