"""Background music of our own: a soft loop made for the length of one video.

Written by arithmetic, so nothing has to be downloaded or licensed. A loop is a circle: a note that rings past the end
rings on at the beginning, the room's echo goes round too, and the tempo is chosen so that whole bars fill the video
exactly. When the video starts again, so does the music, without a seam.
"""

from __future__ import annotations

import math
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from steps.workfiles import partial

RATE_HZ = 24_000
"""Enough for soft sounds: nothing here is above 8 kHz."""

SHORTEST_S, LONGEST_S = 0.5, 600.0

_BEATS = 8  # plucked notes a bar

# Chords as semitones above the key's tonic; each cycle comes home by itself.
_MAJOR = (
    ((0, 4, 7, 11, 14), (9, 12, 16, 19, 23), (5, 9, 12, 16, 19), (7, 11, 14, 17, 21)),  # I  vi  IV  V
    ((9, 12, 16, 19, 23), (5, 9, 12, 16, 19), (0, 4, 7, 11, 14), (7, 11, 14, 16, 21)),  # vi IV  I   V
    ((0, 4, 7, 11, 14), (4, 7, 11, 14, 19), (5, 9, 12, 16, 19), (5, 8, 12, 14, 19)),  # I  iii IV  iv
    ((0, 4, 7, 14, 16), (5, 9, 12, 16, 19), (2, 5, 9, 12, 16), (7, 11, 14, 17, 21)),  # I  IV  ii  V
)
_MINOR = (
    ((0, 3, 7, 10, 14), (8, 12, 15, 19, 22), (3, 7, 10, 15, 19), (10, 14, 17, 20, 22)),  # i  VI III VII
    ((0, 3, 7, 12, 14), (5, 8, 12, 15, 20), (8, 12, 15, 19, 24), (7, 10, 14, 17, 22)),  # i  iv VI  v
    ((0, 3, 7, 10, 15), (10, 14, 17, 22, 26), (8, 12, 15, 19, 22), (5, 8, 12, 15, 19)),  # i  VII VI iv
)
_PATTERNS = ((0, 2, 4, 3, 1, 3, 4, 2), (0, 3, 2, 4, 1, 4, 2, 3), (0, 1, 2, 4, 3, 2, 4, 1))
_KEYS = (-5, -3, -2, 0, 2, 3)  # semitones from C4

Stereo = NDArray[np.float64]
Mono = NDArray[np.float64]


@dataclass(frozen=True)
class _Manner:
    """How a mood is played."""

    bar_s: float  # four beats; 3.1 is a slow walk
    cycles: tuple[tuple[tuple[int, ...], ...], ...]
    pads: float  # how loud the long chords are, 1 as usual; likewise the plucked notes
    plucks: float


MANNERS = {
    "cheeky": _Manner(2.6, _MAJOR, 0.8, 1.3),
    "tender": _Manner(3.2, _MAJOR, 1.0, 1.0),
    "proud": _Manner(2.9, _MAJOR, 1.3, 0.9),
    "solemn": _Manner(3.7, _MINOR, 1.4, 0.5),
    "melancholic": _Manner(3.4, _MINOR, 1.0, 0.9),
}
"""The moods of a script; what is not among them is played as the first one."""


@dataclass(frozen=True)
class _Score:
    """What is played: the choices that the seed makes."""

    manner: _Manner

    tonic: int  # semitones from C4
    cycle: tuple[tuple[int, ...], ...]
    pattern: tuple[int, ...]
    bars: int


