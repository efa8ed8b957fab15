"""Clips: joined from pictures and sound, taken apart, saved."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np

from orchestrator.embedded import pixels
from orchestrator.embedded.decode import backdrop
from orchestrator.embedded.files import Folders
from orchestrator.embedded.nodes.base import Family, NodeContext, NodeOutput, gives
from orchestrator.embedded.nodes.image_outputs import save_bytes, save_file
from orchestrator.embedded.values import Audio, Frame, Images, Model, Video

VIDEO = Family()


def _video_exists(folders: Folders, value: Any) -> str | None:
    return None if folders.has_input(value) else f"Invalid video file: {value}"


def _changed_at(folders: Folders, *, file: str, **_: Any) -> float:
    return folders.input_file(file).stat().st_mtime


@VIDEO.node("LoadVideo", fingerprint=_changed_at, checks={"file": _video_exists})
def load_video(context: NodeContext, *, file: str) -> NodeOutput:
    """Open a clip."""
    from orchestrator.embedded import media

    return gives(media.read_video(context.folders.input_file(file)))


@VIDEO.node("CreateVideo")
def create_video(
    context: NodeContext, *, images: Images, fps: float, audio: Audio | None = None, bit_depth: int = 8
) -> NodeOutput:
    """Join pictures and sound."""
    return gives(Video(images, fps, audio))


@VIDEO.node("GetVideoComponents")
def get_video_components(context: NodeContext, *, video: Video) -> NodeOutput:
    """Part pictures, sound and rate."""
    return gives(video.images, video.audio, video.fps, 8)


@VIDEO.node("Video Slice")
def slice_video(
    context: NodeContext, *, video: Video, start_time: float, duration: float, strict_duration: bool
) -> NodeOutput:
    """Cut a piece out of a clip; a duration of 0 means to the end."""
    first = max(0, round((start_time + (video.duration_s if start_time < 0 else 0.0)) * video.fps))
    left = video.images.count - first
    wanted = left if duration == 0 else round(duration * video.fps)
    if left <= 0 or (strict_duration and wanted > left):
        raise ValueError(f"the clip of {video.duration_s:.3f} s has no {duration:.3f} s from {start_time:.3f} s on")
    count = min(wanted, left)
    sound = video.audio
    if sound is not None:
        start = round(first / video.fps * sound.rate_hz)
        sound = sound.part(start, start + ceil(count / video.fps * sound.rate_hz))
    return gives(Video(video.images.part(first, count), video.fps, sound))


@VIDEO.node("FrameInterpolate")
def interpolate(context: NodeContext, *, interp_model: Model, images: Images, multiplier: int) -> NodeOutput:
    """Put frames between frames, by fading from one to the next."""

    def frames() -> Iterator[Frame]:
        last: Frame | None = None
        for before, after in pairwise(images.frames()):
            for step in range(multiplier):
                yield before if step == 0 else _between(before, after, step / multiplier)
            last = after
        yield images.first if last is None else last

    return gives(Images((images.count - 1) * multiplier + 1, images.height, images.width, frames))


def _between(before: Frame, after: Frame, share: float) -> Frame:
    mixed = before.astype(np.float32) * (1 - share) + after.astype(np.float32) * share
    return np.rint(mixed).astype(np.uint8)


@VIDEO.node("SaveVideo")
def save_video(context: NodeContext, *, video: Video, filename_prefix: str, format: str, codec: str) -> NodeOutput:
    """Save a clip as H.264 in MP4."""
    from orchestrator.embedded import media

    plan = context.folders.plan(filename_prefix, width=video.images.width, height=video.images.height)
    name = plan.name(0, "mp4")
    if context.settings.is_timed:
        save_bytes(context, plan, name, _placeholder(context, video))
    else:
        texts = pixels.metadata_texts(context.prompt, context.extra_data)
        heard = replace(video, images=_interruptible(context, video.images))
        save_file(context, plan, name, lambda part: media.write_mp4(part, heard, texts))
    return gives(video, ui={"images": [plan.entry(name)], "animated": [True]})


@VIDEO.node("SaveWEBM")
def save_webm(
    context: NodeContext, *, images: Images, filename_prefix: str, codec: str, fps: float, crf: float
) -> NodeOutput:
    """Save pictures as a WEBM."""
    from orchestrator.embedded import media

    plan = context.folders.plan(filename_prefix, width=images.width, height=images.height)
    name = plan.name(0, "webm")
    texts = pixels.metadata_texts(context.prompt, context.extra_data)
    pulled = _interruptible(context, images)
    save_file(context, plan, name, lambda part: media.write_webm(part, pulled, texts, codec=codec, fps=fps, crf=crf))
    return gives(images, ui={"images": [plan.entry(name)], "animated": [True]})


def _interruptible(context: NodeContext, images: Images) -> Images:
    """Look at each frame whether to stop: pulling them is what takes time here, not sampling."""

    def frames() -> Iterator[Frame]:
        for frame in images.frames():
            context.check_interrupted()
            yield frame

    return replace(images, source=frames)


def _placeholder(context: NodeContext, video: Video) -> bytes:
    """Return a clip of the right size, length and sound that is encoded only once."""
    from orchestrator.embedded import media

    images, sound = video.images, video.audio
    key = (images.width, images.height, images.count, video.fps, hash(sound.samples.tobytes()) if sound else None)
    if key not in context.placeholders:
        still = backdrop(images.width, images.height, 0)
        calm = replace(images, source=lambda: (still for _ in range(images.count)))
        path = context.folders.directory / "temp" / f"placeholder_{len(context.placeholders)}.mp4"
        media.write_mp4(path, Video(calm, video.fps, sound), {}, preset="ultrafast")
        context.placeholders[key] = Path(path).read_bytes()
    return context.placeholders[key]
