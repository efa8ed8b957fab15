"""The server's process, where it runs on this machine: found, measured, and seen to be gone. Linux only, by /proc.

Everything here may answer None: another machine, a container with processes of its own, another account's process, or
an SSH tunnel whose end here is not the server. Nothing is concluded from that.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

PROC = Path("/proc")
OWN_SERVERS = ("orchestrator.embedded",)
_LISTENING = "0A"  # the kernel's number for the state of a socket that takes connections


@dataclass(frozen=True)
class HostProcess:
    """One process of this machine."""

    pid: int
    born: str  # the kernel's start time in ticks: a pid is used again, the two together are not

    def is_gone(self) -> bool:
        """Tell whether it has ended. A zombie holds no memory any more and counts as gone."""
        return _born(self.pid) != self.born

    def rss_bytes(self) -> int | None:
        """Return how much RAM it holds."""
        for line in _text(PROC / str(self.pid) / "status").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        return None


def process_behind(url: str, argv: Sequence[str]) -> HostProcess | None:
    """Return the process of the server at an address of this machine; None where it cannot be told.

    Args:
        url: Its address.
        argv: Its arguments as /system_stats has them. What listens here must have been started with them: the end of
            a tunnel listens as well, and is not the server.
    """
    parts = urlsplit(url)
    if not _is_here(parts.hostname or ""):
        return None
    port = parts.port or (443 if parts.scheme == "https" else 80)
    inodes = set(_listening_inodes(port))
    started_so = [pid for pid in _pids() if _was_started_with(pid, argv)]
    candidates = [pid for pid in started_so if inodes & set(_sockets_of(pid))]
    if not candidates and len(started_so) == 1 and str(port) in argv:
        candidates = started_so  # another account's: its sockets are hidden, its arguments are not
    if len(candidates) != 1:
        return None
    born = _born(candidates[0])
    return HostProcess(candidates[0], born) if born else None


def committed_share() -> float | None:
    """Return how much memory the processes of this machine were promised, as a share of its RAM and swap."""
    values = {}
    for line in _text(PROC / "meminfo").splitlines():
        name, _, rest = line.partition(":")
        if name in ("MemTotal", "SwapTotal", "Committed_AS"):
            values[name] = int(rest.split()[0])
    there = values.get("MemTotal", 0) + values.get("SwapTotal", 0)
    return values["Committed_AS"] / there if there and "Committed_AS" in values else None


def is_here(url: str) -> bool:
    """Tell whether an address is this machine's own."""
    return _is_here(urlsplit(url).hostname or "")


def _is_here(host: str) -> bool:
    """Tell whether a host is this machine, by whether one of its addresses can be bound; nothing is sent."""
    try:
        found = socket.getaddrinfo(host, 0, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError):
        return False
    for family, kind, _, _, address in found:
        try:
            with socket.socket(family, kind) as probe:
                probe.bind(address)
        except OSError:
            continue
        return True
    return False


def _listening_inodes(port: int) -> Iterator[str]:
    for table in ("tcp", "tcp6"):
        for line in _text(PROC / "net" / table).splitlines()[1:]:
            fields = line.split()
            if len(fields) > 9 and fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]


def _pids() -> Iterator[int]:
    try:
        yield from (int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit())
    except OSError:
        return


def _was_started_with(pid: int, argv: Sequence[str]) -> bool:
    words = _text(PROC / str(pid) / "cmdline").rstrip("\0").split("\0")
    if any(word in OWN_SERVERS for word in words):
        return True
    if not argv or len(words) <= len(argv):
        return False
    script, rest = words[-len(argv)], words[len(words) - len(argv) + 1 :]
    return Path(script).name == Path(argv[0]).name and rest == list(argv[1:])


def _sockets_of(pid: int) -> Iterator[str]:
    try:
        for entry in (PROC / str(pid) / "fd").iterdir():
            target = str(entry.readlink())
            if target.startswith("socket:["):
                yield target[8:-1]
    except OSError:
        return


def _born(pid: int) -> str:
    after_name = _text(PROC / str(pid) / "stat").rpartition(")")[2].split()
    return "" if len(after_name) < 20 or after_name[0] == "Z" else after_name[19]


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
