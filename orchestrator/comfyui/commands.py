"""Running a program of this machine to its end, with a limit, and what to say when it fails.

Of its own, because the ways to restart (here and over SSH) share how a failed command is told.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from orchestrator.comfyui.errors import RestartFailed

LONGEST_OUTPUT_BYTES = 8 * 1024 * 1024
"""A program that prints for ever must not fill the disk before its time is up."""
LOOK_EVERY_S = 0.05

_SUDO = (
    "sudo asks for a password there: allow exactly this command without one, with a sudoers line as in "
    "docs/operations.md"
)
_ADVICE: tuple[tuple[tuple[str, ...], str], ...] = (
    (("a password is required", "a terminal is required", "no tty present", "askpass"), _SUDO),
    (
        ("is not allowed to", "may not run", "is not in the sudoers file"),
        "sudo does not allow this command: its line in sudoers must name it word for word (docs/operations.md)",
    ),
    (
        ("interactive authentication required", "access denied", "failed to connect to bus"),
        "systemctl needs root: put `sudo -n` before it, with a sudoers line as in docs/operations.md",
    ),
    (
        ("unit not found", ".service not found", "could not be found", "no files found for", "not loaded"),
        "there is no such systemd unit: see what is there with `systemctl list-units 'comfyui@*'`",
    ),
    (
        ("account is currently not available", "account is not available"),
        "the account has no shell there: give it one with `chsh -s /bin/sh`",
    ),
    (("command not found", ": not found"), "that program is not installed there, or not on the account's PATH"),
)


def run_command(argv: Sequence[str], *, timeout_s: float, cwd: Path | None = None) -> None:
    """Run a program of this machine to its end, in a process group of its own.

    Only the program itself is waited for: a server that it leaves in the background may go on holding its output,
    which goes to a file that has no name, not to us.

    Raises:
        RestartFailed: it is not there, exits with another code than 0, or runs for too long; carries its last words.
    """
    shown = shlex.join(argv)
    if not argv:
        raise RestartFailed("the restart command is empty")
    with tempfile.TemporaryFile("a+b", buffering=0) as output:
        try:
            process = subprocess.Popen(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=cwd,
            )
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise RestartFailed(f"`{shown}` cannot be run: {reason}") from error
        try:
            has_ended = _await_end(process, output, timeout_s=timeout_s)
        except BaseException:
            _kill_group(process)
            raise
        if not has_ended:
            _kill_group(process)
            raise RestartFailed(f"`{shown}` had not ended after {timeout_s:g} s and was stopped{_end_of(output)}")
        raise_for_code(process.returncode, f"`{shown}`", _tail(output))


def _await_end(process: subprocess.Popen[bytes], output: IO[bytes], *, timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while True:
        left_s = deadline - time.monotonic()
        try:
            process.wait(max(0.0, min(LOOK_EVERY_S, left_s)))
        except subprocess.TimeoutExpired:
            if left_s <= 0:
                return False
        else:
            return True
        if os.fstat(output.fileno()).st_size > LONGEST_OUTPUT_BYTES:
            last = _tail(output)
            os.ftruncate(output.fileno(), 0)  # it is opened for appending, so the program goes on at the beginning
            os.write(output.fileno(), last)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _tail(output: IO[bytes]) -> bytes:
    size = os.fstat(output.fileno()).st_size
    return os.pread(output.fileno(), 4000, max(0, size - 4000))


def _end_of(output: IO[bytes]) -> str:
    return last_words(_tail(output))


def raise_for_code(code: int, shown: str, output: bytes) -> None:
    """Raise for a program that did not end with 0, with its last words and what the operator can do.

    Args:
        code: Its exit code; negative: the signal that ended it.
        shown: How to name it in the message.
        output: What it printed.

    Raises:
        RestartFailed: the code is not 0.
    """
    if code == 0:
        return
    ending = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
    # `sudo -l` says nothing at all of a command that it does not allow.
    advice = advice_on(output) or (_SUDO if "sudo -n -l " in shown and not output.strip() else "")
    message = f"{shown} {ending}{last_words(output)}" + (f". {advice[0].upper()}{advice[1:]}" if advice else "")
    raise RestartFailed(message, exit_code=code)


def advice_on(output: bytes) -> str:
    """Return what the operator can do about what sudo, systemctl or the shell said; empty where it is not known."""
    said = output[-4000:].decode("utf-8", errors="replace").lower()
    return next((advice for marks, advice in _ADVICE if any(mark in said for mark in marks)), "")


def last_words(output: bytes) -> str:
    """Return the end of a program's output for a message; empty where it said nothing."""
    text = " / ".join(output[-2000:].decode("utf-8", errors="replace").strip().splitlines()[-3:])
    clean = "".join(char if char.isprintable() else " " for char in text)[-300:]
    return f": {clean}" if clean else ""
