from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from care_bench.data import Built, Raw, load, prepare
from care_bench.data.preparing import conversion
from care_bench.data.sources import pdb
from care_bench.errors import CareBenchError
from tests.commands import run_care_bench
from tests.data.large_formats import AMINO, Atom, alphas, helix, mmcif, write_text
from tests.data.large_formats import pdb as pdb_format
from tests.forks import Ended

pytestmark = pytest.mark.usefixtures("read_in_threads")


def sequence(seed: int, residues: int) -> list[str]:
    return np.random.default_rng(seed).choice(AMINO, residues).tolist()


def chain(seed: int, residues: int, name: str = "A", place: int | None = None) -> list[Atom]:
    """Return a helix with its own sequence; ``place`` moves it elsewhere."""
    return alphas(sequence(seed, residues), helix(residues, seed if place is None else place), name)


def in_test_split(entry: str) -> bool:
    """The rule of the split, written again: the sha256 as a decimal number ends in 0."""
    return str(int(hashlib.sha256(entry.encode()).hexdigest(), 16)).endswith("0")


def ids(n: int, test: bool) -> list[str]:
    """Return the first ids of 1AAA, 1AAB and so on that are in a split."""
    every = (f"1{a}{b}{c}" for a in "ABC" for b in "ABCDEFGHIJ" for c in "ABCDEFGHIJ")
    return [entry for entry in every if in_test_split(entry) == test][:n]


TRAIN, TEST = ids(20, False), ids(3, True)


def raw(folder: Path, skip_broken: bool = False) -> Raw:
    return Raw(folder / "raw", folder / "workspace", skip_broken)


def write(folder: Path, name: str, entry: str, atoms: list[Atom]) -> Path:
    content = (pdb_format if ".pdb" in name or ".ent" in name else mmcif)(entry, atoms)
    return write_text(folder / "raw" / "pdb" / name, content)


def entries(built: Built) -> tuple[list[str], list[str]]:
    return built.train.labels["pdb_id"].tolist(), built.test.labels["pdb_id"].tolist()


def digest(built: Built) -> str:
    arrays = [built.train.inputs, built.test.inputs, built.train.labels["pdb_id"], built.test.labels["pdb_id"]]
    return hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)).hexdigest()


def centred(atoms: list[Atom], start: int) -> np.ndarray:
    piece = np.array([atom.position for atom in atoms[start : start + 64]])
    return (piece - piece.mean(axis=0)) / 10


def complaint(where: Raw) -> str:
    with pytest.raises(CareBenchError) as error:
        pdb.build(where)
    assert "\n" not in str(error.value)
    return str(error.value)


def many(folder: Path, n: int = 20) -> None:
    """Write entries of one chain each, in both splits and in nested folders."""
    for index, entry in enumerate([*TRAIN[: n - 3], *TEST]):
        write(folder, f"{entry[1:3].lower()}/{entry.lower()}.cif.gz", entry, chain(index, 70 + 64 * (index % 2)))


def test_fragments_labels_and_splits(tmp_path: Path) -> None:
    long, short, tested = chain(1, 140), chain(2, 64, "B"), chain(3, 70)
    write(tmp_path, "deep/er/b.cif", TRAIN[1], long + short)
    write(tmp_path, "a.ent.gz", TRAIN[0], chain(4, 64))
    write(tmp_path, "c.cif.gz", TEST[0], tested)
    folder = prepare("pdb", tmp_path / "store", tmp_path / "raw")
    assert [path.name for path in folder.parent.iterdir()] == ["pdb"]
    prepared = load("pdb", folder.parent)
    assert prepared.train.labels["pdb_id"].tolist() == [TRAIN[0], TRAIN[1], TRAIN[1], TRAIN[1]]
    assert prepared.test.labels["pdb_id"].tolist() == [TEST[0]]
    expected = [centred(chain(4, 64), 0), centred(long, 0), centred(long, 64), centred(short, 0)]
    np.testing.assert_allclose(prepared.train.inputs, expected, atol=1e-6)
    np.testing.assert_allclose(prepared.test.inputs, [centred(tested, 0)], atol=1e-6)
    assert prepared.meta["selection"].startswith("3 entries from 3 files; left out: 0 files")


def test_a_tenth_of_the_entries_are_in_the_test_split() -> None:
    every = [f"{a}{b}{c}{d}" for a in "123456789" for b in "ABCDEF" for c in "GHIJKL" for d in "0123456789"]
    assert [pdb.is_test(entry) for entry in every] == [in_test_split(entry) for entry in every]
    assert sum(map(pdb.is_test, every)) / len(every) == pytest.approx(0.1, abs=0.02)


