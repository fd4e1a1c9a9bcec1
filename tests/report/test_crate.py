"""A pin as an RO-Crate: its metadata is held against the files themselves and the rules of RO-Crate 1.3."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from care_bench.report.build import write_report
from care_bench.report.crate import _file
from tests.commands import run_care_bench, run_report

ROOT = Path(__file__).parents[2]
METADATA = "ro-crate-metadata.json"


@pytest.fixture(scope="module")
def crate(written: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The crate of the sample pin."""
    folder = tmp_path_factory.mktemp("crate") / "crate"
    ended = run_care_bench("crate", "old", "--results", written, "--out", folder)
    assert ended.returncode == 0, ended.stderr
    assert f"crate of pin old, described in {folder / METADATA}" in ended.stdout
    return folder


@pytest.fixture(scope="module")
def entities(crate: Path) -> dict[str, dict[str, Any]]:
    content = json.loads((crate / METADATA).read_text())
    assert content["@context"] == "https://w3id.org/ro/crate/1.3/context"
    found = {entity["@id"]: entity for entity in content["@graph"]}
    assert len(found) == len(content["@graph"]), "an entity is described twice"
    return found


def _files(crate: Path) -> set[str]:
    return {path.relative_to(crate).as_posix() for path in crate.rglob("*") if path.is_file()} - {METADATA}


def test_every_file_is_described_with_its_checksum(crate: Path, entities: dict[str, dict[str, Any]]) -> None:
    described = {name for name, entity in entities.items() if entity["@type"] == "File"}
    assert described == _files(crate) == {part["@id"] for part in entities["./"]["hasPart"]}
    assert {"pinned/old/records.parquet", "pinned/old/MANIFEST.json", "report/old/index.html"} <= described
    for name in described:
        content = (crate / name).read_bytes()
        assert entities[name]["sha256"] == hashlib.sha256(content).hexdigest()
        assert entities[name]["contentSize"] == str(len(content))
        assert entities[name]["description"]
        assert "/" in entities[name]["encodingFormat"], name


def test_every_file_of_the_pins_of_this_repository_has_a_description_of_its_own_kind() -> None:
    for pin in (ROOT / "results/pinned").iterdir():
        described = {path.name: _file(path) for path in pin.iterdir()}
        assert all("description" in about and "encodingFormat" in about for about in described.values()), pin
        lines = [about["description"] for name, about in described.items() if name.endswith(".jsonl")]
        assert len(set(lines)) == len(lines)


def test_what_ro_crate_requires_of_the_whole(crate: Path, entities: dict[str, dict[str, Any]]) -> None:
    descriptor, root = entities[METADATA], entities["./"]
    assert descriptor["about"] == {"@id": "./"}
    assert descriptor["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.3"}
    pinned = json.loads((crate / "pinned/old/MANIFEST.json").read_text())["about"]
    assert root["datePublished"] == pinned["date"]
    assert root["name"] == "care_bench results old"
    assert f"profile {pinned['profile']}" in root["description"]
    for key in ("license", "author", "publisher", "citation", "mentions"):
        assert root[key]["@id"] in entities, f"{key} leads nowhere"
    run = entities[root["mentions"]["@id"]]
    assert run["result"] == {"@id": "pinned/old/records.parquet"}
    assert entities[run["instrument"]["@id"]]["version"] == ", ".join(pinned["code_versions"])


def test_a_crate_is_a_results_folder(crate: Path, tmp_path: Path) -> None:
    assert run_care_bench("verify", crate).returncode == 0
    ended = run_report(str(crate), "--out", str(tmp_path / "again"), "--format", "csv")
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "again" / "report.csv").read_bytes() == (crate / "report/old/report.csv").read_bytes()


def test_the_same_pin_gives_the_same_bytes(crate: Path, written: Path, tmp_path: Path) -> None:
    for _ in range(2):  # the second replaces the first
        assert run_care_bench("crate", "old", "--results", written, "--out", tmp_path / "again").returncode == 0
    assert _files(tmp_path / "again") == _files(crate)
    for name in (*_files(crate), METADATA):
        assert (tmp_path / "again" / name).read_bytes() == (crate / name).read_bytes(), name


def test_a_folder_that_is_no_crate_is_kept(written: Path, tmp_path: Path) -> None:
    kept = tmp_path / "results" / "pinned" / "mine" / "records.parquet"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"mine")
    ended = run_care_bench("crate", "old", "--results", written, "--out", tmp_path / "results")
    assert ended.returncode == 2
    assert "holds pinned/, which cannot be part of a crate" in ended.stderr
    assert kept.read_bytes() == b"mine"


