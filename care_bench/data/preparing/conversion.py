"""Read raw files in several processes; the results do not depend on their number."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from care_bench.data.source import Raw
from care_bench.errors import CareBenchError
from care_bench.files import write_text
from care_bench.progress import progress
from care_bench.untrusted import is_memory_short

MAX_WORKERS = 16
TASK = 32  # files per task; results are kept task by task

BROKEN = "broken.txt"  # lists every unreadable file with the reason, one per line
SHOWN = 5  # unreadable files in a message

File = TypeVar("File")
Found = TypeVar("Found")
Task: TypeAlias = tuple[dict[int, Found], dict[int, str]]
"""By position in a task: the results of its files, and why the others cannot be read."""


def convert(
    files: Sequence[File],
    todo: Sequence[int],
    read: Callable[[File], Found],
    keep: Callable[[dict[int, Found]], None],
    title: str,
    raw: Raw,
) -> None:
    """Read the remaining files in parallel and keep the results.

    Args:
        files: all files, as ``read`` takes them; ``str(file)`` names one in messages.
        todo: indices of the files to read, in order.
        read: a module-level function, since workers import it; any error means that the file cannot be read.
        keep: writes results to the disk, by index; called once per task, in order.
        title: the work and its unit, for the progress.
        raw: its workspace takes a list of unreadable files; its ``skip_broken`` says whether to leave them out.

    Raises:
        CareBenchError: some files cannot be read and are not to be left out; all files were tried, and the results of
            the others are kept for the next attempt. Or a worker died.
    """
    tasks = [todo[start : start + TASK] for start in range(0, len(todo), TASK)]
    if not tasks:
        return
    workers = min(worker_count(), len(tasks))
    broken: dict[int, str] = {}
    done = len(files) - len(todo)
    with _pool(workers) as pool, progress(title, len(files), done) as advance:
        work = [[files[index] for index in task] for task in tasks]
        results = _in_order(pool, partial(_read, read), work, ahead=2 * workers)
        for task in tasks:
            try:
                found, unreadable = next(results)
            except (BrokenProcessPool, MemoryError) as error:
                raise CareBenchError(
                    f"a worker process died at or soon after {files[task[0]]}: it ran out of memory, or a file "
                    "crashed its reader; start again to continue"
                ) from error
            keep({task[place]: result for place, result in found.items()})
            broken |= {task[place]: reason for place, reason in unreadable.items()}
            done += len(task)
            advance(done, f"{len(broken)} unreadable" if broken else "")
    if broken and not raw.skip_broken:
        raise _complaint([f"{files[index]} ({broken[index]})" for index in broken], len(files), raw.workspace / BROKEN)


def _complaint(named: Sequence[str], total: int, path: Path) -> CareBenchError:
    write_text(path, "".join(f"{line}\n" for line in named))
    more = f" and {len(named) - SHOWN} more (all are listed in {path})" if len(named) > SHOWN else ""
    return CareBenchError(
        f"{len(named)} of {total} files cannot be read: {', '.join(named[:SHOWN])}{more}; replace them and start "
        "again (only they are read again), or leave them out with --skip-broken"
    )


def worker_count() -> int:
    """Return how many processes read files: one per core that this process may use, at most ``MAX_WORKERS``."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(MAX_WORKERS, cores)


def _read(read: Callable[[File], Found], files: Sequence[File]) -> Task[Found]:
    found: dict[int, Found] = {}
    broken: dict[int, str] = {}
    for place, file in enumerate(files):
        try:
            found[place] = read(file)
        except Exception as error:  # decoders raise anything on damaged files
            if is_memory_short(error):
                raise MemoryError from error
            broken[place] = " ".join(f"{error}".split()) or type(error).__name__
    return found, broken


def _in_order(
    pool: Executor, work: Callable[[Sequence[File]], Task[Found]], tasks: Sequence[Sequence[File]], ahead: int
) -> Iterator[Task[Found]]:
    """Yield results in the order of the tasks; at most ``ahead`` tasks are in flight."""
    waiting = deque(pool.submit(work, task) for task in tasks[:ahead])
    for task in tasks[ahead:]:
        yield waiting.popleft().result()
        waiting.append(pool.submit(work, task))
    while waiting:
        yield waiting.popleft().result()


@contextmanager
def _pool(workers: int) -> Iterator[Executor]:
    # spawned, not forked: the caller may have threads, or torch in memory
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker)
    try:
        with _main_hidden():
            yield pool
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _main_hidden() -> Iterator[None]:
    """Keep workers from importing the script of the caller again, which would prepare a data set in each of them."""
    main = sys.modules["__main__"]
    kept: dict[str, Any] = {name: vars(main).pop(name) for name in ("__file__", "__spec__") if name in vars(main)}
    main.__spec__ = None
    try:
        yield
    finally:
        vars(main).update(kept)


def _start_worker() -> None:
    """Leave interrupts from the keyboard to the parent, and exit with the parent, even if it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
