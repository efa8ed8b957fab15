"""Whether an instance that was told to restart really is another process now, and is ready.

The same for every way of restarting. A command that exits with 0 has not proved anything yet: it may have named the
wrong unit, or return before the server ends.
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from orchestrator.clock import Clock
from orchestrator.comfyui.client import ComfyClient
from orchestrator.comfyui.errors import AnswerTimedOut, ComfyUIError, NotComfyUI, RestartFailed

POLL_S = 0.2
SETTLE_S = 15.0
"""A server that goes on answering for so long after the restart was asked for was not restarted."""


class Restarter(Protocol):
    """A way to restart one instance."""

    def restart(self) -> None:
        """Ask for the restart. Blocks until it has been carried out or refused, not until the server answers.

        Raises:
            RestartFailed: it could not be asked for, or was refused.
        """


@dataclass(frozen=True)
class Restarted:
    """How a restart went."""

    seconds: float  # until it was ready
    boot_id: str | None  # of the new process, where it tells one


def restart_and_wait(
    restarter: Restarter, client: ComfyClient, *, timeout_s: float, clock: Clock, needed: Collection[str] = ()
) -> Restarted:
    """Restart an instance and block until another process answers in its place, with its nodes loaded.

    Raises:
        RestartFailed: the restart was refused, did not happen, or the server is not ready in time.
    """
    began = clock.monotonic()
    before = _boot_id(client)
    watch = _DowntimeWatch(client, clock)
    if before is None:
        watch.start()  # a real ComfyUI has no boot id: that it was away is all there is to see
    try:
        restarter.restart()
        _wait_for_another(client, before=before, watch=watch, clock=clock, deadline=began + timeout_s)
        left_s = max(1.0, began + timeout_s - clock.monotonic())
        wait_until_ready(client, timeout_s=left_s, clock=clock, needed=needed)
    finally:
        watch.stop()
    return Restarted(clock.monotonic() - began, _boot_id(client))


def wait_until_ready(client: ComfyClient, *, timeout_s: float, clock: Clock, needed: Collection[str] = ()) -> None:
    """Block until a server answers and has the node classes that are needed.

    Raises:
        RestartFailed: not in time; says what was found last.
        NotComfyUI: something else answers there.
    """
    deadline = clock.monotonic() + timeout_s
    problem = "it was not asked"
    while True:
        try:
            client.system_stats(read_timeout_s=min(10.0, timeout_s))
            missing = sorted(set(needed) - set(client.object_info())) if needed else []
            if not missing:
                return
            problem = f"it answers without the node classes {', '.join(missing[:8])}"
        except NotComfyUI:
            raise
        except ComfyUIError as error:
            problem = error.reason
        if clock.monotonic() >= deadline:
            raise RestartFailed(f"{client.url} is not ready after {timeout_s:g} s: {problem}")
        clock.wait(threading.Event(), POLL_S)


def _wait_for_another(
    client: ComfyClient, *, before: str | None, watch: _DowntimeWatch, clock: Clock, deadline: float
) -> None:
    """Block until the server is another process than before, as far as can be seen."""
    settled = min(deadline, clock.monotonic() + SETTLE_S)
    while True:
        now_id = _boot_id(client)
        if now_id is not None and before is not None and now_id != before:
            return
        if before is None and (watch.was_down or now_id is not None):
            return
        limit = deadline if watch.was_down else settled
        if clock.monotonic() >= limit:
            raise RestartFailed(
                f"the restart was carried out, and {client.url} is still answered by the same process"
                if not watch.was_down
                else f"{client.url} went down and has not come back",
            )
        if before is not None and now_id is None and _is_down(client):
            watch.was_down = True
        clock.wait(threading.Event(), POLL_S)


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


def _boot_id(client: ComfyClient) -> str | None:
    try:
        return client.system_stats(read_timeout_s=5.0).boot_id
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
