"""What is known at each moment about the prompts of one instance.

Three threads meet here: the socket's reader and the poller write what they learn, and whoever waits for a prompt
reads it. All of it is behind one lock and none of it does I/O.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from orchestrator.clock import Clock
from orchestrator.comfyui.errors import ComfyUIError
from orchestrator.comfyui.graphs import Graph, phase_of
from orchestrator.comfyui.messages import (
    BranchBlocked,
    Event,
    NodeDone,
    NodeProgress,
    NodesCached,
    NodeStarted,
    PromptEnded,
    PromptStarted,
)
from orchestrator.comfyui.progress import Meter, Progress, Started
from orchestrator.comfyui.replies import HistoryEntry, Place, QueueItem
from steps.demands import Phase


class StallLimits(Protocol):
    """For how long one prompt may be silent in each phase, and who learns from how it went."""

    def limit_s(self, phase: Phase) -> float:
        """Return the seconds without any event, while it runs, after which it counts as hung."""

    def struck(self, phase: Phase) -> None:
        """Note that the limit was exceeded."""

    def ended_well(self, silences: Mapping[Phase, float]) -> None:
        """Note the longest silence of each phase, once the prompt has ended in success."""


@dataclass(frozen=True)
class FixedLimits:
    """The same limit for all phases, and nothing learned."""

    idle_timeout_s: float

    def limit_s(self, phase: Phase) -> float:
        """Return the limit."""
        return self.idle_timeout_s

    def struck(self, phase: Phase) -> None:
        """Ignore."""

    def ended_well(self, silences: Mapping[Phase, float]) -> None:
        """Ignore."""


@dataclass
class Watch:
    """One prompt. Times without a zone are the clock's monotonic seconds."""

    prompt_id: str
    meter: Meter
    changed: threading.Event = field(default_factory=threading.Event)  # something for the waiter
    accepted: bool = False  # before, its absence means nothing
    reattached: bool = False  # submitted before this session: its end may lie in the past
    foreign: bool = False  # submitted under another client id: its events never come here
    started_at: datetime | None = None
    running_since: float | None = None
    alive_at: float = 0.0  # the last sign of life while it runs
    renewed_at: float = 0.0  # when the socket was last renewed for its silence
    silences: dict[Phase, float] = field(default_factory=dict)  # the longest so far, seconds by phase
    ended_at: float | None = None  # an event said that it is over; the history may follow
    absent_since: float | None = None  # first look that found it nowhere
    queue_seen: tuple[str, ...] = ()  # the queue as last seen, while it waits
    queue_moved_at: float = 0.0
    blocked: tuple[str, ...] = ()  # what blocked branches said
    entry: HistoryEntry | None = None
    error: ComfyUIError | None = None

    @property
    def phase(self) -> Phase:
        """Return what it is doing; before its first node it is about to load."""
        return phase_of(self.meter.class_type) if self.meter.has_begun else "load"

    def heard(self, now: float) -> None:
        """Note a sign of life: it ends a silence, which counts unless it was the socket's."""
        if self.running_since is not None and self.renewed_at <= self.alive_at:
            phase = self.phase
            self.silences[phase] = max(self.silences.get(phase, 0.0), now - self.alive_at)
        self.alive_at = now

    @property
    def is_settled(self) -> bool:
        """Tell whether nothing more is to be learnt."""
        return self.entry is not None or self.error is not None


