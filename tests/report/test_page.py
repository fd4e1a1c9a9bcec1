"""The page: it needs nothing but itself, its links lead somewhere, and it works in a browser."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from rich.console import Console

from care_bench.artifacts.collecting import collect
from care_bench.report.build import write_report
from care_bench.report.model import Cell, Column, Document, Section, Table
from care_bench.report.provenance import Provenance, Run, Runs, Value
from care_bench.report.statistics import Summary
from care_bench.report.writers import records_page, write_html
from tests.evidence.made import claim, rules
from tests.report.browser import CHROMIUM, Browser
from tests.report.page import Page
from tests.sample_records import make_record, sample, seeds, write_runs

LIMIT = 2_000_000
"""Most bytes of the page of a profile of 376 runs with 100 measurements each."""
FIGURES = 1_300_000
"""Bytes that its figures take."""
CITED = 'td > a[href^="records.html#s1-r"]'
"""Cells of the second collection that lead to a record."""
PHONE = 390
"""Width of a phone in pixels."""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, written: Path) -> Path:
    """The page of two collections with claims, figures and tables of one seed and of several."""
    results = tmp_path_factory.mktemp("page") / "results"
    (results / "reference").mkdir(parents=True)
    for path in (written / "reference").iterdir():
        (results / "reference" / path.name).write_bytes(path.read_bytes())
    texts: dict[str, Any] = {"profile": "small", "seeds": [0, 1, 2, 3, 4]}
    claims = rules(claim(), claim({"datasets": ["proteins"]}, id="C9"), **texts)
    (results / "reference" / "claims.yaml").write_text(json.dumps(claims))
    place = {"representation": "features"}
    shown = [
        *(record for record in sample() if record.metric != "wahba_error"),
        *seeds([1.0] * 5, variant="simclr", metric="wahba_error"),
        *seeds([0.5, 0.51, 0.49, 0.52, 0.48], variant="care", metric="wahba_error"),
        *seeds([0.5, 0.6, 0.7], variant="simclr", metric="held_out_wahba", **place),
        *seeds([85.0, 86.0, 87.0], variant="care", protocol="knn-v1", **place),
        *seeds([0.2, 0.3, 0.4], variant="care", metric="held_out_wahba", **place),
    ]
    collect(write_runs(results / "runs", shown), results / "collected" / "small")
    collect(write_runs(results / "one", [make_record(profile="lone")]), results / "collected" / "lone")
    (path,) = write_report(results, formats=["html"], console=Console(file=io.StringIO()))
    return path


@pytest.fixture(scope="module")
def parsed(page: Path) -> Page:
    return Page(page.read_text(encoding="utf-8"))


def test_every_link_leads_somewhere(page: Path, parsed: Page) -> None:
    assert len(parsed.ids) == len(set(parsed.ids))
    inside = {link[1:] for link in parsed.links if link.startswith("#")}
    assert inside <= set(parsed.ids)
    assert {"ui-main", "glossary", "g-top1", "collected-small--C5"} <= inside
    records = Page((page.parent / "records.html").read_text(encoding="utf-8"))
    assert {link.partition("#")[2] for link in parsed.links if link.startswith("records.html#")} <= set(records.ids)
    assert {link[1:] for link in records.links if link.startswith("#")} <= set(records.ids)
    assert len(records.ids) == len(set(records.ids))
    files = {link.partition("#")[0] for link in [*parsed.links, *records.links]} - {""}
    assert {"records.html", "index.html"} < files
    assert all((page.parent / unquote(link)).is_file() for link in files)


def test_nothing_is_loaded_from_elsewhere(page: Path, parsed: Page) -> None:
    text = page.read_text(encoding="utf-8")
    assert parsed.loaded
    assert all((address or "").startswith("data:image/svg+xml,") for _, address in parsed.loaded)
    outside = re.sub(r'src(set)?="data:[^"]*"', "", text)
    assert not re.search(r"https?:|url\(|@import|\bfetch\(|XMLHttpRequest", outside)
    assert "default-src 'none'" in text


def test_the_first_screen_has_what_was_run_the_verdicts_and_the_scatter(page: Path, parsed: Page) -> None:
    text = page.read_text(encoding="utf-8")
    begin = ["<dt>profile</dt><dd>small</dd>", "Verdicts on 2 claims: ", 'class="verdicts"']
    order = [*begin, '<p class="layers">Below: the features; ', "<figure>", "How to read"]
    places = [text.index(part, text.index('<h2 id="collected-small">')) for part in order]
    assert places == sorted(places)
    assert text.count("<figure>") == 1
    assert '</span> <span class="sides">1 ' in text[: text.index("<figure>")]
    assert [title for tag, _, title in parsed.headings if tag == "h2"] == [
        "Collection collected/lone",
        "Collection collected/small",
        "Glossary",
    ]


def test_one_seed_is_said_once(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    lone = text[text.index('<h2 id="collected-lone">') : text.index('<h2 id="collected-small">')]
    assert "n=1: one seed proves nothing" in lone
    assert "(n=1)" not in lone


def test_tables_have_captions_and_scopes(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.count("<table") == text.count("<caption>") > 10
    assert not re.search(r"<th(?![^>]*scope)[ >]", text)
    assert all(part in text for part in ("<main", "<nav aria-label", "<header", 'class="skip"', '<html lang="en">'))


def test_a_page_of_a_whole_profile_is_small() -> None:
    columns = tuple(Column("group", f"metric {number}, projection", term="top1") for number in range(100))
    rows = tuple(f"CARE (SimCLR), paper fidelity [row-{number}]" for number in range(47))
    summary = Summary(0.5, 0.4, 0.6, 8)
    values = iter(range(376 * 100))
    runs = tuple(
        Run(row, seed, "c" * 64, "w" * 64, tuple(Value(f"r{next(values):010x}", "0.12345", "") for _ in columns))
        for row in rows
        for seed in range(8)
    )
    cells = tuple(
        tuple(Cell("0.7783 ± 0.0235", summary, ids=(runs[8 * row].values[column].id,)) for column in range(100))  # type: ignore[union-attr]
        for row in range(47)
    )
    groups = Runs("digits", "d" * 64, "1", "cpu", (("cached-v1", 100),), tuple(column.name for column in columns), runs)
    section = Section(
        "collected/large",
        "Large",
        (Table("Table", (), columns, rows, cells),),
        provenance=Provenance("collected/large", (groups,)),
    )
    document = Document("Large", (section,))
    text, (records,) = write_html(document), records_page(document).values()
    assert text.count("href=records.html#r") == 47 * 100
    assert records.count(" id=r") == 376 * 100
    assert len(text.encode()) < LIMIT - FIGURES
    assert len(records.encode()) < LIMIT


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("needs chromium")
    with Browser(tmp_path_factory.mktemp("browser")) as found:
        yield found


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [PHONE, 1440])
def test_it_opens_without_complaint_and_fits_the_window(browser: Browser, page: Path, width: int, dark: bool) -> None:
    browser.open(page, width=width, dark=dark)
    assert browser.run("document.documentElement.scrollWidth") == width
    shade = browser.run("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0]")
    assert (shade < 50) if dark else (shade > 200)
    assert browser.run("document.querySelector('nav details').open") == (width != PHONE)
    assert browser.run("[...document.images].every((image) => image.naturalWidth > 100)")
    assert browser.problems == []


@pytest.mark.parametrize(("width", "most"), [(PHONE, PHONE - 26), (1440, 1440)])
def test_text_in_figures_is_not_shrunk_on_a_phone(browser: Browser, page: Path, width: int, most: int) -> None:
    """The scatter has one for a phone; the others keep their size and are scrolled, without the page."""
    browser.open(page, width=width)
    shown = browser.run(
        "[...document.images].map((one) => [one.getBoundingClientRect().width / one.naturalWidth, one.naturalWidth])"
    )
    assert all(scale > 0.8 for scale, _ in shown)
    scatter = browser.run("document.querySelector('picture img').naturalWidth")
    assert scatter <= most
    assert (scatter < 364) == (width == PHONE)
    assert browser.run("document.documentElement.scrollWidth") == width


def test_tables_are_sorted_with_the_keyboard(browser: Browser, page: Path) -> None:
    browser.open(page)
    table = "document.getElementById('collected-small--Probe-accuracy--cached-v1').parentElement"
    browser.run(f"window.found = [...{table}.querySelectorAll('table')].find((one) => one.tBodies[0].rows.length > 3)")
    column = "[...found.tBodies[0].rows].map((row) => row.cells[2].textContent.trim())"
    before = browser.run(column)
    browser.run("found.tHead.rows[1].cells[2].querySelector('button').focus()")
    orders = {"ascending": False, "descending": True}
    for order, falling in orders.items():
        browser.press("Enter", 13)
        assert browser.run("found.tHead.rows[1].cells[2].ariaSort") == order
        texts = browser.run(column)
        numbers = [float(text.split()[0]) for text in texts if text[0] != "–"]
        assert numbers == sorted(numbers, reverse=falling)
        assert [text[0] == "–" for text in texts] == sorted(text[0] == "–" for text in texts)  # blanks come last
    browser.press("Enter", 13)
    assert browser.run(column) == before
    assert browser.run("found.querySelectorAll('[aria-sort]').length") == 0


def test_a_number_leads_to_its_record(browser: Browser, page: Path) -> None:
    browser.open(page)
    one = f"document.querySelector('{CITED}')"
    link = browser.run(f"{one}.hash")
    browser.follow(one)
    assert browser.run("location.pathname.endsWith('/records.html')")
    place = f"document.getElementById({link[1:]!r})"
    assert browser.run(f"Boolean({place})")
    browser.wait(f"{place}.closest('details').open && {place}.getBoundingClientRect().bottom < 900")
    assert browser.run(f"{place}.getBoundingClientRect().top") > 0
    assert browser.run("document.documentElement.scrollWidth") == 1280
    assert browser.problems == []


def test_ids_are_shown_on_demand(browser: Browser, page: Path) -> None:
    browser.open(page)
    shown = f"getComputedStyle(document.querySelector('{CITED}'), '::after').content"
    assert browser.run(shown) == "none"
    browser.run("document.getElementById('ui-ids').click()")
    assert re.search("n=3 records.html#s1-r[0-9a-f]{10}", browser.run(shown))


def test_it_can_be_printed(browser: Browser, page: Path, tmp_path: Path) -> None:
    browser.open(page)
    browser.pdf(tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
    browser.send("Emulation.setEmulatedMedia", media="print")
    assert browser.run("getComputedStyle(document.querySelector('nav')).display") == "none"
    assert browser.run("getComputedStyle(document.querySelector('.scroll')).overflow") == "visible"
    browser.send("Emulation.setEmulatedMedia", media="")
