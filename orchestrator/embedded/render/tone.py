"""Sound shaping for the stand-in speaker: resampling, warmth, evenness, a small room and a set loudness.

A formant synthesizer alone is dry, buzzing and perfectly steady. Everything here works on whole clips with NumPy's FFT
(a clip lasts a minute or so), so that the renderers need no further signal library. Samples are float64, mono,
nominally -1 .. 1; functions return new arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float64]

_EQ_HZ = (0.0, 60.0, 110.0, 220.0, 500.0, 1_200.0, 3_000.0, 4_500.0, 7_000.0, 12_000.0)
_EQ_DB = (-30.0, -12.0, 0.0, 2.5, 1.0, 0.0, 2.0, -1.0, -6.0, -14.0)
"""Rumble off, chest up, a little presence, and down where the synthesizer buzzes."""
_REFLECTIONS_MS = (9.7, 15.1, 21.9, 29.3, 37.7)
_ROOM_TAIL_S = 0.28  # until the tail has faded by 60 dB


def resample(samples: Samples, rate_hz: int, to_hz: int) -> Samples:
    """Change the sampling rate with an ideal low-pass. The result has ceil(n * to_hz / rate_hz) samples."""
    divisor = int(np.gcd(rate_hz, to_hz))
    down, up = rate_hz // divisor, to_hz // divisor
    # Both transforms get a whole number of the ratio's periods, rounded up to a power of two: quick and exact.
    periods = 1 << max(4, int(np.ceil(np.log2(max(1.0, len(samples) / down)))))
    spectrum = np.fft.rfft(samples, periods * down)
    wanted = np.zeros(periods * up // 2 + 1, complex)
    shared = min(len(wanted), len(spectrum))
    wanted[:shared] = spectrum[:shared]
    count = -(-len(samples) * up // down)
    return np.asarray(np.fft.irfft(wanted, periods * up)[:count] * (up / down))


def wander(samples: Samples, rate_hz: int, *, depth: float, rng: np.random.Generator) -> Samples:
    """Let pitch and pace drift slowly by up to about `depth` (0.01 is one per cent), as a person's do.

    Args:
        samples: At twice the rate of the result, so that interpolating between samples loses nothing that is heard.
        rate_hz: Rate of the result.
        depth: 0 .. 0.03. The time of any sound moves by a few milliseconds at most.
        rng: Source of the drift.
    """
    count = len(samples) // 2
    time_s = np.arange(count) / rate_hz
    shift_s = np.zeros(count)
    for frequency_hz in (0.37, 0.9, 2.3, 5.1):
        phase, weight = rng.uniform(0, 2 * np.pi), rng.uniform(0.15, 0.35)
        shift_s += weight * depth / (2 * np.pi * frequency_hz) * np.sin(2 * np.pi * frequency_hz * time_s + phase)
    return np.interp((time_s + shift_s) * 2 * rate_hz, np.arange(len(samples)), samples)


def equalize(samples: Samples, rate_hz: int, *, brightness_db: float = 0.0) -> Samples:
    """Take off rumble and buzz and add warmth. `brightness_db` tilts everything above 2 kHz, -6 .. 6."""
    size = _power_of_two(len(samples))
    frequency_hz = np.fft.rfftfreq(size, 1 / rate_hz)
    gain_db = np.interp(frequency_hz, _EQ_HZ, _EQ_DB)
    gain_db += brightness_db * np.clip(np.log2(np.maximum(frequency_hz, 1.0) / 2_000), 0, 1)
    return np.asarray(np.fft.irfft(np.fft.rfft(samples, size) * 10 ** (gain_db / 20), size)[: len(samples)])


def add_breath(samples: Samples, rate_hz: int, *, rng: np.random.Generator) -> Samples:
    """Add a little noise that follows the voice, where a synthesizer has only its steady pulse."""
    noise = rng.standard_normal(len(samples))
    noise -= _smooth(noise, max(2, rate_hz // 4_000))  # hiss, no rumble
    return samples + 0.035 * noise * _level(samples, rate_hz, 0.02)


def compress(samples: Samples, rate_hz: int, *, ratio: float = 2.2) -> Samples:
    """Bring loud and soft syllables closer together. `ratio` is how many dB in give one dB out, above the middle."""
    level = _level(samples, rate_hz, 0.03)
    spoken = level[level > 0.02 * level.max(initial=0.0)]
    if not len(spoken):
        return samples
    threshold = float(np.median(spoken))
    gain = np.maximum(level / threshold, 1.0) ** (1 / ratio - 1)
    return samples * _smooth(gain, int(0.02 * rate_hz))


def add_room(samples: Samples, rate_hz: int, *, amount: float, rng: np.random.Generator) -> Samples:
    """Put the voice into a small furnished room.

    Args:
        samples: The dry voice.
        rate_hz: Its rate.
        amount: Level of the room against the voice, 0 .. 0.3.
        rng: Source of the tail's noise.
    """
    length = int(_ROOM_TAIL_S * rate_hz)
    tail = rng.standard_normal(length) * np.exp(-6.9 * np.arange(length) / length)
    tail[: int(0.008 * rate_hz)] = 0
    tail = _smooth(tail, 4)  # cloth and wood swallow the highest frequencies
    response = amount * tail / np.sqrt(np.sum(tail**2))
    for index, delay_ms in enumerate(_REFLECTIONS_MS):
        response[int(delay_ms / 1000 * rate_hz)] += amount * 0.8**index * (-1) ** index
    response[0] = 1.0
    size = _power_of_two(len(samples) + length)
    wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(response, size), size)
    return np.asarray(wet[: len(samples)])


def loudness_lufs(samples: Samples, rate_hz: int) -> float:
    """Measure the integrated loudness of a mono clip; -inf for silence.

    Source: ITU-R BS.1770-4 (K-weighting by its analogue prototype, blocks of 400 ms, both gates).
    """
    size = _power_of_two(len(samples))
    weighted = np.fft.irfft(np.fft.rfft(samples, size) * _k_weighting(np.fft.rfftfreq(size, 1 / rate_hz)), size)
    block, hop = int(0.4 * rate_hz), int(0.1 * rate_hz)
    total = np.concatenate([[0.0], np.cumsum(weighted[: max(len(samples), block)] ** 2)])
    starts = np.arange(0, max(1, len(total) - block), hop)
    power = (total[np.minimum(starts + block, len(total) - 1)] - total[starts]) / block
    power = power[power > 10 ** ((-70 + 0.691) / 10)]
    if not len(power):
        return float("-inf")
    power = power[power > power.mean() / 10]
    return float(-0.691 + 10 * np.log10(power.mean()))


def level_to(samples: Samples, rate_hz: int, *, lufs: float) -> Samples:
    """Bring a clip to a loudness. Peaks are rounded off below full scale; silence stays silence."""
    measured = loudness_lufs(samples, rate_hz)
    if measured == float("-inf"):
        return samples
    louder = samples * 10 ** ((lufs - measured) / 20)
    return np.where(
        np.abs(louder) > 0.7, np.sign(louder) * (0.7 + 0.25 * np.tanh((np.abs(louder) - 0.7) / 0.25)), louder
    )


def fade(samples: Samples, rate_hz: int, *, seconds: float = 0.005) -> Samples:
    """Start and end at zero, without a click."""
    count = min(int(seconds * rate_hz), len(samples) // 2)
    faded = samples.copy()
    ramp = np.linspace(0.0, 1.0, count)
    faded[:count] *= ramp
    faded[len(faded) - count :] *= ramp[::-1]
    return faded


def _k_weighting(frequency_hz: NDArray[Any]) -> NDArray[Any]:
    s: NDArray[Any] = 2j * np.pi * frequency_hz
    shelf, shelf_q, high = 2 * np.pi * 1_681.97, 0.7072, 10 ** (4.0 / 20)
    bass, bass_q = 2 * np.pi * 38.135, 0.5003
    below = s**2 + s * shelf / shelf_q + shelf**2
    raised = (high * s**2 + high**0.4997 * s * shelf / shelf_q + shelf**2) / below
    return np.asarray(raised * s**2 / (s**2 + s * bass / bass_q + bass**2))


def _level(samples: Samples, rate_hz: int, window_s: float) -> Samples:
    return np.sqrt(np.maximum(_smooth(samples**2, int(window_s * rate_hz)), 1e-12))


def _smooth(samples: Samples, width: int) -> Samples:
    """Return the running mean over `width` samples, as long as the input."""
    if width < 2 or len(samples) < 2:
        return samples
    before = width // 2
    padded = np.pad(samples, (before + 1, width - before), mode="edge")
    total = np.cumsum(padded)
    return (total[width : width + len(samples)] - total[: len(samples)]) / width


def _power_of_two(length: int) -> int:
    return 1 << max(4, int(np.ceil(np.log2(max(1, length)))))
