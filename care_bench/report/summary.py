"""A report in a few lines for the terminal: verdicts, one row per method, where the page is, agreement with a pin."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from care_bench.report.model import Document, Section, Table
from care_bench.report.overview import Overview, Verdict

LINES, WIDTH = 25, 100
"""Most lines and characters of a line."""
COLUMN = 22
"""Most characters of a column; the rest is the row label's."""
LISTED = 4
"""Most other collections that are named."""


def summary_lines(document: Document, written: Sequence[Path]) -> list[str]:
    """Shorten a document to at most ``LINES`` lines of ``WIDTH`` characters.

    The first collection is shown in detail; every other one and the theory have a line each.

    Args:
        document: the report.
        written: its files; the page is named, or the first of them.
    """
    found = [section for section in document.sections if section.overview is not None]
    first, others = found[:1], found[1:]
    end = [line for other in others[:LISTED] for line in _cut(_one_line(other))]
    if len(others) > LISTED:
        end.append(f"and {len(others) - LISTED} collections more")
    end += [line for section in document.sections for line in _cut(section.brief)]
    end += _cut(_where(written))
    end += [line for one in first if one.overview for text in one.overview.agreement for line in _wrapped(text, 3)]
    begin = [line for section in first if section.overview for line in _head(section.title, section.overview)]
    room = LINES - len(begin) - len(end)
    shown = [section.overview for section in first if section.overview]
    return [*begin, *(line for one in shown if one.methods for line in _rows(one.methods, one.elsewhere, room)), *end]


def _where(written: Sequence[Path]) -> str:
    page = next((path for path in written if path.suffix == ".html"), written[0])
    others = [path.name for path in written if path != page]
    return f"page: {page}" + (f" (beside it: {', '.join(others)})" if others else "")


def _head(title: str, overview: Overview) -> list[str]:
    facts = dict(overview.facts.items)
    lines = _cut(f"{title}: {_runs(facts)}, {_seeds(facts)}, {facts['records']} records; {facts['data sets']}")
    lines += [line for text in overview.remarks for line in _wrapped(text, 2)]
    if overview.verdicts:
        lines.append(f"verdicts on {len(overview.verdicts)} claims: {overview.tally}")
        for name in overview.outcomes:
            of_kind = [verdict for verdict in overview.verdicts if verdict.verdict == name]
            lines += _listed(name, [_brief(one) for one in of_kind], [one.claim for one in of_kind])
    return lines + (_wrapped(overview.undecided, 2) if overview.undecided else [])


def _listed(name: str, briefly: Sequence[str], names: Sequence[str]) -> list[str]:
    """Return claims in two lines, with their effects where there is room: no claim is left out for them."""
    lines = _wrapped(f"{name}: {', '.join(briefly)}", 3)
    return lines if len(lines) < 3 else _wrapped(f"{name}: {', '.join(names)}", 2)


def _brief(verdict: Verdict) -> str:
    """Name a claim, with its effect where it is decided."""
    decided = verdict.verdict in ("supported", "contradicted")
    return f"{verdict.claim} ({verdict.effect})" if decided and verdict.effect else verdict.claim


def _rows(table: Table, elsewhere: str, room: int) -> Iterator[str]:
    """Yield what the columns are, header and rows that fit, and how many do not or are of other data sets."""
    room -= bool(elsewhere)
    for sentence in table.caption:
        found = _wrapped(sentence, 2)
        room -= len(found)
        yield from found
    headers = [column.header for column in table.columns]
    shown = table.lines if len(table.lines) < room else table.lines[: max(room - 2, 0)]
    texts = [[table.shown(cell) or "-" for cell in cells] for _, cells in shown]
    widths = [min(max(map(len, column)), COLUMN) for column in zip(headers, *texts, strict=True)]
    label = min(max([len(table.title), *(len(name) for name, _ in shown)]), WIDTH - sum(widths) - 2 * len(widths))
    for name, cells in [(table.title, headers), *((name, text) for (name, _), text in zip(shown, texts, strict=True))]:
        columns = (f"  {_shorten(text, width):>{width}}" for text, width in zip(cells, widths, strict=True))
        yield f"{_shorten(_row_name(name, label), label):<{label}}{''.join(columns)}".rstrip()
    if len(shown) < len(table.lines):
        yield f"and {len(table.lines) - len(shown)} rows more, on the page"
    if elsewhere:
        yield f"and {elsewhere} on the page"


def _row_name(name: str, width: int) -> str:
    """Return the label of a row, or where it is too long the variant's name, which stands in brackets at its end."""
    variant = re.search(r" \[([^][]+)\]$", name)
    return variant[1] if variant and len(name) > width else name


def _one_line(section: Section) -> str:
    overview = section.overview
    if overview is None:
        return section.title
    facts = dict(overview.facts.items)
    tally = f"; verdicts: {overview.tally}" if overview.verdicts else ""
    return f"{section.title}: {_runs(facts)}, {facts['records']} records{tally}"


def _runs(facts: Mapping[str, str]) -> str:
    return f"{facts['runs']} run{'' if facts['runs'] == '1' else 's'}"


def _seeds(facts: Mapping[str, str]) -> str:
    number, _, which = facts["pretraining seeds"].partition(" ")
    return f"{number} pretraining seed{'' if number == '1' else 's'} {which}"


def _wrapped(text: str, most: int) -> list[str]:
    """Break a sentence into lines of the terminal, at most so many."""
    return textwrap.wrap(text, WIDTH, max_lines=most, placeholder=" …", subsequent_indent="  ", break_on_hyphens=False)


def _cut(text: str) -> list[str]:
    """Return a sentence as one line; none for an empty one. A path is never cut."""
    return [text if text.startswith("page: ") else _shorten(text, WIDTH)] if text else []


def _shorten(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"
