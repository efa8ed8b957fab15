"""When each word of the script is heard: told by the voice, or found by a model, by a local voice, or by energy.

A voice that tells when it says each word is believed, if the sound agrees. Else the local voice is laid over the speech
(`alignment.py`); where a speech model is set, its attention corrects that: the local voice is finer, the model does not
lose its way in noise, long pauses or left-out words. The model sees half a minute at a time, so longer speech is cut at
the ends of sentences, or in the quietest moment near.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from steps import alignment, speech_models, voice_events
from steps.caption_options import CaptionOptions
from steps.errors import InvalidInput, ProgramFailed, ResourceMissing
from steps.external import whisper
from steps.external.media import Samples, read_samples
from steps.options import Language
from steps.words import Said, TimedWord, said_words, settle

Source = Literal["voice events", "whisper", "voice", "energy"]

_PIECE_S = 24.0  # sentences are gathered up to this; the model's limit leaves room for one that is longer
_SENTENCE_ENDS = frozenset(".!?…»”")
_AGREE_S = 0.5  # further apart, one of the two has lost its way; measured: the model is right more often
_MODEL_SHARE = 0.25  # of a start on which both agree
_MOST_LAG_S = 0.2  # models feel words late or early by a lag of their own, up to this
_EVENTS_HEARD = 0.75  # share of the told words that must lie on sound


@dataclass(frozen=True)
class Timing:
    """The script's words with the times at which they are heard."""

    words: tuple[TimedWord, ...]  # in order, not overlapping, start < end, inside the speech
    duration_s: float  # of the speech
    source: Source
    agreement: float | None = None  # share of the words on which model and local voice agree, 0 .. 1
    problem: str = ""  # why no model was used although one is set; for people


def time_words(
    script: str,
    speech: Path,
    *,
    language: Language,
    options: CaptionOptions,
    models_dir: Path | None = None,
    told: Path | None = None,
) -> Timing:
    """Find when each word of a script is heard in a file. Blocks: half a second for half a minute, more with a model.

    Args:
        script: As written; numbers are aligned as they are said, and shown as they are written.
        speech: The take.
        language: Of the script.
        options: Name the model.
        models_dir: Where set-up places a model, if the options name none.
        told: The voice's own word times, as `voice_events.write` leaves them.

    Raises:
        InvalidInput: the script has no words, or the speech is silent, empty or hours long.
        BadOutput: the speech cannot be read.
    """
    said = said_words(script, language)
    if not said:
        raise InvalidInput("the script has no words to caption")
    samples = read_samples(speech, rate_hz=alignment.RATE_HZ)
    spoken = [part for word in said for part in word.spoken.split()] or [word.text for word in said]
    events = voice_events.load(told) if told is not None else ()
    timing = _by_events(spoken, events, samples) or _by_sound(
        spoken, samples, language=language, found=_model(options, language, models_dir)
    )
    return replace(timing, words=settle(_shown(said, timing.words), duration_s=timing.duration_s))


def reconcile(voice: Sequence[TimedWord], model: Sequence[TimedWord]) -> tuple[list[TimedWord], float]:
    """Join what the local voice and the model found; return the words and the share on which the two agree.

    A model feels every word a little early or late; that lag is what most words share, and is taken off.
    """
    gaps = np.array([m.start_s - v.start_s for m, v in zip(model, voice, strict=True)])
    lag_s = float(np.clip(np.median(gaps), -_MOST_LAG_S, _MOST_LAG_S))
    joined = []
    for gap_s, mine, other in zip(gaps, voice, model, strict=True):
        if abs(gap_s - lag_s) <= _AGREE_S:
            joined.append(replace(mine, start_s=mine.start_s + _MODEL_SHARE * float(gap_s - lag_s)))
        else:
            joined.append(replace(other, start_s=other.start_s - lag_s, end_s=other.end_s - lag_s))
    return joined, round(float(np.mean(np.abs(gaps - lag_s) <= _AGREE_S)), 3)


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


