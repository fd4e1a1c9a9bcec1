"""Protein backbones from the user's copy of the Protein Data Bank, or of a part of it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np

from care_bench.data.conversion import convert
from care_bench.data.proteins import FRAGMENT
from care_bench.data.rows import open_rows, writing
from care_bench.data.source import Array, Built, DatasetInfo, Raw, SplitArrays
from care_bench.data.structures import read, structure_files
from care_bench.errors import CareBenchError

FOLDER = "pdb"  # in the folder of raw data
COLUMNS = {"fragments": (np.float32, (FRAGMENT, 3)), "index": (np.uint8, ())}
TEST_SHARE = 10  # one entry in so many tests


@dataclass(frozen=True)
class Chain:
    """Where the fragments of a chain are: ``count`` rows from ``start`` on."""

    entry: str
    start: int
    count: int


@dataclass
class Selection:
    """The chains that stand in the data set, and how much was left out.

    Attributes:
        chains: in the order of the entries' ids, and of the chains in an entry.
        entries: number of different entries read.
        second_files: files of an entry that another file holds too.
        without_protein: entries without a protein chain.
        repeated: chains with the sequence of an earlier one.
    """

    chains: list[Chain]
    entries: int
    second_files: int
    without_protein: int
    repeated: int


def is_test(pdb_id: str) -> bool:
    """Tell the side of an entry, by its id alone: it tests when the sha256 of the id, as a number, divides by ten."""
    return int.from_bytes(hashlib.sha256(pdb_id.encode()).digest()) % TEST_SHARE == 0


def build(raw: Raw) -> Built:
    """Build the fragments: float32 (n, 64, 3), each centred on its mean, in nanometres; label ``pdb_id``.

    Raises:
        CareBenchError: there are no files, one cannot be read, or they give no fragments for one of the sides.
    """
    folder = raw.folder / FOLDER
    files = structure_files(folder)
    if not files:
        raise CareBenchError(
            f"{folder} holds no structures; expected .cif, .mmcif, .pdb or .ent files there at any depth, packed as "
            f".gz or not: copy them, or run care-bench fetch-pdb IDS.txt --raw {raw.folder}"
        )
    maker = f"pdb {INFO.version}, gemmi {metadata.version('gemmi')}"
    with open_rows(raw.workspace, maker, [f"{file.name} {file.size}" for file in files], COLUMNS) as rows:
        convert(rows, files, read, "pdb: files", raw.skip_broken)
        columns = rows.finish()
        selection = select(columns["index"], {file.name for file in files if file.is_mmcif})
        sides = {test: [chain for chain in selection.chains if is_test(chain.entry) == test] for test in (False, True)}
        _check_sides(folder, sides)
        with writing(raw.workspace):
            train, test = (
                _side(sides[test], columns["fragments"], raw.workspace / f"{name}_inputs.npy")
                for test, name in ((False, "train"), (True, "test"))
            )
        skipped = tuple(files[index].name for index in rows.broken)
    return Built(
        train=train,
        test=test,
        inputs=f"C-alpha positions of {FRAGMENT} consecutive residues, centred on their mean, in nanometres",
        source="Protein Data Bank, entries of the user's choice",
        licence="CC0 1.0",
        split_rule=(
            f"by PDB entry: it tests when the sha256 of its id divides by {TEST_SHARE}; a chain whose sequence of "
            "observed residues an entry earlier in the order of ids has, or an earlier chain of the same entry, was "
            "left out before, so no whole chain is on both sides, but similar chains may be"
        ),
        skipped=skipped,
        selection=_describe(len(files) - len(skipped), selection),
    )


def select(index: Array, mmcif: set[str]) -> Selection:
    """Choose the chains: one file per entry, and one chain per sequence.

    Args:
        index: uint8, lines of JSON as :func:`care_bench.data.structures.read` writes them, in the order of the rows.
        mmcif: names of the files in mmCIF format; they are preferred.
    """
    chosen: dict[str, tuple[bool, str, list[tuple[str, Chain]]]] = {}
    files = start = 0
    for line in index.tobytes().splitlines():
        file = json.loads(line)
        files += 1
        chains = []
        for sequence, count in file["chains"]:
            chains.append((sequence, Chain(file["entry"], start, count)))
            start += count
        candidate = (file["file"] not in mmcif, file["file"], chains)
        chosen[file["entry"]] = min(candidate, chosen.get(file["entry"], candidate), key=lambda found: found[:2])
    once: dict[str, Chain] = {}
    total = 0
    for entry in sorted(chosen):
        for sequence, chain in chosen[entry][2]:
            once.setdefault(sequence, chain)
            total += 1
    return Selection(
        chains=list(once.values()),
        entries=len(chosen),
        second_files=files - len(chosen),
        without_protein=sum(not chains for _, _, chains in chosen.values()),
        repeated=total - len(once),
    )


def _check_sides(folder: Path, sides: dict[bool, list[Chain]]) -> None:
    train, test = (len({chain.entry for chain in sides[test] if chain.count}) for test in (False, True))
    if not train or not test:
        raise CareBenchError(
            f"{folder} gives unbroken stretches of {FRAGMENT} residues from {train + test} entries, {train} to train "
            f"and {test} to test; expected some on each side: add entries, of which one in {TEST_SHARE} tests"
        )


def _side(chains: list[Chain], fragments: Array, path: Path) -> SplitArrays:
    """Copy the fragments of the chains into a file of their own, which may be larger than memory."""
    path.unlink(missing_ok=True)
    shape = (sum(chain.count for chain in chains), *fragments.shape[1:])
    inputs = np.lib.format.open_memmap(path, mode="w+", dtype=fragments.dtype, shape=shape)  # type: ignore[no-untyped-call]
    start = 0
    for chain in chains:
        inputs[start : start + chain.count] = fragments[chain.start : chain.start + chain.count]
        start += chain.count
    inputs.flush()
    ids = np.repeat([chain.entry for chain in chains], [chain.count for chain in chains])
    return SplitArrays(np.load(path, mmap_mode="r"), {"pdb_id": ids})


def _describe(files: int, selection: Selection) -> str:
    left_out = (
        (selection.second_files, "files of entries that another file holds too"),
        (selection.without_protein, "entries without a protein chain"),
        (selection.repeated, "chains with the sequence of an earlier one"),
    )
    said = ", ".join(f"{n} {what}" for n, what in left_out)
    return f"{selection.entries} entries from {files} files; left out: {said}"


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
)
