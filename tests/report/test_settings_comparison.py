"""The value that a setting is compared with, and the profile's reasons for settings that no source knows."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from care_bench.config import parse_profile
from care_bench.report.paper_settings import Fact, canonical
from care_bench.report.settings_comparison import judge
from care_bench.report.settings_table import write_settings

FACTS = """dataset,method,key,paper,released_code,note,ours_fixed,why_fixed
digits,*,training.epochs,7,,text,,
digits,care/*,method.weight,0.01,,text,,
*,*,seeds,,,not printed,,
"""
SIMCLR = {"name": "simclr"}
CARE = {"name": "care", "base": {"name": "simclr"}, "splits": 16, "weight": 0.01}
PROFILE: dict[str, Any] = {
    "profile": "tiny",
    "seeds": [0, 1],
    "datasets": {
        "digits": {
            "preset": "digits",
            "why": {"training.threads": "two | cores", "training.epochs": "short", "method.weight": "a grid"},
            "methods": {
                "simclr": {**SIMCLR, "training": {"threads": 2}},
                "care": CARE,
                "alone": {"name": "uniformity_equivariance", "splits": 16, "weight": 1},
            },
        },
        "tinted_digits": {
            "preset": "tinted_digits",
            "why": {
                "evaluation.augmentations": "as many as the paper",
                "seeds": "intervals need several",
                "method.weight": "tried on the train split",
                "encoder.projector.hidden": "small *images*",
                "training.steps": "trained to the end",
            },
            "methods": {"simclr": SIMCLR, "care": CARE, "care-strong": {**CARE, "weight": 1}},
        },
        "proteins": {"preset": "proteins", "methods": {"simclr": SIMCLR}},
    },
}
Written = tuple[list[dict[str, str]], dict[str, str]]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """Lines of the CSV, and texts by file ending; `txt` is the printed text."""
    reference = tmp_path / "reference" / "paper_settings.csv"
    reference.parent.mkdir()
    reference.write_text(FACTS, encoding="utf-8")
    printed = Console(file=io.StringIO(), width=200)
    files = write_settings(parse_profile(PROFILE, "here"), tmp_path, tmp_path / "out", printed)
    texts = {path.suffix[1:]: path.read_text(encoding="utf-8") for path in files}
    texts["txt"] = printed.file.getvalue()  # type: ignore[attr-defined]
    return list(csv.DictReader(io.StringIO(texts["csv"]))), texts


def lines(written: Written, dataset: str) -> list[tuple[str, ...]]:
    columns = ("key", "paper", "ours", "verdict", "why", "rows", "source")
    return [tuple(line[column] for column in columns) for line in written[0] if line["dataset"] == dataset]


def test_a_data_set_that_is_not_in_the_paper_has_the_reasons_of_the_profile(written: Written) -> None:
    every = "simclr care care-strong"
    assert lines(written, "tinted_digits") == [
        ("method.weight", "", "0.01", "not printed", "tried on the train split", "care", ""),
        ("method.weight", "", "1", "not printed", "tried on the train split", "care-strong", ""),
        ("encoder.projector.hidden", "", "[128]", "not printed", "small *images*", every, ""),
        ("training.steps", "", "null", "not printed", "trained to the end", every, ""),
        ("seeds", "", "[0, 1]", "not printed", "intervals need several", every, ""),
        ("evaluation.augmentations", "", "20", "not printed", "as many as the paper", every, ""),
    ]
    assert lines(written, "proteins") == []


def test_a_setting_that_no_source_knows_has_the_reason_of_the_profile(written: Written) -> None:
    assert lines(written, "digits") == [
        ("method.weight", "0.01", "0.01", "as the paper", "", "care", "text"),
        ("training.epochs", "7", "30", "differs", "short", "simclr care alone", "text"),
        ("training.threads", "", "2", "not printed", "two | cores", "simclr", ""),
        ("training.threads", "", "1", "not printed", "two | cores", "care alone", ""),
        ("seeds", "", "[0, 1]", "not printed", "no reason given", "simclr care alone", "not printed"),
    ]


def test_every_format_shows_the_reasons(written: Written) -> None:
    texts = written[1]
    assert set(texts) == {"csv", "md", "html", "txt"}
    assert all("tried on the train split" in text for text in texts.values())
    for suffix in ("md", "html", "txt"):
        assert "Not a data set of the paper; settings with a reason: 6." in texts[suffix]
        assert "Not a data set of the paper." in texts[suffix], "the proteins have no reasons"
    (row,) = (line for line in texts["md"].splitlines() if line.startswith("| `encoder.projector.hidden`"))
    assert [cell.strip() for cell in row.split("|")[1:-1]] == [
        *("`encoder.projector.hidden`", "–", "–", r"\[128\]", r"small \*images\*", "all", "–"),
    ]


def fact(paper: Any, code: Any, why: str = "") -> Fact:
    values = [None if value is None else canonical(value) for value in (paper, code)]
    return Fact(("*",), ("*",), "key", values[0], values[1], "note", None, why)


@pytest.mark.parametrize(
    ("facts", "ours", "released", "expected"),
    [
        ([fact(0.01, 0.03)], 0.01, False, "as the paper"),
        ([fact(0.01, 0.03)], 0.03, True, "as the released code"),
        ([fact(0.01, 0.03)], 0.03, False, "differs: ours"),
        ([fact(0.01, 0.03)], 0.01, True, "differs: ours"),
        ([fact(0.01, 0.01)], 0.01, True, "as the paper"),
        ([fact(0.01, None)], 0.01, True, "as the paper"),
        ([fact(0.01, None)], 0.02, True, "differs: ours"),
        ([fact(None, 3)], 3, False, "as the released code"),
        ([fact(None, 3)], 3, True, "as the released code"),
        ([fact(None, 3)], 5, False, "differs: ours"),
        ([fact(None, None)], 5, False, "not printed: ours"),
        ([fact(1, None), fact(2, None)], 2, False, "as the paper"),
        ([fact(1, 2), fact(2, None)], 2, True, "as the released code"),
        ([fact(1, None), fact(None, None)], 3, False, "not printed: ours"),
        ([fact(1, None), fact(None, None)], 1, False, "as the paper"),
        ([fact(1, None), fact(2, None)], 3, False, "differs: ours"),
    ],
)
def test_the_source_that_a_value_is_compared_with(facts: list[Fact], ours: Any, released: bool, expected: str) -> None:
    _, verdict = judge(facts, canonical(ours), released, "ours")
    assert ": ".join(filter(None, verdict)) == expected


def test_the_reason_of_the_profile_comes_first_then_that_of_the_fact() -> None:
    whys = [judge([fact(1, None, "fixed")], "2", False, why)[1].why for why in ("ours", None)]
    assert [*whys, judge([fact(1, None)], "2", False, None)[1].why] == ["ours", "fixed", "no reason given"]
