"""Which functions draw, speak and move: the stand-ins for models, or placeholders that only have the right shape.

The stand-ins are imported when first used, so that a card is ready at once and one with timed nodes never loads them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import numpy.typing as npt

from orchestrator.embedded.values import Audio, Frame

Samples = npt.NDArray[np.float32]


class Renderers(Protocol):
    """What a decoder or a speech node may ask for."""

    def edit(self, image: Frame, *, prompt: str, seed: int) -> Frame:
        """Change a picture as the prompt says; the size stays."""

    def morph(self, start: Frame, end: Frame, *, frames: int, prompt: str, seed: int) -> Iterator[Frame]:
        """Turn one picture into another; the first and the last frame are the two pictures."""

    def return_to(self, start: Frame, end: Frame, *, frames: int, prompt: str, seed: int) -> Iterator[Frame]:
        """Settle from one picture into another without drawing attention; first and last are the two pictures."""

    def talk(
        self, image: Frame, samples: Samples, rate_hz: int, *, frames: int, fps: float, prompt: str, seed: int
    ) -> Iterator[Frame]:
        """Let a portrait say something."""

    def animate(self, image: Frame, *, frames: int, prompt: str, seed: int) -> Iterator[Frame]:
        """Move a picture: zoom, pan or drift."""

    def synthesize(self, text: str, *, language: str, speaker: str, instruct: str, seed: int) -> Audio:
        """Speak a text: one channel."""


class StandIns:
    """The renderers of orchestrator/embedded/render/."""

    def edit(self, image: Frame, *, prompt: str, seed: int) -> Frame:
        """Restore a picture or make it look real, by the words of the prompt."""
        from orchestrator.embedded.render import picture

        return picture.edit(image, prompt=prompt, seed=seed)

    def morph(self, start: Frame, end: Frame, *, frames: int, prompt: str, seed: int) -> Iterator[Frame]:
        """Golden sparkles from one picture to the other."""
        from orchestrator.embedded.render import morph

        return morph.morph(start, end, frames=frames, prompt=prompt, seed=seed)

    def return_to(self, start: Frame, end: Frame, *, frames: int, prompt: str, seed: int) -> Iterator[Frame]:
        """The quiet way back."""
        from orchestrator.embedded.render import morph

        return morph.return_to(start, end, frames=frames, prompt=prompt, seed=seed)

    def talk(
        self, image: Frame, samples: Samples, rate_hz: int, *, frames: int, fps: float, prompt: str, seed: int
    ) -> Iterator[Frame]:
        """A mouth that follows the sound."""
        from orchestrator.embedded.render import talk

        return talk.talk(image, samples, rate_hz, frames=frames, fps=fps, prompt=prompt, seed=seed)

    def animate(self, image: Frame, *, frames: int, prompt: str, seed: int) -> Iterator[Frame]:
        """Zoom, pan or drift, by the words of the prompt."""
        from orchestrator.embedded.render import drift

        return drift.animate(image, frames=frames, prompt=prompt, seed=seed)

    def synthesize(self, text: str, *, language: str, speaker: str, instruct: str, seed: int) -> Audio:
        """A neural voice where there is one, else a small synthesizer's; it tells when it says each word."""
        from orchestrator.embedded.render import speech
        from steps import voice_events

        said = speech.utter(text, language=language, speaker=speaker, instruct=instruct, seed=seed)
        tags = {voice_events.TAG: voice_events.to_tag(said.engine, said.words)}
        return Audio(said.samples[None, :], speech.RATE_HZ, tags)


class Placeholders:
    """Nothing is drawn: pictures stand still, speech is a tone of about the right length."""

    RATE_HZ = 24_000
    WORDS_PER_SECOND = 2.5

    def edit(self, image: Frame, *, prompt: str, seed: int) -> Frame:
        """The picture as it is."""
        return image

    def morph(self, start: Frame, end: Frame, *, frames: int, prompt: str, seed: int) -> Iterator[Frame]:
        """The first picture, and at the end the last."""
        yield from (start for _ in range(frames - 1))
        yield end

    return_to = morph

    def talk(
        self, image: Frame, samples: Samples, rate_hz: int, *, frames: int, fps: float, prompt: str, seed: int
    ) -> Iterator[Frame]:
        """The portrait, silent."""
        yield from (image for _ in range(frames))

    def animate(self, image: Frame, *, frames: int, prompt: str, seed: int) -> Iterator[Frame]:
        """The picture, unmoved."""
        yield from (image for _ in range(frames))

    def synthesize(self, text: str, *, language: str, speaker: str, instruct: str, seed: int) -> Audio:
        """A tone that comes and goes like syllables."""
        seconds = max(1.0, len(text.split()) / self.WORDS_PER_SECOND)
        moments = np.arange(int(seconds * self.RATE_HZ)) / self.RATE_HZ
        syllables = np.abs(np.sin(np.pi * (2.3 * moments + 0.4 * np.sin(1.7 * moments)))) ** 1.5
        tone = 0.3 * syllables * np.sin(2 * np.pi * 220.0 * moments)
        return Audio(tone.astype(np.float32)[None, :], self.RATE_HZ)
