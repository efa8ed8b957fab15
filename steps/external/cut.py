"""The final cut by FFmpeg: three clips become one picture track, and picture, sound and metadata one file.

Runs in the job's folder on plain names. Titles and captions are in ASS files, metadata in a file of its own: nothing
that comes from outside is ever part of an argument or a filter.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from steps.external import encoders, ffmpeg_program
from steps.external.encoders import Picture as Picture
from steps.external.media import opened, probe
from steps.workfiles import partial, write_text

BLEND_FRAMES = 4
"""How long the edge of a clip is blended into the next one: enough to hide a step in colour, too short to be seen."""

_COLOURS = {"color_primaries": "bt709", "color_trc": "bt709", "colorspace": "bt709", "range": "tv"}
_UNTAGGED = 2  # AVCOL_SPC_UNSPECIFIED


@dataclass(frozen=True)
class Match:
    """What carries one end of a clip over to the picture that it meets there. It wears off within `frames`."""

    frames: int
    gains: tuple[float, float, float] = (1.0, 1.0, 1.0)  # of Y, U, V; 8 bits, BT.709, limited range
    offsets: tuple[float, float, float] = (0.0, 0.0, 0.0)
    scale: tuple[float, float] = (1.0, 1.0)  # part of the picture's width and height that is shown; 1: all of it
    shift: tuple[float, float] = (0.0, 0.0)  # of that part's middle, as shares of width and height

    @property
    def colours(self) -> bool:
        """Whether it changes colours."""
        return (self.gains, self.offsets) != ((1.0, 1.0, 1.0), (0.0, 0.0, 0.0))

    @property
    def moves(self) -> bool:
        """Whether it changes size or place."""
        return (self.scale, self.shift) != ((1.0, 1.0), (0.0, 0.0))


@dataclass(frozen=True)
class Clip:
    """One clip of the cut. Frames are counted at the rate of the finished video, in the clip's own time."""

    path: Path
    frames: int  # how many are used, from `skip` on
    skip: int = 0  # frames left out at its start, because the clip before ends with them
    captions: str | None = None  # plain name of an ASS script drawn into it
    head: Match | None = None  # to the clip before
    tail: Match | None = None  # to the clip after; head and tail do not overlap


@dataclass(frozen=True)
class Version:
    """One file that is made of the same pictures."""

    overlay: str  # plain name of an ASS script for the whole video
    out: Path


def join(clips: Sequence[Clip], versions: Sequence[Version], picture: Picture, *, fonts: str) -> None:
    """Join clips frame for frame at one rate and size, draw each version's ASS script over all, and encode it once.

    A clip made at another rate keeps its speed; the frames between its own are blended. At each join the last frame of
    a clip fades over the first ones of the next, and the end of the last clip fades into the beginning of the first,
    which is what comes next when the video loops. No frame is added or lost by that: the cut is as long as its clips.

    Args:
        clips: In order.
        versions: Their files lie in one folder; MP4 without sound.
        picture: Size, rate, quality, encoder.
        fonts: Plain name of the folder with the fonts.

    Raises:
        BadOutput: a clip cannot be read.
        ProgramFailed, ProgramTimedOut, DiskFull: FFmpeg did not get through.
    """
    import ffmpeg

    work = versions[0].out.parent
    length = sum(clip.frames for clip in clips)
    joined = _joined(clips, picture, work=work, fonts=fonts)
    streams = [joined] if len(versions) == 1 else _copies(joined, len(versions))
    outputs = []
    for stream, version in zip(streams, versions, strict=True):
        drawn = stream.filter("ass", version.overlay, fontsdir=fonts).filter("trim", end_frame=length)
        # From FFmpeg 7 on, what a stream says of its colours overrules what the encoder is told.
        drawn = drawn.filter("format", "yuv420p").filter("setparams", **_COLOURS)
        for step in encoders.uploads(picture.encoder):
            name, _, value = step.partition("=")
            drawn = drawn.filter(name, value) if value else drawn.filter(name)
        outputs.append(ffmpeg.output(drawn, _beside(version.out).name, **encoders.options(picture)))
    graph = outputs[0] if len(outputs) == 1 else ffmpeg.merge_outputs(*outputs)
    arguments = [*encoders.before(picture.encoder), *ffmpeg_program.arguments_of(graph)]
    limit_s = 180 + 30 * len(versions) * length / picture.fps
    with contextlib.ExitStack() as stack:
        for version in versions:
            stack.enter_context(partial(version.out))
        length_s = length / picture.fps
        ffmpeg_program.run(arguments, cwd=work, timeout_s=limit_s, log=work / "ffmpeg.log", length_s=length_s)


