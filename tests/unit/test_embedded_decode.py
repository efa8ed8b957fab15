"""Which renderer a decoder asks, by what the graph put into the latent."""

from __future__ import annotations

import numpy as np
import pytest

from orchestrator.embedded.decode import asks_for_return, backdrop, decode
from orchestrator.embedded.nodes.ltx import frames_of as ltx_frames
from orchestrator.embedded.nodes.sampling import sampled
from orchestrator.embedded.nodes.wan import frames_of as wan_frames
from orchestrator.embedded.rendering import Placeholders
from orchestrator.embedded.values import Audio, AudioLatent, AvLatent, Conditioning, Images, Latent, Masks

SPEECH = Audio(np.zeros((1, 24_000), dtype=np.float32), 24_000)


class Spy(Placeholders):
    """Notes what was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict]] = []

    def __getattribute__(self, name):
        if name in ("edit", "morph", "return_to", "talk", "animate"):
            real = super().__getattribute__(name)

            def note(*pictures, **told):
                self.asked.append((name, told))
                return real(*pictures, **told)

            return note
        return super().__getattribute__(name)


def _picture(value: int, width: int = 64, height: int = 96) -> Images:
    return Images.of(np.full((height, width, 3), value, dtype=np.uint8))


def _shown(latent: Latent) -> tuple[list, Spy]:
    spy = Spy()
    return list(decode(latent, spy).frames()), spy


def test_two_pictures_are_a_morph_and_words_of_return_the_way_back():
    """The transition and the outro are the same graph; only the words differ."""
    clip = Latent(64, 96, frames=5, start=_picture(10), end=_picture(200), sampled=True, prompt="sparkles sweep")
    frames, spy = _shown(clip)
    assert [name for name, _ in spy.asked] == ["morph"]
    assert len(frames) == 5
    assert (frames[0].mean(), frames[-1].mean()) == (10, 200)
    _, spy = _shown(Latent(64, 96, frames=5, start=_picture(1), end=_picture(2), sampled=True, prompt="it returns"))
    assert [name for name, _ in spy.asked] == ["return_to"]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("The person settles back into the painting", True),
        ("one seamless loop", True),
        ("le tableau revient", True),
        ("brushwork turns into real skin; one continuous morph", False),
        ("the same framing from the first frame to the last", False),
    ],
)
def test_words_of_return_are_recognised(prompt, expected):
    """A morph that is taken for the way back would have no sparkles."""
    assert asks_for_return(prompt) is expected


def test_a_kept_speech_makes_the_picture_talk():
    """With a mask of 0 on the sound, the face follows it; that is the whole point of the graph."""
    keep = Masks((np.zeros((8, 8), dtype=np.float32),))
    both = AvLatent(Latent(64, 96, frames=9, start=_picture(50)), AudioLatent(SPEECH, 1.0, keep))
    result = sampled(both, Conditioning("talks", fps=24.0), seed=3)
    assert isinstance(result, AvLatent)
    frames, spy = _shown(result.video)
    assert spy.asked == [("talk", {"frames": 9, "fps": 24.0, "prompt": "talks", "seed": 3})]
    assert len(frames) == 9


def test_without_the_mask_the_speech_is_lost():
    """A real sampler makes new sound then; the trap must show in the preview, too."""
    both = AvLatent(Latent(64, 96, frames=9, start=_picture(50)), AudioLatent(SPEECH, 1.0))
    result = sampled(both, Conditioning("talks"), seed=3)
    assert isinstance(result, AvLatent)
    assert result.audio.audio is None
    _, spy = _shown(result.video)
    assert [name for name, _ in spy.asked] == ["animate"]


def test_a_reference_is_edited_in_the_size_of_the_canvas():
    """Klein's output size follows the empty latent, and the reference is cropped to it."""
    reference = Latent(64, 96, start=_picture(80))
    still = Latent(48, 48, references=(reference,), sampled=True, prompt="restore", seed=9)
    frames, spy = _shown(still)
    assert spy.asked == [("edit", {"prompt": "restore", "seed": 9})]
    assert frames[0].shape == (48, 48, 3)


def test_an_encoded_picture_that_nobody_sampled_comes_back():
    """Through the VAE and back is no edit."""
    frames, spy = _shown(Latent(64, 96, start=_picture(33)))
    assert spy.asked == []
    assert frames[0].mean() == 33


def test_words_alone_give_some_picture():
    """A text-to-image graph must end in a file, not in an error."""
    frames, spy = _shown(Latent(32, 16, batch=2, sampled=True, prompt="a lake", seed=1))
    assert spy.asked == []
    assert [frame.shape for frame in frames] == [(16, 32, 3)] * 2
    assert not np.array_equal(backdrop(32, 16, 1), backdrop(32, 16, 2))


def test_of_several_samplers_the_first_seed_counts():
    """The second stage has a fixed seed; a redo with another first seed must give another clip."""
    first = sampled(Latent(64, 96), Conditioning("a"), seed=5)
    again = sampled(first, Conditioning("a"), seed=42)
    assert isinstance(again, Latent)
    assert again.seed == 5


@pytest.mark.parametrize(
    ("length", "wan", "ltx"), [(81, 81, 81), (82, 81, 81), (100, 97, 97), (176, 173, 169), (1, 1, 1)]
)
def test_lengths_are_rounded_down(length, wan, ltx):
    """4n+1 and 8n+1, silently: scripts must compute the right number themselves."""
    assert (wan_frames(length), ltx_frames(length)) == (wan, ltx)
