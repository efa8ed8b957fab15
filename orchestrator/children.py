"""Server processes of our own: the embedded engines. Started, adopted after a crash, restarted, stopped.

A child outlives a crash of ours on purpose, so that the prompts in its queue are not lost; it ends by itself when
nobody has asked it anything for a while. Its record (process id, start time, address) is written beside its folder, and
the next night uses it again when the very same process still answers.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import requests

from orchestrator.artifacts import write_whole
from orchestrator.errors import NotReadyError

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class _Record:
    pid: int
    born: str  # the kernel's start time of the process, so that a reused pid is not taken for it
    address: str


class Child:
    """One server process of ours."""

    def __init__(self, name: str, module: str, *, folder: Path, arguments: Sequence[str], probe: str) -> None:
        """Describe it; nothing is started yet.

        Args:
            name: Short and safe for a file name.
            module: What `python -m` runs; it prints `ready URL` when it answers, and takes `--port` and `--host`.
            folder: Its own folder; the log and the record go beside it.
            arguments: Further arguments.
            probe: Path that answers 200 when it is healthy, such as "/system_stats".
        """
        self.name = name
        self.address = ""
        self.adopted = False
        self._module = module
        self._folder = folder
        self._arguments = tuple(arguments)
        self._probe = probe
        self._process: subprocess.Popen[bytes] | None = None
        self._pid = 0

    @property
    def log_path(self) -> Path:
        """Where its output goes."""
        return self._folder.with_suffix(".log")

    def start(self) -> None:
        """Use the one that is still running, or start one. Blocks until it answers.

        Raises:
            NotReadyError: it ended, or did not answer in time; carries the end of its log.
        """
        record = self._read_record()
        if record is not None and _is_alive(record) and self._answers(record.address):
            self.address, self._pid, self.adopted = record.address, record.pid, True
            return
        if record is not None and _is_alive(record):
            _end(record.pid)
        self._spawn(port=0)

    def restart(self) -> None:
        """End the process and start another one at the same address. Blocks until it answers."""
        port = int(self.address.split("//", 1)[1].split("/", 1)[0].rsplit(":", 1)[1])
        self._end_process()
        self._spawn(port=port)

    def stop(self) -> None:
        """End the process and forget its record."""
        self._end_process()
        self._record_path.unlink(missing_ok=True)

    def is_alive(self) -> bool:
        """Tell whether the process runs."""
        if self._process is not None:
            return self._process.poll() is None
        return bool(self._pid and _born(self._pid))

    @property
    def _record_path(self) -> Path:
        return self._folder.with_suffix(".json")

    def _spawn(self, *, port: int) -> None:
        try:
            self._launch(port)
        except OSError as error:
            self._end_process()
            raise NotReadyError(f"{self.name} cannot be started: {error}") from error

    def _launch(self, port: int) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", self._module, "--host", "127.0.0.1", "--port", str(port), *self._arguments]
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # a Ctrl-C in our terminal is for us to answer
                cwd=self._folder,
            )
        self.adopted = False
        self._pid = self._process.pid
        self.address = self._await_ready(self._process)
        born = _born(self._pid)
        write_whole(
            self._record_path,
            json.dumps({"pid": self._pid, "born": born, "address": self.address}).encode(),
        )

    def _await_ready(self, process: subprocess.Popen[bytes]) -> str:
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        deadline = time.monotonic() + START_TIMEOUT_S
        text = b""
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while time.monotonic() < deadline:
                if selector.select(timeout=0.5):
                    chunk = process.stdout.read()
                    if chunk:
                        text += chunk
                    elif chunk == b"":
                        break
                for line in text.decode(errors="replace").splitlines():
                    if line.startswith("ready "):
                        return line.split()[1]
                if process.poll() is not None:
                    break
        process.kill()
        process.wait()
        raise NotReadyError(
            f"{self.name} did not start (exit code {process.returncode}); the end of {self.log_path}:\n{self._tail()}"
        )

    def _end_process(self) -> None:
        if not self._pid:
            return
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()
            self._process = None
        else:
            _end(self._pid)
        self._pid = 0

    def _answers(self, address: str) -> bool:
        try:
            root = address.removesuffix("/v1")
            return requests.get(root + self._probe, timeout=3).status_code == 200
        except requests.RequestException:
            return False

    def _read_record(self) -> _Record | None:
        try:
            loaded = json.loads(self._record_path.read_bytes())
            return _Record(int(loaded["pid"]), str(loaded["born"]), str(loaded["address"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _tail(self) -> str:
        try:
            return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-10:])
        except OSError:
            return "(no log)"


def _born(pid: int) -> str:
    """Return the kernel's start time of a process in clock ticks, or "" when there is none or no /proc."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    after_name = stat.rpartition(")")[2].split()
    return "" if after_name[0] == "Z" else after_name[19]


def _is_alive(record: _Record) -> bool:
    return bool(record.born) and _born(record.pid) == record.born


def _end(pid: int) -> None:
    """End a process that is not our child: ask, then insist."""
    born = _born(pid)
    for signal_number, patience_s in ((signal.SIGTERM, STOP_TIMEOUT_S), (signal.SIGKILL, STOP_TIMEOUT_S)):
        try:
            os.kill(pid, signal_number)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            if _born(pid) != born:
                return
            time.sleep(0.02)
