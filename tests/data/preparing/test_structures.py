from __future__ import annotations

import gzip
import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from care_bench.data.preparing.structures import entry_id, read, structure_files
from care_bench.errors import CareBenchError
from tests.data.large_formats import Atom, alphas, helix, mmcif, pdb, write_text
from tests.data.preparing.structure_files import LETTERS, NAMES, centred, read_file, sha

FORMS = {"x.cif": mmcif, "x.cif.gz": mmcif, "x.mmcif": mmcif, "x.PDB": pdb, "x.pdb": pdb, "x.pdb.gz": pdb, "x.ent": pdb}


@pytest.mark.parametrize("name", FORMS)
def test_chains_of_every_format(tmp_path: Path, name: str) -> None:
    first, second = helix(130, 1), helix(64, 2)
    atoms = alphas(NAMES[:130], first) + alphas(NAMES[1:65], second, "B", first=-3)
    entry, chains, found = read_file(write_text(tmp_path / name, FORMS[name]("1ABC", atoms)))
    assert entry == "1ABC"
    assert chains == [(sha(LETTERS[:130]), 2), (sha(LETTERS[1:65]), 1)]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.concatenate([centred(first, 0, 64), centred(second, 0)]), atol=1e-6)
    assert np.linalg.norm(np.diff(found[0], axis=0), axis=1) == pytest.approx(0.38, abs=0.005)  # nanometres


@pytest.mark.parametrize("name", ["x.cif", "x.pdb"])
def test_fragments_come_from_unbroken_stretches_only(tmp_path: Path, name: str) -> None:
    line = helix(150, 3)
    atoms = alphas(NAMES[:150], line)
    seen = atoms[:70] + atoms[72:]  # two residues were not observed
    _, chains, found = read_file(write_text(tmp_path / name, FORMS[name]("1ABC", seen)))
    assert chains == [(sha(LETTERS[:70] + LETTERS[72:150]), 2)]
    np.testing.assert_allclose(found, centred(line, 0, 72), atol=1e-6)


@pytest.mark.parametrize("name", ["x.cif", "x.pdb"])
def test_the_highest_occupancy_counts_and_the_first_of_equal_ones(tmp_path: Path, name: str) -> None:
    line = helix(64, 4)
    atoms = alphas(NAMES[:64], line)
    away = tuple(map(float, np.round(line[10] + 0.4, 3)))

    def places(number: int, *occupancies: float) -> list[Atom]:
        """Return the residue at two places: its own, and another one away from it."""
        here = replace(atoms[number - 1], place="A", occupancy=occupancies[0])
        return [here, replace(here, place="B", occupancy=occupancies[1], position=away)]

    atoms[10:11] = places(11, 0.3, 0.7)
    atoms[5:6] = places(6, 0.5, 0.5)
    expected = line.copy()
    expected[10] = away
    _, _, found = read_file(write_text(tmp_path / name, FORMS[name]("1ABC", atoms)))
    np.testing.assert_allclose(found, centred(expected, 0), atol=1e-6)


@pytest.mark.parametrize("name", ["x.cif", "x.pdb"])
def test_two_residues_at_one_place_of_the_chain(tmp_path: Path, name: str) -> None:
    line = helix(64, 5)
    atoms = alphas(["ALA"] * 64, line)
    serine = replace(atoms[20], residue="SER", place="B", occupancy=0.6)
    atoms[20:21] = [replace(atoms[20], place="A", occupancy=0.4), serine]
    glycine = replace(atoms[5], residue="GLY", place="B", occupancy=0.5)
    atoms[5:6] = [replace(atoms[5], place="A", occupancy=0.5), glycine]
    _, chains, _ = read_file(write_text(tmp_path / name, FORMS[name]("1ABC", atoms)))
    assert chains == [(sha("A" * 20 + "S" + "A" * 43), 1)]


@pytest.mark.parametrize("name", ["x.cif", "x.pdb"])
def test_only_c_alphas_of_polymers(tmp_path: Path, name: str) -> None:
    line = helix(64, 6)
    chain = alphas(["UNK", *NAMES[1:64]], line)
    beta = [replace(atom, name="CB", position=(1.0, 2.0, 3.0)) for atom in chain]
    atoms = [atom for pair in zip(chain, beta, strict=True) for atom in pair]
    calcium = Atom("CA", 201, "CA", (0.0, 0.0, 0.0), "A", "CA", polymer=False)
    ligand = Atom("LIG", 202, "CA", (0.0, 0.0, 3.8), "A", polymer=False)
    water = Atom("HOH", 203, "O", (9.0, 9.0, 9.0), "A", "O", polymer=False)
    nucleic = [Atom("DA", i + 1, "P", (5.0 * i, 0.0, 0.0), "N", "P") for i in range(10)]
    _, chains, found = read_file(
        write_text(tmp_path / name, FORMS[name]("1ABC", [*atoms, calcium, ligand, water, *nucleic]))
    )
    assert chains == [(sha("X" + LETTERS[1:64]), 1)]
    np.testing.assert_allclose(found, centred(line, 0), atol=1e-6)


