"""The machines of a night of chaos, seen from outside Nightreel: cards that die, and whoever restarts them.

One process, with one thread, since it forks: cards, lives of Nightreel and an SSH server are its children. Nightreel
restarts a card by a command (or over SSH), which ends up here and meets the card's next *manner*:

    good   it is killed and started anew         fail   the command fails, nothing happens
    slow   it comes back only after a while      lie    the command succeeds, nothing happens
    gone   it is killed and does not come back   hang   the command does not end
    drop   as `fail`; over SSH the connection is cut
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos import card as card_process
from tests.chaos import ssh as ssh_process
from tests.chaos.ledger import Ledger
from tests.chaos.plan import Plan

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
SLOW_S = 0.4
SCRIPT = """\
#!/bin/sh
# Ask the machine to restart a card, as systemctl would, and wait for its answer.
answer="$1/answer.$2.$$"
mkfifo "$answer" && echo "$2 $answer" > "$1/requests" || exit 3
read -r code words < "$answer"
rm -f "$answer"
echo "$words"
exit "$code"
"""


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def die_with_parent() -> None:
    """Have this process killed as soon as the one that forked it ends."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def fork(act: Callable[[], None], *, name: str, log: Path) -> int:
    """Run a function in a child process that dies with this one. Returns its process id."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        die_with_parent()
        shown = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.dup2(shown, 2)
        act()
        code = 0
    except BaseException:
        with log.open("a") as file:
            file.write(f"{name} ended:\n{traceback.format_exc()}")
    finally:
        os._exit(code)


@dataclass
class Server:
    """One card and its process."""

    number: int
    folder: Path
    host: str
    port: int = 0
    pid: int = 0  # 0: it does not run
    boots: int = 0
    restarts: int = 0
    is_gone: bool = False  # for good
    boots_at: float | None = None  # when it comes back by itself


@dataclass
class World:
    """The machines of one night."""

    plan: Plan
    folder: Path
    servers: list[Server] = field(default_factory=list)
    exits: dict[int, int] = field(default_factory=dict)  # pid -> wait status, of whoever is no card
    helpers: set[int] = field(default_factory=set)  # processes that are to be there
    _held: list[str] = field(default_factory=list)  # answers that are not given while a life lasts
    _waiting: list[tuple[str, str]] = field(default_factory=list)  # answers that nobody reads yet
    is_calm: bool = False  # no more faults
    began: float = field(default_factory=time.monotonic)

    def open(self) -> None:
        """Start the cards and whoever restarts them."""
        _prctl(PR_SET_CHILD_SUBREAPER, 1)
        (self.folder / "restart.sh").write_text(SCRIPT, encoding="utf-8")
        os.mkfifo(self.folder / "requests")
        self._requests = os.open(self.folder / "requests", os.O_RDWR | os.O_NONBLOCK)
        self.ledger = Ledger(self.folder / "ledger.jsonl")
        if self.plan.is_own:
            return
        for number, _ in enumerate(self.plan.cards):
            pid = os.getpid()
            # An address of its own: no other process takes a dead card's port meanwhile.
            host = f"127.{1 + pid // 256 % 250}.{pid % 256}.{1 + number}"
            server = Server(number, self.folder / f"card{number}", host)
            self.servers.append(server)
            self.boot(server)
        if any(one.restart == "ssh" for one in self.plan.cards):
            self.ssh = ssh_process.Keys.make(self.folder, self.plan.ssh)
            pid = fork(lambda: ssh_process.serve(self.ssh, self.folder), name="ssh", log=self.log)
            self.helpers.add(pid)
            self.ssh.await_port()

    @property
    def log(self) -> Path:
        """Where processes of the world say why they ended."""
        return self.folder / "world.log"

    def config_of(self, number: int) -> dict[str, Any]:
        """Return the settings of a card's instance."""
        server, plan = self.servers[number], self.plan.cards[number]
        facts: dict[str, Any] = {"name": f"card{number}", "url": f"http://{server.host}:{server.port}"}
        command = f"sh {self.folder / 'restart.sh'} {self.folder} {number}"
        if plan.restart == "command":
            facts["restart"] = {"command": command, "timeout_s": 0.8}
        elif plan.restart == "ssh":
            facts["restart"] = {"command": command, "timeout_s": 0.8, **self.ssh.config()}
        return facts

    # -- cards --------------------------------------------------------------------------------------------------------

    def boot(self, server: Server) -> None:
        """Start a card and block until it answers."""
        boot = server.boots
        faults = (
            []
            if self.is_calm
            else [facts for card, at, facts in self.plan.faults if card == server.number and at == boot]
        )
        body = card_process.Body(
            server.number, boot, server.folder, server.host, server.port, faults, self.folder / "ledger.jsonl"
        )
        reader, writer = os.pipe()
        server.pid = fork(lambda: card_process.serve(body, writer), name=f"card{server.number}", log=self.log)
        os.close(writer)
        with os.fdopen(reader) as ready:
            line = ready.readline()
        if not line:
            raise RuntimeError(f"card {server.number} did not start; see {self.log}")
        server.port, server.boots, server.boots_at = int(line), boot + 1, None
        self.ledger.note("boot", card=server.number, boot=boot)

    def kill(self, server: Server) -> None:
        """End a card at once."""
        if server.pid:
            os.kill(server.pid, signal.SIGKILL)
            os.waitpid(server.pid, 0)
            self._died(server, why="killed")

    def _died(self, server: Server, *, why: str) -> None:
        server.pid = 0
        self.ledger.note("death", card=server.number, boot=server.boots - 1, why=why)
        plan = self.plan.cards[server.number]
        if server.boots >= plan.boots_most and not self.is_calm:
            server.is_gone = True
        if plan.revives_s is not None and not server.is_gone:
            server.boots_at = time.monotonic() + plan.revives_s

    def calm(self) -> None:
        """End all faults: every card is started anew, with its files as they are and nothing else."""
        self.is_calm = True
        self.ledger.note("calm")
        for server in self.servers:
            self.kill(server)
            server.is_gone = False
            self.boot(server)

    # -- restarts -----------------------------------------------------------------------------------------------------

    def _serve_requests(self) -> None:
        with suppress(BlockingIOError):
            for line in os.read(self._requests, 65536).decode().splitlines():
                number, _, answer = line.partition(" ")
                reply = self._restart(self.servers[int(number)])
                if reply is None:
                    self._held.append(answer)
                else:
                    self._waiting.append((answer, reply))
        still = []
        for answer, reply in self._waiting:
            try:
                pipe = os.open(answer, os.O_WRONLY | os.O_NONBLOCK)
            except FileNotFoundError:
                continue  # whoever asked was killed, and its answer swept away
            except OSError:
                still.append((answer, reply))  # nobody reads yet
                continue
            os.write(pipe, reply.encode())
            os.close(pipe)
        self._waiting = still

    def _restart(self, server: Server) -> str | None:
        """Do what a restart of a card comes to; return the exit code and the words, or None for no answer."""
        manners = self.plan.cards[server.number].manners
        manner = manners[server.restarts] if server.restarts < len(manners) and not self.is_calm else "good"
        server.restarts += 1
        self.ledger.note("restart", card=server.number, manner="gone" if server.is_gone else manner)
        if server.is_gone:
            return "1 Job for comfyui.service failed\n"
        if manner in ("fail", "drop"):
            return "255 no\n" if manner == "drop" else "1 sudo: a password is required\n"
        if manner == "hang":
            return None
        if manner == "lie":
            return "0\n"
        self.kill(server)
        if manner == "gone":
            server.is_gone, server.boots_at = True, None
        elif server.is_gone:
            return "1 Job for comfyui.service failed\n"
        elif manner == "slow":
            server.boots_at = time.monotonic() + SLOW_S
        else:
            self.boot(server)
        return "0\n"

    # -- watching -----------------------------------------------------------------------------------------------------

    def tend(self, pid: int, *, limit_s: float, at: Callable[[float], None] = lambda passed_s: None) -> int | None:
        """Look after the machines until a process ends; return its wait status, or None when it took too long."""
        began = time.monotonic()
        while pid not in self.exits:
            select.select([self._requests], [], [], 0.01)
            self._serve_requests()
            self._reap()
            now = time.monotonic()
            for server in self.servers:
                if server.boots_at is not None and now >= server.boots_at and not server.pid:
                    self.boot(server)
            if pid not in self.exits:  # else its number may be another's by now
                at(now - began)
            if now - began > limit_s:
                return None
        self._release()
        return self.exits[pid]

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            server = next((one for one in self.servers if one.pid == pid), None)
            if server is not None:
                self._died(server, why="fault")
            else:
                self.exits[pid] = status

    def _release(self) -> None:
        """Answer the commands that were left hanging: their machine would end them one day."""
        self._waiting += [(answer, "1 timed out\n") for answer in self._held]
        self._held.clear()
        deadline = time.monotonic() + 0.5
        while self._waiting and time.monotonic() < deadline:
            self._serve_requests()
            time.sleep(0.005)
        self._waiting.clear()

    # -- afterwards ---------------------------------------------------------------------------------------------------

    def strangers(self) -> list[str]:
        """Return the command lines of processes that came from this night and should be gone, after a moment."""
        known = {server.pid for server in self.servers} | self.helpers
        deadline = time.monotonic() + 5
        while True:
            self._reap()
            left = [pid for pid in descendants(os.getpid()) if pid not in known]
            if not left or time.monotonic() > deadline:
                return [words_of(pid) for pid in left]
            time.sleep(0.02)

    def close(self) -> None:
        """End everything that came from this night."""
        self.is_calm = True
        for pid in descendants(os.getpid()):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            while True:
                os.waitpid(-1, 0)


def descendants(root: int) -> list[int]:
    """Return the ids of all processes below one, those that only wait to be collected left out."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            after_name = path.read_text().rpartition(")")[2].split()
            if after_name[0] not in ("Z", "X"):
                parents[int(path.parent.name)] = int(after_name[1])
    return list(_below(root, parents))


def _below(root: int, parents: dict[int, int]) -> Iterator[int]:
    for pid, parent in parents.items():
        if parent == root:
            yield pid
            yield from _below(pid, parents)


def words_of(pid: int) -> str:
    """Return the command line of a process."""
    try:
        return f"{pid}: " + Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return f"{pid}: (gone)"
