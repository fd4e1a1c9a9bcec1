"""Escaping of text for each format; nothing else escapes."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from markupsafe import Markup, escape

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


@lru_cache(maxsize=4096)
def markdown(text: str) -> str:
    """Escape what Markdown or HTML would read as markup, and keep the text on one line; `code` stays code."""
    plain = re.sub(r"[\\|*\[\]]", r"\\\g<0>", " ".join(text.split()))
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def latex(text: str) -> str:
    """Escape LaTeX's special characters; characters that the standard fonts lack become their Unicode number."""
    escaped = "".join(_SPECIAL.get(character) or _plain(character) for character in " ".join(text.split()))
    return re.sub("-(?=-)", "-{}", escaped)


def html(text: str) -> Markup:
    """Escape HTML and set text between backticks as code."""
    return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", str(escape(text))))


def _plain(character: str) -> str:
    if (character.isascii() and character.isprintable()) or character in _LETTERS:
        return character
    accented = ord(character) < 0x100 and unicodedata.normalize("NFD", character)[0] in _ASCII_LETTERS
    return character if accented else f"\\texttt{{U+{ord(character):04X}}}"
