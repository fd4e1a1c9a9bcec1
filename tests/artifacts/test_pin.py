from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from care_bench.artifacts import Manifest
from care_bench.artifacts.collecting import collect
from care_bench.artifacts.collection import read_collection
from care_bench.artifacts.frame import write
from care_bench.artifacts.pin import pin, read_pin, verify_all
from care_bench.errors import CareBenchError
from care_bench.files import locked
from tests.sample_records import ROOT, add_profile, make_record, write_runs


def test_a_pin_is_a_copy_under_a_manifest(results: Path) -> None:
    before = datetime.now(UTC).date()
    folder = pin(results, "first-look", "small")
    assert folder == results / "pinned" / "first-look"
    assert sorted(path.name for path in folder.iterdir()) == ["MANIFEST.json", "records.parquet"]
    assert sorted(path.name for path in (results / "pinned").iterdir()) == ["first-look", "old"]
    table = "records.parquet"
    assert (folder / table).read_bytes() == (results / "collected" / "small" / table).read_bytes()
    about = json.loads((folder / "MANIFEST.json").read_text())["about"]
    assert about["profile"] == "small"
    assert about["code_versions"] == ["0.1.0+g0123456789ab"]
    assert about["date"] in {day.isoformat() for day in (before, datetime.now(UTC).date())}
    assert read_pin(folder).pinned_on == about["date"]
    assert read_pin(folder).key == "pinned/first-look"


def test_a_pin_is_never_replaced(results: Path) -> None:
    before = {path.name: path.read_bytes() for path in (results / "pinned" / "old").iterdir()}
    with pytest.raises(CareBenchError, match="never replaced"):
        pin(results, "old", "small")
    assert {path.name: path.read_bytes() for path in (results / "pinned" / "old").iterdir()} == before


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", ".hidden", "a b"])
def test_the_name_of_a_pin_must_be_a_valid_folder_name(results: Path, name: str) -> None:
    with pytest.raises(CareBenchError, match=r"cannot be a folder|never replaced"):
        pin(results, name, "small")
    assert [path.name for path in (results / "pinned").iterdir()] == ["old"]


def test_an_unknown_collection_is_named_with_the_nearest(results: Path) -> None:
    with pytest.raises(CareBenchError, match="did you mean 'small'"):
        pin(results, "new", "smal")


def test_without_a_collection_none_is_known(results: Path) -> None:
    shutil.rmtree(results / "collected")
    with pytest.raises(CareBenchError, match=r"^unknown collection 'smal': there is none$"):
        pin(results, "first", "smal")


def test_a_pin_that_is_read_as_a_collection_is_called_one(results: Path) -> None:
    pin(results, "first", "small")
    with pytest.raises(CareBenchError, match=r"manifest of a collection; it is a pin, which is read with pinned=True$"):
        read_collection(results / "pinned" / "first")


@pytest.mark.parametrize("damage", ["edit", "remove", "manifest"])
def test_a_collection_that_is_not_as_it_was_made_is_not_pinned(results: Path, damage: str) -> None:
    folder = results / "collected" / "small"
    path = folder / "records.csv"
    match damage:
        case "edit":
            path.write_text(path.read_text().replace("92.0", "99.0"))
            message = rf"changed {path}; collect it again"
        case "remove":
            path.unlink()
            message = rf"missing {path}; collect it again"
        case "manifest":
            (folder / "MANIFEST.json").write_text("{}")
            message = r"MANIFEST\.json is damaged"
    with pytest.raises(CareBenchError, match=message):
        pin(results, "new", "small")
    assert not (results / "pinned" / "new").exists()


