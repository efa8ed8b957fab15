"""The final cut by FFmpeg: three clips become one picture track, and picture, sound and metadata one file.

Runs in the job's folder on plain names. Titles and captions are in ASS files, metadata in a file of its own: nothing
that comes from outside is ever part of an argument or a filter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from steps.external import ffmpeg_program
from steps.external.media import opened, probe
from steps.workfiles import partial, write_text

BLEND_FRAMES = 4
"""How long the edge of a clip is blended into the next one: enough to hide a step in colour, too short to be seen."""

_BT709 = {"colorspace": "bt709", "color_primaries": "bt709", "color_trc": "bt709", "color_range": "tv"}
_UNTAGGED = 2  # AVCOL_SPC_UNSPECIFIED


@dataclass(frozen=True)
class Clip:
    """One clip of the cut. Frames are counted at the rate of the finished video, in the clip's own time."""

    path: Path
    frames: int  # how many are used, from `skip` on
    skip: int = 0  # frames left out at its start, because the clip before ends with them
    captions: str | None = None  # plain name of an ASS script drawn into it


@dataclass(frozen=True)
class Picture:
    """What comes out."""

    width: int
    height: int
    fps: int
    preset: str
    crf: int


def join(clips: Sequence[Clip], overlay: str, picture: Picture, *, fonts: str, out: Path) -> Path:
    """Join clips frame for frame at one rate and size, draw an ASS script over all of it, and encode it once.

    A clip made at another rate keeps its speed; the frames between its own are blended. At each join the last frame of
    a clip fades over the first ones of the next, and the end of the last clip fades into the beginning of the first,
    which is what comes next when the video loops. No frame is added or lost by that: the cut is as long as its clips.

    Args:
        clips: In order.
        overlay: Plain name of the script for the whole video.
        picture: Size, rate, quality.
        fonts: Plain name of the folder with the fonts.
        out: The MP4 to make, without sound.

    Raises:
        BadOutput: a clip cannot be read.
        ProgramFailed, ProgramTimedOut, DiskFull: FFmpeg did not get through.
    """
    import ffmpeg

    work = out.parent
    names = [
        ffmpeg_program.stage(clip.path, into=work, name=f"clip{number}{clip.path.suffix}")
        for number, clip in enumerate(clips)
    ]
    joined: Any = None
    length = 0
    for name, clip in zip(names, clips, strict=True):
        stream = _normalised(ffmpeg.input(name).video, clip, picture, fonts=fonts)
        held = None if joined is None else joined.filter("tpad", stop=BLEND_FRAMES, stop_mode="clone")
        joined = stream if held is None else _faded(held, stream, at=length, picture=picture)
        length += clip.frames
    # By another name: two inputs of one name would be one node of the graph.
    first = ffmpeg_program.stage(clips[0].path, into=work, name=f"again{clips[0].path.suffix}")
    again = _normalised(ffmpeg.input(first).video, replace(clips[0], frames=1), picture, fonts=fonts)
    again = again.filter("tpad", stop=BLEND_FRAMES, stop_mode="clone")
    joined = _faded(joined, again, at=length - BLEND_FRAMES, picture=picture)
    joined = joined.filter("ass", overlay, fontsdir=fonts).filter("trim", end_frame=length).filter("format", "yuv420p")
    encode = {
        "c:v": "libx264",
        "preset": picture.preset,
        "crf": picture.crf,
        "maxrate": "12M",
        "bufsize": "24M",
        "profile:v": "high",
        "x264-params": "8x8dct=1",  # without it, as in the fastest preset, the stream would not be High
        "g": picture.fps * 2,
        "bf": 2,
        "flags": "+cgop",
        "r": picture.fps,
        "fps_mode": "cfr",
        "map_metadata": -1,
        **_BT709,
    }
    with partial(out) as beside:
        ffmpeg_program.run(
            ffmpeg_program.arguments_of(ffmpeg.output(joined, beside.name, **encode)),
            cwd=work,
            timeout_s=180 + 30 * length / picture.fps,
            log=work / "ffmpeg.log",
        )
    return out


def frames_at(path: Path, fps: int) -> int:
    """Return how many frames a clip has at another rate, from its first picture to its last; 0 for one without any.

    A clip of 49 frames at 16 a second shows its last one after 3 s: that is frame 72 at 24, so it has 73.
    """
    video = probe(path).video
    if video is None or not video.frames or not video.fps:
        return 0
    return round((video.frames - 1) * fps / video.fps) + 1


def _faded(before: Any, after: Any, *, at: int, picture: Picture) -> Any:
    """Let one stream fade into another from a frame on."""
    import ffmpeg

    duration, offset = (f"{frames / picture.fps:.6f}" for frames in (BLEND_FRAMES, at))
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
    stream = stream.filter("setpts", f"N/{picture.fps}/TB").filter("fps", picture.fps)
    scale: dict[str, Any] = {"flags": "lanczos", "out_color_matrix": "bt709", "out_range": "tv"}
    if _is_untagged(clip.path):
        scale["in_color_matrix"] = "bt601"  # what encoders make of RGB when nobody tells them otherwise
    # A clip of another shape fills the picture; what sticks out is cut off evenly.
    stream = stream.filter("scale", picture.width, picture.height, force_original_aspect_ratio="increase", **scale)
    stream = stream.filter("crop", picture.width, picture.height)
    if clip.captions is not None:
        stream = stream.filter("ass", clip.captions, fontsdir=fonts)
    return stream.filter("settb", "AVTB").filter("setsar", 1).filter("format", "yuv420p")


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
