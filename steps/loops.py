"""Speech that repeats itself: a model that lost its place says a stretch again and again.

A loop is nearly, not exactly, the same sound twice, so spectra are compared and not samples. Every stretch of the take
is laid over every later one; the longest run in which both sound alike is what counts.
"""

from __future__ import annotations

import re
import unicodedata

import numpy as np
from numpy.typing import NDArray

from steps.external.media import Samples

RATE_HZ = 16_000
"""Rate of the sound that `longest_repeat_s` takes."""

_HOP = 480  # samples; 30 ms
_WINDOW = 960
_FFT = 1024
_BANDS = 24
_LEAST_LAG = 14  # frames; 0.4 s: a held vowel is alike from one moment to the next
_DRIFT = 2  # frames; the second time may be a little quicker or slower
_ALIKE = 0.72  # of two frames, as the cosine of their spectra against the voice's mean; other sounds lie near 0
_HOLE = 2.0  # what a moment that differs costs, against one that is alike
_PLAIN = 1.5  # a spectrum this near to the mean says nothing: a tone has no other
_MOST_FRAMES = 3000  # a minute and a half


def longest_repeat_s(samples: Samples) -> float:
    """Return the seconds of the longest stretch of a take that is heard a second time.

    Half a second or less for any speech: common words and endings come twice. Blocks for about 0.3 s a minute; of more
    than two minutes only the first two are looked at.

    Args:
        samples: Mono at RATE_HZ.
    """
    frames, loud = _spectra(samples)
    alike = frames @ frames.T
    longest = 0.0
    for lag in range(_LEAST_LAG, len(frames) - _LEAST_LAG):
        both = loud[lag:] | loud[:-lag]
        near = [np.diagonal(alike, lag + drift) for drift in range(-_DRIFT, _DRIFT + 1)]
        count = min(map(len, near))
        best = np.max([one[:count] for one in near], axis=0) > _ALIKE
        # The run whose alike moments outweigh the others most: a pause counts for nothing.
        gained = np.cumsum(np.where(both[:count], np.where(best, 1.0, -_HOLE), 0.0))
        longest = max(longest, float(np.max(gained - np.minimum.accumulate(gained))))
    return longest * _HOP / RATE_HZ


def repeated_words(text: str) -> int:
    """Return the length in words of the longest phrase that a text itself says twice."""
    words = re.findall(r"\w+", unicodedata.normalize("NFC", text.casefold()))
    longest = 0
    ends: dict[int, int] = {}
    for later in range(len(words)):
        fresh: dict[int, int] = {}
        for earlier in range(later):
            if words[earlier] == words[later]:
                fresh[earlier] = ends.get(earlier - 1, 0) + 1
                longest = max(longest, fresh[earlier])
        ends = fresh
    return longest


def _spectra(samples: Samples) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return per 20 ms the shape of the spectrum, of length one, and whether it sounds."""
    count = min(_MOST_FRAMES, max(0, (len(samples) - _WINDOW) // _HOP + 1))
    if count < 2:
        return np.zeros((0, _BANDS), np.float32), np.zeros(0, np.bool_)
    views = np.lib.stride_tricks.sliding_window_view(samples, _WINDOW)[::_HOP][:count]
    power = np.abs(np.fft.rfft(views * np.hanning(_WINDOW), _FFT)) ** 2
    edges = np.geomspace(4, _FFT // 2, _BANDS + 1).astype(int)
    bands = np.log10(np.add.reduceat(power, edges[:-1], axis=1) + 1e-9)
    level = 10 * np.log10(power.sum(axis=1) + 1e-9)
    loud = level > np.percentile(level, 95) - 30
    shape = bands - bands[loud].mean(axis=0) if loud.any() else bands
    shape = shape - shape.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(shape, axis=1, keepdims=True)
    told = np.where(lengths > _PLAIN, shape / np.maximum(lengths, 1e-6), 0.0)
    return told.astype(np.float32), np.asarray(loud)
