"""Text from outside, such as a title, for one line on a terminal or a page: what could rearrange the rest is taken out.

Markup of the place that shows it (rich, Markdown, HTML) is escaped there, after this.
"""

from __future__ import annotations

import unicodedata

_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def one_line(text: str, *, longest: int | None = None) -> str:
    r"""Return text on one line, without control characters and without marks that turn the direction of writing.

    Args:
        text: Anything.
        longest: Characters to keep at most, an ellipsis included; None for all.

    >>> one_line("La  Dame\n\x1b[31mrouge \u202egpj.exe", longest=20)
    'La Dame [31mrouge g…'
    """
    kept = (_shown(character) for character in " ".join(text.split()))
    line = "".join(kept)
    return line if longest is None or len(line) <= longest else line[: longest - 1].rstrip() + "…"


def _shown(character: str) -> str:
    if character in _BIDI_CONTROLS:
        return ""
    match unicodedata.category(character):
        case "Cc":
            return ""
        case "Cs":
            return "\N{REPLACEMENT CHARACTER}"
    return character
