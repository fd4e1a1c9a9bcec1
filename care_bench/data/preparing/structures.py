"""Protein chains from structure files of the Protein Data Bank: mmCIF or PDB format, packed or not."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from care_bench.data.preparing.fragments import FRAGMENT, fragments, point_clouds
from care_bench.data.source import Array
from care_bench.errors import CareBenchError

if TYPE_CHECKING:
    import gemmi

FOLDER = "pdb"  # of structure files, in the folder of raw data
MMCIF, PDB = (".cif", ".mmcif"), (".pdb", ".ent")
PACKED = ".gz"
GZIP = b"\x1f\x8b"  # first bytes of a gzip file (RFC 1952)

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
        mtime_ns: when it was last changed.
    """

    path: Path
    name: str
    size: int
    mtime_ns: int

    def __str__(self) -> str:
        """Return its location, for messages."""
        return str(self.path)

    @property
    def is_mmcif(self) -> bool:
        """Whether it is in the mmCIF format, by its name."""
        return _unpacked(self.path.name).endswith(MMCIF)


def structure_files(folder: Path) -> list[StructureFile]:
    """Return the structure files at any depth below a folder, ordered by name; links to folders are followed.

    Raises:
        CareBenchError: something below the folder cannot be listed.
    """
    try:
        walk = os.walk(folder, onerror=_refuse, followlinks=True)
        paths = [Path(place) / name for place, _, names in walk for name in names]
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
        ValueError: the file cannot be read or unpacked, gemmi refuses it, a C-alpha has no position, or there are no
            atoms; the message does not name the file.
    """
    import gemmi

    structure = _structure(file)
    if len(structure) == 0 or structure[0].count_atom_sites() == 0:
        raise ValueError("it holds no atoms")
    del structure[1:]
    structure.setup_entities()
    pieces, chains = [np.empty((0, FRAGMENT, 3), dtype=np.float32)], []
    for span in structure[0].subchains():
        if len(span) and span[0].entity_type == gemmi.EntityType.Polymer:
            sequence, positions = alpha_carbons(span)
            if not np.isfinite(positions).all():
                raise ValueError("a C-alpha has no position")
            if sequence:
                pieces.append(point_clouds(fragments(positions)))
                chains.append((hashlib.sha256(sequence.encode()).hexdigest(), len(pieces[-1])))
    entry = entry_id(dict(structure.info).get("_entry.id", "")) or _id_in_name(file.path.name)
    return np.concatenate(pieces), (entry, chains)


def alpha_carbons(residues: Iterable[gemmi.Residue]) -> tuple[str, Array]:
    """Return the sequence of the residues that have a C-alpha, and their C-alphas' positions in angstrom.

    Where an atom has several locations, or a position of the chain several residues, the one with the highest
    occupancy counts, or the first of equal ones. A modified residue has the letter of its parent, an unknown one an X.

    Returns:
        One letter per residue, and float64 (n, 3).
    """
    import gemmi

    carbon = gemmi.Element("C")
    letters: list[str] = []
    atoms: list[gemmi.Atom] = []
    last = None
    for residue in residues:
        atom = residue.get_ca()
        if atom is None:
            continue
        if atom.has_altloc():
            places = (other for other in residue if other.name == "CA" and other.element == carbon)
            atom = max(places, key=lambda place: place.occ)
        letter = gemmi.find_tabulated_residue(residue.name).one_letter_code.strip().upper() or "X"
        if residue.seqid != last:
            letters.append(letter)
            atoms.append(atom)
        elif atom.occ > atoms[-1].occ:
            letters[-1], atoms[-1] = letter, atom
        last = residue.seqid
    return "".join(letters), np.array([atom.pos.tolist() for atom in atoms], dtype=np.float64).reshape(-1, 3)


def _structure(file: StructureFile) -> gemmi.Structure:
    import gemmi

    form = gemmi.CoorFormat.Mmcif if file.is_mmcif else gemmi.CoorFormat.Pdb
    content = _content(file.path)
    try:
        return gemmi.read_structure_string(content, format=form)
    except IndexError:  # mmCIF without a data block
        raise ValueError("it holds no atoms") from None
    except (ValueError, RuntimeError) as error:  # of mmCIF: "string:line:column(byte): what is wrong"
        said = re.sub(r"^string:(\d+)(:\d+\(\d+\))?", r"line \1", str(error)).removeprefix("string: ")
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


def _structure_file(path: Path, folder: Path) -> StructureFile:
    status = path.stat()
    return StructureFile(path, path.relative_to(folder).as_posix(), status.st_size, status.st_mtime_ns)


def _unpacked(name: str) -> str:
    return name.lower().removesuffix(PACKED)


def _id_in_name(name: str) -> str:
    """Return the entry's id according to the name of its file; the archive calls 1ABC pdb1abc.ent."""
    stem = Path(_unpacked(name)).stem
    if re.fullmatch(r"pdb[1-9][a-z0-9]{3}", stem):
        stem = stem.removeprefix("pdb")
    return entry_id(stem)


def _refuse(error: OSError) -> None:
    raise error
