"""What flows between nodes: pictures, sounds and clips as they are, models and latents as symbols.

Pictures are uint8, RGB, and come out of an iterator that can be asked for again, so that a clip of two hundred frames
is never in memory at once: the node that saves it pulls one frame after the other through everything before it. A
latent holds no numbers at all; it is a recipe that the decoder renders.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Frame = npt.NDArray[np.uint8]
"""One picture: uint8, (height, width, 3), RGB."""

Plane = npt.NDArray[np.float32]
"""One mask: float32, (height, width), 0 … 1."""


@dataclass(frozen=True)
class Images:
    """A batch of pictures of one size."""

    count: int
    height: int
    width: int
    source: Callable[[], Iterator[Frame]] = field(repr=False, compare=False)

    @classmethod
    def of(cls, *frames: Frame) -> Images:
        """Hold pictures that are in memory already."""
        height, width = frames[0].shape[:2]
        return cls(len(frames), height, width, lambda: iter(frames))

    def frames(self) -> Iterator[Frame]:
        """Yield the pictures, from the first one on. May be called again."""
        return islice(self.source(), self.count)

    @cached_property
    def first(self) -> Frame:
        """The first picture."""
        return next(self.frames())

    def map(self, change: Callable[[Frame], Frame], *, width: int, height: int) -> Images:
        """Change every picture while it is pulled through."""
        return Images(self.count, height, width, lambda: (change(frame) for frame in self.frames()))

    def part(self, start: int, count: int) -> Images:
        """Take `count` pictures from `start` (0-based) on."""
        return Images(count, self.height, self.width, lambda: islice(self.source(), start, start + count))


@dataclass(frozen=True)
class Masks:
    """A batch of masks of one size."""

    planes: tuple[Plane, ...] = field(repr=False, compare=False)

    @property
    def height(self) -> int:
        """Height in pixels."""
        return int(self.planes[0].shape[0])

    @property
    def width(self) -> int:
        """Width in pixels."""
        return int(self.planes[0].shape[1])

    @property
    def mean(self) -> float:
        """The mean of all values; 0 keeps what is masked, 1 makes it anew."""
        return float(np.mean([plane.mean() for plane in self.planes]))


@dataclass(frozen=True)
class Audio:
    """A piece of sound."""

    samples: npt.NDArray[np.float32] = field(repr=False, compare=False)  # (channels, samples), -1 … 1
    rate_hz: int
    tags: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)  # of a file that it is saved as

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return float(self.samples.shape[1] / self.rate_hz)

    @property
    def mono(self) -> npt.NDArray[np.float32]:
        """The mean of all channels."""
        mixed: npt.NDArray[np.float32] = self.samples.mean(axis=0, dtype=np.float32)
        return mixed

    def part(self, start: int, stop: int) -> Audio:
        """Take the samples from `start` to before `stop` (0-based)."""
        return Audio(self.samples[:, start:stop], self.rate_hz)


@dataclass(frozen=True)
class Video:
    """A clip: pictures at a rate, with or without sound."""

    images: Images
    fps: float
    audio: Audio | None = None
    path: Path | None = None  # where it was read from, when it was

    @property
    def duration_s(self) -> float:
        """Length of the picture in seconds."""
        return self.images.count / self.fps


@dataclass(frozen=True)
class Model:
    """A model, a text encoder, a VAE, a LoRA: nothing but its name, and what was changed about it."""

    kind: str
    name: str
    changes: tuple[str, ...] = ()

    def changed(self, change: str) -> Model:
        """The same one, patched."""
        return Model(self.kind, self.name, (*self.changes, change))


@dataclass(frozen=True)
class Latent:
    """What a decoder will be asked to show: a recipe, not numbers."""

    width: int  # pixels of the decoded picture
    height: int
    frames: int = 1  # decoded frames of a clip; 1 for a still
    batch: int = 1
    start: Images | None = None  # the picture it begins with, or is
    end: Images | None = None  # the picture it ends with
    references: tuple[Latent, ...] = ()  # pictures to edit
    prompt: str = ""
    seed: int = 0
    speech: Audio | None = None  # what the face is to say
    fps: float = 0.0  # 0: nobody said
    sampled: bool = False  # False: a picture that was encoded comes back as it was
    noise_mask: Masks | None = None


@dataclass(frozen=True)
class AudioLatent:
    """An encoded piece of sound, or an empty one of some length."""

    audio: Audio | None
    duration_s: float
    noise_mask: Masks | None = None

    @property
    def is_kept(self) -> bool:
        """Whether samplers leave the sound alone, and are driven by it."""
        return self.audio is not None and self.noise_mask is not None and self.noise_mask.mean < 0.5


@dataclass(frozen=True)
class AvLatent:
    """A video latent and an audio latent that are sampled together."""

    video: Latent
    audio: AudioLatent


@dataclass(frozen=True)
class Conditioning:
    """What a sampler is told: words and pictures."""

    text: str = ""
    references: tuple[Latent, ...] = ()
    start: Images | None = None
    end: Images | None = None
    fps: float = 0.0
    is_zero: bool = False


@dataclass(frozen=True)
class Noise:
    """Where a sampler starts."""

    seed: int


@dataclass(frozen=True)
class Sigmas:
    """The steps of a sampler."""

    values: tuple[float, ...]

    @property
    def steps(self) -> int:
        """How many steps a sampler takes."""
        return max(0, len(self.values) - 1)


@dataclass(frozen=True)
class Guider:
    """A model with what it is told."""

    model: Model
    positive: Conditioning
    negative: Conditioning | None = None


@dataclass(frozen=True)
class Blocked:
    """Stands for a value that a node decided not to give; what depends on it does not run."""

    message: str | None


@dataclass(frozen=True)
class Choice:
    """The value of a dynamic combo: what was chosen, and the inputs that belong to it."""

    key: Any
    inputs: dict[str, Any]
