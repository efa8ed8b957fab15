"""Whether an instance that was told to restart really is another process now, and is ready.

The same for every way of restarting. A command that exits with 0 has not proved anything yet: it may have named the
wrong unit, or return before the server ends. So four things are waited for: another process answers (its id changed,
it was seen away, its pid changed, or it has forgotten what it knew), its nodes are loaded, the old process is gone, and
the card's memory is back.
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from orchestrator.clock import Clock
from orchestrator.comfyui.client import ComfyClient
from orchestrator.comfyui.errors import AnswerTimedOut, ComfyUIError, NotComfyUI, RestartFailed
from orchestrator.comfyui.hostprocess import HostProcess, process_behind
from orchestrator.comfyui.identity import has_changed, identity
from orchestrator.comfyui.replies import SystemStats

POLL_S = 0.2
SETTLE_S = 15.0
"""A server that goes on answering for so long after the restart was asked for was not restarted."""
LOADING_S = 20.0
"""A server opens its port when its nodes are loaded: what is still missing after so long failed to load."""
ENDING_S = 10.0
"""Seconds for the old process to end after the new one answers."""
MEMORY_S = 30.0
"""Seconds for the card's memory to come back after the new process answers."""
GIB = 1024**3


class Restarter(Protocol):
    """A way to restart one instance."""

    def restart(self) -> None:
        """Ask for the restart. Blocks until it has been carried out or refused, not until the server answers.

        Raises:
            RestartFailed: it could not be asked for, or was refused.
        """


@dataclass(frozen=True)
class Headroom:
    """What the card's memory should be again after a restart."""

    free_bytes: int  # what was free when the instance was greeted first
    needed_bytes: int = 0  # what the coming step needs; with less, the restart counts as failed


@dataclass(frozen=True)
class Expectation:
    """What an instance must be again after a restart, whoever restarts it and why."""

    needed: frozenset[str] = frozenset()  # node classes
    headroom: Headroom | None = None


@dataclass(frozen=True)
class Restarted:
    """How a restart went."""

    seconds: float  # until it was ready
    boot_id: str | None  # of the new process, where it tells one
    missing_bytes: int = 0  # of the card's memory: held by somebody else now, and not by the coming step's need


def restart_and_wait(
    restarter: Restarter,
    client: ComfyClient,
    *,
    timeout_s: float,
    clock: Clock,
    needed: Collection[str] = (),
    finished: Collection[str] = (),
    headroom: Headroom | None = None,
) -> Restarted:
    """Restart an instance and block until another process answers in its place, with its nodes loaded.

    Args:
        restarter: How.
        client: The instance.
        timeout_s: Seconds until it must be ready; the waits for the old process and the card's memory come on top.
        clock: The time.
        needed: Node classes that must be there.
        finished: Prompts that ended on it: one that its history knew and knows no more is a sign of the restart.
        headroom: What the card's memory should be again.

    Raises:
        RestartFailed: the restart was refused, did not happen, the server is not ready in time, its old process stays,
            or the card's memory is held by somebody else and the rest is less than what is needed.
    """
    began = clock.monotonic()
    before = _Before.look(client, finished)
    watch = _DowntimeWatch(client, clock)
    if before.boot_id is None:
        watch.start()  # that it was away may be all there is to see
    try:
        restarter.restart()
        _wait_for_another(client, before=before, watch=watch, clock=clock, deadline=began + timeout_s)
        left_s = max(1.0, began + timeout_s - clock.monotonic())
        wait_until_ready(client, timeout_s=left_s, clock=clock, needed=needed)
    finally:
        watch.stop()
    ready_s = clock.monotonic() - began
    _wait_for_the_end(before.process, clock=clock)
    missing = _wait_for_memory(client, headroom, clock=clock) if headroom is not None else 0
    return Restarted(ready_s, _identity(client), missing)


def wait_until_ready(client: ComfyClient, *, timeout_s: float, clock: Clock, needed: Collection[str] = ()) -> None:
    """Block until a server answers and has the node classes that are needed.

    Raises:
        RestartFailed: not in time; says what was found last.
        NotComfyUI: something else answers there.
    """
    began = clock.monotonic()
    deadline = began + timeout_s
    answered_at: float | None = None
    problem = "it was not asked"
    while True:
        pause_s = POLL_S
        try:
            client.system_stats(read_timeout_s=min(10.0, timeout_s))
            missing = sorted(set(needed) - set(client.object_info())) if needed else []
            if not missing:
                return
            answered_at = answered_at or clock.monotonic()
            deadline = min(deadline, answered_at + LOADING_S)
            problem = (
                f"it answers without the node classes {', '.join(missing[:8])}: the custom nodes that have them failed "
                "to load (see its own log)"
            )
            pause_s = min(2.0, 3 * POLL_S)
        except NotComfyUI:
            raise
        except ComfyUIError as error:
            problem = error.reason
        if clock.monotonic() >= deadline:
            raise RestartFailed(f"{client.url} is not ready after {clock.monotonic() - began:.1f} s: {problem}")
        clock.wait(threading.Event(), pause_s)


