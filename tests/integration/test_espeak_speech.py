"""espeak-ng through its worker process: word times, hostile text, a worker that dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from steps.errors import InvalidInput, ProgramFailed, ProgramTimedOut, ResourceMissing
from steps.external import espeak

FRENCH = "Bonjour ! Je suis la Joconde. Léonard m'a peinte en 1503, à Florence — aujourd'hui, l'œuvre est au Louvre."


def test_words_are_those_of_the_text_in_order():
    """Captions show our words: clitics, numbers with several events and lone punctuation must not shift them."""
    speech = espeak.speak(FRENCH, voice="fr")
    assert [word.text for word in speech.words] == FRENCH.split()
    assert all(FRENCH[word.offset : word.offset + word.length] == word.text for word in speech.words)
    edges = [edge for word in speech.words for edge in (word.start_s, word.end_s)]
    assert edges == sorted(edges)
    assert edges[-1] <= speech.duration_s


def test_a_word_lasts_from_its_first_sound_to_its_last():
    """A number is spoken as several words, and the pause after a sentence belongs to none."""
    words = {word.text: word for word in espeak.speak(FRENCH, voice="fr").words}
    assert words["1503,"].end_s - words["1503,"].start_s > 0.7
    assert words["Léonard"].start_s - words["Joconde."].end_s > 0.15
    assert words["—"].start_s == words["—"].end_s
    assert words["m'a"].end_s == pytest.approx(words["peinte"].start_s, abs=0.02)


def test_rate_and_pitch_are_heard():
    """The renderer makes its speakers from them."""
    slow = espeak.speak("Good evening to all of you.", voice="en", words_per_minute=100)
    fast = espeak.speak("Good evening to all of you.", voice="en", words_per_minute=250)
    assert slow.duration_s > 1.8 * fast.duration_s
    low, high = (espeak.speak("aaah", voice="en", pitch=pitch).samples for pitch in (10, 90))
    assert _pitch_hz(high) > 1.3 * _pitch_hz(low)


def _pitch_hz(samples: np.ndarray) -> float:
    middle = samples[len(samples) // 3 :][:2205].astype(float)
    correlation = np.correlate(middle, middle, "full")[len(middle) :]
    return 22_050 / (55 + int(np.argmax(correlation[55:441])) + 1)


@pytest.mark.parametrize(
    "text",
    [
        "a\0b \x01 c",
        "<speak><break time='9999s'/>hi</speak> [[h@l'oU]] {\\an8}",
        "\ud800 lone surrogate",
        "🙂 emoji 👩‍👩‍👧‍👧",
        "שלום hello مرحبا",
        "%s %n \\",
        "a" * 20_000,
        "(" * 20_000,
        "1" * 5_000,
        "word " * 1_000,
    ],
)
def test_hostile_text_neither_kills_nor_stalls_the_worker(text: str):
    """Titles and scripts come from outside; the next text must be spoken by the same worker."""
    espeak.speak("before", voice="en")
    worker = espeak._WORKERS._process
    speech = espeak.speak(text, voice="en")
    assert all(0 <= word.start_s <= word.end_s <= speech.duration_s for word in speech.words)
    assert espeak.speak("after", voice="en").duration_s > 0.2
    assert espeak._WORKERS._process is worker


def test_markup_is_not_obeyed():
    """An SSML break would let a title insert hours of silence."""
    assert espeak.speak("<break time='60s'/>", voice="en").duration_s < 15


@pytest.mark.parametrize("text", ["", "  \n ", "\0"])
def test_a_text_without_words_is_silent(text: str):
    """The caller decides whether that is an error."""
    speech = espeak.speak(text, voice="fr")
    assert len(speech.samples) == 0
    assert speech.words == ()


@pytest.mark.parametrize(
    ("text", "options", "error"),
    [
        ("x" * 100_000, {"voice": "fr"}, InvalidInput),
        ("x", {"voice": "fr", "pitch": 200}, InvalidInput),
        ("x", {"voice": "fr", "words_per_minute": 5}, InvalidInput),
        ("x", {"voice": "xx"}, ResourceMissing),
        ("x", {"voice": "../../etc/passwd"}, ResourceMissing),
    ],
)
def test_what_cannot_be_spoken_is_refused(text: str, options: dict, error: type[Exception]):
    """100 kB would be hours of sound, and the library silently speaks another voice when it lacks one."""
    with pytest.raises(error):
        espeak.speak(text, **options)


def test_a_dead_worker_is_replaced():
    """The library may abort its process; the next text is spoken all the same."""
    espeak.speak("one", voice="en")
    process = espeak._WORKERS._process
    os.kill(process.pid, signal.SIGKILL)
    assert espeak.speak("two", voice="en").duration_s > 0.1
    assert espeak._WORKERS._process.pid != process.pid


def test_a_text_that_kills_every_worker_fails(tmp_path, monkeypatch: pytest.MonkeyPatch):
    """Two workers are spent on one text, not an endless row of them."""
    broken = tmp_path / "worker.py"
    broken.write_text("import os, sys\nsys.stdin.buffer.read(4)\nos.abort()\n")
    monkeypatch.setattr(espeak, "_WORKER", broken)
    monkeypatch.setattr(espeak, "_WORKERS", espeak._Workers())
    with pytest.raises(ProgramFailed, match="died twice"):
        espeak.speak("one", voice="en")
    espeak._WORKERS.close()


def test_a_stuck_worker_is_stopped(tmp_path, monkeypatch: pytest.MonkeyPatch):
    """A worker that never answers must not hold the night."""
    stuck = tmp_path / "worker.py"
    stuck.write_text("import signal\nsignal.pause()\n")
    monkeypatch.setattr(espeak, "_WORKER", stuck)
    monkeypatch.setattr(espeak, "_WORKERS", espeak._Workers())
    with pytest.raises(ProgramTimedOut):
        espeak.speak("one", voice="en", timeout_s=0.3)
    assert espeak._WORKERS._process is None


def test_threads_get_their_own_text():
    """The library has global state: replies must not be mixed up, and a text must always sound the same."""
    texts = ["one", "one two three four five", "one two"]
    alone = [espeak.speak(text, voice="en").samples for text in texts]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(lambda text: espeak.speak(text, voice="en").samples, texts * 6))
    assert all(np.array_equal(alone[index % 3], samples) for index, samples in enumerate(together))


def test_the_worker_dies_with_its_parent():
    """A killed night leaves no process behind."""
    program = (
        "import os, signal\nfrom steps.external import espeak\nespeak.speak('hi', voice='en')\n"
        "print(espeak._WORKERS._process.pid, flush=True)\nos.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=30, check=False)
    worker = int(done.stdout)
    gone = threading.Event()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and not gone.is_set():
        try:
            with open(f"/proc/{worker}/stat") as stat:
                if stat.read().rpartition(")")[2].split()[0] == "Z":  # ended, and nobody has asked for its status
                    gone.set()
        except FileNotFoundError:
            gone.set()
        gone.wait(0.02)
    assert gone.is_set()
