"""Whether a file that came from a server is what it claims to be: it decodes to its end, and has the promised size,
duration and frames.

Everything is decoded, not only the header: a file that was cut off while it was written keeps a perfect header. PyAV
and Pillow are imported inside, because commands that only print should not load them.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from orchestrator.comfyui.errors import BadDownload, WrongMedia

Kind = Literal["image", "audio", "video"]
DURATION_TOLERANCE_S = 0.06  # two frames at 30 per second, and an audio codec's padding


@dataclass(frozen=True)
class Expected:
    """What a file must be like; None where nothing is promised."""

    width: int | None = None  # pixels
    height: int | None = None  # pixels
    frames: int | None = None
    fps: float | None = None
    min_duration_s: float | None = None
    max_duration_s: float | None = None


@dataclass(frozen=True)
class Media:
    """What a file is, measured by decoding it."""

    kind: Kind
    width: int | None = None  # pixels
    height: int | None = None  # pixels
    frames: int | None = None
    fps: float | None = None
    duration_s: float | None = None
    has_audio: bool = False


NOTHING = Expected()


def check_media(path: Path, kind: Kind, *, expected: Expected = NOTHING) -> Media:
    """Decode a file to its end and compare it with what was promised.

    Args:
        path: A complete file.
        kind: What it must be.
        expected: What it must be like.

    Raises:
        BadDownload: it is empty, is something else, or cannot be decoded to its end.
        WrongMedia: it decodes, but its size, duration or number of frames is not the promised one.
    """
    if path.stat().st_size == 0:
        raise BadDownload(f"{path.name} is empty")
    media = _decode_image(path) if kind == "image" else _decode_stream(path, kind)
    problems = list(_differences(media, expected))
    if problems:
        raise WrongMedia(f"{path.name} is not what the workflow promises: {'; '.join(problems)}", media=media)
    return media


def _decode_image(path: Path) -> Media:
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                image.load()  # decodes all of it: a truncated file fails here and not in a step
                return Media("image", width=image.width, height=image.height, frames=1)
    except UnidentifiedImageError as error:
        raise BadDownload(f"{path.name} is not an image that can be read") from error
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise BadDownload(f"{path.name} cannot be decoded: {error}") from error
    except Image.DecompressionBombWarning as error:
        raise BadDownload(f"{path.name} claims to be larger than any picture: {error}") from error


def _decode_stream(path: Path, kind: Kind) -> Media:
    import av

    try:
        with av.open(str(path)) as container:
            return _measure(container, path, kind)
    except (av.FFmpegError, ValueError, OSError) as error:
        text = getattr(error, "strerror", None) or str(error)
        raise BadDownload(f"{path.name} cannot be decoded as {kind}: {text}") from error


def _measure(container: Any, path: Path, kind: Kind) -> Media:
    """Decode the stream that matters to its end. `container` is PyAV's, which has no types."""
    streams = container.streams.video if kind == "video" else container.streams.audio
    if not streams:
        raise BadDownload(f"{path.name} holds no {kind}")
    stream = streams[0]
    if kind == "video":
        stream.thread_type = "AUTO"
    declared_s = float(container.duration / 1_000_000) if container.duration else None
    count, end_s = 0, 0.0
    for frame in container.decode(stream):
        length_s = frame.samples / frame.sample_rate if kind == "audio" else 0.0
        count += 1
        end_s = max(end_s, float(frame.time or 0.0) + length_s)
    if count == 0:
        raise BadDownload(f"{path.name} holds no {kind} that can be decoded")
    if kind == "audio":
        _refuse_short(path, decoded_s=end_s, declared_s=declared_s)
        return Media("audio", duration_s=end_s, has_audio=True)
    fps = float(stream.average_rate) if stream.average_rate else None
    if stream.frames and count < stream.frames:
        raise BadDownload(f"{path.name} breaks off: {count} of {stream.frames} frames can be decoded")
    return Media(
        "video",
        width=stream.codec_context.width,
        height=stream.codec_context.height,
        frames=count,
        fps=fps,
        duration_s=count / fps if fps else end_s,
        has_audio=bool(container.streams.audio),
    )


def _refuse_short(path: Path, *, decoded_s: float, declared_s: float | None) -> None:
    if declared_s is not None and decoded_s < declared_s - 0.25:
        raise BadDownload(f"{path.name} breaks off: {decoded_s:.2f} of {declared_s:.2f} s can be decoded")


def _differences(media: Media, expected: Expected) -> Iterator[str]:
    for name in ("width", "height", "frames"):
        wanted, found = getattr(expected, name), getattr(media, name)
        if wanted is not None and found != wanted:
            yield f"{name} {found}, expected {wanted}"
    if expected.fps is not None and (media.fps is None or abs(media.fps - expected.fps) > 0.01):
        yield f"{media.fps} frames per second, expected {expected.fps:g}"
    duration_s = media.duration_s or 0.0
    if expected.min_duration_s is not None and duration_s < expected.min_duration_s - DURATION_TOLERANCE_S:
        yield f"{duration_s:.2f} s long, expected at least {expected.min_duration_s:g} s"
    if expected.max_duration_s is not None and duration_s > expected.max_duration_s + DURATION_TOLERANCE_S:
        yield f"{duration_s:.2f} s long, expected at most {expected.max_duration_s:g} s"
