"""What a collection may be written over, and what a folder must hold to be read as one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from care_bench.artifacts import Manifest
from care_bench.artifacts.collecting import collect, collect_profile
from care_bench.artifacts.collection import made_from, read_collection
from care_bench.config import Profile
from care_bench.errors import CareBenchError
from care_bench.files import sha256_file
from tests.artifacts.profile_runs import Make, contents, record_files
from tests.sample_records import ROOT, make_record


def test_a_collection_belongs_to_one_profile(tmp_path: Path, profile: Profile, runs: Path, whole: Path) -> None:
    before = contents(whole)
    other = record_files(tmp_path / "other", [make_record(profile="other")])
    with pytest.raises(
        CareBenchError,
        match=r"small holds the collection of profile small, these records are of profile oth",
    ):
        collect(other, whole)
    some = [runs / run.id / "records.jsonl" for run in profile.runs()[:2]]
    with pytest.raises(
        CareBenchError, match="holds the collection of all runs of profile small, which files of records would"
    ):
        collect(some, whole)
    assert contents(whole) == before
    collect(other, whole, replace=True)
    assert set(contents(whole)) == {"MANIFEST.json", "records.csv", "records.parquet"}
    assert read_collection(whole).profile == "other"
    with pytest.raises(
        CareBenchError, match="holds the collection of profile other, these records are of profile small"
    ):
        collect_profile(profile, runs, whole)
    collect_profile(profile, runs, whole, replace=True)
    assert contents(whole) == before


def test_files_of_records_can_be_replaced_by_others_of_the_profile(
    tmp_path: Path, profile: Profile, runs: Path
) -> None:
    files = [runs / run.id / "records.jsonl" for run in profile.runs()]
    for some in (files[:2], files[3:]):
        collect(some, tmp_path / "out")
    assert {record.dataset for record in read_collection(tmp_path / "out").records} == {"digits"}
    collect_profile(profile, runs, tmp_path / "out")
    assert len(read_collection(tmp_path / "out").records) == 12


@pytest.mark.parametrize("manifest", [None, "{"])
def test_records_of_an_unknown_profile_are_replaced_on_demand_only(
    tmp_path: Path, profile: Profile, runs: Path, whole: Path, manifest: str | None
) -> None:
    if manifest is None:
        (whole / "MANIFEST.json").unlink()
    else:
        (whole / "MANIFEST.json").write_text(manifest)
    with pytest.raises(
        CareBenchError, match=r"small holds records of an unknown profile \(.*MANIFEST\.json.*or --replace"
    ):
        collect_profile(profile, runs, whole)
    for name in ("records.csv", "records.parquet"):
        (whole / name).unlink()
    collect_profile(profile, runs, whole)
    assert len(read_collection(whole).records) == 12


@pytest.mark.parametrize("name", ["meta.json", "deep/records.csv", "records.csv/x", "records.txt", ".hidden"])
def test_a_folder_that_holds_anything_else_is_never_replaced(tmp_path: Path, record: Make, name: str) -> None:
    path = tmp_path / "out" / name
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    with pytest.raises(
        CareBenchError, match=r"out holds .*, which cannot be part of a collection; expected a collection, or"
    ):
        collect(record_files(tmp_path, [record()]), tmp_path / "out", replace=True)
    assert path.read_text() == "mine"


def test_the_folder_of_collections_is_no_collection(tmp_path: Path, record: Make, whole: Path) -> None:
    with pytest.raises(CareBenchError, match=r"collected holds small/, which cannot be part of a collection"):
        collect(record_files(tmp_path, [record()]), whole.parent, replace=True)


def test_the_present_folder_and_a_link_can_be_filled(
    tmp_path: Path, record: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = record_files(tmp_path, [record()])
    (tmp_path / "here").mkdir()
    (tmp_path / "link").symlink_to("here")
    collect(files, tmp_path / "link")
    monkeypatch.chdir(tmp_path / "here")
    collect(files, Path())
    assert (tmp_path / "link").is_symlink()
    assert len(read_collection(tmp_path / "here").records) == 1
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(CareBenchError, match="circle: it is a link that leads in a circle"):
        collect(files, tmp_path / "circle")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "profile.json is damaged: "),
        ("[]", "profile.json is damaged: "),
        ("[" * 100_000, "profile.json is damaged: it is nested too deeply"),
        ('{"profile": "small"}', "profile.json is damaged: it lacks 'steps'"),
        ('{"profile": "small", "steps": null, "seeds": [0], "datasets": ["digits"]}', "profile.json is damaged: "),
        (
            '{"profile": "small", "steps": null, "seeds": [[]], "datasets": {"digits": {"methods": {"a": 1}}}}',
            "is damaged",
        ),
        (
            '{"profile": "mine", "steps": null, "seeds": [0], "datasets": {}}',
            "mixes two profiles: profile.json is of profile mine",
        ),
        ('{"profile": "small", "steps": 2, "seeds": [0], "datasets": {}}', "profile.json is of profile small-steps2"),
        (
            '{"profile": "small", "steps": null, "seeds": [0], "datasets": {}}',
            "run digits/invariance/seed0 is not in both",
        ),
    ],
)
def test_a_profile_that_is_not_of_the_records_is_named(whole: Path, content: str, message: str) -> None:
    (whole / "profile.json").write_text(content)
    Manifest.of(whole, Manifest.load(whole).about).save()
    with pytest.raises(CareBenchError, match=message):
        read_collection(whole)


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"profile": "mine"}, "mixes two profiles: its manifest names profile mine, its records small"),
        ({"profile": ["small"]}, "MANIFEST.json is not the manifest of a collection"),
        ({"made_from": "records"}, "MANIFEST.json is not the manifest of a collection"),
        ({"made_from": "memory"}, "MANIFEST.json is not the manifest of a collection"),
    ],
)
def test_a_manifest_that_is_not_of_the_records_is_named(whole: Path, about: dict[str, Any], message: str) -> None:
    Manifest.of(whole, {**Manifest.load(whole).about, **about}).save()
    with pytest.raises(CareBenchError, match=message):
        read_collection(whole)


def test_the_workflow_knows_a_collection_that_was_made_from_a_profile(
    tmp_path: Path, profile: Profile, runs: Path, whole: Path
) -> None:
    digest = sha256_file(whole / "MANIFEST.json")
    assert made_from(whole) == digest
    assert made_from(tmp_path / "absent") is None
    loose = collect(record_files(tmp_path, [make_record()]), tmp_path / "loose").parent
    assert made_from(loose) is None
    for name, content in contents(whole).items():
        (whole / name).write_bytes(content + b" ")
        assert made_from(whole) is None
        (whole / name).write_bytes(content)
    (whole / "notes.txt").write_text("")
    assert made_from(whole) is None
    (whole / "notes.txt").unlink()
    collect_profile(profile, runs, whole)
    assert made_from(whole) == digest, "the same records give the same manifest"


def test_asking_where_a_collection_comes_from_imports_no_tables(whole: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from care_bench.artifacts.collection import made_from\n"
        "assert made_from(Path(sys.argv[1])); print({'pandas', 'pyarrow', 'torch'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code, str(whole)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.stdout == "set()\n", done.stderr
