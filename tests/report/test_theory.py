"""The ledger of the theory checks as the last section of a report."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from care_bench.artifacts import LedgerRow, read_ledger, write_ledger
from care_bench.errors import CareBenchError
from care_bench.report.build import write_report
from care_bench.report.terminal import LOG_WIDTH
from care_bench.report.writers import FORMATS
from tests.commands import run_report
from tests.report.page import Page

ROOT = Path(__file__).parents[2]
VERSION = "0.1.0+g0123456789ab"


def row(name: str, **changes: Any) -> LedgerRow:
    content = {
        "id": name,
        "statement": "Equal Gram matrices A Aᵀ = B Bᵀ mean that A = B R with one R in O(d).",
        "source": "Cor. 3",
        "examples": 40,
        "worst_residual": 1.5e-13,
        "tightest_ratio": None,
        "ratio_quartiles": None,
        "counterexample": None,
        "starts": None,
        "smallest_case": "n=1 d=1 seed=0",
        "verdict": "holds",
        "seconds": 0.5,
        "code_version": VERSION,
    }
    return LedgerRow.model_validate_json(json.dumps({**content, **changes}))


STUCK = [
    {"kind": kind, "count": count, "lowest_loss": 0.25, "highest_loss": 4, "gradient": 1e-9}
    | {"negative": negative, "zero": 2, "positive": 9}
    for kind, count, negative in (("local minimum", 2, 0), ("saddle", 1, 3))
]
ROWS = [
    row("cor-3"),
    row(
        "prop-3",
        statement="A loss of at most ε⁴ leaves a residual of at most (1 + √2) ‖A†‖ ε² | n_i & 100%.",
        source="Prop. 3",
        examples=200,
        worst_residual=0.0625,
        tightest_ratio=0.8125,
        ratio_quartiles=[0.125, 0.25, 0.5],
        verdict="holds with assumption: A has full rank <d>",
    ),
    row(
        "cor-2-printed",
        source="Cor. 2",
        worst_residual=None,
        tightest_ratio=1.5,
        counterexample=1.25,
        verdict="counterexample to the text as printed: the constant lacks ‖Ā†‖",
        smallest_case="n=3 d=2 seed=7 [worst] *of all*",
    ),
    row("point-6", examples=0, worst_residual=None, smallest_case=None, verdict="violated"),
    row("minima", worst_residual=0, starts={"count": 8, "stuck": STUCK}),
]


def write_rows(results: Path, *rows: LedgerRow) -> Path:
    path = results / "theory" / "ledger.jsonl"
    write_ledger(path, rows)
    return path


@pytest.fixture
def ledger(results: Path) -> Path:
    return write_rows(results, *ROWS)


def written(results: Path, suffix: str, console: Console | None = None, **options: Any) -> str:
    console = console or Console(file=io.StringIO())
    (path,) = write_report(results, formats=[suffix], console=console, print_all=True, **options)
    return path.read_text(encoding="utf-8")


def theory_part(text: str, suffix: str) -> tuple[str, str]:
    """Return the table of the theory and its evidence."""
    start = {"md": "\n## Theory checks", "html": '<h2 id="theory">'}[suffix]
    evidence = {"md": "\n## Evidence, theory", "html": '<h2 id="theory--evidence">'}[suffix]
    assert text.count(start) == text.count(evidence) == 1
    table, _, found = text.partition(start)[2].partition(evidence)
    return table, found


@pytest.mark.parametrize("suffix", ["md", "html"])
def test_every_row_is_cited_with_its_hash_and_code_version(results: Path, ledger: Path, suffix: str) -> None:
    table, evidence = theory_part(written(results, suffix), suffix)
    rows = read_ledger(ledger)
    assert sorted(set(re.findall(r"\bt[0-9a-f]{10}\b", table))) == sorted(row.id for row in rows)
    for row in rows:
        (block,) = (block for block in re.split(r"\n(?=<tr id|\||\\noindent)", evidence) if row.id in block)
        assert row.sha256[:12] in block.replace(row.id, "", 1)
        assert VERSION in block


def test_the_theory_comes_after_the_collections_and_before_the_evidence(results: Path, ledger: Path) -> None:
    headings = [text for text in written(results, "md").splitlines() if text.startswith("## ")]
    assert headings == [
        "## Collection collected/small",
        "## Collection pinned/old",
        "## Theory checks",
        "## Glossary",
        "## Records, collected/small",
        "## Records, pinned/old",
        "## Evidence, theory",
    ]


def test_markdown_rows_say_what_the_ledger_says(results: Path, ledger: Path) -> None:
    table, evidence = theory_part(written(results, "md"), "md")
    lines = [text for text in table.splitlines() if text.startswith("|")]
    rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", text)[1:-1]] for text in lines]
    ids = [row.id for row in read_ledger(ledger)]
    numbers = ["examples", "worst residual", "tightest ratio", "counterexample", "stuck starts"]
    assert rows[0] == ["", "statement", "verdict", *numbers]
    assert [text.endswith(":") for text in rows[1]] == [False] * 3 + [True] * 5  # flush right
    assert [row[0] for row in rows[2:]] == ["cor-3", "prop-3", "cor-2-printed", "point-6", "minima"]
    marks = [f"<sup>{number}</sup>" for number in range(6)]
    assert rows[2][2:] == [f"holds<br><sub>{ids[0]}</sub>", "40", "1.5e-13", *marks[1:4]]
    text = "A loss of at most ε⁴ leaves a residual of at most (1 + √2) ‖A†‖ ε² \\| n_i &amp; 100%."
    assert rows[3][1] == f"Prop. 3: {text}"
    assert rows[3][2].startswith("holds with assumption: A has full rank &lt;d&gt;<br>")
    assert rows[3][3:] == ["200", "0.0625", "0.8125", *marks[2:4]]
    assert rows[4][4:] == [marks[4], "1.500", "1.250", marks[3]]
    assert rows[5][3:] == ["0", marks[5], marks[5], *marks[2:4]]
    assert rows[6][4:] == ["0", *marks[1:3], "3 of 8"]
    reasons = (
        "the statement sets no bound",
        "no counterexample was looked for",
        "nothing is minimised",
        "all examples are counterexamples",
        "no example was measured",
    )
    assert "<br>\n".join(f"<sup>{number}</sup> {reason}" for number, reason in enumerate(reasons, start=1)) in table
    assert "- Statements: 5; examples: 320; code version 0.1.0+g0123456789ab." in table
    counts = "violated: 1; holds: 2; holds with assumption: 1; counterexample to the text as printed: 1"
    assert f"- Verdicts: {counts}." in table
    assert "n=3 d=2 seed=7 \\[worst\\] \\*of all\\*" in evidence
    assert "quartiles 0.125, 0.25, 0.5" in evidence
    ended = "loss 0.25 to 4, gradient at most 1e-09, eigenvalues of the Hessian"
    assert f"2 local minimum: {ended} 0 negative, 2 zero, 9 positive; 1 saddle: {ended} 3 negative" in evidence


def test_csv_has_the_numbers_at_full_precision(results: Path, ledger: Path) -> None:
    rows = [row for row in csv.DictReader(io.StringIO(written(results, "csv"))) if row["collection"] == "theory"]
    found = {(row["row"], row["column"]): row for row in rows}
    assert len(found) == len(rows) == 5 * 7
    assert {row["source"] for row in rows} == {"theory"}
    assert float(found["cor-3", "worst residual"]["value"]) == 1.5e-13
    assert float(found["prop-3", "tightest ratio"]["value"]) == 0.8125
    assert found["prop-3", "examples"]["value"] == "200"
    assert found["cor-3", "tightest ratio"]["reason"] == "the statement sets no bound"
    assert found["point-6", "worst residual"]["reason"] == "no example was measured"
    assert found["cor-2-printed", "verdict"]["text"].endswith("the constant lacks ‖Ā†‖")
    assert [found[row.name, "verdict"]["ids"] for row in read_ledger(ledger)] == [row.id for row in read_ledger(ledger)]


def test_latex_has_every_statement_in_a_table(results: Path, ledger: Path) -> None:
    write_rows(results, *ROWS, *(row(f"more-{number}") for number in range(20)))
    path = results / "report" / "all" / "tables" / "theory--Theory-checks.tex"
    assert "\\input{tables/theory--Theory-checks}" in written(results, "tex")
    text = path.read_text()
    assert text.isascii()
    assert "U+" not in text
    assert all(text.count(f"more-{number} &") >= 1 for number in range(20))
    assert "holds with assumption: A has full rank $<$d$>$" in text


def test_html_links_lead_to_the_evidence(results: Path, ledger: Path) -> None:
    text = written(results, "html")
    page = Page(text)
    assert len(page.ids) == len(set(page.ids))
    assert {link.removeprefix("#") for link in page.links if link.startswith("#")} <= set(page.ids)
    assert {f"#s2-{row.id}" for row in read_ledger(ledger)} <= set(page.links)
    assert "full rank &lt;d&gt;" in text
    assert all(f'title="{row.sha256}"' in text for row in read_ledger(ledger))


def test_the_terminal_shows_every_row(results: Path, ledger: Path) -> None:
    shown = io.StringIO()
    written(results, "md", Console(file=shown, width=LOG_WIDTH))
    table = shown.getvalue().partition("\nTheory checks\n")[2].partition("\nGlossary\n")[0]
    assert max(map(len, shown.getvalue().splitlines()[:-1])) <= LOG_WIDTH
    for row in read_ledger(ledger):
        assert row.name in table
        assert row.id in table
    assert "the constant lacks" in table
    assert "0.8125" in table
    assert len(re.findall(r"\bprop-3\b", table)) == 1  # the table is not split into parts


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_the_table_fits_any_terminal(results: Path, ledger: Path, width: int) -> None:
    shown = io.StringIO()
    written(results, "md", Console(file=shown, width=width))
    table = shown.getvalue().partition("\nTheory checks\n")[2].partition("\nGlossary\n")[0]
    assert max(map(len, table.splitlines())) <= width
    assert all(row.id in table for row in read_ledger(ledger))


def test_a_report_on_one_collection_has_the_theory_too(results: Path, ledger: Path) -> None:
    text = written(results, "md", collection="small")
    assert "## Theory checks" in text
    assert "pinned/old" not in text


def test_the_theory_is_shown_without_a_collection(tmp_path: Path) -> None:
    write_rows(tmp_path, *ROWS)
    headings = [text for text in written(tmp_path, "md").splitlines() if text.startswith("## ")]
    assert headings == ["## Theory checks", "## Evidence, theory"]
    with pytest.raises(CareBenchError, match="no collection in"):
        write_report(tmp_path, collection="small")


def test_uncommitted_code_is_named(tmp_path: Path) -> None:
    write_rows(tmp_path, row("a", code_version=f"{VERSION}.dirty"))
    assert "not committed (.dirty)" in written(tmp_path, "md")


@pytest.mark.parametrize("suffix", sorted(FORMATS))
def test_without_a_ledger_the_report_has_no_theory_section(results: Path, ledger: Path, suffix: str) -> None:
    assert "heory checks" in written(results, suffix)
    ledger.unlink()
    assert "heory" not in written(results, suffix)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[:40], " is damaged: Unterminated string"),
        (lambda text: text.replace("0.0625", '"small"'), ": damaged ledger row: worst_residual"),
        (lambda text: text.replace("0.0625", "0.0626"), ": the ledger row was changed after it was written"),
        (lambda text: "[" * 100_000, " is damaged: it is nested too deeply"),
    ],
)
def test_a_damaged_ledger_is_one_line_with_file_and_line(
    results: Path, ledger: Path, damage: Callable[[str], str], message: str
) -> None:
    lines = ledger.read_text().splitlines()
    assert damage(lines[1]) != lines[1]
    ledger.write_text("\n".join([lines[0], damage(lines[1]), *lines[2:], ""]))
    done = run_report(results)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"care_bench.report: {ledger}:2{message}")
    assert done.stderr.count("\n") == 1
    assert not (results / "report").exists()
