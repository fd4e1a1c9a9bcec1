"""Protein chains from structure files of the Protein Data Bank: mmCIF or PDB format, packed or not."""

from __future__ import annotations

import errno
import gzip
import hashlib
import math
import os
import re
import stat
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from care_bench.data.preparing.alpha_sites import checked_mmcif, checked_pdb
from care_bench.data.preparing.fragments import FRAGMENT, fragments, point_clouds
from care_bench.data.source import Array
from care_bench.errors import CareBenchError
from care_bench.files import file_version

if TYPE_CHECKING:
    import gemmi

FOLDER = "pdb"  # of structure files, in the folder of raw data
MMCIF, PDB = (".cif", ".mmcif"), (".pdb", ".ent")
PACKED = ".gz"
GZIP = b"\x1f\x8b"  # first bytes of a gzip file (RFC 1952)
PDB_ID = r"[1-9][A-Z0-9]{3}|PDB_[0-9A-Z]{8}"  # of an entry, in capitals
PLACEHOLDER = 9999.0  # angstrom; programs write it for an unknown coordinate

Entry: TypeAlias = tuple[str, list[tuple[str, int]]]
"""Id of an entry, and for each of its chains the sha256 of the sequence of observed residues and the number of
fragments."""


@dataclass(frozen=True)
class StructureFile:
    """One structure file.

    Attributes:
        path: the file.
        name: its path below the folder of raw data.
        size: number of its bytes.
        version: of its content: it changes when the file is written or replaced, even by one of the same size and
            time of change.
    """

    path: Path
    name: str
    size: int
    version: str

    def __str__(self) -> str:
        """Return its location, for messages."""
        return str(self.path)

    @property
    def is_mmcif(self) -> bool:
        """Whether it is in the mmCIF format, by its name."""
        return _unpacked(self.path.name).endswith(MMCIF)


def structure_files(folder: Path) -> list[StructureFile]:
    """Return the structure files at any depth below a folder, ordered by name.

    Links to folders are followed, and every folder is listed once, however many links lead to it.

    Raises:
        CareBenchError: something below the folder cannot be listed.
    """
    try:
        paths = [place / name for place, names in _folders(folder) for name in names]
        found = [path for path in paths if _unpacked(path.name).endswith(MMCIF + PDB) and not path.name.startswith(".")]
        files = [_structure_file(path, folder) for path in found]
    except FileNotFoundError as error:
        if not folder.exists():
            return []
        raise CareBenchError(f"{error.filename} is a link to nothing; expected a file, remove the link") from None
    except OSError as error:
        raise CareBenchError(f"cannot read {error.filename}: {error.strerror}; expected a readable folder") from error
    return sorted(files, key=lambda file: file.name)


def entry_id(text: str) -> str:
    """Return an entry's id in capitals; the extended form of a four-character one becomes that one."""
    text = text.strip().upper()
    return re.sub(r"^PDB_0000(?=[1-9][A-Z0-9]{3}$)", "", text)


def read(file: StructureFile) -> tuple[Array, Entry]:
    """Read the protein chains of the first model.

    Returns:
        The fragments of one chain after another, float32 (n, 64, 3), each centred on its mean, in nanometres; and the
        entry with its chains.

    Raises:
        ValueError: the file cannot be read or unpacked, gemmi refuses it, a C-alpha has no position of its own, or
            there are no atoms, or amino acids without a C-alpha; the message does not name the file.
    """
    import gemmi

    structure = _structure(file)
    if len(structure) == 0 or structure[0].count_atom_sites() == 0:
        raise ValueError("it holds no atoms")
    del structure[1:]
    structure.setup_entities()
    structure.assign_label_seq_id()  # in the PDB format only SEQRES tells the positions in the polymer
    pieces, chains = [np.empty((0, FRAGMENT, 3), dtype=np.float32)], []
    for span in structure[0].subchains():
        if len(span) and span[0].entity_type == gemmi.EntityType.Polymer:
            sequence, positions, numbers = alpha_carbons(span)
            _check_positions(positions)
            if sequence:
                pieces.append(point_clouds(fragments(positions, numbers)))
                chains.append((hashlib.sha256(sequence.encode()).hexdigest(), len(pieces[-1])))
    if not chains and any(_lacks_alpha(residue) for chain in structure[0] for residue in chain):
        raise ValueError("it has amino acids, but no C-alpha")
    entry = entry_id(dict(structure.info).get("_entry.id", ""))
    if not re.fullmatch(PDB_ID, entry):  # a placeholder or a title, which other files may have too
        entry = _id_in_name(file.name)
    return np.concatenate(pieces), (entry, chains)