def test_chains_with_the_same_sequence_are_kept_once(tmp_path: Path) -> None:
    early, late = TRAIN[0], TEST[0]
    assert sorted([early, late, *TRAIN[5:7]])[0] == early
    twin = chain(1, 64, "B", place=9)  # the same sequence at another place in the same entry
    write(tmp_path, "z.cif", early, chain(1, 64) + twin)  # last by file name, first by id
    write(tmp_path, "a.cif", late, chain(1, 64, place=8) + chain(2, 64, "B"))
    write(tmp_path, "b.cif", TRAIN[6], chain(2, 64, place=7) + chain(3, 65, "B"))
    write(tmp_path, "c.cif", TRAIN[5], chain(1, 63))  # one residue less is another sequence, without a fragment
    built = pdb.build(raw(tmp_path))
    owner = min(late, TRAIN[6])  # the second sequence
    assert entries(built) == ([early, TRAIN[6]] + [TRAIN[6]] * (owner == TRAIN[6]), [late] * (owner == late))
    np.testing.assert_allclose(built.train.inputs[0], centred(chain(1, 64), 0), atol=1e-6)
    assert "3 chains with the sequence of an earlier one" in built.selection


def test_no_sequence_is_in_both_splits(tmp_path: Path) -> None:
    for index, entry in enumerate([*TRAIN[:6], *TEST]):
        write(tmp_path, f"{entry}.cif", entry, chain(index % 4, 64, place=index) + chain(50 + index, 64, "B"))
    built = pdb.build(raw(tmp_path))
    ordered = sorted([*TRAIN[:6], *TEST])
    shared = [[*TRAIN[:6], *TEST].index(entry) % 4 for entry in ordered]
    firsts = {entry for n, entry in enumerate(ordered) if shared[n] not in shared[:n]}
    train, test = entries(built)
    assert train + test == [e for e in (*TRAIN[:6], *TEST) for _ in range(1 + (e in firsts))]


def test_entry_in_two_files_counts_once_and_mmcif_is_preferred(tmp_path: Path) -> None:
    write(tmp_path, "a/x.pdb", TRAIN[0], chain(1, 64))
    write(tmp_path, "b/y.cif", TRAIN[0], chain(2, 64))
    write(tmp_path, "c/z.cif", TRAIN[0], chain(3, 64))
    write(tmp_path, "d/only.pdb", TRAIN[1], chain(4, 64))
    write(tmp_path, f"{TEST[0]}.pdb.gz", "", chain(5, 64))
    built = pdb.build(raw(tmp_path))
    assert entries(built) == ([TRAIN[0], TRAIN[1]], [TEST[0]])
    np.testing.assert_allclose(built.train.inputs, [centred(chain(2, 64), 0), centred(chain(4, 64), 0)], atol=1e-6)
    assert built.selection.startswith(
        "3 entries from 5 files; left out: 2 files of entries that another file holds too, "
    )


def test_entries_without_protein_are_counted(tmp_path: Path) -> None:
    many(tmp_path, 5)
    write(tmp_path, "dna.cif", "9DNA", [Atom("DA", i + 1, "P", (5.0 * i, 0.0, 0.0), "N", "P") for i in range(10)])
    built = pdb.build(raw(tmp_path))
    assert built.skipped == ()
    assert "6 entries from 6 files" in built.selection
    assert "1 entries without a C-alpha of a polymer" in built.selection


def test_without_files_the_message_says_where_they_belong(tmp_path: Path) -> None:
    for _ in range(2):
        found = complaint(raw(tmp_path))
        assert found.startswith(f"{tmp_path}/raw/pdb holds no structures; expected .cif, .mmcif, .pdb or .ent files")
        assert found.endswith(f"run care-bench fetch-pdb IDS.txt --raw {tmp_path}/raw")
        (tmp_path / "raw" / "pdb").mkdir(parents=True, exist_ok=True)


@pytest.mark.parametrize(("train", "test"), [(1, 0), (2, 0), (0, 2)])
def test_a_split_without_entries_is_refused(tmp_path: Path, train: int, test: int) -> None:
    for index, entry in enumerate(TRAIN[:train] + TEST[:test]):
        write(tmp_path, f"{entry}.cif", entry, chain(index, 64))
    write(tmp_path, "short.cif", TEST[2] if train else TRAIN[2], chain(99, 63))  # no fragment
    assert complaint(raw(tmp_path)) == (
        f"{tmp_path}/raw/pdb gives unbroken stretches of 64 residues from {train + test} entries, {train} to train and "
        f"{test} to test; expected some in each split: add entries: one in 10 is for testing"
    )


def test_broken_files_are_named_and_can_be_skipped_repaired_or_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversion, "TASK", 2)
    many(tmp_path, 8)
    whole = digest(pdb.build(raw(tmp_path)))
    bad, worse = (
        write_text(tmp_path / "raw" / "pdb" / name, "<html>404</html>") for name in ("1a/bad.cif", "1b/b.cif")
    )
    files = sorted((tmp_path / "raw" / "pdb").rglob("*.cif*"))
    good = files[4]
    kept = good.read_bytes()
    good.write_bytes(b"")

    again = Raw(tmp_path / "raw", tmp_path / "workspace2")
    found = complaint(again)
    assert found.startswith(f"3 of {len(files)} files cannot be read: ")
    for path in (bad, worse, good):
        assert f"{path} (" in found
        assert f"{path} (" in (again.workspace / "broken.txt").read_text()
    left_out = pdb.build(Raw(again.folder, again.workspace, skip_broken=True))
    assert left_out.skipped == tuple(
        path.relative_to(tmp_path / "raw" / "pdb").as_posix() for path in sorted((bad, worse, good))
    )

    good.write_bytes(kept)
    starts: list[int] = []
    real = conversion.progress
    monkeypatch.setattr(
        conversion, "progress", lambda title, total, start: starts.append(start) or real(title, total, start)
    )
    built = pdb.build(Raw(again.folder, again.workspace, skip_broken=True))
    assert starts == [len(files) - 3]
    assert built.skipped == ("1a/bad.cif", "1b/b.cif")
    assert "8 entries from 8 files" in built.selection
    assert digest(built) == whole
    bad.unlink()
    worse.unlink()
    assert digest(pdb.build(again)) == whole
    assert starts == [len(files) - 3]


