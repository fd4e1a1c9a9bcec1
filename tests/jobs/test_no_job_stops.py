"""Errors of a run and changed data stop no other run of a job."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

import care_bench.training.pretrain
from care_bench.config import RunConfig
from care_bench.data.load import content_sha256
from care_bench.errors import CareBenchError
from care_bench.files import sha256_file, write_json
from care_bench.runs.folder import RunFolder

from .made import Job


@pytest.mark.parametrize(
    ("error", "line", "logged"),
    [
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
            "not enough memory: CUDA out of memory",
            "care-bench: not enough memory: CUDA out of memory",
        ),
        (
            OSError(28, "No space left on device", "x"),
            "cannot use x: No space left on device",
            "care-bench: cannot use",
        ),
        (KeyError("ours"), "KeyError: 'ours'", "KeyError: 'ours'"),
    ],
)
def test_no_error_of_a_run_stops_the_others(
    error: Exception, line: str, logged: str, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = care_bench.training.pretrain.pretrain

    def fails(config: RunConfig, *arguments: Any, **named: Any) -> RunFolder:
        if config == job.configs[1]:
            raise error
        return real(config, *arguments, **named)

    monkeypatch.setattr("care_bench.training.pretrain.pretrain", fails)
    with pytest.raises(CareBenchError) as caught:
        job.pretrain()
    assert str(caught.value).startswith(f"1 of 3 runs failed: digits/invariance/seed0: {line} (log: ")
    assert job.log(1, "pretrain").splitlines()[-1].startswith(logged)
    assert ("Traceback" in job.log(1, "pretrain")) == isinstance(error, KeyError)
    assert [job.folder(index).summary.exists() for index in range(3)] == [True, False, True]


def test_runs_on_other_data_are_trained_again_and_brought_back(job: Job, tmp_path: Path) -> None:
    job.pretrain()
    before = [sha256_file(job.folder(index).summary) for index in range(3)]
    other = tmp_path / "other"
    shutil.copytree(job.data / "digits", other / "digits")
    meta = json.loads((other / "digits" / "meta.json").read_text())
    del meta["sha256"]
    meta["source"] = "another source"
    write_json(other / "digits" / "meta.json", {**meta, "sha256": content_sha256(meta)})
    data, job.data = job.data, other
    job.pretrain()
    job.evaluate()
    assert {job.folder(index).check(job.configs[index]).data_sha256 for index in range(3)} == {content_sha256(meta)}
    job.data = data
    job.pretrain()
    job.evaluate()
    assert [sha256_file(job.folder(index).summary) for index in range(3)] == before
