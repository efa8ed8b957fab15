"""From an article's HTML to paragraphs of plain text that can be read aloud and cited.

Tables, boxes, galleries, notes and navigation are left out, as are the sections at the end that only list. Written with
the standard library's parser, which takes any HTML, however broken, without recursion.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html.parser import HTMLParser

MAX_PARAGRAPHS = 400
MAX_LINKS = 200
MAX_TAG_CHARS = 4000

_DROPPED_TAGS = frozenset(
    {"aside", "audio", "button", "code", "dl", "figcaption", "figure", "footer", "form", "header", "iframe", "math"}
    | {"nav", "noscript", "ol", "pre", "script", "select", "style", "svg", "table", "template", "textarea", "title"}
    | {"ul", "video", "sup"}
)
_VOID_TAGS = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
)
_KEPT_TAGS = frozenset({"html", "body", "main", "article", "section"})  # whatever their class says
_DROPPED_CLASSES = re.compile(
    r"infobox\S*|\S*navbox\S*|sidebar|reflist|references?|mw-editsection|toc|thumb\S*|hatnote|homonymie|bandeau\S*|"
    r"metadata|ambox|noprint|gallery\S*|mw-empty-elt|shortdescription|coordinates|catlinks|printfooter|navigation|"
    r"mw-references-wrap|refbegin|side-box|error|IPA|API|noexcerpt|listen"
)
_PARAGRAPH_TAGS = frozenset({"p", "blockquote"})
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_LAST_SECTIONS = re.compile(
    r"^(notes?( et r[ée]f[ée]rences| and references)?|r[ée]f[ée]rences?|references|bibliograph\w+|sources?|"
    r"voir aussi|see also|external links|liens externes|further reading|annexes?|citations|footnotes|works cited|"
    r"publications?|filmograph\w+|discograph\w+|expositions?|exhibitions|gallery|galerie)\b",
    re.IGNORECASE,
)
_NOTE_MARK = re.compile(r"\[\s*(?:\d+|[a-z]|note \d+|n \d+|citation needed|réf\. nécessaire|\?)\s*\]", re.IGNORECASE)
_OPENED = re.compile(r"<([^<>]*)(>?)")
_DOUBLE_QUOTED = re.compile(r'"[^"]*"')
_TAG_NAME = re.compile(r"/?[A-Za-z][A-Za-z0-9]*")
_SPACES = re.compile(r"\s+")
_PRONOUNCED = re.compile(r"\s*\([^()]*(?:[ˈˌːəɪʁɔɛʊʃʒɑɲŋθð]|/[^/()]+/|prononc|pronounc|listen|écouter)[^()]*\)")
_EMPTY_BRACKETS = re.compile(r"\s*\(\s*[;,]?\s*\)")


@dataclass(frozen=True)
class Paragraph:
    """One paragraph of an article."""

    index: int  # 0-based, among those that are kept
    section: str  # heading above it, empty for the lead
    text: str  # one line, spaces collapsed


@dataclass(frozen=True)
class Text:
    """What is kept of an article."""

    paragraphs: tuple[Paragraph, ...]
    links: tuple[str, ...]  # targets of the article's own links, decoded by the caller, in order

    @property
    def lead(self) -> str:
        """The text before the first heading."""
        return " ".join(one.text for one in self.paragraphs if not one.section)


def extract(html: str) -> Text:
    """Return an article's paragraphs. Never raises for bad HTML; a page without paragraphs gives none."""
    parser = _Parser()
    parser.feed(_tamed(html))
    parser.close()
    return parser.result()


def clean(text: str) -> str:
    """Return text on one line, without note marks, pronunciations and empty brackets."""
    text = _NOTE_MARK.sub("", text.replace("\u00ad", "").replace("\u200b", ""))
    text = _PRONOUNCED.sub("", text)
    text = _SPACES.sub(" ", _EMPTY_BRACKETS.sub("", text)).strip()
    return re.sub(r"\s+([,.])", r"\1", text)


