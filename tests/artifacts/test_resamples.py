"""Metrics on halves of the test samples beside records: whole, of the same runs, in collections and pins."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from care_bench.artifacts import Manifest
from care_bench.artifacts.collecting import collect_profile
from care_bench.artifacts.collection import read_collection
from care_bench.artifacts.json_lines import encode_lines
from care_bench.artifacts.pin import pin, read_pin, verify_all
from care_bench.artifacts.resamples import read_resamples
from care_bench.config import Profile, parse_profile
from care_bench.errors import CareBenchError
from tests.artifacts.profile_runs import measured, write_evaluated
from tests.resampled import resampled, resamples
from tests.sample_records import ROOT, make_record

NAME = "resamples.jsonl"


def write(path: Path, *lines: Any) -> Path:
    path.write_bytes(encode_lines(lines))
    return path


@pytest.fixture
def profile() -> Profile:
    methods = {"simclr": {"name": "simclr"}, "invariance": {"name": "invariance"}}
    datasets = {"digits": {"preset": "digits", "methods": methods}}
    return parse_profile({"profile": "small", "seeds": [0], "datasets": datasets}, "here")


@pytest.fixture
def made(tmp_path: Path, profile: Profile) -> tuple[Path, list[Path]]:
    """Runs with records, and a file of each run, as of two jobs."""
    records = {run: measured(run) for run in profile.runs()}
    for run, record in records.items():
        write_evaluated(tmp_path / "runs" / run.id, [record])
    files = [write(tmp_path / f"{one.variant}.jsonl", resamples(one)) for one in records.values()]
    return tmp_path / "runs", [*files, write(tmp_path / "none.jsonl")]


def test_a_collection_and_its_pin_keep_them(tmp_path: Path, profile: Profile, made: tuple[Path, list[Path]]) -> None:
    runs, files = made
    folder = tmp_path / "results/collected/small"
    collect_profile(profile, runs, folder, resamples=files)
    assert (folder / NAME).read_bytes() == b"".join(path.read_bytes() for path in files)
    found = read_collection(folder)
    assert [one.variant for one in found.resamples] == ["simclr", "invariance"]
    kept = pin(tmp_path / "results", "kept", "small")
    assert NAME in Manifest.load(kept).files
    assert read_pin(kept).resamples == found.resamples
    assert verify_all(tmp_path / "results") == 3
    collect_profile(profile, runs, folder)
    assert read_collection(folder).resamples == ()
    assert not (folder / NAME).exists()


@pytest.mark.parametrize(
    ("changes", "of_metric", "expected"),
    [
        (
            {"data_sha256": "d" * 64},
            {},
            r"is resampled with data_sha256 dddddddddddd, its record has .*; resample it",
        ),
        ({"evaluation": '{"augmentations":3}'}, {}, "is resampled with evaluation"),
        ({"config_sha256": "e" * 64}, {}, "with config_sha256 eeeeeeeeeeee"),
        ({}, {"weights_sha256": "e" * 64}, r"with weights_sha256 eeeeeeeeeeee"),
        ({}, {"protocol_version": 9}, r"with protocol_version 9, its record has"),
        ({}, {"metric": "other"}, r"other of digits/simclr/seed0 of profile small has no record; expected metrics on"),
        ({}, {"epoch": 3}, "has no record"),
        ({"seed": 4}, {}, "of digits/simclr/seed4 of profile small has no record"),
        ({"profile": "large"}, {}, "of profile large has no record"),
    ],
)
def test_those_of_other_runs_than_the_records_are_refused(
    tmp_path: Path, changes: dict[str, Any], of_metric: dict[str, Any], expected: str
) -> None:
    record = make_record()
    line = resamples(record, resampled(record, **of_metric), **changes)
    with pytest.raises(CareBenchError, match=rf"made.jsonl:1: .*{expected}"):
        read_resamples(write(tmp_path / "made.jsonl", line), [record])


def test_an_edited_line_is_named(tmp_path: Path) -> None:
    record = make_record()
    path = write(tmp_path / "made.jsonl", resamples(record))
    assert read_resamples(path, [record]) == (resamples(record),)
    path.write_text(path.read_text().replace("[1.0,2.0]", "[1.0,2.5]"))
    with pytest.raises(CareBenchError, match=r"made.jsonl:1: the line of resamples was changed"):
        read_resamples(path, [record])
    path.write_text("{}\n")
    with pytest.raises(CareBenchError, match=r"made.jsonl:1: damaged line of resamples: "):
        read_resamples(path, [record])
    with pytest.raises(CareBenchError, match="expected metrics on halves of the test samples, as care-bench resample-"):
        read_resamples(tmp_path / "none.jsonl", [record])


def test_halves_that_differ_between_runs_are_refused(tmp_path: Path) -> None:
    one, other = make_record(), make_record(seed=1)
    for line, said in (
        (resamples(other, resampled(other, (1.0, 2.0, 3.0))), "3 halves of 5 of 10"),
        (resamples(other, units=12, kept=6), "2 halves of 6 of 12"),
    ):
        path = write(tmp_path / "made.jsonl", resamples(one), line)
        with pytest.raises(CareBenchError, match=f"made.jsonl:2: {said} test samples; an earlier run .* 2 halves of 5"):
            read_resamples(path, [one, other])
    with pytest.raises(CareBenchError, match="has a run twice"):
        read_resamples(write(tmp_path / "made.jsonl", resamples(one), resamples(one)), [one])


def test_parts_that_do_not_fit_are_refused() -> None:
    record = make_record()
    with pytest.raises(ValueError, match="found 10 of 10 samples in a half; expected fewer"):
        resamples(record, kept=10)
    with pytest.raises(ValueError, match="found 2 and 3 halves; expected one number of them"):
        resamples(record, resampled(record), resampled(record, (1.0, 2.0, 3.0)))
    for draws in (((1.0,),), ((1.0, 2.0), (1.0,))):
        with pytest.raises(ValueError, match="of different numbers; expected as many for each half"):
            resamples(record, resampled(record, draws=draws))


def test_an_older_pin_without_them_is_read_as_before(tmp_path: Path) -> None:
    older = ROOT / "results/pinned/smoke-v11"
    copy = Path(shutil.copytree(older, tmp_path / "results/pinned/smoke-v11"))
    assert NAME not in json.loads((copy / "MANIFEST.json").read_text())["files"]
    assert read_pin(copy).resamples == ()
