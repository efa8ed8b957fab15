"""Pictures, captions and sound put together by FFmpeg.

The graphs are built with ffmpeg-python and run in the job's folder on plain names; what a title or a path holds is only
ever in a file that a filter reads.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from steps.external import ffmpeg_program
from steps.external.media import probe
from steps.workfiles import partial


def burn_captions(clip: Path, captions: str, *, fonts: str, out: Path) -> Path:
    """Draw an ASS script into a clip and return the new clip; frames keep their times, sound is copied untouched.

    Args:
        clip: The clip; any path.
        captions: Plain name of the script, in the folder of `out`.
        fonts: Plain name of the folder with its fonts, there too.
        out: The MP4 to make; its folder is where FFmpeg runs and logs.

    Raises:
        BadOutput: the clip cannot be read.
        ProgramFailed, ProgramTimedOut, DiskFull: FFmpeg did not get through.
    """
    import ffmpeg

    work = out.parent
    media = probe(clip)
    source = ffmpeg.input(ffmpeg_program.stage(clip, into=work, name=f"source{clip.suffix}"))
    streams: list[Any] = [source.video.filter("ass", captions, fontsdir=fonts).filter("format", "yuv420p")]
    if media.audio is not None:
        streams.append(source.audio)
    # superfast: this clip is looked at in the review; the final video draws the script again in its own size.
    encode = {"c:v": "libx264", "preset": "superfast", "crf": 18, "profile:v": "high", "c:a": "copy"}
    keep = {"fps_mode": "passthrough", "map_metadata": -1, "movflags": "+faststart"}
    with partial(out) as beside:
        ffmpeg_program.run(
            ffmpeg_program.arguments_of(ffmpeg.output(*streams, beside.name, **encode, **keep)),
            cwd=work,
            timeout_s=120 + 20 * media.duration_s,
            log=work / "ffmpeg.log",
            length_s=media.duration_s,
        )
    return out