def test_number_of_workers_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    many(tmp_path)
    digests = set()
    for workers, task in ((1, 32), (2, 3)):
        monkeypatch.setattr(conversion, "worker_count", lambda workers=workers: workers)
        monkeypatch.setattr(conversion, "TASK", task)
        digests.add(digest(pdb.build(Raw(tmp_path / "raw", tmp_path / f"workspace{workers}"))))
    assert len(digests) == 1


def test_entry_replaced_by_another_of_the_same_size_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversion, "TASK", 2)
    many(tmp_path, 5)
    path = write(tmp_path, "new.ent", TRAIN[7], chain(30, 64))  # columns have a fixed width
    before = path.stat()
    write_text(tmp_path / "raw" / "pdb" / "z.cif", "broken")
    assert complaint(raw(tmp_path)).startswith("1 of 7 ")
    write(tmp_path, "new.ent", TRAIN[7], chain(31, 64))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert path.stat().st_size == before.st_size
    built = pdb.build(raw(tmp_path, skip_broken=True))
    (place,) = np.flatnonzero(built.train.labels["pdb_id"] == TRAIN[7])
    np.testing.assert_allclose(built.train.inputs[place], centred(chain(31, 64), 0), atol=1e-6)


def test_other_files_in_the_folder_do_not_change_the_data(tmp_path: Path) -> None:
    def hashed(store: str, skip_broken: bool = False) -> str:
        prepare("pdb", tmp_path / store, tmp_path / "raw", skip_broken)
        return load("pdb", tmp_path / store).sha256

    for place, entry in enumerate((TRAIN[0], TEST[0])):
        write(tmp_path, f"{entry}.cif", entry, chain(place, 70))
    alone = hashed("alone")
    write(tmp_path, f"again/{TRAIN[0]}.pdb", TRAIN[0], chain(0, 70))
    (tmp_path / "raw" / "pdb" / "broken.cif").write_bytes(b"data_\x00")
    assert hashed("beside", skip_broken=True) == alone
    write(tmp_path, f"{TRAIN[1]}.cif", TRAIN[1], chain(5, 70))
    assert hashed("more", skip_broken=True) != alone


def test_command_refuses_or_keeps_a_set_prepared_without_broken_files(tmp_path: Path) -> None:
    def command(*flags: str) -> Ended:
        return run_care_bench("prepare", "pdb", "--data", tmp_path / "d", "--raw", tmp_path / "raw", *flags)

    for place, entry in enumerate((TRAIN[0], TEST[0])):
        write(tmp_path, f"{entry}.cif", entry, chain(place, 70))
    (tmp_path / "raw" / "pdb" / "broken.cif").write_bytes(b"")
    first = command("--skip-broken").stdout
    assert ", 1 broken files left out (named in meta.json), sha256 " in first
    write(tmp_path, "broken.cif", TRAIN[1], chain(2, 70))
    refused = command()
    assert refused.returncode == 2
    assert f"{tmp_path}/d/pdb was prepared leaving out 1 broken files" in refused.stderr
    kept = command("--skip-broken").stdout
    assert kept == first.replace("left out (", "left out when it was prepared before (")
    shutil.rmtree(tmp_path / "d" / "pdb")
    assert "2 train, 1 test, sha256 " in command().stdout


def test_command_refuses_another_choice_of_entries_than_the_prepared_one(tmp_path: Path) -> None:
    def command(raw_folder: str) -> Ended:
        return run_care_bench("prepare", "pdb", "--data", tmp_path / "d", "--raw", tmp_path / raw_folder / "raw")

    for place, entry in enumerate((TRAIN[0], TEST[0])):
        write(tmp_path / "A", f"{entry}.cif", entry, chain(place, 70))
        write(tmp_path / "B", f"{entry}.cif", entry, chain(place + 5, 70 + 64 * place))
    first = command("A")
    assert first.returncode == 0, first.stderr
    assert command("A").stdout == first.stdout
    other = command("B")
    assert other.returncode == 2
    assert f"{tmp_path}/d/pdb was prepared from other files than {tmp_path}/B/raw holds: " in other.stderr
    assert f"delete {tmp_path}/d/pdb to prepare it from these" in other.stderr
    assert len(other.stderr.splitlines()) == 1
    write(tmp_path / "A", "added.cif", TRAIN[1], chain(9, 70))
    assert "1 new (added.cif)" in command("A").stderr
