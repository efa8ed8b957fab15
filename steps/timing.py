"""When each word of the script is heard: by the model if one is set, else by the local voice.

The model sees half a minute at a time, so longer speech is cut at the ends of sentences, where the voice alignment says
they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from steps import alignment
from steps.errors import InvalidInput
from steps.external import whisper
from steps.external.media import Samples, read_samples
from steps.options import CaptionOptions
from steps.words import TimedWord, script_words, settle

_PIECE_S = 24.0  # sentences are gathered up to this; the model's limit leaves room for one that is longer
_SENTENCE_ENDS = frozenset(".!?…»”")


@dataclass(frozen=True)
class Timing:
    """The script's words with the times at which they are heard."""

    words: tuple[TimedWord, ...]  # in order, not overlapping, start < end, inside the speech
    duration_s: float  # of the speech
    source: Literal["whisper", "voice"]


def time_words(script: str, speech: Path, *, language: str, options: CaptionOptions) -> Timing:
    """Find when each word of a script is heard in a file. Blocks: half a second for half a minute, more with a model.

    Raises:
        InvalidInput: the script has no words, or the speech is silent, empty or hours long.
        BadOutput: the speech cannot be read.
        ResourceMissing: the model or the synthesizer is not there.
    """
    words = script_words(script)
    if not words:
        raise InvalidInput("the script has no words to caption")
    samples = read_samples(speech, rate_hz=alignment.RATE_HZ)
    duration_s = len(samples) / alignment.RATE_HZ
    timed = alignment.align(words, samples, language=language)
    model = whisper.SpeechModel(options.model, options.device) if options.model is not None else None
    if model is None or not whisper.knows(model, language=language):
        return Timing(timed, duration_s, "voice")
    pieces = cut(timed, samples)
    attended = whisper.align(pieces, model=model, language=language)
    # The model's start of a word is often the end of the word before, pause included.
    settled = settle(alignment.narrow(attended, alignment.listen(samples)), duration_s=duration_s)
    return Timing(settled, duration_s, "whisper")


def cut(words: Sequence[TimedWord], samples: Samples) -> list[whisper.Piece]:
    """Cut speech into pieces that the model can take whole, in the pauses after sentences where there are any."""
    pieces: list[whisper.Piece] = []
    first, begin_s = 0, 0.0
    while first < len(words):
        after = _last_of_piece(words, first, begin_s) + 1
        is_last = after == len(words)
        end_s = len(samples) / alignment.RATE_HZ if is_last else _quietest(samples, words[after - 1], words[after])
        part = samples[int(begin_s * alignment.RATE_HZ) : int(end_s * alignment.RATE_HZ)]
        longest = int(whisper.LONGEST_S * whisper.RATE_HZ)
        pieces.append(whisper.Piece(tuple(w.text for w in words[first:after]), part[:longest], begin_s))
        first, begin_s = after, end_s
    return pieces


def _last_of_piece(words: Sequence[TimedWord], first: int, begin_s: float) -> int:
    """Return the word that ends a piece: the last end of a sentence in reach, else the last word in reach."""
    reach = [k for k in range(first, len(words)) if words[k].end_s - begin_s <= _PIECE_S] or [first]
    if reach[-1] == len(words) - 1:
        return reach[-1]
    return next((k for k in reversed(reach) if words[k].text[-1] in _SENTENCE_ENDS), reach[-1])


def _quietest(samples: Samples, before: TimedWord, after: TimedWord) -> float:
    """Return the middle of the quietest 50 ms around the border of two words."""
    rate = alignment.RATE_HZ
    low = max(0, int((before.end_s - 0.1) * rate))
    high = min(len(samples), int((after.start_s + 0.1) * rate))
    power = np.convolve(samples[low:high] ** 2, np.ones(rate // 20), mode="valid")
    if len(power) == 0:
        return (before.end_s + after.start_s) / 2
    return (low + int(np.argmin(power)) + rate // 40) / rate
