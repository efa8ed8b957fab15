"""Lengths and sizes that the models need, for any speech and any settings: wrong ones are floored there silently."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from steps import waveform
from steps.audio import FEWEST_TOKENS, MOST_TOKENS, expected_seconds, token_limit
from steps.manifest import Limits
from steps.options import VideoOptions
from steps.script_video import talking_frames

FPS = st.integers(24, 30)


@given(speech_s=st.floats(0.1, 300), tail_s=st.floats(0.1, 5), fps=FPS)
def test_talking_clip_is_8n_plus_1_and_never_cuts_the_speech(speech_s: float, tail_s: float, fps: int) -> None:
    """Rounded up, and by less than one block of eight frames: the tail should not grow for nothing."""
    frames = talking_frames(speech_s, tail_s=tail_s, fps=fps)
    assert frames % 8 == 1
    assert frames / fps > speech_s
    assert frames <= (speech_s + tail_s) * fps + 9


def test_talking_clip_of_a_known_length() -> None:
    """7.3 s of speech need 177 frames at 24 and 185 at 25; the template's own sum gives 169, and cuts 0.26 s."""
    assert talking_frames(7.3, tail_s=0.0, fps=24) == 177
    assert talking_frames(7.3, tail_s=0.0, fps=25) == 185
    assert talking_frames(9.0, tail_s=0.0, fps=24) == 217  # no block more for what is exact


@given(count=st.integers(1, 400_000), at_least_s=st.floats(0, 12))
@settings(max_examples=40, deadline=None)
def test_driving_sound_is_whole_blocks_padded_at_the_tail(count: int, at_least_s: float) -> None:
    """The encoder cuts what is over a block at both ends, and the lips would be early by what goes at the head."""
    samples = np.full(count, 0.25, dtype=np.float32)
    padded = waveform.padded(samples, at_least_s)
    assert padded.size % waveform.BLOCK == 0
    assert padded.size / waveform.RATE_HZ >= at_least_s
    assert padded.size < max(count, at_least_s * waveform.RATE_HZ + 1) + waveform.BLOCK
    assert np.array_equal(padded[:count], samples)
    assert not padded[count:].any()


@given(st.text(max_size=3000))
def test_token_limit_stays_within_what_the_node_takes(text: str) -> None:
    """Anything else is refused by the server, for this item, at this hour."""
    assert FEWEST_TOKENS <= token_limit(text) <= MOST_TOKENS


def test_token_limit_leaves_room_but_not_minutes() -> None:
    """A runaway take costs what the limit allows; a good one must never meet it."""
    text = "word " * 150
    assert 1.5 < token_limit(text) / 12.5 / expected_seconds(text) < 1.7
    assert expected_seconds("In 1889, 37 years old.") > expected_seconds("In May, some years old.")


@given(
    value=st.integers(0, 5000),
    multiple_of=st.sampled_from([4, 8, 16, 32, 64]),
    plus=st.sampled_from([0, 1]),
)
def test_what_a_limit_suggests_keeps_to_it(value: int, multiple_of: int, plus: int) -> None:
    """A message that names two wrong numbers would be worse than none."""
    limits = Limits(multiple_of=multiple_of, plus=plus)
    told = limits.broken_by(value)
    if told is None:
        assert value % multiple_of == plus
    else:
        for number in told.rsplit("such as ", 1)[1].split(" or "):
            assert limits.broken_by(int(number)) is None


@given(st.integers(17, 81))
def test_settings_take_only_lengths_of_4n_plus_1(frames: int) -> None:
    """With another one the clip loses the picture it should end on, without any error."""
    if frames % 4 == 1:
        assert VideoOptions(transition_frames=frames, outro_frames=frames).outro_frames == frames
    else:
        with pytest.raises(ValidationError, match=r"4n\+1 frames, such as"):
            VideoOptions(transition_frames=frames)


def test_room_tone_has_its_level_and_is_the_same_for_a_seed() -> None:
    """The level is a setting in dBFS; a retry with the same seed must upload the same bytes."""
    tone = waveform.room_tone(44_100, -54.0, seed=7)
    assert waveform.level_dbfs(tone) == pytest.approx(-54.0, abs=0.1)
    assert np.array_equal(tone, waveform.room_tone(44_100, -54.0, seed=7))
    assert not np.array_equal(tone, waveform.room_tone(44_100, -54.0, seed=8))


@given(lag_ms=st.integers(-300, 300))
@settings(max_examples=25, deadline=None)
def test_lateness_of_a_sound_is_found(lag_ms: int) -> None:
    """The check of lips against sound is worth what this finds."""
    rate_hz = 8_000
    rng = np.random.default_rng(3)
    loud = np.repeat(rng.random(60) > 0.5, rate_hz // 10)
    given_sound = (loud * rng.standard_normal(loud.size) * 0.1).astype(np.float32)
    shift = round(lag_ms / 1000 * rate_hz)
    heard = np.pad(given_sound, (max(0, shift), 0))[max(0, -shift) :]
    found_s, likeness = waveform.offset_s(heard, given_sound, rate_hz)
    assert found_s == pytest.approx(lag_ms / 1000, abs=0.021)
    assert likeness > 0.8


def test_measuring_finds_where_a_take_sounds() -> None:
    """Silence at the end tells a take that went on without words."""
    rate_hz = 16_000
    tone = (0.1 * np.sin(np.arange(rate_hz) / 20)).astype(np.float32)
    sounding = waveform.measure(np.pad(tone, (rate_hz // 2, 2 * rate_hz)), rate_hz)
    assert (sounding.begins_s, sounding.ends_s) == (pytest.approx(0.5, abs=0.03), pytest.approx(1.5, abs=0.03))
    assert sounding.trailing_s == pytest.approx(2.0, abs=0.03)
    assert waveform.measure(np.zeros(rate_hz, np.float32), rate_hz).sounding_s == 0
    assert waveform.level_dbfs(np.zeros(0, np.float32)) == -120
