"""What an embedded voice says about a take that it made: which engine it is, and when it says each word.

It travels as a tag of the sound file, because that is all that comes back from a ComfyUI server; a real one sets none.
The tag is outside data: what does not fit the file it came with is dropped as a whole.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from steps.external.ffmpeg import probe
from steps.words import TimedWord
from steps.workfiles import write_text

TAG = "nightreel_voice"
Engine = Literal["espeak", "neural"]
_ENGINES: tuple[Engine, ...] = ("espeak", "neural")
_MOST_BYTES = 400_000
_SPARE_S = 0.05  # times are rounded, and a codec may pad


@dataclass(frozen=True)
class VoiceEvents:
    """A take by its maker."""

    engine: Engine
    words: tuple[TimedWord, ...]  # as they were sent, split at spaces; in order; seconds from the start of the file


def to_tag(engine: Engine, words: Sequence[TimedWord]) -> str:
    """Return the tag's text."""
    timed = [[word.text, round(word.start_s, 3), round(word.end_s, 3)] for word in words]
    return json.dumps({"engine": engine, "words": timed}, ensure_ascii=False)


def read(path: Path) -> VoiceEvents | None:
    """Return what a file says about itself, or None.

    Raises:
        BadOutput: not a readable file.
    """
    media = probe(path)
    told = next((value for key, value in media.tags if key.casefold() == TAG), "")
    if not told or len(told) > _MOST_BYTES:
        return None
    try:
        found = json.loads(told)
        engine = next(one for one in _ENGINES if one == found["engine"])
        words = tuple(_word(one) for one in found["words"])
    except (ValueError, KeyError, TypeError, StopIteration, IndexError, RecursionError):
        return None
    return VoiceEvents(engine, words) if _fit(words, media.duration_s) else None


def write(path: Path, events: VoiceEvents) -> Path:
    """Write the side file that captions read: `{engine, words: [{text, start_s, end_s}]}`; return its path."""
    words = [{"text": word.text, "start_s": word.start_s, "end_s": word.end_s} for word in events.words]
    return write_text(path, json.dumps({"engine": events.engine, "words": words}, ensure_ascii=False) + "\n")


def load(path: Path) -> tuple[TimedWord, ...]:
    """Return the words of a side file; none when it cannot be read."""
    try:
        found = json.loads(path.read_text("utf-8"))
        return tuple(_word([one["text"], one["start_s"], one["end_s"]]) for one in found["words"])
    except (OSError, ValueError, KeyError, TypeError):
        return ()


def _word(told: Any) -> TimedWord:
    text, start_s, end_s = told
    return TimedWord(str(text)[:200], float(start_s), float(end_s))


def _fit(words: Sequence[TimedWord], duration_s: float) -> bool:
    """Tell whether times are numbers, in order, and inside the sound."""
    last_s = 0.0
    for word in words:
        if not (math.isfinite(word.start_s) and math.isfinite(word.end_s)):
            return False
        if not last_s <= word.start_s <= word.end_s <= duration_s + _SPARE_S:
            return False
        last_s = word.start_s
    return True
