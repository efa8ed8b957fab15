"""Pictures made in Python become a video.

A pipe into one FFmpeg: raw RGB in, H.264 out. The file gets its name only when FFmpeg has ended well.
"""

from __future__ import annotations

import subprocess
import tempfile
import threading
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import IO

from steps.errors import ProgramTimedOut
from steps.external import ffmpeg_program, process
from steps.external.media import Image

COLOUR = ["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv"]
"""How every H.264 of ours is marked; what reads it back needs no guess."""


class FrameWriter:
    """Encode pictures one by one, as a context manager.

    Leaving it normally finishes the file and gives it its name; leaving it by an exception kills FFmpeg and removes
    what was written. Open, feed and leave it in one thread: FFmpeg dies with the thread that started it.

    Example:
        with FrameWriter(path, fps=16, size=(576, 1024)) as writer:
            for picture in pictures:
                writer.write(picture)
    """

    def __init__(
        self,
        path: Path,
        *,
        fps: float | Fraction,
        size: tuple[int, int],
        audio: Path | None = None,
        crf: int = 18,
        preset: str = "veryfast",
        timeout_s: float = 1800.0,
    ) -> None:
        """Say what is to be written. Nothing is started yet.

        Args:
            path: The MP4 to make; its folder exists.
            fps: Frames per second, kept exactly for whole numbers.
            size: Width and height in pixels, both even.
            audio: A file whose sound goes in as AAC from time 0; no sound if None.
            crf: x264 quality, 0 to 51; lower is better.
            preset: x264 preset.
            timeout_s: Wall-clock seconds from start to end before FFmpeg is killed.
        """
        if size[0] % 2 or size[1] % 2:
            raise ValueError(f"a 4:2:0 video needs even sides, not {size[0]}x{size[1]}")
        self.path = path
        self.frames = 0  # written so far
        self._size = size
        self._arguments = _arguments(Fraction(fps).limit_denominator(1001), size, audio, crf, preset)
        self._partial = path.with_name(f".{path.name}.partial")
        self._timeout_s = timeout_s
        self._process: subprocess.Popen[bytes] | None = None
        self._said: IO[bytes] | None = None
        self._timer: threading.Timer | None = None
        self._is_late = False

    def __enter__(self) -> FrameWriter:
        """Start FFmpeg."""
        self._said = tempfile.TemporaryFile()
        argv = ffmpeg_program.command([*self._arguments, "-f", "mp4", f"file:{self._partial.absolute()}"])
        self._process = process.spawn(argv, cwd=self.path.parent, stdin=subprocess.PIPE, stderr=self._said.fileno())
        self._timer = threading.Timer(self._timeout_s, self._give_up)
        self._timer.daemon = True
        self._timer.start()
        return self

    def write(self, image: Image) -> None:
        """Encode one more picture: uint8, (height, width, 3), RGB.

        Raises:
            ValueError: another shape or type than announced.
            ProgramFailed, ProgramTimedOut, DiskFull: FFmpeg ended early.
        """
        width, height = self._size
        if image.shape != (height, width, 3) or image.dtype != "uint8":
            raise ValueError(f"expected uint8 {(height, width, 3)}, got {image.dtype} {image.shape}")
        if self._process is None or self._process.stdin is None:
            raise ValueError("write to a FrameWriter that is not open")
        try:
            self._process.stdin.write(image.tobytes())
        except OSError:  # a broken pipe says nothing: FFmpeg's own words do
            self._finish()
        self.frames += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the file, or remove it if an exception passes."""
        try:
            if kind is None:
                self._finish()
                self._partial.replace(self.path)
        finally:
            self._release()

    def _finish(self) -> None:
        """Wait for FFmpeg's end and raise what went wrong."""
        assert self._process is not None
        assert self._said is not None
        try:
            if self._process.stdin is not None:
                self._process.stdin.close()
        except OSError:
            pass  # the last bytes met a dead reader; its exit code follows
        returncode = self._process.wait()
        if self._is_late:
            raise ProgramTimedOut(f"the encoder of {self.path.name} ran past its limit of {self._timeout_s:g} s")
        if returncode or not self.frames:
            self._said.seek(0)
            words = self._said.read().decode("utf-8", "replace") or "it was given no picture"
            raise process.failure(["ffmpeg"], returncode=returncode, stderr=words, cwd=self.path.parent)

    def _give_up(self) -> None:
        self._is_late = True
        if self._process is not None:
            process.kill(self._process)

    def _release(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._process is not None:
            process.stop(self._process)
        if self._said is not None:
            self._said.close()
        self._partial.unlink(missing_ok=True)


def write_frames(
    path: Path,
    frames: Iterable[Image],
    *,
    fps: float | Fraction,
    size: tuple[int, int],
    audio: Path | None = None,
    crf: int = 18,
    preset: str = "veryfast",
) -> int:
    """Encode pictures as an MP4 and return how many there were. See FrameWriter for arguments and errors."""
    with FrameWriter(path, fps=fps, size=size, audio=audio, crf=crf, preset=preset) as writer:
        for image in frames:
            writer.write(image)
    return writer.frames


def _arguments(rate: Fraction, size: tuple[int, int], audio: Path | None, crf: int, preset: str) -> list[str]:
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{size[0]}x{size[1]}", "-framerate", str(rate), "-i", "pipe:0"]
    sound = ["-i", f"file:{audio.absolute()}"] if audio else []
    maps = ["-map", "0:v:0", *(["-map", "1:a:0", "-c:a", "aac", "-b:a", "192k"] if audio else [])]
    # From FFmpeg 7 on, what a stream says of its colours overrules what the encoder is told.
    said = "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv"
    picture = ["-vf", f"scale=out_color_matrix=bt709:out_range=tv,format=yuv420p,{said}", "-c:v", "libx264"]
    quality = ["-crf", str(crf), "-preset", preset, "-profile:v", "high", *COLOUR]
    return [*raw, *sound, *maps, *picture, *quality, "-map_metadata", "-1", "-movflags", "+faststart"]