def _joined(clips: Sequence[Clip], picture: Picture, *, work: Path, fonts: str) -> Any:
    """Return the stream of all clips one after the other, its end faded into its beginning."""
    import ffmpeg

    joined: Any = None
    length = 0
    for number, clip in enumerate(clips):
        name = ffmpeg_program.stage(clip.path, into=work, name=f"clip{number}{clip.path.suffix}")
        stream = _normalised(ffmpeg.input(name).video, clip, picture, fonts=fonts)
        held = None if joined is None else joined.filter("tpad", stop=BLEND_FRAMES, stop_mode="clone")
        joined = stream if held is None else _faded(held, stream, at=length, frames=BLEND_FRAMES, picture=picture)
        length += clip.frames
    # By another name: two inputs of one name would be one node of the graph.
    first = ffmpeg_program.stage(clips[0].path, into=work, name=f"again{clips[0].path.suffix}")
    start = replace(clips[0], frames=1, head=None, tail=None)
    again = _normalised(ffmpeg.input(first).video, start, picture, fonts=fonts)
    again = again.filter("tpad", stop=BLEND_FRAMES, stop_mode="clone")
    return _faded(joined, again, at=length - BLEND_FRAMES, frames=BLEND_FRAMES, picture=picture)


def _beside(out: Path) -> Path:
    """Return the name under which `partial` lets a file be written."""
    return out.with_name(f"partial.{out.name}")


def frames_at(path: Path, fps: int) -> int:
    """Return how many frames a clip has at another rate, from its first picture to its last; 0 for one without any.

    A clip of 49 frames at 16 a second shows its last one after 3 s: that is frame 72 at 24, so it has 73.
    """
    video = probe(path).video
    if video is None or not video.frames or not video.fps:
        return 0
    return round((video.frames - 1) * fps / video.fps) + 1


def _faded(before: Any, after: Any, *, at: int, frames: int, picture: Picture) -> Any:
    """Let one stream fade into another from a frame on."""
    import ffmpeg

    duration, offset = (f"{count / picture.fps:.6f}" for count in (frames, at))
    faded = ffmpeg.filter([before, after], "xfade", transition="fade", duration=duration, offset=offset)
    # Up to FFmpeg 6 the rate is lost here, and what is held by `tpad` for the next join would have no length.
    return faded.filter("fps", picture.fps).filter("settb", "AVTB")


def _normalised(stream: Any, clip: Clip, picture: Picture, *, fonts: str) -> Any:
    """Bring a clip to the cut's rate, size, colours and clock, with its captions drawn at the final size."""
    video = probe(clip.path).video
    if video is not None and abs(video.fps - picture.fps) > 0.01:
        # Blended rather than doubled: 16 in 24 would show every second frame twice, which stutters. Motion search
        # (`minterpolate`) takes longer than the whole encode. Before scaling, while the pictures are small.
        stream = stream.filter("framerate", fps=picture.fps, interp_start=0, interp_end=255, scene=100)
    stream = stream.filter("trim", start_frame=clip.skip, end_frame=clip.skip + clip.frames)
    stream = _timed(stream, picture)
    scale: dict[str, Any] = {"flags": "lanczos", "out_color_matrix": "bt709", "out_range": "tv"}
    if _is_untagged(clip.path):
        scale["in_color_matrix"] = "bt601"  # what encoders make of RGB when nobody tells them otherwise
    # A clip of another shape fills the picture; what sticks out is cut off evenly.
    stream = stream.filter("scale", picture.width, picture.height, force_original_aspect_ratio="increase", **scale)
    stream = stream.filter("crop", picture.width, picture.height).filter("setsar", 1).filter("format", "yuv420p")
    for match, is_head in ((clip.head, True), (clip.tail, False)):
        if match is not None and match.moves:
            stream = _moved(stream, match, clip.frames, picture, is_head=is_head)
        if match is not None and match.colours:
            stream = _coloured(stream, match, clip.frames, picture, is_head=is_head)
    if clip.captions is not None:
        stream = stream.filter("ass", clip.captions, fontsdir=fonts)
    return stream.filter("settb", "AVTB")


def _timed(stream: Any, picture: Picture) -> Any:
    """Let a stream begin at 0 and keep the cut's rate."""
    return stream.filter("setpts", f"N/{picture.fps}/TB").filter("fps", picture.fps)


def _coloured(stream: Any, match: Match, frames: int, picture: Picture, *, is_head: bool) -> Any:
    """Fade between a clip in the colours of its neighbour and the clip in its own."""
    plain, copy = _copies(stream, 2)
    table = {
        plane: f"clip(val*{gain:.5f}+{offset:.4f}+0.5,0,255)"  # the filter cuts decimals off
        for plane, gain, offset in zip("yuv", match.gains, match.offsets, strict=True)
    }
    first = 0 if is_head else frames - match.frames
    part = copy.filter("trim", start_frame=first, end_frame=first + match.frames)
    part = _timed(part.filter("lutyuv", **table), picture).filter("settb", "AVTB")
    plain = plain.filter("settb", "AVTB")
    if is_head:
        return _faded(part, plain, at=0, frames=match.frames, picture=picture)
    return _faded(plain, part, at=first, frames=match.frames, picture=picture)


