"""HTML made such that the standard library's parser takes linear time over it, piece by piece.

The parser looks for the end of every comment, tag and quoted value that has none, each time to the end of the page: two
megabytes of "<p" would take hours. So comments go, what opens no whole tag becomes text, and a tag with an unequal
number of quotes, or of absurd length, loses its attributes. Pieces let the reader stop early: most pages are asked for
their first paragraphs only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

PIECE_CHARS = 1 << 15
MAX_TAG_CHARS = 4000

_OPENED = re.compile(r"<([^<>]*)(>?)")
_DOUBLE_QUOTED = re.compile(r'"[^"]*"')
_TAG_NAME = re.compile(r"/?[A-Za-z][A-Za-z0-9]*")


def pieces(html: str) -> Iterator[str]:
    """Yield tamed HTML; each piece but the last ends before a tag."""
    position = 0
    while position < len(html):
        comment = html.find("<!--", position, position + PIECE_CHARS)
        end = html.find("<", position + PIECE_CHARS) if comment < 0 else comment
        end = len(html) if end < 0 else end
        yield _OPENED.sub(_tamed, html[position:end])
        if comment < 0:
            position = end
        else:
            closed = html.find("-->", comment + 4)
            position = closed + 3 if closed >= 0 else len(html)


def _tamed(found: re.Match[str]) -> str:
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
