"""What benchmarks compare: a step with its bare work, and the start of the workflow's jobs in processor time."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from benchmarks import default_profile, training_step
from benchmarks.default_profile import IMPORTS
from benchmarks.timing import Work


@pytest.mark.parametrize("stage", IMPORTS)
def test_the_imports_of_a_stage_exist(stage: str) -> None:
    assert all(find_spec(module) for module in IMPORTS[stage].split(", "))


def test_starts_are_measured_in_processor_time() -> None:
    assert 0 < default_profile._seconds(["-c", "import time; time.sleep(5)"]) < 4


def test_a_step_and_its_bare_work_can_be_done_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    done = []

    def once(name: str, ours: Work, reference: Work, **options: object) -> None:
        done.extend(work() for work in (ours, reference, ours))

    monkeypatch.setattr(training_step, "overhead", once)
    training_step._measure("tinted_digits/care/seed0")
    assert len(done) == 3
