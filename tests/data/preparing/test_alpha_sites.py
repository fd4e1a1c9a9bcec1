from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.data.large_formats import alphas, helix, mmcif, pdb, write_text
from tests.data.preparing.structure_files import LETTERS, NAMES, centred, read_file, sha

FORMS = {"x.cif": mmcif, "x.pdb": pdb}


def a_pdb() -> list[str]:
    """Return the lines of a chain of 64 residues in the PDB format; line n is residue n."""
    return pdb("1ABC", alphas(NAMES[:64], helix(64, 4))).splitlines()


def a_mmcif() -> list[dict[str, str]]:
    """Return the atoms of the same chain in mmCIF, by column."""
    lines = mmcif("1ABC", alphas(NAMES[:64], helix(64, 4))).splitlines()
    columns = [line.removeprefix("_atom_site.") for line in lines if line.startswith("_atom_site.")]
    return [dict(zip(columns, line.split(), strict=True)) for line in lines if line.startswith(("ATOM", "HETATM"))]


def as_mmcif(rows: list[dict[str, str]]) -> str:
    """Return a file of these atoms."""
    columns = "".join(f"_atom_site.{column}\n" for column in rows[0])
    kinds = "_entity.id 1\n_entity.type polymer\n"
    return f"data_1ABC\n_entry.id 1ABC\n{kinds}loop_\n{columns}" + "".join(
        f"{' '.join(row.values())}\n" for row in rows
    )


def test_position_that_is_missing(tmp_path: Path) -> None:
    content = mmcif("1ABC", alphas(NAMES[:3], np.array([[0, 0, 0], [3.8, 0, 0], [77.125, 0, 0]])))
    with pytest.raises(ValueError, match=r"residue 3 of chain A1 has '' in place of a coordinate"):
        read_file(write_text(tmp_path / "x.cif", content.replace("77.125", "?")))


@pytest.mark.parametrize("record", ["ATOM  ", "atom  ", "HETATM", "Hetatm"])
@pytest.mark.parametrize("number", ["********", "        ", "  -3,749", "  1_0.00", "     nan", "   1.0e1"])
def test_a_coordinate_that_is_no_number(tmp_path: Path, number: str, record: str) -> None:
    lines = a_pdb()
    lines[8] = record + lines[8][6:38] + number + lines[8][46:]
    with pytest.raises(ValueError, match=re.escape(f"residue 8 of chain A has {number!r} in place of a coordinate")):
        read_file(write_text(tmp_path / "x.pdb", "\n".join(lines)))


@pytest.mark.parametrize("name", ["CA  ", "  CA", " CA "])
def test_a_c_alpha_in_another_column_is_checked_and_calcium_is_not(tmp_path: Path, name: str) -> None:
    lines = a_pdb()
    lines[8] = f"{lines[8][:12]}{name}{lines[8][16:38]}********{lines[8][46:]}"
    with pytest.raises(ValueError, match="in place of a coordinate"):
        read_file(write_text(tmp_path / "x.pdb", "\n".join(lines)))
    calcium = f"HETATM  900 CA    CA A 900    {'*' * 24}  1.00  0.00          CA"
    _, chains, _ = read_file(write_text(tmp_path / "y.pdb", "\n".join([*a_pdb()[:-1], calcium, "END"])))
    assert chains == [(sha(LETTERS[:64]), 1)]


@pytest.mark.parametrize("number", ["****", "    ", " 1 2", "  x1"])
def test_a_residue_without_a_number(tmp_path: Path, number: str) -> None:
    lines = a_pdb()
    lines[8] = lines[8][:22] + number + lines[8][26:]
    with pytest.raises(ValueError, match=re.escape(f"chain A has {number!r} in place of the residue's number")):
        read_file(write_text(tmp_path / "x.pdb", "\n".join(lines)))


def test_numbers_of_ten_thousand_and_more(tmp_path: Path) -> None:
    lines = a_pdb()
    lines[8] = lines[8][:22] + "A000" + lines[8][26:]  # hybrid-36
    assert read_file(write_text(tmp_path / "x.pdb", "\n".join(lines)))[1] == [(sha(LETTERS[:64]), 1)]


