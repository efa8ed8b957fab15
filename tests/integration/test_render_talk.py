"""A drawn portrait that speaks, through the real face networks."""

from __future__ import annotations

from itertools import islice, pairwise

import numpy as np
import pytest
from senses_pictures import landscape, portrait

from orchestrator.embedded.render.articulation import articulate
from orchestrator.embedded.render.portrait import LIP_INNER_LOWER, MOUTH_LEFT, MOUTH_RIGHT, read_portrait
from orchestrator.embedded.render.speech import synthesize
from orchestrator.embedded.render.talk import talk

FPS = 24.0
STILL = "locked camera"


@pytest.fixture(scope="module")
def sitter() -> np.ndarray:
    return np.asarray(portrait(288, 512, share=0.42), np.uint8)


@pytest.fixture(scope="module")
def voice() -> tuple[np.ndarray, int]:
    text = "Good evening. I am a merchant's wife, and a painter has asked me to sit very still."
    return synthesize(text, language="English", speaker="Serena", instruct="", seed=1)


def mouth_window(picture: np.ndarray) -> tuple[slice, slice]:
    """Return the part of the picture in which only the mouth moves much."""
    found = read_portrait(picture)
    assert found is not None
    left, right = found.points[MOUTH_LEFT], found.points[MOUTH_RIGHT]
    lower = found.points[list(LIP_INNER_LOWER), 1].max()
    half = (right[0] - left[0]) / 2
    return slice(int(lower - 0.2 * half), int(lower + 0.8 * half)), slice(int(left[0]), int(right[0]))


def test_the_lips_follow_the_voice(sitter, voice):
    """What a newcomer sees first: pixels of the mouth change when there is sound, and only then."""
    samples, rate_hz = voice
    frames = int(len(samples) / rate_hz * FPS)
    rows, columns = mouth_window(sitter)
    rest = sitter[rows, columns].astype(int)
    changed = np.array(
        [
            np.abs(frame[rows, columns].astype(int) - rest).mean()
            for frame in talk(sitter, samples, rate_hz, frames=frames, fps=FPS, prompt=STILL, seed=3)
        ]
    )
    hop = rate_hz / FPS
    energy = np.array([np.sqrt(np.mean(samples[int(i * hop) : int((i + 1) * hop)] ** 2)) for i in range(frames)])
    assert np.corrcoef(changed, energy)[0, 1] > 0.5
    opening = articulate(samples, rate_hz, frames=frames, fps=FPS).opening
    assert changed[opening > 0.5].mean() > 2.5 * changed[opening < 0.02].mean()


def test_silence_keeps_the_mouth_closed(sitter):
    """A pause must look like one: the mouth moves no more than the head carries it."""
    rows, columns = mouth_window(sitter)
    frames = list(talk(sitter, np.zeros(24_000, np.float32), 24_000, frames=24, fps=FPS, prompt=STILL, seed=3))
    red_rest = sitter[rows, columns].astype(int)
    assert max(np.abs(frame[rows, columns].astype(int) - red_rest).mean() for frame in frames) < 8


def test_it_starts_and_ends_on_the_picture_and_moves_without_jumps(sitter, voice):
    """Clips are joined at both ends, and a jump inside would be taken for a cut."""
    samples, rate_hz = voice
    frames = list(talk(sitter, samples[: 3 * rate_hz], rate_hz, frames=73, fps=FPS, prompt="", seed=3))
    assert len(frames) == 73
    assert np.array_equal(frames[0], sitter)
    assert np.array_equal(frames[-1], sitter)
    assert all(frame.shape == sitter.shape and frame.dtype == np.uint8 for frame in frames)
    steps = [np.abs(after.astype(int) - before).mean() for before, after in pairwise(frames)]
    assert max(steps) < 3
    assert np.median(steps) > 0.1


def test_it_blinks(sitter):
    """Without blinks the picture looks like a puppet; the eyes' dark is covered for a moment."""
    found = read_portrait(sitter)
    x, y = found.points[[159, 145]].mean(axis=0).astype(int)
    silence = np.zeros(24_000, np.float32)
    dark = [
        frame[y - 3 : y + 4, x - 3 : x + 4].mean()
        for frame in talk(sitter, silence, 24_000, frames=140, fps=FPS, prompt=STILL, seed=3)
    ]
    assert max(dark) - np.median(dark) > 15


def test_a_seed_decides_every_pixel(sitter, voice):
    """A resumed step must make the same clip, one that was sent back another."""
    samples, rate_hz = voice

    def first(seed: int) -> list[np.ndarray]:
        return list(islice(talk(sitter, samples, rate_hz, frames=90, fps=FPS, prompt="", seed=seed), 40))

    one, same, other = first(1), first(1), first(2)
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert not np.array_equal(one[-1], other[-1])


def test_without_a_face_the_picture_breathes(voice):
    """A landscape must give a clip as well, with clean joins and gentle motion."""
    picture = np.asarray(landscape().resize((288, 512)), np.uint8)
    samples, rate_hz = voice
    frames = list(talk(picture, samples, rate_hz, frames=49, fps=FPS, prompt="", seed=1))
    assert np.array_equal(frames[0], picture)
    assert np.array_equal(frames[-1], picture)
    assert not np.array_equal(frames[24], picture)
    steps = [np.abs(after.astype(int) - before).mean() for before, after in pairwise(frames)]
    assert max(steps) < 3


def test_the_callers_picture_is_left_alone(sitter, voice):
    """The server renders several clips from one decoded picture."""
    samples, rate_hz = voice
    before = sitter.copy()
    for frame in talk(sitter, samples, rate_hz, frames=20, fps=FPS, prompt="", seed=1):
        frame[:] = 0
    assert np.array_equal(sitter, before)


@pytest.mark.parametrize("frames", [0, 1, 2, 5])
def test_short_clips_have_the_asked_length(sitter, voice, frames: int):
    """Graphs may ask for a single frame."""
    samples, rate_hz = voice
    assert len(list(talk(sitter, samples, rate_hz, frames=frames, fps=FPS, prompt="", seed=1))) == frames