@pytest.mark.parametrize("name", ["collected", "pinned"])
@pytest.mark.parametrize("fault", ["file", "link"])
def test_a_folder_that_cannot_be_listed_is_named(results: Path, name: str, fault: str) -> None:
    shutil.rmtree(results / name)
    if fault == "file":
        (results / name).write_text("a file")
    else:
        (results / name).symlink_to("nowhere")
    before = sorted(results.rglob("*"))
    with pytest.raises(CareBenchError, match=f"cannot read {results / name}: .*; expected a folder of "):
        pin(results, "new", "small")
    if name == "pinned":
        with pytest.raises(CareBenchError, match=f"cannot read {results / name}: .*; expected a folder of pins"):
            verify_all(results)
    assert sorted(results.rglob("*")) == before


@pytest.mark.parametrize("fault", ["file", "link", "loop"])
def test_a_collection_that_is_no_folder_is_not_pinned(results: Path, fault: str) -> None:
    path = results / "collected" / "other"
    if fault == "file":
        path.write_text("a file")
    else:
        path.symlink_to(path if fault == "loop" else "nowhere")
    with pytest.raises(CareBenchError, match=rf"{path}.*; expected a collection"):
        pin(results, "new", "other")


def test_an_unreadable_folder_of_pins_is_named(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def refuse(path: str | Path) -> Any:
        if Path(path) == results / "pinned":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    for command in (lambda: verify_all(results), lambda: pin(results, "new", "small")):
        with pytest.raises(CareBenchError, match=f"cannot read {results / 'pinned'}: Permission denied; expected a"):
            command()


def test_a_pin_that_cannot_be_written_leaves_nothing(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, content: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr("care_bench.artifacts.pin.write_bytes", full)
    with pytest.raises(
        CareBenchError, match=r"cannot write .*new: No space left on device; expected a writable folder"
    ):
        pin(results, "new", "small")
    assert [path.name for path in (results / "pinned").iterdir()] == ["old"]


def test_what_a_killed_command_has_left_is_no_pin_and_is_cleaned_up(results: Path) -> None:
    left = results / "pinned" / ".new.part"
    left.mkdir()
    (left / "records.parquet").write_text("half")
    assert verify_all(results) == 2
    pin(results, "new", "small")
    assert sorted(path.name for path in (results / "pinned").iterdir()) == ["new", "old"]
    assert verify_all(results) == 3


def test_of_two_commands_at_once_one_makes_the_pin(results: Path) -> None:
    shutil.copytree(results / "collected" / "small", results / "collected" / "other")
    code = "import sys; from pathlib import Path; from care_bench.artifacts.pin import pin\n"
    code += "pin(Path(sys.argv[1]), 'new', sys.argv[2])"
    commands = [[sys.executable, "-c", code, str(results), name] for name in ("small", "other")]
    with locked(results / "pinned"):  # both wait here, after they have looked for the pin
        started = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT) for command in commands]
        for process in started:
            assert process.stderr is not None
            assert process.stderr.readline().startswith("waiting for ")
    said = [process.communicate(timeout=60)[1] for process in started]
    assert sorted(process.returncode for process in started) == [0, 1]
    assert sum("new exists and a pin is never replaced; expected a new name" in text for text in said) == 1
    assert verify_all(results) == 3


def test_a_pin_under_another_name_is_not_that_pin(results: Path) -> None:
    """A citation names a pin, and would then stand for other records."""
    folder = pin(results, "v1", "small")
    folder.rename(folder.with_name("v2"))
    with pytest.raises(CareBenchError, match=r"pinned/v2 is the pin v1; expected the name that it was made with"):
        verify_all(results)


def test_verified_files_are_counted(results: Path) -> None:
    assert verify_all(results) == 2
    pin(results, "new", "small")
    assert verify_all(results) == 3


def test_without_pins_no_files_are_verified(tmp_path: Path) -> None:
    assert verify_all(tmp_path) == 0


