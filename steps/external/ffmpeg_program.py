"""Find FFmpeg and run it.

Which binary is used, what it must be able to do, the options that every call gets, and the one place where a graph made
with ffmpeg-python becomes an argument list. Nothing else in the project starts FFmpeg or knows its switches' defaults.

Calls run in the job's own folder and name files there by plain names (`stage` links inputs in): a title, a path with a
quote or a colon never reaches an argument or a filter.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from steps.errors import ProgramFailed, ProgramMissing, StepError
from steps.external import process, workload

OLDEST = (5, 1)
"""The oldest release whose filters and switches were tried."""

NEEDED_FILTERS = (
    *("ass", "concat", "ebur128", "framerate", "alimiter", "loudnorm", "lutyuv", "perspective"),
    *("setparams", "sidechaincompress", "xfade"),
)
NEEDED_ENCODERS = ("libx264", "aac", "flac")

_OVERRIDE = "IMAGEIO_FFMPEG_EXE"  # imageio-ffmpeg's own switch, so that one variable moves both
_PROBE_LIMIT_S = 30.0


@dataclass(frozen=True)
class Version:
    """One FFmpeg binary."""

    path: str  # absolute
    text: str  # as it prints it, such as "5.1.9-0+deb12u1"
    number: tuple[int, int]  # (0, 0) for a build without a release number
    missing: tuple[str, ...]  # filters and encoders that we need and it lacks

    @property
    def fits(self) -> bool:
        """Whether the pipeline can use it."""
        return self.number >= OLDEST and not self.missing


def executable() -> str:
    """Return the FFmpeg to use: the one on PATH if it fits, else the one that imageio-ffmpeg carries.

    Raises:
        ProgramMissing: neither can be used.
    """
    return version().path


@functools.cache
def version() -> Version:
    """Return the FFmpeg in use and what it can do. Asked once a process.

    Raises:
        ProgramMissing: none can be used; the message lists what was tried.
    """
    tried: list[str] = []
    for path in _candidates():
        try:
            found = examine(path)
        except StepError as error:
            tried.append(f"{path}: {error}")
            continue
        if found.fits:
            return found
        tried.append(f"{path}: version {found.text}, lacks {', '.join(found.missing) or 'nothing'}")
    raise ProgramMissing(
        "no FFmpeg from 5.1 on with libass and libx264 was found; `pip install imageio-ffmpeg` brings one. Tried: "
        + ("; ".join(tried) or "nothing on PATH"),
        program="ffmpeg",
    )


def examine(path: str) -> Version:
    """Ask one binary for its version and for the filters and encoders that we need. Takes about 50 ms.

    Raises:
        StepError: it does not run, or is not FFmpeg.
    """

    def ask(switch: str) -> str:
        asked = process.run([path, "-hide_banner", switch], cwd=Path.cwd(), timeout_s=_PROBE_LIMIT_S)
        return asked.stdout.decode("utf-8", "replace")

    banner = ask("-version")
    first = re.match(r"ffmpeg version (\S+)", banner)
    if first is None:
        raise ProgramFailed(f"{path} is not FFmpeg: {banner[:80]!r}", program=path)
    filters = set(re.findall(r"^ [A-Z.]{2,3} (\w+)", ask("-filters"), re.MULTILINE))
    encoders = set(re.findall(r"^ [A-Z.]{6} (\w+)", ask("-encoders"), re.MULTILINE))
    missing = [name for name in NEEDED_FILTERS if name not in filters]
    missing += [name for name in NEEDED_ENCODERS if name not in encoders]
    return Version(path=path, text=first[1], number=_number(first[1], banner), missing=tuple(missing))


def run(
    arguments: Sequence[str],
    *,
    cwd: Path,
    timeout_s: float = 1800.0,
    log: Path | None = None,
    stdin: bytes | None = None,
    say: str = "warning",
    length_s: float | None = None,
) -> process.Completed:
    """Run FFmpeg to its end in a job's folder. Blocks; overwrites its outputs.

    Args:
        arguments: All after the program's name; files as plain names inside `cwd`.
        cwd: The job's folder.
        timeout_s: Wall-clock seconds before it is killed.
        log: File that the command and its words are appended to.
        stdin: What it reads from `pipe:0`.
        say: Its log level; "info" where the caller reads measurements from stderr.
        length_s: Seconds of what it makes, where it takes long: then how far it is is told.

    Raises:
        ProgramMissing, ProgramTimedOut, ProgramFailed, DiskFull: see `process.run`.
    """
    if length_s is None:
        return process.run(command(arguments, say=say), cwd=cwd, timeout_s=timeout_s, log=log, stdin=stdin)
    with tempfile.NamedTemporaryFile(dir=cwd, prefix="progress-", suffix=".txt") as told:
        # Among the global options, which come before all files.
        words = command(["-progress", told.name, "-stats_period", "0.5", *arguments], say=say)
        watch = partial(_tell_progress, Path(told.name), length_s)
        return process.run(words, cwd=cwd, timeout_s=timeout_s, log=log, stdin=stdin, watch=watch)


def _tell_progress(path: Path, length_s: float) -> None:
    """Read the last of the blocks that FFmpeg's -progress writes, and tell how far it is.

    Source: `out_time_us` is in microseconds, and N/A before the first frame.
    """
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 2048))
        found = re.findall(rb"^out_time_us=(\d{1,15})$", file.read(), re.MULTILINE)
    if found:
        workload.tell("seconds encoded", int(found[-1]) / 1e6, length_s)


def command(arguments: Sequence[str], *, say: str = "warning") -> list[str]:
    """Return the whole argument list of one call, for those who must start it themselves."""
    quiet = ["-hide_banner", "-nostats", "-loglevel", say, "-y"]
    return [executable(), *quiet, *arguments]


def arguments_of(graph: Any) -> list[str]:
    """Return the arguments (without the program) of an output made with ffmpeg-python.

    The graph comes out as one `-filter_complex` item: a script file would need another switch in each release.
    """
    import ffmpeg

    return [str(item) for item in ffmpeg.get_args(graph)]


def stage(path: Path, *, into: Path, name: str) -> str:
    """Make a file known inside a job's folder by a plain name, as a link, and return that name."""
    link = into / name
    if link.absolute() == path.absolute():
        return name
    try:
        if link.is_symlink():  # of an earlier call; a real file of that name is never removed
            link.unlink()
        link.symlink_to(path.absolute())
    except OSError as error:
        raise process.write_failure(error, path=link) from error
    return name


def _candidates() -> list[str]:
    override = os.environ.get(_OVERRIDE)
    if override:
        return [override]
    found = shutil.which("ffmpeg")
    candidates = [found] if found else []
    try:
        import imageio_ffmpeg

        candidates.append(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError):  # RuntimeError: a wheel without a binary for this machine
        pass
    return candidates


def _number(text: str, banner: str) -> tuple[int, int]:
    release = re.match(r"n?(\d+)\.(\d+)", text)
    if release:
        return int(release[1]), int(release[2])
    # Builds from a branch are called "N-12345-gabcdef"; their libavfilter says how new they are (8.44 came with 5.1).
    library = re.search(r"libavfilter\s+(\d+)\.\s*(\d+)", banner)
    if library and (int(library[1]), int(library[2])) >= (8, 44):
        return OLDEST
    return 0, 0
