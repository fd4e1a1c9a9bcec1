from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from care_bench.data import DATASETS, DatasetInfo, load, prepare
from care_bench.errors import CareBenchError
from tests.data.conftest import RAW, TINY_FILES
from tests.data.formats import tree
from tests.faults.damage import REPLACEMENTS, damage

pytestmark = pytest.mark.usefixtures("tiny")


def message(name: str, root: Path) -> str:
    with pytest.raises(CareBenchError) as error:
        load(name, root)
    assert "\n" not in str(error.value)
    return str(error.value)


def rewrite_meta(folder: Path, **changes: Any) -> None:
    """Change meta.json and correct its hash."""
    meta = json.loads((folder / "meta.json").read_text()) | changes
    del meta["sha256"]
    canonical = json.dumps(meta, sort_keys=True, separators=(",", ":")).encode()
    (folder / "meta.json").write_text(json.dumps(meta | {"sha256": hashlib.sha256(canonical).hexdigest()}))


def forge_file(folder: Path, name: str, content: bytes) -> None:
    """Replace an array file and its entry in meta.json."""
    (folder / name).write_bytes(content)
    files = json.loads((folder / "meta.json").read_text())["files"]
    files[name] |= {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    rewrite_meta(folder, files=files)


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


class Trap:
    """Creates a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.folder),)


def test_loaded_arrays_are_mapped_read_only_and_labels_in_memory(tmp_path: Path) -> None:
    prepare("tiny", tmp_path)
    prepared = load("tiny", tmp_path)
    assert isinstance(prepared.train.inputs, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        prepared.train.inputs[0] = 0
    np.testing.assert_array_equal(prepared.test.inputs, np.arange(300).reshape(50, 2, 3))
    assert prepared.train.labels["weight"].flags.writeable
    assert prepared.train.labels["weight"][[0, 499]].tolist() == [0, 1]
    assert len(prepared.train) == 500


def test_sha256_stands_for_the_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny: DatasetInfo) -> None:
    prepare("tiny", tmp_path / "a")
    before = load("tiny", tmp_path / "a").sha256
    meta = json.loads((tmp_path / "a" / "tiny" / "meta.json").read_text())
    del meta["sha256"]
    assert before == hashlib.sha256(json.dumps(meta, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    changed = tiny.build(RAW)
    changed.test.inputs[49, 1, 2] += 1
    monkeypatch.setitem(DATASETS, "tiny", replace(tiny, build=lambda raw: changed))
    prepare("tiny", tmp_path / "b")
    assert load("tiny", tmp_path / "b").sha256 != before


@pytest.mark.parametrize("file", sorted(TINY_FILES))
@pytest.mark.parametrize("damage", ["missing", "truncated", "changed", "longer"])
def test_damage_is_named_and_prepare_repairs_it(tmp_path: Path, file: str, damage: str) -> None:
    folder = prepare("tiny", tmp_path)
    whole = tree(folder)
    path, content = folder / file, whole[file]
    if damage == "missing":
        path.unlink()
    elif damage == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "changed":  # one digit or byte, of the same length
        at = content.index(b"500") if file == "meta.json" else len(content) - 1
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
    else:
        path.write_bytes(content + b"0")
    found = message("tiny", tmp_path)
    assert str(path) in found
    assert ("changed" if damage == "longer" else damage) in found
    assert "care-bench prepare tiny" in found
    prepare("tiny", tmp_path)
    assert tree(folder) == whole
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]


def test_a_data_set_that_is_not_prepared_is_named(tmp_path: Path) -> None:
    assert f"'tiny' is not prepared in {tmp_path}; prepare it with: care-bench prepare tiny" in message(
        "tiny", tmp_path
    )


@pytest.mark.parametrize("content", ["[]", "3", '"text"', "", '{"format": NaN}', "\xff"])
def test_a_meta_file_that_is_no_object_is_refused(tmp_path: Path, content: str) -> None:
    folder = prepare("tiny", tmp_path)
    (folder / "meta.json").write_bytes(content.encode("latin-1"))
    assert "meta.json is truncated or changed" in message("tiny", tmp_path)


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"version": 0}, "has version 0, expected 1"),
        ({"format": 99}, "has format 99, expected 1"),
        ({"name": "digits"}, "has name 'digits', expected 'tiny'"),
        ({"files": {"../secret.npy": {}}}, "lists ['../secret.npy'], expected ['test_inputs.npy'"),
    ],
)
def test_store_of_another_version_is_refused_and_rebuilt(tmp_path: Path, changes: dict[str, Any], found: str) -> None:
    folder = prepare("tiny", tmp_path)
    whole = tree(folder)
    rewrite_meta(folder, **changes)
    assert found in message("tiny", tmp_path)
    prepare("tiny", tmp_path)
    assert tree(folder) == whole


def test_a_non_finite_number_in_the_store_is_refused(tmp_path: Path) -> None:
    folder = prepare("tiny", tmp_path)
    weights = np.linspace(0, 1, 50, dtype=np.float32)
    weights[31] = -np.inf
    forge_file(folder, "test_label_weight.npy", npy(weights))
    found = message("tiny", tmp_path)
    assert "test_label_weight[31] = -inf, expected finite numbers" in found
    assert "care-bench prepare tiny" in found
    prepare("tiny", tmp_path)
    assert load("tiny", tmp_path).test.labels["weight"][31] == np.float32(31 / 49)


@pytest.mark.parametrize("wrapped", [True, False])
def test_pickled_objects_are_never_loaded(tmp_path: Path, wrapped: bool) -> None:
    folder = prepare("tiny", tmp_path)
    trap = Trap(tmp_path / "sprung")
    forge_file(folder, "train_inputs.npy", npy(np.array([trap], dtype=object)) if wrapped else pickle.dumps(trap))
    assert "train_inputs.npy is not an array numpy may open" in message("tiny", tmp_path)
    assert not trap.folder.exists()


def test_loading_needs_numpy_only(store: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from care_bench.data import DATASETS, load, prepare; list(DATASETS); "
        f"root = Path({str(store)!r}); prepare('digits', root); load('digits', root); "
        "print(*{'torch', 'torchvision', 'sklearn', 'scipy', 'PIL', 'gemmi'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "\n"


@pytest.mark.parametrize("name", ["digits", "tinted_digits", "proteins"])
def test_a_registry_entry_describes_its_data_set(store: Path, name: str) -> None:
    info = DATASETS[name]
    assert info.name == name
    assert info.title
    assert info.how_to_get
    prepared = load(name, store)
    assert set(prepared.train.labels) == set(prepared.test.labels) == set(info.labels)


@pytest.mark.parametrize("file", ["meta.json", "train_inputs.npy"])
@pytest.mark.parametrize("kind", [*REPLACEMENTS, "nested deeply"])
def test_what_cannot_be_a_file_of_the_store_is_named_and_replaced(tmp_path: Path, file: str, kind: str) -> None:
    folder = prepare("digits", tmp_path)
    damage(folder / file, kind, random.Random(0))
    assert f"data set 'digits': {folder / file} " in message("digits", tmp_path)
    prepare("digits", tmp_path)
    load("digits", tmp_path)


def test_short_memory_is_not_called_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare("digits", tmp_path)

    def starve(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(np, "load", starve)
    assert message("digits", tmp_path).endswith(".npy: not enough memory")
