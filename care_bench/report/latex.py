r"""A report in LaTeX, to be read with \input into a document that loads booktabs; no other package is needed."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from care_bench.report.document import TITLE, Evidence, EvidenceHeader, Section
from care_bench.report.tables import Cell, Column, Table, spans

SHORT = 12
"""Hex digits of a hash that the list of evidence shows; the collection's files have all of them."""
IDS_PER_LINE = 2
COLUMNS_PER_PART = 4
PROSE_ROWS_PER_PART = 6
"""Rows of sentences that fit on a page."""
PROSE_WIDTH = "0.22\\textwidth"

_SPECIAL = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": "$<$",
    ">": "$>$",
    "|": "$|$",
    '"': "''",
    "`": "'",
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    "±": r"$\pm$",
    "γ": r"$\gamma$",
    "ε": r"$\varepsilon$",
    "λ": r"$\lambda$",
    "π": r"$\pi$",
    "ρ": r"$\rho$",
    "σ": r"$\sigma$",
    "Σ": r"$\Sigma$",
    "Ā": r"$\bar{A}$",
    "√": r"$\surd$",
    "‖": r"$\|$",
    "†": r"$^\dagger$",
    "ᵀ": r"$^\top$",
    "∘": r"$\circ$",
    "→": r"$\to$",
    "⇔": r"$\Leftrightarrow$",
    "≠": r"$\neq$",
    "²": "$^2$",
    "⁴": "$^4$",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "°": r"$^\circ$",
    "µ": r"$\mu$",
    "‘": "`",
    "’": "'",
    "“": "``",
    "”": "''",
    "–": r"\textendash{}",
    "—": r"\textemdash{}",
    "…": r"\ldots{}",
}
_LETTERS = "ßæøÆØ"


def write_latex(sections: Sequence[Section]) -> str:
    """Return the report as LaTeX."""
    blocks = [f"% {TITLE}. In the document: \\usepackage{{booktabs}} and \\input{{report}}."]
    for section in sections:
        blocks += _section(section)
    for section in sections:
        lines = (_evidence(line, section.header) for line in section.evidence)
        blocks += [f"\\section*{{Evidence, {escape(section.key)}}}", *lines]
    return "\n\n".join(blocks) + "\n"


def escape(text: str) -> str:
    """Escape LaTeX's special characters; what the standard fonts lack is written as its Unicode number."""
    escaped = "".join(_SPECIAL.get(character) or _plain(character) for character in " ".join(text.split()))
    return re.sub("-(?=-)", "-{}", escaped)


def _plain(character: str) -> str:
    if (character.isascii() and character.isprintable()) or character in _LETTERS:
        return character
    accented = ord(character) < 0x100 and unicodedata.normalize("NFD", character)[0] in _ASCII_LETTERS
    return character if accented else f"\\texttt{{U+{ord(character):04X}}}"


def _section(section: Section) -> list[str]:
    blocks = [f"\\section*{{{escape(section.title)}}}", _list(section.statements)]
    for table in section.tables:
        blocks += [f"\\subsection*{{{escape(table.title)}}}", f"\\noindent {escape(' '.join(table.caption))}"]
        blocks.append(_table(table))
        if table.footnotes:
            notes = (f"$^{{{number}}}$ {escape(note)}" for number, note in enumerate(table.footnotes, start=1))
            blocks.append("\\noindent{\\footnotesize " + "\\\\\n".join(notes) + "\\par}")
    if section.absent:
        blocks += ["\\subsection*{Not in this report}", _list(section.absent)]
    return blocks


def _list(lines: Sequence[str]) -> str:
    return "\n".join(["\\begin{itemize}", *(f"\\item {escape(line)}" for line in lines), "\\end{itemize}"])


def _table(table: Table) -> str:
    """Cut columns, and rows of prose, into parts that fit on a page; every part repeats the row labels."""
    rows = PROSE_ROWS_PER_PART if any(column.prose for column in table.columns) else len(table.rows)
    return "\n\n".join(
        _part(table, slice(start, start + COLUMNS_PER_PART), slice(first, first + rows))
        for first in range(0, len(table.rows), rows)
        for start in range(0, len(table.columns), COLUMNS_PER_PART)
    )


def _part(table: Table, part: slice, rows: slice) -> str:
    columns = table.columns[part]
    kinds = "".join(f"p{{{PROSE_WIDTH}}}" if column.prose else "r" for column in columns)
    lines = [f"\\begin{{tabular}}{{l{kinds}}}", "\\toprule"]
    groups = spans(columns)
    if groups:
        headers = (f"\\multicolumn{{{width}}}{{c}}{{{escape(name)}}}" for name, width in groups)
        lines.append(f"& {' & '.join(headers)} \\\\")
        lines.append(_rules([width for _, width in groups]))
    lines += [f"& {' & '.join(map(_header, columns))} \\\\", "\\midrule"]
    for label, row in zip(table.rows[rows], table.cells[rows], strict=True):
        cells = (
            _prose(cell) if column.prose else _cell(cell, table.marks(cell))
            for column, cell in zip(columns, row[part], strict=True)
        )
        lines.append(" & ".join([escape(label), *cells]) + " \\\\")
        lines.append("\\addlinespace")
    lines += ["\\bottomrule", "\\end{tabular}"]
    inside = "\n".join(["\\scriptsize\\setlength{\\tabcolsep}{3pt}%", *lines])
    return f"\\begin{{center}}\n{inside}\n\\end{{center}}"


def _header(column: Column) -> str:
    return escape(column.header)


def _rules(widths: list[int]) -> str:
    ends = [sum(widths[: index + 1]) + 1 for index in range(len(widths))]
    return "".join(f"\\cmidrule(lr){{{end - width + 1}-{end}}}" for end, width in zip(ends, widths, strict=True))


def _cell(cell: Cell, marks: tuple[int, ...]) -> str:
    text = escape(cell.text)
    shown = f"\\textbf{{{text}}}" if cell.bold else text
    if marks:
        shown += f"$^{{{','.join(map(str, marks))}}}$"
    if not cell.ids:
        return shown
    groups = [cell.ids[start : start + IDS_PER_LINE] for start in range(0, len(cell.ids), IDS_PER_LINE)]
    stack = [shown, *(f"\\tiny {' '.join(group)}" for group in groups)]
    return "\\begin{tabular}[t]{@{}r@{}}" + " \\\\ ".join(stack) + "\\end{tabular}"


def _prose(cell: Cell) -> str:
    ids = f" {{\\tiny {' '.join(cell.ids)}}}" if cell.ids else ""
    return f"{{\\raggedright {escape(cell.text)}{ids}\\par}}"


def _evidence(line: Evidence, header: EvidenceHeader) -> str:
    hashes = zip(("record", *header.hashes[1:]), line.hashes, strict=True)
    parts = [*line.texts, *(f"{name} {digest[:SHORT] or 'none'}" for name, digest in hashes)]
    code, *device = line.origin
    text = "; ".join([*parts, f"code {code}", *device])
    return f"\\noindent{{\\scriptsize\\raggedright {line.id}: {escape(text)}\\par}}"


_ASCII_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
