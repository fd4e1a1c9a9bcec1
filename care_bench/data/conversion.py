"""Making rows of raw files with several processes: the same ones, whatever the number of processes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np

from care_bench.data.rows import Rows
from care_bench.data.source import Array
from care_bench.errors import CareBenchError
from care_bench.files import write_text
from care_bench.progress import progress

MAX_WORKERS = 16
TASK = 32  # files handed to a worker together; rows go to the disk task by task

BROKEN = "broken.txt"  # beside the rows: every unreadable file with the reason, a line each
SHOWN = 5  # of them in a message

T = TypeVar("T")
Read = Callable[[T], Mapping[str, Array]]


@dataclass(frozen=True, eq=False)
class _Converted:
    """What became of the files of a task: rows, and why those at some places in it cannot be read."""

    blocks: dict[str, Array]
    broken: dict[int, str]


def convert(rows: Rows, files: Sequence[T], read: Read[T], title: str, skip_broken: bool) -> None:
    """Read the files that gave no rows yet, in parallel, and append what they give.

    Rows are in the order of the files, but for those of a file that was broken in an earlier attempt: it is read again,
    and its rows come after those that are there.

    Args:
        rows: where rows go; its inputs stand for ``files``, one for one.
        files: what ``read`` takes; ``str()`` of one says where it is.
        read: function of a module that makes rows of a file, column -> (n, ...); whatever it raises means that the
            file cannot be read.
        title: what is being prepared, and in what it is counted.
        skip_broken: leave unreadable files out; ``rows.broken`` says which ones.

    Raises:
        CareBenchError: files cannot be read and ``skip_broken`` is not set; all were looked at, and rows of the others
            are kept for the next attempt. Or a worker died.
    """
    todo = [*rows.broken, *range(rows.consumed, len(files))]
    tasks = [todo[start : start + TASK] for start in range(0, len(todo), TASK)]
    if not tasks:
        return
    workers = min(worker_count(), len(tasks))
    broken: dict[int, str] = {}
    done = len(files) - len(todo)
    with _pool(workers) as pool, progress(title, len(files), done) as advance:
        work = [[files[index] for index in task] for task in tasks]
        results = _in_order(pool, partial(_convert, read), work, ahead=2 * workers)
        for task in tasks:
            try:
                converted = next(results)
            except (BrokenProcessPool, MemoryError) as error:
                raise CareBenchError(
                    f"a worker process died on or soon after {files[task[0]]}, for want of memory or on a file that "
                    "crashes its reader; start again to continue"
                ) from error
            unreadable = {task[place]: reason for place, reason in converted.broken.items()}
            rows.append(converted.blocks, [index for index in task if index not in unreadable], list(unreadable))
            broken |= unreadable
            done += len(task)
            advance(done, f"{len(broken)} unreadable" if broken else "")
    if broken and not skip_broken:
        raise _complaint(rows, files, broken)


def _complaint(rows: Rows, files: Sequence[T], broken: Mapping[int, str]) -> CareBenchError:
    named = [f"{files[index]} ({broken[index]})" for index in sorted(broken)]
    path = rows.folder / BROKEN
    write_text(path, "".join(f"{line}\n" for line in named))
    more = f" and {len(named) - SHOWN} more, all of them listed in {path}" if len(named) > SHOWN else ""
    return CareBenchError(
        f"{len(named)} of {len(files)} files cannot be read: {', '.join(named[:SHOWN])}{more}; replace them and start "
        "again, which reads only them, or leave them out with --skip-broken"
    )


def worker_count() -> int:
    """Return how many processes read files: one for each core this process may use, within reason."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(MAX_WORKERS, cores)


def _convert(read: Read[T], files: Sequence[T]) -> _Converted:
    """Read the files of a task."""
    found: list[Mapping[str, Array]] = []
    broken: dict[int, str] = {}
    for index, file in enumerate(files):
        try:
            found.append(read(file))
        except MemoryError:
            raise
        except Exception as error:  # decoders raise whatever they like on damaged files
            broken[index] = " ".join(f"{error}".split()) or type(error).__name__
    names = dict.fromkeys(name for blocks in found for name in blocks)
    blocks = {name: np.concatenate([blocks[name] for blocks in found if name in blocks]) for name in names}
    return _Converted(blocks, broken)


def _in_order(
    pool: Executor, work: Callable[[Sequence[T]], _Converted], tasks: Sequence[Sequence[T]], ahead: int
) -> Iterator[_Converted]:
    """Yield results in the order of the tasks, with no more than ``ahead`` of them waiting or in work."""
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
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _start_worker() -> None:
    """Leave an interrupt from the keyboard to the parent, and end when it ends, however it does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
