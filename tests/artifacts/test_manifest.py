from __future__ import annotations

import errno
import hashlib
import json
import os
from pathlib import Path

import pytest

from care_bench.artifacts import Manifest
from care_bench.errors import CareBenchError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three files under a saved manifest."""
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "a.txt").write_bytes(b"alpha")
    (tmp_path / "deep" / "b.txt").write_bytes(b"")
    (tmp_path / "deep" / "er" / "c.txt").write_bytes(b"gamma\n")
    Manifest.of(tmp_path, {"profile": "small", "code_versions": ["1"]}).save()
    return tmp_path


def test_the_manifest_holds_hash_and_size_of_every_file(folder: Path) -> None:
    content = json.loads((folder / "MANIFEST.json").read_text())
    expected = {"a.txt": b"alpha", "deep/b.txt": b"", "deep/er/c.txt": b"gamma\n"}
    assert content["files"] == {
        name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)} for name, data in expected.items()
    }
    assert content["about"] == {"profile": "small", "code_versions": ["1"]}


def test_an_unchanged_folder_has_no_problems(folder: Path) -> None:
    Manifest.load(folder).verify()
    assert Manifest.load(folder) == Manifest.of(folder, {"profile": "small", "code_versions": ["1"]})


def test_every_difference_is_named(folder: Path) -> None:
    (folder / "a.txt").write_bytes(b"alphA")  # same size
    (folder / "deep" / "b.txt").unlink()
    (folder / "deep" / "er" / "c.txt").write_bytes(b"longer than before")
    (folder / "deep" / "new.txt").write_bytes(b"x")
    (folder / ".hidden").write_bytes(b"x")
    found = Manifest.load(folder).differences()
    assert found.missing == ("deep/b.txt",)
    assert found.added == (".hidden", "deep/new.txt")
    assert found.changed == ("a.txt", "deep/er/c.txt")
    with pytest.raises(CareBenchError) as caught:
        Manifest.load(folder).verify()
    assert str(caught.value) == "; ".join(
        [
            f"missing {folder / 'deep/b.txt'}",
            f"added {folder / '.hidden'}",
            f"added {folder / 'deep/new.txt'}",
            f"changed {folder / 'a.txt'}",
            f"changed {folder / 'deep/er/c.txt'}",
        ]
    )


def test_a_file_that_became_a_folder_or_a_dead_link_is_named(folder: Path) -> None:
    (folder / "a.txt").unlink()
    (folder / "a.txt").mkdir()
    (folder / "deep" / "b.txt").unlink()
    (folder / "deep" / "b.txt").symlink_to("nowhere")
    os.mkfifo(folder / "pipe")
    found = Manifest.load(folder).differences()
    assert (found.missing, found.added, found.changed) == (("a.txt",), ("pipe",), ("deep/b.txt",))


def test_a_name_outside_the_folder_is_never_opened(folder: Path) -> None:
    outside = folder.parent / "outside.txt"
    outside.write_bytes(b"alpha")
    files = Manifest.load(folder).files
    Manifest(folder=folder, files={**files, "../outside.txt": files["a.txt"]}).save()
    assert Manifest.load(folder).differences().missing == ("../outside.txt",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "Expecting value"),
        ("{", "Expecting property name"),
        ("[]", "found list at the top level"),
        ("[" * 100_000, "it is nested too deeply"),
        ('{"files": {"a": {"sha256": "x", "bytes": 1}}}', "files.a.sha256: String should match pattern"),
        ('{"file": {}}', "files: Field required"),
        ('{"files": {"a": NaN}}', "Input should be an object"),
        ("\x00", "Expecting value"),
    ],
)
def test_a_damaged_manifest_is_named(folder: Path, content: str, message: str) -> None:
    (folder / "MANIFEST.json").write_text(content)
    with pytest.raises(CareBenchError) as caught:
        Manifest.load(folder)
    assert str(caught.value).startswith(f"{folder / 'MANIFEST.json'} is damaged: ")
    assert message in str(caught.value)
    assert str(caught.value).endswith("; expected the manifest of the folder, as care_bench wrote it")
    assert "\n" not in str(caught.value)


def test_no_byte_of_the_manifest_can_change(folder: Path) -> None:
    path = folder / "MANIFEST.json"
    before = path.read_bytes()
    own = json.loads(before).pop("sha256")
    rest = json.dumps({key: value for key, value in json.loads(before).items() if key != "sha256"}, sort_keys=True)
    assert own == hashlib.sha256(json.dumps(json.loads(rest), separators=(",", ":")).encode()).hexdigest()
    for place in range(len(before)):
        for byte in {before[place] ^ 1, before[place] ^ 0x20, ord(" "), ord("0")} - {before[place]}:
            path.write_bytes(before[:place] + bytes([byte]) + before[place + 1 :])
            with pytest.raises(CareBenchError, match=r"MANIFEST\.json"):
                Manifest.load(folder)
    for changed in (before + b"\n", before[:-1], before.replace(b'"about": {', b'"about": {"profile": "x",', 1)):
        path.write_bytes(changed)
        with pytest.raises(CareBenchError, match="the manifest itself was changed"):
            Manifest.load(folder)


def test_a_manifest_of_an_earlier_version_is_named(folder: Path) -> None:
    content = json.loads((folder / "MANIFEST.json").read_text())
    del content["sha256"]
    (folder / "MANIFEST.json").write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")
    with pytest.raises(CareBenchError, match=r"MANIFEST\.json lacks its own sha256: it comes from an earlier version"):
        Manifest.load(folder)


def test_a_missing_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(CareBenchError, match=r"missing .*MANIFEST\.json"):
        Manifest.load(tmp_path)
    (tmp_path / "MANIFEST.json").symlink_to("nowhere")
    with pytest.raises(CareBenchError, match=r"cannot read .*MANIFEST\.json: No such file"):
        Manifest.load(tmp_path)


def test_a_file_and_a_folder_that_cannot_be_read_are_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> str:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr("care_bench.artifacts.manifest.sha256_file", refuse)
    (folder / "new.txt").write_text("x")
    with pytest.raises(CareBenchError) as caught:
        Manifest.load(folder).verify()
    assert str(caught.value).startswith(
        f"added {folder}/new.txt; cannot read {folder}/a.txt: Permission denied; cannot"
    )
    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(CareBenchError, match=r"cannot read .*: Permission denied; expected the files of"):
        Manifest.load(folder).verify()
