"""Which H.264 encoder makes the final pictures, and how each is told what we want of it.

A card's encoder costs almost no CPU, but being listed by FFmpeg says nothing: drivers, sessions and rights are missing
more often than not. So it is asked to encode one second, what comes out is read back, and only then it is used. What
was found out holds for as long as the process lives.
"""

from __future__ import annotations

import functools
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steps.errors import DiskFull, StepError
from steps.external import ffmpeg_program
from steps.external.media import packet_times, probe

SOFTWARE = "libx264"
ON_CARDS = ("h264_nvenc", "h264_vaapi")

_TRIAL_LIMIT_S = 30.0
_TAGS = {"colorspace": "bt709", "color_primaries": "bt709", "color_trc": "bt709", "color_range": "tv"}

_failed: dict[str, str] = {}  # encoders that broke in real work, with the reason
_failed_lock = threading.Lock()


@dataclass(frozen=True)
class Picture:
    """What comes out."""

    width: int
    height: int
    fps: int
    preset: str  # of x264
    crf: int
    max_mbps: float = 12.0
    encoder: str = SOFTWARE

    @property
    def described(self) -> str:
        """Return the encoder with its quality, for people."""
        how = f"{self.preset} crf {self.crf}" if self.encoder == SOFTWARE else f"quality {self.crf}"
        return f"{self.encoder} {how}, at most {self.max_mbps:g} Mbit/s"


@dataclass(frozen=True)
class Choice:
    """The encoder to use, and why it is not another."""

    name: str
    passed_over: tuple[str, ...]  # "NAME: reason"


def choose(wanted: str, *, width: int, height: int, fps: int) -> Choice:
    """Return the encoder to use: the one that is wanted, or the first of `auto` that works; libx264 otherwise.

    Blocks: a second for each encoder of a card, once a process.
    """
    candidates = ON_CARDS if wanted == "auto" else (wanted,) if wanted in ON_CARDS else ()
    passed_over: list[str] = []
    for name in candidates:
        with _failed_lock:
            reason = _failed.get(name)
        reason = reason or trial(name, width, height, fps)
        if reason is None:
            return Choice(name, tuple(passed_over))
        passed_over.append(f"{name}: {reason}")
    return Choice(SOFTWARE, tuple(passed_over))


def give_up(name: str, reason: str) -> None:
    """Use an encoder no more in this process: it broke although its probe went well."""
    with _failed_lock:
        _failed[name] = f"it broke at work: {reason}"


@functools.cache
def trial(name: str, width: int, height: int, fps: int) -> str | None:
    """Encode one second with an encoder; return why it cannot be used, or None. Asked once a process."""
    if name == "h264_vaapi" and not _render_nodes():
        return "there is no /dev/dri/renderD*"
    picture = Picture(width, height, fps, "veryfast", 20, encoder=name)
    source = ["-f", "lavfi", "-i", f"testsrc2=s={width}x{height}:r={fps}:d=1"]
    coding = [str(part) for key, value in options(picture).items() for part in (f"-{key}", value)]
    with tempfile.TemporaryDirectory(prefix="nightreel-encoder-") as folder:
        work = Path(folder)
        filters = ["-vf", ",".join(["format=yuv420p", *uploads(name)])]
        try:
            ffmpeg_program.run(
                [*before(name), *source, *filters, *coding, "trial.mp4"], cwd=work, timeout_s=_TRIAL_LIMIT_S
            )
            return _faults(work / "trial.mp4", picture)
        except DiskFull:
            raise
        except StepError as error:
            return _short(error)


def options(picture: Picture) -> dict[str, Any]:
    """Return the output options of a constant quality below a highest rate, closed groups of two seconds, BT.709."""
    kbits = round(picture.max_mbps * 1000)
    common = {
        "maxrate": f"{kbits}k",
        "bufsize": f"{2 * kbits}k",
        "profile:v": "high",
        "g": picture.fps * 2,
        "bf": 2,
        "r": picture.fps,
        "fps_mode": "cfr",
        "map_metadata": -1,
        **_TAGS,
    }
    match picture.encoder:
        case "h264_nvenc":
            own = {"preset": "p5", "tune": "hq", "rc": "vbr", "cq": picture.crf, "b:v": 0, "spatial-aq": 1}
        case "h264_vaapi":
            own = {"rc_mode": "QVBR", "global_quality": picture.crf, "b:v": f"{kbits * 2 // 3}k"}
        case _:
            # 8x8dct: without it, as in the fastest preset, the stream would not be High.
            own = {"preset": picture.preset, "crf": picture.crf, "x264-params": "8x8dct=1", "flags": "+cgop"}
    return {"c:v": picture.encoder, **own, **common}


def uploads(name: str) -> tuple[str, ...]:
    """Return the filters that bring pictures to where an encoder reads them."""
    return ("format=nv12", "hwupload") if name == "h264_vaapi" else ()


def before(name: str) -> tuple[str, ...]:
    """Return the switches that stand before the inputs."""
    return ("-vaapi_device", _render_nodes()[0]) if name == "h264_vaapi" and _render_nodes() else ()


def _render_nodes() -> list[str]:
    return sorted(str(path) for path in Path("/dev/dri").glob("renderD*"))


def _faults(path: Path, picture: Picture) -> str | None:
    """Return what is wrong with a trial, or None."""
    video = probe(path).video
    if video is None:
        return "it made no pictures"
    found = (video.codec, video.profile.lower(), video.pixel_format, video.width, video.height, video.frames)
    wanted = ("h264", "high", "yuv420p", picture.width, picture.height, picture.fps)
    if found != wanted:
        return f"it made {found}, not {wanted}"
    gaps = {round(float(time) * picture.fps, 2) - number for number, time in enumerate(packet_times(path))}
    return None if len(gaps) == 1 else "its pictures do not come at a constant rate"


def _short(error: StepError) -> str:
    """Return the line of FFmpeg's complaint that says most: the first one."""
    said = str(error.facts.get("stderr") or error).strip().splitlines()
    first = said[0] if said else "it failed"
    return first.split("] ", 1)[-1][:160]
