"""Characters that a format would read as markup are escaped."""

from __future__ import annotations

import pytest
from markupsafe import escape

from care_bench.report import escaping


def test_latex_escapes_what_latex_would_read() -> None:
    assert escaping.latex("a_b 50% & $x$ #1 {y}") == r"a\_b 50\% \& \$x\$ \#1 \{y\}"
    assert escaping.latex("~ ^ \\z") == r"\textasciitilde{} \textasciicircum{} \textbackslash{}z"
    assert escaping.latex("[k] *w* | < >") == "{[}k{]} {*}w{*} $|$ $<$ $>$"
    assert escaping.latex("--x -1 ---") == "-{}-x -1 -{}-{}-"
    assert (
        escaping.latex("± γ² café ß 中\u200b\nline") == r"$\pm$ $\gamma$$^2$ café ß \texttt{U+4E2D}\texttt{U+200B} line"
    )
    assert escaping.latex("ðþ") == r"\texttt{U+00F0}\texttt{U+00FE}"  # letters that are not in the standard fonts
    assert escaping.latex("‖Ā†‖ ⇔ 1 ≤ 2° “`a`”…") == (
        r"$\|$$\bar{A}$$^\dagger$$\|$ $\Leftrightarrow$ 1 $\leq$ 2$^\circ$ ``'a'''\ldots{}"
    )


def test_markdown_escapes_what_markdown_would_read() -> None:
    assert escaping.markdown("a|b *c* <i> &amp; [k](u)\nline \\ `d`") == (
        r"a\|b \*c\* &lt;i&gt; &amp;amp; \[k\](u) line " + "\\\\ `d`"
    )


@pytest.mark.parametrize("text", ["", "95.50 ± 1.24", "<a href=\"x\">&amp; 'b' &#39; </a>", "a`b`\n"])
def test_html_is_escaped_as_templates_do(text: str) -> None:
    assert escaping.html_text(text) == str(escape(text))


def test_html_shows_code_between_backticks() -> None:
    assert escaping.html('<i> & `a < b` "c"') == "&lt;i&gt; &amp; <code>a &lt; b</code> &#34;c&#34;"
