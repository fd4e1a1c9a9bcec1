from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from care_bench.artifacts import LedgerRow, read_ledger, write_ledger
from care_bench.errors import CareBenchError

STUCK = {
    "kind": "saddle",
    "count": 2,
    "lowest_loss": 0.25,
    "highest_loss": 4.0,
    "gradient": 1e-9,
    "negative": 1,
    "zero": 2,
    "positive": 3,
}
CONTENT: dict[str, Any] = {
    "id": "prop-3",
    "statement": "A small loss leaves a small residual: at most (1 + √2) ‖A†‖ ε².",
    "source": "Prop. 3",
    "examples": 40,
    "worst_residual": 0.125,
    "tightest_ratio": 0.5,
    "ratio_quartiles": [0.1, 0.2, 0.3],
    "counterexample": 2.0,
    "starts": {"count": 3, "stuck": [STUCK]},
    "smallest_case": "n=2 d=1 seed=0",
    "verdict": "holds with assumption: the embeddings span R^d",
    "seconds": 1.25,
    "code_version": "0.1.0+g0123456789ab",
}


def line(**changes: Any) -> str:
    return json.dumps({**CONTENT, **changes})


def row(**changes: Any) -> LedgerRow:
    return LedgerRow.model_validate_json(line(**changes))


def test_the_id_is_the_hash_of_the_canonical_json() -> None:
    canonical = json.dumps(CONTENT, sort_keys=True, separators=(",", ":")).encode()
    digest = hashlib.sha256(canonical).hexdigest()
    assert row().sha256 == digest
    assert row().id == "t" + digest[:10]
    assert row().name == "prop-3"


@pytest.mark.parametrize(
    "change", [{"examples": 41}, {"worst_residual": 0.25}, {"seconds": 1.5}, {"code_version": "2"}]
)
def test_any_change_changes_the_id(change: dict[str, Any]) -> None:
    assert row(**change).id != row().id


def test_written_rows_are_read_back_unchanged(tmp_path: Path) -> None:
    equality = row(id="cor-3", tightest_ratio=None, ratio_quartiles=None, verdict="holds", worst_residual=0.1 + 0.2)
    nothing = dict.fromkeys(("worst_residual", "tightest_ratio", "counterexample", "starts", "smallest_case"))
    broken = row(id="a", verdict="violated", examples=0, **nothing)
    rows = [row(), equality, broken]
    write_ledger(tmp_path / "ledger.jsonl", rows)
    assert read_ledger(tmp_path / "ledger.jsonl") == rows
    *lines, closing = (tmp_path / "ledger.jsonl").read_bytes().splitlines(keepends=True)
    assert [json.loads(line)["id"] for line in lines] == ["prop-3", "cor-3", "a"]
    assert [json.loads(line)["sha256"] for line in lines] == [row.sha256 for row in rows]
    assert json.loads(closing) == {"rows": 3, "sha256": hashlib.sha256(b"".join(lines)).hexdigest()}


@pytest.mark.parametrize(
    ("verdict", "outcome"),
    [
        ("holds", "holds"),
        ("holds with assumption: full rank: no less", "holds with assumption"),
        ("counterexample to the text as printed: d - 1 ones, not n - 1", "counterexample to the text as printed"),
        ("violated", "violated"),
    ],
)
def test_the_outcome_is_the_verdict_without_its_details(verdict: str, outcome: str) -> None:
    assert row(verdict=verdict).outcome == outcome


