"""What a media file holds, read with PyAV.

FFmpeg's wheel brings no ffprobe, and asking a library in this process costs a millisecond where a program costs thirty.
Everything here reads; whatever writes a file is FFmpeg's work.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from steps.errors import BadOutput
from steps.external.process import write_failure

Image = npt.NDArray[np.uint8]
"""One picture: (height, width, 3), RGB."""

# The few that video of ours can have. Source: ITU-T H.273, tables 2 to 4; range as FFmpeg's AVColorRange.
_PRIMARIES = {1: "bt709", 2: "unknown", 5: "bt470bg", 6: "smpte170m"}
_TRANSFERS = {1: "bt709", 2: "unknown", 6: "smpte170m", 13: "srgb"}
_MATRICES = {0: "rgb", 1: "bt709", 2: "unknown", 5: "bt470bg", 6: "smpte170m"}
_RANGES = {0: "unknown", 1: "tv", 2: "pc"}

Samples = npt.NDArray[np.float32]
"""Mono sound, one-dimensional, -1 to 1."""


@dataclass(frozen=True)
class VideoStream:
    """The pictures of a file."""

    width: int
    height: int
    fps: float  # average; 0 when the file does not say
    frames: int
    codec: str
    pixel_format: str
    sar: Fraction  # shape of a pixel; 1 when the file does not say
    duration_s: float
    profile: str = ""
    colours: tuple[str, str, str, str] = ("", "", "", "")  # primaries, transfer, matrix and range, as FFmpeg names them


@dataclass(frozen=True)
class AudioStream:
    """The sound of a file."""

    rate_hz: int
    channels: int
    codec: str
    duration_s: float


@dataclass(frozen=True)
class Media:
    """What a file holds."""

    format: str  # FFmpeg's name of the container, such as "mov,mp4,m4a,3gp,3g2,mj2"
    duration_s: float
    video: VideoStream | None
    audio: AudioStream | None
    tags: tuple[tuple[str, str], ...] = ()  # the container's own metadata


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open a file for reading; what PyAV says is wrong with it becomes BadOutput, also while it is read."""
    import av

    try:
        # `file:` keeps a name such as "a:b" from being taken for a protocol.
        with av.open(f"file:{path.absolute()}", metadata_errors="replace") as container:
            yield container
    except (av.FFmpegError, OSError) as error:
        raise BadOutput(f"{path.name} cannot be read as media: {error}", path=str(path)) from error


def probe(path: Path) -> Media:
    """Return what a file holds. Counts packets where the header does not say how many frames there are.

    Raises:
        BadOutput: absent, empty, damaged or not media.
    """
    with opened(path) as container:
        video = next((s for s in container.streams.video if not _is_cover(s)), None)
        audio = next(iter(container.streams.audio), None)
        tags = tuple(sorted((str(k), str(v)) for k, v in container.metadata.items()))
        duration_s = container.duration / 1_000_000 if container.duration else 0.0
        found_audio = _audio(audio, duration_s) if audio is not None else None
        found_video = _video(container, video, duration_s) if video is not None else None
    if found_audio is None and found_video is None:
        raise BadOutput(f"{path.name} holds neither pictures nor sound", path=str(path))
    longest = max([duration_s, *(s.duration_s for s in (found_audio, found_video) if s is not None)])
    return Media(format=container.format.name, duration_s=longest, video=found_video, audio=found_audio, tags=tags)


def all_tags(path: Path) -> list[tuple[str, str]]:
    """Return everything that a file and its streams say about themselves, by name; names in lower case.

    Raises:
        BadOutput: not readable.
    """
    with opened(path) as container:
        parts = (container, *container.streams)
        return [(str(k).lower(), str(v)) for part in parts for k, v in part.metadata.items()]


def sound_tags(path: Path) -> dict[str, str]:
    """Return what a sound file says about itself: the container's tags and, in Ogg, those of its first stream.

    Raises:
        BadOutput: not readable.
    """
    with opened(path) as container:
        streams = container.streams.audio[:1]
        return {str(k): str(v) for part in (*streams, container) for k, v in part.metadata.items()}


