"""A text as it is said aloud, word by word beside how it is written.

Speech needs "mille sept cent quatre-vingt-neuf" where a caption shows "1789". One function makes both, so that the
voice, the alignment and the captions agree on what the words are: numbers, years, Roman numerals, ordinals,
abbreviations, dates, currencies, percentages and units, the way they are said in each language.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from steps.options import Language
from steps.spoken_numbers import western
from steps.spoken_tokens import Token, say

_SPACE = re.compile(r"[ \t\n\r\f\v]+")
_UNIT = re.compile(
    "[\u00a0\u202f\u2007\u2009]*[^\u00a0\u202f\u2007\u2009]+|[\u00a0\u202f\u2007\u2009]+"
)  # no-break spaces
_OPENING = frozenset("«“„‘([¿¡")  # they go with the word behind them
_PAUSES = ",.;:!?…"


@dataclass(frozen=True)
class Piece:
    """A word, or a few that stand or are said as one, in both forms."""

    written: str  # as captions show it; may hold no-break spaces, and plain ones inside "1 000 000"
    spoken: str  # words without digits, separated by single spaces; empty only when the text has nothing to say


@dataclass(frozen=True)
class Speakable:
    """A text in both forms."""

    pieces: tuple[Piece, ...]  # in order

    @property
    def spoken(self) -> str:
        """Return what a voice says."""
        return " ".join(piece.spoken for piece in self.pieces if piece.spoken)

    @property
    def written(self) -> str:
        """Return the text with single spaces; nothing else of it is lost."""
        return " ".join(piece.written for piece in self.pieces)


def speakable(text: str, language: Language) -> Speakable:
    """Return a text as it is said, beside how it is written.

    Args:
        text: Any text. Runs of spaces, tabs and line breaks count as one space; no-break spaces stay, and what they
            join is one piece.
        language: Whose words and habits are used.

    Returns:
        Pieces whose written forms, joined by single spaces, are the text; no spoken form has a digit. Marks that
        nobody says (dashes, quotes, emoji) go with the word beside them.
    """
    units = [(unit, not index) for word in _SPACE.split(text) if word for index, unit in enumerate(_UNIT.findall(word))]
    tokens = [Token.of(western(unit.strip("\u00a0\u202f\u2007\u2009"))) for unit, _ in units]
    pieces: list[Piece] = []
    waiting: Piece | None = None  # marks before the first word
    index = 0
    while index < len(units):
        count, said = say(tokens, index, language=language)
        taken = units[index : index + count]
        written = "".join((" " if starts and at else "") + unit for at, (unit, starts) in enumerate(taken))
        gap = " " if taken[0][1] else ""
        here = Piece(written, _clean(said))
        index += count
        if waiting is not None:
            here, waiting = Piece(f"{waiting.written}{gap}{written}", here.spoken), None
            gap = " "
        if not any(c.isalpha() for c in here.spoken):
            if gap and _is_opening(written):
                waiting = here
            elif pieces:
                pieces[-1] = _with_mark(pieces[-1], here, gap)
            else:
                waiting = here
        elif pieces and not gap:
            pieces[-1] = Piece(pieces[-1].written + here.written, f"{pieces[-1].spoken} {here.spoken}")
        else:
            pieces.append(here)
    if waiting is not None:
        pieces.append(Piece(waiting.written, ""))
    return Speakable(tuple(pieces))


def _with_mark(piece: Piece, mark: Piece, gap: str) -> Piece:
    """Return a piece with a mark that stood alone behind it; a dash is a pause."""
    pause = next((c for c in mark.spoken if c in _PAUSES), "," if _is_dash(mark.written) else "")
    spoken = piece.spoken if piece.spoken[-1] in _PAUSES else piece.spoken + pause
    return Piece(f"{piece.written}{gap}{mark.written}", spoken)


def _is_opening(written: str) -> bool:
    return set(written.strip()) <= _OPENING


def _is_dash(written: str) -> bool:
    return all(unicodedata.category(c) == "Pd" for c in written.strip())


def _clean(said: str) -> str:
    """Return words, apostrophes, hyphens and pauses; what no rule could read is left out."""
    kept = "".join(c if _may_stay(c) else " " if unicodedata.category(c)[0] == "Z" else "" for c in said)
    return re.sub(r"\s+(?=[,.;:!?…])", "", " ".join(kept.split()))


def _may_stay(character: str) -> bool:
    return unicodedata.category(character)[0] in "LM" or character in "'’-" or character in _PAUSES
