"""A Whisper model: when our own words are heard, and what is heard where we do not know it.

For captions the model is never asked what is said, only when: its attention from our own words to the sound is read
("forced alignment"). The call that does it, `find_alignment`, is what faster-whisper itself uses for word timestamps
but does not document, so the release is pinned and a test covers it. `transcribe` is for checking a take against its
script. Models come from a folder; nothing is fetched.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from steps.errors import InvalidInput, ProgramFailed, ResourceMissing
from steps.external import workload
from steps.external.media import Samples, read_samples
from steps.words import TimedWord

RATE_HZ = 16_000
LONGEST_S = 30.0
"""What the model looks at in one go."""
LONGEST_SPEECH_S = 600.0
"""More than this is not transcribed: no take of ours is meant to be that long."""

FILES = ("model.bin", "config.json", "tokenizer.json")
"""What makes a model's folder usable; without the last one it would be looked for on the network."""

_SILENT = 1e-4  # peak; below it the model would make words up
_lock = threading.Lock()  # one model, one piece at a time: it fills its threads by itself
_loading = threading.Lock()  # two threads that come first must not both load it


@dataclass(frozen=True)
class SpeechModel:
    """Which model, and where it runs."""

    folder: Path  # of a faster-whisper (CTranslate2) model
    device: str = "cpu"  # "cpu", "cuda" or "auto"
    compute_type: str = "auto"  # of CTranslate2; "auto": int8 on the CPU, the model's own on a card
    threads: int = 2  # of the CPU

    def lacking(self) -> tuple[str, ...]:
        """Return the names of the files that are not in the folder."""
        return tuple(name for name in FILES if not (self.folder / name).is_file())


@dataclass(frozen=True)
class Piece:
    """A stretch of speech and what is said in it."""

    words: tuple[str, ...]
    samples: Samples  # mono at RATE_HZ, at most LONGEST_S
    start_s: float  # where the stretch begins in the whole speech


def knows(model: SpeechModel, *, language: str) -> bool:
    """Tell whether a model can hear a language: an English-only one cannot hear French.

    Raises:
        ResourceMissing: no usable model in that folder.
    """
    return language == "en" or bool(_loaded(model).model.is_multilingual)


def transcribe(path: Path, language: str, *, model: SpeechModel) -> str:
    """Return what a model hears in a sound file, as one line; "" for silence. Blocks; the same file, the same words.

    About a tenth of the sound's length with a tiny model on one core, a quarter with a base one.

    Args:
        path: Any sound that can be read, at most LONGEST_SPEECH_S.
        language: "fr" or "en"; see `knows`.
        model: Loaded once a process, and shared with `align`.

    Raises:
        InvalidInput: the sound is too long.
        BadOutput: the file cannot be read, or has no sound.
        ResourceMissing: no usable model in that folder.
        ProgramFailed: the model fails on this sound.
    """
    samples = read_samples(path, rate_hz=RATE_HZ)
    duration_s = len(samples) / RATE_HZ
    if duration_s > LONGEST_SPEECH_S:
        raise InvalidInput(f"{path.name} lasts {duration_s:.0f} s; at most {LONGEST_SPEECH_S:.0f} s are recognised")
    if duration_s < 0.1 or float(np.abs(samples).max()) < _SILENT:
        return ""
    loaded = _loaded(model)
    try:
        with _lock:
            # No fallback through higher temperatures: it takes five times as long and answers differently each time.
            segments, _ = loaded.transcribe(
                samples, language=language, beam_size=3, temperature=0.0, condition_on_previous_text=False
            )
            limit = workload.Limit("the speech model", duration_s)
            heard = []
            for segment in segments:  # each is heard when it is asked for
                heard.append(segment.text.strip())
                workload.tell("seconds heard", segment.end, duration_s)
                limit.check()
    except (RuntimeError, ValueError, IndexError) as error:
        raise _failed(model, error) from error
    return " ".join(" ".join(heard).split())


