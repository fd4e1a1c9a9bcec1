"""A parsed HTML page, for tests."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = ("meta", "img", "br", "input", "source")
ENDS = {"td": ("td", "th"), "th": ("td", "th"), "tr": ("td", "th", "tr"), "tbody": ("td", "th", "tr")}
"""Elements whose end tag may be left out before a start tag, or before the end tag of what holds them."""


class Page(HTMLParser):
    """Contents of a page; opening and closing tags must match, but for those of HTML that may be left out.

    Attributes:
        ids: anchors in order.
        links: targets of links in order.
        headings: (tag, anchor, text) of h2 and h3.
        cells: (cited ids, text) of table cells, in order.
        loaded: (tag, address) of tags that load something.
        text: all text.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.headings: list[tuple[str, str | None, str]] = []
        self.cells: list[tuple[list[str], str]] = []
        self.loaded: list[tuple[str, str | None]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        while self._open and self._open[-1] in ENDS.get(tag, ()):
            self._open.pop()
        if "id" in found:
            self.ids.append(found["id"] or "")
        if tag in ("h2", "h3"):
            self.headings.append((tag, found.get("id"), ""))
        if tag in ("td", "th"):
            self.cells.append(([], ""))
        if tag == "a":
            self.links.append(found["href"] or "")
            if "td" in self._open:
                self.cells[-1][0].append((found["href"] or "").removeprefix("#"))
        if tag in ("link", "img", "iframe", "source") or "src" in found:
            self.loaded.append((tag, found.get("srcset") or found.get("src")))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._open[-1] != tag and self._open[-1] in ENDS["tbody"]:
            self._open.pop()
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._open and self._open[-1] in ("h2", "h3"):
            tag, anchor, text = self.headings[-1]
            self.headings[-1] = tag, anchor, text + data
        if {"td", "th"} & set(self._open):
            ids, text = self.cells[-1]
            self.cells[-1] = ids, text + data