def write_loop(path: Path, *, duration_s: float, seed: int, mood: str = "cheeky") -> Path:
    """Write a loop as a WAV, 16 bits, stereo. The same length, seed and mood give the same bytes.

    Raises:
        DiskFull: no room for it.
    """
    loop = compose(duration_s, seed=seed, mood=mood)
    with partial(path) as beside, wave.open(str(beside), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes((loop * 32767).astype("<i2").tobytes())
    return path


def compose(duration_s: float, *, seed: int, mood: str = "cheeky") -> NDArray[np.float32]:
    """Return a loop of exactly some length: float32 (n, 2), stereo at RATE_HZ, peaks at 0.5.

    Takes about a second for half a minute.

    Args:
        duration_s: SHORTEST_S .. LONGEST_S; the loop's end flows into its beginning.
        seed: Key, chords and pattern follow from it.
        mood: One of MANNERS: tempo, major or minor, and what stands in front.
    """
    if not SHORTEST_S <= duration_s <= LONGEST_S:
        raise ValueError(f"a loop of {duration_s} s: expected {SHORTEST_S} to {LONGEST_S}")
    rng = np.random.default_rng(seed)
    manner = MANNERS.get(mood, MANNERS["cheeky"])
    score = _Score(
        manner,
        tonic=int(rng.choice(_KEYS)),
        cycle=manner.cycles[int(rng.integers(len(manner.cycles)))],
        pattern=_PATTERNS[int(rng.integers(len(_PATTERNS)))],
        bars=_bars(duration_s, manner.bar_s),
    )
    total = round(duration_s * RATE_HZ)
    dry = manner.pads * _pads(score, total) + manner.plucks * _plucks(score, total, rng) + _bass(score, total)
    mixed = dry + 0.35 * _echo(dry, rng)
    return np.asarray(0.5 * mixed / np.abs(mixed).max(), dtype=np.float32)


def _bars(duration_s: float, bar_s: float) -> int:
    """Choose how many bars fill the time: cycles of four if their tempo stays near a walk, else pairs, else any."""
    for unit in (4, 2, 1):
        count = max(unit, unit * round(duration_s / bar_s / unit))
        if 0.8 <= duration_s / count / bar_s <= 1.25:
            return count
    return max(1, round(duration_s / bar_s))


def _chord_times(score: _Score, total: int) -> list[tuple[tuple[int, ...], int, int]]:
    """Return each bar's chord with its first sample and its length."""
    edges = [round(total * bar / score.bars) for bar in range(score.bars + 1)]
    return [
        (score.cycle[bar % len(score.cycle)], begin, end - begin) for bar, (begin, end) in enumerate(pairwise(edges))
    ]


def _pads(score: _Score, total: int) -> Stereo:
    """Long, soft chords that swell into each other."""
    track = np.zeros((total, 2))
    for chord, begin, length in _chord_times(score, total):
        for voice, degree in enumerate(chord[1:]):
            hz = _hz(score.tonic + degree - (12 if degree > 16 else 0))
            count = int(length * 1.45)
            time = np.arange(count) / RATE_HZ
            # Two strings a little apart beat slowly against each other, which is what makes it warm.
            tone = sum(
                sine / number**2.2
                for detune in (0.9985, 1.0015)
                for number, sine in enumerate(_partials(2 * np.pi * hz * detune * time + 1.7, 4), 1)
            )
            _add(track, begin, 0.09 * tone * _swell(count, length), pan=(0.3, 0.7, 0.4, 0.6)[voice % 4])
    return track


def _plucks(score: _Score, total: int, rng: np.random.Generator) -> Stereo:
    """A broken chord, like a small harp: each note a little early or late, louder or softer."""
    track = np.zeros((total, 2))
    strings = cache(_pluck)  # a broken chord comes back to its notes
    for bar, (chord, begin, length) in enumerate(_chord_times(score, total)):
        for beat, step in enumerate(score.pattern):
            if (bar + beat) % 7 == 5:
                continue  # a rest now and then lets it breathe
            octave = 12 if beat in (2, 6) and bar % 2 else 0
            at = begin + int(length * beat / _BEATS + rng.normal(0, 0.006) * RATE_HZ)
            loud = (0.20 if beat == 0 else 0.13) * rng.uniform(0.8, 1.1)
            _add(track, at, loud * strings(_hz(score.tonic + chord[step] + octave)), pan=0.35 + 0.3 * rng.random())
    return track


def _bass(score: _Score, total: int) -> Stereo:
    """The root of each chord, felt more than heard."""
    track = np.zeros((total, 2))
    for chord, begin, length in _chord_times(score, total):
        hz = _hz(score.tonic + (chord[0] if chord[0] < 8 else chord[0] - 12) - 12)
        count = int(length * 1.1)
        time = np.arange(count) / RATE_HZ
        tone = np.sin(2 * np.pi * hz * time) + 0.35 * np.sin(4 * np.pi * hz * time)
        shape = np.minimum(1, time / 0.03) * np.exp(-time / (0.45 * count / RATE_HZ)) * _fade_out(count, 0.15)
        _add(track, begin, 0.22 * tone * shape, pan=0.5)
    return track


def _pluck(hz: float) -> Mono:
    """One plucked string: high partials die first."""
    count = int(1.9 * RATE_HZ)
    time = np.arange(count) / RATE_HZ
    most = sum(number * hz < RATE_HZ / 3 for number in range(1, 7))
    dying = np.exp(-1.5 * time)
    tone, fall = np.zeros(count), np.exp(-1.6 * time)
    for number, sine in enumerate(_partials(2 * np.pi * hz * time, most), 1):
        fall = fall * dying
        tone += sine * fall / number**1.4
    return np.asarray(tone * np.minimum(1, time / 0.004) * _fade_out(count, 0.2))


def _partials(phase: Mono, count: int) -> Iterator[Mono]:
    """Yield sin(phase), sin(2 phase), … from two functions in all: each follows from the two before it."""
    before, now = np.zeros_like(phase), np.sin(phase)
    twice = 2 * np.cos(phase)
    for _ in range(count):
        yield now
        before, now = now, twice * now - before


def _echo(dry: Stereo, rng: np.random.Generator) -> Stereo:
    """A large soft room, as a circle: two seconds of dying noise, darker as it dies."""
    total = len(dry)
    time = np.arange(min(total, int(2.2 * RATE_HZ))) / RATE_HZ
    wet = np.empty_like(dry)
    for channel in range(2):
        noise = rng.normal(0, 1, len(time)) * np.exp(-time / 0.55) * np.minimum(1, time / 0.02)
        room = np.fft.rfft(noise, total) / math.sqrt((noise**2).sum())
        room *= 1 / (1 + (np.fft.rfftfreq(total, 1 / RATE_HZ) / 2200) ** 2)
        wet[:, channel] = np.fft.irfft(np.fft.rfft(dry[:, channel]) * room, total)
    return wet


def _add(track: Stereo, begin: int, sound: Mono, *, pan: float) -> None:
    """Mix a sound in, going round past the end; pan 0 is left, 1 right."""
    where = (begin + np.arange(len(sound))) % len(track)
    for channel, share in enumerate((math.cos(pan * math.pi / 2), math.sin(pan * math.pi / 2))):
        # Not `track[where] += …`, which drops samples that a short loop passes twice.
        np.add.at(track[:, channel], where, sound * share)


def _swell(count: int, length: int) -> Mono:
    """Return a slow rise and, past the chord's end, a slow fall into the next one."""
    samples = np.arange(count)
    rise = np.sin(np.clip(samples / (0.45 * length), 0, 1) * np.pi / 2) ** 2
    fall = np.cos(np.clip((samples - length) / (count - length), 0, 1) * np.pi / 2) ** 2
    return np.asarray(rise * fall)


def _fade_out(count: int, seconds: float) -> Mono:
    return np.clip((count - np.arange(count)) / (seconds * RATE_HZ), 0, 1)


def _hz(semitones_from_c4: int) -> float:
    return float(261.63 * 2 ** (semitones_from_c4 / 12))
