"""A clip of one picture that does not move, with a sound: what captions are tried on."""

from __future__ import annotations

from pathlib import Path

from steps.external import ffmpeg_program
from steps.workfiles import partial


def still_clip(picture: Path, sound: Path, *, duration_s: float, out: Path, fps: int = 15) -> Path:
    """Make an MP4 that shows a picture as long as a sound lasts, and return it.

    Args:
        picture: A PNG with even sides.
        sound: Any sound FFmpeg can read.
        duration_s: Of the clip; the sound is cut or followed by silence.
        out: The MP4; its folder is where FFmpeg runs and logs.
        fps: Of the clip.

    Raises:
        ProgramFailed, ProgramTimedOut, DiskFull: FFmpeg did not get through.
    """
    import ffmpeg

    work = out.parent
    still = ffmpeg.input(ffmpeg_program.stage(picture, into=work, name="still.png"), loop=1, framerate=fps)
    heard = ffmpeg.input(ffmpeg_program.stage(sound, into=work, name=f"speech{sound.suffix}")).audio
    encode = {"c:v": "libx264", "preset": "ultrafast", "crf": 14, "c:a": "aac", "b:a": "128k", "movflags": "+faststart"}
    with partial(out) as beside:
        made = ffmpeg.output(
            still.video.filter("format", "yuv420p"), heard.filter("apad"), beside.name, t=round(duration_s, 3), **encode
        )
        ffmpeg_program.run(
            ffmpeg_program.arguments_of(made), cwd=work, timeout_s=60 + 20 * duration_s, log=work / "ffmpeg.log"
        )
    return out
