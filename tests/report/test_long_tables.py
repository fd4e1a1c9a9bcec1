"""Collections with more rows than a page and a figure show: the first of them, and all of them in files beside it."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest
from rich.console import Console

from care_bench.artifacts.collecting import collect
from care_bench.artifacts.collection import Collection
from care_bench.report.build import write_report
from care_bench.report.figures import plots_of
from care_bench.report.figures.rows import BASES, MOST, Rows
from care_bench.report.model import Cell, Column, Document, Section, Table
from care_bench.report.provenance import Provenance
from care_bench.report.writers import MANY, table_pages, write_html
from tests.report.figures.made import values
from tests.report.page import Page
from tests.sample_records import make_record, write_runs

ROWS = MANY + 20
TABLE = "tables/collected-wide--Equivariance--digits--convnet---projection.html"


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a collection with more rows than a table on it."""
    results = tmp_path_factory.mktemp("wide") / "results"
    records = [make_record(variant=f"row-{place:03d}", metric="gamma", value=float(place + 1)) for place in range(ROWS)]
    failed = {"value": None, "n": 0, "reason": "diverged"}
    records[MANY + 10] = make_record(variant=f"row-{MANY + 10:03d}", metric="gamma", **failed)
    collect(write_runs(results / "runs", records), results / "collected" / "wide")
    for _ in range(2):  # the second replaces the first
        (path, *_) = write_report(results, formats=["html", "csv"], console=Console(file=io.StringIO()))
    return path


def rows_of(path: Path) -> list[str]:
    return re.findall(r'<tr><th scope="row">(row-\d+)', path.read_text())


def test_a_long_table_has_its_first_rows_on_the_page_and_all_beside_it(wide: Path) -> None:
    every = [f"row-{place:03d}" for place in range(ROWS)]
    assert rows_of(wide) == every[:MANY]
    assert rows_of(wide.parent / TABLE) == every
    text = wide.read_text()
    assert f'The first {MANY} of {ROWS} rows: <a href="{TABLE}">all rows</a>.' in text
    assert "diverged" not in text
    beside = (wide.parent / TABLE).read_text()
    assert "<li>diverged</li>" in beside
    assert "all rows" not in beside
    with (wide.parent / "report.csv").open(newline="") as file:
        assert len([row for row in csv.DictReader(file) if row["row"].startswith("row-")]) == ROWS


def test_the_links_of_both_pages_lead_somewhere(wide: Path) -> None:
    page, records = (Page((wide.parent / name).read_text()) for name in ("index.html", "records.html"))
    beside = Page((wide.parent / TABLE).read_text())
    cited = [link.partition("#")[2] for link in beside.links if link.startswith("../records.html#")]
    assert len(cited) == ROWS
    assert set(cited) <= set(records.ids)
    inside = [link.partition("#")[2] for link in beside.links if link.startswith("../index.html#")]
    assert {"g-gamma", "collected-wide"} <= set(inside) <= set(page.ids)
    others = {link for link in beside.links if not link.startswith("#")}
    assert all((wide.parent / "tables" / link.partition("#")[0]).is_file() for link in others)
    assert beside.loaded == []


def section(rows: int, *, linked: bool = False, provenance: bool = True) -> Section:
    cells = tuple((Cell(f"{place}", notes=(f"note {place // 60}",)),) for place in range(rows))
    names = tuple(f"r{place}" for place in range(rows))
    table = Table("T", (), (Column("", "c"),), names, cells, linked=linked)
    return Section("k", "S", (table,), provenance=Provenance("collected/k", ()) if provenance else None)


@pytest.mark.parametrize(
    ("case", "whole"),
    [
        (section(MANY), True),
        (section(MANY + 1), False),
        (section(MANY + 1, linked=True), True),  # links lead to its rows
        (section(MANY + 1, provenance=False), True),  # no collection: settings, the theory
    ],
)
def test_which_tables_are_long(case: Section, whole: bool) -> None:
    document = Document("", (case,))
    assert bool(table_pages(document)) is not whole
    assert write_html(document).count("<td") == (len(case.parts[0].rows) if whole else MANY)  # type: ignore[union-attr]


def test_footnotes_of_the_first_rows_keep_their_numbers() -> None:
    document = Document("", (section(3 * MANY),))
    page, (beside,) = write_html(document), table_pages(document).values()
    assert re.findall(r"<li>(note \d)</li>", page) == ["note 0", "note 1"]
    assert re.findall(r"<li>(note \d)</li>", beside) == [f"note {place}" for place in range(5)]
    assert page.count("<sup>2</sup>") == MANY - 60


def many(rows: int) -> Collection:
    found = [
        one.model_copy(update={"variant": f"row-{place}"})
        for place in range(rows)
        for point in ("05", "25", "50", "75", "95")
        for one in values("simclr", f"positive_cosine_{point}", [0.5])
    ]
    floor = [
        one
        for point in ("05", "25", "50", "75", "95")
        for one in values("untrained", f"positive_cosine_{point}", [0.1])
    ]
    return Collection("many", (*found, *floor))


def test_figures_draw_the_first_rows_of_a_data_set_and_its_floor() -> None:
    collection = many(MOST + 9)
    rows = Rows(collection)
    assert [row.name for row in rows.rows("digits")] == [*(f"row-{place}" for place in range(MOST - 1)), "untrained"]
    assert rows.cut == {"digits": MOST + 10}
    plot = plots_of(collection)["positive-cosines"]
    assert plot.caption.endswith(
        f" At most {MOST} rows of a data set are drawn, of at most {BASES} base methods beside each other "
        f"(digits has {MOST + 10}); report.csv (`--format csv`) has all."
    )
    assert {row[1] for row in plot.rows} == {row.name for row in rows.rows("digits")}


def test_of_few_rows_figures_draw_all_and_say_nothing() -> None:
    collection = many(MOST - 1)
    assert Rows(collection).cut == {}
    assert "At most" not in plots_of(collection)["positive-cosines"].caption


def test_so_many_base_methods_have_room_beside_each_other() -> None:
    def wrapped(pairs: int, others: int) -> Rows:
        names = [(f"base-{place}", "simclr", None) for place in range(pairs)]
        names += [(f"care-{place}", "care", "simclr") for place in range(pairs)]
        names += [(f"other-{place}", "invariance", None) for place in range(others)]
        one = values("simclr", "gamma_median", [0.5])[0]
        config = {
            "simclr": lambda place: {"method": {"name": "simclr", "temperature": place}},
            "care": lambda place: {"method": {"name": "care", "base": {"name": "simclr", "temperature": place}}},
            "invariance": lambda place: {"method": {"name": "invariance"}},
        }
        records = [
            one.model_copy(
                update={
                    "variant": name,
                    "method": method,
                    "base": base,
                    "config": json.dumps(config[method](int(name.partition("-")[2]))),
                }
            )
            for name, method, base in names
        ]
        return Rows(Collection("many", tuple(records)))

    assert len(wrapped(12, 0).families("digits")) == 12
    assert [family[0].name for family in wrapped(12, MOST).families("digits")] == [
        f"base-{place}" for place in range(BASES)
    ]