def test_a_residue_without_a_number_in_mmcif(tmp_path: Path) -> None:
    rows = a_mmcif()
    for row in rows:
        row["label_seq_id"] = "."
    assert read_file(write_text(tmp_path / "x.cif", as_mmcif(rows)))[1] == [(sha(LETTERS[:64]), 1)]
    rows[7]["auth_seq_id"] = "?"
    with pytest.raises(ValueError, match="chain A1 has '' in place of the residue's number"):
        read_file(write_text(tmp_path / "x.cif", as_mmcif(rows)))


@pytest.mark.parametrize("occupancy", ["******", "x     ", "      "])
def test_an_occupancy_that_is_no_number_chooses_no_location(tmp_path: Path, occupancy: str) -> None:
    line = helix(64, 4)
    atoms = alphas(NAMES[:64], line)
    away = tuple(map(float, np.round(line[10] + 0.4, 3)))
    atoms[10:11] = [atoms[10], replace(atoms[10], place="B", occupancy=0.7, position=away)]
    lines = pdb("1ABC", atoms).splitlines()
    lines[5] = lines[5][:54] + occupancy + lines[5][60:]
    assert read_file(write_text(tmp_path / "x.pdb", "\n".join(lines)))[1] == [(sha(LETTERS[:64]), 1)]
    lines[11] = lines[11][:54] + occupancy + lines[11][60:]
    with pytest.raises(ValueError, match=re.escape(f"residue 11 of chain A has {occupancy!r} in place of an occupanc")):
        read_file(write_text(tmp_path / "x.pdb", "\n".join(lines)))
    text = mmcif("1ABC", atoms).replace("0.70", occupancy.strip() or "?")
    with pytest.raises(ValueError, match=r"residue 11 of chain A1 has .* in place of an occupancy"):
        read_file(write_text(tmp_path / "x.cif", text))


@pytest.mark.parametrize("name", ["x.cif", "x.pdb"])
@pytest.mark.parametrize(
    ("place", "found"),
    [((0.0, 0.0, 0.0), "two neighbouring C-alphas are at one place"), ((9999.0, 9999.0, 9999.0), "a C-alpha is at")],
)
def test_placeholders_of_unknown_positions(
    tmp_path: Path, name: str, place: tuple[float, float, float], found: str
) -> None:
    atoms = alphas(NAMES[:64], helix(64, 4))
    atoms[5:7] = [replace(atom, position=place) for atom in atoms[5:7]]
    with pytest.raises(ValueError, match=found):
        read_file(write_text(tmp_path / name, FORMS[name]("1ABC", atoms)))


def test_a_blank_location_beside_b(tmp_path: Path) -> None:
    line = helix(64, 4)
    atoms = alphas(NAMES[:64], line)
    away = tuple(map(float, np.round(line[10] + 0.4, 3)))
    atoms[10:11] = [replace(atoms[10], occupancy=0.3), replace(atoms[10], place="B", occupancy=0.7, position=away)]
    expected = line.copy()
    expected[10] = away
    for name in ("x.cif", "x.pdb"):
        _, _, found = read_file(write_text(tmp_path / name, FORMS[name]("1ABC", atoms)))
        np.testing.assert_allclose(found, centred(expected, 0), atol=1e-6)


@pytest.mark.parametrize("between", ["TER\n", ""])
def test_two_chains_under_one_letter(tmp_path: Path, between: str) -> None:
    one = pdb("1ABC", alphas(NAMES[:64], helix(64, 4))).split("TER")[0].removesuffix("END\n")
    other = pdb("", alphas(NAMES[1:65], helix(64, 5)))
    path = write_text(tmp_path / "x.pdb", f"{one}{between}{other[other.index('ATOM') :]}")
    assert read_file(path)[1] == [(sha(LETTERS[:64]), 1), (sha(LETTERS[1:65]), 1)]


