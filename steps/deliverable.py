"""Whether the finished video is what the platforms take: measured on the file itself, after everything."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from steps.base import Check
from steps.errors import BadOutput
from steps.external import ffmpeg
from steps.external.cut import Picture
from steps.external.loudness import measure_loudness
from steps.options import FinalOptions

LEAST_SEAM_SSIM = 0.8
"""Between the last frame and the first: a hard cut between two pictures is below 0.5, a good loop above 0.95."""


def inspect(video: Path, picture: Picture, *, options: FinalOptions) -> tuple[dict[str, Any], tuple[Check, ...]]:
    """Measure a finished video. Returns its figures and the checks.

    Raises:
        BadOutput: one of the checks failed; says which, and what was measured.
    """
    media = ffmpeg.probe(video)
    if media.video is None or media.audio is None:
        raise BadOutput("the finished video lacks pictures or sound", path=str(video))
    loudness = measure_loudness(video)
    pictures_s = media.video.frames / picture.fps
    apart_s = abs(pictures_s - media.audio.duration_s)
    seam = seam_ssim(video)
    shape = f"{media.video.width}x{media.video.height}"
    coded = f"{media.video.codec} {media.video.profile} {media.video.pixel_format}".lower()
    checks = (
        Check(
            "final.size",
            shape,
            f"{picture.width}x{picture.height}",
            passed=shape == f"{picture.width}x{picture.height}",
        ),
        Check("final.codec", coded, "h264 high yuv420p", passed=coded == "h264 high yuv420p"),
        Check("final.pixel_shape", str(media.video.sar), "1", passed=media.video.sar == 1),
        Check(
            "final.rate", media.video.fps, f"{picture.fps}, constant", "fps", abs(media.video.fps - picture.fps) < 0.01
        ),
        Check(
            "final.sound", f"{media.audio.codec} {media.audio.rate_hz}", "aac 48000", "Hz", media.audio.rate_hz == 48000
        ),
        Check("final.ends_together", round(apart_s, 4), f"<= {1 / picture.fps:.4f}", "s", apart_s <= 1 / picture.fps),
        Check("final.index_first", str(is_index_first(video)), "True", passed=is_index_first(video)),
        Check(
            "final.loudness",
            loudness.integrated_lufs,
            f"{options.loudness_lufs:g} ± 1",
            "LUFS",
            abs(loudness.integrated_lufs - options.loudness_lufs) <= 1,
        ),
        Check("final.true_peak", loudness.true_peak_dbtp, "<= -1", "dBTP", loudness.true_peak_dbtp <= -1),
        Check("final.loop_seam", seam, f">= {LEAST_SEAM_SSIM}", "SSIM", seam >= LEAST_SEAM_SSIM),
    )
    failed = [check for check in checks if not check.passed]
    if failed:
        words = "; ".join(
            f"{one.name} is {one.measured} {one.unit}".strip() + f", not {one.expected}" for one in failed
        )
        raise BadOutput(f"the finished video is not as it should be: {words}")
    data = {
        "duration_s": round(pictures_s, 3),
        "loudness_lufs": loudness.integrated_lufs,
        "true_peak_dbtp": loudness.true_peak_dbtp,
        "seam_ssim": seam,
        "size_bytes": video.stat().st_size,
    }
    return data, checks


def seam_ssim(video: Path) -> float:
    """Return how alike the last and the first frame are, 1 for the same.

    The first frame's card has not faded in yet, so nothing but the loop is compared.
    """
    first = ffmpeg.frame_at(video, 0.0)
    last = ffmpeg.last_frame(video)
    return round(ssim(_grey(first), _grey(last)), 4)


def _grey(image: ffmpeg.Image) -> np.ndarray:
    small = cv2.resize(image, (270, 480), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), dtype=np.float64)


def ssim(one: np.ndarray, other: np.ndarray) -> float:
    """Return the mean structural similarity of two grey pictures, 0..255.

    Source: Wang, Bovik, Sheikh and Simoncelli, 2004; Gaussian window of 11 pixels, sigma 1.5.
    """

    def blur(image: np.ndarray) -> np.ndarray:
        return np.asarray(cv2.GaussianBlur(image, (11, 11), 1.5))

    mean_one, mean_other = blur(one), blur(other)
    spread_one = blur(one * one) - mean_one**2
    spread_other = blur(other * other) - mean_other**2
    shared = blur(one * other) - mean_one * mean_other
    light, contrast = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    above = (2 * mean_one * mean_other + light) * (2 * shared + contrast)
    below = (mean_one**2 + mean_other**2 + light) * (spread_one + spread_other + contrast)
    return float((above / below).mean())


def is_index_first(video: Path) -> bool:
    """Tell whether an MP4's index (`moov`) stands before its data (`mdat`), so that it plays while it arrives."""
    with video.open("rb") as file:
        while len(header := file.read(8)) == 8:
            size, kind = struct.unpack(">I4s", header)
            if kind in (b"moov", b"mdat"):
                return bool(kind == b"moov")
            if size == 1:
                size = struct.unpack(">Q", file.read(8))[0] - 8
            if size < 8:
                return False
            file.seek(size - 8, 1)
    return False
