"""Where two clips meet: how far the pictures there are apart in size and colour, and what brings them together.

Each clip comes from another model, and none keeps the colours or quite the size of the picture that it was given. The
clip after a join takes on what the one before has, and goes back to its own within a second; the way back to the
painting does so at its end, because there the painting is right.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from steps.external import media
from steps.external.cut import BLEND_FRAMES, Clip, Match
from steps.external.media import Image

NAMES = ("to_talk", "to_outro", "to_start")

MATCH_S = 1.0  # how long a match takes to wear off
SMALL = (216, 384)  # width and height on which pictures are compared

_MOST_APART = 30.0  # levels: pictures that are further apart do not show the same, and are left alone
_LEAST_ALIKE = 0.9  # correlation of two pictures laid over each other
_MOST_SCALE, _MOST_SHIFT = 0.08, 0.05  # what a model changes; more is another picture
_LEAST_SCALE, _LEAST_SHIFT = 0.0015, 0.001  # less than this nobody sees
_MOST_GAIN, _MOST_OFFSET = 1.25, 28.0
_LEAST_OFFSET, _LEAST_GAIN = 0.4, 0.01
_LEAST_VARIETY = 2.0

# RGB to Y, U and V of 8 bits in the limited range. Source: Rec. ITU-R BT.709, 3.2 to 3.4.
_LUMA = np.array([0.2126, 0.7152, 0.0722])

Planes = NDArray[np.float32]


@dataclass(frozen=True)
class Join:
    """What was measured at one join."""

    name: str
    apart: float  # mean absolute difference of the two pictures in levels, 0 .. 255
    colour: float  # difference of their mean colours, the largest of red, green and blue, in levels
    left: float  # what of `apart` is left when they are matched
    match: Match | None  # None: nothing to do, or nothing that would help

    def as_data(self) -> dict[str, Any]:
        """Return it for the report."""
        figures = {"apart": self.apart, "colour": self.colour, "left": self.left}
        moved = {"scale": self.match.scale, "shift": self.match.shift} if self.match and self.match.moves else {}
        rounded: dict[str, Any] = {name: round(value, 2) for name, value in figures.items()}
        return rounded | {name: [round(value, 4) for value in pair] for name, pair in moved.items()}


def measure(name: str, before: Image, after: Image, *, frames: int) -> Join:
    """Compare the two pictures of a join, and say what lets the second one look like the first.

    Args:
        name: Of the join.
        before: RGB, any size.
        after: RGB; the picture that is to change.
        frames: In which the change wears off.
    """
    one, other = _small(before), _small(after)
    apart = float(np.abs(one - other).mean())
    colour = float(np.abs(one.mean(axis=(0, 1)) - other.mean(axis=(0, 1))).max())
    match = Match(frames)
    laid_over = other
    moved = _registered(one, other)
    if moved is not None:
        scale, shift = moved
        match = replace(match, scale=scale, shift=shift)
        laid_over = _shown(other, match)
    if frames < 2 or float(np.abs(one - laid_over).mean()) > _MOST_APART:
        return Join(name, apart, colour, apart, None)
    planes, wanted = _planes(laid_over), _planes(one)
    found_colours = _colours(wanted, planes)
    if found_colours is not None:
        match = replace(match, gains=found_colours[0], offsets=found_colours[1])
        planes = np.asarray(planes * np.array(match.gains) + np.array(match.offsets), dtype=np.float32)
    if not match.moves and not match.colours:
        return Join(name, apart, colour, apart, None)
    return Join(name, apart, colour, float(np.abs(_rgb(planes) - _rgb(wanted)).mean()), match)


def matched(clips: Sequence[Clip], *, fps: int, last: Mapping[int, Image]) -> tuple[list[Clip], list[Join]]:
    """Return the clips with what brings them together, and what was measured. Blocks: half a second.

    Args:
        clips: In order.
        fps: Of the finished video.
        last: Last pictures that are at hand, by the clip's number; a long clip's takes a while to reach.

    Raises:
        BadOutput: a clip cannot be read.
    """
    ends = [
        (media.frame_at(clip.path, 0.0), last[number] if number in last else media.last_frame(clip.path))
        for number, clip in enumerate(clips)
    ]
    found, joins = list(clips), []
    for number, name in enumerate(NAMES):
        after = (number + 1) % len(clips)
        # The last one is changed at its end: it meets the beginning of the video, which stays as it is.
        changed = number if after == 0 else after
        parts = 2 if changed == len(clips) - 1 else 1
        frames = min(round(MATCH_S * fps), clips[changed].frames // parts - BLEND_FRAMES)
        if after == 0:
            join = measure(name, ends[0][0], ends[number][1], frames=max(0, frames))
            found[changed] = replace(found[changed], tail=join.match)
        else:
            join = measure(name, ends[number][1], ends[after][0], frames=max(0, frames))
            found[changed] = replace(found[changed], head=join.match)
        joins.append(join)
    return found, joins


def steps_at(video: Path, frame: int, *, fps: int) -> tuple[float, float]:
    """Return the largest change of mean colour from one picture to the next at a join, and beside it, in levels.

    Args:
        video: The finished video.
        frame: The first one after the join.
        fps: Its rate.
    """
    reach = BLEND_FRAMES
    begin = max(0, frame - 1 - reach)
    end = frame + BLEND_FRAMES + reach
    pictures = list(media.small_frames(video, SMALL, begin_s=(begin - 0.5) / fps, end_s=(end + 0.5) / fps))
    colours = np.array([picture.mean(axis=(0, 1)) for picture in pictures])
    changes = np.abs(np.diff(colours, axis=0)).max(axis=1)
    at = frame - begin - 1  # changes[at]: from the last picture before the join to the first one after it
    inside = changes[max(0, at) : at + BLEND_FRAMES + 1]
    beside = np.concatenate([changes[: max(0, at)], changes[at + BLEND_FRAMES + 1 :]])
    return float(inside.max(initial=0.0)), float(beside.max(initial=0.0))


def _small(image: Image) -> Planes:
    """Return a copy as the cut shows it: scaled until it fills 9:16, what sticks out cut off; float, 0 .. 255."""
    height, width = image.shape[:2]
    scale = max(SMALL[0] / width, SMALL[1] / height)
    part_width, part_height = min(width, SMALL[0] / scale), min(height, SMALL[1] / scale)
    left, top = round((width - part_width) / 2), round((height - part_height) / 2)
    part = image[top : top + round(part_height), left : left + round(part_width)]
    return np.asarray(cv2.resize(part, SMALL, interpolation=cv2.INTER_AREA), dtype=np.float32)


def _registered(one: Planes, other: Planes) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """Return which part of the second picture lies over the first, as `Match` has it; None: all of it, or unknown."""
    greys = [cv2.cvtColor(np.clip(p, 0, 255).astype(np.uint8), cv2.COLOR_RGB2GRAY) for p in (one, other)]
    warp = np.eye(2, 3, dtype=np.float32)
    ends = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 40, 1e-4)
    try:
        alike, warp = cv2.findTransformECC(greys[0], greys[1], warp, cv2.MOTION_AFFINE, ends, None, 5)
    except cv2.error:  # it did not converge: the pictures have too little in common
        return None
    turned = max(abs(float(warp[0, 1])), abs(float(warp[1, 0])))
    width, height = SMALL
    scale = (float(warp[0, 0]), float(warp[1, 1]))
    middle = warp[:, :2] @ np.array([(width - 1) / 2, (height - 1) / 2]) + warp[:, 2]
    shift = (float(middle[0] - (width - 1) / 2) / width, float(middle[1] - (height - 1) / 2) / height)
    strange = max(abs(s - 1) for s in scale) > _MOST_SCALE or max(map(abs, shift)) > _MOST_SHIFT or turned > 0.02
    nothing = max(abs(s - 1) for s in scale) < _LEAST_SCALE and max(map(abs, shift)) < _LEAST_SHIFT
    if alike < _LEAST_ALIKE or strange or nothing or not math.isfinite(sum((*scale, *shift))):
        return None
    match = Match(1, scale=scale, shift=shift)
    is_nearer = np.abs(one - _shown(other, match)).mean() < np.abs(one - other).mean()
    return (scale, shift) if is_nearer else None


def _shown(image: Planes, match: Match) -> Planes:
    """Return the part of a picture that a match shows at its full strength."""
    width, height = SMALL
    warp = np.array(
        [
            [match.scale[0], 0, (width - 1) / 2 * (1 - match.scale[0]) + match.shift[0] * width],
            [0, match.scale[1], (height - 1) / 2 * (1 - match.scale[1]) + match.shift[1] * height],
        ],
        np.float32,
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(image, warp, SMALL, flags=flags, borderMode=cv2.BORDER_REPLICATE))


def _planes(image: Planes) -> Planes:
    luma = image @ _LUMA
    blue = (image[..., 2] - luma) / 1.8556
    red = (image[..., 0] - luma) / 1.5748
    planes = [16 + luma * 219 / 255, 128 + blue * 224 / 255, 128 + red * 224 / 255]
    return np.stack(planes, axis=2).astype(np.float32)


def _rgb(planes: Planes) -> Planes:
    """Return planes as RGB again."""
    luma = (planes[..., 0] - 16) * 255 / 219
    blue = luma + 1.8556 * (planes[..., 1] - 128) * 255 / 224
    red = luma + 1.5748 * (planes[..., 2] - 128) * 255 / 224
    green = (luma - _LUMA[0] * red - _LUMA[2] * blue) / _LUMA[1]
    return np.asarray(np.clip(np.stack([red, green, blue], axis=2), 0, 255), dtype=np.float32)


def _colours(one: Planes, other: Planes) -> tuple[tuple[float, float, float], tuple[float, float, float]] | None:
    """Return gain and offset of each plane that give the second picture mean and spread of the first; None: it has."""
    gains, offsets, differs = [], [], False
    for plane in range(3):
        wanted, found = one[..., plane], other[..., plane]
        # A plane of hardly any variety has no spread to go by.
        has_variety = min(float(wanted.std()), float(found.std())) > _LEAST_VARIETY
        ratio = float(wanted.std() / found.std()) if has_variety else 1.0
        gain = float(np.clip(ratio, 1 / _MOST_GAIN, _MOST_GAIN))
        lift = float(np.clip(wanted.mean() - found.mean(), -_MOST_OFFSET, _MOST_OFFSET))
        differs |= abs(lift) > _LEAST_OFFSET or abs(gain - 1) > _LEAST_GAIN
        gains.append(gain)
        offsets.append(lift + float(found.mean()) * (1 - gain))
    return ((gains[0], gains[1], gains[2]), (offsets[0], offsets[1], offsets[2])) if differs else None
