"""A small process between Nightreel and a server of its own, so that no server outlives it for long.

It starts the server, passes a SIGTERM on, and ends the server with everything that it has started: when it is told to,
when the server's own process has ended, and when the Nightreel that owns it is gone (killed, or the machine ran out of
memory) and no other has taken it over within a while. Whose it is stands in a file: a process id and that process's
start time. Run by path, with the standard library only: it must start at once and never fail for a broken environment.

Source of the process calls: prctl(2), PR_SET_PDEATHSIG and PR_SET_CHILD_SUBREAPER; proc(5), fields of /proc/PID/stat.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

LOOK_EVERY_S = 0.1
STOP_PATIENCE_S = 4.0
"""Seconds between asking and insisting: less than the one who asks the keeper has."""
KILL_PATIENCE_S = 5.0
_DEATH_SIGNAL, _SUBREAPER = 1, 36

# Between fork and exec only the child itself can ask for it; a `preexec_fn` is safe here, as there is one thread.
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def born(pid: int) -> str:
    """Return the kernel's start time of a process in clock ticks, or "" when there is none, or only its remains."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]


def mark(owner: Path) -> None:
    """Write down that this process owns a server. The file is replaced whole."""
    beside = owner.with_name(f"{owner.name}.{os.getpid()}")
    beside.write_text(f"{os.getpid()} {born(os.getpid())}")
    beside.replace(owner)


def is_owned(owner: Path) -> bool:
    """Tell whether the process that a file names still runs."""
    try:
        pid, _, started = owner.read_text().partition(" ")
        return bool(started) and born(int(pid)) == started
    except (OSError, ValueError):
        return False


def descendants(pid: int) -> set[int]:
    """Return the processes that a process has started, and those have; not itself."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(entry.parent.name)] = int(entry.read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            continue
    found: set[int] = set()
    generation = {pid}
    while generation:
        generation = {child for child, parent in parents.items() if parent in generation} - found
        found |= generation
    return found


def keep(command: Sequence[str], *, owner: Path, linger_s: float, folder: Path | None = None) -> int:
    """Run a server until it ends, or is to end. Blocks; returns its exit code.

    Args:
        command: Program and arguments; never seen by a shell.
        owner: File that names the process that owns it.
        linger_s: Seconds that it may run on when that process is gone.
        folder: Where it runs; here if absent.
    """
    asked: list[int] = []

    def ask(number: int, _frame: FrameType | None) -> None:
        asked.append(number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, ask)
    if _LIBC is not None:
        _LIBC.prctl(_SUBREAPER, 1, 0, 0, 0)  # what outlives its own parent stays ours
    try:
        server = subprocess.Popen(list(command), stdin=subprocess.DEVNULL, cwd=folder, preexec_fn=_die_with_keeper)
    except OSError as error:
        sys.stderr.write(f"{command[0]} cannot be started: {error.strerror or error}\n")
        return 127
    code = _wait(server.pid, owner=owner, linger_s=linger_s, asked=asked)
    _end_all()
    server.returncode = code or 0  # collected here, not by `Popen`
    return server.returncode


def _wait(server: int, *, owner: Path, linger_s: float, asked: Sequence[int]) -> int | None:
    """Block until the server is to end, or has: then its exit code is returned."""
    alone_since: float | None = None
    while not asked:
        code = _collect().get(server)
        if code is not None:
            return code if code >= 0 else 128 - code
        if is_owned(owner):
            alone_since = None
        else:
            alone_since = time.monotonic() if alone_since is None else alone_since
            if time.monotonic() - alone_since >= linger_s:
                sys.stderr.write("nobody owns this server any more: it is ended\n")
                return None
        time.sleep(LOOK_EVERY_S)
    return None


def _die_with_keeper() -> None:
    if _LIBC is not None:
        _LIBC.prctl(_DEATH_SIGNAL, int(signal.SIGKILL), 0, 0, 0)


def _end_all() -> None:
    """End the server and everything that it has started: ask, then insist."""
    for number, patience_s in ((signal.SIGTERM, STOP_PATIENCE_S), (signal.SIGKILL, KILL_PATIENCE_S)):
        _signal(descendants(os.getpid()), number)
        _signal(descendants(os.getpid()), signal.SIGCONT)  # one that was stopped hears nothing else
        until = time.monotonic() + patience_s
        while time.monotonic() < until:
            _collect()
            if not descendants(os.getpid()):
                return
            time.sleep(0.05)


def _collect() -> dict[int, int]:
    """Collect the children that have ended, and those whose own parent has; exit codes by process id."""
    ended: dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if pid == 0:
            return ended
        ended[pid] = os.waitstatus_to_exitcode(status)


def _signal(pids: set[int], number: int) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except OSError:
            continue


def main() -> int:
    """Parse the command line and keep a server."""
    parser = argparse.ArgumentParser(description="Keep a server of Nightreel's own.")
    parser.add_argument("--owner", type=Path, required=True, help="file that names the process that owns it")
    parser.add_argument("--linger-s", type=float, default=0.0, help="seconds that it may outlive that process")
    parser.add_argument("--folder", type=Path, help="where it runs")
    parser.add_argument("command", nargs="+", help="program and arguments, after --")
    told = parser.parse_args()
    return keep(told.command, owner=told.owner, linger_s=told.linger_s, folder=told.folder)


if __name__ == "__main__":
    sys.exit(main())
