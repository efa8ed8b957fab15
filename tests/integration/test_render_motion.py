"""Morph, return and drift: exact joins, real change between, the same pixels for the same seed."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from senses_pictures import landscape, portrait

from orchestrator.embedded.render import drift, morph

SIZE = (144, 256)


@pytest.fixture(scope="module")
def start() -> np.ndarray:
    return np.asarray(portrait(*SIZE, share=0.4), np.uint8)


@pytest.fixture(scope="module")
def end(start) -> np.ndarray:
    return np.asarray(255 - start // 2, np.uint8)


BOTH = pytest.mark.parametrize("render", [morph.morph, morph.return_to])


def run(render: Callable, start: np.ndarray, end: np.ndarray, *, frames: int = 33, prompt: str = "", seed: int = 1):
    return list(render(start, end, frames=frames, prompt=prompt, seed=seed))


@BOTH
def test_both_ends_are_the_pictures_byte_for_byte(render, start, end):
    """The loop closes on them: a frame that is nearly right is seen as a flicker."""
    frames = run(render, start, end)
    assert len(frames) == 33
    assert frames[0].tobytes() == start.tobytes()
    assert frames[-1].tobytes() == end.tobytes()
    assert all(frame.shape == start.shape and frame.dtype == np.uint8 for frame in frames)


@BOTH
def test_the_change_is_spread_over_the_clip(render, start, end):
    """No cut in disguise: each frame is nearer to the end, and no step is a large part of the whole way."""
    frames = run(render, start, end)
    left = np.array([np.abs(frame.astype(int) - end).mean() for frame in frames])
    assert (np.diff(left) < 0.02 * left[0]).all()
    assert np.abs(np.diff(left)).max() < 0.12 * left[0]
    assert 0.25 * left[0] < left[16] < 0.75 * left[0]


@BOTH
def test_joins_have_no_jump(render, start, end):
    """The frame beside each end is close to it."""
    frames = run(render, start, end, frames=49)
    assert np.abs(frames[1].astype(int) - start).mean() < 1
    assert np.abs(frames[-2].astype(int) - end).mean() < 1


@BOTH
def test_a_seed_decides_every_pixel(render, start, end):
    """A resumed step must make the same clip, one that was sent back another."""
    one, same, other = (run(render, start, end, frames=9, seed=seed) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert not np.array_equal(one[4], other[4])


def test_the_sweep_goes_where_the_prompt_says(start, end):
    """The transition asks for left to right."""

    def changed_first(prompt: str) -> float:
        middle = run(morph.morph, start, end, prompt=prompt)[13].astype(int)
        done = np.abs(middle - end).mean(axis=(0, 2)) < np.abs(middle - start).mean(axis=(0, 2))
        return done[: SIZE[0] // 2].mean() - done[SIZE[0] // 2 :].mean()

    assert changed_first("golden sparkles sweep from left to right") > 0.2
    assert changed_first("golden sparkles sweep from right to left") < -0.2


def test_the_sweep_is_golden(start):
    """Between two equal pictures there is only the light: warm, and gone at the ends."""
    frames = run(morph.morph, start, start)
    added = np.mean([frame.astype(int) - start for frame in frames[10:22]], axis=(0, 1, 2))
    assert added[0] > added[1] > added[2]
    assert added[0] > 1.5
    brightest = max(int((frame.astype(int) - start).max()) for frame in frames)
    assert brightest > 100


def test_the_return_is_quieter_than_the_show(start):
    """It must not draw attention to the join."""
    show, back = (
        np.mean([np.abs(frame.astype(int) - start).mean() for frame in run(render, start, start)])
        for render in (morph.morph, morph.return_to)
    )
    assert back < 0.5 * show


@BOTH
def test_pictures_of_different_size_are_refused(render, start):
    """Stretching one of them would break the alignment without a word."""
    with pytest.raises(ValueError, match="different sizes"):
        run(render, start, start[:-2])


@BOTH
@pytest.mark.parametrize("frames", [1, 2, 3])
def test_very_short_clips_keep_their_ends(render, start, end, frames: int):
    """Graphs may ask for them."""
    made = run(render, start, end, frames=frames)
    assert len(made) == frames
    assert np.array_equal(made[0], start)
    if frames > 1:
        assert np.array_equal(made[-1], end)


@pytest.mark.parametrize(("prompt", "closer"), [("the camera zooms in slowly", True), ("slow zoom out", False)])
def test_the_camera_follows_the_prompt(start, prompt: str, closer: bool):
    """Zooming in makes the sitter larger, zooming out smaller."""
    frames = list(drift.animate(start, frames=17, prompt=prompt, seed=1))
    near, far = (frames[-1], frames[0]) if closer else (frames[0], frames[-1])
    assert np.abs(far.astype(int) - start).mean() < 2.5
    assert scale_against(start, near) > 1.05


def scale_against(picture: np.ndarray, zoomed: np.ndarray) -> float:
    """Return the factor by which the middle of the picture has grown, by the best match."""
    height, width = picture.shape[:2]
    best = (-1.0, 1.0)
    middle = zoomed[height // 3 : 2 * height // 3, width // 4 : 3 * width // 4]
    for factor in np.linspace(0.95, 1.2, 26):
        size = round(width * factor), round(height * factor)
        score = float(cv2.matchTemplate(cv2.resize(picture, size), middle, cv2.TM_CCOEFF_NORMED).max())
        best = max(best, (score, float(factor)))
    return best[1]


def test_a_pan_shows_more_of_its_side(start):
    """The camera looks right: what was on the right comes nearer to the middle, and no border shows."""
    frames = list(drift.animate(start, frames=17, prompt="camera pans right", seed=1))
    other = list(drift.animate(start, frames=17, prompt="camera pans left", seed=1))
    dress = np.array([90, 50, 60])

    def middle_of_dress(frame: np.ndarray) -> float:
        near = np.abs(frame[-60:].astype(int) - dress).sum(axis=2) < 60
        return float(np.average(np.arange(frame.shape[1]), weights=near.sum(axis=0)))

    assert middle_of_dress(frames[-1]) < middle_of_dress(other[-1]) - 3


def test_drift_is_reproducible_and_works_without_a_face():
    """Any picture can be asked for."""
    picture = np.asarray(landscape().resize(SIZE), np.uint8)
    one, same, other = (list(drift.animate(picture, frames=9, prompt="", seed=seed)) for seed in (5, 5, 6))
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert not np.array_equal(one[4], other[4])