def test_only_the_first_model(tmp_path: Path) -> None:
    line = helix(64, 7)
    atoms = alphas(NAMES[:64], line)
    later = [replace(atom, model=2, position=(0.0, 0.0, 0.0)) for atom in atoms]
    _, chains, found = read_file(write_text(tmp_path / "x.cif", mmcif("1ABC", [*atoms, *later])))
    assert len(chains) == 1
    np.testing.assert_allclose(found, centred(line, 0), atol=1e-6)


def test_nucleic_acids_are_left_out(tmp_path: Path) -> None:
    atoms = [Atom("DA", i + 1, "P", (5.0 * i, 0.0, 0.0), "N", "P") for i in range(10)]
    for name in ("x.cif", "x.pdb"):
        entry, chains, found = read_file(write_text(tmp_path / name, FORMS[name]("1DNA", atoms)))
        assert (entry, chains, found.shape) == ("1DNA", [], (0, 64, 3))


def test_short_chain_has_no_fragments(tmp_path: Path) -> None:
    path = write_text(tmp_path / "x.cif", mmcif("1ABC", alphas(NAMES[:63], helix(63, 8))))
    assert read_file(path)[1] == [(sha(LETTERS[:63]), 0)]


@pytest.mark.parametrize(
    ("name", "said", "entry"),
    [
        ("other.cif", "4hhb", "4HHB"),
        ("other.pdb", "4HHB", "4HHB"),
        ("pdb4hhb.ent", "", "4HHB"),
        ("PDB4HHB.ENT.gz", "", "4HHB"),
        ("4hhb.pdb.gz", "", "4HHB"),
        ("pdb_00004hhb.cif", "pdb_00004hhb", "4HHB"),
        ("x.cif", "pdb_10004hhb", "PDB_10004HHB"),
        ("mine-3.pdb", "", "MINE-3"),
    ],
)
def test_the_entry_id_is_in_the_file_or_is_the_file_name(tmp_path: Path, name: str, said: str, entry: str) -> None:
    write = mmcif if ".cif" in name else pdb
    assert read_file(write_text(tmp_path / name, write(said, alphas(NAMES[:3], helix(3, 0)))))[0] == entry


def test_entry_ids_are_normalised() -> None:
    assert entry_id(" 1ubq\n") == "1UBQ"
    assert entry_id("pdb_00001ubq") == "1UBQ"
    assert entry_id("pdb_10001ubq") == "PDB_10001UBQ"
    assert entry_id("pdb_0000abcd") == "PDB_0000ABCD"


@pytest.mark.parametrize("name", ["x.cif", "x.pdb", "x.cif.gz", "x.pdb.gz"])
@pytest.mark.parametrize("content", ["", "<html>404</html>", "data_x\n_cell.length_a 1\n"])
def test_file_without_a_structure(tmp_path: Path, name: str, content: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_file(write_text(tmp_path / name, content))


@pytest.mark.parametrize("name", ["x.cif.gz", "x.pdb.gz"])
def test_packed_file_cut_off_anywhere(tmp_path: Path, name: str) -> None:
    path = write_text(tmp_path / name, FORMS[name]("1ABC", alphas(NAMES[:100], helix(100, 9))))
    whole = path.read_bytes()
    for size in (*range(20), *range(20, len(whole), 97), *range(len(whole) - 12, len(whole))):
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match="^it is not a gzip file$" if size < 2 else "^it is cut off$"):
            read_file(path)


@pytest.mark.parametrize("name", ["x.cif.gz", "x.pdb.gz"])
def test_packed_file_with_a_changed_byte(tmp_path: Path, name: str) -> None:
    content = FORMS[name]("1ABC", alphas(NAMES[:100], helix(100, 9))).encode()
    path, stored = tmp_path / name, bytearray(gzip.compress(content, compresslevel=0))  # stored without compression
    path.write_bytes(stored)
    assert read_file(path)[0] == "1ABC"
    stored[stored.rindex(b"LA")] = ord("G")
    path.write_bytes(stored)
    with pytest.raises(ValueError, match=r"^its gzip data is damaged: CRC check failed"):
        read_file(path)
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"^it is not a gzip file$"):
        read_file(path)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("", "it holds no atoms"),
        ("<html>404</html>", "line 1: expected block header (data_)"),
        ("data_x\n_a.b 1\n_a.b 2\n", "line 3 in data_x: duplicate tag _a.b"),
        ("data_x\n_a.b 1\ndata_x\n_a.b 2\n", "duplicate block name: x"),
    ],
)
def test_reason_names_the_line_and_not_the_file(tmp_path: Path, content: str, found: str) -> None:
    for name in ("x.cif", "x.cif.gz"):
        with pytest.raises(ValueError, match=f"^{re.escape(found)}$"):
            read_file(write_text(tmp_path / name, content))
    (tmp_path / "y.cif").mkdir()
    with pytest.raises(ValueError, match=r"^Is a directory$"):
        read_file(tmp_path / "y.cif")


