"""Words for one line on a terminal or a page: text from outside made harmless, reasons made short, numbers with nouns.

`one_line` takes out what could rearrange the rest of a line. Markup of the place that shows it (rich, Markdown, HTML)
is escaped there, after this.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

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


def brief(reasons: Sequence[str]) -> str:
    """Return the first of several reasons and how many more there are; no full stop at its end.

    >>> brief(["The face is too small.", "The face is blurred."])
    'The face is too small (+1 more)'
    """
    if not reasons:
        return ""
    more = f" (+{len(reasons) - 1} more)" if len(reasons) > 1 else ""
    return one_line(reasons[0]).rstrip(".;: ") + more


def counted(count: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun.

    >>> counted(1, "painting"), counted(0, "painting"), counted(2, "try", "tries")
    ('1 painting', '0 paintings', '2 tries')
    """
    return f"{count} {one if count == 1 else many or one + 's'}"