def test_every_problem_of_every_pin_is_named(results: Path) -> None:
    for name in ("b", "c", "d", "e", "f"):
        pin(results, name, "small")
    pinned = results / "pinned"
    (pinned / "b" / "records.parquet").unlink()
    (pinned / "b" / "extra.txt").write_text("x")
    (pinned / "c" / "MANIFEST.json").unlink()
    (pinned / "d" / "MANIFEST.json").write_text("{")
    (pinned / "e" / "records.parquet").unlink()
    Manifest.of(pinned / "e", Manifest.load(pinned / "e").about).save()  # a manifest that has forgotten the records
    (pinned / "file").write_text("no pin")
    (pinned / "link").symlink_to("nowhere")
    (pinned / "loop").symlink_to("loop")
    (pinned / "empty").mkdir()
    (pinned / ".hidden").mkdir()
    undated = {key: value for key, value in Manifest.load(pinned / "f").about.items() if key != "date"}
    Manifest.of(pinned / "f", undated).save()
    with (pinned / "old" / "records.parquet").open("ab") as file:
        file.write(b"x")
    with pytest.raises(CareBenchError) as caught:
        verify_all(results)
    message = str(caught.value)
    for phrase in (
        f"missing {pinned / 'b' / 'records.parquet'}",
        f"added {pinned / 'b' / 'extra.txt'}",
        f"missing {pinned / 'c' / 'MANIFEST.json'}",
        f"{pinned / 'd' / 'MANIFEST.json'} is damaged: ",
        f"{pinned / 'e' / 'MANIFEST.json'} is not the manifest of a collection",
        f"{pinned / 'f' / 'MANIFEST.json'} has no date: it is not the manifest of a pin",
        f"{pinned / 'file'} is not a folder; expected a pin",
        f"{pinned / 'link'} is a link that leads nowhere; expected a pin",
        f"cannot read {pinned / 'loop'}: Too many levels of symbolic links; expected a pin",
        f"missing {pinned / 'empty' / 'MANIFEST.json'}",
        f"changed {pinned / 'old' / 'records.parquet'}",
    ):
        assert phrase in message
    assert ".hidden" not in message
    assert "\n" not in message


def test_the_profile_of_a_collection_is_pinned_with_it(results: Path) -> None:
    folder = results / "collected" / "small"
    records = read_collection(folder).records
    rows = {(record.dataset, record.variant) for record in records}
    methods = {dataset: {"methods": {name: {} for of, name in sorted(rows) if of == dataset}} for dataset, _ in rows}
    one_seed = [record for record in records if record.seed == 0]
    write(folder, one_seed)
    present = {record.dataset for record in one_seed}
    plans = {dataset: plan for dataset, plan in methods.items() if dataset in present}
    add_profile(folder, {"profile": "small", "seeds": [0], "steps": None, "datasets": plans})
    pinned = pin(results, "kept", "small")
    assert set(Manifest.load(pinned).files) == {"records.parquet", "profile.json"}
    assert Manifest.load(pinned).about["made_from"] == "profile"
    assert verify_all(results) == 2 + 2  # an older pin has its CSV
    assert read_pin(pinned).variants == {dataset: tuple(plan["methods"]) for dataset, plan in plans.items()}
    before = (pinned / "profile.json").read_text()
    (pinned / "profile.json").write_text(before.replace("simclr", "simclir"))
    with pytest.raises(CareBenchError, match=r"changed .*profile\.json"):
        verify_all(results)
    # A profile that does not belong to the records, under a manifest of its own.
    (pinned / "profile.json").write_text(before.replace("small", "other"))
    Manifest.of(pinned, Manifest.load(pinned).about).save()
    with pytest.raises(
        CareBenchError, match=r"kept mixes two profiles: profile\.json is of profile other, its records are"
    ):
        verify_all(results)


def test_a_pin_is_no_folder_for_a_collection(results: Path) -> None:
    with pytest.raises(CareBenchError, match=r"old is a pin, which is never replaced; expected another folder"):
        collect(write_runs(results / "more", [make_record()]), results / "pinned" / "old", replace=True)
    assert verify_all(results) == 2
