"""The neural voice of the embedded text-to-speech nodes, where `scripts/get-voices` has placed it.

Half of real time on one core, so it is an extra and not the default. The speakers carry the names that the real nodes
know. There is one French voice, a woman's; French men borrow an English one's timbre and have an accent.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from steps.external.kokoro import RATE_HZ, Kokoro, is_there
from steps.words import TimedWord

LEAD_S = 0.15
TAIL_S = 0.30
_AUDIBLE = 0.003

_ENGLISH: Mapping[str, str] = {
    "serena": "af_heart",
    "vivian": "af_bella",
    "sohee": "bf_emma",
    "ono_anna": "af_bella",
    "ryan": "am_michael",
    "aiden": "am_fenrir",
    "eric": "bm_lewis",
    "dylan": "am_fenrir",
    "uncle_fu": "bm_george",
}
_FRENCH_WOMAN = "ff_siwis"
_FRENCH_MEN: Mapping[str, str] = {
    "ryan": "bm_lewis",
    "aiden": "am_michael",
    "eric": "bm_lewis",
    "dylan": "am_michael",
    "uncle_fu": "bm_george",
}


def style_of(speaker: str, language: str) -> str:
    """Return the style of a speaker, in any case, in "fr" or "en"; another name gets Serena's."""
    name = speaker.strip().lower()
    if language == "fr":
        return _FRENCH_MEN.get(name, _FRENCH_WOMAN)
    return _ENGLISH.get(name, _ENGLISH["serena"])


def styles() -> tuple[str, ...]:
    """Return all styles that speakers have, sorted."""
    return tuple(sorted({*_ENGLISH.values(), *_FRENCH_MEN.values(), _FRENCH_WOMAN}))


def can_speak(models_dir: Path, *, speaker: str, language: str) -> bool:
    """Tell whether this voice is there for a speaker in "fr" or "en"."""
    return is_there(models_dir, style_of(speaker, language))


def speak(
    text: str, *, speaker: str, language: str, speed: float, models_dir: Path
) -> tuple[NDArray[np.float64], tuple[TimedWord, ...]]:
    """Speak a text; return mono samples at `kokoro.RATE_HZ` and when each word is heard. Blocks.

    Raises:
        ResourceMissing: the files are absent or damaged.
        ProgramFailed: the network fails on this text.
    """
    style = style_of(speaker, language)
    sounds = "fr" if language == "fr" else "en" if style.startswith("b") else "en-us"
    spoken = _loaded(models_dir).speak(text, language=sounds, style=style, speed=speed)
    samples = spoken.samples.astype(np.float64)
    loud = np.flatnonzero(np.abs(samples) > _AUDIBLE)
    first, last = (int(loud[0]), int(loud[-1]) + 1) if loud.size else (0, len(samples))
    lead, tail = int(LEAD_S * RATE_HZ), int(TAIL_S * RATE_HZ)
    # Silence of a set length at both ends: a portrait opens and closes its mouth in the picture.
    shaped = np.concatenate([np.zeros(lead), samples[first:last], np.zeros(tail)])
    shift_s = (lead - first) / RATE_HZ
    longest_s = len(shaped) / RATE_HZ
    words = tuple(
        TimedWord(
            word.text,
            min(max(0.0, word.start_s + shift_s), longest_s),
            min(max(0.0, word.end_s + shift_s), longest_s),
        )
        for word in spoken.words
    )
    return shaped, words


@functools.lru_cache(maxsize=1)
def _loaded(models_dir: Path) -> Kokoro:
    return Kokoro(models_dir)
