"""The mouth against sounds whose answer is known, and the gestures around it."""

from __future__ import annotations

import numpy as np
import pytest

from orchestrator.embedded.render.articulation import articulate
from orchestrator.embedded.render.base import chance, rest_ramp
from orchestrator.embedded.render.gestures import gesture

RATE_HZ = 24_000
FPS = 24.0


def vowel(seconds: float, *, formants_hz: tuple[float, float] = (700, 1_200), pitch_hz: float = 150.0) -> np.ndarray:
    """Return a steady vowel: harmonics that are strong near two formants."""
    time_s = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    sound = np.zeros(len(time_s))
    for harmonic in range(1, 25):
        frequency_hz = harmonic * pitch_hz
        near = sum(np.exp(-(((frequency_hz - formant) / 130) ** 2)) for formant in formants_hz)
        sound += (0.02 + near) * np.sin(2 * np.pi * frequency_hz * time_s)
    return (0.3 * sound / np.abs(sound).max()).astype(np.float32)


def syllables(seconds: float = 6.0) -> tuple[np.ndarray, np.ndarray]:
    """Return three vowels a second with pauses between, and how loud each frame is."""
    loudness = np.maximum(np.sin(2 * np.pi * 1.5 * np.arange(int(seconds * RATE_HZ)) / RATE_HZ), 0) ** 0.5
    samples = (vowel(seconds) * loudness).astype(np.float32)
    per_frame = loudness[: int(seconds * FPS) * 1_000].reshape(-1, 1_000).mean(axis=1)
    return samples, per_frame


def test_the_mouth_opens_with_the_voice():
    """The one thing that makes a portrait talk; half a frame of delay is allowed, a beat is not."""
    samples, loudness = syllables()
    opening = articulate(samples, RATE_HZ, frames=len(loudness), fps=FPS).opening
    assert np.corrcoef(opening, loudness)[0, 1] > 0.8
    assert opening.max() > 0.5


@pytest.mark.parametrize("level", [1.0, 0.05])
def test_a_quiet_recording_opens_the_mouth_as_wide(level: float):
    """Levels differ from voice to voice; only true silence is silence."""
    samples, loudness = syllables()
    opening = articulate(level * samples, RATE_HZ, frames=len(loudness), fps=FPS).opening
    assert opening.max() > 0.5
    silent = np.convolve(loudness, np.ones(5))[: len(loudness)] == 0  # long enough for the lips to meet
    assert silent.any()
    assert opening[silent].max() < 0.1


@pytest.mark.parametrize("samples", [np.zeros(0), np.zeros(RATE_HZ), 0.0005 * np.sin(np.arange(RATE_HZ))])
def test_silence_keeps_the_mouth_closed(samples: np.ndarray):
    """Hiss and hum must not move the lips."""
    voice = articulate(samples.astype(np.float32), RATE_HZ, frames=24, fps=FPS)
    assert voice.opening.max() < 0.02
    assert voice.emphasis.max() < 0.02


def test_it_starts_and_ends_at_rest_even_in_mid_word():
    """Clips are joined there."""
    voice = articulate(vowel(2.0), RATE_HZ, frames=48, fps=FPS)
    assert voice.opening[0] == voice.opening[-1] == voice.width[0] == voice.width[-1] == 0
    assert voice.opening[24] > 0.4


def test_spread_and_rounded_vowels_shape_the_lips():
    """The second formant of "ee" is high, that of "oo" low."""
    samples = np.concatenate([vowel(1.5, formants_hz=(300, 2_300)), vowel(1.5, formants_hz=(320, 850))])
    width = articulate(samples, RATE_HZ, frames=72, fps=FPS).width
    assert width[10:28].mean() > 0.2
    assert width[44:62].mean() < -0.2


def test_an_open_vowel_drops_the_jaw_further():
    """At the same loudness "ah" is wider open than "ee"."""
    ah, ee = vowel(1.5, formants_hz=(800, 1_250)), vowel(1.5, formants_hz=(280, 2_300))
    ee *= np.sqrt(np.mean(ah**2) / np.mean(ee**2))
    opening = articulate(np.concatenate([ah, ee]), RATE_HZ, frames=72, fps=FPS).opening
    assert opening[10:28].mean() > 1.3 * opening[44:62].mean()


def test_frames_after_the_voice_are_silent():
    """The video is a little longer than the speech."""
    opening = articulate(vowel(1.0), RATE_HZ, frames=72, fps=FPS).opening
    assert opening[12] > 0.4
    assert opening[36:].max() < 0.05


def test_blinks_come_as_often_as_a_persons():
    """A stare is what gives a still away; too many blinks look nervous."""
    blink = gesture(np.zeros(60 * 24, np.float32), fps=FPS, prompt="", rng=chance(4, of="test")).blink
    closings = np.count_nonzero((blink[1:] > 0.9) & (blink[:-1] <= 0.9))
    assert 10 <= closings <= 32
    assert blink[:12].max() == blink[-6:].max() == 0


def test_gestures_start_and_end_at_rest():
    """Head and camera are back where they were when the clip is joined."""
    moves = gesture(np.ones(240, np.float32), fps=FPS, prompt="", rng=chance(4, of="test"))
    for curve in (moves.brow, moves.sway_x, moves.sway_y, moves.roll_rad, moves.breath, moves.zoom - 1):
        assert curve[0] == curve[-1] == 0
        assert np.abs(curve).max() > 0
        assert np.abs(np.diff(curve)).max() < 0.25 * np.ptp(curve)


def test_a_locked_camera_does_not_zoom():
    """The prompt of the talking clip asks for it."""
    moves = gesture(np.ones(240, np.float32), fps=FPS, prompt="same framing, locked camera.", rng=chance(4, of="test"))
    assert (moves.zoom == 1).all()


@pytest.mark.parametrize("frames", [1, 2, 3, 9])
def test_very_short_clips_have_a_rest(frames: int):
    """One frame is what a preview asks for."""
    ramp = rest_ramp(frames, edge=20)
    assert len(ramp) == frames
    assert ramp[0] == ramp[-1] == 0
