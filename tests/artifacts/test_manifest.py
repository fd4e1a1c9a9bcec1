from __future__ import annotations

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
    content = json.loads((folder / "MANIFEST.json").read_text())
    content["files"]["../outside.txt"] = content["files"]["a.txt"]
    (folder / "MANIFEST.json").write_text(json.dumps(content))
    assert Manifest.load(folder).differences().missing == ("../outside.txt",)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"files": {"a": {"sha256": "x", "bytes": 1}}}', '{"file": {}}'])
def test_a_damaged_manifest_is_named(folder: Path, content: str) -> None:
    (folder / "MANIFEST.json").write_text(content)
    with pytest.raises(CareBenchError) as caught:
        Manifest.load(folder)
    assert str(caught.value).startswith(f"damaged {folder / 'MANIFEST.json'}: ")
    assert "\n" not in str(caught.value)


def test_a_missing_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(CareBenchError, match=r"missing .*MANIFEST\.json"):
        Manifest.load(tmp_path)
