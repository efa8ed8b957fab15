"""Speech and exact word times from espeak-ng, through a worker process.

The library is reached by ctypes in `espeak_worker.py`; this side owns the worker (one per process, started when first
needed, replaced when it dies) and turns the library's word events into times of the script's own words. Nothing else
knows how the library is called.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import re
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steps.errors import InvalidInput, ProgramFailed, ProgramTimedOut, ResourceMissing

MAX_CHARACTERS = 20_000
"""About twenty minutes of speech; a script is at most 150 words."""
TIMEOUT_S = 60.0
"""A minute of speech takes 0.1 s, so a worker that is silent this long is stuck."""

_WORKER = Path(__file__).with_name("espeak_worker.py")
_VOICE = re.compile(r"[a-z]{2,3}(-[a-z0-9]+)*(\+[A-Za-z0-9_]+)?")
# The library takes some control characters as commands (0x01) or as the end of the text (0x00).
_CONTROLS = {code: " " for code in (*range(32), 0x7F, *range(0x80, 0xA0)) if chr(code) not in "\t\n"}
_QUIET = 200  # of 32767: below it a sample belongs to the pause after a word


@dataclass(frozen=True)
class SpokenWord:
    """One whitespace-separated word of the text, and when it is heard."""

    text: str  # as written, with its punctuation; control characters separate words too
    start_s: float
    end_s: float  # without the pause that follows; equal to start_s for a word that is not spoken, such as "—"
    offset: int  # 0-based character in the text
    length: int  # characters


@dataclass(frozen=True, eq=False)
class Speech:
    """Spoken text."""

    samples: NDArray[np.int16]  # mono; shape (n,)
    rate_hz: int
    words: tuple[SpokenWord, ...]  # all words of the text, in its order; times never go back

    @property
    def duration_s(self) -> float:
        """Return the length of the sound in seconds."""
        return len(self.samples) / self.rate_hz


def speak(
    text: str, *, voice: str, words_per_minute: int = 160, pitch: int = 50, timeout_s: float = TIMEOUT_S
) -> Speech:
    """Speak a text and say when each of its words is heard. Blocks; safe to call from several threads.

    Args:
        text: Plain text, at most MAX_CHARACTERS; markup is read out, control characters are silence.
        voice: "fr", "en" (British), "en-us" or another espeak-ng language, with an optional variant ("fr+f3").
        words_per_minute: 80 .. 450.
        pitch: 0 .. 99.
        timeout_s: Wall-clock seconds before the worker is stopped.

    Returns:
        The sound at the library's own 22,050 Hz; no samples for a text without a word.

    Raises:
        InvalidInput: the text is too long, or a number is out of its range.
        ResourceMissing: espeak-ng is not installed, or has no such voice.
        ProgramFailed: the worker died twice on this text.
        ProgramTimedOut: the worker did not answer in time.
    """
    if len(text) > MAX_CHARACTERS:
        raise InvalidInput(f"the text has {len(text)} characters, at most {MAX_CHARACTERS} can be spoken in one go")
    if not (80 <= words_per_minute <= 450 and 0 <= pitch <= 99):
        raise InvalidInput(f"{words_per_minute} words/min and pitch {pitch}: expected 80 .. 450 and 0 .. 99")
    if not _VOICE.fullmatch(voice):
        raise ResourceMissing(f"{voice!r} is no voice name: expected one like 'fr', 'en-us' or 'fr+f3'")
    # Same length as the original, so that positions hold; lone surrogates cannot be sent as UTF-8.
    spoken = text.translate(_CONTROLS).encode("utf-8", "replace").decode()
    if not spoken.strip():
        return Speech(np.zeros(0, np.int16), 22_050, ())
    request = {"text": spoken, "voice": voice, "words_per_minute": words_per_minute, "pitch": pitch}
    reply, pcm = _WORKERS.ask(request, timeout_s=timeout_s)
    samples = np.frombuffer(pcm, "<i2").astype(np.int16)
    return Speech(samples, int(reply["rate_hz"]), _merge(text, spoken, reply["words"], samples, int(reply["rate_hz"])))


def phonemes(texts: Sequence[str], *, voice: str, timeout_s: float = TIMEOUT_S) -> list[str]:
    """Return how texts sound, as IPA with `^` between the letters of one sound. Blocks; safe from several threads.

    Args:
        texts: Plain texts, together at most MAX_CHARACTERS.
        voice: As for `speak`.
        timeout_s: Wall-clock seconds before the worker is stopped.

    Raises:
        InvalidInput, ResourceMissing, ProgramFailed, ProgramTimedOut: as for `speak`.
    """
    if (count := sum(map(len, texts))) > MAX_CHARACTERS:
        raise InvalidInput(f"the texts have {count} characters, at most {MAX_CHARACTERS} can be sounded in one go")
    if not _VOICE.fullmatch(voice):
        raise ResourceMissing(f"{voice!r} is no voice name: expected one like 'fr', 'en-us' or 'fr+f3'")
    plain = [text.translate(_CONTROLS).encode("utf-8", "replace").decode() for text in texts]
    reply, _ = _WORKERS.ask({"texts": plain, "voice": voice}, timeout_s=timeout_s)
    return [str(one) for one in reply["phonemes"]]


def _merge(
    text: str, spoken: str, events: list[list[int]], samples: NDArray[np.int16], rate_hz: int
) -> tuple[SpokenWord, ...]:
    """Give each word of the text the time from its first event to the next word's first one, less the pause."""
    tokens = [match.span() for match in re.finditer(r"\S+", spoken)]
    starts: list[int | None] = [None] * len(tokens)
    begins = np.array([begin for begin, _ in tokens])
    for position, _, sample in events:
        # An event can point at the space after its word (later parts of a spelled-out sign): it is that word's.
        owner = max(0, int(np.searchsorted(begins, position, side="right")) - 1)
        if starts[owner] is None:
            starts[owner] = min(sample, len(samples))
    following = [len(samples)] * (len(tokens) + 1)  # per word, the first sample of the words after it
    for index in range(len(tokens) - 1, -1, -1):
        following[index] = following[index + 1] if (own := starts[index]) is None else own
    words = []
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > _QUIET)
    heard = 0  # sample where the last word ended
    for index, (begin, end) in enumerate(tokens):
        start = max(starts[index] or 0, heard)
        if starts[index] is not None:
            until = following[index + 1]
            before = int(np.searchsorted(loud, until))
            heard = max(start, int(loud[before - 1]) + 1 if before and loud[before - 1] >= start else until)
        words.append((begin, end, start, heard))
    return tuple(SpokenWord(text[b:e], s / rate_hz, h / rate_hz, b, e - b) for b, e, s, h in words)


