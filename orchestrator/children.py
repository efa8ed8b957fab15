"""Server processes of our own: embedded engines, and ComfyUIs that we start. Started, adopted, restarted, stopped.

A child outlives a crash of ours on purpose, so that the prompts in its queue are not lost; an embedded engine ends by
itself when nobody has asked it anything for a while. Its record (process id, start time, address, what it was started
as) is written beside its folder, and the next night uses it again when the very same process still answers. When it is
stopped, so is everything that it started.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import requests

from orchestrator.artifacts import write_whole
from orchestrator.errors import NotReadyError

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 5.0
PORT_TRIES = 3
LOOK_EVERY_S = 0.1


@dataclass(frozen=True)
class Program:
    """A server program, and how it is known to be ready."""

    command: Callable[[int], Sequence[str]]  # port -> the whole command line
    probe: str  # path that answers 200 when it is healthy, such as "/system_stats"
    announces: bool = True  # it prints `ready URL`, and takes port 0 for any free one
    port: int = 0  # always this one; 0: any free one
    timeout_s: float = START_TIMEOUT_S  # until it is ready
    environment: Mapping[str, str] = field(default_factory=dict)  # beside our own
    identity: str = ""  # a running one of another identity is not adopted, but ended


@dataclass(frozen=True)
class _Record:
    pid: int
    born: str  # the kernel's start time of the process, so that a reused pid is not taken for it
    address: str
    identity: str = ""


class Child:
    """One server process of ours."""

    def __init__(self, name: str, program: Program, *, folder: Path) -> None:
        """Describe it; nothing is started yet.

        Args:
            name: Short and safe for a file name.
            program: What to start.
            folder: Its own folder, in which it runs; the log and the record go beside it.
        """
        self.name = name
        self.address = ""
        self.adopted = False
        self._program = program
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._pid = 0
        self._born = ""  # the kernel's start time of the process

    @property
    def log_path(self) -> Path:
        """Where its output goes."""
        return self._folder.with_name(f"{self._folder.name}.log")

    @property
    def pid(self) -> int:
        """The process id; 0 when none was started."""
        return self._pid

    def start(self) -> None:
        """Use the one that is still running, or start one. Blocks until it answers.

        Raises:
            NotReadyError: it ended, or did not answer in time; carries the end of its log.
        """
        record = self._read_record()
        is_ours = record is not None and record.identity == self._program.identity
        if record is not None and is_ours and _is_alive(record) and self._answers(record.address):
            self.address, self._pid, self._born, self.adopted = record.address, record.pid, record.born, True
            return
        if record is not None and _is_alive(record):
            family = _family(record.pid, record.born)
            _end(record.pid)
            _end_family(family)
        self._spawn(port=self._program.port)

    def restart(self) -> None:
        """End the process and start another one at the same address. Blocks until it answers."""
        port = int(self.address.split("//", 1)[1].split("/", 1)[0].rsplit(":", 1)[1])
        self._end_process()
        self._spawn(port=port)

    def stop(self) -> None:
        """End the process and what it started, and forget its record."""
        self._end_process()
        self._record_path.unlink(missing_ok=True)

    def is_alive(self) -> bool:
        """Tell whether the process runs."""
        if self._process is not None:
            return self._process.poll() is None
        return bool(self._pid and self._born and _born(self._pid) == self._born)

    @property
    def _record_path(self) -> Path:
        return _record_of(self._folder)

    def _spawn(self, *, port: int) -> None:
        try:
            self._launch(port)
        except OSError as error:
            self._end_process()
            raise NotReadyError(f"{self.name} cannot be started: {error}") from error

    def _launch(self, port: int) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        self.adopted = False
        if self._program.announces:
            self._process = self._popen(port)
            self.address = self._await_ready(self._process)
        else:
            self._launch_silent(port)
        self._keep_record()

    def _launch_silent(self, port: int) -> None:
        """Start a program that has to be told its port: one that seems free may be gone a moment later."""
        for last in [*[False] * (PORT_TRIES - 1), True]:
            chosen = port or free_port()
            if _is_taken(chosen):
                raise NotReadyError(f"{self.name}: port {chosen} is taken by another program; give it another `port`")
            self._process = self._popen(chosen)
            self.address = f"http://127.0.0.1:{chosen}"
            self._keep_record()  # before it is ready, which may take minutes: a crash of ours must not lose it
            try:
                self._await_answer(self._process)
            except NotReadyError:
                if port or last or not _is_taken(chosen):
                    raise
            else:
                return

    def _popen(self, port: int) -> subprocess.Popen[bytes]:
        with self.log_path.open("ab") as log:
            process = subprocess.Popen(
                list(self._program.command(port)),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if self._program.announces else log,
                stderr=log,
                start_new_session=True,  # a Ctrl-C in our terminal is for us to answer
                cwd=self._folder,
                env={**os.environ, **self._program.environment},
            )
        self._pid, self._born = process.pid, _born(process.pid)
        return process

    def _keep_record(self) -> None:
        record = {
            "pid": self._pid,
            "born": self._born,
            "address": self.address,
            "identity": self._program.identity,
        }
        write_whole(self._record_path, json.dumps(record).encode())

    def _await_ready(self, process: subprocess.Popen[bytes]) -> str:
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        deadline = time.monotonic() + self._program.timeout_s
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
        raise self._failed_start(process)

    def _await_answer(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + self._program.timeout_s
        while time.monotonic() < deadline and process.poll() is None:
            if self._answers(self.address) and process.poll() is None:
                return
            time.sleep(LOOK_EVERY_S)
        raise self._failed_start(process)

    def _failed_start(self, process: subprocess.Popen[bytes]) -> NotReadyError:
        """End a process that did not become ready, and say so."""
        code = process.poll()
        found = f"was not ready after {self._program.timeout_s:g} s" if code is None else f"ended with exit code {code}"
        self._end_process()
        return NotReadyError(f"{self.name} {found}; the end of {self.log_path}:\n{self._tail()}")

    def _end_process(self) -> None:
        if not self._pid:
            return
        family = _family(self._pid, self._born)
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
        elif _born(self._pid) == self._born:
            _end(self._pid)
        _end_family(family)
        self._pid = 0

    def _answers(self, address: str) -> bool:
        try:
            root = address.removesuffix("/v1")
            return requests.get(root + self._program.probe, timeout=3).status_code == 200
        except requests.RequestException:
            return False

    def _read_record(self) -> _Record | None:
        return _read(self._record_path)

    def _tail(self) -> str:
        try:
            return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-10:])
        except OSError:
            return "(no log)"


def module_program(module: str, arguments: Sequence[str], *, probe: str) -> Program:
    """Return a module of ours as a program: it prints `ready URL`, and takes `--host` and `--port`."""
    return Program(
        lambda port: [sys.executable, "-P", "-m", module, "--host", "127.0.0.1", "--port", str(port), *arguments], probe
    )


def free_port() -> int:
    """Return a port of this machine that nobody listens at, just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _family(pid: int, born: str) -> dict[int, str]:
    """Return the processes that a process has started, and those have, with their start times; not itself.

    What outlived its parent is known by its session, which each of our children leads.
    """
    if _born(pid) not in ("", born):
        return {}  # the number belongs to somebody else now
    parents: dict[int, int] = {}
    found: set[int] = set()
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(entry.parent.name)] = int(fields[1])
        if int(fields[3]) == pid:
            found.add(int(entry.parent.name))
    generation = {pid}
    while generation:
        found |= generation
        generation = {child for child, parent in parents.items() if parent in generation} - found
    return {one: started for one in found - {pid} if (started := _born(one))}


def running_address(folder: Path) -> str | None:
    """Return the address of the process of ours that lives in a folder; None when none runs there."""
    record = _read(_record_of(folder))
    return record.address if record is not None and _is_alive(record) else None


def _record_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.json")


def _read(path: Path) -> _Record | None:
    try:
        loaded = json.loads(path.read_bytes())
        identity = str(loaded.get("identity", ""))
        return _Record(int(loaded["pid"]), str(loaded["born"]), str(loaded["address"]), identity)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


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


def _end_family(family: Mapping[int, str]) -> None:
    """End what a process had started and what still runs of it."""
    for pid, born in family.items():
        if _born(pid) == born:
            _end(pid)


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
