"""A paragraph cut into sentences, in French and English: initials, abbreviations and quotes do not mislead it."""

from __future__ import annotations

import re

_SENTENCE_END = re.compile(r"(?:(?<=[.!?…])|(?<=[.!?…][\"»”’)])|(?<=[.!?…] »))\s+(?=[A-ZÀ-ÖØ-Þ«\"“])")
_ABBREVIATED = re.compile(
    r"(?:\b(?:[A-Z]|M|MM|Mme|Mlle|Dr|Mr|Mrs|Ms|St|Ste|c|ca|v|vol|no|p|pp|fl|b|d|etc|cf|av|apr|J|Jr|Sr|env|éd|ed))\.$"
)


def sentences(text: str) -> list[str]:
    """Split a paragraph into sentences; abbreviations and initials do not end one."""
    parts: list[str] = []
    for piece in _SENTENCE_END.split(text):
        if parts and _ABBREVIATED.search(parts[-1]):
            parts[-1] += " " + piece
        elif piece.strip():
            parts.append(piece.strip())
    return parts
