from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from care_bench.artifacts import Manifest
from care_bench.artifacts.pin import pin, read_pin, verify_all
from care_bench.errors import CareBenchError


def test_a_pin_is_a_copy_under_a_manifest(results: Path) -> None:
    before = datetime.now(UTC).date()
    folder = pin(results, "first-look", "small")
    assert folder == results / "pinned" / "first-look"
    assert sorted(path.name for path in folder.iterdir()) == ["MANIFEST.json", "records.csv", "records.parquet"]
    for name in ("records.csv", "records.parquet"):
        assert (folder / name).read_bytes() == (results / "collected" / "small" / name).read_bytes()
    about = json.loads((folder / "MANIFEST.json").read_text())["about"]
    assert about["profile"] == "small"
    assert about["code_versions"] == ["0.1.0+g0123456789ab"]
    assert about["date"] in {day.isoformat() for day in (before, datetime.now(UTC).date())}
    assert read_pin(folder).pinned_on == about["date"]
    assert read_pin(folder).key == "pinned/first-look"
    assert not list(results.glob(".pin-*"))


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


@pytest.mark.parametrize("damage", ["edit", "remove"])
def test_a_collection_whose_files_disagree_is_not_pinned(results: Path, damage: str) -> None:
    path = results / "collected" / "small" / "records.csv"
    if damage == "edit":
        path.write_text(path.read_text().replace("92.0", "99.0"))
    else:
        path.unlink()
    with pytest.raises(CareBenchError, match=r"records\.csv does not hold the records of records\.parquet"):
        pin(results, "new", "small")
    assert not (results / "pinned" / "new").exists()


def test_a_pin_that_cannot_be_written_leaves_nothing(results: Path) -> None:
    pinned = results / "pinned"
    pinned.rename(results / "elsewhere")
    pinned.write_text("a file")
    with pytest.raises(CareBenchError, match="cannot write"):
        pin(results, "new", "small")
    assert not list(results.glob(".pin-*"))


def test_verified_files_are_counted(results: Path) -> None:
    assert verify_all(results) == 2
    pin(results, "new", "small")
    assert verify_all(results) == 4


def test_without_pins_no_files_are_verified(tmp_path: Path) -> None:
    assert verify_all(tmp_path) == 0


def test_every_problem_of_every_pin_is_named(results: Path) -> None:
    for name in ("b", "c", "d", "e"):
        pin(results, name, "small")
    pinned = results / "pinned"
    (pinned / "b" / "records.csv").unlink()
    (pinned / "b" / "extra.txt").write_text("x")
    (pinned / "c" / "MANIFEST.json").unlink()
    (pinned / "d" / "MANIFEST.json").write_text("{")
    (pinned / "e" / "records.parquet").unlink()
    Manifest.of(pinned / "e").save()  # a manifest that has forgotten the records
    with (pinned / "old" / "records.parquet").open("ab") as file:
        file.write(b"x")
    with pytest.raises(CareBenchError) as caught:
        verify_all(results)
    message = str(caught.value)
    for phrase in (
        f"missing {pinned / 'b' / 'records.csv'}",
        f"added {pinned / 'b' / 'extra.txt'}",
        f"missing {pinned / 'c' / 'MANIFEST.json'}",
        f"damaged {pinned / 'd' / 'MANIFEST.json'}",
        f"missing {pinned / 'e' / 'records.parquet'}",
        f"changed {pinned / 'old' / 'records.parquet'}",
    ):
        assert phrase in message
    assert message.count("; ") == 5
    assert "\n" not in message


def test_the_profile_of_a_collection_is_pinned_with_it(results: Path) -> None:
    profile = results / "collected" / "small" / "profile.json"
    profile.write_text(json.dumps({"datasets": {"digits": {"methods": {"simclr": {}, "care": {}}}}}))
    pinned = pin(results, "kept", "small")
    assert set(Manifest.load(pinned).files) == {"records.csv", "records.parquet", "profile.json"}
    assert verify_all(results) == 2 + 3
    assert read_pin(pinned).variants == {"digits": ("simclr", "care")}
    (pinned / "profile.json").write_text(profile.read_text().replace("simclr", "simclir"))
    with pytest.raises(CareBenchError, match=r"changed .*profile\.json"):
        verify_all(results)