class Board:
    """The watches of one instance. Thread-safe."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._watches: dict[str, Watch] = {}

    def add(self, prompt_id: str, *, graph: Graph, accepted: bool) -> Watch:
        """Begin to watch a prompt, or go on with the watch there is."""
        now = self._clock.monotonic()
        with self._lock:
            watch = self._watches.get(prompt_id)
            if watch is None:
                watch = Watch(prompt_id, Meter(graph), accepted=accepted, reattached=accepted, queue_moved_at=now)
                self._watches[prompt_id] = watch
            return watch

    def accept(self, watch: Watch) -> None:
        """Note that the server has the prompt: from now on its absence means something."""
        with self._lock:
            watch.accepted = True

    def knows(self, prompt_id: str) -> bool:
        """Tell whether a prompt is watched."""
        with self._lock:
            return prompt_id in self._watches

    def remove(self, prompt_id: str) -> None:
        """Forget a prompt."""
        with self._lock:
            self._watches.pop(prompt_id, None)

    def open_watches(self) -> list[Watch]:
        """Return the watches of accepted prompts that are not settled."""
        with self._lock:
            return [watch for watch in self._watches.values() if watch.accepted and not watch.is_settled]

    def progress(self, watch: Watch) -> Progress | None:
        """Return how far a prompt has come; None before its first node."""
        with self._lock:
            return watch.meter.read()

    def started(self, watch: Watch) -> Started | None:
        """Return when a prompt began to run; None before it does."""
        with self._lock:
            if watch.running_since is None and watch.entry is None:
                return None
            told = watch.started_at or (watch.entry.started_at if watch.entry is not None else None)
            return Started(told or self._clock.now())

    # -- what the socket says -----------------------------------------------------------------------------------------

    def apply(self, event: Event) -> bool:
        """Take an event in; True when it says that a prompt has ended. Prompts of others are not ours to note."""
        now = self._clock.monotonic()
        with self._lock:
            watch = self._watch_of(getattr(event, "prompt_id", None), event)
            if watch is None:
                return False
            if not (isinstance(event, NodeStarted) and event.prompt_id is None):
                watch.heard(now)  # what a reconnect repeats is no sign of life: a stuck prompt is repeated too
            if isinstance(event, PromptEnded):
                watch.ended_at = watch.ended_at if watch.ended_at is not None else now
                return True
            self._note(watch, event, now)
            watch.changed.set()
            return False

    def _watch_of(self, prompt_id: str | None, event: Event) -> Watch | None:
        if prompt_id is not None:
            return self._watches.get(prompt_id)
        if isinstance(event, NodeStarted | NodeProgress):  # after a reconnect the prompt is not named
            running = [watch for watch in self._watches.values() if watch.running_since is not None]
            running = [watch for watch in running if not watch.is_settled and watch.ended_at is None]
            return running[0] if len(running) == 1 else None
        return None

    def _note(self, watch: Watch, event: Event, now: float) -> None:
        if watch.running_since is None and not isinstance(event, BranchBlocked):
            watch.running_since = now
        match event:
            case PromptStarted(at=at):
                watch.started_at = watch.started_at or at
            case NodesCached(nodes=nodes):
                watch.meter.cache(nodes)
            case NodeStarted(node_id=node_id, shown_as=shown_as):
                watch.meter.start(node_id, shown_as)
            case NodeProgress(node_id=node_id, value=value, maximum=maximum):
                watch.meter.tick(node_id, value=value, maximum=maximum)
            case NodeDone(node_id=node_id):
                watch.meter.finish(node_id)
            case BranchBlocked(message=message):
                watch.blocked = (*watch.blocked, message.strip())

    # -- what polling says --------------------------------------------------------------------------------------------

    def seen_in_queue(self, watch: Watch, place: Place, item: QueueItem, *, others: tuple[str, ...], ours: str) -> None:
        """Note that a prompt is in the queue.

        Args:
            watch: The prompt.
            place: RUNNING or PENDING.
            item: As the queue shows it.
            others: All ids of the queue, running first: while they stay the same, the queue does not move.
            ours: Our client id.
        """
        now = self._clock.monotonic()
        with self._lock:
            watch.absent_since = None
            watch.foreign = bool(item.client_id) and item.client_id != ours
            if not watch.meter.has_graph and item.graph:  # re-attached after a crash
                watch.meter = Meter(item.graph)
            if place is Place.RUNNING and watch.running_since is None:
                watch.running_since, watch.alive_at = now, now
                watch.changed.set()
            if others != watch.queue_seen:
                watch.queue_seen, watch.queue_moved_at = others, now

    def seen_healthy(self, watch: Watch) -> None:
        """Note that the server answers while no event of a running prompt could come: silence means nothing then."""
        with self._lock:
            watch.alive_at = self._clock.monotonic()

    def seen_nowhere(self, watch: Watch) -> float:
        """Note that a prompt is neither queued nor finished; return since how many seconds."""
        now = self._clock.monotonic()
        with self._lock:
            if watch.absent_since is None:
                watch.absent_since = now
            return now - watch.absent_since

    def settle(self, watch: Watch, *, entry: HistoryEntry | None = None, error: ComfyUIError | None = None) -> None:
        """Note the end: an entry of the history, or why there will be none."""
        with self._lock:
            if not watch.is_settled:
                watch.entry, watch.error = entry, error
            watch.changed.set()
