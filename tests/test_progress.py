"""Progress of long work: a few lines in a log, a bar on a terminal, with the time left once it can be told."""

from __future__ import annotations

import time
from itertools import count

import pytest
from rich.progress import Progress

from care_bench.progress import SOON, TimeLeft, progress


def lines(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, start: int, seconds: float) -> list[str]:
    clock = count(step=seconds)
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    with progress("images", 40, start) as advance:
        for done in (4, 8, 40):
            advance(done, "read")
    return capsys.readouterr().err.splitlines()


def test_the_time_left_is_told_after_a_while(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert lines(capsys, monkeypatch, 0, SOON / 2) == [
        "images 4/40  read",
        "images 8/40  read  0:00:40 left",
        "images 40/40  read  0:00:00 left",
    ]


def test_what_was_done_before_counts_for_no_speed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert lines(capsys, monkeypatch, 4, SOON) == [
        "images 8/40  read  0:01:20 left",
        "images 40/40  read  0:00:00 left",
    ]


def test_mostly_short_work_says_nothing_until_it_is_long(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = count()
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    with progress("images", 40, silent=3) as advance:
        for done in (4, 8, 12, 13, 40):
            advance(done, "")
    assert capsys.readouterr().err.splitlines() == ["images 12/40", "images 40/40"]


def test_a_bar_tells_the_time_left_after_a_while_too() -> None:
    clock = 0.0
    bar = Progress(get_time=lambda: clock)
    bar.add_task("images", total=40)
    said = []
    for done in (4, 8, 12):
        clock = done / 8 * SOON
        bar.update(bar.task_ids[0], completed=done)
        said.append(str(TimeLeft().render(bar.tasks[0])))
    assert said == ["", "0:00:40", "0:00:35"]
