"""Run an outside program with limits and a log.

The only module that starts programs. A program gets a process group of its own, so that it and its children can be
stopped together and a Ctrl-C meant for us does not reach it, and it is tied to the thread that started it, so that it
dies with us even when we are killed. What it says is read here once: a full disk is a `DiskFull` whatever the program
calls it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from steps.errors import DiskFull, ProgramFailed, ProgramMissing, ProgramTimedOut, StepError
from steps.external import workload

LOOK_EVERY_S = 0.25
"""How soon a program is ended when the night is stopped at once."""
TAIL_LINES = 12
"""How much of a program's complaint goes into an error message."""

# PR_SET_PDEATHSIG can only be asked for by the child itself. A `preexec_fn` would do it, but forks a threaded process
# (a warning from Python 3.12 on, a deadlock on a bad day); this costs 9 ms. The signal comes when the *thread* that
# started the program ends. A parent that was gone before the call would never be noticed, hence the comparison.
_TETHER = (
    "import ctypes,os,sys\n"
    "ctypes.CDLL(None).prctl(1,9,0,0,0)\n"
    "os.getppid()==int(sys.argv[1]) or os._exit(1)\n"
    "os.execv(sys.argv[2],sys.argv[2:])"
)

_FULL = ("no space left on device", "disk quota exceeded", "file too large")


@dataclass(frozen=True)
class Completed:
    """What a program that ended well left."""

    stdout: bytes
    stderr: str
    elapsed_s: float


def resolve(program: str) -> str:
    """Return the absolute path of a program.

    Raises:
        ProgramMissing: it is neither on PATH nor an executable file.
    """
    found = shutil.which(program)
    if found is None:
        raise ProgramMissing(f"the program {program!r} was not found; install it or put it on PATH", program=program)
    return os.path.abspath(found)


def spawn(
    argv: Sequence[str],
    *,
    cwd: Path,
    stdin: int = subprocess.DEVNULL,
    stdout: int = subprocess.DEVNULL,
    stderr: int = subprocess.DEVNULL,
    env: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program in a group of its own that dies with the calling thread. The caller must `wait` or `stop` it.

    Args:
        argv: Program and arguments; never seen by a shell.
        cwd: Folder to run in.
        stdin: As for `subprocess.Popen`.
        stdout: Likewise.
        stderr: Likewise.
        env: Variables added to ours.

    Raises:
        ProgramMissing: there is no such program.
    """
    command = [resolve(argv[0]), *argv[1:]]
    if sys.platform == "linux":
        command = [sys.executable, "-I", "-S", "-c", _TETHER, str(os.getpid()), *command]
    try:
        return subprocess.Popen(
            command,
            cwd=cwd,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env={**os.environ, **env} if env else None,
            process_group=0,
        )
    except OSError as error:
        raise ProgramFailed(f"{argv[0]} could not be started in {cwd}: {error}", program=argv[0]) from error


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a program and its children, without waiting for their end. May be called from any thread."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Kill a program and its children, collect it and close its pipes. Does nothing to one that was collected."""
    kill(process)
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):  # unsent bytes cannot be flushed to a dead reader
                pipe.close()


def failure(argv: Sequence[str], *, returncode: int, stderr: str, cwd: Path) -> StepError:
    """Return the error that a program's end stands for: DiskFull or ProgramFailed."""
    name = Path(argv[0]).name
    tail = "\n".join(stderr.strip().splitlines()[-TAIL_LINES:])
    # SIGXFSZ: the file size limit of the user (ulimit -f), which is as full as a disk gets.
    if any(sign in stderr.lower() for sign in _FULL) or returncode == -signal.SIGXFSZ or _is_full(cwd):
        return DiskFull(f"{name} found no room to write in {cwd}: free some space there", folder=str(cwd), stderr=tail)
    how = f"was killed by signal {-returncode}" if returncode < 0 else f"failed with exit code {returncode}"
    return ProgramFailed(f"{name} {how}: {tail or 'it said nothing'}", program=name, returncode=returncode, stderr=tail)


