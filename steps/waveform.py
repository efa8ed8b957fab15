"""What a sound is like, in numbers, and the sound files that drive a talking clip.

Sound is mono float32, -1 to 1. Levels are dBFS: 0 for a full-scale square wave.
"""

from __future__ import annotations

import math
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from steps.external.ffmpeg import Samples
from steps.external.process import write_failure

RATE_HZ = 44_100
"""The rate at which the talking model hears; another one is resampled there."""

BLOCK = 4096
"""The talking model hears whole blocks only, and cuts what is over at *both* ends: the lips would be early."""

WINDOW_S = 0.02
SILENCE_DBFS = -50.0


@dataclass(frozen=True)
class Sounding:
    """Where a take sounds."""

    duration_s: float
    level_dbfs: float  # RMS of the whole
    begins_s: float  # first sounding window
    ends_s: float  # end of the last one; 0 when there is none

    @property
    def sounding_s(self) -> float:
        """Return the seconds from the first sound to the last."""
        return max(0.0, self.ends_s - self.begins_s)

    @property
    def trailing_s(self) -> float:
        """Return the seconds of silence at the end."""
        return max(0.0, self.duration_s - self.ends_s)


def level_dbfs(samples: Samples) -> float:
    """Return the RMS level; -120 for silence."""
    power = float(np.mean(np.square(samples, dtype=np.float64))) if samples.size else 0.0
    return max(-120.0, 10 * math.log10(power)) if power > 0 else -120.0


def envelope(samples: Samples, rate_hz: int) -> Samples:
    """Return the RMS of each 20 ms window."""
    size = max(1, round(rate_hz * WINDOW_S))
    whole = samples[: samples.size // size * size].reshape(-1, size)
    return np.asarray(np.sqrt(np.mean(np.square(whole, dtype=np.float64), axis=1)), dtype=np.float32)


def measure(samples: Samples, rate_hz: int) -> Sounding:
    """Find where a take sounds."""
    loud = np.flatnonzero(envelope(samples, rate_hz) > 10 ** (SILENCE_DBFS / 20))
    begins, ends = (float(loud[0]) * WINDOW_S, float(loud[-1] + 1) * WINDOW_S) if loud.size else (0.0, 0.0)
    return Sounding(samples.size / rate_hz, level_dbfs(samples), begins, ends)


def offset_s(heard: Samples, given: Samples, rate_hz: int, *, reach_s: float = 0.5) -> tuple[float, float]:
    """Return how late one sound is against another in seconds, and how alike they are there: -1 .. 1.

    Compares envelopes, so that a codec or a vocoder in between does not matter.
    """
    a, b = envelope(heard, rate_hz).astype(np.float64), envelope(given, rate_hz).astype(np.float64)
    size = min(a.size, b.size)
    reach = min(round(reach_s / WINDOW_S), size // 4)
    best = (0.0, -1.0)
    for lag in range(-reach, reach + 1):
        x, y = a[max(0, lag) : size + min(0, lag)], b[max(0, -lag) : size - max(0, lag)]
        if x.size > 1 and x.std() > 0 and y.std() > 0:
            alike = float(np.corrcoef(x, y)[0, 1])
            best = max(best, (lag * WINDOW_S, alike), key=lambda pair: pair[1])
    return best


def padded(samples: Samples, at_least_s: float) -> Samples:
    """Return sound of `RATE_HZ` with silence at its tail: whole blocks, and no shorter than asked."""
    wanted = max(samples.size, math.ceil(at_least_s * RATE_HZ))
    blocks = math.ceil(wanted / BLOCK)
    return np.pad(samples, (0, blocks * BLOCK - samples.size)).astype(np.float32)


def room_tone(count: int, dbfs: float, *, seed: int) -> Samples:
    """Return soft noise that falls with the frequency, like the sound of an empty room.

    Args:
        count: Samples.
        dbfs: RMS level.
        seed: Same seed, same noise.
    """
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(count))
    spectrum /= np.sqrt(np.arange(spectrum.size) + 1.0)
    noise = np.fft.irfft(spectrum, n=count)
    return np.asarray(noise * (10 ** (dbfs / 20) / max(float(np.sqrt(np.mean(noise**2))), 1e-12)), dtype=np.float32)


def write_wav(path: Path, samples: Samples) -> Path:
    """Write 16-bit sound of `RATE_HZ`, the same on both channels, beside and then renamed; return its path.

    Two channels, because the talking model's sound encoder was trained on two.

    Raises:
        DiskFull: no room for it.
    """
    beside = path.with_name(f".{path.name}.partial")
    try:
        with wave.open(str(beside), "wb") as out:
            out.setnchannels(2)
            out.setsampwidth(2)
            out.setframerate(RATE_HZ)
            out.writeframes(np.repeat((np.clip(samples, -1.0, 1.0) * 32767).astype("<i2"), 2).tobytes())
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise write_failure(error, path=path) from error
    return path
