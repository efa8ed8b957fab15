"""Speech for the embedded server's text-to-speech nodes: a neural voice where there is one, else espeak-ng.

The speakers carry the names that the real nodes know, and each has a pitch, a pace and a timbre of its own, so that a
woman's portrait gets a woman's voice. It is a preview of the real voices, meant to be understood and not to annoy:
espeak-ng's sound is made easier on the ear.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.embedded.render import neural, tone
from steps.external import espeak
from steps.external.faces import default_models_dir
from steps.voice_events import Engine
from steps.words import TimedWord

RATE_HZ = 24_000
LOUDNESS_LUFS = -20.0
LEAD_S = 0.15
TAIL_S = 0.30
"""Silence before and after the speech: a portrait opens and closes its mouth in the picture."""
_SENTENCE_PAUSE_S = 0.12  # on top of the synthesizer's own
_PARAGRAPH_PAUSE_S = 0.35


@dataclass(frozen=True)
class _Speaker:
    variant: str  # espeak-ng's voice variant: formants and breathiness
    pitch: int  # 0 .. 99
    words_per_minute: int
    brightness_db: float


_SPEAKERS = {
    "serena": _Speaker("f2", 50, 152, 0.0),
    "vivian": _Speaker("f3", 48, 158, 0.5),
    "sohee": _Speaker("f5", 54, 154, -1.0),
    "ono_anna": _Speaker("f1", 62, 160, 0.5),
    "ryan": _Speaker("m2", 48, 154, 0.5),
    "aiden": _Speaker("m3", 55, 158, 1.0),
    "eric": _Speaker("Mike", 52, 150, 0.5),
    "dylan": _Speaker("m7", 58, 160, 0.0),
    "uncle_fu": _Speaker("victor", 36, 140, -0.5),
}
_ANYONE = _SPEAKERS["serena"]

_VOICES = {
    "french": "fr",
    "english": "en",
    "german": "de",
    "spanish": "es",
    "italian": "it",
    "portuguese": "pt",
    "russian": "ru",
    "chinese": "cmn",
    "japanese": "ja",
    "korean": "ko",
}
_FRENCH = re.compile(r"[éèêàùçœ]|\b(?:je|suis|est|les?|une?|des|dans|mon|ma|et|où)\b", re.IGNORECASE)

_INSTRUCTIONS = (  # words of the instruct text -> factor of the pace, steps of pitch
    (re.compile(r"\b(?:slow\w*|calm\w*|solemn\w*|lent\w*|posée?\w*|gentle|gently|douce\w*)\b", re.IGNORECASE), 0.93, 0),
    (re.compile(r"\b(?:fast|quick\w*|lively|excited\w*|rapide\w*|vive?|vivement)\b", re.IGNORECASE), 1.08, 3),
    (re.compile(r"\b(?:old|aged|elderly|grave|deep|vieux|vieille|âgée?)\b", re.IGNORECASE), 0.95, -8),
    (re.compile(r"\b(?:young|bright|cheerful\w*|joyful\w*|jeune|gaie?|joyeu\w*)\b", re.IGNORECASE), 1.02, 6),
)


@dataclass(frozen=True, eq=False)
class Utterance:
    """What was said, by whom, and when."""

    samples: NDArray[np.float32]  # mono at RATE_HZ, -1 .. 1
    engine: Engine
    words: tuple[TimedWord, ...]  # the text split at spaces, in order


def utter(text: str, *, language: str, speaker: str, instruct: str, seed: int) -> Utterance:
    """Speak a text with the neural voice, where its files are and it knows the language, else by `synthesize`'s.

    Arguments and errors as for `synthesize`; the neural voice takes about half of the speech's length.
    """
    name = _voice_of(language, text)
    models_dir = default_models_dir()
    if name not in ("fr", "en") or not text.strip() or not neural.can_speak(models_dir, speaker=speaker, language=name):
        return _small_voice(text, language=language, speaker=speaker, instruct=instruct, seed=seed)
    rng = np.random.default_rng(seed % 2**64)
    pace, _ = _followed(instruct)
    speed = pace * float(rng.uniform(0.97, 1.03))
    samples, words = neural.speak(text, speaker=speaker, language=name, speed=speed, models_dir=models_dir)
    samples = tone.fade(tone.level_to(samples, RATE_HZ, lufs=LOUDNESS_LUFS), RATE_HZ)
    return Utterance(samples.astype(np.float32), "neural", words)


def synthesize(text: str, *, language: str, speaker: str, instruct: str, seed: int) -> tuple[NDArray[np.float32], int]:
    """Speak a text. Blocks for about 0.1 s a minute of speech; the same arguments give the same samples.

    Args:
        text: What is said; numbers are read out.
        language: As the real nodes name it ("French", "English", "Auto", …). One without a voice is read in English.
        speaker: One of the nodes' speakers, in any case ("Serena", "Uncle_Fu"); another name gets Serena's voice.
        instruct: How to speak, in words; pace, age and mood words in English or French are followed a little.
        seed: Any integer; varies pace and pitch by a few per cent.

    Returns:
        Mono samples in -1 .. 1 at about -20 LUFS, and their rate, 24,000 Hz. A text without a word gives silence of
        half a second.

    Raises:
        InvalidInput: the text is too long to be spoken.
        ResourceMissing: espeak-ng is not installed.
    """
    spoken = _small_voice(text, language=language, speaker=speaker, instruct=instruct, seed=seed)
    return spoken.samples, RATE_HZ


def _small_voice(text: str, *, language: str, speaker: str, instruct: str, seed: int) -> Utterance:
    rng = np.random.default_rng(seed % 2**64)
    voice = _SPEAKERS.get(speaker.strip().lower(), _ANYONE)
    pace, pitch = _followed(instruct)
    speech = espeak.speak(
        text,
        voice=f"{_voice_of(language, text)}+{voice.variant}",
        words_per_minute=round(voice.words_per_minute * pace * rng.uniform(0.97, 1.03)),
        pitch=int(np.clip(voice.pitch + pitch + rng.integers(-3, 4), 0, 99)),
    )
    if not len(speech.samples):
        return Utterance(np.zeros(RATE_HZ // 2, np.float32), "espeak", ())
    shaped, words = _with_pauses(speech, text)
    samples = shaped / 32_768
    samples = tone.wander(tone.resample(samples, speech.rate_hz, 2 * RATE_HZ), RATE_HZ, depth=0.012, rng=rng)
    samples = tone.add_breath(samples, RATE_HZ, rng=rng)
    samples = tone.equalize(samples, RATE_HZ, brightness_db=voice.brightness_db)
    samples = tone.compress(samples, RATE_HZ)
    samples = tone.add_room(samples, RATE_HZ, amount=0.09, rng=rng)
    samples = tone.level_to(samples, RATE_HZ, lufs=LOUDNESS_LUFS)
    return Utterance(tone.fade(samples, RATE_HZ).astype(np.float32), "espeak", words)


def _voice_of(language: str, text: str) -> str:
    name = language.strip().lower()
    if name in ("", "auto"):
        return "fr" if len(_FRENCH.findall(text)) * 6 > len(text.split()) else "en"
    return _VOICES.get(name, "en")


def _followed(instruct: str) -> tuple[float, int]:
    """Return the pace (a factor) and the pitch (steps) that an instruction asks for, within bounds."""
    pace, pitch = 1.0, 0
    for words, factor, steps in _INSTRUCTIONS:
        if words.search(instruct):
            pace, pitch = pace * factor, pitch + steps
    return float(np.clip(pace, 0.85, 1.15)), int(np.clip(pitch, -12, 12))


def _with_pauses(speech: espeak.Speech, text: str) -> tuple[NDArray[np.float64], tuple[TimedWord, ...]]:
    """Lengthen the pauses after sentences and paragraphs, add silence at both ends, and move the words with them."""
    pieces = [np.zeros(int(LEAD_S * speech.rate_hz))]
    done = 0
    later_s = len(pieces[0]) / speech.rate_hz
    timed: list[TimedWord] = []
    for word, following in zip(speech.words, (*speech.words[1:], None), strict=True):
        timed.append(TimedWord(word.text, word.start_s + later_s, word.end_s + later_s))
        if following is None:
            break
        between = text[word.offset + word.length : following.offset]
        if "\n" in between:
            pause_s = _PARAGRAPH_PAUSE_S
        elif word.text.rstrip("»\"'”’)").endswith((".", "!", "?", "…")):
            pause_s = _SENTENCE_PAUSE_S
        else:
            continue
        # In the middle of the gap, where the synthesizer is silent already.
        cut = int((word.end_s + following.start_s) / 2 * speech.rate_hz)
        pieces += [speech.samples[done:cut].astype(float), np.zeros(int(pause_s * speech.rate_hz))]
        done = cut
        later_s += len(pieces[-1]) / speech.rate_hz
    pieces += [speech.samples[done:].astype(float), np.zeros(int(TAIL_S * speech.rate_hz))]
    return np.concatenate(pieces), tuple(timed)
