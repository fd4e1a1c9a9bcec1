"""Paired timings: two ways of doing the same work, alternating on one thread, compared pair by pair.

The clock is that on the wall, or the processor's for work that it does alone: this process's, or that of its children.
"""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

Work = Callable[[], object]
Clock = Callable[[], float]


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes:
        name: of the comparison.
        ours, reference: median of the calls.
        ratio: median over the pairs, in the direction that ``target`` states.
        target: the bound on the ratio, in words.
        met: whether the ratio is within the bound.
        unit: of ours and reference.
    """

    name: str
    ours: float
    reference: float
    ratio: float
    target: str
    met: bool
    unit: str = "s"


def within(name: str, value: float, limit: float, unit: str) -> Row:
    """Return the row of a number with a limit, which stands as its reference."""
    return Row(name, value, limit, value / limit, f"at most {limit:g} {unit}", value <= limit, unit)


def speedup(
    name: str,
    ours: Work,
    reference: Work,
    at_least: float,
    pairs: int,
    calls: int = 1,
    clock: Clock = time.perf_counter,
) -> Row:
    """Return the row of a speed-up: the time of the reference over ours."""
    times = paired(ours, reference, pairs, calls, clock)
    ratio = statistics.median(theirs / mine for mine, theirs in times)
    return _row(name, times, ratio, f"at least {at_least:g} times as fast", ratio >= at_least)


def overhead(
    name: str, ours: Work, reference: Work, at_most: float, pairs: int, calls: int = 1, clock: Clock = time.perf_counter
) -> Row:
    """Return the row of an overhead: our time over that of the bare work in it."""
    times = paired(ours, reference, pairs, calls, clock)
    ratio = statistics.median(mine / theirs for mine, theirs in times)
    return _row(name, times, ratio, f"at most {at_most:g} times as long", ratio <= at_most)


def paired(
    ours: Work, reference: Work, pairs: int, calls: int, clock: Clock = time.perf_counter
) -> list[tuple[float, float]]:
    """Return seconds per call of both, in alternating blocks of calls; a first pair warms up and is not counted."""
    with one_thread():
        return [(_seconds(ours, calls, clock), _seconds(reference, calls, clock)) for _ in range(pairs + 1)][1:]


def children() -> float:
    """Return the processor time in seconds of the processes that this one has started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread in this context."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _row(name: str, times: list[tuple[float, float]], ratio: float, target: str, kept: bool) -> Row:
    mine, theirs = zip(*times, strict=True)
    return Row(name, statistics.median(mine), statistics.median(theirs), ratio, target, kept)


def _seconds(work: Work, calls: int, clock: Clock) -> float:
    wait = torch.cuda.synchronize if torch.cuda.is_available() else lambda: None
    wait()
    start = clock()
    for _ in range(calls):
        work()
    wait()
    return (clock() - start) / calls
