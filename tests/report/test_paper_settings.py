"""The reference of the paper's settings: which fact applies to what, and the one-line error of each mistake."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from care_bench.errors import CareBenchError
from care_bench.report.paper_settings import Place, applying, canonical, read_facts

HEADER = "dataset,method,key,paper,released_code,note,ours_fixed,why_fixed"
EPOCHS = "digits,*,training.epochs,7,,text,,"


def with_facts(folder: Path, *lines: str, header: str = HEADER) -> Path:
    path = folder / "reference" / "paper_settings.csv"
    path.parent.mkdir()
    path.write_text("\n".join([header, *lines, ""]), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (1e-6, json.loads("0.000001"), True),
        (30, 30.0, True),
        ((512,), [512.0], True),
        ([0.08, 1], (0.08, 1.0), True),
        (True, 1, False),
        ("1", 1, False),
        (0.1, 0.1 + 1e-9, False),
    ],
)
def test_numbers_compare_as_numbers(one: Any, other: Any, equal: bool) -> None:
    assert (canonical(one) == canonical(other)) is equal


def test_the_most_specific_fact_counts_and_method_outranks_data_set(tmp_path: Path) -> None:
    lines = (
        "*,*,key,1,,a,,",
        "digits,*,key,2,,b,,",
        "*,care/*,key,3,,c,,",
        "digits proteins,care/*,key,4,,d,,",
        "*,care/simclr simclr,key,5,,e,,",
    )
    facts = read_facts(with_facts(tmp_path, *lines))

    def paper(*place: str | None) -> list[str | None]:
        return [found.paper for found in applying(facts, Place(*place)).get("key", [])]  # type: ignore[arg-type]

    assert paper("cifar10", "byol", None) == ["1"]
    assert paper("digits", "byol", None) == ["2"]
    assert paper("cifar10", "care", "byol") == ["3"]
    assert paper("proteins", "care", "byol") == ["4"]
    assert paper("digits", "care", "simclr") == ["5"]
    assert paper("digits", "simclr", None) == ["5"]


MISTAKES = [
    ("digits,*,training.epochs,7,,text,", "found 7 columns; expected dataset,"),
    ("dgits,*,training.epochs,7,,text,,", "unknown data set 'dgits': did you mean 'digits'?"),
    ("digits,simclir,training.epochs,7,,text,,", "unknown method 'simclir': did you mean 'simclr'?"),
    ("digits,care/simclir,training.epochs,7,,text,,", "unknown method 'simclir'"),
    ("digits,*/simclr,training.epochs,7,,text,,", "unknown method '*'"),
    ("digits,,training.epochs,7,,text,,", "found no method; expected names with a space between them, or *"),
    ("digits,*,,7,,text,,", "found key '' and note 'text'; expected both"),
    ("digits,*,training.epochs,seven,,text,,", "found paper 'seven'; expected a JSON value, or nothing"),
    ("digits,*,training.epochs,7,NaN,text,,", "found released_code 'NaN'; expected a JSON value"),
    ("digits,*,training.epochs,null,,text,,", "found paper 'null'; expected a JSON value"),
    ("digits,*,training.epochs,7,,text,5,", "found key 'training.epochs' with ours_fixed '5'; expected it for names"),
    ("digits,*,(probe),7,,text,,", "found key '(probe)' with ours_fixed ''; expected it for names in brackets only"),
    (EPOCHS, f"found {EPOCHS!r} again; expected every entry once"),
    ('digits,*,training.epochs,"7"x,,text,,', "',' expected after"),
]


@pytest.mark.parametrize(("line", "message"), MISTAKES)
def test_a_damaged_fact_is_one_line_with_file_and_line(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(CareBenchError) as error:
        read_facts(with_facts(tmp_path, EPOCHS, line))
    assert str(error.value).startswith(f"{tmp_path}/reference/paper_settings.csv:3: {message}")
    assert "\n" not in str(error.value)


def test_a_file_of_another_format_and_a_missing_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(CareBenchError, match=r"cannot read .*paper_settings\.csv: No such file"):
        read_facts(tmp_path)
    with pytest.raises(CareBenchError, match=r"csv:1: found the header \['a', 'b'\]; expected"):
        read_facts(with_facts(tmp_path, header="a,b"))