def _model(options: CaptionOptions, language: Language, models_dir: Path | None) -> speech_models.Found:
    if options.model is None and models_dir is None:
        return speech_models.Found(None)
    return speech_models.find(options, language, models_dir=models_dir or Path())


def _by_events(spoken: Sequence[str], events: Sequence[TimedWord], samples: Samples) -> Timing | None:
    """Believe the voice if it told of these very words, and sound is where it says they are."""
    duration_s = len(samples) / alignment.RATE_HZ
    if not events or [event.text for event in events] != list(spoken) or duration_s < 0.1:
        return None
    heard = alignment.listen(samples).spoken
    middles = [(event.start_s + event.end_s) / 2 for event in events if event.end_s > event.start_s]
    on_sound = [bool(heard[min(len(heard) - 1, int(s / alignment.HOP_S))]) for s in middles]
    if not on_sound or float(np.mean(on_sound)) < _EVENTS_HEARD:
        return None
    return Timing(tuple(events), duration_s, "voice events")


def _by_sound(spoken: Sequence[str], samples: Samples, *, language: Language, found: speech_models.Found) -> Timing:
    duration_s = len(samples) / alignment.RATE_HZ
    source: Source = "voice"
    try:
        mine = alignment.align(spoken, samples, language=language)
    except (ResourceMissing, ProgramFailed):
        mine, source = alignment.by_energy(spoken, samples), "energy"
    if found.model is None:
        return Timing(mine, duration_s, source, problem=found.problem)
    try:
        felt = whisper.align(cut(mine, samples), model=found.model, language=language)
    except (ResourceMissing, ProgramFailed) as error:
        return Timing(mine, duration_s, source, problem=str(error))
    # The model's start of a word is often the end of the word before, pause included.
    narrowed = alignment.narrow(felt, alignment.listen(samples))
    if source == "energy":
        return Timing(tuple(narrowed), duration_s, "whisper")
    joined, agreement = reconcile(mine, narrowed)
    return Timing(tuple(joined), duration_s, "whisper", agreement)


def _shown(said: Sequence[Said], spoken: Sequence[TimedWord]) -> list[TimedWord]:
    """Give the times of the spoken words to the shown ones; one that nobody says stands where the last one ended."""
    if not any(word.spoken for word in said):
        return [TimedWord(word.text, heard.start_s, heard.end_s) for word, heard in zip(said, spoken, strict=True)]
    ordered = settle(spoken, duration_s=max(word.end_s for word in spoken))
    shown: list[TimedWord] = []
    begin = 0
    end_s = 0.0
    for word in said:
        parts = ordered[begin : begin + len(word.spoken.split())]
        begin += len(parts)
        start_s, end_s = (parts[0].start_s, parts[-1].end_s) if parts else (end_s, end_s)
        shown.append(TimedWord(word.text, start_s, end_s))
    return shown


def _last_of_piece(words: Sequence[TimedWord], first: int, begin_s: float) -> int:
    """Return the word that ends a piece: the last end of a sentence in reach, or the longest pause, else the last."""
    reach = [k for k in range(first, len(words)) if words[k].end_s - begin_s <= _PIECE_S] or [first]
    if reach[-1] == len(words) - 1:
        return reach[-1]
    sentence = next((k for k in reversed(reach) if words[k].text[-1] in _SENTENCE_ENDS), None)
    if sentence is not None:
        return sentence
    later = reach[len(reach) // 2 :]  # not so early that the pieces become many
    return max(later, key=lambda k: (words[k + 1].start_s - words[k].end_s, k))


def _quietest(samples: Samples, before: TimedWord, after: TimedWord) -> float:
    """Return the middle of the quietest 50 ms around the border of two words."""
    rate = alignment.RATE_HZ
    low = max(0, int((before.end_s - 0.1) * rate))
    high = min(len(samples), int((after.start_s + 0.1) * rate))
    power = np.convolve(samples[low:high] ** 2, np.ones(rate // 20), mode="valid")
    if len(power) == 0:
        return (before.end_s + after.start_s) / 2
    return (low + int(np.argmin(power)) + rate // 40) / rate
