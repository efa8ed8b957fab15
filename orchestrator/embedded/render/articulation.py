"""From a voice to what a mouth does, frame by frame.

No phonemes: the loudness of the voice band opens the jaw, where the energy lies makes the lips wide ("ee") or round
("oo"), hissing sounds bring the teeth together, and silence closes the mouth. It follows any voice in any language.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.embedded.render.base import Field, rest_ramp

_WINDOW_S = 0.05
_SILENCE_DB = -52.0  # of full scale: a recording's hiss does not move the lips
_RANGE_DB = 24.0  # from just open to wide open, below the loudest syllables
_ATTACK_S = 0.025
_RELEASE_S = 0.06


@dataclass(frozen=True, eq=False)
class Articulation:
    """The mouth over time; one number a frame. The first and the last frame are at rest."""

    opening: Field  # 0 closed .. 1 wide open
    width: Field  # -1 round .. 0 rest .. 1 wide
    emphasis: Field  # 0 .. 1, slow: stressed words and loud passages


def articulate(samples: NDArray[np.float32], rate_hz: int, *, frames: int, fps: float) -> Articulation:
    """Follow a voice.

    Args:
        samples: Mono, -1 .. 1; may be shorter or longer than the frames, or empty.
        rate_hz: Samples a second, at least 8,000.
        frames: How many frames.
        fps: Frames a second.
    """
    power, frequency_hz = _spectra(samples, rate_hz, frames=frames, fps=fps)
    voice = _band(power, frequency_hz, 150, 3_000)
    hiss = _band(power, frequency_hz, 3_500, 8_000)
    level_db = 10 * np.log10(voice + 0.3 * hiss + 1e-12)
    loudest_db = float(np.percentile(level_db, 95)) if frames else _SILENCE_DB
    speaking = np.clip((level_db - _SILENCE_DB) / 6, 0, 1) * np.clip((level_db - loudest_db + _RANGE_DB + 6) / 6, 0, 1)
    opening = np.clip((level_db - loudest_db + _RANGE_DB) / _RANGE_DB, 0, 1) ** 1.3 * speaking
    # An open vowel has its first formant high (ah: 750 Hz), a closed one low (ee, oo: 300 Hz).
    jaw = np.clip((_center(power, frequency_hz, 200, 1_100) - 330) / 330, 0, 1)
    hissing = np.clip((hiss / (voice + hiss + 1e-12) - 0.25) / 0.35, 0, 1)
    opening *= (0.55 + 0.55 * jaw) * (1 - 0.65 * hissing)
    second_hz = _center(power, frequency_hz, 800, 3_200)
    usual_hz = float(np.average(second_hz, weights=speaking)) if speaking.any() else 0.0  # of this voice
    width = np.clip((second_hz - usual_hz) / 450 + 0.3 * hissing, -1, 1) * speaking
    ramp = rest_ramp(frames, edge=max(2, round(0.12 * fps)))
    emphasis = _smooth(np.clip(opening, 0, 1), 0.35 * fps)
    top = float(emphasis.max(initial=0.0))
    return Articulation(
        opening=_follow(np.clip(opening, 0, 1), fps) * ramp,
        width=np.clip(_smooth(width, 0.05 * fps), -1, 1).astype(np.float32) * ramp,
        emphasis=(np.clip(emphasis / top * 2 - 1, 0, 1) if top > 0.05 else np.zeros(frames)).astype(np.float32) * ramp,
    )


def _spectra(
    samples: NDArray[np.float32], rate_hz: int, *, frames: int, fps: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the power spectrum around the middle of each frame, (frames, bins), and the bins' frequencies."""
    length = int(_WINDOW_S * rate_hz)
    size = 1 << int(np.ceil(np.log2(length)))
    padded = np.concatenate([np.zeros(length), np.asarray(samples, float), np.zeros(length)])
    power: NDArray[np.float64] = np.zeros((frames, size // 2 + 1))
    window = np.hanning(length)
    window /= np.sqrt(np.sum(window**2) * size / 2)
    for frame in range(frames):
        start = int((frame + 0.5) / fps * rate_hz) + length // 2
        part = padded[start : start + length]
        if len(part) == length:
            power[frame] = np.abs(np.fft.rfft(part * window, size)) ** 2
    return power, np.asarray(np.fft.rfftfreq(size, 1 / rate_hz), np.float64)


def _band(
    power: NDArray[np.float64], frequency_hz: NDArray[np.float64], low_hz: float, high_hz: float
) -> NDArray[np.float64]:
    return np.asarray(power[:, (frequency_hz >= low_hz) & (frequency_hz < high_hz)].sum(axis=1))


def _center(
    power: NDArray[np.float64], frequency_hz: NDArray[np.float64], low_hz: float, high_hz: float
) -> NDArray[np.float64]:
    """Return the centre of gravity of a band, in Hz, by amplitude: weak upper formants count too."""
    chosen = (frequency_hz >= low_hz) & (frequency_hz < high_hz)
    amplitude = np.sqrt(power[:, chosen]) + 1e-9
    return np.asarray(amplitude @ frequency_hz[chosen] / amplitude.sum(axis=1))


def _follow(target: NDArray[np.float64], fps: float) -> Field:
    """Move towards the target as muscles do: quicker to open than to close."""
    attack, release = 1 - np.exp(-1 / (fps * _ATTACK_S)), 1 - np.exp(-1 / (fps * _RELEASE_S))
    now, followed = 0.0, np.zeros(len(target), np.float32)
    for frame, wanted in enumerate(target):
        now += (wanted - now) * (attack if wanted > now else release)
        followed[frame] = now
    return np.asarray(_smooth(followed.astype(float), 0.025 * fps), np.float32)


def _smooth(values: NDArray[np.float64], sigma_frames: float) -> NDArray[np.float64]:
    """Blur over time with a bell curve; as long as the input."""
    reach = max(1, int(3 * sigma_frames))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(sigma_frames, 0.3)) ** 2)
    padded = np.pad(values, reach, mode="edge") if len(values) else values
    return np.convolve(padded, kernel / kernel.sum(), mode="valid") if len(values) else values