def align(pieces: Sequence[Piece], *, model: SpeechModel, language: str) -> list[TimedWord]:
    """Return the words of all pieces with their times in the whole speech, as the model gives them. Blocks.

    A second or so for half a minute with a small model on one core.

    Args:
        pieces: In order.
        model: Loaded once a process.
        language: "fr" or "en".

    Raises:
        ResourceMissing: no usable model in that folder.
        ProgramFailed: the model fails on this sound.
        ProgramTimedOut: it takes far too long.
        WorkStopped: the night was stopped at once.
    """
    loaded = _loaded(model)
    timed: list[TimedWord] = []
    length_s = max((piece.start_s + len(piece.samples) / RATE_HZ for piece in pieces), default=0.0)
    for piece in pieces:
        workload.tell("seconds heard", piece.start_s, length_s)
        try:
            with _lock:
                limit = workload.Limit("the speech model", len(piece.samples) / RATE_HZ)
                found = _attend(loaded, piece, language)
            limit.check()
        except (RuntimeError, ValueError, IndexError) as error:
            raise _failed(model, error) from error
        timed += _to_words(piece, found)
    return timed


def _failed(model: SpeechModel, error: Exception) -> ProgramFailed:
    return ProgramFailed(f"the speech model {model.folder.name} failed: {error}", program="faster-whisper")


def _attend(loaded: Any, piece: Piece, language: str) -> list[dict[str, Any]]:
    """Return the model's own pieces of words, with times inside the stretch."""
    from faster_whisper.audio import pad_or_trim
    from faster_whisper.tokenizer import Tokenizer

    features = loaded.feature_extractor(piece.samples)
    multilingual = loaded.model.is_multilingual
    tokenizer = Tokenizer(
        loaded.hf_tokenizer, multilingual, task="transcribe", language=language if multilingual else "en"
    )
    tokens = tokenizer.encode(" " + " ".join(piece.words))
    found: list[dict[str, Any]] = loaded.find_alignment(
        tokenizer, [tokens], loaded.encode(pad_or_trim(features)), features.shape[-1]
    )[0]
    return found


def _to_words(piece: Piece, found: Sequence[dict[str, Any]]) -> list[TimedWord]:
    """Give the model's pieces to our words by counting letters: it splits words and marks in its own way."""
    times: list[tuple[float, float]] = []  # per character that is not a space
    for item in found:
        times += [(float(item["start"]), float(item["end"]))] * len("".join(item["word"].split()))
    timed: list[TimedWord] = []
    begin = 0
    start_s = end_s = 0.0
    for word in piece.words:
        letters = "".join(word.split())
        own = [times[begin + k] for k, c in enumerate(letters) if c.isalnum() and begin + k < len(times)]
        begin += len(letters)
        # A word that the model lost stands where the one before it ended; the caller makes room for it.
        start_s, end_s = (own[0][0], own[-1][1]) if own else (end_s, end_s)
        timed.append(TimedWord(word, piece.start_s + start_s, piece.start_s + end_s))
    return timed


def _loaded(model: SpeechModel) -> Any:
    with _loading:
        return _load(model)


@functools.lru_cache(maxsize=2)
def _load(model: SpeechModel) -> Any:
    absent = model.lacking()
    if absent:
        raise ResourceMissing(
            f"captions.model: {model.folder} is not a faster-whisper model folder, it lacks {', '.join(absent)}; "
            "leave the setting empty to time words without a model",
            path=str(model.folder),
        )
    compute = model.compute_type
    if compute == "auto":
        compute = "int8" if model.device == "cpu" else "default"
    try:
        from faster_whisper import WhisperModel

        return WhisperModel(
            str(model.folder),
            device=model.device,
            compute_type=compute,
            cpu_threads=model.threads,
            local_files_only=True,
        )
    except (RuntimeError, ValueError, OSError, ImportError) as error:
        raise ResourceMissing(
            f"captions.model: {model.folder} cannot be loaded: {error}", path=str(model.folder)
        ) from error
