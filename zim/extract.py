"""From an article's HTML to sections and paragraphs of plain text that can be read aloud and cited.

Tables, boxes, galleries, formulas, notes and navigation are left out, as are the sections that only list; `zim.markup`
says which. Written with the standard library's parser, which takes any HTML, however broken, without recursion.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html.parser import HTMLParser
from itertools import groupby
from typing import Literal

from zim import markup
from zim.taming import pieces

MAX_PARAGRAPHS = 400
MAX_PARAGRAPH_CHARS = 20_000
MAX_LINKS = 200
MAX_ENTRIES = 600
LEAD_PARAGRAPHS = 4
MIN_ITEM_WORDS = 6
OMITTED = "[…]"
"""Stands where a formula stood, so that nobody takes the rest of its sentence for a whole one."""

_NOTE_MARK = re.compile(
    r"\[\s*(?:\d+|[a-z]|(?:note|n|nb|réf)\s?\.?\s?\d+|[^\[\]]{0,20}(?:citation needed|nécessaire)|\?)\s*\]",
    re.IGNORECASE,
)
_SPACES = re.compile(r"\s+")
_PRONOUNCED = re.compile(
    r"\s*\([^()]*(?:[ˈˌːəɪʁɔɛʊʃʒɑɲŋθð]|/[^/()]+/|prononc|pronounc|pronunciation|listen|écouter)[^()]*\)"
)
_EMPTY_BRACKETS = re.compile(r"\s*\(\s*[;,]?\s*\)")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ue000-\uf8ff]")
_UNSEEN = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Paragraph:
    """One paragraph of an article, or one item of a list that says something."""

    index: int  # 0-based, among those that are kept
    section: str  # heading above it, empty for the lead
    text: str  # one line, spaces collapsed
    level: int = 1  # of that heading, 2 to 6; 1 for the lead
    kind: Literal["text", "item"] = "text"


@dataclass(frozen=True)
class Section:
    """A heading with the paragraphs below it, down to the next heading."""

    title: str  # empty for the lead
    level: int  # 2 to 6; 1 for the lead
    paragraphs: tuple[Paragraph, ...]


@dataclass(frozen=True)
class Entry:
    """One item of a list as a page of namesakes has them."""

    link: str  # its first link, as written
    text: str  # the whole item


@dataclass(frozen=True)
class Text:
    """What is kept of an article."""

    paragraphs: tuple[Paragraph, ...]
    links: tuple[str, ...]  # targets of the article's first links, as written, in order
    entries: tuple[Entry, ...] = ()  # items of its lists that have links, in order

    @property
    def lead(self) -> str:
        """The text before the first heading."""
        return " ".join(one.text for one in self.paragraphs if not one.section)

    @property
    def sections(self) -> tuple[Section, ...]:
        """The paragraphs by their headings; headings without any are left out."""
        grouped = groupby(self.paragraphs, key=lambda one: (one.section, one.level))
        return tuple(Section(title, level, tuple(found)) for (title, level), found in grouped)


def extract(html: str, *, only_lead: bool = False) -> Text:
    """Return an article's paragraphs. Never raises for bad HTML; a page without paragraphs gives none.

    Args:
        html: The page, of any size: at most `MAX_PARAGRAPHS` are kept, and what follows them is not looked at.
        only_lead: Stop after `LEAD_PARAGRAPHS` paragraphs: a tenth of the work, for telling what a page is about.
    """
    parser = _Parser(LEAD_PARAGRAPHS if only_lead else MAX_PARAGRAPHS)
    for piece in pieces(html):
        parser.feed(piece)
        if parser.is_full:
            return parser.result()
    parser.close()
    return parser.result()


def clean(text: str) -> str:
    """Return text on one line, without note marks, pronunciations, empty brackets and what cannot be seen."""
    text = _NOTE_MARK.sub("", _UNSEEN.sub("", text))
    text = _CONTROL.sub(" ", text)
    text = _PRONOUNCED.sub("", text)
    text = _SPACES.sub(" ", _EMPTY_BRACKETS.sub("", text)).strip()
    return re.sub(r"\s+([,.])", r"\1", text)


class _Parser(HTMLParser):
    """Keeps the text of paragraphs and list items outside dropped elements and sections that only list."""

    def __init__(self, most: int) -> None:
        super().__init__(convert_charrefs=True)
        self._most = most
        self._texts = 0
        self._paragraphs: list[Paragraph] = []
        self._links: list[str] = []
        self._entries: list[Entry] = []
        self._buffer: list[str] | None = None
        self._kind: Literal["text", "item"] = "text"
        self._item_link: str | None = None
        self._raised: list[str] | None = None  # a superscript's text
        self._heading: list[str] | None = None
        self._section, self._level = "", 1
        self._muted_level: int | None = None  # of the heading whose section only lists
        self._dropped: list[str] = []  # open elements below, and including, the dropped one

    @property
    def is_full(self) -> bool:
        """Whether enough was kept. List items do not count: a page of namesakes has little else."""
        return self._texts >= self._most or len(self._paragraphs) >= MAX_PARAGRAPHS

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag in markup.VOID_TAGS:
            if tag == "br":
                self._add(" ")
            return
        if tag == "a" and found.get("href"):
            self._take_link(str(found["href"]))
        if self._dropped:
            if tag == self._dropped[0]:
                self._dropped.append(tag)
        elif markup.is_math(tag, found):
            self._add(f" {OMITTED} ")
            self._dropped.append(tag)
        elif tag in markup.DROPPED_TAGS or markup.is_dropped(tag, found):
            self._dropped.append(tag)
        elif tag == "sup":
            if markup.is_note_mark(found):
                self._dropped.append(tag)
            else:
                self._raised = []
        else:
            self._open(tag)

    def _open(self, tag: str) -> None:
        if tag in markup.HEADINGS:
            self._flush()
            self._heading = []
        elif tag in markup.PARAGRAPH_TAGS and not (tag == "p" and self._kind == "item" and self._is_blank()):
            self._flush()
            self._buffer, self._kind = [], "text"
        elif tag in markup.ITEM_TAGS:
            self._flush()
            self._buffer, self._kind = [], "item"

    def handle_endtag(self, tag: str) -> None:
        if self._dropped:
            if tag == self._dropped[0]:
                self._dropped.pop()
        elif tag == "sup":
            self._lower()
        elif tag in markup.HEADINGS:
            self._end_heading(markup.HEADINGS[tag])
        elif tag in markup.PARAGRAPH_TAGS or tag in markup.ITEM_TAGS or tag in markup.BLOCK_TAGS:
            self._flush()

    def handle_data(self, data: str) -> None:
        if not self._dropped and not self.is_full:
            self._add(data)

    def result(self) -> Text:
        self._flush()
        return Text(tuple(self._paragraphs[:MAX_PARAGRAPHS]), links=tuple(self._links), entries=tuple(self._entries))

    def _add(self, text: str) -> None:
        if self._dropped:
            return
        for place in (self._raised, self._heading, self._buffer):
            if place is not None:
                place.append(text)
                return

    def _is_blank(self) -> bool:
        return self._buffer is not None and not "".join(self._buffer).strip()

    def _lower(self) -> None:
        """End a superscript: ordinals stay as they are (XIXe), numbers become exponents, anything else was a mark."""
        raised, self._raised = "".join(self._raised or ()).strip(), None
        if raised.isalpha() and len(raised) <= 4:
            self._add(raised)
        elif raised.isdecimal() and raised.isascii() and len(raised) <= 3:
            self._add(raised.translate(_SUPERSCRIPT))

    def _take_link(self, href: str) -> None:
        if len(self._links) < MAX_LINKS:
            self._links.append(href)  # lists too: a page of namesakes is one
        if self._kind == "item" and self._item_link is None and not self._dropped:
            self._item_link = href

    def _end_heading(self, level: int) -> None:
        if self._heading is None:
            return
        heading, self._heading = clean("".join(self._heading)), None
        if level == 1 or not heading:
            return  # the article's own title
        self._section, self._level = heading, level
        if self._muted_level is None or level <= self._muted_level:
            self._muted_level = level if markup.LAST_SECTIONS.fullmatch(heading) else None

    def _flush(self) -> None:
        if self._raised is not None:
            self._lower()
        if self._buffer is None:
            return
        raw = "".join(self._buffer)
        text = "" if raw.isspace() else clean(raw[:MAX_PARAGRAPH_CHARS])
        kind, link = self._kind, self._item_link
        self._buffer, self._kind, self._item_link = None, "text", None
        if not text or self._muted_level is not None:
            return
        if kind == "item":
            if link is not None and len(self._entries) < MAX_ENTRIES:
                self._entries.append(Entry(link, text))
            if len(text.split()) < MIN_ITEM_WORDS:
                return  # a name, a title: nothing that could be told
        self._texts += kind == "text"
        self._paragraphs.append(Paragraph(len(self._paragraphs), self._section, text, self._level, kind))
