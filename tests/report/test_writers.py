"""Every format shows every kind of part, escaped; HTML and LaTeX are well-formed."""

from __future__ import annotations

import csv
import io
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from urllib.parse import unquote

import pytest
from rich.console import Console

from care_bench.report.build import write_report
from care_bench.report.model import (
    Cell,
    Column,
    Document,
    Figure,
    Fold,
    Link,
    Note,
    Paragraph,
    Section,
    Statements,
    Table,
    texts,
)
from care_bench.report.terminal import print_document, publish
from care_bench.report.writers import FORMATS, csv_text, figure_files
from tests.report.page import Page

SPECIAL = "50% of a_b & c < d | $e$ #1 {f} ~ ^ \\g *h* [i] ± γ"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="2" height="2"><rect width="2" height="2"/></svg>'
PDF = b"%PDF-1.4 made up"
TABLE = Table(
    f"Table {SPECIAL}",
    (f"Caption {SPECIAL}.",),
    (Column("", "number", "%", True), Column(f"Group {SPECIAL}", f"Header {SPECIAL}", prose=True)),
    (f"Row {SPECIAL}", "blank"),
    (
        (Cell("1.50", bold=True, ids=("r1", "r2", "r3"), quoted=1.5), Cell(f"Cell {SPECIAL}", notes=(SPECIAL,))),
        (Cell(notes=(f"Reason {SPECIAL}",)), Cell("plain")),
    ),
    corner="Corner",
)
FIGURE = Figure("Figure 1", f"Figure caption {SPECIAL}", f"Alternative {SPECIAL}", SVG, PDF, csv_text(("x",), [(1,)]))
EVIDENCE = Table(
    "",
    (),
    texts(("run", "sha256")),
    ("r1", "r2", "r3"),
    tuple((Cell(f"Run {SPECIAL}"), Cell("abc", whole="abcdef")) for _ in range(3)),
    corner="record",
)
FOLDED = Table("Folded", (), texts(("a",)), ("b",), ((Cell("folded cell"),),))
SECTION = Section(
    "collected/all",
    f"Section {SPECIAL}",
    (
        Statements((f"Statement {SPECIAL}", "with `code`")),
        Paragraph(f"Paragraph {SPECIAL}"),
        TABLE,
        Fold(
            f"Fold {SPECIAL}",
            (
                Note(f"Note {SPECIAL}"),
                FIGURE,
                Fold("Inner fold", (FOLDED,)),
            ),
        ),
        Link("Link text", "https://example.org/a_b?c=1&d=2"),
        Statements((f"Absent {SPECIAL}",), "Not here"),
    ),
    EVIDENCE,
)
DOCUMENT = Document(f"Document {SPECIAL}", (SECTION,), (Paragraph("Opening words."),))
MARKDOWN = r"50% of a_b &amp; c &lt; d \| $e$ #1 {f} ~ ^ \\g \*h\* \[i\] ± γ"
LATEX = (
    r"50\% of a\_b \& c $<$ d $|$ \$e\$ \#1 \{f\} \textasciitilde{} \textasciicircum{} \textbackslash{}g "
    r"{*}h{*} {[}i{]} $\pm$ $\gamma$"
)
SHOWN = (
    *("Document", "Table", "Caption", "Group", "Header", "Row", "Cell", "Reason", "Figure caption", "Section"),
    *("Statement", "Paragraph", "Fold", "Note", "Absent", "Run"),
)
PLAIN = ("Opening words.", "Inner fold", "folded cell", "Link text", "Not here", "Corner", "record", "1.50")
LATEX_COMMAND = next((name for name in ("pdflatex", "tectonic") if shutil.which(name)), None)