def test_file_cut_off_in_a_row(tmp_path: Path) -> None:
    content = mmcif("1ABC", alphas(NAMES[:100], helix(100, 9)))
    with pytest.raises(ValueError, match=r"^line \d+: Wrong number of values in loop _atom_site\.\*$"):
        read_file(write_text(tmp_path / "x.cif", content[: len(content) * 2 // 3]))


def test_files_at_any_depth(tmp_path: Path) -> None:
    wanted = ["a/b/c/2xyz.pdb.gz", "ab/pdb1abc.ent.gz", "hh/4HHB.cif.gz", "1ubq.CIF", "z.mmcif", "z.ent"]
    others = ["notes.txt", "a/1abc.cif.gz.part", ".1ubq.cif", "1abc.xml.gz", "cif"]
    for name in wanted + others:
        write_text(tmp_path / "pdb" / name, "text")
    (tmp_path / "elsewhere").mkdir()
    write_text(tmp_path / "elsewhere" / "3abc.cif", "text")
    (tmp_path / "pdb" / "mirror").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "loop").symlink_to(tmp_path / "pdb")
    found = structure_files(tmp_path / "pdb")
    assert [file.name for file in found] == sorted([*wanted, "mirror/3abc.cif"])
    assert [file.is_mmcif for file in found] == ["cif" in file.name.lower() for file in found]
    status = [(tmp_path / "pdb" / file.name).stat() for file in found]
    assert [file.size for file in found] == [one.st_size for one in status]


def test_the_version_of_a_replaced_file_is_another_even_at_the_same_time_of_change(tmp_path: Path) -> None:
    path = write_text(tmp_path / "pdb" / "1abc.cif", "text")
    (before,) = structure_files(tmp_path / "pdb")
    times = (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    write_text(tmp_path / "other", "TEXT").replace(path)
    os.utime(path, ns=times)
    (after,) = structure_files(tmp_path / "pdb")
    assert (path.stat().st_mtime_ns, after.size) == (times[1], before.size)
    assert after.version != before.version


def test_a_named_pipe_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pdb").mkdir()
    os.mkfifo(tmp_path / "pdb" / "1abc.cif")
    with pytest.raises(CareBenchError, match=r"cannot read .*1abc.cif: it is not a regular file"):
        structure_files(tmp_path / "pdb")


def test_a_jump_of_the_polymer_numbers_breaks_a_stretch_and_one_of_the_authors_does_not(tmp_path: Path) -> None:
    atoms = alphas(NAMES[:64], helix(64, 4))
    gap = [replace(atom, number=atom.number + (20 if atom.number > 32 else 0)) for atom in atoms]
    text = mmcif("1ABC", gap)
    assert read_file(write_text(tmp_path / "gap.cif", text))[1] == [(sha(LETTERS[:64]), 0)]
    assert read_file(write_text(tmp_path / "gap.pdb", pdb("1ABC", gap)))[1] == [(sha(LETTERS[:64]), 1)]


@pytest.mark.parametrize("said", ["XXXX", "model", "MY PROTEIN"])
def test_a_placeholder_for_the_id_makes_no_entry(tmp_path: Path, said: str) -> None:
    text = mmcif("x", alphas(NAMES[:3], helix(3, 0))).replace("_entry.id x", f"_entry.id '{said}'")
    for name in ("a/model.cif", "b/model.cif"):
        write_text(tmp_path / "pdb" / name, text)
    found = [read(file)[1][0] for file in structure_files(tmp_path / "pdb")]
    assert found == ["A/MODEL", "B/MODEL"]


def test_folders_that_cannot_be_listed(tmp_path: Path) -> None:
    assert structure_files(tmp_path / "pdb") == []
    (tmp_path / "file").write_text("mine")
    with pytest.raises(CareBenchError, match=r"cannot read .*file: Not a directory; expected a readable folder"):
        structure_files(tmp_path / "file")
    (tmp_path / "pdb").mkdir()
    (tmp_path / "pdb" / "1abc.cif").symlink_to(tmp_path / "gone")
    with pytest.raises(CareBenchError, match=r"1abc\.cif is a link to nothing; expected a file, remove the link"):
        structure_files(tmp_path / "pdb")
