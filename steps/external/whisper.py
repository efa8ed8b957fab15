"""Word times from a Whisper model, for a text that is known.

The model is never asked what is said, only when: its attention from our own words to the sound is read ("forced
alignment"). The call that does it, `find_alignment`, is what faster-whisper itself uses for word timestamps but does
not document, so the release is pinned and a test covers it. Models come from a folder; nothing is fetched.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steps.errors import ProgramFailed, ResourceMissing
from steps.external.media import Samples
from steps.words import TimedWord

RATE_HZ = 16_000
LONGEST_S = 30.0
"""What the model looks at in one go."""

_FILES = ("model.bin", "config.json", "tokenizer.json")  # without the last one it would be looked for on the network
_lock = threading.Lock()  # one model, one piece at a time: it fills the cores by itself


@dataclass(frozen=True)
class Piece:
    """A stretch of speech and what is said in it."""

    words: tuple[str, ...]
    samples: Samples  # mono at RATE_HZ, at most LONGEST_S
    start_s: float  # where the stretch begins in the whole speech


def knows(model: Path, *, device: str, language: str) -> bool:
    """Tell whether a model can time a language: an English-only one cannot time French.

    Raises:
        ResourceMissing: no usable model in that folder.
    """
    return language == "en" or bool(_load(model, device).model.is_multilingual)


def align(pieces: Sequence[Piece], *, model: Path, device: str, language: str) -> list[TimedWord]:
    """Return the words of all pieces with their times in the whole speech, as the model gives them. Blocks.

    A second or so for half a minute with a small model on one core.

    Args:
        pieces: In order.
        model: Folder of a faster-whisper (CTranslate2) model; loaded once a process.
        device: "cpu", "cuda" or "auto".
        language: "fr" or "en".

    Raises:
        ResourceMissing: no usable model in that folder.
        ProgramFailed: the model fails on this sound.
    """
    loaded = _load(model, device)
    timed: list[TimedWord] = []
    for piece in pieces:
        try:
            with _lock:
                found = _attend(loaded, piece, language)
        except (RuntimeError, ValueError, IndexError) as error:
            raise ProgramFailed(f"the speech model {model.name} failed: {error}", program="faster-whisper") from error
        timed += _to_words(piece, found)
    return timed


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


@functools.lru_cache(maxsize=1)
def _load(model: Path, device: str) -> Any:
    absent = [name for name in _FILES if not (model / name).is_file()]
    if absent:
        raise ResourceMissing(
            f"captions.model: {model} is not a faster-whisper model folder, it lacks {', '.join(absent)}; "
            "leave the setting empty to time words without a model",
            path=str(model),
        )
    try:
        from faster_whisper import WhisperModel

        threads = min(4, os.cpu_count() or 1)
        compute = "int8" if device == "cpu" else "default"
        return WhisperModel(str(model), device=device, compute_type=compute, cpu_threads=threads, local_files_only=True)
    except (RuntimeError, ValueError, OSError, ImportError) as error:
        raise ResourceMissing(f"captions.model: {model} cannot be loaded: {error}", path=str(model)) from error