def write_failure(error: OSError, *, path: Path) -> StepError:
    """Return the error for a file of ours that could not be written: DiskFull, or a StepError that says why."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return DiskFull(f"no room to write {path}: free some space there", folder=str(path.parent))
    return StepError(f"{path} cannot be written: {error.strerror or error}", path=str(path))


def run(
    argv: Sequence[str],
    *,
    cwd: Path,
    timeout_s: float,
    log: Path | None = None,
    stdin: bytes | None = None,
    env: Mapping[str, str] | None = None,
    watch: Callable[[], None] = lambda: None,
) -> Completed:
    """Run a program to its end. Blocks.

    Args:
        argv: Program and arguments; never seen by a shell.
        cwd: Folder to run in, so that arguments can be plain names.
        timeout_s: Wall-clock seconds before the program and its children are killed; longer on a machine that
            `local.time_limit_factor` says is slow.
        log: File that gets the command, what it wrote to stderr and how it ended, appended.
        stdin: What it reads; nothing if None.
        env: Variables added to ours.
        watch: Called now and then while it runs, to see how far it is.

    Raises:
        ProgramMissing: there is no such program.
        WorkStopped: the night was stopped at once, and the program with it.
        ProgramTimedOut: it ran past its limit and was killed.
        DiskFull: it found no room.
        ProgramFailed: it exited non-zero; carries the last lines of its stderr.
    """
    started = time.monotonic()
    timeout_s *= workload.present().factor
    pipe = subprocess.PIPE
    process = spawn(
        argv, cwd=cwd, stdin=subprocess.DEVNULL if stdin is None else pipe, stdout=pipe, stderr=pipe, env=env
    )
    try:
        stdout, raw = _communicate(process, stdin, until=started + timeout_s, watch=watch)
    except subprocess.TimeoutExpired as error:
        stop(process)
        said = (error.stderr or b"").decode("utf-8", "replace")
        _write_log(log, argv, said, f"killed after {timeout_s:g} s")
        raise ProgramTimedOut(
            f"{Path(argv[0]).name} ran past its limit of {timeout_s:g} s and was stopped", timeout_s=timeout_s
        ) from None
    finally:
        stop(process)  # also on KeyboardInterrupt: nothing of it may live on
    stderr = raw.decode("utf-8", "replace")
    elapsed_s = time.monotonic() - started
    _write_log(log, argv, stderr, f"exit code {process.returncode} after {elapsed_s:.2f} s")
    if process.returncode:
        raise failure(argv, returncode=process.returncode, stderr=stderr, cwd=cwd)
    return Completed(stdout=stdout, stderr=stderr, elapsed_s=elapsed_s)


def _communicate(
    process: subprocess.Popen[bytes], stdin: bytes | None, *, until: float, watch: Callable[[], None]
) -> tuple[bytes, bytes]:
    """Feed a program and read what it says, looking up now and then. Raises subprocess.TimeoutExpired at the limit."""
    pipe, process.stdin = process.stdin, None
    if pipe is not None:
        # `communicate` would forget what it has not sent when it is called again, and the program would wait for it.
        threading.Thread(target=_feed, args=(pipe, stdin or b""), name="feed a program", daemon=True).start()
    while True:
        try:
            return process.communicate(timeout=max(0.0, min(LOOK_EVERY_S, until - time.monotonic())))
        except subprocess.TimeoutExpired:
            if time.monotonic() >= until:
                raise
            workload.go_on()
            watch()


def _feed(pipe: IO[bytes], data: bytes) -> None:
    """Write all that a program reads. Ends when it has it, and when the program is gone."""
    with contextlib.suppress(OSError), pipe:
        pipe.write(data)


def _write_log(log: Path | None, argv: Sequence[str], stderr: str, end: str) -> None:
    if log is None:
        return
    try:
        with log.open("a", encoding="utf-8") as file:
            file.write(f"$ {shlex.join(argv)}\n{stderr.rstrip()}\n[{end}]\n")
    except OSError as error:
        raise write_failure(error, path=log) from error


def _is_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < 64 * 1024  # less than a program's own error leaves behind
    except OSError:
        return False
