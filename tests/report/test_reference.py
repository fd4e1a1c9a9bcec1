"""Files of `reference/`: a mistake is one line that names the file and the line."""

from __future__ import annotations

from pathlib import Path

import pytest

from care_bench.errors import CareBenchError
from care_bench.report.reference import read_reference


def number(row: list[str]) -> int:
    return int(row[0])


def written(folder: Path, text: str) -> Path:
    path = folder / "reference.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_rows_are_parsed_in_their_order(tmp_path: Path) -> None:
    assert read_reference(written(tmp_path, 'a,b\n3,x\n1,"y\nz"\n'), ["a", "b"], number) == [3, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "1: found the header None; expected ['a', 'b']"),
        ("a,c\n", "1: found the header ['a', 'c']; expected ['a', 'b']"),
        ("a,b\n1,x\n2\n", "3: found 1 columns; expected a,b"),
        ("a,b\nx,1\n", "2: invalid literal for int() with base 10: 'x'"),
        ("a,b\n1,x\n1,x\n", "3: found '1,x' again; expected every entry once"),
        ('a,b\n"1"2,x\n', "2: ',' expected after '\"'"),
    ],
)
def test_a_damaged_file_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(CareBenchError) as caught:
        read_reference(path, ["a", "b"], number)
    assert str(caught.value) == f"{path}:{message}"


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(CareBenchError, match=r"cannot read .*no\.csv: No such file"):
        read_reference(tmp_path / "no.csv", ["a"], number)
    path = tmp_path / "latin.csv"
    path.write_bytes(b"a\n\xff\n")
    with pytest.raises(CareBenchError, match=r"latin\.csv is damaged: byte 2 is not UTF-8; expected"):
        read_reference(path, ["a"], number)
    path.unlink()
    path.mkdir()
    with pytest.raises(CareBenchError, match=r"cannot read .*latin\.csv: Is a directory; expected a CSV file"):
        read_reference(path, ["a"], number)