def _moved(stream: Any, match: Match, frames: int, picture: Picture, *, is_head: bool) -> Any:
    """Let the part of a clip that is shown glide between what fits its neighbour and all of it."""
    import ffmpeg

    first, second = _copies(stream, 2)
    edge = match.frames if is_head else frames - match.frames
    one = first.filter("trim", end_frame=edge)
    other = _timed(second.filter("trim", start_frame=edge), picture)
    share = f"min(on/{match.frames},1)"
    ease = f"(0.5{'+' if is_head else '-'}0.5*cos(PI*{share}))"
    corners = {}
    for axis, size, scale, shift in (
        ("x", "W", match.scale[0], match.shift[0]),
        ("y", "H", match.scale[1], match.shift[1]),
    ):
        for corner in range(4):
            is_far = corner in ((1, 3) if axis == "x" else (2, 3))
            side = f"{'+' if is_far else '-'}0.5*(1+{scale - 1:.6f}*{ease})"
            corners[f"{axis}{corner}"] = f"{size}*(0.5+{shift:.6f}*{ease}{side})"
    glide = {**corners, "sense": "source", "interpolation": "cubic", "eval": "frame"}
    if is_head:
        one = one.filter("perspective", **glide)
    else:
        other = other.filter("perspective", **glide)
    return _timed(ffmpeg.concat(one, other, v=1, a=0), picture)


def _copies(stream: Any, count: int) -> list[Any]:
    parts = stream.filter_multi_output("split", count)
    return [parts[number] for number in range(count)]


def _is_untagged(path: Path) -> bool:
    with opened(path) as container:
        return int(container.streams.video[0].codec_context.colorspace) == _UNTAGGED


def mux(picture: Path, sound: Path, tags: Mapping[str, str], *, out: Path) -> Path:
    """Put pictures, sound and metadata into one MP4 that plays from its first byte, without an edit list.

    Without one, the sound encoder's own first packet is heard: whoever places the sound takes it into account.

    Args:
        picture: MP4 with pictures only, in the folder of `out`.
        sound: What `mixing.master` made, in the folder of `out`; copied as it is.
        tags: The container's metadata; data from outside.
        out: The file to make.

    Raises:
        ProgramFailed, ProgramTimedOut, DiskFull: FFmpeg did not get through.
    """
    work = out.parent
    write_text(work / "tags.txt", ffmetadata(tags))
    with partial(out) as beside:
        arguments = ["-i", picture.name, "-i", sound.name, "-f", "ffmetadata", "-i", "tags.txt"]
        arguments += ["-map", "0:v:0", "-map", "1:a:0", "-map_metadata", "2", "-c:v", "copy"]
        arguments += ["-c:a", "copy"]
        arguments += ["-movflags", "+faststart+negative_cts_offsets", "-use_editlist", "0", beside.name]
        ffmpeg_program.run(arguments, cwd=work, timeout_s=300, log=work / "ffmpeg.log")
    return out


def ffmetadata(tags: Mapping[str, str]) -> str:
    """Return tags in the form of FFmpeg's metadata files, with everything escaped that means something there."""

    def escaped(text: str) -> str:
        flat = " ".join(text.split())
        return "".join(f"\\{letter}" if letter in "=;#\\" else letter for letter in flat)

    return ";FFMETADATA1\n" + "".join(f"{name}={escaped(value)}\n" for name, value in tags.items() if value)


def still(video: Path, time_s: float, overlay: str, *, fonts: str, size: tuple[int, int], out: Path) -> Path:
    """Take one frame of a clip, scale it, draw an ASS script over it, and write it as a JPEG.

    Raises:
        ProgramFailed, ProgramTimedOut, DiskFull: FFmpeg did not get through.
    """
    import ffmpeg

    work = out.parent
    name = ffmpeg_program.stage(video, into=work, name=f"cover{video.suffix}")
    # The script's clock starts with the picture, whatever moment of the clip it is.
    stream = ffmpeg.input(name, ss=f"{max(0.0, time_s):.3f}").video.filter("setpts", "PTS-STARTPTS+1/TB")
    stream = stream.filter("scale", *size, flags="lanczos").filter("setsar", 1).filter("ass", overlay, fontsdir=fonts)
    # What opens a JPEG takes its colours for the older matrix and full range, whatever the clip had.
    stream = stream.filter("scale", out_color_matrix="bt601", out_range="pc").filter("format", "yuvj420p")
    with partial(out) as beside:
        graph = ffmpeg.output(stream, beside.name, vframes=1, **{"q:v": 3, "update": 1})
        ffmpeg_program.run(ffmpeg_program.arguments_of(graph), cwd=work, timeout_s=60, log=work / "ffmpeg.log")
    return out
