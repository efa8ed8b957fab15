"""Judging what came back from a card: is the file what it claims to be?

Each function looks at one file and returns what it measured as `Check` records, passed or not; `refuse_failed` turns
the failed ones into the one error that asks for another seed. The limits are wide: they are there for outputs that no
person would accept, such as black, frozen or silent ones, and leave taste to the morning review.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steps import footage, waveform
from steps.base import Check
from steps.errors import BadOutput
from steps.external.ffmpeg import Image, Samples, probe, read_samples

LOWEST_BRIGHTEST = 14.0  # level of the brightest hundredth; a black frame has 0, or 16 in limited range
LOWEST_VARIETY = 3.0  # standard deviation of the luma in levels; one colour has 0
LOWEST_TRAVEL = 9.0  # levels between a spot and itself in the first frame; compression alone makes 2, at worst 7
LOWEST_LEVEL_DBFS = -45.0
DURATION_TOLERANCE_S = 0.05  # a codec's padding
FPS_TOLERANCE = 0.02
MEASURING_RATE_HZ = 16_000


@dataclass(frozen=True)
class Expected:
    """What a file must be like. None: nothing is asked."""

    width: int | None = None
    height: int | None = None
    frames: int | None = None
    fps: float | None = None
    min_duration_s: float | None = None
    max_duration_s: float | None = None
    moving: bool = True


@dataclass(frozen=True)
class Looked:
    """What was found in a file: the checks, the data for later steps, and what was read, for a closer look."""

    checks: tuple[Check, ...]
    data: Mapping[str, Any]
    picture: Image | None = None
    clip: footage.Footage | None = None
    samples: Samples | None = None  # at `MEASURING_RATE_HZ`


def look(media: str, path: Path, expected: Expected, *, name: str, regions: Mapping[str, footage.Box]) -> Looked:
    """Measure a file of a kind: image, audio or video.

    Args:
        media: The kind.
        path: The file.
        expected: What it must be like.
        name: First part of the checks' names.
        regions: Parts of a video to keep copies of.

    Raises:
        BadOutput: it is not a readable file of that kind.
    """
    if media == "image":
        return look_at_image(path, expected, name=name)
    if media == "audio":
        return listen(path, expected, name=name)
    return look_at_video(path, expected, name=name, regions=regions)


def look_at_image(path: Path, expected: Expected, *, name: str) -> Looked:
    """Measure a picture: size, neither black nor of one colour."""
    picture = footage.read_picture(path)
    height, width = picture.shape[:2]
    checks = [*_size(name, width, height, expected), *_substance(name, [picture])]
    return Looked(tuple(checks), {"width": width, "height": height}, picture=picture)


def listen(path: Path, expected: Expected, *, name: str) -> Looked:
    """Measure a sound: duration, not silent."""
    samples = read_samples(path, rate_hz=MEASURING_RATE_HZ)
    sounding = waveform.measure(samples, MEASURING_RATE_HZ)
    checks = [*_duration(name, sounding.duration_s, expected), *_level(name, sounding.level_dbfs)]
    return Looked(tuple(checks), {"duration_s": round(sounding.duration_s, 4)}, samples=samples)


def look_at_video(path: Path, expected: Expected, *, name: str, regions: Mapping[str, footage.Box]) -> Looked:
    """Measure a clip: size, frames, rate, duration, no black or one-coloured frame, motion."""
    media = probe(path)
    if media.video is None:
        raise BadOutput(f"{path.name} has no pictures", path=str(path))
    video = media.video
    clip = footage.watch(path, regions=regions)
    duration_s = video.frames / video.fps if video.fps else video.duration_s
    checks = [
        *_size(name, video.width, video.height, expected),
        *_equal(f"{name}.frames", video.frames, expected.frames),
        *_equal(f"{name}.fps", round(video.fps, 3), expected.fps, tolerance=FPS_TOLERANCE),
        *_duration(name, duration_s, expected),
        *_substance(name, clip.small),
    ]
    if expected.moving:
        checks.append(at_least(f"{name}.motion", footage.travel(clip.small), LOWEST_TRAVEL, unit="levels"))
    data = {"frames": video.frames, "fps": video.fps, "duration_s": round(duration_s, 4)}
    return Looked(tuple(checks), data, clip=clip)


def at_least(name: str, measured: float, least: float, *, unit: str = "") -> Check:
    """Return a check that passes from a value on."""
    return Check(name, round(measured, 3), f">= {round(least, 3):g}", unit, passed=measured >= least)


def at_most(name: str, measured: float, most: float, *, unit: str = "") -> Check:
    """Return a check that passes up to a value."""
    return Check(name, round(measured, 3), f"<= {most:g}", unit, passed=measured <= most)


def between(name: str, measured: float, least: float, most: float, *, unit: str = "") -> Check:
    """Return a check that passes within a range."""
    return Check(name, round(measured, 3), f"{least:g} to {most:g}", unit, passed=least <= measured <= most)


def refuse_failed(checks: Iterable[Check], *, what: str) -> None:
    """Raise BadOutput naming every check that did not pass, with what was found and expected."""
    failed = [check for check in checks if not check.passed]
    if failed:
        told = "; ".join(f"{c.name} is {c.measured}{' ' + c.unit if c.unit else ''}, not {c.expected}" for c in failed)
        raise BadOutput(f"{what} is not good enough: {told}", **{check.name: check.measured for check in failed})


def _equal(name: str, measured: float, wanted: float | None, *, tolerance: float = 0.0) -> list[Check]:
    if wanted is None:
        return []
    return [Check(name, measured, f"{wanted:g}", passed=abs(measured - wanted) <= tolerance)]


def _size(name: str, width: int, height: int, expected: Expected) -> list[Check]:
    if expected.width is None and expected.height is None:
        return []
    wanted = (expected.width or width, expected.height or height)
    passed = (width, height) == wanted
    return [Check(f"{name}.size", f"{width}x{height}", f"{wanted[0]}x{wanted[1]}", "px", passed=passed)]


def _substance(name: str, pictures: Iterable[Image]) -> list[Check]:
    """Check the darkest and the flattest of some pictures: one black frame in a clip is one too many."""
    small = [footage.shrink(picture) for picture in pictures]
    return [
        at_least(f"{name}.brightest", min(map(footage.brightest, small)), LOWEST_BRIGHTEST, unit="levels"),
        at_least(f"{name}.variety", min(map(footage.variety, small)), LOWEST_VARIETY, unit="levels"),
    ]


def _duration(name: str, duration_s: float, expected: Expected) -> list[Check]:
    checks = []
    if expected.min_duration_s is not None:
        least = expected.min_duration_s - DURATION_TOLERANCE_S
        passed = duration_s >= least
        checks.append(Check(f"{name}.duration", round(duration_s, 3), f">= {expected.min_duration_s:g}", "s", passed))
    if expected.max_duration_s is not None:
        passed = duration_s <= expected.max_duration_s + DURATION_TOLERANCE_S
        checks.append(Check(f"{name}.length", round(duration_s, 3), f"<= {expected.max_duration_s:g}", "s", passed))
    return checks


def _level(name: str, level_dbfs: float) -> list[Check]:
    return [at_least(f"{name}.level", level_dbfs, LOWEST_LEVEL_DBFS, unit="dBFS")]