@dataclass(frozen=True)
class _Before:
    """What was known of the server before it was told to restart."""

    boot_id: str | None
    process: HostProcess | None
    remembered: str | None  # a prompt that its history knew

    @classmethod
    def look(cls, client: ComfyClient, finished: Collection[str]) -> _Before:
        try:
            stats = client.system_stats(read_timeout_s=5.0)
            process = process_behind(client.url, stats.argv)
            boot_id = identity(client)
            known = None
            if boot_id is None:
                known = next((one for one in list(finished)[-3:] if client.history(one, read_timeout_s=5.0)), None)
            return cls(boot_id, process, known)
        except ComfyUIError:
            return cls(None, None, None)

    def is_another(self, client: ComfyClient) -> bool:
        """Tell whether another process answers now, by what it tells itself and by what is seen here."""
        try:
            if self.boot_id is not None:
                return has_changed(client, self.boot_id)
            stats = client.system_stats(read_timeout_s=5.0)
            if stats.boot_id is not None:
                return True
            if self.process is not None:
                now = process_behind(client.url, stats.argv)
                return now is not None and now != self.process
            return self.remembered is not None and client.history(self.remembered, read_timeout_s=5.0) is None
        except ComfyUIError:
            return False


def _wait_for_another(
    client: ComfyClient, *, before: _Before, watch: _DowntimeWatch, clock: Clock, deadline: float
) -> None:
    """Block until the server is another process than before, as far as can be seen."""
    settled = min(deadline, clock.monotonic() + SETTLE_S)
    while True:
        if before.is_another(client) or (before.boot_id is None and watch.was_down):
            return
        limit = deadline if watch.was_down else settled
        if clock.monotonic() >= limit:
            raise RestartFailed(
                f"the restart was carried out, and {client.url} is still answered by the same process. Check that the "
                "command names the unit behind that address"
                if not watch.was_down
                else f"{client.url} went down and has not come back: see the unit's own log (journalctl -u)",
            )
        if before.boot_id is not None and _is_down(client):
            watch.was_down = True
        clock.wait(threading.Event(), POLL_S)


def _wait_for_the_end(process: HostProcess | None, *, clock: Clock) -> None:
    """Block until the old process is gone, where it can be seen: it may go on holding memory after it lost the port."""
    if process is None:
        return
    deadline = clock.monotonic() + ENDING_S
    while not process.is_gone():
        if clock.monotonic() >= deadline:
            raise RestartFailed(
                f"another process answers, and the old one ({process.pid}) is still there after {ENDING_S:g} s and "
                "holds its memory: end it by hand"
            )
        clock.wait(threading.Event(), POLL_S)


def _wait_for_memory(client: ComfyClient, headroom: Headroom, *, clock: Clock) -> int:
    """Block until the card's memory is back; return how much of it is missing when it does not come back in time."""
    deadline = clock.monotonic() + MEMORY_S
    while True:
        free = free_vram_bytes(client.system_stats(read_timeout_s=10.0))
        if free is None:
            return 0
        total, is_free = free
        missing = headroom.free_bytes - is_free
        if missing <= max(GIB // 2, total // 20):
            return 0
        if clock.monotonic() >= deadline:
            break
        clock.wait(threading.Event(), POLL_S)
    if is_free < headroom.needed_bytes:
        raise RestartFailed(
            f"only {is_free / GIB:.1f} of {total / GIB:.1f} GB of the card's memory are free {MEMORY_S:g} s after the "
            f"restart; {headroom.free_bytes / GIB:.1f} GB were free at first, and {headroom.needed_bytes / GIB:.1f} GB "
            "are needed. See with nvidia-smi which process holds the rest"
        )
    return missing


def free_vram_bytes(stats: SystemStats) -> tuple[int, int] | None:
    """Return (total, free) of the card's memory; None for a server without a card, whose figures are those of RAM."""
    device = stats.devices[0] if stats.devices else None
    if device is None or device.kind == "cpu" or device.vram_total_bytes <= 0:
        return None
    return device.vram_total_bytes, device.vram_free_bytes


class _DowntimeWatch:
    """Notes, in a thread of its own, whether the server was away for a moment while a blocking command restarts it."""

    def __init__(self, client: ComfyClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"downtime {client.url}", daemon=True)
        self.was_down = False

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(1.0)

    def _run(self) -> None:
        while not self._stop.is_set() and not self.was_down:
            self.was_down = _is_down(self._client)
            self._clock.wait(self._stop, POLL_S / 2)


def _identity(client: ComfyClient) -> str | None:
    try:
        return identity(client)
    except ComfyUIError:
        return None


def _is_down(client: ComfyClient) -> bool:
    try:
        client.system_stats(read_timeout_s=5.0)
    except AnswerTimedOut:
        return False  # busy, not gone
    except ComfyUIError:
        return True
    return False