def _tamed(html: str) -> str:
    """Return HTML on which the standard library's parser takes linear time.

    It looks for the end of every comment, tag and quoted value that has none, each time to the end of the page: two
    megabytes of "<p" would take hours. So comments go, what opens no whole tag becomes text, and a tag with an unequal
    number of quotes, or of absurd length, loses its attributes.
    """
    parts: list[str] = []
    position = 0
    while (start := html.find("<!--", position)) >= 0:
        parts.append(html[position:start])
        end = html.find("-->", start + 4)
        position = end + 3 if end >= 0 else len(html)
    parts.append(html[position:])
    return _OPENED.sub(_tamed_tag, "".join(parts))


def _tamed_tag(found: re.Match[str]) -> str:
    inside, closed = found.group(1), found.group(2)
    if not closed:
        return "&lt;" + inside
    if inside[:1] in ("!", "?"):
        return ""
    unquoted = _DOUBLE_QUOTED.sub("", inside)  # an apostrophe inside double quotes opens nothing
    if len(inside) > MAX_TAG_CHARS or '"' in unquoted or unquoted.count("'") % 2:
        name = _TAG_NAME.match(inside)
        return f"<{name.group()}>" if name else ""
    return found.group()


class _Parser(HTMLParser):
    """Keeps the text of paragraphs outside dropped elements, and stops at the sections that only list."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._paragraphs: list[Paragraph] = []
        self._links: list[str] = []
        self._buffer: list[str] | None = None
        self._heading: list[str] | None = None
        self._section = ""
        self._dropped: list[str] = []  # open elements below, and including, the dropped one
        self._ended = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _VOID_TAGS:
            if tag == "br" and self._buffer is not None:
                self._buffer.append(" ")
            return
        found = dict(attrs)
        if tag == "a" and found.get("href") and len(self._links) < MAX_LINKS:
            self._links.append(str(found["href"]))  # lists too: a page of namesakes is one
        if self._dropped:
            if tag == self._dropped[0]:
                self._dropped.append(tag)
            return
        if tag in _DROPPED_TAGS or self._is_dropped(tag, found):
            self._dropped.append(tag)
        elif tag in _HEADINGS:
            self._flush()
            self._heading = []
        elif tag in _PARAGRAPH_TAGS:
            self._flush()
            self._buffer = []

    def handle_endtag(self, tag: str) -> None:
        if self._dropped:
            if tag == self._dropped[0]:
                self._dropped.pop()
            return
        if tag in _PARAGRAPH_TAGS or tag in ("div", "section", "body"):
            self._flush()
        elif tag in _HEADINGS and self._heading is not None:
            heading = clean("".join(self._heading))
            self._heading = None
            if tag != "h1":
                self._section = heading
                self._ended = self._ended or bool(_LAST_SECTIONS.match(heading))

    def handle_data(self, data: str) -> None:
        if self._dropped:
            return
        if self._heading is not None:
            self._heading.append(data)
        elif self._buffer is not None:
            self._buffer.append(data)

    def result(self) -> Text:
        self._flush()
        return Text(tuple(self._paragraphs), links=tuple(self._links))

    @staticmethod
    def _is_dropped(tag: str, attributes: dict[str, str | None]) -> bool:
        if tag in _KEPT_TAGS:
            return False
        names = f"{attributes.get('class') or ''} {attributes.get('role') or ''} {attributes.get('id') or ''}".split()
        hidden = "display:none" in (attributes.get("style") or "").replace(" ", "")
        return hidden or any(_DROPPED_CLASSES.fullmatch(name) for name in names)

    def _flush(self) -> None:
        if self._buffer is None:
            return
        text = clean("".join(self._buffer))
        self._buffer = None
        if text and not self._ended and len(self._paragraphs) < MAX_PARAGRAPHS:
            self._paragraphs.append(Paragraph(len(self._paragraphs), section=self._section, text=text))