def read_frames(path: Path, *, every: int = 1) -> Iterator[tuple[float, Image]]:
    """Yield (time in seconds, picture) of every n-th frame, from the first one.

    Raises:
        BadOutput: not a readable video.
    """
    with opened(path) as container:
        stream = _only_video(container, path)
        stream.thread_type = "AUTO"
        for index, frame in enumerate(container.decode(stream)):
            if index % every == 0:
                yield float(frame.time or 0.0), _rgb(frame)


def spread_frames(path: Path, count: int) -> Iterator[tuple[float, Image]]:
    """Yield (time in seconds, picture) of about so many frames, spread evenly over a video.

    Frames that no other frame builds on are not even decoded, which saves half of the work or more.

    Raises:
        BadOutput: not a readable video.
    """
    media = probe(path)
    step_s = media.duration_s / max(1, count)
    with opened(path) as container:
        stream = _only_video(container, path)
        stream.thread_type = "AUTO"
        stream.codec_context.skip_frame = "NONREF"
        due_s = 0.0
        for frame in container.decode(stream):
            time_s = float(frame.time or 0.0)
            if time_s >= due_s:
                due_s = time_s + step_s
                yield time_s, _rgb(frame)


def frame_at(path: Path, time_s: float) -> Image:
    """Return the picture that is on screen at a time; the last one for a time after the end.

    Raises:
        BadOutput: not a readable video.
    """
    with opened(path) as container:
        stream = _only_video(container, path)
        if time_s > 0:
            container.seek(int(time_s * 1_000_000))  # lands on the key frame before it
        shown = None
        for frame in container.decode(stream):
            if shown is not None and (frame.time or 0.0) > time_s + 1e-6:
                break
            shown = frame
        if shown is None:
            raise BadOutput(f"{path.name} has no picture at {time_s:.2f} s", path=str(path))
        return _rgb(shown)


def frames_between(path: Path, begin_s: float, end_s: float | None) -> Iterator[Image]:
    """Yield the pictures whose times lie between two moments, both included; to the end if there is no second one.

    Raises:
        BadOutput: not a readable video.
    """
    yield from (_rgb(frame) for frame in _frames_between(path, begin_s, end_s))


def small_frames(path: Path, size: tuple[int, int], *, begin_s: float, end_s: float | None = None) -> Iterator[Image]:
    """Yield small copies of the pictures between two moments, as `frames_between` does; several times as fast.

    Args:
        path: Any video.
        size: Width and height of the copies, pixels.
        begin_s: First moment, seconds.
        end_s: Last moment; to the end if None.

    Raises:
        BadOutput: not a readable video.
    """
    for frame in _frames_between(path, begin_s, end_s):
        picture: Image = frame.to_ndarray(width=size[0], height=size[1], format="rgb24", interpolation="AREA")
        yield picture


def last_frame(path: Path) -> Image:
    """Return the last picture of a video.

    Raises:
        BadOutput: not a readable video.
    """
    media = probe(path)
    return frame_at(path, media.duration_s + 1.0)


def extract_last_frame(video: Path, out: Path) -> Path:
    """Write the last picture of a video as a PNG (beside, then renamed) and return its path.

    Raises:
        BadOutput: not a readable video.
        DiskFull: no room for it.
    """
    from PIL import Image as Pillow

    picture = Pillow.fromarray(last_frame(video))
    beside = out.with_name(f".{out.name}.partial")
    try:
        picture.save(beside, format="PNG", compress_level=3)
        beside.replace(out)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise write_failure(error, path=out) from error
    return out


def mean_level(image: Image) -> float:
    """Return how bright a picture is on average: 0 black, 255 white (Rec. 709 weights)."""
    return float(image.reshape(-1, 3).mean(axis=0) @ np.array([0.2126, 0.7152, 0.0722]))


