"""Running a program of this machine to its end, with a limit, and what to say when it fails.

Of its own, because the ways to restart (here and over SSH) share how a failed command is told.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from orchestrator.comfyui.errors import RestartFailed


def run_command(argv: Sequence[str], *, timeout_s: float, cwd: Path | None = None) -> None:
    """Run a program of this machine to its end, in a process group of its own.

    Raises:
        RestartFailed: it is not there, exits with another code than 0, or runs for too long; carries its last words.
    """
    shown = shlex.join(argv)
    if not argv:
        raise RestartFailed("the restart command is empty")
    try:
        process = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=cwd,
        )
    except OSError as error:
        raise RestartFailed(f"`{shown}` cannot be run: {error.strerror}") from error
    with process:
        try:
            output, _ = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired as error:
            _kill_group(process)
            raise RestartFailed(f"`{shown}` had not ended after {timeout_s:g} s and was stopped") from error
        except BaseException:
            _kill_group(process)
            raise
    if process.returncode != 0:
        words = last_words(output)
        raise RestartFailed(f"`{shown}` ended with exit code {process.returncode}{words}", exit_code=process.returncode)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def last_words(output: bytes) -> str:
    """Return the end of a program's output for a message; empty where it said nothing."""
    text = " / ".join(output[-2000:].decode("utf-8", errors="replace").strip().splitlines()[-3:])
    clean = "".join(char if char.isprintable() else " " for char in text)[-300:]
    return f": {clean}" if clean else ""
