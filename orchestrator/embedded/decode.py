"""From a recipe to pictures: what a decoder shows for a latent.

Which renderer is asked follows from what the graph put into the latent: a face and its speech, two pictures, one
picture, pictures to edit, or nothing but words. Everything is lazy: a frame is rendered when a save node pulls it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache

import numpy as np

from orchestrator.embedded import pixels
from orchestrator.embedded.rendering import Renderers
from orchestrator.embedded.values import Frame, Images, Latent

_RETURN_WORDS = re.compile(
    r"\b(returns?|returning|settl\w+|back (?:in)?to|loop\w*|outro|retour\w*|revien\w*|redevien\w*)\b", re.IGNORECASE
)


def decode(latent: Latent, renderers: Renderers) -> Images:
    """Show a latent.

    Args:
        latent: The recipe; its size is that of the result.
        renderers: What draws.

    Returns:
        One picture per frame of a clip, or per item of a batch of stills.
    """
    if not latent.sampled and latent.start is not None:
        return _fit(latent.start, latent)
    if latent.frames > 1:
        return Images(latent.frames, latent.height, latent.width, _clip(latent, renderers))
    stills = [_later(_still(replace(latent, seed=latent.seed + index), renderers)) for index in range(latent.batch)]
    return Images(latent.batch, latent.height, latent.width, lambda: (still() for still in stills))


def asks_for_return(prompt: str) -> bool:
    """Whether a prompt describes the way back to a picture rather than a change into one."""
    return _RETURN_WORDS.search(prompt) is not None


def _later(make: Callable[[], Frame]) -> Callable[[], Frame]:
    """Make a picture when it is first wanted, and only once."""
    return cache(make)


def _fit(images: Images, latent: Latent) -> Images:
    return pixels.resize_all(images, width=latent.width, height=latent.height, crop="center")


def _still(latent: Latent, renderers: Renderers) -> Callable[[], Frame]:
    source = next((reference.start for reference in latent.references if reference.start is not None), latent.start)
    if source is None:
        return lambda: backdrop(latent.width, latent.height, latent.seed)
    picture = _fit(source, latent)
    return lambda: renderers.edit(picture.first, prompt=latent.prompt, seed=latent.seed)


def _clip(latent: Latent, renderers: Renderers) -> Callable[[], Iterator[Frame]]:
    start = _fit(latent.start, latent).first if latent.start is not None else None
    end = _fit(latent.end, latent).first if latent.end is not None else None
    prompt, seed, count = latent.prompt, latent.seed, latent.frames
    if start is None:
        start = end if end is not None else backdrop(latent.width, latent.height, latent.seed)
        end = None
    if latent.speech is not None:
        speech, fps = latent.speech, latent.fps or 24.0
        return lambda: renderers.talk(
            start, speech.mono, speech.rate_hz, frames=count, fps=fps, prompt=prompt, seed=seed
        )
    if end is None:
        return lambda: renderers.animate(start, frames=count, prompt=prompt, seed=seed)
    change = renderers.return_to if asks_for_return(prompt) else renderers.morph
    return lambda: change(start, end, frames=count, prompt=prompt, seed=seed)


def backdrop(width: int, height: int, seed: int) -> Frame:
    """Make a soft, seeded gradient for a prompt that comes without any picture."""
    random = np.random.default_rng(seed % 2**64)
    corners = random.integers(40, 216, (2, 2, 3)).astype(np.float32)
    across = np.linspace(0.0, 1.0, width, dtype=np.float32)[None, :, None]
    down = np.linspace(0.0, 1.0, height, dtype=np.float32)[:, None, None]
    top = corners[0, 0] * (1 - across) + corners[0, 1] * across
    bottom = corners[1, 0] * (1 - across) + corners[1, 1] * across
    blended: Frame = np.rint(top * (1 - down) + bottom * down).astype(np.uint8)
    return blended
