"""A fresh collection beside a pin of its profile."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from care_bench.artifacts import Record
from care_bench.artifacts.agreement import agreement
from care_bench.artifacts.collecting import collect
from care_bench.artifacts.pin import pin
from care_bench.report.build import write_report
from tests.sample_records import ROOT, sha, write_runs

Make = Callable[..., Record]


def test_values_are_compared_where_the_same_thing_was_measured(record: Make) -> None:
    missing = {"value": None, "n": 0, "reason": "diverged"}
    pinned = [
        record(value=80.0),
        record(seed=1, value=50.0),
        record(seed=2, value=10.0),
        record(seed=3, value=10.0, protocol_version=2),
        record(seed=4, **missing),
        record(seed=5, **missing),
        record(seed=6, value=10.0),
    ]
    fresh = [
        record(value=80.0),
        record(seed=1, value=40.0),
        record(seed=2, value=10.0 + 1e-9),
        record(seed=3, value=10.0),
        record(seed=4, **missing),
        record(seed=5, value=1.0),
    ]
    found = agreement(fresh, pinned)
    # The second is 20 % off, the third by a rounding; seeds 3 and 6 have no counterpart, and 5 has a value here alone.
    assert (found.compared, found.equal, found.near, found.unmeasured, found.one_sided) == (3, 1, 2, 2, 1)
    assert found.apart == (
        "2 of its records have no counterpart by the same version of their protocol; 1 have a value on one side only"
    )
    assert (found.difference, found.worst) == (pytest.approx(0.2), fresh[1])
    same = agreement(fresh, fresh)
    assert (same.compared, same.equal, same.near, same.difference, same.worst, same.apart) == (5, 5, 5, 0.0, None, "")
    assert same.machine == ""


def test_values_of_other_data_or_settings_are_named(record: Make) -> None:
    """Equal to the bit is no agreement where another thing was measured."""
    config = '{"seed":2}'
    other = [
        record(data_sha256="0" * 64, samples=64),
        record(seed=1, evaluation='{"augmentations":2}'),
        record(seed=2, config=config, config_sha256=sha(config), data_sha256="0" * 64),
        record(seed=3),
    ]
    found = agreement(other, [record(seed=seed) for seed in range(4)])
    assert (found.compared, found.equal) == (4, 4)
    assert found.apart == (
        "2 compared values are of other data; 1 compared values are of other numbers of samples; 1 compared values are "
        "of other settings of the measurement; 1 compared values are of other settings of the run"
    )


def test_values_near_0_are_compared_too(record: Make) -> None:
    found = agreement(
        [record(value=5e-324), record(seed=1, value=0.0)], [record(value=0.0), record(seed=1, value=-0.0)]
    )
    assert (found.equal, found.near, found.difference) == (1, 1, 1.0)


def test_machines_differ_by_device_and_packages_and_not_by_their_kernel(record: Make) -> None:
    def on(device: str, **environment: str) -> Record:
        return record(device=device, environment=environment)

    here = on("cpu: A", torch="2.15", platform="Linux-6.18", numpy="2.3")
    assert agreement([here], [on("cpu: A", torch="2.15", platform="Linux-6.1", numpy="2.3")]).machine == ""
    there = on("cpu: B", torch="2.11", platform="Linux-6.18")
    assert agreement([here], [there]).machine == (
        "device cpu: A instead of cpu: B, numpy 2.3 instead of absent, torch 2.15 instead of 2.11"
    )
    mixed = [here, record(device="cpu: C", seed=1)]
    assert agreement(mixed, [here, record(device="cpu: D", seed=1)]).machine == "device cpu: C instead of cpu: D"


def test_the_machine_of_the_training_counts_and_its_code_does_not(record: Make) -> None:
    """Unless a record says otherwise, it was trained where it was measured."""
    here = {"device": "cpu: A", "environment": {"torch": "2.15"}}
    both, trained_elsewhere = (
        record(**{**here, "environment": {"torch": "2.15", **more}})
        for more in ({}, {"trained_device": "cuda: B", "trained_torch": "2.11", "trained_code_version": "0.1.0+g1"})
    )
    assert agreement([trained_elsewhere], [both]).machine == (
        "trained_device cuda: B instead of cpu: A, trained_torch 2.11 instead of 2.15"
    )
    assert agreement([trained_elsewhere], [trained_elsewhere]).machine == ""
    other_code = record(**{**here, "environment": {"torch": "2.15", "trained_code_version": "0.1.0+g2"}})
    assert agreement([both], [other_code]).machine == ""


def test_a_report_ends_with_it(record: Make, tmp_path: Path) -> None:
    results = tmp_path / "results"
    shutil.copytree(ROOT / "results" / "reference", results / "reference")
    once = write_runs(tmp_path / "once", [record(value=80.0), record(seed=1, value=50.0)])
    collect(once, results / "collected" / "small")
    pin(results, "before", "small")
    other = {"device": "cpu: another"}
    again = write_runs(tmp_path / "again", [record(value=80.0, **other), record(seed=1, value=49.0, **other)])
    collect(again, results / "collected" / "small")
    console = Console(record=True, width=160)
    write_report(results, collection="small", formats=["md"], console=console)
    said = " ".join(console.export_text().split())
    line = (
        "Agreement with pinned/before: 1 of 2 values are equal to the bit, 1 within 1%; the largest relative "
        "difference is 0.02 (top-1, projection, of digits/simclr/seed1). Another kind of machine: device cpu: another "
        f"instead of {record().device}."
    )
    assert said.endswith(line), said
    assert line.replace("_", "\\_") in (results / "report" / "small" / "report.md").read_text()
    (results / "pinned" / "before" / "records.csv").write_text("damaged")
    write_report(results, collection="small", formats=["md"], console=console)  # a damaged pin is a warning
