"""Whether the finished video is what the platforms take: measured on the file itself, after everything.

What only a broken encode can get wrong makes the step fail. What comes from the clips (a seam, a jump at a join) cannot
be mended by cutting again: it is recorded for the person who reviews.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from steps import loop
from steps.base import Check
from steps.checks import at_least, at_most, between, refuse_failed
from steps.errors import BadOutput
from steps.external import ffmpeg, mp4
from steps.external.cut import Picture
from steps.external.media import all_tags, packet_times
from steps.options import FinalOptions

_LEAST_INK = 0.003  # share of the captions' box that captions change
_LOUDNESS_SLACK_LU = 1.0
_PEAK_SLACK_DB = 0.05  # the meter rounds to 0.1

TAGS = frozenset(
    {
        *("title", "artist", "date", "copyright", "comment", "description", "genre"),
        # What a container says by itself.
        *("major_brand", "minor_version", "compatible_brands", "encoder", "creation_time"),
        *("language", "handler_name", "vendor_id"),
    }
)
"""Names of all that a finished file may say about itself."""


def inspect(video: Path, picture: Picture, *, options: FinalOptions) -> tuple[dict[str, Any], tuple[Check, ...]]:
    """Measure a finished video. Returns its figures and the checks. Blocks: 1 s for half a minute.

    Raises:
        BadOutput: the file is not what was ordered; says what was measured and what was expected.
    """
    media = ffmpeg.probe(video)
    if media.video is None or media.audio is None:
        raise BadOutput("the finished video lacks pictures or sound", path=str(video))
    loudness = ffmpeg.measure_loudness(video)
    pictures_s = media.video.frames / picture.fps
    apart_s = abs(pictures_s - media.audio.duration_s)
    wanted = options.loudness_lufs
    must = (
        *file_checks(video, picture),
        at_most("final.ends_together", apart_s, round(1 / picture.fps, 4), unit="s"),
        between(
            "final.loudness",
            loudness.integrated_lufs,
            wanted - _LOUDNESS_SLACK_LU,
            wanted + _LOUDNESS_SLACK_LU,
            unit="LUFS",
        ),
        at_most("final.true_peak", loudness.true_peak_dbtp, options.true_peak_dbtp + _PEAK_SLACK_DB, unit="dBTP"),
    )
    refuse_failed(must, what="the finished video")
    seam, usual = loop.seam_ssim(video, duration_s=pictures_s, fps=picture.fps)
    heard = loop.sound_seam(ffmpeg.read_samples(video, rate_hz=loop.RATE_HZ), video_s=pictures_s)
    data = {
        "duration_s": round(pictures_s, 3),
        "loudness_lufs": loudness.integrated_lufs,
        "true_peak_dbtp": loudness.true_peak_dbtp,
        "seam_ssim": round(seam, 4),
        "sound_seam_gap_s": round(heard.gap_s, 4),
        "size_bytes": video.stat().st_size,
    }
    return data, (*must, loop.seam_check(seam, usual), *heard.checks())


def inspect_version(video: Path, picture: Picture, *, name: str) -> None:
    """Look at what may differ in a further version: its pictures; the sound is the first one's.

    Raises:
        BadOutput: the file is not what was ordered.
    """
    refuse_failed(file_checks(video, picture), what=f"the version {name!r} of the finished video")


def file_checks(video: Path, picture: Picture) -> tuple[Check, ...]:
    """Compare a file with what platforms take and what it may tell."""
    media = ffmpeg.probe(video)
    if media.video is None or media.audio is None:
        raise BadOutput("the finished video lacks pictures or sound", path=str(video))
    return (
        *_format_checks(media.video, media.audio, picture),
        *_layout_checks(video, picture),
        _told(video),
    )


def caption_ink(
    video: Path, plain: Path, moments: Sequence[tuple[float, float]], *, rows: tuple[float, float] = (0.55, 0.73)
) -> Check:
    """Check that captions are in the finished video, by comparing it with the clip that has none.

    Args:
        video: The finished video.
        plain: The talking clip.
        moments: Pairs of times in seconds, in the video and in the clip, at which a caption is on screen.
        rows: Where the captions begin and end, as shares of the height.

    Raises:
        BadOutput: at one of them nothing is drawn.
    """
    least = min(_ink(ffmpeg.frame_at(video, there), ffmpeg.frame_at(plain, here), rows) for there, here in moments)
    found = at_least("final.captions", least, _LEAST_INK, unit="of their box")
    refuse_failed([found], what="the finished video")
    return found


def _told(video: Path) -> Check:
    """Check that the file tells what we wrote into it and nothing else: no graph, no prompt, no path."""
    foreign = sorted({name for name, _ in all_tags(video)} - TAGS)
    return Check("final.told", ", ".join(foreign) or "title and licence", "title and licence", passed=not foreign)


def _format_checks(video: ffmpeg.VideoStream, audio: ffmpeg.AudioStream, picture: Picture) -> list[Check]:
    found = (
        ("final.colours", " ".join(video.colours), "bt709 bt709 bt709 tv"),
        ("final.size", f"{video.width}x{video.height}", f"{picture.width}x{picture.height}"),
        ("final.codec", f"{video.codec} {video.profile} {video.pixel_format}".lower(), "h264 high yuv420p"),
        ("final.pixel_shape", str(video.sar), "1"),
        ("final.sound", f"{audio.codec} {audio.rate_hz} {audio.channels}", "aac 48000 2"),
    )
    return [Check(name, measured, expected, passed=measured == expected) for name, measured, expected in found]


def _layout_checks(video: Path, picture: Picture) -> list[Check]:
    times = packet_times(video)
    gaps = {round((b - a) * picture.fps, 3) for a, b in pairwise(times)}
    rate = f"{picture.fps} constant" if gaps <= {1.0} else f"gaps of {sorted(map(float, gaps))[:4]} frames"
    first = mp4.is_index_first(video)
    edited = mp4.has_edit_list(video)
    return [
        Check("final.rate", rate, f"{picture.fps} constant", "fps", passed=gaps <= {1.0}),
        at_most("final.starts_at", float(times[0]) if times else 1.0, 0.001, unit="s"),
        Check("final.index_first", "yes" if first else "no", "yes", passed=first),
        Check("final.edit_list", "yes" if edited else "no", "no", passed=not edited),
    ]


def _ink(drawn: ffmpeg.Image, plain: ffmpeg.Image, rows: tuple[float, float]) -> float:
    """Return how much of the captions' box differs strongly; sizes may differ."""
    small = [cv2.resize(image, (270, 480), interpolation=cv2.INTER_AREA) for image in (drawn, plain)]
    difference = np.abs(small[0].astype(np.int16) - small[1])[round(480 * rows[0]) : round(480 * rows[1]), 15:225]
    return float((difference.max(axis=2) > 60).mean())
