"""What is seen and heard where the video ends and begins again: platforms play a short as a loop.

Both seams are measured on the finished file, beside what is usual within it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from steps.base import Check
from steps.checks import at_least, at_most
from steps.external import media
from steps.external.media import Samples

RATE_HZ = 48_000

_SIZE = (270, 480)  # of the copies that are compared
_SEAM_SLACK = 0.02  # SSIM below the least of neighbouring frames that still passes for one more frame
_NEIGHBOURS = 5  # frames at each end that say what is usual
_MOST_CLICK = 4.0  # times the usual largest step from sample to sample
_QUIET = 0.003  # a step below this is no click, however quiet the rest: -50 dBFS
_MOST_LEVEL_JUMP_DB = 9.0  # between the last and the first half second, where both are music
_MOST_GAP_S = 0.06

Grey = NDArray[np.float32]


@dataclass(frozen=True)
class SoundSeam:
    """What is heard at the seam."""

    step: float  # from the last sample to the first one, full scale 1
    usual_step: float  # the 99.9th percentile of steps near the seam
    jump_db: float  # level of the first half second against the last one; 0 where either is silent
    gap_s: float  # digital silence around the seam

    def checks(self) -> tuple[Check, Check, Check]:
        """Return what to expect of a seam that nobody hears."""
        click = 0.0 if self.step <= _QUIET else self.step / max(self.usual_step, 1e-6)
        return (
            at_most("final.sound_seam_click", click, _MOST_CLICK, unit="usual steps"),
            at_most("final.sound_seam_jump", abs(self.jump_db), _MOST_LEVEL_JUMP_DB, unit="dB"),
            at_most("final.sound_seam_gap", self.gap_s, _MOST_GAP_S, unit="s"),
        )


def sound_seam(samples: Samples, *, video_s: float) -> SoundSeam:
    """Measure the sound where it begins again after the pictures' end.

    Args:
        samples: All of it, mono, at RATE_HZ.
        video_s: How long the pictures are; the sound ends a little before them.
    """
    half, near = RATE_HZ // 2, RATE_HZ // 10
    loop = np.concatenate([samples, np.zeros(max(0, round(video_s * RATE_HZ) - samples.size), np.float32)])
    around = np.concatenate([loop[-half:], loop[:half]])
    seam = min(half, loop.size)
    steps = np.abs(np.diff(around))
    heard = np.flatnonzero(np.abs(around) > 1e-4)
    before, after = heard[heard < seam], heard[heard >= seam]
    gap = int(after[0] - before[-1]) - 1 if before.size and after.size else 0
    # Where sound breaks off and where it sets in again, whichever is steeper.
    at = [int(before[-1]) if before.size else seam - 1, int(after[0]) - 1 if after.size else seam - 1]
    step = max(float(steps[min(max(one, 0), steps.size - 1)]) for one in at)
    inside = np.concatenate([np.abs(np.diff(loop[-half:-near])), np.abs(np.diff(loop[near:half]))])
    usual = float(np.percentile(inside, 99.9)) if inside.size else 0.0
    levels = [_level_db(part) for part in (loop[-half:], loop[:half])]
    jump = levels[1] - levels[0] if min(levels) > -60 else 0.0
    return SoundSeam(step, usual, jump, gap / RATE_HZ)


def seam_ssim(video: Path, *, duration_s: float, fps: int) -> tuple[float, float]:
    """Return how alike the last and the first frame are, and how alike neighbouring frames at both ends are at least.

    Both as SSIM, 1 for the same picture; of the neighbours the 5th percentile. The card has not come yet in the frames
    that are looked at, so nothing but the loop is compared.
    """
    head = [grey(image) for image in media.small_frames(video, _SIZE, begin_s=0.0, end_s=_NEIGHBOURS / fps)]
    tail_s = max(0.0, duration_s - (_NEIGHBOURS + 0.5) / fps)
    tail = [grey(image) for image in media.small_frames(video, _SIZE, begin_s=tail_s)]
    usual = [ssim(one, other) for end in (head, tail) for one, other in pairwise(end)]
    return ssim(tail[-1], head[0]), float(np.percentile(usual, 5)) if usual else 1.0


def seam_check(seam: float, usual: float) -> Check:
    """Return whether the seam passes for one more frame."""
    return at_least("final.loop_seam", seam, usual - _SEAM_SLACK, unit="SSIM")


def ssim(one: Grey, other: Grey) -> float:
    """Return the mean structural similarity of two grey pictures, 0..255.

    Source: Wang, Bovik, Sheikh and Simoncelli, 2004; Gaussian window of 11 pixels, sigma 1.5.
    """

    def blur(image: Grey) -> Grey:
        return np.asarray(cv2.GaussianBlur(image, (11, 11), 1.5), dtype=np.float32)

    mean_one, mean_other = blur(one), blur(other)
    spread_one = blur(one * one) - mean_one**2
    spread_other = blur(other * other) - mean_other**2
    shared = blur(one * other) - mean_one * mean_other
    light, contrast = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    above = (2 * mean_one * mean_other + light) * (2 * shared + contrast)
    below = (mean_one**2 + mean_other**2 + light) * (spread_one + spread_other + contrast)
    return float((above / below).mean())


def grey(image: media.Image) -> Grey:
    """Return the luma of a picture, small."""
    small = image if image.shape[:2] == _SIZE[::-1] else cv2.resize(image, _SIZE, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), dtype=np.float32)


def _level_db(samples: Samples) -> float:
    return float(20 * np.log10(np.sqrt(np.mean(samples.astype(np.float64) ** 2)) + 1e-9))
