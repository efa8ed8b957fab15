"""Which voice speaks for a sitter, how it is told to sound, and how many words it says in a time.

The choice is a table in the settings: language, sex and age group lead to a preset speaker and to a description, for
workflows that make a voice out of one. The mood of the script leads to the sentence about how it should sound.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from steps.base import Subject
from steps.options import StepOptions
from steps.sitter import Sitter, sitter_of
from steps.speech_options import AudioOptions, Mood, VoiceOptions

WORDS_PER_S = 2.4
"""An easy pace, for a voice that has not been heard yet."""

_SHARE = 0.92
"""Of the longest speech: takes of one voice differ by a tenth, and one that is too long is made again."""

_MOODS: tuple[Mood, ...] = get_args(Mood)


@dataclass(frozen=True)
class Voice:
    """Who speaks, and how."""

    sitter: Sitter
    speaker: str  # preset
    description: str  # for a workflow that makes a voice out of words
    instruct: str  # how it should sound, for this mood and age
    mood: Mood


def choose(subject: Subject, prepared: Mapping[str, Any], *, mood: str, language: str, options: AudioOptions) -> Voice:
    """Return the voice for a painting in a language.

    Args:
        subject: The painting's data.
        prepared: Step 0's data.
        mood: Of the script; one that is not known counts as cheeky.
        language: "fr" or "en"; another one gets the English table.
        options: The table.
    """
    sitter = sitter_of(subject, prepared)
    return voice_of(sitter, mood=mood, language=language, options=options)


def voice_of(sitter: Sitter, *, mood: str, language: str, options: AudioOptions) -> Voice:
    """Return the voice of a kind of sitter; see `choose`."""
    table = table_of(options, language)
    sex = table.unknown if sitter.sex == "unknown" else sitter.sex
    known: Mood = next((one for one in _MOODS if one == mood), "cheeky")
    sentence = table.instruct or getattr(options.moods, known)
    return Voice(
        sitter=sitter,
        speaker=_of_kind(table, sex, sitter),
        description=_of_kind(table, f"describe_{sex}", sitter),
        instruct=f"{sentence} {getattr(options.ages, sitter.age)}".strip(),
        mood=known,
    )


def table_of(options: AudioOptions, language: str) -> VoiceOptions:
    """Return the voices of a language."""
    table: VoiceOptions = getattr(options.voices, language, options.voices.en)
    return table


def speakers(table: VoiceOptions) -> Iterator[tuple[str, str]]:
    """Yield each key of a language's table that names a preset speaker, with the speaker."""
    for key in ("female", "female_young", "female_old", "male", "male_young", "male_old"):
        if speaker := getattr(table, key):
            yield key, str(speaker)


def pace_key(language: str, voice: str) -> str:
    """Return the name under which the pace of a voice is remembered: its speaker, or its description."""
    return f"{language}/{' '.join(voice.split())[:120]}"


def words_that_fit(
    options: StepOptions, subject: Subject, prepared: Mapping[str, Any], *, language: str, mood: str = "cheeky"
) -> int:
    """Return how many words of a script this voice can say in the longest speech that is allowed.

    By the seconds a word has taken this voice before (`StepOptions.voice_pace`, filled from earlier nights); a voice
    that was never heard is taken to be as quick as its language's others, or to speak at `WORDS_PER_S`. Never more
    than `script.max_words`; at least 1.
    """
    voice = choose(subject, prepared, mood=mood, language=language, options=options.audio)
    seconds_per_word = _seconds_per_word(options.voice_pace, language, voice)
    fitting = math.floor(options.talk.max_s * _SHARE / seconds_per_word)
    return max(1, min(options.script.max_words, fitting))


def _seconds_per_word(known: Mapping[str, float], language: str, voice: Voice) -> float:
    for heard in (voice.speaker, voice.description):
        if (found := known.get(pace_key(language, heard))) is not None:
            return max(0.05, found)
    others = [seconds for key, seconds in known.items() if key.startswith(f"{language}/")]
    return max(0.05, sum(others) / len(others)) if others else 1 / WORDS_PER_S


def _of_kind(table: VoiceOptions, key: str, sitter: Sitter) -> str:
    """Return what a table has for an age group, or else for an adult."""
    group = {"child": "_young", "young": "_young", "old": "_old"}.get(sitter.age, "")
    return str(getattr(table, key + group) or getattr(table, key))
