"""One instance over a night: submits prompts and waits for them, by events where they come and by polling where not.

It joins the client, the websocket and the poller. Whoever waits for a prompt only reads what those have learnt, so a
wait can be stopped at once even while the server does not answer.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from orchestrator.clock import Clock
from orchestrator.comfyui import salvage
from orchestrator.comfyui.client import ComfyClient
from orchestrator.comfyui.errors import ComfyUIError, Hung, Stopped
from orchestrator.comfyui.events import EventStream
from orchestrator.comfyui.failures import failure_of
from orchestrator.comfyui.messages import Event
from orchestrator.comfyui.pace import STEADY, Pace
from orchestrator.comfyui.progress import Progress, Started
from orchestrator.comfyui.replies import HistoryEntry, Outcome, Place
from orchestrator.comfyui.restart import Headroom, Restarted, Restarter, restart_and_wait
from orchestrator.comfyui.submission import PATIENCE, Accepted, Patience
from orchestrator.comfyui.tracker import Tracker
from orchestrator.comfyui.watch import Board, FixedLimits, StallLimits, Watch
from orchestrator.comfyui.workflow import Workflow
from steps.manifest import OutputSpec

__all__ = ["HistoryEntry", "InstanceSession", "Listener", "Progress", "Started"]

TELL_EVERY_S = 0.1  # progress is told at most so often
STOP_CHECK_S = 0.15  # how soon a stop is noticed
DOWN_AFTER_S = STEADY.down_after_s
NEVER = threading.Event()

Listener = Callable[[Progress | Started], None]


class InstanceSession:
    """One ComfyUI instance. Thread-safe: several threads may submit and wait at the same time."""

    def __init__(
        self,
        name: str,
        url: str,
        *,
        clock: Clock,
        client_id: str = "",
        down_after_s: float | None = None,
        read_timeout_s: float = 30.0,
        pace: Pace = STEADY,
        output_dir: Path | None = None,
    ) -> None:
        """Take note of the instance; nothing is sent before `start`.

        Args:
            name: For messages.
            url: Such as `http://127.0.0.1:8188`.
            clock: Where the time comes from.
            client_id: The same one after a crash brings the events of prompts that still run; by default a new one.
            down_after_s: Seconds without a connection after which waits end with `InstanceDown`; by default the pace's.
            read_timeout_s: Seconds that a submission or transfer waits for an answer.
            pace: How often it is asked, and how long its silences are borne.
            output_dir: Its output folder, where it is on this machine: read while the server is away.

        Raises:
            NotComfyUI: the address is not one.
        """
        self.name = name
        self.output_dir = output_dir
        self._clock = clock
        client_id = client_id or str(uuid.uuid4())
        pace = pace if down_after_s is None else replace(pace, down_after_s=down_after_s)
        self.client = ComfyClient(url, client_id=client_id, clock=clock, read_timeout_s=read_timeout_s, pace=pace)
        self._board = Board(clock)
        self.events = EventStream(
            self.client.http, client_id, deliver=self._take, changed=self._socket_changed, pace=pace
        )
        self._tracker = Tracker(self.client, self._board, socket=self.events, pace=pace)
        self._closed = threading.Event()

    @property
    def url(self) -> str:
        """Return the instance's address."""
        return self.client.url

    @property
    def is_live(self) -> bool:
        """Tell whether events come; without them, polling does the work."""
        return self.events.is_live

    @property
    def boot_id(self) -> str | None:
        """Return the id of the server's process, where it tells one."""
        return self._tracker.boot_id

    def start(self) -> None:
        """Open the socket and the poller in the background. Returns at once, whether or not the server answers."""
        self.events.start()
        self._tracker.start()

    def close(self) -> None:
        """End everything; waits that are still open end with `Stopped`. Prompts on the server are left alone."""
        self._closed.set()
        self.events.close()
        self._tracker.close()
        self.client.close()

    def __enter__(self) -> InstanceSession:
        """Start."""
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        """Close."""
        self.close()

    # -- prompts ------------------------------------------------------------------------------------------------------

    def submit(
        self,
        prompt_id: str,
        graph: Mapping[str, Any],
        *,
        extra_data: Mapping[str, Any] | None = None,
        stop: threading.Event = NEVER,
        patience: Patience = PATIENCE,
    ) -> Accepted:
        """Queue a prompt; see `ComfyClient.submit`. Its events are noted from before it is sent."""
        watch = self._board.add(prompt_id, graph=graph, accepted=False)
        try:
            accepted = self.client.submit(prompt_id, graph, extra_data=extra_data, stop=stop, patience=patience)
        except BaseException as error:
            self._board.remove(prompt_id)
            if isinstance(error, ComfyUIError):
                raise error.about(instance=self.name, prompt_id=prompt_id) from error
            raise
        self._board.accept(watch)
        self._tracker.wake()
        return accepted

    def wait(
        self,
        prompt_id: str,
        *,
        idle_timeout_s: float | StallLimits,
        total_timeout_s: float,
        on_progress: Listener | None = None,
        stop: threading.Event = NEVER,
    ) -> HistoryEntry:
        """Block until a prompt has ended, and return what the history says of it.

        It need not be one that this session submitted: after a crash, waiting for a stored id re-attaches to it.

        Args:
            prompt_id: A prompt that was accepted.
            idle_timeout_s: Seconds without any event while it runs, after which it counts as hung. Waiting in the
                queue does not count. Where no event can come (no socket, or submitted under another client id) only
                a server that does not answer counts as idle. Either one number, or limits by phase that also learn.
            total_timeout_s: Seconds that it may run; also the seconds that the queue before it may stand still.
            on_progress: Called in this thread, at most ten times a second: `Started` once, then `Progress`.
            stop: When set, the wait ends within 0.2 s with `Stopped`; the prompt stays where it is.

        Raises:
            ExecutionFailed: or OutOfMemory, ModelBroken: a node raised.
            Interrupted, Hung, PromptLost, InstanceDown, Stopped.
        """
        if not self._board.knows(prompt_id):
            self._tracker.look_now()
        watch = self._board.add(prompt_id, graph={}, accepted=True)
        self._tracker.wake()
        limits = FixedLimits(idle_timeout_s) if isinstance(idle_timeout_s, int | float) else idle_timeout_s
        teller = _Teller(self._clock, on_progress)
        try:
            while True:
                watch.changed.clear()
                teller.tell(watch, self._board)
                if watch.entry is not None:
                    entry = self._concluded(watch.entry)
                    limits.ended_well(watch.silences)
                    return entry
                if watch.error is not None:
                    raise watch.error
                if stop.is_set() or self._closed.is_set():
                    raise Stopped("the wait was stopped; the prompt was left as it is")
                self._check_limits(watch, limits, total_timeout_s=total_timeout_s)
                self._clock.wait(watch.changed, STOP_CHECK_S)
        except ComfyUIError as error:
            raise error.about(instance=self.name, prompt_id=prompt_id) from error.__cause__
        finally:
            self._board.remove(prompt_id)

    def withdraw(self, prompt_id: str) -> Place:
        """Forget a prompt and take it off the server; see `ComfyClient.withdraw`."""
        self._board.remove(prompt_id)
        return self.client.withdraw(prompt_id)

    def collect(self, entry: HistoryEntry, outputs: Mapping[str, OutputSpec], *, into: Path) -> dict[str, Path]:
        """Fetch and check a prompt's outputs; see `ComfyClient.collect`."""
        try:
            return self.client.collect(entry, outputs, into=into)
        except ComfyUIError as error:
            raise error.about(instance=self.name, prompt_id=entry.prompt_id) from error

    def salvage(self, prompt_id: str, workflow: Workflow) -> HistoryEntry | None:
        """Look for the files of a prompt that the server has forgotten; None when not all of them are there.

        Raises:
            ComfyUIError: the server does not answer, and its output folder is not on this machine.
        """
        if self.output_dir is not None:
            entry = salvage.find_on_disk(self.output_dir, prompt_id, workflow=workflow)
            if entry is not None:
                return entry
        try:
            return salvage.find_on_server(self.client.http, prompt_id, workflow=workflow)
        except ComfyUIError as error:
            raise error.about(instance=self.name, prompt_id=prompt_id) from error

    def restart(
        self,
        restarter: Restarter,
        *,
        timeout_s: float,
        needed: Collection[str] = (),
        headroom: Headroom | None = None,
    ) -> Restarted:
        """Restart the instance and wait until it answers with its nodes loaded. Prompts in it are lost.

        Args:
            restarter: How.
            timeout_s: Seconds until it must be ready.
            needed: Node classes that must be loaded.
            headroom: What the card's memory should be again.

        Raises:
            RestartFailed: says what was tried and what came of it.
        """
        try:
            return restart_and_wait(
                restarter, self.client, timeout_s=timeout_s, needed=needed, headroom=headroom, clock=self._clock
            )
        except ComfyUIError as error:
            raise error.about(instance=self.name) from error
        finally:
            self._tracker.doubt()

    # -- inside -------------------------------------------------------------------------------------------------------

    def _take(self, event: Event) -> None:
        if self._board.apply(event):
            self._tracker.wake()

    def _socket_changed(self) -> None:
        self._tracker.doubt()

    def _concluded(self, entry: HistoryEntry) -> HistoryEntry:
        if entry.outcome is Outcome.SUCCESS:
            return entry
        raise failure_of(entry)

    def _check_limits(self, watch: Watch, limits: StallLimits, *, total_timeout_s: float) -> None:
        now = self._clock.monotonic()
        if watch.running_since is None:
            if now - watch.queue_moved_at > total_timeout_s:
                ahead = watch.queue_seen[0] if watch.queue_seen else "something"
                raise Hung(f"the queue has not moved for {total_timeout_s:g} s; {ahead} is at its head")
            return
        silent_s, phase = now - watch.alive_at, watch.phase
        limit_s = limits.limit_s(phase)
        if silent_s > limit_s:
            limits.struck(phase)
            raise Hung(
                f"the prompt runs, and nothing has come for {silent_s:.0f} s in its phase `{phase}`, "
                f"where {limit_s:.0f} s are the limit",
                phase=phase,
            )
        if now - watch.running_since > total_timeout_s:
            raise Hung(f"the prompt has run for more than {total_timeout_s:g} s (total_timeout_s)")
        patience_s = min(60.0, max(0.5, limit_s / 3))
        if watch.foreign or not self.events.is_live:
            return
        if silent_s > patience_s and now - watch.renewed_at > patience_s:
            # Silence may be the socket's fault: the server can forget a socket that is still open. A new one tells.
            watch.renewed_at = now
            self.events.renew()


class _Teller:
    """Tells a listener what has changed, not more often than it can be read."""

    def __init__(self, clock: Clock, listener: Listener | None) -> None:
        self._clock = clock
        self._listener = listener
        self._started: Started | None = None
        self._told: Progress | None = None
        self._told_at = float("-inf")

    def tell(self, watch: Watch, board: Board) -> None:
        """Tell what has changed, if anything has."""
        if self._listener is None:
            return
        if self._started is None:
            self._started = board.started(watch)
            if self._started is not None:
                self._listener(self._started)
        now = self._clock.monotonic()
        if now - self._told_at < TELL_EVERY_S and watch.entry is None:
            return
        progress = board.progress(watch)
        if progress is not None and progress != self._told:
            self._told, self._told_at = progress, now
            self._listener(progress)