@pytest.mark.parametrize(
    "change",
    [
        {"worst_residual": float("nan")},
        {"worst_residual": float("inf")},
        {"worst_residual": -1.0},
        {"worst_residual": "0.1"},
        {"worst_residual": None, "counterexample": None},
        {"counterexample": -1.0},
        {"counterexample": None, "verdict": "counterexample to the text as printed: d - 1 ones"},
        {"starts": {"count": 1, "stuck": [STUCK]}},
        {"starts": {"count": 0, "stuck": []}},
        {"starts": {"count": 3, "stuck": [{**STUCK, "negative": -1}]}},
        {"starts": {"count": 3, "stuck": [{**STUCK, "colour": "red"}]}},
        {"tightest_ratio": -0.5},
        {"ratio_quartiles": [0.1, 0.2]},
        {"examples": 0},
        {"examples": 1.5},
        {"examples": -1},
        {"id": "Prop. 3"},
        {"statement": ""},
        {"source": None},
        {"verdict": "true"},
        {"verdict": "holds: always"},
        {"verdict": "holds with assumption"},
        {"verdict": "not observed", "examples": 0},
        {"verdict": "holds", "examples": 0, "worst_residual": None, "counterexample": None},
        {"seconds": -1.0},
        {"colour": "red"},
    ],
    ids=str,
)
def test_an_invalid_row_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        row(**change)


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    write_ledger(tmp_path / "ledger.jsonl", [row(id="a"), row(), row(id="b")])
    return tmp_path / "ledger.jsonl"


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda text: text[: len(text) // 2], "is damaged: "),
        (lambda text: text.replace(b'"examples":40', b'"examples":"40"'), "damaged ledger row: examples"),
        (lambda text: text.replace(b'"source":"Prop. 3",', b""), "source: Field required"),
        (lambda text: text.replace(b'"id":"prop-3"', b'"name":"prop-3"'), "damaged ledger row: id"),
        (lambda text: text.replace(b"0.125", b"Infinity"), "worst_residual"),
        (lambda text: text.replace(b"prop-3", b"prop-\xff"), "is not UTF-8"),
        (lambda text: text.replace(b"0.125", b"0.126"), "the ledger row was changed after it was written"),
        (lambda text: text.replace(b",", b", ", 1), "the ledger row was changed after it was written"),
        (lambda text: text.replace(b'"sha256":', b'"sha255":'), "sha255"),
        (lambda text: re.sub(rb'"sha256":"\w+"', b'"sha256":"0"', text), "the ledger row was changed"),
        (lambda text: b"", "is damaged: "),
        (lambda text: b"[]", "found list"),
        (lambda text: b"[" * 100_000, "nested too deeply"),
    ],
)
def test_a_damaged_or_edited_line_is_named(ledger: Path, damage: Callable[[bytes], bytes], expected: str) -> None:
    lines = ledger.read_bytes().split(b"\n")
    assert damage(lines[1]) != lines[1]
    ledger.write_bytes(b"\n".join([lines[0], damage(lines[1]), *lines[2:]]))
    with pytest.raises(CareBenchError) as caught:
        read_ledger(ledger)
    assert re.match(rf"{ledger}:2(:| is damaged)", str(caught.value))
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a, b, c, end: [a, b, end], ":3: the closing line does not fit the rows before it"),
        (lambda a, b, c, end: [b, a, c, end], ":4: the closing line does not fit the rows before it"),
        (lambda a, b, c, end: [a, b, c], ":4: the closing line is missing"),
        (lambda a, b, c, end: [a, b, c, end.replace("3", "4", 1)], ":4: the closing line does not fit"),
        (lambda a, b, c, end: [a, b, c, end, end], ":4: damaged ledger row"),
        (lambda a, b, c, end: [a, b, c, end, ""], ":4: damaged ledger row"),
        (lambda a, b, c, end: [a, b, a, c, end], ":3: found statement a again; expected it in line 1 only"),
        (lambda a, b, c, end: [end], ":1: found an empty ledger"),
    ],
)
def test_rows_that_were_removed_added_or_moved_are_noticed(
    ledger: Path, change: Callable[..., list[str]], message: str
) -> None:
    ledger.write_text("".join(f"{line}\n" for line in change(*ledger.read_text().splitlines())))
    with pytest.raises(CareBenchError) as caught:
        read_ledger(ledger)
    assert str(caught.value).startswith(f"{ledger}{message}")


def test_an_empty_ledger_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ledger.jsonl").write_bytes(b"")
    with pytest.raises(CareBenchError, match=r"ledger\.jsonl:1: found an empty ledger"):
        read_ledger(tmp_path / "ledger.jsonl")


def test_a_ledger_with_fewer_columns_is_of_an_earlier_version(tmp_path: Path) -> None:
    earlier = {key: value for key, value in CONTENT.items() if key not in ("counterexample", "starts")}
    (tmp_path / "ledger.jsonl").write_text(json.dumps(earlier, separators=(",", ":")) + "\n")
    with pytest.raises(CareBenchError, match=r"ledger\.jsonl:1: the ledger comes from an earlier version"):
        read_ledger(tmp_path / "ledger.jsonl")


def test_a_row_of_counterexamples_alone_is_valid() -> None:
    only = {"worst_residual": None, "verdict": "counterexample to the text as printed: d - 1 ones"}
    assert row(**only).counterexample == 2
    assert row().starts.stuck_count == 2


def test_a_ledger_of_an_earlier_version_is_named(tmp_path: Path) -> None:
    (tmp_path / "ledger.jsonl").write_text(line() + "\n")
    with pytest.raises(CareBenchError, match=r"ledger\.jsonl:1: the ledger row lacks its sha256: it comes from an ear"):
        read_ledger(tmp_path / "ledger.jsonl")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CareBenchError, match=r"cannot read .*no\.jsonl: No such file"):
        read_ledger(tmp_path / "no.jsonl")
