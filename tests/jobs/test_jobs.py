"""Jobs of several runs: each run has a folder and a log, and finished runs are skipped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from care_bench.artifacts import read_records
from care_bench.config import Profile, RunConfig, parse_profile
from care_bench.errors import CareBenchError
from care_bench.files import locked, sha256_file
from care_bench.jobs import _output_to, pretrain_runs
from care_bench.training.interrupts import RunInterruptedError
from tests.forks import start_fork

from .made import PROFILE, Job

ROOT = Path(__file__).parents[2]


def profile(**changes: Any) -> Profile:
    return parse_profile({**PROFILE, **changes}, "here")


def test_runs_are_divided_evenly_and_never_across_data_sets() -> None:
    jobs = profile(seeds=[0, 1, 2], runs_per_job=4).jobs()  # nine runs
    assert {name: len(runs) for name, runs in jobs.items()} == {"digits/job1": 3, "digits/job2": 3, "digits/job3": 3}
    runs = [run.id for run in profile(seeds=[0, 1, 2]).runs()]
    assert sorted(run.id for part in jobs.values() for run in part) == sorted(runs)
    # Neighbours, such as the seeds of a row, take as long as each other: they go to different jobs.
    assert [[run.id for run in part] for part in jobs.values()] == [runs[0::3], runs[1::3], runs[2::3]]
    both = {"digits": PROFILE["datasets"]["digits"], "tinted_digits": PROFILE["datasets"]["digits"]}
    shared = profile(datasets=both, runs_per_job=32).jobs()
    assert {name: {run.dataset for run in runs} for name, runs in shared.items()} == {
        "digits/job1": {"digits"},
        "tinted_digits/job1": {"tinted_digits"},
    }


def test_a_single_run_or_one_on_several_devices_has_a_job_with_its_name() -> None:
    assert list(profile(runs_per_job=1).jobs()) == [run.id for run in profile().runs()]
    variants = {**PROFILE["datasets"]["digits"]["methods"], "wide": {"name": "simclr", "training": {"devices": 2}}}
    jobs = profile(datasets={"digits": {**PROFILE["datasets"]["digits"], "methods": variants}}, runs_per_job=8).jobs()
    assert {name: len(runs) for name, runs in jobs.items()} == {"digits/wide/seed0": 1, "digits/job1": 3}


def test_every_run_has_its_files_its_log_and_a_line_and_the_summary_names_their_hashes(
    job: Job, capfd: pytest.CaptureFixture[str]
) -> None:
    job.pretrain()
    job.evaluate()
    weights, records = (json.loads(path.read_text()) for path in (job.pretrained, job.evaluated))
    ids = [run.id for run in job.configs]
    assert list(weights) == list(records) == sorted(ids)
    for index, run in enumerate(job.configs):
        folder = job.folder(index)
        assert weights[run.id] == sha256_file(folder.encoder)
        assert records[run.id] == sha256_file(folder.records)
        assert {record.variant for record in read_records(folder.records)} == {run.variant}
        assert "step 2/2" in job.log(index, "pretrain")
        assert not list(folder.path.glob("state-*"))
    lines = capfd.readouterr().out.splitlines()
    assert [line.split(": ")[0] for line in lines] == [*ids, *ids]


def test_finished_runs_are_skipped(job: Job, capfd: pytest.CaptureFixture[str]) -> None:
    job.pretrain()
    job.evaluate()
    paths = [path for path in job.runs.rglob("*") if path.is_file()]
    before = {path: path.stat().st_mtime_ns for path in paths}
    capfd.readouterr()
    job.pretrain()
    job.evaluate()
    assert {path: path.stat().st_mtime_ns for path in paths} == before
    assert capfd.readouterr().out.count("its records are current") == 3


def test_results_that_say_the_same_keep_their_time_and_damaged_ones_are_written_again(job: Job) -> None:
    job.pretrain()
    content, written = job.pretrained.read_bytes(), job.pretrained.stat().st_mtime_ns
    job.pretrain()
    assert job.pretrained.stat().st_mtime_ns == written
    for damaged in ("", "{}", "[" * 100_000):
        job.pretrained.write_text(damaged)
        job.pretrain()
        assert job.pretrained.read_bytes() == content
    job.pretrained.unlink()
    os.mkfifo(job.pretrained)
    with pytest.raises(CareBenchError, match=f"cannot write {job.pretrained}: it is not a regular file"):
        job.pretrain()


def test_one_changed_run_is_trained_again_and_the_others_are_left_alone(job: Job) -> None:
    job.pretrain()
    job.evaluate()
    before = job.results()
    old = json.loads(job.folder(0).config.read_text())
    job.configs[0] = RunConfig.parse({**old, "method": {"name": "simclr", "temperature": 0.1}}, "here")
    job.write()
    job.pretrain()
    assert not job.folder(0).records.exists(), "the old records are set aside"
    job.evaluate()
    after = job.results()
    assert after[1:] == before[1:]
    assert after[0][0] != before[0][0]
    assert after[0][1] != before[0][1]
    job.configs[0] = RunConfig.parse(old, "here")
    job.write()
    job.pretrain()
    job.evaluate()
    assert job.results() == before, "the first training is brought back, not repeated"


def test_a_run_that_fails_is_named_and_the_others_go_on(job: Job) -> None:
    wrong = job.configs[1].training.model_copy(update={"batch_size": 10**4})
    job.configs[1] = job.configs[1].model_copy(update={"training": wrong})
    job.write()
    with pytest.raises(CareBenchError) as caught:
        job.pretrain()
    line = str(caught.value)
    assert line.startswith("1 of 3 runs failed: digits/invariance/seed0: training.batch_size = 10000 exceeds")
    assert line.endswith("digits/invariance/seed0.pretrain.log)")
    assert job.log(1, "pretrain").splitlines()[-1].startswith("care-bench: training.batch_size = 10000 exceeds")
    assert not job.pretrained.exists()
    assert [job.folder(index).summary.exists() for index in range(3)] == [True, False, True]


def test_a_signal_stops_the_job_and_the_next_job_continues_it(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    from care_bench.training import pretrain as module

    job.configs = [
        run.model_copy(update={"training": run.training.model_copy(update={"steps": 6})}) for run in job.configs
    ]
    job.write()
    real, steps = module.train_step, []

    def interrupted(session: Any) -> None:
        real(session)
        steps.append(session.config.variant)
        if len(steps) == 8:  # the second step of the second run
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(module, "train_step", interrupted)
    with pytest.raises(RunInterruptedError, match="digits/invariance/seed0 stopped by SIGTERM after step 2 of 6"):
        job.pretrain()
    job.pretrain()
    assert steps == ["simclr"] * 6 + ["invariance"] * 6 + ["uniformity"] * 6, "no step and no run is repeated"


def test_a_damaged_list_of_runs_is_one_line(job: Job) -> None:
    job.file.write_text("{}")
    with pytest.raises(CareBenchError, match="expected a list of run configurations, found dict"):
        job.pretrain()


def test_a_run_that_another_process_works_on_is_waited_for_and_found_finished(job: Job) -> None:
    job.pretrain()
    before = [path.stat().st_mtime_ns for path in job.runs.rglob("encoder.safetensors")]
    held = job.runs / job.configs[0].id
    log = job.logs / f"{job.configs[0].id}.pretrain.log"
    job.pretrained.unlink()
    waiting = f"waiting for process {os.getpid()} ("
    places = (job.file, job.runs, job.data, job.logs, job.pretrained)
    with locked(held):
        other = start_fork(pretrain_runs, *places)
        while waiting not in log.read_text():
            assert other.is_alive()
            time.sleep(0.05)
        assert not job.pretrained.exists()
    other.join(120)
    assert other.exitcode == 0
    assert waiting in log.read_text()
    assert [path.stat().st_mtime_ns for path in job.runs.rglob("encoder.safetensors")] == before


def test_two_processes_do_not_empty_each_others_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "run.log"
    log.write_text("of an earlier attempt\n")
    code = "import sys; from pathlib import Path; from care_bench.jobs import _output_to\n"
    code += "with _output_to(Path(sys.argv[1])): print('two')"
    with _output_to(log):
        print("one", flush=True)
        subprocess.run([sys.executable, "-c", code, str(log)], cwd=ROOT, check=True)
        print("three", flush=True)
    assert log.read_text() == "one\ntwo\nthree\n"
