"""Takes of speech as cards send them, good and bad: measured, levelled, made again, the best one kept."""

from __future__ import annotations

import wave
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import steps_comfy_scene as scene

from orchestrator.embedded import media
from orchestrator.embedded.render.speech import Utterance, _small_voice
from orchestrator.embedded.values import Audio as Sound
from steps import loops, takes, voice_events
from steps.audio import Audio
from steps.base import Context, Made
from steps.errors import BadOutput
from steps.external.ffmpeg import measure_loudness, probe, read_samples
from steps.options import AudioOptions
from steps.words import TimedWord

RATE_HZ = 24_000


@cache
def said(seed: int = 1) -> Utterance:
    return _small_voice(scene.TEXT, language="English", speaker="Serena", instruct="", seed=seed)


def speech() -> np.ndarray:
    return said().samples.copy()


def wav(path: Path, samples: np.ndarray, *, rate_hz: int = RATE_HZ, channels: int = 1) -> Path:
    """Write 32-bit float sound, which can hold what is no number."""
    data = np.repeat(samples.astype("<f4"), channels).tobytes()
    with wave.open(str(path), "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(4)
        out.setframerate(rate_hz)
        out.writeframes(data)
    whole = bytearray(path.read_bytes())
    whole[20:22] = (3).to_bytes(2, "little")  # WAVE_FORMAT_IEEE_FLOAT
    path.write_bytes(whole)
    return path


def context(tmp_path: Path, seed: int = 1, **audio: object) -> Context:
    """Return what the step is handed, with a memory and a work folder of this try's own."""
    made = {"prepare": Made({}, {"sex": "female"}), "script": Made({}, {"text": scene.TEXT, "mood": "tender"})}
    work = tmp_path / f"work-{seed}"
    work.mkdir(exist_ok=True)
    options = scene.options().model_copy(update={"state_dir": tmp_path / "state", "audio": AudioOptions(**audio)})
    return scene.context(tmp_path, made, seed=seed, work=work, options=options)


def clipped() -> np.ndarray:
    return np.clip(speech() * 40, -1, 1)


def paused(seconds: float) -> np.ndarray:
    whole = speech()
    middle = whole.size // 2
    return np.concatenate([whole[:middle], np.zeros(int(seconds * RATE_HZ)), whole[middle:]])


@pytest.mark.parametrize(
    ("samples", "told"),
    [
        (lambda: np.zeros(0), "speech.duration is 0.0 s"),
        (lambda: 0.1 * np.random.default_rng(1).standard_normal(RATE_HZ * 7), "speech.liveliness is"),
        (lambda: np.tile(speech(), 85)[: RATE_HZ * 600], "speech.length is 600.0 s"),
        (clipped, "speech.clipped is"),
        (lambda: np.where(np.arange(speech().size) % 5000 == 9, np.nan, speech()), "speech.broken_samples is"),
        (lambda: paused(3.5), "speech.inner_silence is"),
        (lambda: np.concatenate([np.zeros(RATE_HZ * 2), speech()]), "speech.leading_silence is"),
        (lambda: np.concatenate([speech(), speech()[RATE_HZ:]]), "speech.repeated is"),
    ],
    ids=["0 s", "noise", "10 minutes", "clipped", "NaN", "a hole", "late", "a loop"],
)
def test_a_take_nobody_would_accept_is_told_why(tmp_path: Path, samples, told: str) -> None:
    """Each is a way in which speech models and the files around them really fail."""
    take = wav(tmp_path / "take.wav", samples())
    with pytest.raises(BadOutput) as caught:
        Audio().collect(context(tmp_path), {"speech": take})
    assert told in str(caught.value)


def test_a_telephone_line_is_refused_and_stereo_is_mixed(tmp_path: Path) -> None:
    """8 kHz cannot be made better; two channels can be made one."""
    eighth = speech()[::3]
    with pytest.raises(BadOutput, match=r"speech\.rate is 8000 Hz"):
        Audio().collect(context(tmp_path), {"speech": wav(tmp_path / "a.wav", eighth, rate_hz=8000, channels=2)})
    kept = Audio().collect(context(tmp_path, 2), {"speech": wav(tmp_path / "b.wav", speech(), channels=2)})
    audio = probe(kept.files["speech"]).audio
    assert audio is not None
    assert (audio.channels, audio.rate_hz) == (1, 48_000)


@pytest.mark.parametrize("gain", [0.1, 1.0])
def test_every_take_leaves_at_one_loudness(tmp_path: Path, gain: float) -> None:
    """Later steps count on it; the take keeps its length and its place, and the same take gives the same bytes."""
    files = []
    for seed in (1, 2):
        take = wav(tmp_path / f"{seed}.wav", speech() * gain)
        result = Audio().collect(context(tmp_path, seed, takes=1), {"speech": take})
        files.append(result.files["speech"].read_bytes())
    loudness = measure_loudness(result.files["speech"])
    assert loudness.integrated_lufs == pytest.approx(-16.0, abs=0.6)
    assert loudness.true_peak_dbtp <= -1.9
    assert result.data["duration_s"] == pytest.approx(speech().size / RATE_HZ, abs=0.001)
    assert files[0] == files[1]


class TestMiddlingTakes:
    """A pause of two seconds would do, but is not good."""

    def collect(self, tmp_path: Path, seed: int, pause_s: float, *, last_try: bool = False):
        given = replace(context(tmp_path, seed), last_try=last_try)
        return Audio().collect(given, {"speech": wav(tmp_path / f"{seed}.wav", paused(pause_s))})

    def test_the_best_is_kept_when_none_was_good(self, tmp_path: Path) -> None:
        """The second try is worse than the first: the first comes back, and again after a crash."""
        with pytest.raises(BadOutput, match="could be better") as caught:
            self.collect(tmp_path, 1, 1.8)
        assert "middling" in caught.value.facts
        kept = [self.collect(tmp_path, 2, 2.2) for _ in range(2)]
        assert [one.data["duration_s"] for one in kept] == [pytest.approx(paused(1.8).size / RATE_HZ, abs=0.001)] * 2
        assert [check.name for check in kept[0].checks if not check.passed] == ["speech.good_inner_silence"]

    def test_one_that_would_do_is_better_than_a_refused_last_one(self, tmp_path: Path) -> None:
        """Tries are spent one day, and the item is worth a pause."""
        with pytest.raises(BadOutput):
            self.collect(tmp_path, 1, 1.8)
        assert self.collect(tmp_path, 2, 4.0).data["duration_s"] == pytest.approx(paused(1.8).size / RATE_HZ, abs=0.001)

    def test_a_last_try_that_would_do_is_taken_at_once(self, tmp_path: Path) -> None:
        """Nothing better can follow."""
        assert self.collect(tmp_path, 1, 1.8, last_try=True).files["speech"].is_file()

    def test_what_a_person_sent_back_never_comes_again(self, tmp_path: Path) -> None:
        """The speech was heard and refused; another seed starts from nothing."""
        with pytest.raises(BadOutput):
            self.collect(tmp_path, 1, 1.8)
        self.collect(tmp_path, 2, 2.2)
        with pytest.raises(BadOutput, match="could be better"):
            self.collect(tmp_path, 3, 1.9)


def test_the_voice_says_when_it_says_each_word(tmp_path: Path) -> None:
    """Captions take the side file; the times are those of the levelled file."""
    utterance = said()
    tags = {voice_events.TAG: voice_events.to_tag(utterance.engine, utterance.words)}
    take = tmp_path / "take.flac"
    media.write_audio(take, Sound(utterance.samples[None, :], RATE_HZ, tags), {}, kind="flac")
    result = Audio().collect(context(tmp_path), {"speech": take})
    words = voice_events.load(result.files["words"])
    assert [word.text for word in words] == str(result.data["spoken"]).split()
    assert result.data["engine"] == "espeak"
    samples = read_samples(result.files["speech"], rate_hz=16_000)
    first, last = words[0], words[-1]
    assert np.abs(samples[: int((first.start_s - 0.05) * 16_000)]).max(initial=0) < 0.02
    assert np.abs(samples[int((last.end_s + 0.1) * 16_000) :]).max() < 0.02


@pytest.mark.parametrize(
    "words",
    [(TimedWord("a", 0.5, 99.0),), (TimedWord("a", 2.0, 2.1), TimedWord("b", 1.0, 1.2)), (TimedWord("a", -1.0, 0.1),)],
    ids=["past the end", "backwards", "before the start"],
)
def test_events_that_do_not_fit_the_sound_are_dropped(tmp_path: Path, words) -> None:
    """The tag comes from outside."""
    take = tmp_path / "take.flac"
    sound = Sound(speech()[None, :], RATE_HZ, {voice_events.TAG: voice_events.to_tag("espeak", words)})
    media.write_audio(take, sound, {}, kind="flac")
    assert voice_events.read(take) is None


def test_a_loop_is_found_and_speech_is_not_one(tmp_path: Path) -> None:
    """The second time is another take of the same words, at another pace and pitch."""

    def at16(samples: np.ndarray) -> np.ndarray:
        places = np.arange(0, samples.size, RATE_HZ / loops.RATE_HZ)
        return np.interp(places, np.arange(samples.size), samples).astype(np.float32)

    once, again = at16(said(1).samples), at16(said(1).samples[: 3 * RATE_HZ])
    assert loops.longest_repeat_s(once) < 0.9
    assert loops.longest_repeat_s(np.concatenate([once, again])) > 1.5
    assert takes.liveliness_db(once, loops.RATE_HZ) > 8