def test_residues_with_one_author_number_are_two(tmp_path: Path) -> None:
    text = mmcif("1ABC", alphas(["ALA"] * 64, helix(64, 4)))
    rows = [line.split(" ") if line.startswith("ATOM") else line for line in text.splitlines()]
    columns = [line.strip().removeprefix("_atom_site.") for line in text.splitlines() if "_atom_site." in line]
    atoms = [row for row in rows if isinstance(row, list)]
    atoms[30][columns.index("auth_seq_id")] = atoms[29][columns.index("auth_seq_id")]
    path = write_text(tmp_path / "x.cif", "\n".join(" ".join(row) if isinstance(row, list) else row for row in rows))
    assert read_file(path)[1] == [(sha("A" * 64), 1)]


def test_a_column_that_is_missing_is_named(tmp_path: Path) -> None:
    text = mmcif("1ABC", alphas(NAMES[:64], helix(64, 4)))
    for column in ("Cartn_y", "label_asym_id"):
        path = write_text(tmp_path / "x.cif", text.replace(f"_atom_site.{column}", f"_atom_site.not_{column}"))
        with pytest.raises(ValueError, match=f"it lacks the column _atom_site.{column}"):
            read_file(path)


def test_one_c_alpha_twice_in_mmcif(tmp_path: Path) -> None:
    rows = a_mmcif()
    with pytest.raises(ValueError, match="it holds the C-alpha of residue 64 of chain A1 twice"):
        read_file(write_text(tmp_path / "x.cif", as_mmcif([*rows, rows[-1]])))


def test_two_structures_in_one_file(tmp_path: Path) -> None:
    first, second = (alphas(NAMES[:64], helix(64, seed)) for seed in (4, 5))
    with pytest.raises(ValueError, match="atoms follow its END record, expected one structure in a file"):
        read_file(write_text(tmp_path / "x.pdb", pdb("1ABC", first) + pdb("2ABC", second)))
    both = mmcif("1ABC", first) + mmcif("2ABC", second)
    with pytest.raises(ValueError, match="its blocks 1ABC and 2ABC hold atoms, expected one structure in a file"):
        read_file(write_text(tmp_path / "x.cif", both))
    behind = "data_comp\n_chem_comp.id ALA\n" + mmcif("1ABC", first)
    assert read_file(write_text(tmp_path / "y.cif", behind))[1] == [(sha(LETTERS[:64]), 1)]


@pytest.mark.parametrize("name", ["x.cif", "x.pdb"])
@pytest.mark.parametrize(("atom", "element"), [("CA", "CA"), ("ca", "C"), ("CB", "C")])
def test_amino_acids_without_c_alphas_are_no_nucleic_acid(tmp_path: Path, name: str, atom: str, element: str) -> None:
    atoms = [replace(one, name=atom, element=element) for one in alphas(NAMES[:64], helix(64, 4))]
    with pytest.raises(ValueError, match="it has amino acids, but no C-alpha"):
        read_file(write_text(tmp_path / name, FORMS[name]("1ABC", atoms)))


def test_a_residue_outside_of_seqres_hides_no_jump(tmp_path: Path) -> None:
    names = ["ALA", "GLY", "TRP", "SER", "PRO", "GLU", "LYS"] * 12
    observed = [*alphas(names[:40], helix(40, 4)), *alphas(names[60:84], helix(64, 4)[40:], first=41)]
    extra = replace(observed[-1], residue="HIS", number=99, position=(50.0, 50.0, 50.0))
    rows = [" ".join(names[start : start + 13]) for start in range(0, 84, 13)]
    seqres = "".join(f"SEQRES {index:>3} A   84  {row}\n" for index, row in enumerate(rows, 1))
    for atoms in (observed, [*observed, extra]):
        head, _, rest = pdb("1ABC", atoms).partition("\n")
        path = write_text(tmp_path / "x.pdb", f"{head}\n{seqres}{rest}")
        assert [count for _, count in read_file(path)[1]] == [0]


def test_names_of_columns_in_any_case(tmp_path: Path) -> None:
    text = mmcif("1ABC", alphas(NAMES[:64], helix(64, 4))).replace("_atom_site.Cartn_x", "_ATOM_SITE.cartn_x")
    assert read_file(write_text(tmp_path / "x.cif", text))[1] == [(sha(LETTERS[:64]), 1)]
