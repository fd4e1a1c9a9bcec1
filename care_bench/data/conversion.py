"""Making rows of raw files with several processes: in the order of the files, whatever the number of processes."""

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
from care_bench.progress import progress

MAX_WORKERS = 16
TASK = 32  # files handed to a worker together; rows go to the disk task by task

T = TypeVar("T")
Read = Callable[[T], Mapping[str, Array]]


@dataclass(frozen=True, eq=False)
class _Converted:
    """What became of the files of a task: rows, how many files were looked at, and which of them cannot be read."""

    blocks: dict[str, Array]
    consumed: int
    broken: dict[int, str]


def convert(rows: Rows, files: Sequence[T], read: Read[T], title: str, skip_broken: bool) -> None:
    """Read the files that are not consumed yet, in parallel, and append what they give in their order.

    Args:
        rows: where rows go; its inputs stand for ``files``, one for one.
        files: what ``read`` takes; ``str()`` of one says where it is.
        read: function of a module that makes rows of a file, column -> (n, ...); whatever it raises means that the
            file cannot be read.
        title: what is being prepared, and in what it is counted.
        skip_broken: leave unreadable files out; ``rows.broken`` says which ones.

    Raises:
        CareBenchError: a file cannot be read and ``skip_broken`` is not set; what comes before it is kept, and the
            next attempt begins with it. Or a worker died.
    """
    if rows.broken and not skip_broken:
        raise CareBenchError(
            f"{files[rows.broken[0]]} could not be read in an earlier attempt, which left it out; expected "
            f"--skip-broken again, or delete {rows.folder} to begin anew"
        )
    tasks = [files[start : start + TASK] for start in range(rows.consumed, len(files), TASK)]
    if not tasks:
        return
    workers = min(worker_count(), len(tasks))
    work = partial(_convert, read, skip_broken)
    with _pool(workers) as pool, progress(title, len(files), rows.consumed) as advance:
        results = _in_order(pool, work, tasks, ahead=2 * workers)
        while rows.consumed < len(files):
            first = rows.consumed
            try:
                done = next(results)
            except (BrokenProcessPool, MemoryError) as error:
                raise CareBenchError(
                    f"a worker process died on or soon after {files[first]}, for want of memory or on a file that "
                    "crashes its reader; start again to continue"
                ) from error
            left_out = {first + index: reason for index, reason in done.broken.items()}
            if skip_broken:
                rows.append(done.blocks, done.consumed, list(left_out))
            else:
                rows.append(done.blocks, done.consumed - len(left_out))
                for index, reason in left_out.items():
                    raise CareBenchError(
                        f"{files[index]} cannot be read: {reason}; --skip-broken leaves such files out"
                    )
            advance(rows.consumed, f"{len(rows.broken)} unreadable" if rows.broken else "")


def worker_count() -> int:
    """Return how many processes read files: one for each core this process may use, within reason."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(MAX_WORKERS, cores)


def _convert(read: Read[T], skip_broken: bool, files: Sequence[T]) -> _Converted:
    """Read the files of a task; unless broken ones are skipped, the first of them ends it."""
    found: list[Mapping[str, Array]] = []
    broken: dict[int, str] = {}
    for index, file in enumerate(files):
        try:
            found.append(read(file))
        except MemoryError:
            raise
        except Exception as error:  # decoders raise whatever they like on damaged files
            broken[index] = " ".join(f"{error}".split()) or type(error).__name__
            if not skip_broken:
                break
    names = dict.fromkeys(name for blocks in found for name in blocks)
    blocks = {name: np.concatenate([blocks[name] for blocks in found if name in blocks]) for name in names}
    return _Converted(blocks, len(found) + len(broken), broken)


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
