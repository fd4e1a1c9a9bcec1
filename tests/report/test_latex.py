"""LaTeX: every part, one file per table, no line that is too wide for a two-column paper, and citations."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from care_bench.files import sha256_file
from care_bench.report.build import write_report
from care_bench.report.latex import bibtex, table_files
from care_bench.report.model import Cell, Column, Document, Origin, Section, Table
from care_bench.report.statistics import Summary
from care_bench.report.writers import FORMATS, figure_files
from tests.report.every_part import DOCUMENT, PLAIN, SECTION, SHOWN
from tests.report.laid_out import with_tables

LATEX = (
    r"50\% of a\_b \& c $<$ d $|$ \$e\$ \#1 \{f\} \textasciitilde{} \textasciicircum{} \textbackslash{}g "
    r"{*}h{*} {[}i{]} $\pm$ $\gamma$"
)
IN_FILES = ("Run",)
"""What only the list of evidence shows, which LaTeX does without."""
HEAD = (
    "\\documentclass[twocolumn]{article}\n\\usepackage[T1]{fontenc}\n\\usepackage{booktabs,graphicx}\n"
    "\\extrafloats{100}\n\\begin{document}\n"
)
PDFLATEX = shutil.which("pdflatex")
ORIGIN = Origin("pinned/cpu-v1", "cpu-v1", "2026-01-02", ("1.2.3",), "0123456789abcdef" * 4)


def write_all(document: Document, folder: Path) -> str:
    """Write LaTeX and figures; return the text with its tables."""
    files = {"report.tex": FORMATS["tex"](document)} | table_files(document) | figure_files(document)
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return with_tables(folder)


def check(text: str) -> int:
    """Check that environments and braces are balanced, and rows as wide as their tables; return the number of rows."""
    assert text.isascii()
    assert Counter(re.findall(r"\\begin\{(\w+\*?)\}", text)) == Counter(re.findall(r"\\end\{(\w+\*?)\}", text))
    stripped = re.sub(r"\\[\\{}$]", "", text)
    assert stripped.count("{") == stripped.count("}")
    assert stripped.count("$") % 2 == 0
    checked = 0
    tables = r"^\\begin\{tabular\}\{@\{\}((?:l|r|p\{[^}]*\})+)@\{\}\}\n(.*?)^\\end\{tabular\}$"
    for columns, body in re.findall(tables, text, re.M | re.S):
        for line in body.splitlines():
            if line.endswith((r"\\", r"\tabularnewline")):
                outer = re.sub(r"\\begin\{tabular\}.*?\\end\{tabular\}", "", line)
                spans = sum(int(width) - 1 for width in re.findall(r"\\multicolumn\{(\d+)\}", outer))
                assert len(re.findall(r"(?<!\\)&", outer)) + spans == len(re.sub(r"\{[^}]*\}", "", columns)) - 1
                checked += 1
    return checked


def compiled(folder: Path, body: str) -> str:
    """Return the log of a two-column paper with this body."""
    assert PDFLATEX is not None
    (folder / "main.tex").write_text(f"{HEAD}{body}\n\\end{{document}}\n")
    command = [PDFLATEX, "-interaction=nonstopmode", "-halt-on-error", "main.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, errors="replace")
    assert done.returncode == 0, done.stdout[-3000:]
    return done.stdout


def test_latex_shows_every_part(tmp_path: Path) -> None:
    text = write_all(DOCUMENT, tmp_path)
    assert all(f"{name} {LATEX}" in text for name in SHOWN if name not in (*IN_FILES, "Group", "Header"))
    assert all(name in text for name in PLAIN if name != "record")
    assert r"\textbf{1.50}" in text
    assert "r1" not in text
    assert r"\includegraphics[width=\linewidth]{figures/collected-all--Figure-1.pdf}" in text
    assert r"\texttt{https://example.org/a\_b?c=1\&d=2}" in text
    assert check(text) > 2


def test_a_table_is_a_file_with_caption_label_and_citation() -> None:
    table = Table("Probe accuracy, a_b", ("What it says.",), (Column("", "x"),), ("row",), ((Cell("1.0"),),))
    (name, text), (_, bib) = table_files(Document("", (Section("pinned/cpu-v1", "", (table,), origin=ORIGIN),))).items()
    assert name == "tables/pinned-cpu-v1--Probe-accuracy--a_b.tex"
    assert isinstance(text, str)
    assert isinstance(bib, str)
    assert (
        "\\caption[{Probe accuracy, a\\_b}]{Probe accuracy, a\\_b. What it says. "
        "Results: \\citeresult{pinned/cpu-v1}.}\\label{tab:pinned-cpu-v1--probe-accuracy--a_b}"
    ) in text
    assert "{care\\_bench pin \\texttt{cpu-v1}, SHA-256 \\texttt{0123456789abcdef}}" in text
    assert bib == bibtex(ORIGIN)
    assert bib.startswith("@misc{care-bench-cpu-v1,\n")
    assert all(part in bib for part in ("year = {2026}", "version = {1.2.3}", ORIGIN.sha256))


def test_a_wide_or_high_table_is_cut_into_parts_with_all_cells() -> None:
    columns = tuple(Column("group", f"number {index}") for index in range(20))
    rows = tuple(f"row {index}" for index in range(60))
    cells = tuple(
        tuple(Cell(f"{100 * row + column}.5", Summary(0, 0, 0, 3)) for column in range(20)) for row in range(60)
    )
    table = Table("Large", (), columns, rows, cells)
    (text,) = table_files(Document("", (Section("key", "", (table,)),))).values()
    assert isinstance(text, str)
    labels = re.findall(r"\\label\{([^}]*)\}", text)
    assert len(labels) == len(set(labels)) > 2
    assert sorted(re.findall(r"\b\d+\.5\b", text)) == sorted(cell.text for row in cells for cell in row)
    assert f"part {len(labels)} of {len(labels)}" in text


def test_the_hash_is_that_of_the_manifest(written: Path, tmp_path: Path) -> None:
    write_report(written, tmp_path / "out", ["tex"], console=Console(file=io.StringIO()))
    digest = sha256_file(written / "pinned" / "old" / "MANIFEST.json")
    assert digest in (tmp_path / "out" / "tables" / "pin.bib").read_text()
    assert (tmp_path / "out" / "tables" / "pin.bib").read_text().count("@misc") == 1  # a fresh collection is no pin
    text = with_tables(tmp_path / "out")
    assert f"pin \\texttt{{old}}, SHA-256 \\texttt{{{digest[:16]}}}" in text
    assert "collection, not pinned: \\texttt{small}" in text
    assert "U+" not in text
    assert check(text) > 30


@pytest.mark.skipif(PDFLATEX is None, reason="needs pdflatex")
def test_no_line_is_too_wide_for_a_two_column_paper(written: Path, tmp_path: Path) -> None:
    write_report(written, tmp_path / "out", ["tex"], console=Console(file=io.StringIO()))
    log = compiled(tmp_path / "out", "\\input{report}")
    assert "Overfull \\hbox" not in log
    assert "too large for page" not in log
    without_figures = replace(SECTION, parts=tuple(part for part in SECTION.parts if part.kind != "fold"))
    (tmp_path / "parts").mkdir()
    write_all(Document("Parts", (without_figures,)), tmp_path / "parts")
    assert "Output written on main.pdf" in compiled(tmp_path / "parts", "\\input{report}")


@pytest.mark.skipif(PDFLATEX is None, reason="needs pdflatex")
def test_a_table_of_claims_and_long_labels_fits(tmp_path: Path) -> None:
    words = "of 6 comparisons, 0 are for the claim and 0 against it; top1 of care-moco_v2: its interval has both sides"
    prose = (Column("", "claim", prose=True), Column("", "effect"), Column("", "why", prose=True))
    cells = (Cell(words), Cell("difference -0.1520 [-3.261, 2.957]"), Cell(words, notes=(words,)))
    claims = Table("Claims", (words,), prose, tuple(f"C5-worst-matched-{n}" for n in range(30)), (cells,) * 30)
    names = (
        "distance to uniformity (0 = uniform)",
        "γ, trimmed mean",
        "Wahba over O(d), mean",
        "top-1, paper-small-v1",
    )
    numbers = tuple(Column("relative-equivariance-v1", name, higher_is_better=True) for name in names * 3)
    rows = tuple(f"CARE (SimCLR), released-code fidelity [care-weight-{n}]" for n in range(48))
    bold = (Cell("0.7783 ± 0.0235", Summary(0, 0, 0, 8), bold=True),) * 12
    wide = Table("Wide", (words,), numbers, rows, (bold,) * 48)
    write_all(Document("", (Section("pinned/cpu-v1", "Claims", (claims, wide), origin=ORIGIN),)), tmp_path)
    log = compiled(tmp_path, "\\input{report}")
    assert "Overfull \\hbox" not in log
    assert "too large for page" not in log


def test_columns_of_a_group_stay_together_where_they_fit() -> None:
    """Seven columns fit on a page: the second group of four starts a part; nine fit nowhere and fill what is left."""
    columns = tuple(Column(group, f"number {index}") for group in ("first", "second") for index in range(4))
    wide = tuple(Column("wide", f"number {index}") for index in range(9))
    cells = (tuple(Cell("1.23 ± 0.45") for _ in columns + wide),)
    text = table_files(
        Document("", (Section("collected/all", "", (Table("Large", (), columns + wide, ("row",), cells),)),))
    )["tables/collected-all--Large.tex"]
    assert isinstance(text, str)
    parts = text.split("\\begin{table")[1:]
    shown = [re.findall(r"\\multicolumn\{(\d+)\}\{c\}\{(\w+)\}", part) for part in parts]
    assert shown == [[("4", "first")], [("4", "second"), ("3", "wide")], [("6", "wide")]]
