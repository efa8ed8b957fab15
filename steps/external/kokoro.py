"""A neural voice on the CPU: Kokoro-82M by ONNX Runtime, optional. `scripts/get-voices` places its files.

The network is given the sounds of a text (from espeak-ng) and a style, and gives the sound. It also decides how long
each sound lasts, but the exported graph keeps that to itself: the durations are asked for by declaring one more output
of the graph, and so the times of words are exact. It draws no random numbers: the same text sounds the same each time.

Source of the numbers: hexgrad's Kokoro-82M (Apache-2.0); the int8 export and vocabulary are kokoro-onnx's (MIT).
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steps.errors import ProgramFailed, ResourceMissing
from steps.external import espeak
from steps.words import TimedWord

FOLDER = "kokoro"
MODEL = "kokoro-v1.0.int8.onnx"
VOCABULARY = "vocab.json"
RATE_HZ = 24_000
SAMPLES_PER_FRAME = 600
"""What one unit of the network's durations is."""

_EARLY_FRAMES = 3
# A sound is heard so much before its place in the durations; Kokoro's own timestamps take off the same. Five voices,
# laid over another one whose times are known, were 66 to 74 ms early against the durations.
_DURATIONS = "/encoder/Clip_output_0"
_STYLES = (510, 1, 256)  # one style for each length of text
_MOST_SOUNDS = 380  # it takes 508, but hurries through long ones
_PAUSES = ",.;:!?…"
_SENTENCE = re.compile(r"[^.!?…]+[.!?…]*\s*")
_CLAUSE = re.compile(r"[^,;:]+[,;:]*\s*")
_LETTERS = {  # espeak-ng's sounds in the network's alphabet
    "en": {
        "a^ɪ": "I", "a^ʊ": "W", "d^ʒ": "ʤ", "e^ɪ": "A", "t^ʃ": "ʧ", "ɔ^ɪ": "Y", "ə^l": "ᵊl", "ə^ʊ": "Q", "o^ʊ": "O",
        "ɚ": "əɹ", "r": "ɹ", "ɪ^ə": "iə", "ɛ^ə": "ɛː", "ʊ^ə": "ʊə",
    },
    "fr": {"t^ʃ": "ʧ", "d^ʒ": "ʤ"},
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Spoken:
    """A text by this voice."""

    samples: NDArray[np.float32]  # mono at RATE_HZ, -1 .. 1
    words: tuple[TimedWord, ...]  # the text split at spaces, in order


@dataclass(frozen=True)
class _Chunk:
    """What the network is given in one go."""

    words: tuple[str, ...]
    sounds: str
    owners: tuple[int, ...]  # per sound, the 0-based word that it belongs to


def is_there(models_dir: Path, *styles: str) -> bool:
    """Tell whether the network, its vocabulary and some styles are in place. Looks, and loads nothing."""
    folder = models_dir / FOLDER
    return all((folder / name).is_file() for name in (MODEL, VOCABULARY, *(f"{one}.bin" for one in styles)))


class Kokoro:
    """The loaded network. Safe to use from several threads: one text at a time."""

    def __init__(self, models_dir: Path, *, threads: int = 1) -> None:
        """Load it: a second or two, and 450 MB.

        Raises:
            ResourceMissing: a file is absent or damaged, or ONNX Runtime is.
        """
        self._folder = models_dir / FOLDER
        self._lock = threading.Lock()
        try:
            self._vocabulary: dict[str, int] = json.loads((self._folder / VOCABULARY).read_text("utf-8"))["vocab"]
            graph = (self._folder / MODEL).read_bytes()
            self._session = _load(graph, threads)
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise ResourceMissing(
                f"the neural voice in {self._folder} cannot be used: {error}; scripts/get-voices places it again, "
                "and without that folder the small synthesizer speaks",
                path=str(self._folder),
            ) from error

    def speak(self, text: str, *, language: str, style: str, speed: float = 1.0) -> Spoken:
        """Speak a text. Blocks for about half of the speech's length on one core.

        Args:
            text: Words and pauses, without digits; what has no sound is left out.
            language: "fr", "en" (British) or "en-us".
            style: One of the style files, such as "ff_siwis".
            speed: 0.5 .. 2; the higher, the quicker.

        Raises:
            ResourceMissing: there is no such style.
            ProgramFailed: the network fails on this text.
        """
        styles = self._styles(style)
        pieces: list[NDArray[np.float32]] = []
        words: list[TimedWord] = []
        begin = 0
        for chunk in self._chunks(text, language):
            samples, durations = self._run(chunk, styles, speed)
            words += _timed(chunk, durations, begin)
            pieces.append(samples)
            begin += len(samples)
        joined = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
        return Spoken(joined, tuple(words))

    def _styles(self, style: str) -> NDArray[np.float32]:
        path = self._folder / f"{style}.bin"
        try:
            return np.fromfile(path, np.float32).reshape(_STYLES)
        except (OSError, ValueError) as error:
            raise ResourceMissing(f"{path} is no style of the neural voice: {error}", path=str(path)) from error

    def _run(
        self, chunk: _Chunk, styles: NDArray[np.float32], speed: float
    ) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Return the sound of a chunk, and how many samples each of its sounds takes, the two ends included."""
        tokens = np.array([[0, *(self._vocabulary[one] for one in chunk.sounds), 0]], np.int64)
        given = {"tokens": tokens, "style": styles[len(chunk.sounds)], "speed": np.array([speed], np.float32)}
        try:
            with self._lock:
                sound, durations = self._session.run(None, given)
        except Exception as error:  # ONNX Runtime's errors share no base but this one
            raise ProgramFailed(f"the neural voice failed: {error}", program="onnxruntime") from error
        return np.asarray(sound, np.float32).ravel(), np.asarray(durations, np.float64).ravel() * SAMPLES_PER_FRAME

    def _chunks(self, text: str, language: str) -> list[_Chunk]:
        """Cut a text at the ends of sentences, and a long sentence at its commas."""
        found: list[_Chunk] = []
        for sentence in _SENTENCE.findall(text):
            whole = self._sounded(sentence.split(), language)
            parts = [whole]
            if len(whole.sounds) > _MOST_SOUNDS:
                parts = [self._sounded(clause.split(), language) for clause in _CLAUSE.findall(sentence)]
            found += [part if len(part.sounds) <= _MOST_SOUNDS else _cut(part) for part in parts if part.sounds]
        return found

    def _sounded(self, words: Sequence[str], language: str) -> _Chunk:
        """Return the sounds of a sentence, each with its word: said as a whole, and compared with its words alone."""
        stretches = _stretches(words)
        texts = [" ".join(words[first:last]) for first, last in stretches]
        replies = espeak.phonemes([*texts, *words], voice=language)
        whole, alone = replies[: len(texts)], [self._known(one, language) for one in replies[len(texts) :]]
        sounds, owners = "", list[int]()
        for (first, last), said in zip(stretches, whole, strict=True):
            heard = self._known(said, language)
            pause = next((c for c in reversed(words[last - 1]) if c in _PAUSES), "") if last > first else ""
            sounds += heard + pause + " "
            owners += _owners(heard, alone[first:last], first) + [last - 1] * (len(pause) + 1)
        return _Chunk(tuple(words), sounds.rstrip(" "), tuple(owners[: len(sounds.rstrip(" "))]))

    def _known(self, said: str, language: str) -> str:
        letters = _LETTERS[language[:2]]
        for sound in sorted(letters, key=len, reverse=True):
            said = said.replace(sound, letters[sound])
        return "".join(c for c in said.replace("^", "").replace("-", "") if c in self._vocabulary).strip()


def _load(graph: bytes, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = threads
    options.log_severity_level = 3
    try:
        # Protobuf joins what comes twice: a second graph with nothing but one output adds that output to the first.
        extended = graph + _field(7, _field(12, _field(1, _DURATIONS.encode())))
        return onnxruntime.InferenceSession(extended, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors share no base but this one
        raise ValueError(f"{MODEL} cannot be loaded: {error}") from error


def _field(number: int, content: bytes) -> bytes:
    """Return a length-delimited field of protobuf's wire format."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def _stretches(words: Sequence[str]) -> list[tuple[int, int]]:
    """Return runs of words (first, one past the last) that end at a mark: the synthesizer drops marks."""
    runs: list[tuple[int, int]] = []
    first = 0
    for index, word in enumerate(words):
        if word[-1:] in _PAUSES or index == len(words) - 1:
            runs.append((first, index + 1))
            first = index + 1
    return runs


def _owners(heard: str, alone: Sequence[str], first: int) -> list[int]:
    """Return for each sound the word that it belongs to; espeak-ng runs some words together ("I am")."""
    groups = heard.split(" ")
    if len(groups) == len(alone):
        return [first + number for number, group in enumerate(groups) for _ in (*group, " ")][: len(heard)]
    joined = [(c, first + number) for number, word in enumerate(alone) for c in word if c != " "]
    matcher = SequenceMatcher(None, heard, "".join(c for c, _ in joined), autojunk=False)
    known: list[int | None] = [None] * len(heard)
    for here, there, size in matcher.get_matching_blocks():
        known[here : here + size] = [owner for _, owner in joined[there : there + size]]
    owners: list[int] = []
    for one in known:
        owners.append(one if one is not None else owners[-1] if owners else first)
    return owners


def _cut(chunk: _Chunk) -> _Chunk:
    """Return as much of a chunk without a pause as the network can say: no sentence of a script is that long."""
    return _Chunk(chunk.words, chunk.sounds[:_MOST_SOUNDS], chunk.owners[:_MOST_SOUNDS])


def _timed(chunk: _Chunk, durations: NDArray[np.float64], begin: int) -> list[TimedWord]:
    """Return the words of a chunk with their times; one without a sound stands where the one before it ended."""
    heard = np.maximum(np.concatenate([[0.0], np.cumsum(durations)]) - _EARLY_FRAMES * SAMPLES_PER_FRAME, 0.0)
    edges = (begin + heard) / RATE_HZ
    timed: list[TimedWord] = []
    end_s = float(edges[1])
    for number, word in enumerate(chunk.words):
        own = [
            index + 1  # the first token is the silence before the text
            for index, owner in enumerate(chunk.owners)
            if owner == number and chunk.sounds[index] not in _PAUSES + " "
        ]
        start_s, end_s = (float(edges[own[0]]), float(edges[own[-1] + 1])) if own else (end_s, end_s)
        timed.append(TimedWord(word, start_s, end_s))
    return timed
