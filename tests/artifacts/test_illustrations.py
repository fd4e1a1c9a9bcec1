"""Illustrations beside records: whole, of the same runs, in collections and pins."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from care_bench.artifacts import Manifest
from care_bench.artifacts.collecting import collect_profile
from care_bench.artifacts.collection import read_collection
from care_bench.artifacts.illustrations import Curve, read_illustrations
from care_bench.artifacts.json_lines import encode_lines
from care_bench.artifacts.pin import pin, read_pin, verify_all
from care_bench.config import Profile, parse_profile
from care_bench.errors import CareBenchError
from tests.artifacts.profile_runs import measured, write_evaluated
from tests.commands import run_care_bench
from tests.illustrated import illustrations, images, neighbours, shown
from tests.sample_records import ROOT, make_record

NAME = "illustrations.jsonl"


def write(path: Path, *lines: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_lines(lines))
    return path


@pytest.fixture
def profile() -> Profile:
    methods = {"simclr": {"name": "simclr"}, "invariance": {"name": "invariance"}}
    datasets = {name: {"preset": name, "methods": methods} for name in ("proteins", "digits")}
    return parse_profile({"profile": "small", "seeds": [0], "datasets": datasets}, "here")


@pytest.fixture
def made(tmp_path: Path, profile: Profile) -> tuple[Path, list[Path]]:
    """Runs with records, and a file of illustrations for each data set."""
    records = {run: measured(run) for run in profile.runs()}
    for run, record in records.items():
        write_evaluated(tmp_path / "runs" / run.id, [record])
    files = [
        write(tmp_path / f"{name}.jsonl", illustrations([one for run, one in records.items() if run.dataset == name]))
        for name in profile.datasets
    ]
    return tmp_path / "runs", files


def test_a_collection_and_its_pin_keep_them(tmp_path: Path, profile: Profile, made: tuple[Path, list[Path]]) -> None:
    runs, files = made
    folder = tmp_path / "results/collected/small"
    collect_profile(profile, runs, folder, illustrations=files)
    assert (folder / NAME).read_bytes() == b"".join(path.read_bytes() for path in files)
    found = read_collection(folder)
    assert [one.dataset for one in found.illustrations] == ["proteins", "digits"]
    assert [run.variant for run in found.illustrations[1].runs] == ["simclr", "invariance"]
    kept = pin(tmp_path / "results", "kept", "small")
    assert NAME in Manifest.load(kept).files
    assert read_pin(kept).illustrations == found.illustrations
    assert verify_all(tmp_path / "results") == 3
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    collect_profile(profile, runs, folder, illustrations=files)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before, "the same files give the same bytes"
    collect_profile(profile, runs, folder)
    assert read_collection(folder).illustrations == ()
    assert not (folder / NAME).exists()


@pytest.mark.parametrize(
    ("changes", "of_run", "expected"),
    [
        ({"data_sha256": "d" * 64}, {}, r"digits/simclr/seed0 is illustrated with data_sha256 dddddddddddd, its rec"),
        ({"evaluation": '{"augmentations":3}'}, {}, "is illustrated with evaluation"),
        ({}, {"weights_sha256": "e" * 64}, r"with weights_sha256 eeeeeeeeeeee, its records have .*; illustrate it ag"),
        ({}, {"config_sha256": "e" * 64}, "with config_sha256 eeeeeeeeeeee"),
        ({}, {"seed": 4}, "digits/simclr/seed4 of profile small is in no record; expected illustrations, as"),
        ({"dataset": "proteins"}, {}, "proteins/simclr/seed0 of profile small is in no record"),
        ({"profile": "large"}, {}, "digits/simclr/seed0 of profile large is in no record"),
    ],
)
def test_those_of_other_runs_than_the_records_are_refused(
    tmp_path: Path, changes: dict[str, Any], of_run: dict[str, Any], expected: str
) -> None:
    record = make_record()
    line = illustrations([record], runs=(shown(record, **of_run),), **changes)
    with pytest.raises(CareBenchError, match=rf"made.jsonl:1: .*{expected}"):
        read_illustrations(write(tmp_path / "made.jsonl", line), [record])


def test_an_edited_line_is_named(tmp_path: Path) -> None:
    record = make_record()
    path = write(tmp_path / "made.jsonl", illustrations([record]))
    assert read_illustrations(path, [record]) == (illustrations([record]),)
    path.write_text(path.read_text().replace('"mean":0.25', '"mean":0.26'))
    with pytest.raises(CareBenchError, match=r"made.jsonl:1: the line of illustrations was changed"):
        read_illustrations(path, [record])
    path.write_text("{}\n")
    with pytest.raises(CareBenchError, match=r"made.jsonl:1: damaged line of illustrations: "):
        read_illustrations(path, [record])
    with pytest.raises(CareBenchError, match="expected illustrations, as care-bench illustrate-runs writes them"):
        read_illustrations(tmp_path / "none.jsonl", [record])


def test_parts_that_do_not_fit_are_refused() -> None:
    record = make_record()
    run = shown(record, retrieval=neighbours())
    assert illustrations([record], runs=(run,), **images(4)).showing("retrieval") == (run,)
    with pytest.raises(ValueError, match="found 36 bytes of images; expected 48"):
        illustrations([record], runs=(run,), **images(3))
    with pytest.raises(ValueError, match="found images that are not base64"):
        illustrations([record], runs=(run,), **images(4) | {"images": "!"})
    with pytest.raises(ValueError, match="found neighbour 1; expected one of 1 images"):
        illustrations([record], runs=(run,), **images(3) | {"train_rows": (30,)})
    with pytest.raises(ValueError, match="found 7 coordinates; expected x and y of at least 3 steps"):
        Curve(planarity=1.0, radius=1.0, extent=1.0, points=(0,) * 7)


def test_an_older_pin_without_them_is_read_as_before(tmp_path: Path) -> None:
    copy = Path(shutil.copytree(ROOT / "results/pinned/smoke-v11", tmp_path / "results/pinned/older"))
    about = json.loads((copy / "MANIFEST.json").read_text())["about"]
    del about["name"]
    for name in (NAME, "figures.zip"):
        (copy / name).unlink()
    Manifest.of(copy, about).save()
    assert read_pin(copy).illustrations == ()
    ended = run_care_bench("plot", tmp_path / "results", "--figure", "trajectories", "--out", tmp_path / "t.svg")
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert "pinned/older has no illustrations for the figure 'trajectories'" in ended.stderr