def alpha_carbons(residues: Iterable[gemmi.Residue]) -> tuple[str, Array, Array]:
    """Return the sequence of the residues that have a C-alpha, and their C-alphas' positions in angstrom.

    Where an atom has several locations, or a position of the chain several residues, the one with the highest
    occupancy counts, or the first of equal ones. A modified residue has the letter of its parent, an unknown one an X.

    Returns:
        One letter per residue; float64 (n, 3); and the residues' positions in the polymer, float64 (n,), nan where
        not known.
    """
    import gemmi

    carbon = gemmi.Element("C")
    letters: list[str] = []
    atoms: list[gemmi.Atom] = []
    numbers: list[float] = []
    last = None
    for residue in residues:
        atom = residue.get_ca()
        if atom is None:
            continue
        places = (other for other in residue if other.name == "CA" and other.element == carbon)
        atom = max(places, key=lambda place: place.occ)  # its location may be blank beside a B
        letter = gemmi.find_tabulated_residue(residue.name).one_letter_code.strip().upper() or "X"
        if residue.seqid != last:
            letters.append(letter)
            atoms.append(atom)
            numbers.append(math.nan if residue.label_seq is None else residue.label_seq)
        elif atom.occ > atoms[-1].occ:
            letters[-1], atoms[-1] = letter, atom
        last = residue.seqid
    positions = np.array([atom.pos.tolist() for atom in atoms], dtype=np.float64).reshape(-1, 3)
    return "".join(letters), positions, np.array(numbers, dtype=np.float64)


def _check_positions(positions: Array) -> None:
    """Refuse positions that a program has written in place of unknown ones.

    Raises:
        ValueError: one is not finite, or as far away as 9999; or two neighbours are at one place.
    """
    if not np.isfinite(positions).all():
        raise ValueError("a C-alpha has no position")
    if (np.abs(positions) >= PLACEHOLDER).any():
        raise ValueError(f"a C-alpha is at {positions[(np.abs(positions) >= PLACEHOLDER).any(axis=1)][0].tolist()}")
    if (np.diff(positions, axis=0) == 0).all(axis=1).any():
        raise ValueError("two neighbouring C-alphas are at one place")


def _structure(file: StructureFile) -> gemmi.Structure:
    import gemmi

    content = _content(file.path)
    try:
        if file.is_mmcif:
            return gemmi.make_structure_from_block(checked_mmcif(gemmi.cif.read_string(content)))
        return gemmi.read_pdb_string(checked_pdb(content), split_chain_on_ter=True)  # two chains may have one letter
    except IndexError:  # mmCIF without a data block
        raise ValueError("it holds no atoms") from None
    except (ValueError, RuntimeError) as error:  # of mmCIF: "data:line:column(byte): what is wrong"
        said = re.sub(r"^data:(\d+)(:\d+\(\d+\))?", r"line \1", str(error)).removeprefix("data: ")
        raise ValueError(said) from error


def _content(path: Path) -> bytes:
    """Return the content of a file, unpacked; unlike gemmi's own unpacking, this checks length and checksum."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(error.strerror) from error
    if not path.name.lower().endswith(PACKED):
        return content
    if not content.startswith(GZIP):
        raise ValueError("it is not a gzip file")
    try:
        return gzip.decompress(content)
    except EOFError:
        raise ValueError("it is cut off") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"its gzip data is damaged: {error}") from error


def _lacks_alpha(residue: gemmi.Residue) -> bool:
    """Tell whether this is an amino acid without a C-alpha; a free one with it is not part of a protein."""
    import gemmi

    return gemmi.find_tabulated_residue(residue.name.upper()).is_amino_acid() and residue.get_ca() is None


def _structure_file(path: Path, folder: Path) -> StructureFile:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    return StructureFile(path, path.relative_to(folder).as_posix(), status.st_size, file_version(status))


def _unpacked(name: str) -> str:
    return name.lower().removesuffix(PACKED)


def _id_in_name(name: str) -> str:
    """Return the entry's id according to the name of its file; the archive calls 1ABC pdb1abc.ent.

    A name that is no id counts with the folders below the folder of raw data, so that it is the file's alone.
    """
    path = Path(_unpacked(name))
    stem = path.stem.removeprefix("pdb") if re.fullmatch(r"pdb[1-9][a-z0-9]{3}", path.stem) else path.stem
    return entry_id(stem) if re.fullmatch(PDB_ID, entry_id(stem)) else entry_id(path.with_suffix("").as_posix())


def _folders(top: Path) -> Iterator[tuple[Path, list[str]]]:
    """Yield every folder once, with the names of its files."""
    seen: set[tuple[int, int]] = set()
    for place, folders, names in os.walk(top, onerror=_refuse, followlinks=True):
        status = Path(place).stat()
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders.sort()
        yield Path(place), names


def _refuse(error: OSError) -> None:
    raise error
