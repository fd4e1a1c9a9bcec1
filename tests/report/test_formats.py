from __future__ import annotations

import csv
import io
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest

from care_bench.report import latex, markdown
from care_bench.report.build import write_report


@pytest.fixture(scope="module")
def files(written: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    paths = write_report(written, tmp_path_factory.mktemp("out"))
    return {path.suffix[1:]: path.read_text(encoding="utf-8") for path in paths}


def test_latex_escapes_what_latex_would_read() -> None:
    assert latex.escape("a_b 50% & $x$ #1 {y}") == r"a\_b 50\% \& \$x\$ \#1 \{y\}"
    assert latex.escape("~ ^ \\z") == r"\textasciitilde{} \textasciicircum{} \textbackslash{}z"
    assert latex.escape("[k] *w* |") == "{[}k{]} {*}w{*} $|$"
    assert latex.escape("--x -1 ---") == "-{}-x -1 -{}-{}-"
    assert (
        latex.escape("± γ² café ß 中\u200b\nline") == r"$\pm$ $\gamma$$^2$ café ß \texttt{U+4E2D}\texttt{U+200B} line"
    )
    assert latex.escape("ðþ") == r"\texttt{U+00F0}\texttt{U+00FE}"  # letters the standard fonts lack


def test_markdown_escapes_what_markdown_would_read() -> None:
    assert markdown.escape("a|b *c* <i> &amp; [k](u)\nline \\") == (
        r"a\|b \*c\* &lt;i&gt; &amp;amp; \[k\](u) line " + "\\\\"
    )


def test_latex_is_balanced_and_every_row_is_as_wide_as_its_table(files: dict[str, str]) -> None:
    text = files["tex"]
    assert Counter(re.findall(r"\\begin\{(\w+)\}", text)) == Counter(re.findall(r"\\end\{(\w+)\}", text))
    stripped = re.sub(r"\\[{}]", "", text)
    assert stripped.count("{") == stripped.count("}")
    assert all(character.isascii() for character in text)
    checked = 0
    for columns, body in re.findall(r"^\\begin\{tabular\}\{l(r+)\}\n(.*?)^\\end\{tabular\}$", text, re.M | re.S):
        for line in body.splitlines():
            if line.endswith(r"\\"):
                outer = re.sub(r"\\begin\{tabular\}.*?\\end\{tabular\}", "", line)
                spans = sum(int(width) - 1 for width in re.findall(r"\\multicolumn\{(\d+)\}", outer))
                assert len(re.findall(r"(?<!\\)&", outer)) + spans == len(columns)
                checked += 1
    assert checked > 30


def test_markdown_tables_are_rectangular(files: dict[str, str]) -> None:
    blocks = re.findall(r"(?:^\|.*\n)+", files["md"], re.M)
    assert len(blocks) > 8
    for block in blocks:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.open: list[str] = []
        self.elsewhere: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        self.ids += [found["id"] or ""] if "id" in found else []
        self.links += [found["href"] or ""] if tag == "a" else []
        self.elsewhere += [tag] if tag in ("link", "script", "img", "iframe") or "src" in found else []
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_html_stands_alone_and_its_links_lead_somewhere(files: dict[str, str]) -> None:
    page = _Page()
    page.feed(files["html"])
    assert page.open == []
    assert page.elsewhere == []
    assert "url(" not in files["html"]
    assert "@import" not in files["html"]
    assert len(page.ids) == len(set(page.ids))
    assert len(page.links) > 50
    assert {link.removeprefix("#") for link in page.links} <= set(page.ids)
    assert "&lt;final&gt;" in files["html"]
    assert "<final>" not in files["html"]


def test_csv_has_a_reason_for_every_blank(files: dict[str, str]) -> None:
    rows = list(csv.DictReader(io.StringIO(files["csv"])))
    blank = [row for row in rows if not row["text"]]
    assert len(blank) > 20
    assert all(row["reason"] for row in blank)
    assert all(row["value"] for row in rows if row["text"])
    ours = [row for row in rows if row["text"] and row["source"] == "records"]
    assert all(len(row["ids"].split()) >= int(row["n"]) for row in ours)


@pytest.mark.parametrize("suffix", ["md", "tex", "html"])
def test_every_id_is_resolved_in_the_list_of_evidence(files: dict[str, str], suffix: str) -> None:
    tables, _, evidence = files[suffix].partition("{Evidence," if suffix == "tex" else "Evidence,")
    ids = set(re.findall(r"\br[0-9a-f]{10}\b", tables))
    assert len(ids) == 67
    assert ids == set(re.findall(r"\br[0-9a-f]{10}\b", evidence))
    for name in ids:
        assert f"{name[1:]}" in evidence.replace(name, "", 1)  # its hash as well
