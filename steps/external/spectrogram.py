"""A picture of a sound: time to the right, frequency upwards, for whoever judges a voice without listening."""

from __future__ import annotations

from pathlib import Path

from steps.external import ffmpeg_program


def draw(sound: Path, out: Path, *, width_px: int = 960, height_px: int = 256) -> Path:
    """Write a PNG of a sound's spectrum and return its path. Blocks for about 0.2 s.

    Raises:
        ProgramFailed, ProgramTimedOut: FFmpeg cannot read it, or hangs.
        DiskFull: no room for it.
    """
    graph = f"[0:a:0]aresample=16000,showspectrumpic=s={int(width_px)}x{int(height_px)}:legend=0:scale=log[v]"
    beside = out.with_name(f"partial.{out.name}")
    try:
        given = ["-i", f"file:{sound.absolute()}", "-filter_complex", graph, "-map", "[v]", "-frames:v", "1"]
        ffmpeg_program.run([*given, f"file:{beside.absolute()}"], cwd=out.parent, timeout_s=60.0)
        beside.replace(out)
    finally:
        beside.unlink(missing_ok=True)
    return out
