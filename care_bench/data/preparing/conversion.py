"""Reading raw files with several processes: the results do not depend on how many there are."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeAlias, TypeVar

from care_bench.data.source import Raw
from care_bench.errors import CareBenchError
from care_bench.files import write_text
from care_bench.progress import progress

MAX_WORKERS = 16
TASK = 32  # files that a worker reads at a time; what they give is kept task by task

BROKEN = "broken.txt"  # lists every unreadable file with the reason, one per line
SHOWN = 5  # of them in a message

File = TypeVar("File")
Found = TypeVar("Found")
Task: TypeAlias = tuple[dict[int, Found], dict[int, str]]
"""What became of the files of a task, by place in it: what they gave, or why they cannot be read."""


def convert(
    files: Sequence[File],
    todo: Sequence[int],
    read: Callable[[File], Found],
    keep: Callable[[dict[int, Found]], None],
    title: str,
    raw: Raw,
) -> None:
    """Read the files that are still to be read, in parallel, and keep what they give.

    Args:
        files: what ``read`` takes; ``str()`` of one says where it is.
        todo: indices of the files to read, in order.
        read: function of a module; any error it raises means that the file cannot be read.
        keep: keeps on the disk what files gave, by index; it is called for one task after another, in order.
        title: what is being prepared, and in what it is counted.
        raw: the workspace, for a list of unreadable files, and whether they are left out.

    Raises:
        CareBenchError: files cannot be read and are not to be left out; all were tried, and what the others gave is
            kept for the next attempt. Or a worker died.
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
                    f"a worker process died on or soon after {files[task[0]]}, for want of memory or on a file that "
                    "crashes its reader; start again to continue"
                ) from error
            keep({task[place]: result for place, result in found.items()})
            broken |= {task[place]: reason for place, reason in unreadable.items()}
            done += len(task)
            advance(done, f"{len(broken)} unreadable" if broken else "")
    if broken and not raw.skip_broken:
        raise _complaint([f"{files[index]} ({broken[index]})" for index in broken], len(files), raw.workspace / BROKEN)


def _complaint(named: Sequence[str], total: int, path: Path) -> CareBenchError:
    write_text(path, "".join(f"{line}\n" for line in named))
    more = f" and {len(named) - SHOWN} more, all of them listed in {path}" if len(named) > SHOWN else ""
    return CareBenchError(
        f"{len(named)} of {total} files cannot be read: {', '.join(named[:SHOWN])}{more}; replace them and start "
        "again, which reads only them, or leave them out with --skip-broken"
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
        except MemoryError:
            raise
        except Exception as error:  # decoders raise anything on damaged files
            broken[place] = " ".join(f"{error}".split()) or type(error).__name__
    return found, broken


def _in_order(
    pool: Executor, work: Callable[[Sequence[File]], Task[Found]], tasks: Sequence[Sequence[File]], ahead: int
) -> Iterator[Task[Found]]:
    """Yield results in the order of the tasks; at most ``ahead`` tasks are handed out and not yet yielded."""
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
    """Ignore interrupts from the keyboard, which the parent handles, and end when the parent ends, however it does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
