"""When each word of a script is heard, found without a speech model.

The script is known, so nothing has to be recognised: the same words are said by the small local synthesizer, which
knows when it says each of them, and that voice is laid over the real one. The real voice has other vowels, another pace
and pauses of its own, so the two are compared by the shape of their spectra (cepstra, each voice against its own mean),
and the cheapest path gives every 10 ms of the real voice one moment of the reference, which may be stretched, squeezed,
or halted between two words. Two reference voices are tried, a man's and a woman's; the better fit is kept.

Half a minute takes about half a second, and nothing has to be downloaded; `external/whisper.py` does the same with a
model where there is one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steps.errors import InvalidInput
from steps.external.espeak import Speech, speak
from steps.external.media import Samples
from steps.words import TimedWord, settle

RATE_HZ = 16_000
"""Rate of the sound that `align` takes."""

LONGEST_S = 600.0
_HOP = 160  # samples; 10 ms
HOP_S = _HOP / RATE_HZ
"""Of what `listen` returns: one value each."""
_WINDOW = 400  # 25 ms
_FFT = 512
_BANDS = 26
_CEPSTRA = 12
_RANGE_DB = 45.0  # this far below the loudest speech is silence, in a voice without noise
_REFERENCES = {"fr": ("fr", "fr+f3"), "en": ("en-us", "en-us+f3")}
_PACES = (80, 450)  # words per minute that the synthesizer takes

# Costs of the path, in units of the distance between two frames (about 1 for the right sound, 2 for another one). Found
# by a search over neural voices with known times; the result hardly moves when any of them is halved or doubled.
_STAY = 0.2  # the reference stands still in a word
_SKIP = 0.2  # for each reference frame that is passed over
_ADVANCE = 3  # most reference frames that one real frame may pass
_INNER_PAUSE = 0.25  # each frame of a pause where there is no punctuation
_IN_SILENCE = 4.0  # a loud moment of the reference laid on silence, at its worst
_SPLIT_FRAMES = 15  # a word with a hole this long in it was laid over a pause

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Sound:
    """What the comparison looks at, per 10 ms."""

    features: Floats  # (frames, n)
    energy: Floats  # (frames,); 0 silence, about 1 loud speech
    spoken: NDArray[np.bool_]  # (frames,)


def align(words: Sequence[str], samples: Samples, *, language: str) -> tuple[TimedWord, ...]:
    """Find when each word of a script is heard. Blocks.

    Args:
        words: The script, split by `words.script_words`.
        samples: The speech, mono at RATE_HZ.
        language: "fr" or "en".

    Raises:
        InvalidInput: no sound, silence, no words, or more than LONGEST_S of them.
        ResourceMissing, ProgramFailed, ProgramTimedOut: the synthesizer cannot speak; see `espeak.speak`.
    """
    duration_s = _checked_duration_s(words, samples)
    real = listen(samples)
    best: tuple[float, list[TimedWord]] | None = None
    for voice in _REFERENCES[language]:
        distance, spans = _fit(words, real, voice=voice)
        if best is None or distance < best[0]:
            best = distance, spans
    assert best is not None
    return settle(best[1], duration_s=duration_s)


def by_energy(words: Sequence[str], samples: Samples) -> tuple[TimedWord, ...]:
    """Share the sounding moments of a speech among words by their length: what is left without any voice or model.

    Args:
        words: What is said.
        samples: The speech, mono at RATE_HZ.

    Raises:
        InvalidInput: no sound, silence, no words, or more than LONGEST_S of them.
    """
    duration_s = _checked_duration_s(words, samples)
    heard = np.flatnonzero(listen(samples).spoken)
    if not len(heard):
        heard = np.arange(max(1, round(duration_s / HOP_S)))
    weights = np.array([len(word) + 2.0 for word in words])
    borders = np.concatenate([[0], np.cumsum(weights)]) / weights.sum() * (len(heard) - 1)
    starts = [float(heard[int(border)]) * HOP_S for border in borders[:-1]]
    ends = [float(heard[int(border)]) * HOP_S for border in borders[1:]]
    return settle([TimedWord(*word) for word in zip(words, starts, ends, strict=True)], duration_s=duration_s)


def narrow(words: Sequence[TimedWord], sound: Sound) -> list[TimedWord]:
    """Return the words without the silence that was given to them: each shrinks to its longest run of sound."""
    narrowed = []
    for word in words:
        begin, end = _main_stretch(round(word.start_s / HOP_S), round(word.end_s / HOP_S), sound.spoken)
        narrowed.append(TimedWord(word.text, begin * HOP_S, end * HOP_S))
    return narrowed


def listen(samples: Samples) -> Sound:
    """Turn sound into what is compared: cepstra and energy with their slopes, scaled by this voice's own spread."""
    padded = np.concatenate([np.zeros(_WINDOW // 2), samples, np.zeros(_WINDOW)])
    sharpened = np.append(padded[0], padded[1:] - 0.97 * padded[:-1])
    count = (len(padded) - _WINDOW) // _HOP
    frames = np.lib.stride_tricks.sliding_window_view(sharpened, _WINDOW)[::_HOP][:count] * np.hanning(_WINDOW)
    bands = (np.abs(np.fft.rfft(frames, _FFT)) ** 2) @ _mel_filters().T
    power_db = 10 * np.log10(bands.sum(axis=1) + 1e-12)
    top_db = float(np.percentile(power_db, 95))
    # Noise raises the floor, but speech without a pause must not be taken for noise.
    floor_db = max(top_db - _RANGE_DB, min(float(np.percentile(power_db, 10)) + 6, top_db - 20))
    energy = np.clip((power_db - floor_db) / (top_db - floor_db), 0, 1.2)
    spoken = energy > 0.34
    log_bands = 10 * np.log10(np.maximum(bands, 10 ** ((floor_db - 10) / 10)))
    angles = np.pi / _BANDS * (np.arange(_BANDS)[:, None] + 0.5) * np.arange(1, _CEPSTRA + 1)[None]
    cepstra = log_bands @ np.cos(angles)
    cepstra = (cepstra - cepstra[spoken].mean(axis=0)) / (cepstra[spoken].std(axis=0) + 1e-6) / math.sqrt(_CEPSTRA)
    columns = [
        cepstra * np.clip(energy * 2, 0, 1)[:, None],  # what silence sounds like says nothing
        0.75 * _slope(cepstra),
        2.5 * energy[:, None],
        1.9 * (_shift(energy, 2) - _shift(energy, -2))[:, None],
    ]
    return Sound(np.concatenate(columns, axis=1).astype(np.float32), energy.astype(np.float32), spoken)


def _checked_duration_s(words: Sequence[str], samples: Samples) -> float:
    duration_s = len(samples) / RATE_HZ
    if not words:
        raise InvalidInput("the script has no words to time")
    if duration_s > LONGEST_S:
        raise InvalidInput(f"the speech lasts {duration_s:.0f} s; word times are found in at most {LONGEST_S:.0f} s")
    if duration_s < 0.1 or float(np.abs(samples).max()) < 1e-4:
        raise InvalidInput(f"the speech of {duration_s:.1f} s is silent or empty; there is nothing to time")
    return duration_s


def _fit(words: Sequence[str], real: Sound, *, voice: str) -> tuple[float, list[TimedWord]]:
    """Lay one reference voice over the real one; return the mean distance and the words' times, unsettled."""
    pace = 160
    for _ in range(2):  # the second time at the real voice's own pace
        speech = speak(" ".join(words), voice=voice, words_per_minute=pace)
        reference = listen(_at_our_rate(speech))
        pace = int(np.clip(pace * reference.spoken.sum() / max(int(real.spoken.sum()), 1), *_PACES))
    track = _track(words, speech, reference)
    distance, path = _cheapest_path(real, reference, track)
    return distance, _times(words, track.owner[path], real)


@dataclass(frozen=True, eq=False)
class _Track:
    """The reference as the path walks it: the frames of its words, and one halt between words."""

    frame: NDArray[np.int64]  # index into the reference's frames; any for a halt
    owner: NDArray[np.int64]  # 0-based word; -1 for a halt
    halt_cost: Floats  # what a frame spent in a halt costs beside its own noise; 0 for a word's frame


def _track(words: Sequence[str], speech: Speech, reference: Sound) -> _Track:
    frame: list[int] = []
    owner: list[int] = []
    halt_cost: list[float] = []
    last = len(reference.energy) - 1
    after_mark = True
    for index, (start_s, end_s) in enumerate(_spoken_spans(words, speech)):
        begin, end = round(start_s / HOP_S), round(end_s / HOP_S)
        if end > begin:
            frame += [0, *(min(k, last) for k in range(begin, end))]
            owner += [-1, *[index] * (end - begin)]
            halt_cost += [0.0 if after_mark else _INNER_PAUSE, *[0.0] * (end - begin)]
        after_mark = not words[index][-1].isalnum()
    return _Track(
        np.array([*frame, 0]), np.array([*owner, -1]), np.array([*halt_cost, 0.0], dtype=np.float32)
    )  # the last halt is the silence at the end


def _spoken_spans(words: Sequence[str], speech: Speech) -> list[tuple[float, float]]:
    """Return start and end of each word: the synthesizer splits at every space, also inside « these »."""
    spans = []
    begin = 0
    for word in words:
        parts = [s for s in speech.words if begin <= s.offset < begin + len(word) and s.end_s > s.start_s]
        spans.append((parts[0].start_s, parts[-1].end_s) if parts else (0.0, 0.0))
        begin += len(word) + 1
    return spans


def _cheapest_path(real: Sound, reference: Sound, track: _Track) -> tuple[float, NDArray[np.int64]]:
    """Return the mean cost of the cheapest path and its track position for every real frame."""
    count, length = len(real.energy), len(track.owner)
    lows, width = _corridor(real, length)
    local = _local_costs(real, reference, track)
    stay = np.where(track.owner < 0, 0, _STAY).astype(np.float32)
    skips = _skip_costs(track.owner < 0)
    cost = np.full(length, np.inf, np.float32)
    cost[:2] = 0  # only the silence before the first word, or that word, may come first
    back = np.zeros((count, width), np.int8)
    for row in range(count):
        low = int(lows[row])
        part = slice(low, low + width)
        best = cost[part] + stay[part]
        for advance in range(1, _ADVANCE + 1) if row else ():
            begin = max(low, advance)
            other = np.full(width, np.inf, np.float32)
            other[begin - low :] = cost[begin - advance : low + width - advance] + skips[advance][begin : low + width]
            better = other < best
            best[better] = other[better]
            back[row, better] = advance
        cost = np.full(length, np.inf, np.float32)
        cost[part] = best + local(row, part)
    position = length - 1 if cost[-1] <= cost[-2] else length - 2
    total = float(cost[position])
    if not math.isfinite(total):  # far more text than the sound can hold: no path gets to its end
        return math.inf, np.minimum(lows + width // 2, length - 1)
    path = np.empty(count, np.int64)
    for row in range(count - 1, -1, -1):
        path[row] = position
        position -= int(back[row, position - lows[row]])
    return total / count, path


def _local_costs(real: Sound, reference: Sound, track: _Track) -> Callable[[int, slice], Floats]:
    """Return a function of (real frame, part of the track): how badly that frame fits each position there."""
    is_halt = track.owner < 0
    target = reference.features[track.frame]
    square = (target**2).sum(axis=1)
    loud = np.where(is_halt | (reference.energy[track.frame] < 0.4), 0, _IN_SILENCE).astype(np.float32)

    def cost(row: int, part: slice) -> Floats:
        features, energy = real.features[row], float(real.energy[row])
        gap = square[part] - 2 * (target[part] @ features) + features @ features
        sound = np.sqrt(np.maximum(gap, 0)) + loud[part] * max(0.0, 0.25 - energy)
        silence = track.halt_cost[part] + (0.2 + 4 * min(max(energy - 0.3, 0.0), 1.0))
        return np.where(is_halt[part], silence, sound).astype(np.float32)

    return cost


def _skip_costs(is_halt: NDArray[np.bool_]) -> list[Floats]:
    """Per advance, what arriving at each position costs: passing over a halt is free."""
    passed = np.concatenate([[0], np.cumsum(~is_halt)])
    costs = [np.zeros(len(is_halt), np.float32), np.zeros(len(is_halt), np.float32)]
    for advance in range(2, _ADVANCE + 1):
        arriving = np.zeros(len(is_halt), np.float32)
        arriving[advance:] = _SKIP * (passed[advance:-1] - passed[1:-advance])
        costs.append(arriving)
    return costs


def _corridor(real: Sound, length: int) -> tuple[NDArray[np.int64], int]:
    """Return where the path may be: first track position per real frame, and how many from there.

    The middle follows the speech heard so far, not the clock, so that long pauses do not leave the corridor.
    """
    heard = np.cumsum(real.spoken) / max(int(real.spoken.sum()), 1)
    half = max(400, int(0.2 * length))
    width = min(length, 2 * half)
    return np.clip((heard * length).astype(np.int64) - half, 0, length - width), width


def _times(words: Sequence[str], owner: NDArray[np.int64], real: Sound) -> list[TimedWord]:
    """Read each word's time off the path; a word that was passed over sits between its neighbours."""
    timed = []
    end_s = 0.0
    for index, word in enumerate(words):
        rows = np.flatnonzero(owner == index)
        if len(rows):
            begin, end = _main_stretch(int(rows[0]), int(rows[-1]) + 1, real.spoken)
            start_s, end_s = begin * HOP_S, end * HOP_S
        else:
            start_s = end_s
        timed.append(TimedWord(word, start_s, end_s))
    return timed


def _main_stretch(begin: int, end: int, spoken: NDArray[np.bool_]) -> tuple[int, int]:
    """Narrow a word to its longest run of sound: the rest is the pause beside it, or the next word's breath."""
    heard = begin + np.flatnonzero(spoken[begin:end])
    if len(heard) == 0:
        return begin, end
    runs = np.split(heard, np.flatnonzero(np.diff(heard) > _SPLIT_FRAMES) + 1)
    longest = max(runs, key=len)
    return int(longest[0]), int(longest[-1]) + 1


def _at_our_rate(speech: Speech) -> Samples:
    """Return the reference at RATE_HZ. Its own 22,050 Hz hold nothing above what `listen` looks at that could fold."""
    positions = np.arange(int(len(speech.samples) * RATE_HZ / speech.rate_hz)) * (speech.rate_hz / RATE_HZ)
    samples: Samples = np.interp(positions, np.arange(len(speech.samples)), speech.samples / 32768).astype(np.float32)
    return samples


def _mel_filters() -> NDArray[np.float64]:
    """Return triangles over 150 to 6,000 Hz, evenly spaced as the ear does it: (bands, bins)."""
    low, high = (2595 * math.log10(1 + hz / 700) for hz in (150, 6000))
    edges = 700 * (10 ** (np.linspace(low, high, _BANDS + 2) / 2595) - 1)
    bins = np.fft.rfftfreq(_FFT, 1 / RATE_HZ)[None]
    left, middle, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (bins - left) / (middle - left), (right - bins) / (right - middle)
    return np.asarray(np.maximum(0, np.minimum(rising, falling)))


def _slope(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return (2 * (_shift(rows, 2) - _shift(rows, -2)) + _shift(rows, 1) - _shift(rows, -1)) / 5


def _shift(rows: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Return rows taken `count` later (or earlier), the edges repeated."""
    return rows[np.clip(np.arange(len(rows)) + count, 0, len(rows) - 1)]
