r"""LaTeX: one booktabs table per file, as wide as a two-column paper allows, and what cites a result.

A file is ready for ``\input``: it needs booktabs, and has caption and label. Ids of records are left out; the caption
cites the pin with ``\citeresult``, and the pin's hash stands for all of its records.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence

from care_bench.report.escaping import latex
from care_bench.report.model import Cell, Column, Document, Origin, Section, Table, opened, slug, spans

PAGE, COLUMN = 92, 43
"""Average characters that fit into the text and into a column of it, at the size ``\\small``."""
GAP = 1.4
"""Characters that the space between two columns takes."""
HEADER, NUMBER, LABEL, PROSE = 13, 22, 30, 26
"""Most characters of a line of a header, of a number, and of a row label; fewest of a line of a sentence."""
HEIGHT, NOTE = 42, 100
"""Most lines of a table with caption and notes, and characters of a line of these."""


def table_files(document: Document) -> dict[str, str | bytes]:
    """Return one file per table, and the BibTeX entries of pins as `tables/pin.bib`: relative name -> content."""
    found: dict[str, str | bytes] = {}
    for section in document.sections:
        for part in opened(section.parts):
            if isinstance(part, Table) and part.rows:
                found[f"{table_name(section, part)}.tex"] = table_text(section, part)
    if entries := [bibtex(section.origin) for section in document.sections if section.origin and section.origin.date]:
        found["tables/pin.bib"] = "\n".join(entries)
    return found


def table_name(section: Section, table: Table) -> str:
    """Name the file of a table, without its ending."""
    return f"tables/{slug(section.key)}--{slug(table.title or section.title)}"


def table_text(section: Section, table: Table) -> str:
    r"""Return a table as floats with captions; it is cut into several where it is too wide or too high."""
    lines = ["% Needs \\usepackage{booktabs}."]
    cited = ""
    if section.origin is not None:
        lines += citation(section.origin)
        cited = f" Results: \\citeresult{{{section.origin.key}}}."
    title, caption = latex(table.title or section.title), latex(" ".join(table.caption))
    label = f"tab:{slug(section.key)}--{slug(table.title or section.title)}".lower()
    needed = [_width(table, index) for index in range(len(table.columns))]
    parts = list(_parts(table, needed))
    for number, (columns, rows) in enumerate(parts, start=1):
        of = f", part {number} of {len(parts)}" if len(parts) > 1 else ""
        text = f"{title}{of}. {caption}{cited}" if number == 1 else f"{title}{of}."
        ending = "" if number == 1 else f"-{number}"
        lines += _float(table, needed, columns, rows, f"\\caption[{{{title}{of}}}]{{{text}}}\\label{{{label}{ending}}}")
    return "\n".join(lines) + "\n"


def citation(origin: Origin) -> list[str]:
    r"""Return the lines that define ``\citeresult{KEY}``: a pin or collection by name and hash of its manifest."""
    what = "pin" if origin.date else "collection, not pinned:"
    note = f"care\\_bench {what} \\texttt{{{latex(origin.name)}}}, SHA-256 \\texttt{{{origin.sha256[:16]}}}"
    return [
        "\\DeclareRobustCommand{\\citeresult}[1]{\\csname careresult #1\\endcsname}",
        f"\\expandafter\\gdef\\csname careresult {origin.key}\\endcsname{{{note}}}",
    ]


def bibtex(origin: Origin) -> str:
    """Return the BibTeX entry of a pin."""
    fields = {
        "title": f"{{Results {latex(origin.name)} of care\\_bench}}",
        "author": "{The care\\_bench authors}",
        "year": origin.date[:4],
        "version": latex(", ".join(origin.versions)),
        "note": f"Pinned on {origin.date}; SHA-256 of the manifest: {origin.sha256}",
    }
    body = "".join(f"  {name} = {{{text}}},\n" for name, text in fields.items())
    return f"@misc{{care-bench-{slug(origin.name)},\n{body}}}\n"


def _parts(table: Table, needed: Sequence[int]) -> Iterator[tuple[range, range]]:
    """Cut a table into ranges of columns that fit on the page, and these into ranges of rows.

    ``needed`` are the characters that each column needs.
    """
    room = HEIGHT - len(" ".join(table.caption)) / NOTE
    for columns in _ranges(table, needed):
        widths = _widths(table, needed, columns)
        first, height, notes = 0, 0, set[str]()
        for index in range(len(table.rows)):
            needed_lines = _height(table, index, columns, widths)
            more = notes | _notes_of(table, range(index, index + 1), columns)
            if index > first and height + needed_lines + sum(map(len, more)) / NOTE > room:
                yield columns, range(first, index)
                first, height, more = index, 0, _notes_of(table, range(index, index + 1), columns)
            height, notes = height + needed_lines, more
        yield columns, range(first, len(table.rows))


def _ranges(table: Table, needed: Sequence[int]) -> list[range]:
    """Cut the columns where the page ends; before a group that would be cut, if it fits on a page of its own."""
    left = PAGE - _label_width(table)
    widths = [width + GAP for width in needed]
    groups = {first: sum(widths[first : first + number]) for group, first, number in spans(table.columns) if group}
    start, used = 0, 0.0
    ranges = []
    for index, width in enumerate(widths):
        whole = groups.get(index, width)
        if index > start and used + (whole if whole <= left else width) > left:
            ranges.append(range(start, index))
            start, used = index, 0.0
        used += width
    return [*ranges, range(start, len(table.columns))]


def _notes_of(table: Table, rows: range, columns: range) -> set[str]:
    return {note for row in rows for index in columns for note in table.cells[row][index].notes}


def _label_width(table: Table) -> int:
    return min(max(map(len, [table.corner, *table.rows])), LABEL)


def _lines(text: str, width: int) -> list[str]:
    """Break a text between words, but not within an interval."""
    text = text.replace(", ", ",\N{NO-BREAK SPACE}")
    if len(text) <= width:
        return [text]
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]


def _width(table: Table, index: int) -> int:
    """Characters that a column needs at least."""
    column = table.columns[index]
    texts = [_marked(table, row[index]) for row in table.cells]
    if column.prose:
        return min(max(map(len, [column.header, *texts])), PROSE)
    lines = [line for text in texts for line in _lines(text, NUMBER)]
    return max(map(len, [*_lines(column.header, HEADER), *lines]))


def _marked(table: Table, cell: Cell) -> str:
    return f"{table.shown(cell)}{','.join(map(str, table.marks(cell)))}"


def _widths(table: Table, needed: Sequence[int], columns: range) -> dict[int, float]:
    """Return the width of every column in characters: sentences share what the others leave."""
    found: dict[int, float] = {index: needed[index] for index in columns}
    prose = [index for index in columns if table.columns[index].prose and found[index] == PROSE]
    left = PAGE - _label_width(table) - sum(width + GAP for width in found.values())
    return found | {index: found[index] + max(left, 0) / len(prose) for index in prose}


def _height(table: Table, row: int, columns: range, widths: dict[int, float]) -> int:
    """Lines that a row takes."""
    heights = [math.ceil(len(table.rows[row]) / LABEL)]
    for index in columns:
        text = _marked(table, table.cells[row][index])
        prose = table.columns[index].prose
        heights.append(math.ceil(1.15 * len(text) / widths[index]) if prose else len(_lines(text, NUMBER)))
    return max(heights)


def _float(table: Table, needed: Sequence[int], columns: range, rows: range, caption: str) -> list[str]:
    widths = _widths(table, needed, columns)
    label = _label_width(table)
    wide = label + sum(width + GAP for width in widths.values()) > COLUMN
    name = "table*" if wide else "table"
    text = "\\textwidth" if wide else "\\columnwidth"
    full = PAGE if wide else COLUMN
    long = max(map(len, table.rows)) > LABEL

    def paragraph(width: float) -> str:
        return f"p{{{0.95 * width / full:.3f}{text}}}"

    kinds = "".join(paragraph(widths[index]) if table.columns[index].prose else "r" for index in columns)
    shown = [table.columns[index] for index in columns]
    notes = _notes_of(table, rows, columns)
    return [
        "",
        f"\\begin{{{name}}}[tp]",
        "\\centering\\small\\setlength{\\tabcolsep}{3pt}",
        caption,
        f"\\begin{{tabular}}{{@{{}}{paragraph(label) if long else 'l'}{kinds}@{{}}}}",
        "\\toprule",
        *_head(table.corner, shown),
        "\\midrule",
        *(_row(table, row, columns, long) for row in rows),
        "\\bottomrule",
        "\\end{tabular}",
        *([_notes(table, notes)] if notes else []),
        f"\\end{{{name}}}",
    ]


def _head(corner: str, columns: Sequence[Column]) -> Iterator[str]:
    groups = spans(columns)
    if groups:
        names = (_broken(group, "[b]{@{}c@{}}", 12 * width) for group, _, width in groups)
        cells = (
            f"& \\multicolumn{{{width}}}{{c}}{{{name}}}" for (_, _, width), name in zip(groups, names, strict=True)
        )
        yield " ".join(cells) + " \\\\"
        yield "".join(f"\\cmidrule(lr){{{first + 2}-{first + width + 1}}}" for _, first, width in groups)
    headers = (
        latex(column.header) if column.prose else _broken(column.header, "[b]{@{}r@{}}", HEADER) for column in columns
    )
    yield " & ".join([latex(corner), *headers]) + " \\\\"


def _row(table: Table, row: int, columns: range, long: bool) -> str:
    label = latex(table.rows[row])
    cells = (_cell(table, table.columns[index], table.cells[row][index]) for index in columns)
    return " & ".join([f"\\raggedright {label}" if long else label, *cells]) + " \\tabularnewline"


def _cell(table: Table, column: Column, cell: Cell) -> str:
    marks = f"$^{{{','.join(map(str, table.marks(cell)))}}}$" if cell.notes else ""
    shown = table.shown(cell)
    if column.prose:
        return f"\\raggedright {latex(shown)}{marks}"
    text = _broken(shown, "[t]{@{}r@{}}", NUMBER)
    return f"\\textbf{{{text}}}{marks}" if cell.bold else f"{text}{marks}"


def _broken(text: str, kind: str, width: int) -> str:
    """Set a text in lines of at most this width, one above the other; ``kind`` is the tabular's."""
    lines = _lines(text, width)
    if len(lines) == 1:
        return latex(lines[0])
    return f"\\begin{{tabular}}{kind}" + "\\\\".join(map(latex, lines)) + "\\end{tabular}"


def _notes(table: Table, notes: set[str]) -> str:
    found = [f"$^{{{number}}}$~{latex(note)}" for note, number in table.footnotes.items() if note in notes]
    return "\\par\\smallskip\\parbox{\\linewidth}{\\footnotesize\\raggedright " + "; ".join(found) + "}"
