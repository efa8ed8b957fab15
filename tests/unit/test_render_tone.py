"""The sound shaping against sines whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from orchestrator.embedded.render import tone

RATE_HZ = 24_000


def sine(frequency_hz: float, *, seconds: float = 2.0, rate_hz: int = RATE_HZ, peak: float = 0.5) -> np.ndarray:
    return peak * np.sin(2 * np.pi * frequency_hz * np.arange(int(seconds * rate_hz)) / rate_hz)


def test_resampling_keeps_pitch_level_and_length():
    """A wrong ratio would shift the voice and every caption after it."""
    resampled = tone.resample(sine(1_000, rate_hz=22_050), 22_050, RATE_HZ)
    assert len(resampled) == 2 * RATE_HZ
    middle = slice(2_000, -2_000)
    assert np.abs(resampled - sine(1_000))[middle].max() < 0.01


def test_loudness_is_that_of_the_standard():
    """BS.1770: a 997 Hz sine at full scale in one channel reads -3.01 LUFS."""
    assert tone.loudness_lufs(sine(997, peak=1.0), RATE_HZ) == pytest.approx(-3.01, abs=0.1)
    assert tone.loudness_lufs(sine(50, peak=1.0), RATE_HZ) < -4.5
    assert tone.loudness_lufs(np.zeros(RATE_HZ), RATE_HZ) == float("-inf")


def test_pauses_do_not_count_as_quiet_speech():
    """The gates of the standard: a script with long pauses is not made louder for them."""
    speech = sine(500, seconds=4)
    with_pause = np.concatenate([speech, np.zeros(4 * RATE_HZ)])
    assert tone.loudness_lufs(with_pause, RATE_HZ) == pytest.approx(tone.loudness_lufs(speech, RATE_HZ), abs=0.4)


@pytest.mark.parametrize("peak", [0.001, 0.9])
def test_level_is_reached_without_clipping(peak: float):
    """Whatever came in, the next step may rely on the level."""
    levelled = tone.level_to(sine(500, peak=peak), RATE_HZ, lufs=-20)
    assert tone.loudness_lufs(levelled, RATE_HZ) == pytest.approx(-20, abs=0.2)
    assert np.abs(levelled).max() < 0.96


def test_compression_brings_syllables_together():
    """Soft syllables are lost on a phone's speaker."""
    soft, loud = sine(300, seconds=1, peak=0.1), sine(300, seconds=1, peak=0.8)
    out = tone.compress(np.concatenate([soft, loud, soft]), RATE_HZ)
    quiet, strong = np.abs(out[8_000:20_000]).max(), np.abs(out[32_000:44_000]).max()
    assert strong / quiet < 0.6 * 8


def test_fades_start_and_end_at_zero():
    """A click at a join is heard at once."""
    faded = tone.fade(np.ones(RATE_HZ), RATE_HZ)
    assert faded[0] == faded[-1] == 0
    assert faded[RATE_HZ // 2] == 1


def test_drift_moves_sounds_by_milliseconds_only():
    """Captions and the mouth are timed against the voice."""
    clicks = np.zeros(2 * 2 * RATE_HZ)
    clicks[2 * 12_000 :: 2 * 12_000] = 1
    drifted = tone.wander(clicks, RATE_HZ, depth=0.012, rng=np.random.default_rng(1))
    for place in (12_000, 24_000, 36_000):
        found = place - 600 + int(np.argmax(drifted[place - 600 : place + 600]))
        assert abs(found - place) < 0.012 * RATE_HZ
