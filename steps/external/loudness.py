"""How loud a file is, by EBU R 128."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

from steps.errors import InvalidInput
from steps.external import ffmpeg_program
from steps.external.media import probe

SILENCE_LUFS = -70.0
"""What the meter says of silence: nothing passed its absolute gate."""


@dataclass(frozen=True)
class Loudness:
    """What the meter says about one audio stream."""

    integrated_lufs: float  # SILENCE_LUFS for silence
    true_peak_dbtp: float  # -inf for digital silence
    range_lu: float
    threshold_lufs: float = SILENCE_LUFS  # the gate below which it did not count

    @property
    def is_silent(self) -> bool:
        """Whether nothing in it can be heard at a usual level."""
        return self.integrated_lufs <= -60.0


def measure_loudness(path: Path, *, first_s: float | None = None, timeout_s: float = 300.0) -> Loudness:
    """Measure how loud the first audio stream of a file is. Blocks: about 0.1 s for half a minute.

    Args:
        path: Any container FFmpeg can read.
        first_s: Only so much from its beginning; all of it if None.
        timeout_s: Wall-clock seconds before FFmpeg is stopped.

    Returns:
        Integrated loudness, true peak and range, as the meter rounds them: to 0.1.

    Raises:
        InvalidInput: the file has no audio stream.
        BadOutput: the file cannot be read at all.
        ProgramFailed: FFmpeg exited non-zero.

    Source: EBU R 128; FFmpeg's `ebur128` filter with `peak=true`.
    """
    if probe(path).audio is None:
        raise InvalidInput(f"{path.name} has no sound", path=str(path))
    # `file:` keeps a name such as "a:b" or "-x" from being taken for a protocol or a switch.
    part = [] if first_s is None else ["-t", f"{first_s:.3f}"]
    meter = [*part, "-i", f"file:{path.absolute()}", "-map", "0:a:0", "-af", "ebur128=peak=true:framelog=verbose"]
    said = ffmpeg_program.run([*meter, "-f", "null", "-"], cwd=path.parent, timeout_s=timeout_s, say="info").stderr
    summary = said[said.rfind("Summary:") :]
    return Loudness(
        integrated_lufs=_figure(r"\bI:\s*(\S+) LUFS", summary),
        true_peak_dbtp=_figure(r"\bPeak:\s*(\S+) dBFS", summary),
        range_lu=_figure(r"\bLRA:\s*(\S+) LU\b", summary),
        threshold_lufs=_figure(r"\bThreshold:\s*(\S+) LUFS", summary),
    )


def _figure(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    value = float(found[1]) if found else SILENCE_LUFS
    return SILENCE_LUFS if math.isnan(value) else value