@pytest.fixture(scope="module")
def files(written: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The sample report."""
    paths = write_report(written, tmp_path_factory.mktemp("out"), console=Console(file=io.StringIO()))
    return {path.suffix[1:]: path.read_text(encoding="utf-8") for path in paths}


def test_markdown_shows_every_part() -> None:
    text = FORMATS["md"](DOCUMENT)
    assert all(f"{name} {MARKDOWN}" in text for name in SHOWN)
    assert all(name in text for name in PLAIN)
    assert "**1.50**<br><sub>r1 r2 r3</sub>" in text
    assert "- with `code`\n" in text
    assert f"<details>\n<summary>Fold {MARKDOWN}</summary>\n\n> Note {MARKDOWN}\n" in text
    assert text.count("</details>") == text.count("<details>") == 2
    assert f"![Alternative {MARKDOWN}](figures/collected-all--Figure-1.svg)" in text
    assert "[Data](figures/collected-all--Figure-1.csv)" in text
    assert "[Link text](https://example.org/a_b?c=1&amp;d=2)" in text
    assert f"<sup>1</sup> {MARKDOWN}<br>\n<sup>2</sup> Reason {MARKDOWN}\n" in text
    assert "\n\n\n" not in text
    assert text.endswith("|\n")


def test_latex_shows_every_part() -> None:
    text = FORMATS["tex"](DOCUMENT)
    assert text.isascii()
    assert all(f"{name} {LATEX}" in text for name in SHOWN)
    assert all(name in text for name in PLAIN if name != "record")  # evidence is a list of paragraphs
    assert r"\textbf{1.50} \\ \tiny r1 r2 \\ \tiny r3\end{tabular}" in text
    assert r"\includegraphics[width=\linewidth]{figures/collected-all--Figure-1.pdf}" in text
    assert r"\texttt{https://example.org/a\_b?c=1\&d=2}" in text
    _check_latex(text)


def test_html_shows_every_part() -> None:
    text = FORMATS["html"](DOCUMENT)
    page = Page(text)
    assert all(f"{name} {SPECIAL}" in page.text for name in SHOWN)
    assert all(name in page.text for name in PLAIN)
    assert "with <code>code</code>" in text
    assert text.count("<details>") == 2
    ((tag, address),) = page.loaded
    assert (tag, unquote(address or "")) == ("img", "data:image/svg+xml," + SVG.decode().replace('"', "'"))
    assert "figures/collected-all--Figure-1.csv" in page.links
    assert "https://example.org/a_b?c=1&d=2" in page.links
    assert 'title="abcdef"' in text
    _check_anchors(page)


def test_csv_has_every_cell() -> None:
    rows = list(csv.DictReader(io.StringIO(FORMATS["csv"](DOCUMENT))))
    assert [(row["table"], row["value"], row["text"], row["bold"], row["ids"], row["reason"]) for row in rows] == [
        (TABLE.title, "1.5", "1.50", "1", "r1 r2 r3", ""),
        (TABLE.title, "", f"Cell {SPECIAL}", "0", "", SPECIAL),
        (TABLE.title, "", "", "0", "", f"Reason {SPECIAL}"),
        (TABLE.title, "", "plain", "0", "", ""),
        ("Folded", "", "folded cell", "0", "", ""),
    ]
    assert {row["collection"] for row in rows} == {"collected/all"}


def test_the_terminal_shows_every_part() -> None:
    shown = io.StringIO()
    print_document(DOCUMENT, Console(file=shown, width=1000))
    text = shown.getvalue()
    broken, in_files = {"Group", "Header", "Cell"}, {"Run"}
    assert all(f"{name} {SPECIAL}" in text for name in set(SHOWN) - broken - in_files)
    assert all(f"{name} 50% of" in text for name in broken)
    assert all(name in text for name in PLAIN if name != "record")
    assert f"Alternative {SPECIAL}" in text
    assert "*1.50*" in text
    assert "https://example.org/a_b?c=1&d=2" in text


def test_figures_are_written_next_to_the_document(tmp_path: Path) -> None:
    name = "figures/collected-all--Figure-1"
    assert figure_files(DOCUMENT) == {f"{name}.svg": SVG, f"{name}.pdf": PDF, f"{name}.csv": "x\n1\n"}
    publish(tmp_path / "a", "report", {"report.md": "text", **figure_files(DOCUMENT)})
    assert (tmp_path / "a" / f"{name}.svg").read_bytes() == SVG
    assert (tmp_path / "a" / "report.md").read_text() == "text"


@pytest.mark.parametrize("suffix", sorted(FORMATS))
def test_an_empty_document_and_an_empty_table_can_be_written(suffix: str) -> None:
    empty = Table("Nothing", (), texts(("a",)), (), ())
    text = FORMATS[suffix](Document("Title", (Section("key", "Section", (empty,)),)))
    assert suffix == "csv" or "Nothing" in text
    assert FORMATS[suffix](Document("Title", ()))


def test_the_sample_in_latex_is_well_formed(files: dict[str, str]) -> None:
    assert files["tex"].isascii()
    assert "U+" not in files["tex"]
    assert _check_latex(files["tex"]) > 30


@pytest.mark.skipif(LATEX_COMMAND is None, reason="needs pdflatex or tectonic")
def test_latex_compiles(files: dict[str, str], tmp_path: Path) -> None:
    assert LATEX_COMMAND is not None
    without_figure = Fold("Fold", (Note(SPECIAL), TABLE))
    parts = Document("Parts", (Section("key", "Parts", (without_figure, *SECTION.parts[:3]), EVIDENCE),))
    (tmp_path / "report.tex").write_text(files["tex"], encoding="utf-8")
    (tmp_path / "parts.tex").write_text(FORMATS["tex"](parts), encoding="utf-8")
    (tmp_path / "main.tex").write_text(
        "\\documentclass{article}\n\\usepackage[T1]{fontenc}\n\\usepackage{booktabs,graphicx}\n\\begin{document}\n"
        "\\input{report}\n\\input{parts}\n\\end{document}\n"
    )
    options = ["-interaction=nonstopmode", "-halt-on-error"] if LATEX_COMMAND == "pdflatex" else []
    done = subprocess.run(
        [LATEX_COMMAND, *options, "main.tex"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert (tmp_path / "main.pdf").stat().st_size > 10_000


def test_markdown_tables_are_rectangular(files: dict[str, str]) -> None:
    blocks = re.findall(r"(?:^\|.*\n)+", files["md"], re.M)
    assert len(blocks) > 8
    for block in blocks:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1


def test_html_needs_no_other_file_and_every_cell_leads_to_its_evidence(files: dict[str, str]) -> None:
    page = Page(files["html"])
    assert page.loaded == []
    assert not re.search(r"url\(|@import|https?:", files["html"])
    assert "<final>" in page.text
    _check_anchors(page)
    rows = list(csv.DictReader(io.StringIO(files["csv"])))
    prefix = {"collected/small": "", "pinned/old": "s1-"}  # ids of records are short, and apart for two collections
    cited = [[f"{prefix[row['collection']]}{row['ids'].split()[0]}"] for row in rows if row["ids"] and not row["epoch"]]
    assert [ids for ids, _ in page.cells if ids] == cited
    assert len(cited) > 30
    every = {f"{prefix[row['collection']]}{name}" for row in rows if not row["epoch"] for name in row["ids"].split()}
    assert every == {name for name in page.ids if re.fullmatch(r"(s1-)?r[0-9a-f]{10}", name)}


def test_csv_has_a_reason_for_every_blank(files: dict[str, str]) -> None:
    rows = list(csv.DictReader(io.StringIO(files["csv"])))
    blank = [row for row in rows if not row["text"]]
    assert len(blank) > 20
    assert all(row["reason"] for row in blank)
    assert all(row["value"] for row in rows if row["text"])
    ours = [row for row in rows if row["text"] and row["source"] == "records"]
    assert all(len(row["ids"].split()) >= int(row["n"]) for row in ours)


@pytest.mark.parametrize("suffix", ["md", "tex"])
def test_every_id_is_resolved_in_the_list_of_evidence(files: dict[str, str], suffix: str) -> None:
    tables, _, evidence = files[suffix].partition("{Evidence," if suffix == "tex" else "Evidence,")
    ids = set(re.findall(r"\br[0-9a-f]{10}\b", tables))
    assert len(ids) == 67
    assert ids == set(re.findall(r"\br[0-9a-f]{10}\b", evidence))
    for name in ids:
        assert f"{name[1:]}" in evidence.replace(name, "", 1)  # its hash as well


def _check_latex(text: str) -> int:
    """Check that environments and braces are balanced, and rows as wide as their tables; return the number of rows."""
    assert Counter(re.findall(r"\\begin\{(\w+)\}", text)) == Counter(re.findall(r"\\end\{(\w+)\}", text))
    stripped = re.sub(r"\\[{}]", "", text)
    assert stripped.count("{") == stripped.count("}")
    assert not re.search(r"(?<!\\)(\\\\)*[#_]", re.sub(r"\{figures/[^}]*\}", "", text.partition("\n")[2]))
    assert len(re.findall(r"(?<!\\)\$", text)) % 2 == 0
    checked = 0
    tables = r"^\\begin\{tabular\}\{l((?:r|p\{[^}]*\})+)\}\n(.*?)^\\end\{tabular\}$"
    for columns, body in re.findall(tables, text, re.M | re.S):
        for line in body.splitlines():
            if line.endswith(r"\\"):
                outer = re.sub(r"\\begin\{tabular\}.*?\\end\{tabular\}", "", line)
                spans = sum(int(width) - 1 for width in re.findall(r"\\multicolumn\{(\d+)\}", outer))
                assert len(re.findall(r"(?<!\\)&", outer)) + spans == len(re.sub(r"\{[^}]*\}", "", columns))
                checked += 1
    return checked


def _check_anchors(page: Page) -> None:
    assert len(page.ids) == len(set(page.ids))
    assert {link.removeprefix("#") for link in page.links if link.startswith("#")} <= set(page.ids)
    assert all(anchor for _, anchor, _ in page.headings)
