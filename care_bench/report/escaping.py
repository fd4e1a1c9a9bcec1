"""Escaping of text for each format; nothing else escapes."""

from __future__ import annotations

import re
import unicodedata

from markupsafe import Markup

_SPECIAL = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    **{character: f"{{{character}}}" for character in "[]*"},
    **dict(zip("<>|", ("$<$", "$>$", "$|$"), strict=True)),
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    '"': "''",
    "`": "'",
    "Ā": r"$\bar{A}$",
    "‖": r"$\|$",
    "‘": "`",
    "’": "'",
    "“": "``",
    "”": "''",
    "–": r"\textendash{}",
    "—": r"\textemdash{}",
    "…": r"\ldots{}",
}
_MATHEMATICS = r"""
± \pm  γ \gamma  ε \varepsilon  λ \lambda  π \pi  ρ \rho  σ \sigma  Σ \Sigma  µ \mu  √ \surd  † ^\dagger  ᵀ ^\top
∘ \circ  ° ^\circ  → \to  ⇔ \Leftrightarrow  ≠ \neq  ≤ \leq  ≥ \geq  × \times  · \cdot  ↑ \uparrow  ↓ \downarrow
² ^2  ⁴ ^4
"""
_SPECIAL |= {sign: f"${command}$" for sign, command in re.findall(r"(\S) (\S+)", _MATHEMATICS)}
_ASCII_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_LETTERS = frozenset("ßæøÆØ")


_MARKUP = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_HTML = {**_MARKUP, "'": "&#39;", '"': "&#34;"}
_MARKDOWN = {**{sign: f"\\{sign}" for sign in "\\|*[]"}, **_MARKUP}


def markdown(text: str) -> str:
    """Escape what Markdown or HTML would read as markup, and keep the text on one line; `code` stays code."""
    return _replaced(" ".join(text.split()), _MARKDOWN)


def latex(text: str) -> str:
    """Escape LaTeX's special characters; characters that the standard fonts lack become their Unicode number."""
    return re.sub("-(?=-)", "-{}", " ".join(text.split()).translate(_LATEX))


def html(text: str) -> Markup:
    """Escape HTML and set text between backticks as code."""
    return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", html_text(text)))


def html_text(text: str) -> str:
    """Escape HTML, in texts and in attributes, as a template does."""
    return _replaced(text, _HTML)


def _replaced(text: str, signs: dict[str, str]) -> str:
    """Replace some signs one after another; of short texts that is faster than `str.translate`."""
    for sign, shown in signs.items():
        text = text.replace(sign, shown)
    return text


class _Latex(dict[int, str]):
    """Code of a character -> how LaTeX writes it, worked out when it is first met."""

    def __missing__(self, code: int) -> str:
        self[code] = _SPECIAL.get(chr(code)) or _plain(chr(code))
        return self[code]


_LATEX = _Latex()


def _plain(character: str) -> str:
    if (character.isascii() and character.isprintable()) or character in _LETTERS:
        return character
    accented = ord(character) < 0x100 and unicodedata.normalize("NFD", character)[0] in _ASCII_LETTERS
    return character if accented else f"\\texttt{{U+{ord(character):04X}}}"
