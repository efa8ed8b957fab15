"""The words of a script, as captions show them, and the times at which they are heard.

Recognised text is never shown: what is on the screen is what was written. So the script is split once, here, and every
way of timing it (`alignment.py`, `external/whisper.py`) gives its times to these words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from steps.options import Language
from steps.speakable import Piece, speakable

SHORTEST_S = 0.04
"""No word is on screen for less than a frame."""

_OPENING = frozenset("«“„‘(¿¡[–—")
_CLOSING = frozenset("»”’)!?:;.,…]%‰€$£°")


@dataclass(frozen=True)
class TimedWord:
    """One word of the script and when it is heard."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Said:
    """One word of the script: what is shown, and what is heard."""

    text: str  # as written; parts that stay together are joined by no-break spaces
    spoken: str  # one word or several, separated by single spaces; "" for one that nobody says


def said_words(text: str, language: Language) -> tuple[Said, ...]:
    """Split a script into what is shown, each with what the voice says for it: "1503" is "quinze cent trois".

    Marks that stand alone go with a word as in `script_words`; so do signs that are spoken, as in "50 %". The spoken
    words of all, joined by single spaces, are `speakable(text).spoken`.
    """
    words: list[Said] = []
    before = ""  # opening marks that wait for their word
    unsaid = ""  # what is spoken for a sign that no word stands before
    for piece in speakable(_plain(text), language).pieces:
        shown, waiting = _shown(piece)
        if any(c.isalnum() for c in shown) or (shown and not words):
            words.append(Said(before + shown, f"{unsaid} {piece.spoken}".strip()))
            before = unsaid = ""
        elif words:
            last = words.pop()
            glued = f"{last.text}\N{NO-BREAK SPACE}{shown}" if shown else last.text
            words.append(Said(glued, f"{last.spoken} {piece.spoken}".strip()))
        else:
            unsaid = f"{unsaid} {piece.spoken}".strip()
        before += waiting
    return tuple(word for word in words if any(c.isalnum() for c in word.text) or word.spoken)


def _shown(piece: Piece) -> tuple[str, str]:
    """Return a piece as it is shown, and the opening marks at its end, which belong to the next word."""
    parts = piece.written.split()
    waiting = ""
    while parts and set(parts[-1]) <= _OPENING:
        waiting = f"{parts.pop()}\N{NO-BREAK SPACE}{waiting}"
    kept = [part for part in parts if any(c.isalnum() or c in _OPENING or c in _CLOSING for c in part)]
    return "\N{NO-BREAK SPACE}".join(kept), waiting


def _plain(text: str) -> str:
    normal = unicodedata.normalize("NFC", text)
    return "".join(c if unicodedata.category(c)[0] != "C" else " " if c in "\t\n\r\v\f" else "" for c in normal)


def script_words(text: str) -> tuple[str, ...]:
    """Split a script into words with their punctuation, spelled exactly as written.

    French sets spaces inside its quotes and before `! ? : ;`: those marks stay with their word, joined by a no-break
    space, so that no line begins with one. Marks that nobody speaks (`---`, `***`) are dropped; "l'Été" and
    "aujourd'hui" are one word.
    """
    words: list[str] = []
    before = ""  # opening marks that wait for their word
    for token in re.split(r"\s+", _plain(text)):
        if any(c.isalnum() for c in token):
            words.append(before + token)
            before = ""
        elif token and set(token) <= _OPENING:
            before += f"{token}\N{NO-BREAK SPACE}"
        elif token and set(token) <= _CLOSING and words and not before:
            words[-1] += f"\N{NO-BREAK SPACE}{token}"
    return tuple(words)


def settle(words: Sequence[TimedWord], *, duration_s: float) -> tuple[TimedWord, ...]:
    """Return the words with times that hold: in order, not overlapping, each start < end, inside the sound.

    A word of no length borrows from the room around it; where there is none (many words at one instant), the words of
    that stretch share it evenly.

    Args:
        words: In the order of the script; times may be wrong in any way.
        duration_s: Length of the sound, above zero.
    """
    count = len(words)
    step_s = min(SHORTEST_S, duration_s / max(count, 1))
    starts: list[float] = []
    for index, word in enumerate(words):
        # At least one step after the word before, and early enough to leave a step for each word that follows.
        earliest = starts[-1] + step_s if starts else 0.0
        starts.append(max(earliest, min(word.start_s, duration_s - (count - index) * step_s)))
    settled = []
    for index, word in enumerate(words):
        limit = starts[index + 1] if index + 1 < count else duration_s
        end_s = min(max(word.end_s, starts[index] + step_s), limit)
        settled.append(TimedWord(word.text, round(starts[index], 3), round(end_s, 3)))
    return tuple(settled)
