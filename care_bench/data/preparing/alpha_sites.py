"""C-alphas as a structure file writes them, checked before gemmi turns what it cannot read into a default."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import gemmi

NUMBER = re.compile(r" *[-+]?(\d+\.?\d*|\.\d+) *")  # as Fortran's F format writes it, the only one of the PDB format
RESIDUE_NUMBER = re.compile(r" *-?\d+ *|[A-Za-z][0-9A-Za-z]{3}")  # the second is hybrid-36, for 10,000 and more
LINE = re.compile(rb"^(?:(?:ATOM  |HETATM)[^\n]{6}(?: CA |CA  |  CA)[^\n]*|TER|ENDMDL|END[ \t\r]*$)[^\n]*", re.I | re.M)
ATOM = re.compile(rb"^(?:ATOM  |HETATM)", re.I | re.M)
SITE = "_atom_site."
NEEDED: tuple[str, ...] = ("id", "type_symbol", "label_atom_id", "label_alt_id", "label_comp_id", "label_asym_id")
NEEDED += ("Cartn_x", "Cartn_y", "Cartn_z")
"""Columns of mmCIF without which gemmi finds no atoms."""


class AlphaSite(NamedTuple):
    """One location of one C-alpha.

    Attributes:
        chain: name of its chain.
        number: of its residue, as written.
        insertion: code of residues that share the number.
        place: mark of an alternative location; blank where there is one location.
        coordinates: x, y and z in angstrom, as written.
        occupancy: as written.
    """

    chain: str
    number: str
    insertion: str
    place: str
    coordinates: Sequence[str]
    occupancy: str

    @property
    def address(self) -> tuple[str, str, str]:
        """Chain, residue and location: what tells it from all other C-alphas of a model."""
        return self.chain, self.number + self.insertion, self.place

    def __str__(self) -> str:
        """Name it in a message."""
        return f"the C-alpha of residue {(self.number + self.insertion).strip()} of chain {self.chain}"


def checked_pdb(content: bytes) -> bytes:
    """Check the C-alphas of the first model of a file in the PDB format, and part chains of one name.

    Returns:
        The content, with a TER record where the numbers of a chain start again without one.

    Raises:
        ValueError: a coordinate, the number of a residue, or an occupancy that a choice depends on is no number; or
            atoms follow the END record.
    """
    parts: list[bytes] = []
    seen: set[tuple[str, str, str]] = set()
    sites, start = [], 0
    for match in LINE.finditer(content):
        record = match[0][:6].upper()
        if record.startswith(b"TER"):
            seen.clear()
        elif record.startswith(b"ENDMDL"):
            break
        elif record.startswith(b"END"):
            if ATOM.search(content, match.end()):
                raise ValueError("atoms follow its END record, expected one structure in a file")
            break
        elif (site := _pdb_site(match[0].decode("latin-1"))) is not None:
            if site.address in seen:
                parts += [content[start : match.start()], b"TER\n"]
                start = match.start()
                seen.clear()
            seen.add(site.address)
            sites.append(site)
    _check(sites, NUMBER.fullmatch, RESIDUE_NUMBER.fullmatch)
    return b"".join([*parts, content[start:]])


def checked_mmcif(document: gemmi.cif.Document) -> gemmi.cif.Block:
    """Check the C-alphas of the first model of a file in the mmCIF format, and number residues as the polymer does.

    Returns:
        The block with the atoms, without the author's numbers, which may repeat, where the polymer's are whole.

    Raises:
        ValueError: as :func:`checked_pdb`; or a column that a position needs is missing, two C-alphas are the same
            one, or two blocks hold atoms.
        IndexError: there is no block.
    """
    blocks = [block for block in document if _atoms(block) is not None]
    if len(blocks) > 1:
        names = " and ".join(block.name for block in blocks[:2])
        raise ValueError(f"its blocks {names} hold atoms, expected one structure in a file")
    if not blocks:
        return document[0]
    (block,) = blocks
    atoms = _atoms(block)
    assert atoms is not None
    present = [tag.lower() for tag in atoms.tags]
    for name in NEEDED:
        if (SITE + name).lower() not in present:
            raise ValueError(f"it lacks the column {SITE}{name}")
    numbers = block.find_loop(f"{SITE}label_seq_id")
    groups = block.find_loop(f"{SITE}group_PDB")
    rows = _alpha_rows(block)
    by_polymer = bool(numbers) and all(numbers[row].isdecimal() for row in rows if not groups or groups[row] == "ATOM")
    if by_polymer:
        for name in ("auth_seq_id", "pdbx_PDB_ins_code", "auth_asym_id"):
            if (SITE + name).lower() in present:
                atoms.remove_column(SITE + name)
        rows = [row for row in rows if numbers[row].isdecimal()]  # not ligands, which have none
    sites = _mmcif_sites(block, rows, "label_seq_id" if by_polymer else "auth_seq_id")
    _check(sites, _is_mmcif_number, re.compile(r"-?\d+").fullmatch)
    seen: set[tuple[str, str, str]] = set()
    for site in sites:
        if site.address in seen:
            raise ValueError(f"it holds {site} twice")
        seen.add(site.address)
    return block


def _pdb_site(line: str) -> AlphaSite | None:
    """Return what a line says; None where CA is calcium, by its element or else by its column."""
    line, name = line.ljust(78), line[12:16]
    element = line[76:78].strip().upper()
    if element != "C" and (element or name == "CA  "):
        return None
    return AlphaSite(line[21], line[22:26], line[26], line[16], (line[30:38], line[38:46], line[46:54]), line[54:60])


def _atoms(block: gemmi.cif.Block) -> gemmi.cif.Loop | None:
    """Return the table of atoms of a block."""
    return block.find_loop(f"{SITE}id").get_loop() or block.find_loop(f"{SITE}Cartn_x").get_loop()


def _alpha_rows(block: gemmi.cif.Block) -> list[int]:
    """Return the rows of C-alphas of the first model."""
    import gemmi

    names, elements = block.find_loop(f"{SITE}label_atom_id"), block.find_loop(f"{SITE}type_symbol")
    models = block.find_loop(f"{SITE}pdbx_PDB_model_num")
    return [
        row
        for row, name in enumerate(names)
        if gemmi.cif.as_string(name) == "CA"
        and elements[row].upper() in ("C", ".", "?")
        and (not models or models[row] == models[0])
    ]


def _mmcif_sites(block: gemmi.cif.Block, rows: Iterable[int], number: str) -> list[AlphaSite]:
    """Return the C-alphas in these rows; ``number`` is the column with the numbers of their residues."""
    import gemmi

    def value(name: str) -> Iterator[str]:
        column = block.find_loop(SITE + name)
        return (gemmi.cif.as_string(column[row]) if column else "" for row in rows)

    columns = [value(name) for name in ("label_asym_id", number, "pdbx_PDB_ins_code", "label_alt_id")]
    columns += [value(name) for name in ("Cartn_x", "Cartn_y", "Cartn_z", "occupancy")]
    return [
        AlphaSite(chain, residue, insertion, place, (x, y, z), occupancy)
        for chain, residue, insertion, place, x, y, z, occupancy in zip(*columns, strict=True)
    ]


def _check(sites: Sequence[AlphaSite], is_number: Callable[[str], object], is_residue: Callable[[str], object]) -> None:
    """Refuse what gemmi would read as another value.

    Raises:
        ValueError: names the residue and what is in place of a number.
    """
    chosen = {site.address[:2] for site in sites if site.place.strip()}
    for site in sites:
        if not is_residue(site.number):
            raise ValueError(f"a C-alpha of chain {site.chain} has {site.number!r} in place of the residue's number")
        for value in site.coordinates:
            if not is_number(value):
                raise ValueError(f"{site} has {value!r} in place of a coordinate")
        if site.address[:2] in chosen and not is_number(site.occupancy):
            raise ValueError(f"{site} has {site.occupancy!r} in place of an occupancy")


def _is_mmcif_number(value: str) -> bool:
    import gemmi

    return math.isfinite(gemmi.cif.as_number(value))
