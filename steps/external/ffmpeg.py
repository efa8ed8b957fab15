"""FFmpeg for the steps: the names that they use, gathered from the modules that do the work.

`ffmpeg_program` finds and runs the binary, `media` reads files with PyAV, `loudness` measures sound, `frames` encodes
pictures made in Python.
"""

from __future__ import annotations

from steps.external.ffmpeg_program import Version, arguments_of, executable, run, stage, version
from steps.external.frames import FrameWriter, write_frames
from steps.external.loudness import SILENCE_LUFS, Loudness, measure_loudness
from steps.external.media import (
    AudioStream,
    Image,
    Media,
    Samples,
    VideoStream,
    extract_last_frame,
    frame_at,
    frames_between,
    is_black,
    last_frame,
    mean_level,
    probe,
    read_frames,
    read_samples,
    spread_frames,
)

__all__ = [
    "SILENCE_LUFS",
    "AudioStream",
    "FrameWriter",
    "Image",
    "Loudness",
    "Media",
    "Samples",
    "Version",
    "VideoStream",
    "arguments_of",
    "executable",
    "extract_last_frame",
    "frame_at",
    "frames_between",
    "is_black",
    "last_frame",
    "mean_level",
    "measure_loudness",
    "probe",
    "read_frames",
    "read_samples",
    "run",
    "spread_frames",
    "stage",
    "version",
    "write_frames",
]
