"""Protein backbones from the user's copy of the Protein Data Bank, or of a part of it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

import numpy as np

from care_bench.data.preparing.conversion import convert
from care_bench.data.preparing.fragments import FRAGMENT
from care_bench.data.preparing.shards import Finished, Rows, Shards, join
from care_bench.data.preparing.structures import FOLDER, StructureFile, read, structure_files
from care_bench.data.source import Built, DatasetInfo, Raw, SplitArrays
from care_bench.errors import CareBenchError

CLOUD = (FRAGMENT, 3)
TEST_SHARE = 10  # one entry in so many is in the test split


@dataclass(frozen=True)
class Chain:
    """A chain of an entry, and where its fragments are."""

    entry: str
    fragments: Rows


def is_test(pdb_id: str) -> bool:
    """Tell whether an entry is in the test split: when the sha256 of its id, read as a number, is divisible by ten."""
    return int.from_bytes(hashlib.sha256(pdb_id.encode()).digest()) % TEST_SHARE == 0


def build(raw: Raw) -> Built:
    """Build the fragments: float32 (n, 64, 3), each centred on its mean, in nanometres; label ``pdb_id``.

    Raises:
        CareBenchError: there are no files, one cannot be read, or they give no fragments for one of the splits.
    """
    folder = raw.folder / FOLDER
    files = structure_files(folder)
    if not files:
        raise CareBenchError(
            f"{folder} holds no structures; expected .cif, .mmcif, .pdb or .ent files there at any depth, packed as "
            f".gz or not: copy them, or run care-bench fetch-pdb IDS.txt --raw {raw.folder}"
        )
    maker = f"pdb {INFO.version}, gemmi {metadata.version('gemmi')}"
    inputs = [f"{file.name} {file.size} {file.version}" for file in files]
    raw.workspace.mkdir(parents=True, exist_ok=True)
    shards = Shards(raw.workspace / "shards", maker, inputs, np.float32, CLOUD)
    convert(files, shards.todo, read, shards.write, "pdb: files", raw)
    chains, selection = select(files, shards.finished)
    for_train = [chain for chain in chains if not is_test(chain.entry)]
    for_test = [chain for chain in chains if is_test(chain.entry)]
    _check_splits(folder, for_train, for_test)
    train = _join(for_train, raw.workspace / "train_inputs.npy")
    test = _join(for_test, raw.workspace / "test_inputs.npy")
    return Built(
        train=train,
        test=test,
        inputs=f"C-alpha positions of {FRAGMENT} consecutive residues, centred on their mean, in nanometres",
        source="Protein Data Bank, entries of the user's choice",
        licence="CC0 1.0",
        split_rule=(  # part of the data's hash: another wording would make it other data
            f"by PDB entry: it tests when the sha256 of its id divides by {TEST_SHARE}; a chain whose sequence of "
            "observed residues an entry earlier in the order of ids has, or an earlier chain of the same entry, was "
            "left out before, so no whole chain is on both sides, but similar chains may be"
        ),
        skipped=tuple(files[index].name for index in shards.todo),
        selection=selection,
    )


def select(files: Sequence[StructureFile], finished: Sequence[Finished | None]) -> tuple[list[Chain], str]:
    """Choose the chains: one file per entry, mmCIF where there are several, and one chain per sequence.

    Args:
        files: ordered by name.
        finished: for every file its fragments and its entry, or None where it could not be read.

    Returns:
        The chains in the order of the entries' ids, and of an entry in its own order; and one line on those left out.
    """
    read = [(file, found) for file, found in zip(files, finished, strict=True) if found is not None]
    chosen: dict[str, Finished] = {}
    for _, found in sorted(read, key=lambda pair: not pair[0].is_mmcif):  # a stable sort: names stay in order
        chosen.setdefault(found.note[0], found)
    once: dict[str, Chain] = {}
    total = without_protein = too_short = 0
    for entry, found in sorted(chosen.items(), key=lambda item: item[0]):
        _, chains = found.note
        without_protein += not chains
        too_short += bool(chains) and not any(count for _, count in chains)
        total += len(chains)
        start = found.rows.start
        for sequence, count in chains:
            once.setdefault(sequence, Chain(entry, replace(found.rows, start=start, count=count)))
            start += count
    return list(once.values()), (
        f"{len(chosen)} entries from {len(read)} files; left out: {len(read) - len(chosen)} files of entries that "
        f"another file holds too, {without_protein} entries without a C-alpha of a polymer, {too_short} entries "
        f"without {FRAGMENT} residues in a row, {total - len(once)} chains with the sequence of an earlier one"
    )


def originals(raw: Path) -> dict[str, Path]:
    """Return the structure files in a folder of raw data by name."""
    return {file.name: file.path for file in structure_files(raw / FOLDER)}


def _check_splits(folder: Path, *chains: Sequence[Chain]) -> None:
    train, test = (len({chain.entry for chain in split if chain.fragments.count}) for split in chains)
    if not train or not test:
        raise CareBenchError(
            f"{folder} gives unbroken stretches of {FRAGMENT} residues from {train + test} entries, {train} to train "
            f"and {test} to test; expected some in each split: add entries: one in {TEST_SHARE} is for testing"
        )


def _join(chains: Sequence[Chain], path: Path) -> SplitArrays:
    inputs = join(path, [chain.fragments for chain in chains], np.float32, CLOUD)
    ids = np.repeat([chain.entry for chain in chains], [chain.fragments.count for chain in chains])
    return SplitArrays(inputs, {"pdb_id": ids})


INFO = DatasetInfo(
    name="pdb",
    kind="point_cloud",
    title="PDB fragments",
    how_to_get=(
        "Protein Data Bank, files.wwpdb.org: put .cif, .mmcif, .pdb or .ent files, packed as .gz or not, in pdb/ of "
        "the folder of raw data, at any depth, or run care-bench fetch-pdb IDS.txt --raw DIR"
    ),
    labels=("pdb_id",),
    build=build,
    version=3,
    originals=originals,
)
