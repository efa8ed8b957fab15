"""Whether the words that are heard are those of the script.

A speech model writes down what it hears. Both texts are brought to the same form (spoken words, no accents, no spaces:
models write what they hear joined or split in their own way) and compared letter by letter. Names and numbers are
forgiven: no model spells "Ghirlandaio" or decides alike between "fifteen hundred" and "1500".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from steps import speech_models
from steps.external import whisper
from steps.options import Language, StepOptions
from steps.speakable import speakable

_FORGIVEN_INSERTION = 0.6  # a letter more beside a name or a number, which may be written longer than it is
_ENDS = (".", "!", "?", "…", ":", "»", "”", '"')
_LIGATURES = str.maketrans({"œ": "oe", "æ": "ae", "ß": "ss"})


@dataclass(frozen=True)
class Heard:
    """What a speech model made of a take."""

    text: str
    error: float  # share of the script's letters, 0 .. 1; names and numbers are not counted


def listen(
    speech: Path, script: str, *, language: Language, options: StepOptions, names: Sequence[str]
) -> Heard | None:
    """Write down what is said and compare it with the script; None where no model of the language is configured.

    Blocks: a quarter of the speech's length with a small model on one core.

    Args:
        speech: The take.
        script: As it is written.
        language: Of the script.
        options: Name the model (`captions.model`), and say whether takes are recognised at all.
        names: What else is forgiven: title, painter, sitter.

    Raises:
        BadOutput: the file has no sound.
        ProgramFailed: the model fails on it.
    """
    if not options.audio.recognition.enabled:
        return None
    found = speech_models.find(options.captions, language, models_dir=options.models_dir)
    if found.model is None:
        return None
    text = whisper.transcribe(speech, language, model=found.model)
    return Heard(text, error_rate(script, text, language=language, names=names))


def error_rate(script: str, heard: str, *, language: Language, names: Sequence[str] = ()) -> float:
    """Return how much of a script is not what was heard: changed, lost and added letters per letter of the script.

    Returns:
        0 .. 1; 1 also when far more was said than the script has.
    """
    letters, forgiven = _letters(script, language=language, names=names)
    other, _ = _letters(heard, language=language, names=())
    counted = int((~forgiven).sum())
    if counted == 0:
        return 0.0
    return round(min(1.0, _distance(letters, forgiven, other) / counted), 4)


def _letters(text: str, *, language: Language, names: Sequence[str]) -> tuple[NDArray[np.uint32], NDArray[np.bool_]]:
    """Return the letters of a text as it is spoken, and which of them belong to a name or a number."""
    known = {part for name in names for part in re.findall(r"\w+", fold(name)) if len(part) > 2}
    letters: list[int] = []
    forgiven: list[bool] = []
    begins = True
    for piece in speakable(text, language).pieces:
        plain = re.sub(r"[^\w]", "", fold(piece.spoken))
        is_spelled = any(c.isdigit() for c in piece.written) or plain != re.sub(r"[^\w]", "", fold(piece.written))
        is_name = not begins and _is_name(piece.written, language)
        is_known = any(part in known for part in re.findall(r"\w+", fold(piece.written)))
        letters += [ord(c) for c in plain]
        forgiven += [is_spelled or is_name or is_known] * len(plain)
        begins = piece.written.rstrip().endswith(_ENDS)
    return np.array(letters, np.uint32), np.array(forgiven, np.bool_)


def fold(text: str) -> str:
    """Return a text in small letters without accents."""
    opened = unicodedata.normalize("NFKD", text.casefold().translate(_LIGATURES))
    return "".join(c for c in opened if not unicodedata.combining(c))


def _is_name(written: str, language: Language) -> bool:
    """Tell whether a word inside a sentence is a name: it has a capital, and is not the English "I"."""
    word = re.sub(r"^[^\w]+", "", written)
    after = re.sub(r"^\w{1,2}['’]", "", word) if language == "fr" else word  # l'Italie, d'Este
    return after[:1].isupper() and re.split(r"['’\s]", after)[0].rstrip(".,;:!?") != "I"


def _distance(letters: NDArray[np.uint32], forgiven: NDArray[np.bool_], other: NDArray[np.uint32]) -> float:
    """Return the cheapest way from one text to the other. Row by row, a whole row at once."""
    columns = np.arange(len(other) + 1, dtype=np.float64)
    row = columns.copy()
    for index, letter in enumerate(letters):
        free = bool(forgiven[index])
        changed = row[:-1] + (0.0 if free else 1.0) * (other != letter)
        lost = row + (0.0 if free else 1.0)
        best = lost
        best[1:] = np.minimum(lost[1:], changed)
        insertion = _FORGIVEN_INSERTION if free else 1.0
        # Letters added after this one: the smallest of what came before it plus their cost.
        row = np.minimum.accumulate(best - columns * insertion) + columns * insertion
    return float(row[-1])
