"""A take of speech in numbers: length, loudness, clipping, silences, liveliness, repetition; and what they come to.

Each measure has a limit past which nobody would accept a take, and some a stricter one that a good take keeps. A take
between the two is middling: another one is tried, and the best is kept (`kept_takes.py`). Sound is mono float32.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from steps import loops, waveform
from steps.base import Check
from steps.checks import at_least, at_most, between
from steps.external.ffmpeg import Samples, probe, read_samples
from steps.speech_options import AudioOptions

_FULL_SCALE = 0.9995
_CLIPPED_RUN = 3  # samples at full scale side by side; a single one may be a peak
_LEVEL_WINDOW_S = 0.05
_LEVEL_RANGE_DB = 40.0
_SPARE_S = 1.5  # of a short text: one pause more is no runaway
_REPEAT_SPARE_S = 0.4  # of a phrase that the script itself says twice
_WORST_MIDDLING = 1.0


@dataclass(frozen=True)
class Take:
    """What was measured."""

    duration_s: float
    rate_hz: int
    channels: int
    level_dbfs: float  # RMS of the whole
    peak_dbfs: float
    clipped: float  # share of samples in runs at full scale
    leading_s: float  # silence before the first sound
    trailing_s: float
    inner_s: float  # longest silence inside
    sounding_s: float  # from the first sound to the last
    liveliness_db: float  # spread of the level from moment to moment
    repeated_s: float  # longest stretch that is heard twice
    error: float | None = None  # share of the script that was not understood; None: nobody listened

    def understood(self, error: float | None) -> Take:
        """Return it with what a speech model made of it."""
        return replace(self, error=error)


@dataclass(frozen=True)
class Wanted:
    """What a take is held against."""

    words: int  # of the text that was sent
    expected_s: float  # how long they usually take
    repeated_words: int  # of the longest phrase that the text itself says twice
    limit_s: float  # where the workflow cuts a take that misses its end
    good_error: float  # share of the letters that may be misunderstood in a good take
    worst_error: float  # the same, in any


@dataclass(frozen=True)
class Judged:
    """What a take comes to."""

    checks: tuple[Check, ...]  # the limits past which a take is refused
    shortfalls: tuple[Check, ...]  # the stricter ones that this take does not keep
    score: float  # 0 a good one; higher is worse

    @property
    def is_refused(self) -> bool:
        """Whether nobody would accept it."""
        return any(not check.passed for check in self.checks)

    @property
    def is_good(self) -> bool:
        """Whether no other take has to be tried."""
        return not self.is_refused and not self.shortfalls


def measure(path: Path) -> Take:
    """Measure a take. Blocks for about 0.4 s a minute of speech.

    Raises:
        BadOutput: not readable, or without sound.
    """
    audio = probe(path).audio
    rate_hz = audio.rate_hz if audio is not None else loops.RATE_HZ
    samples = read_samples(path, rate_hz=rate_hz)
    sounding = waveform.measure(samples, rate_hz)
    peak = float(np.abs(samples).max(initial=0.0))
    return Take(
        duration_s=samples.size / rate_hz,
        rate_hz=rate_hz,
        channels=audio.channels if audio is not None else 0,
        level_dbfs=sounding.level_dbfs,
        peak_dbfs=max(-120.0, 20 * float(np.log10(peak))) if peak > 0 else -120.0,
        clipped=clipped_share(samples),
        leading_s=min(sounding.begins_s, samples.size / rate_hz),
        trailing_s=sounding.trailing_s,
        inner_s=longest_silence_s(samples, rate_hz),
        sounding_s=sounding.sounding_s,
        liveliness_db=liveliness_db(samples, rate_hz),
        repeated_s=loops.longest_repeat_s(_at(samples, rate_hz)),
    )


def broken_samples(path: Path) -> int:
    """Return how many samples of a file are no numbers. Only floating-point files can hold such: no other is read.

    Raises:
        BadOutput: not readable.
    """
    audio = probe(path).audio
    if audio is None or not audio.codec.startswith("pcm_f"):
        return 0
    samples = read_samples(path, rate_hz=audio.rate_hz)
    return int(samples.size - np.isfinite(samples).sum())


def judge(take: Take, wanted: Wanted, options: AudioOptions) -> Judged:
    """Hold a take against its limits."""
    longest_s = wanted.expected_s * options.max_slowness + _SPARE_S
    own_s = wanted.repeated_words * wanted.expected_s / max(1, wanted.words) + _REPEAT_SPARE_S
    repeated_s = max(options.max_repeated_s, own_s if wanted.repeated_words > 2 else 0.0)
    pace = wanted.words / max(0.1, take.sounding_s)
    checks = [
        at_least("speech.rate", take.rate_hz, options.min_rate_hz, unit="Hz"),
        between("speech.pace", pace, options.min_words_per_s, options.max_words_per_s, unit="words/s"),
        at_most("speech.runaway", take.sounding_s, round(longest_s, 2), unit="s"),
        # A take that fills its limit missed its end, whatever it sounds like.
        at_most("speech.limit", take.duration_s, round(wanted.limit_s - 0.25, 3), unit="s"),
        at_most("speech.clipped", take.clipped, options.max_clipped),
        at_least("speech.liveliness", take.liveliness_db, options.min_liveliness_db, unit="dB"),
        at_most("speech.leading_silence", take.leading_s, options.max_leading_s, unit="s"),
        at_most("speech.trailing_silence", take.trailing_s, options.max_trailing_s, unit="s"),
        at_most("speech.inner_silence", take.inner_s, options.max_inner_s, unit="s"),
        at_most("speech.repeated", take.repeated_s, round(repeated_s, 2), unit="s"),
    ]
    stricter = [
        (at_most("speech.good_clipped", take.clipped, options.good_clipped), options.max_clipped),
        (at_most("speech.good_inner_silence", take.inner_s, options.good_inner_s, unit="s"), options.max_inner_s),
    ]
    if take.error is not None:
        checks.append(at_most("speech.error", take.error, wanted.worst_error))
        stricter.append((at_most("speech.good_error", take.error, wanted.good_error), wanted.worst_error))
    shortfalls = tuple(check for check, _ in stricter if not check.passed)
    score = sum(_share(check, worst) for check, worst in stricter)
    return Judged(tuple(checks), shortfalls, round(score, 6))


def clipped_share(samples: Samples) -> float:
    """Return the share of samples that lie in runs at the full scale of this sound."""
    if not samples.size:
        return 0.0
    full = np.abs(samples) >= _FULL_SCALE
    runs = full[:-2] & full[1:-1] & full[2:] if samples.size >= _CLIPPED_RUN else np.zeros(0, np.bool_)
    return float(min(samples.size, runs.sum() + (_CLIPPED_RUN - 1) * _starts(runs)) / samples.size)


def longest_silence_s(samples: Samples, rate_hz: int) -> float:
    """Return the seconds of the longest silence between two sounds."""
    loud = np.flatnonzero(waveform.envelope(samples, rate_hz) > 10 ** (waveform.SILENCE_DBFS / 20))
    if loud.size < 2:
        return 0.0
    return max(0.0, float(np.diff(loud).max() - 1) * waveform.WINDOW_S)


def liveliness_db(samples: Samples, rate_hz: int) -> float:
    """Return the spread of the level over 50 ms windows, in dB: 8 and more for speech, under 2 for noise and tones."""
    size = max(1, round(rate_hz * _LEVEL_WINDOW_S))
    whole = samples[: samples.size // size * size].reshape(-1, size)
    if not len(whole):
        return 0.0
    levels = 10 * np.log10(np.mean(np.square(whole, dtype=np.float64), axis=1) + 1e-12)
    top = float(np.percentile(levels, 95))
    begin, end = _sounding(levels > top - _LEVEL_RANGE_DB)
    return float(np.std(np.clip(levels[begin:end], top - _LEVEL_RANGE_DB, top)))


def _sounding(loud: NDArray[np.bool_]) -> tuple[int, int]:
    """Return where sound begins and ends: silence around a tone must not look like life."""
    found = np.flatnonzero(loud)
    return (int(found[0]), int(found[-1]) + 1) if found.size else (0, 0)


def _starts(runs: NDArray[np.bool_]) -> int:
    return int(runs[:1].sum() + (runs[1:] & ~runs[:-1]).sum())


def _share(check: Check, worst: float) -> float:
    """Return how far a measure is past its stricter limit on the way to the other one: 0 .. 1."""
    good = float(check.expected.split()[-1])
    return min(_WORST_MIDDLING, max(0.0, (float(check.measured) - good) / max(1e-9, worst - good)))


def _at(samples: Samples, rate_hz: int) -> Samples:
    """Return sound at the rate that repeats are looked for at; what folds over is too weak to matter for that."""
    if rate_hz == loops.RATE_HZ:
        return samples
    places = np.arange(int(samples.size * loops.RATE_HZ / rate_hz)) * (rate_hz / loops.RATE_HZ)
    return np.interp(places, np.arange(samples.size), samples).astype(np.float32) if places.size else samples[:0]


def told(checks: Iterable[Check]) -> str:
    """Return measures for people."""
    return "; ".join(f"{c.name} is {c.measured}{' ' + c.unit if c.unit else ''}, not {c.expected}" for c in checks)