def test_a_file_that_is_not_of_a_crate_is_kept(crate: Path, written: Path, tmp_path: Path) -> None:
    folder = tmp_path / "crate"
    folder.mkdir()
    (folder / METADATA).write_bytes((crate / METADATA).read_bytes())
    (folder / "notes.txt").write_text("mine")
    ended = run_care_bench("crate", "old", "--results", written, "--out", folder)
    assert ended.returncode == 2
    assert "holds notes.txt" in ended.stderr
    assert (folder / "notes.txt").read_text() == "mine"


@pytest.fixture
def copied(crate: Path, tmp_path: Path) -> Path:
    """A copy of the crate, which a test may change."""
    return Path(shutil.copytree(crate, tmp_path / "crate"))


def _refused(written: Path, out: Path, name: str = "old") -> str:
    """Write a crate to a folder that must be refused and stay as it is, and return the line."""
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    ended = run_care_bench("crate", name, "--results", written, "--out", out)
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    return ended.stderr


@pytest.mark.parametrize("mine", ["pinned/mine/records.parquet", "report/notes.md", "reference/mine.csv"])
def test_a_file_that_the_metadata_does_not_list_is_kept(written: Path, copied: Path, mine: str) -> None:
    (copied / mine).parent.mkdir(exist_ok=True)
    (copied / mine).write_text("mine")
    named = "pinned/mine/" if mine.startswith("pinned") else mine
    assert f"{copied} holds {named}, which cannot be part of this crate; expected this" in _refused(written, copied)


def test_a_file_that_was_changed_is_kept(written: Path, copied: Path) -> None:
    (copied / "report/old/report.md").write_text("my words")
    assert f"{copied}: report/old/report.md changed since the crate was written" in _refused(written, copied)


@pytest.mark.parametrize("added", [{"@id": "#me", "@type": "Person"}, None])
def test_metadata_that_were_changed_are_kept(written: Path, copied: Path, added: dict[str, str] | None) -> None:
    content = json.loads((copied / METADATA).read_text())
    if added:
        content["@graph"].append(added)
    else:
        next(entity for entity in content["@graph"] if entity["@id"] == METADATA)["description"] = "By me."
    (copied / METADATA).write_text(json.dumps(content))
    assert f"{copied}: {METADATA} changed since the crate was written" in _refused(written, copied)
    (copied / METADATA).write_text("{}")
    assert f"{copied / METADATA} is damaged: it lacks '@graph'" in _refused(written, copied)


def test_the_crate_of_another_pin_is_kept(results: Path, copied: Path) -> None:
    other = results / "pinned" / "other"
    shutil.copytree(results / "pinned" / "old", other)
    assert f"{copied} is the crate of pin old, not of other; expected another folder" in _refused(
        results, copied, "other"
    )


@pytest.mark.parametrize("place", ["pinned/x", "report/x", "x"])
def test_a_crate_inside_a_results_folder_is_refused(results: Path, copied: Path, place: str) -> None:
    for folder in (results, copied):  # the crate is a results folder too
        line = _refused(results, folder / place)
        assert f"--out {folder / place} is inside the results folder {folder}; expected a folder outside" in line
        assert not (folder / place).exists()
        assert run_care_bench("verify", folder).returncode == 0


def test_what_was_put_there_meanwhile_is_kept(written: Path, copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def meanwhile(*arguments: Any, **options: Any) -> list[Path]:
        (copied / "report" / "notes.md").write_text("mine")
        return write_report(*arguments, **options)

    monkeypatch.setattr("care_bench.report.crate.write_report", meanwhile)
    ended = run_care_bench("crate", "old", "--results", written, "--out", copied)
    assert ended.returncode == 2
    assert (copied / "report" / "notes.md").read_text() == "mine"


def test_a_file_that_was_removed_is_written_again(written: Path, copied: Path) -> None:
    (copied / "report/old/report.md").unlink()
    assert run_care_bench("crate", "old", "--results", written, "--out", copied).returncode == 0
    assert (copied / "report/old/report.md").is_file()


def test_unknown_and_damaged_pins_are_one_line(results: Path, tmp_path: Path) -> None:
    ended = run_care_bench("crate", "odl", "--results", results, "--out", tmp_path / "crate")
    assert ended.returncode == 2
    assert "unknown pin 'odl': did you mean 'old'" in ended.stderr
    records = results / "pinned" / "old" / "records.parquet"
    records.write_bytes(records.read_bytes()[:-1] + b"!")
    ended = run_care_bench("crate", "old", "--results", results, "--out", tmp_path / "crate")
    assert ended.returncode == 2
    assert f"changed {records}" in ended.stderr
    assert not (tmp_path / "crate").exists()
