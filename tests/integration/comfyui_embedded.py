"""Embedded servers as processes of a test: started, asked to misbehave, killed, started again at the same port."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests


@dataclass
class Embedded:
    """One server process."""

    folder: Path
    arguments: tuple[str, ...] = ()
    url: str = ""
    process: subprocess.Popen[bytes] | None = None
    is_damaged: bool = False  # alive, but of no use to the next test

    def start(self) -> None:
        """Start it, at the same port as before if it had one; block until it answers."""
        port = self.url.rpartition(":")[2] or "0"
        command = [sys.executable, "-m", "orchestrator.embedded", "--port", port, "--directory", str(self.folder)]
        log = (self.folder / "log.txt").open("ab")
        with log:
            self.process = subprocess.Popen(
                [*command, "--idle-exit-s", "120", *self.arguments], stdout=subprocess.PIPE, stderr=log
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline().decode()
        assert line.startswith("ready "), (self.folder / "log.txt").read_text()
        self.url = line.split()[1]

    def kill(self) -> None:
        """End it as a crash does."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def again(self) -> None:
        """Kill it if it lives, and start it anew."""
        self.kill()
        self.start()
        self.is_damaged = False

    def misbehave(self, kind: str, **facts: Any) -> None:
        """Ask for a fault; see orchestrator/embedded/faults.py."""
        answer = requests.post(f"{self.url}/nightreel/faults", json={"kind": kind, **facts}, timeout=5)
        answer.raise_for_status()

    def behave(self) -> None:
        """Take all faults back."""
        requests.delete(f"{self.url}/nightreel/faults", timeout=5).raise_for_status()


@contextlib.contextmanager
def embedded(folder: Path, *arguments: str) -> Iterator[Embedded]:
    """Run a server for as long as the block lasts."""
    server = Embedded(folder, arguments)
    server.start()
    try:
        yield server
    finally:
        server.kill()