def is_black(path: Path, *, level: float = 6.0, samples: int = 5) -> bool:
    """Tell whether a video is black in every one of some frames spread over it.

    Judged by the brightest hundredth of a picture: a dark painting has lights, a failed render has none.
    """
    media = probe(path)
    times = [media.duration_s * (k + 0.5) / samples for k in range(samples)]
    return all(float(np.percentile(frame_at(path, t), 99)) <= level for t in times)


def read_samples(path: Path, *, rate_hz: int) -> Samples:
    """Return the first sound stream of a file, mixed to mono at a rate.

    Raises:
        BadOutput: not readable, or without sound.
    """
    import av

    with opened(path) as container:
        if not container.streams.audio:
            raise BadOutput(f"{path.name} has no sound", path=str(path))
        resampler = av.AudioResampler(format="flt", layout="mono", rate=rate_hz)
        pieces: list[npt.NDArray[np.float32]] = []
        for frame in container.decode(container.streams.audio[0]):
            pieces += [piece.to_ndarray()[0] for piece in resampler.resample(frame)]
        pieces += [piece.to_ndarray()[0] for piece in resampler.resample(None)]
    if not pieces:
        return np.zeros(0, dtype=np.float32)
    return np.concatenate(pieces).astype(np.float32, copy=False)


def packet_times(path: Path) -> Sequence[Fraction]:
    """Return the presentation times of the video's packets, in seconds and in order; what a constant rate is read from.

    Raises:
        BadOutput: not a readable video.
    """
    with opened(path) as container:
        stream = _only_video(container, path)
        return sorted(p.pts * stream.time_base for p in container.demux(stream) if p.pts is not None)


def _frames_between(path: Path, begin_s: float, end_s: float | None) -> Iterator[Any]:
    with opened(path) as container:
        stream = _only_video(container, path)
        if begin_s > 0:
            container.seek(int(begin_s * 1_000_000))  # lands on the key frame before it
        for frame in container.decode(stream):
            time_s = float(frame.time or 0.0)
            if end_s is not None and time_s > end_s + 1e-4:
                break
            if time_s >= begin_s - 1e-4:
                yield frame


def _only_video(container: Any, path: Path) -> Any:
    stream = next((s for s in container.streams.video if not _is_cover(s)), None)
    if stream is None:
        raise BadOutput(f"{path.name} has no pictures", path=str(path))
    return stream


def _is_cover(stream: Any) -> bool:
    """Tell a music file's cover picture from a video."""
    from av.stream import Disposition

    return bool(stream.disposition & Disposition.attached_pic)


def _rgb(frame: Any) -> Image:
    picture: Image = frame.to_ndarray(format="rgb24")
    return picture


def _audio(stream: Any, container_s: float) -> AudioStream:
    duration_s = float(stream.duration * stream.time_base) if stream.duration else container_s
    return AudioStream(
        rate_hz=stream.rate or 0, channels=stream.channels or 0, codec=stream.codec_context.name, duration_s=duration_s
    )


def _video(container: Any, stream: Any, container_s: float) -> VideoStream:
    frames = stream.frames or sum(1 for packet in container.demux(stream) if packet.size)
    duration_s = float(stream.duration * stream.time_base) if stream.duration else container_s
    context = stream.codec_context
    return VideoStream(
        width=context.width,
        height=context.height,
        fps=float(stream.average_rate or 0),
        frames=frames,
        codec=context.name,
        pixel_format=context.pix_fmt or "",
        sar=Fraction(stream.sample_aspect_ratio or 1),
        duration_s=duration_s,
        profile=context.profile or "",
        colours=(
            _named(_PRIMARIES, context.color_primaries),
            _named(_TRANSFERS, context.color_trc),
            _named(_MATRICES, context.colorspace),
            _named(_RANGES, context.color_range),
        ),
    )


def _named(names: Mapping[int, str], code: Any) -> str:
    return names.get(int(code or 0), str(int(code or 0)))
