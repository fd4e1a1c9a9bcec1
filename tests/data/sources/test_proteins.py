from __future__ import annotations

import csv
import hashlib
import re
import shutil
from importlib import resources
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from care_bench.data import load, prepare
from care_bench.data.sources import proteins
from care_bench.errors import CareBenchError

ASSETS = Path(str(resources.files("care_bench.data"))) / "assets"


@pytest.fixture(scope="module")
def chains() -> list[tuple[str, str, np.ndarray]]:
    """Return (PDB id, sequence, C-alpha positions in angstrom) of every chain."""
    with np.load(ASSETS / "proteins.npz", allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    bounds = pairwise(arrays["offsets"])
    return [
        (str(entry), str(sequence), arrays["coords"][start:stop].astype(np.float64))
        for entry, sequence, (start, stop) in zip(arrays["pdb_id"], arrays["sequence"], bounds, strict=True)
    ]


def walk(positions: np.ndarray) -> list[int]:
    """Return the first residues of the fragments, by walking along the chain one residue at a time."""
    starts, run = [], 0
    for i in range(len(positions)):
        broken = i > 0 and sum((positions[i] - positions[i - 1]) ** 2) ** 0.5 >= 4.5
        run = 1 if broken else run + 1
        if run == 64:
            starts.append(i - 63)
            run = 0
    return starts


def groups(entries: set[str]) -> set[frozenset[str]]:
    """Return groups of entries that must be in the same split."""
    related = ({"1BD2", "3KPR", "3PWP"}, {"4E43", "1HVR"}, {"3HSY", "3O21"}, {"1GBT", "4ZHL"}, {"1UBI", "3A4R"})
    return {frozenset(next((group for group in related if entry in group), {entry})) for entry in entries}


def test_the_334_fragments_are_centred_pieces_of_the_chains_in_nanometres(
    store: Path, chains: list[tuple[str, str, np.ndarray]]
) -> None:
    pieces = [(entry, positions[start : start + 64]) for entry, _, positions in chains for start in walk(positions)]
    assert len(pieces) == 334
    assert sum(entry == "6ZU5" for entry, _ in pieces) == 120
    prepared = load("proteins", store)
    assert prepared.kind == "point_cloud"
    assert prepared.mean == prepared.std == []
    assert len(prepared.train) + len(prepared.test) == 334
    for split in (prepared.train, prepared.test):
        assert split.inputs.dtype == np.float32
        assert split.inputs.shape[1:] == (64, 3)
        members = set(split.labels["pdb_id"].tolist())
        mine = [(entry, piece) for entry, piece in pieces if entry in members]
        assert split.labels["pdb_id"].tolist() == [entry for entry, _ in mine]
        expected = np.stack([(piece - piece.mean(axis=0)) / 10 for _, piece in mine])
        np.testing.assert_allclose(split.inputs, expected, atol=1e-6)
        assert np.abs(split.inputs.astype(np.float64).mean(axis=1)).max() < 1e-6
        steps = np.linalg.norm(np.diff(split.inputs.astype(np.float64), axis=1), axis=2)
        assert steps.max() < 0.45
        assert np.median(steps) == pytest.approx(0.38, abs=0.005)  # nanometres between neighbouring C-alphas


def test_entries_and_related_entries_stay_in_one_split(store: Path) -> None:
    prepared = load("proteins", store)
    train, test = (set(split.labels["pdb_id"].tolist()) for split in (prepared.train, prepared.test))
    assert "6ZU5" in train
    assert not {entry for group in groups(train) for entry in group} & {
        entry for group in groups(test) for entry in group
    }
    # the rule, written again: the sha256 of a group's first name is divisible by 4 if its last hex digit is
    rule = {
        entry: hashlib.sha256(min(group).encode()).hexdigest()[-1] in "048c"
        for group in groups(train | test)
        for entry in group
    }
    assert test == {entry for entry in train | test if rule[entry] and entry != "6ZU5"}


def test_a_fifth_to_a_quarter_of_the_fragments_outside_the_ribosome_are_in_the_test_split(store: Path) -> None:
    prepared = load("proteins", store)
    outside = int((prepared.train.labels["pdb_id"] != "6ZU5").sum()) + len(prepared.test)
    assert outside == 334 - 120
    assert 0.20 <= len(prepared.test) / outside <= 0.25


def test_no_stretch_of_sequence_is_in_both_splits(store: Path, chains: list[tuple[str, str, np.ndarray]]) -> None:
    prepared = load("proteins", store)
    words: dict[str, set[str]] = {}
    for split in ("train", "test"):
        entries = set(getattr(prepared, split).labels["pdb_id"].tolist())
        sequences = [sequence for entry, sequence, _ in chains if entry in entries]
        words[split] = {sequence[i : i + 8] for sequence in sequences for i in range(len(sequence) - 7)}
    assert not words["train"] & words["test"]


def test_no_test_fragment_superposes_on_a_training_one(store: Path) -> None:
    prepared = load("proteins", store)
    train, test = (split.inputs.astype(np.float64) for split in (prepared.train, prepared.test))
    u, singular, vt = np.linalg.svd(np.einsum("iax,jay->ijxy", train, test))
    singular[..., 2] *= np.sign(np.linalg.det(u @ vt))  # proper rotations only
    squared = (train**2).sum(axis=(1, 2))[:, None] + (test**2).sum(axis=(1, 2)) - 2 * singular.sum(axis=2)
    rmsd = np.sqrt(squared / 64)
    assert rmsd.min() > 0.25  # nanometres; related entries have 0.05 to 0.12


def test_assets_are_those_the_readme_names() -> None:
    table = dict(re.findall(r"\| (\S+) \| ([0-9a-f]{64}) \|", (ASSETS / "README.md").read_text()))
    assert set(table) == {"proteins.npz", "proteins_sources.csv"}
    for name, digest in table.items():
        assert hashlib.sha256((ASSETS / name).read_bytes()).hexdigest() == digest
    assert "CC0" in (ASSETS / "README.md").read_text()


def test_sources_name_every_chain(chains: list[tuple[str, str, np.ndarray]]) -> None:
    with (ASSETS / "proteins_sources.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert sorted((row["pdb_id"], int(row["n_residues"])) for row in rows) == sorted(
        (entry, len(positions)) for entry, _, positions in chains
    )
    assert all(row["source_package"] and row["file_in_package"] for row in rows)


@pytest.mark.parametrize("damage", ["changed", "missing"])
def test_damaged_asset_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    shutil.copytree(ASSETS, tmp_path / "assets")
    asset = tmp_path / "assets" / "proteins.npz"
    if damage == "changed":
        asset.write_bytes(asset.read_bytes()[:-1])
    else:
        asset.unlink()
    monkeypatch.setattr(proteins.resources, "files", lambda package: tmp_path)
    with pytest.raises(CareBenchError, match=r"proteins\.npz.*install care-bench again") as error:
        prepare("proteins", tmp_path / "store")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "store").exists()
