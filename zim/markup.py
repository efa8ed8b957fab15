"""What the markup of an encyclopaedia's page means: what is running text, what is furniture, where sections end.

Tables only, so that they can be read and extended without reading the parser. They hold for what mwoffliner has
written over the years: its own `<details data-level>` sections (until 2023), Wikimedia's mobile pages (`pcs-…` classes,
sections hidden by style), Parsoid's `<section data-mw-section-id>`, and today's `action=parse` pages
(`mw-parser-output`, headings inside `div.mw-heading`). Sources: mwoffliner's templates and renderers; MediaWiki's
Specs/HTML; the class names of English and French Wikipedia's templates.
"""

from __future__ import annotations

import re

DROPPED_TAGS = frozenset(
    {"aside", "audio", "button", "code", "figcaption", "figure", "footer", "form", "header", "iframe", "map", "nav"}
    | {"noscript", "object", "pre", "rp", "rt", "script", "select", "style", "svg", "table", "template", "textarea"}
    | {"title", "video"}
)
"""Elements that are left out with all they hold."""

MATH_TAGS = frozenset({"math"})
VOID_TAGS = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
)
KEPT_TAGS = frozenset({"html", "body", "main", "article", "section", "details", "summary"})
"""Elements that are kept whatever their class or style says: mobile pages hide whole sections by style."""

PARAGRAPH_TAGS = frozenset({"p", "blockquote"})
ITEM_TAGS = frozenset({"li", "dd", "dt"})
BLOCK_TAGS = frozenset({"div", "section", "body", "details", "ul", "ol", "dl"})
"""Elements whose end is the end of a paragraph that was not closed."""

HEADINGS = {"h1": 1, "h2": 2, "h3": 3, "h4": 4, "h5": 5, "h6": 6}

DROPPED_CLASSES = re.compile(
    # boxes, tables in disguise, navigation
    r"infobox\S*|taxobox\S*|\S*navbox\S*|navbar\S*|sidebar\S*|side-box\S*|sistersitebox|succession\S*|portal\S*|"
    r"bandeau\S*|boite-\S*|palette\S*|navigation|navigation-\S*|toc|toc\S+|mw-indicators?|authority-control|"
    r"pcs-collapse-table-container|pcs-edit-section-link-container|pcs-header-\S*|mw-editsection\S*|mw-jump-link|"
    # notes and references
    r"reflist\S*|references?|references-\S*|mw-references\S*|mw-ref|refbegin\S*|mw-cite-backlink|cite-accessibility\S*|"
    r"Template-Fact|need_ref_tag|prononciation|"
    # notices above and below an article
    r"hatnote\S*|homonymie|dablink|rellink|mainarticle|seealso|loupe|metadata|ambox\S*|dmbox\S*|mbox-\S*|noprint|"
    r"shortdescription|stub|topicon|magnify|catlinks|mwo-catlinks|printfooter|zim-footer|noexcerpt|"
    # pictures, maps, sound, coordinates
    r"thumb\S*|gallery\S*|mw-gallery\S*|mw-kartographer\S*|locmap|listen|ext-phonos\S*|coordinates|geo-\S*|"
    r"mw-tmh-player|mw-file-element|IPA|API|error|mw-empty-elt|quotebox|sr-only",
)
DROPPED_IDS = frozenset({"toc", "catlinks", "disambigbox", "siteSub", "contentSub", "mw-navigation", "footer"})
DROPPED_ROLES = frozenset({"navigation", "note", "search", "complementary"})
MATH_CLASSES = re.compile(r"mwe-math\S*|texhtml|mw-math\S*")

_LAST = (
    r"notes?|r[ée]f[ée]rences?|references|bibliograph\w+|sources?|voir aussi|see also|external links?|liens? externes?|"
    r"further reading|annexes?|citations|footnotes|works cited|publications?|filmograph\w+|discograph\w+|expositions?|"
    r"exhibitions?|gallery|galeries?|articles connexes|related articles|literature|iconographie|in popular culture"
)
LAST_SECTIONS = re.compile(
    rf"(?:{_LAST})(?:\s*[:,]?\s+(?:et|and|&|des?|du|of|s[ée]lect\w+|principales?|compl[ée]mentaires?)\b.*)?",
    re.IGNORECASE,
)
"""Headings, whole, of sections that only list; their subsections go with them."""


def is_dropped(tag: str, attributes: dict[str, str | None]) -> bool:
    """Tell whether an element is furniture, by its class, role, id or style."""
    if tag in KEPT_TAGS:
        return False
    if any(DROPPED_CLASSES.fullmatch(name) for name in (attributes.get("class") or "").split()):
        return tag not in HEADINGS
    if attributes.get("id") in DROPPED_IDS or attributes.get("role") in DROPPED_ROLES:
        return True
    return "display:none" in (attributes.get("style") or "").replace(" ", "")


def is_math(tag: str, attributes: dict[str, str | None]) -> bool:
    """Tell whether an element is a formula."""
    return tag in MATH_TAGS or any(MATH_CLASSES.fullmatch(name) for name in (attributes.get("class") or "").split())


def is_note_mark(attributes: dict[str, str | None]) -> bool:
    """Tell whether a superscript points to a note: by class, by Parsoid's type, or by the old `rel`."""
    kind = f"{attributes.get('typeof') or ''} {attributes.get('rel') or ''} {attributes.get('id') or ''}"
    return "mw:Extension/ref" in kind or "dc:references" in kind or "cite_ref" in kind
