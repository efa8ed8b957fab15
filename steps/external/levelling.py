"""One loudness, one sample rate, one channel: every take leaves step 2 alike, so that no later step has to see to it.

FFmpeg's `loudnorm` in two passes. The second pass only raises or lowers the whole (`linear`); where the peaks leave no
room for that the filter would squeeze the speech without a word. So single peaks are rounded off by a limiter first, by
`MOST_LIMITED_DB` at most, which nobody hears in speech; where that is not enough the target is lowered, and said.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

from steps.errors import BadOutput
from steps.external import ffmpeg_program
from steps.external.media import probe

MOST_LIMITED_DB = 8.0
"""Synthetic speech has peaks 18 to 20 dB above its loudness; a target of -16 LUFS with peaks at -2 leaves 14."""

_WIDEST_LU = 50.0  # a range that no speech exceeds: with a narrower target the filter is not linear any more
_TIMEOUT_S = 120.0
_LIMITED_LOWER_DB = 1.3
_MARGIN_DB = 0.1


@dataclass(frozen=True)
class Levels:
    """What the first pass measures."""

    integrated_lufs: float  # -inf for silence
    true_peak_dbtp: float
    range_lu: float
    threshold_lufs: float

    @property
    def is_silent(self) -> bool:
        """Whether nothing passed the meter's gate."""
        return not math.isfinite(self.integrated_lufs) or not math.isfinite(self.true_peak_dbtp)


@dataclass(frozen=True)
class Levelled:
    """What became of a take."""

    path: Path
    gain_db: float
    limited_db: float  # how much the highest peak was rounded off; 0: not at all
    loudness_lufs: float  # below the target where the peaks left no room
    is_linear: bool  # what the filter says it did; False: it squeezed the speech after all


def measure(path: Path, *, work: Path) -> Levels:
    """Measure a file: the first pass. Blocks for about 0.1 s.

    Raises:
        ProgramFailed, ProgramTimedOut: FFmpeg cannot read it, or hangs.
        BadOutput: it has nothing to measure.
    """
    said = _run(
        ["-i", f"file:{path.absolute()}", "-map", "0:a:0", "-af", "loudnorm=print_format=json", "-f", "null", "-"], work
    )
    found = _report(said)
    return Levels(
        integrated_lufs=float(found["input_i"]),
        true_peak_dbtp=float(found["input_tp"]),
        range_lu=float(found["input_lra"]),
        threshold_lufs=float(found["input_thresh"]),
    )


def level(path: Path, out: Path, *, work: Path, lufs: float, peak_dbtp: float, rate_hz: int) -> Levelled:
    """Write a file again as mono FLAC at a loudness and a rate: both passes. Blocks for about 0.3 s.

    The same file gives the same bytes.

    Args:
        path: The take.
        out: The new file; another one.
        work: Folder for what is needed in between.
        lufs: Loudness to reach; a long peak keeps it lower.
        peak_dbtp: True peak that is not passed.
        rate_hz: Sample rate of the new file.

    Raises:
        BadOutput: the take is silent.
        ProgramFailed, ProgramTimedOut, DiskFull: FFmpeg cannot do it.
    """
    mono = work / "mono.wav"
    # Mixed down and resampled first: two equal channels measure 3 dB louder than the mono file that comes of them.
    shape = ["-map", "0:a:0", "-map_metadata", "-1", "-ac", "1", "-ar", str(rate_hz), "-c:a", "pcm_f32le", "-bitexact"]
    _run(["-i", f"file:{path.absolute()}", *shape, f"file:{mono.absolute()}"], work)
    before = measure(mono, work=work)
    if before.is_silent:
        raise BadOutput("the take is silent: there is nothing to level", integrated_lufs=str(before.integrated_lufs))
    room_db = peak_dbtp - before.true_peak_dbtp - _MARGIN_DB
    target = max(-70.0, min(lufs, before.integrated_lufs + room_db + MOST_LIMITED_DB))
    gain_db = target - before.integrated_lufs
    if limited_db := max(0.0, gain_db - room_db):
        mono, before = _limited(mono, gain_db=gain_db, peak_dbtp=peak_dbtp, work=work)
        target = min(target, before.integrated_lufs + peak_dbtp - before.true_peak_dbtp - _MARGIN_DB)
    second = (
        f"loudnorm=I={target:.2f}:TP={peak_dbtp:.2f}:LRA={_WIDEST_LU:g}:linear=true:print_format=json"
        f":measured_I={before.integrated_lufs:.2f}:measured_TP={before.true_peak_dbtp:.2f}"
        f":measured_LRA={before.range_lu:.2f}:measured_thresh={before.threshold_lufs:.2f}"
    )
    kept = ["-c:a", "flac", "-sample_fmt", "s16", "-ar", str(rate_hz), "-bitexact", "-map_metadata", "-1"]
    said = _run(["-i", f"file:{mono.absolute()}", "-af", second, *kept, f"file:{out.absolute()}"], work)
    mono.unlink(missing_ok=True)
    return Levelled(
        path=out,
        gain_db=round(gain_db, 2),
        limited_db=round(limited_db, 2),
        loudness_lufs=round(target, 2),
        is_linear=_report(said).get("normalization_type") == "linear",
    )


def _limited(sound: Path, *, gain_db: float, peak_dbtp: float, work: Path) -> tuple[Path, Levels]:
    """Raise a sound and round off the peaks that would pass the limit.

    A little lower than needed, because limiting takes some of the loudness with it; at four times the rate, because a
    true peak lies between two samples.
    """
    limiter = f"alimiter=limit={10 ** ((peak_dbtp - _LIMITED_LOWER_DB) / 20):.6f}:attack=4:release=60"
    rate_hz = _rate_of(sound)
    chain = f"volume={gain_db:.3f}dB,aresample={rate_hz * 4},{limiter}:level=disabled:latency=1,aresample={rate_hz}"
    out = work / "limited.wav"
    kept = ["-c:a", "pcm_f32le", "-bitexact", f"file:{out.absolute()}"]
    _run(["-i", f"file:{sound.absolute()}", "-af", chain, *kept], work)
    sound.unlink(missing_ok=True)
    return out, measure(out, work=work)


def _rate_of(sound: Path) -> int:
    audio = probe(sound).audio
    return audio.rate_hz if audio is not None else 48_000


def _run(arguments: list[str], work: Path) -> str:
    return ffmpeg_program.run(arguments, cwd=work, timeout_s=_TIMEOUT_S, log=work / "ffmpeg.log", say="info").stderr


def _report(said: str) -> dict[str, str]:
    """Return the filter's last words: a JSON object at the end of what FFmpeg says."""
    try:
        found = json.loads(said[said.rindex("{") : said.rindex("}") + 1])
    except ValueError as error:
        raise BadOutput("FFmpeg's loudness meter said nothing of this take: it has no sound") from error
    return {str(key): str(value) for key, value in found.items()}
