"""Background music: a soft loop of our own, or a file from the owner's folder.

The loop is synthesised: slow chords and plucked notes, with every decay wrapped around the end, so that it repeats
without a seam. It is the project's own work and free of anybody's rights.
"""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt

from steps.errors import ResourceMissing
from steps.external.media import read_samples
from steps.workfiles import partial

RATE_HZ = 48_000
CHORD_S = 3.0
SUFFIXES = frozenset({".mp3", ".wav", ".flac", ".ogg", ".opus", ".m4a", ".aac"})

_PROGRESSIONS = (
    ((0, 3, 7, 10), (8, 12, 15, 19), (3, 7, 10, 14), (10, 14, 17, 21)),
    ((0, 4, 7, 11), (9, 12, 16, 19), (5, 9, 12, 16), (7, 11, 14, 17)),
    ((0, 4, 7, 14), (7, 11, 14, 19), (9, 12, 16, 21), (5, 9, 12, 17)),
)
"""Chords as semitones above the key."""

Sound = npt.NDArray[np.float64]


def choose(folder: Path, *, seed: int) -> Path:
    """Return one music file of a folder, by the seed.

    Raises:
        ResourceMissing: there is no such folder, or no music in it.
    """
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES) if folder.is_dir() else []
    if not found:
        raise ResourceMissing(
            f"final.music: no music file ({', '.join(sorted(SUFFIXES))}) in {folder}", folder=str(folder)
        )
    return found[seed % len(found)]


def is_usable(path: Path) -> bool:
    """Tell whether a music file can be decoded and is more than silence."""
    samples = read_samples(path, rate_hz=8000)
    return bool(samples.size > 8000 and np.abs(samples).max() > 0.003)


def write_loop(path: Path, *, seed: int) -> Path:
    """Write the loop: 24 s, stereo, 48 kHz, 16 bits. The same seed gives the same bytes.

    Raises:
        DiskFull: no room for it.
    """
    left, right = compose(seed)
    peak = max(np.abs(left).max(), np.abs(right).max())
    stereo = np.stack([left, right], axis=1) / peak * 0.7
    with partial(path) as beside, wave.open(str(beside), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes((stereo * 32767).astype("<i2").tobytes())
    return path


def compose(seed: int) -> tuple[Sound, Sound]:
    """Return the loop's two channels."""
    random = np.random.default_rng(seed)
    progression = _PROGRESSIONS[int(random.integers(len(_PROGRESSIONS)))]
    key = 45 + int(random.integers(-3, 4))  # MIDI numbers: around A2
    chords = [*progression, *progression]
    total = int(len(chords) * CHORD_S * RATE_HZ)
    left, right = np.zeros(total), np.zeros(total)
    for index, chord in enumerate(chords):
        start = index * CHORD_S
        for voice, semitones in enumerate(chord):
            pan = 0.35 + 0.1 * voice
            pad = _pad(key + 12 + semitones, CHORD_S * 1.6)
            _place(left, right, pad * 0.11, start - 0.3, pan)
        _place(left, right, _pad(key + chord[0] % 12 - 12, CHORD_S * 1.4) * 0.2, start - 0.1, 0.5)
        for beat in range(6):
            if random.random() < 0.82:
                semitones = chord[int(random.integers(len(chord)))] + 12 * int(random.integers(1, 3))
                delay = float(random.uniform(0, 0.02))
                note = _pluck(key + 12 + semitones) * float(random.uniform(0.12, 0.2))
                _place(left, right, note, start + beat * CHORD_S / 6 + delay, float(random.uniform(0.2, 0.8)))
    return left, right


def _frequency(note: float) -> float:
    return float(440.0 * 2 ** ((note - 69) / 12))


def _pad(note: float, seconds: float) -> Sound:
    time = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    envelope = np.sin(np.pi * time / seconds) ** 1.3
    tone = np.zeros_like(time)
    for detune, level in ((0.997, 0.5), (1.0, 0.7), (1.003, 0.5)):
        phase = 2 * np.pi * _frequency(note) * detune * time
        tone += level * (np.sin(phase) + 0.25 * np.sin(2 * phase) + 0.08 * np.sin(3 * phase))
    return tone * envelope


def _pluck(note: float) -> Sound:
    seconds = 1.8
    time = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    phase = 2 * np.pi * _frequency(note) * time
    tone = sum(np.sin(k * phase) / k**1.6 * np.exp(-time * (2.2 + 1.5 * k)) for k in range(1, 6))
    attack = np.minimum(1.0, time / 0.006)
    release = np.minimum(1.0, (seconds - time) / 0.05)
    return np.asarray(tone * attack * release)


def _place(left: Sound, right: Sound, sound: Sound, start_s: float, pan: float) -> None:
    """Add a sound at a time; what runs over the end begins again at the start."""
    positions = (int(start_s * RATE_HZ) + np.arange(len(sound))) % len(left)
    np.add.at(left, positions, sound * np.cos(pan * np.pi / 2))
    np.add.at(right, positions, sound * np.sin(pan * np.pi / 2))
