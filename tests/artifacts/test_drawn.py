"""Figures kept with a pin: whole, the same bytes for the same figures, and damage in one line."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from care_bench.artifacts import Manifest
from care_bench.artifacts.drawn import Drawn, encode_drawn, read_drawn
from care_bench.artifacts.pin import pin, read_pin, verify_all
from care_bench.errors import CareBenchError

ROOT = Path(__file__).parents[2]
FIGURES = {
    "one": Drawn(b"<svg/>", b"%PDF", b"a,b\n1,2\n"),
    "two": Drawn(b"<svg>2</svg>", b"%PDF2", b"c\n", b"n", "γ over\nepochs. ", "Two lines."),
}


def test_figures_are_read_as_they_were_written(tmp_path: Path) -> None:
    content = encode_drawn(FIGURES)
    assert content == encode_drawn(FIGURES)
    (tmp_path / "figures.zip").write_bytes(content)
    assert read_drawn(tmp_path / "figures.zip") == FIGURES
    with zipfile.ZipFile(tmp_path / "figures.zip") as archive:  # as people open it
        assert archive.namelist() == [
            "one.svg",
            "one.pdf",
            "one.csv",
            "two.svg",
            "two.pdf",
            "two.csv",
            "two.narrow.svg",
            "two.caption.txt",
            "two.alt.txt",
        ]
        assert archive.read("one.csv") == b"a,b\n1,2\n"
        assert archive.read("two.caption.txt").decode() == "γ over\nepochs. "


def test_the_archive_of_an_older_pin_has_no_words() -> None:
    found = read_drawn(ROOT / "results/pinned/cpu-v3/figures.zip")["accuracy"]
    assert found.svg.startswith(b"<?xml")
    assert found.narrow
    assert (found.caption, found.alt) == ("", "")


@pytest.mark.parametrize("damage", ["no archive", "a part is missing", "words that are none"])
def test_damage_is_one_line(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "figures.zip"
    path.write_bytes(b"PK")
    if damage == "a part is missing":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("one.csv", "a\n")
    if damage == "words that are none":
        with zipfile.ZipFile(path, "w") as archive:
            for ending in ("svg", "pdf", "csv"):
                archive.writestr(f"one.{ending}", "")
            archive.writestr("one.alt.txt", b"\xff")
    with pytest.raises(CareBenchError, match=r"^\S+/figures.zip is damaged: .*; expected the figures of a pin$"):
        read_drawn(path)


def test_a_pin_keeps_its_figures_under_its_manifest(results: Path) -> None:
    folder = pin(results, "drawn", "small", lambda found: FIGURES if found.name == "small" else {})
    assert read_pin(folder).figures == FIGURES
    assert "figures.zip" in Manifest.load(folder).files
    content = bytearray((folder / "figures.zip").read_bytes())
    content[40] ^= 1
    (folder / "figures.zip").write_bytes(content)
    with pytest.raises(CareBenchError, match=r"changed \S+/drawn/figures.zip"):
        verify_all(results)