class _Workers:
    """The worker of this process, behind a lock: the library speaks one text at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0

    def ask(self, request: dict[str, Any], *, timeout_s: float) -> tuple[dict[str, Any], bytes]:
        """Send a request and wait for its reply; a worker that dies on it is replaced once."""
        with self._lock:
            for _ in range(2):
                process = self._running()
                try:
                    reply, pcm = _exchange(process, request, timeout_s)
                except EOFError:
                    self._stop()
                    continue
                except ProgramTimedOut:
                    self._stop()
                    raise
                if reply.get("error") == "synthesis":
                    raise ProgramFailed(str(reply["message"]))
                if "error" in reply:
                    raise ResourceMissing(f"{reply['message']} (pip install espeakng-loader brings voices and library)")
                return reply, pcm
            characters = len(request.get("text", "")) + sum(map(len, request.get("texts", ())))
            raise ProgramFailed("the espeak-ng worker died twice on the same text", characters=characters)

    def _running(self) -> subprocess.Popen[bytes]:
        # A forked child inherits our pipes; it must not talk to its parent's worker.
        if self._process is None or self._owner != os.getpid() or self._process.poll() is not None:
            if self._owner == os.getpid():
                self._stop()
            # -P: the folder of the worker has modules named like outside programs. A session of its own, so that
            # Ctrl-C in the terminal lets it finish, and so that it can be killed together with its fork.
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(_WORKER)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            self._owner = os.getpid()
        return self._process

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):  # what was still buffered for a dead worker
                    stream.close()
        _kill(process)
        process.wait()

    def close(self) -> None:
        """Stop the worker, if it is ours. The next request starts another."""
        with self._lock:
            if self._owner == os.getpid():
                self._stop()


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # it is gone already
        os.killpg(process.pid, signal.SIGKILL)


def _exchange(
    process: subprocess.Popen[bytes], request: dict[str, Any], timeout_s: float
) -> tuple[dict[str, Any], bytes]:
    """Write one request and read its reply. Raises EOFError when the worker dies, ProgramTimedOut when it is stuck."""
    assert process.stdin is not None and process.stdout is not None  # noqa: PT018  (both are pipes)
    late = threading.Event()

    def give_up() -> None:
        late.set()
        _kill(process)  # ends the read below

    timer = threading.Timer(timeout_s, give_up)
    timer.daemon = True
    timer.start()
    try:
        body = json.dumps(request).encode()
        process.stdin.write(struct.pack(">I", len(body)) + body)
        process.stdin.flush()
        size = struct.unpack(">I", _read_exactly(process.stdout, 4))[0]
        reply: dict[str, Any] = json.loads(_read_exactly(process.stdout, size))
        return reply, _read_exactly(process.stdout, int(reply.get("pcm_bytes", 0)))
    except (OSError, EOFError) as error:
        if late.is_set():
            raise ProgramTimedOut(f"espeak-ng did not answer within {timeout_s:g} s", timeout_s=timeout_s) from error
        raise EOFError from error
    finally:
        timer.cancel()


def _read_exactly(stream: Any, count: int) -> bytes:
    data = bytes(stream.read(count))
    if len(data) < count:
        raise EOFError
    return data


_WORKERS = _Workers()
atexit.register(_WORKERS.close)
