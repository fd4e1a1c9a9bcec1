"""Every format shows every kind of part, escaped; HTML and LaTeX are well-formed."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from urllib.parse import unquote

import pandas as pd
import pytest
from rich.console import Console

from care_bench.report.build import write_report
from care_bench.report.model import Document, Section, Table, texts
from care_bench.report.terminal import print_document, publish
from care_bench.report.writers import FORMATS, figure_files
from tests.report.every_part import DOCUMENT, PDF, PLAIN, SHOWN, SPECIAL, SVG, TABLE
from tests.report.page import Page

MARKDOWN = r"50% of a_b &amp; c &lt; d \| $e$ #1 {f} ~ ^ \\g \*h\* \[i\] ± γ"


@pytest.fixture(scope="module")
def files(written: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The sample report."""
    paths = write_report(written, tmp_path_factory.mktemp("out"), console=Console(file=io.StringIO()))
    records = (paths[0].parent / "records.html").read_text(encoding="utf-8")
    return {path.suffix[1:]: path.read_text(encoding="utf-8") for path in paths} | {"records": records}


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
    assert suffix in ("csv", "tex") or "Nothing" in text
    assert FORMATS[suffix](Document("Title", ()))


def test_markdown_tables_are_rectangular(files: dict[str, str]) -> None:
    blocks = re.findall(r"(?:^\|.*\n)+", files["md"], re.M)
    assert len(blocks) > 8
    for block in blocks:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1


def test_html_loads_no_other_file_and_every_cell_leads_to_its_record(files: dict[str, str]) -> None:
    page = Page(files["html"])
    assert page.loaded == []
    assert not re.search(r"url\(|@import|https?:", files["html"])
    assert "<final>" in page.text
    _check_anchors(page)
    rows = list(csv.DictReader(io.StringIO(files["csv"])))
    prefix = {"collected/small": "", "pinned/old": "s1-"}  # ids of records are short, and apart for two collections
    final = [row for row in rows if row["ids"] and not row["epoch"]]
    cited = [[f"records.html#{prefix[row['collection']]}{row['ids'].split()[0]}"] for row in final]
    assert [links for links, _ in page.cells if links] == cited
    assert len(cited) > 30
    every = {f"{prefix[row['collection']]}{name}" for row in final for name in row["ids"].split()}
    records = Page(files["records"])
    assert every == {name for name in records.ids if re.fullmatch(r"(s1-)?r[0-9a-f]{10}", name)}
    assert records.loaded == []
    _check_anchors(records)


def test_csv_has_a_reason_for_every_blank(files: dict[str, str]) -> None:
    rows = list(csv.DictReader(io.StringIO(files["csv"])))
    blank = [row for row in rows if not row["text"]]
    assert len(blank) > 20
    assert all(row["reason"] for row in blank)
    assert all(row["value"] for row in rows if row["text"])
    ours = [row for row in rows if row["text"] and row["source"] == "records"]
    assert all(len(row["ids"].split()) >= int(row["n"]) for row in ours)


def test_markdown_says_where_the_records_of_its_ids_are(files: dict[str, str], written: Path) -> None:
    tables, _, where = files["md"].partition("## Records, ")
    ids = set(re.findall(r"\br[0-9a-f]{10}\b", tables))
    assert len(ids) == 67
    folders = re.findall(r"`records.parquet` in `([^`]+)`", where)
    assert folders == ["collected/small", "pinned/old"]
    found = pd.concat([pd.read_parquet(written / folder / "records.parquet") for folder in folders])
    assert ids <= set(found["id"])


def _check_anchors(page: Page) -> None:
    assert len(page.ids) == len(set(page.ids))
    assert {link.removeprefix("#") for link in page.links if link.startswith("#")} <= set(page.ids)
    assert all(anchor for _, anchor, _ in page.headings)
