"""The step runs of one step, handed out to whoever can take one: the barrier between two steps.

`take` blocks until a run is due, and answers None when the step is over: nothing waits and nothing is under way that
might come back. The queue lives in memory; what it says is always behind a claim in the database.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from db.store import RunView
from orchestrator.clock import Clock
from orchestrator.ladder import Whereabouts
from orchestrator.placement import Placement, Spread, Waiting

ASKED_TO_STOP = "asked to stop"
OUT_OF_TIME = "what is left would not finish in time"
NO_INSTANCE = "no instance is left"
POLL_S = 0.25  # how soon somebody who waits notices that the night is asked to stop
LONGEST_WAIT_S = 7200.0  # whatever a clock says that was set back; the longest wait that the settings allow


@dataclass
class Entry:
    """A run in a queue."""

    run: RunView
    waiting: Waiting  # the same run as placement sees it; due at `waiting.since`
    why: Mapping[str, Any] | None = None  # placement's reasons, once it is handed out


class StepQueue:
    """Ready step runs of one step. All methods may be called from any thread."""

    def __init__(
        self,
        runs: Iterable[RunView],
        *,
        clock: Clock,
        workers: Iterable[str],
        may_start: Callable[[RunView, int], bool] = lambda run, ahead: True,
        stop: threading.Event | None = None,
        placement: Placement | None = None,
        changed: threading.Condition | None = None,
        whereabouts: Mapping[int, Whereabouts] | None = None,
    ) -> None:
        """Fill the queue.

        Args:
            runs: What is ready, in order.
            clock: The time.
            workers: Names of the instances (or local workers) that will ask.
            may_start: Asked just before a run is handed out, with how many are in flight before it on that worker;
                False with none before it leaves it, and everything after it, for another night.
            stop: When set, nothing more is handed out.
            placement: Decides who takes what; workers are all alike without one.
            changed: Lock and bell of this queue; one of its own if absent.
            whereabouts: Where runs may go that failed before, by run.
        """
        self._clock = clock
        self._may_start = may_start
        self._stop_asked = stop or threading.Event()
        self._placement: Placement = placement or Spread()
        self._changed = changed or threading.Condition()
        now = clock.monotonic()
        self._waiting = [self._enter(run, now, (whereabouts or {}).get(run.run_id)) for run in runs]
        self._taken: dict[int, tuple[Entry, str]] = {}
        self._in_flight: dict[str, int] = dict.fromkeys(workers, 0)
        self._forgotten: set[str] = set()  # workers that are left out: no run is kept for them
        self._used: set[str] = set()  # workers that have taken something
        self._resting: Counter[str] = Counter()  # by worker: how many wait for it to be idle
        self.stopped_because: str | None = None

    def adopt(self, run: RunView, worker: str) -> None:
        """Count a run that is under way already."""
        with self._changed:
            entry = Entry(run, Waiting(run.run_id, step=run.step, since=self._clock.monotonic()))
            self._taken[run.run_id] = (entry, worker)
            self._in_flight[worker] = self._in_flight.get(worker, 0) + 1
            self._placement.taken(entry.waiting, worker)

    def take(self, worker: str) -> RunView | None:
        """Block until there is a run for this worker; None when the step is over for it."""
        with self._changed:
            while True:
                if self.stopped_because is not None or worker not in self._in_flight:
                    return None
                if not self._waiting and not self._taken:
                    return None
                if self._stop_asked.is_set():
                    self._stop(ASKED_TO_STOP)
                    return None
                if (run := self._offer(worker)) is not None:
                    return run
                if self.stopped_because is None:
                    self._changed.wait(self._pause_s())

    def _offer(self, worker: str) -> RunView | None:
        """Hand out what this worker should take now, if anything; may stop the queue instead."""
        now = self._clock.monotonic()
        due = [one for one in (entry.waiting for entry in self._waiting) if one.since <= now]
        due = [one for one in due if self._is_open(one, worker)]
        chosen = self._placement.choose(due, worker, in_flight=self._in_flight)
        if chosen is None:
            if due and not self._taken and (hopeless := self._why_hopeless(due)):
                self._stop(hopeless)
            return None
        entry = next(entry for entry in self._waiting if entry.waiting is chosen)
        ahead = self._in_flight[worker]
        if self._may_start(entry.run, ahead):
            return self._hand_out(entry, worker)
        if ahead == 0:
            self._stop(OUT_OF_TIME)
        # Behind what runs it would end too late. What runs may end early: ask again then.
        return None

    def _pause_s(self) -> float:
        """How long to wait before asking again, if nobody says that something has changed."""
        now = self._clock.monotonic()
        soonest = min(
            (entry.waiting.since for entry in self._waiting if entry.waiting.since > now), default=now + POLL_S
        )
        return max(0.001, min(POLL_S, soonest - now))

    def left_card(self, run_id: int, *, completed: bool = True) -> None:
        """Say that a run no longer occupies its instance, although it is not settled yet.

        Args:
            run_id: The run.
            completed: Whether its prompt came to a good end (its outputs are fetched), or failed (it is treated).
        """
        with self._changed:
            entry, worker = self._taken[run_id]
            if worker:
                self._in_flight[worker] = max(0, self._in_flight.get(worker, 0) - 1)
                self._placement.left(run_id, completed=completed)
                self._taken[run_id] = (entry, "")
                self._changed.notify_all()

    def settled(self, run_id: int) -> None:
        """Say that a run is over in this step, one way or the other."""
        with self._changed:
            self._release(run_id)
            self._changed.notify_all()

    def again(
        self, run_id: int, *, delay_s: float, failed_on: str | None, only_on: frozenset[str] = frozenset()
    ) -> None:
        """Put a run back into the queue after a while.

        Args:
            run_id: The run.
            delay_s: Seconds until it is due.
            failed_on: The instance to avoid when another can take it.
            only_on: Instances that alone may take it, while one of them is in use; empty: any.
        """
        with self._changed:
            entry = self._release(run_id)
            failed = entry.waiting.failed_on | ({failed_on} if failed_on is not None else set())
            due = self._clock.monotonic() + delay_s
            entry.waiting = replace(entry.waiting, since=due, failed_on=failed, only_on=only_on - self._forgotten)
            self._waiting.append(entry)
            self._changed.notify_all()

    def forget_worker(self, worker: str) -> bool:
        """Leave an instance out from now on; False when none is left."""
        with self._changed:
            self._in_flight.pop(worker, None)
            self._forgotten.add(worker)
            for entry in self._waiting:
                entry.waiting = replace(entry.waiting, only_on=entry.waiting.only_on - self._forgotten)
            if not self._in_flight:
                self._stop(NO_INSTANCE)
            self._changed.notify_all()
            return bool(self._in_flight)

    @contextmanager
    def resting(self, worker: str, *, stop: threading.Event) -> Iterator[None]:
        """Hand nothing more to a worker while the block lasts. It begins when what the worker has is over.

        Whoever asks has given up its own run before, by `left_card`. A stop ends the waiting.
        """
        with self._changed:
            self._resting[worker] += 1
            while self._in_flight.get(worker, 0) > 0 and not stop.is_set():
                self._changed.wait(POLL_S)
        try:
            yield
        finally:
            with self._changed:
                self._resting[worker] -= 1
                self._changed.notify_all()

    def stop(self, reason: str) -> None:
        """Hand out nothing more."""
        with self._changed:
            self._stop(reason)

    def why(self, run_id: int) -> Mapping[str, Any]:
        """Return why a run that was handed out went to its worker: what `Placement.taken` said."""
        with self._changed:
            entry, _ = self._taken[run_id]
            return entry.why or {}

    def workers_used(self) -> frozenset[str]:
        """Return the workers that have taken something so far."""
        with self._changed:
            return frozenset(self._used)

    def counts(self) -> tuple[int, int]:
        """Return how many wait and how many are under way."""
        with self._changed:
            return len(self._waiting), len(self._taken)

    def _hand_out(self, entry: Entry, worker: str) -> RunView:
        self._waiting.remove(entry)
        self._taken[entry.run.run_id] = (entry, worker)
        self._used.add(worker)
        self._in_flight[worker] += 1
        entry.why = self._placement.taken(entry.waiting, worker)
        return entry.run

    def _enter(self, run: RunView, now: float, where: Whereabouts | None = None) -> Entry:
        where = where or Whereabouts()
        due = now + self._seconds_until_retry(run)
        return Entry(run, Waiting(run.run_id, where.failed_on, step=run.step, since=due, only_on=where.only_on))

    def _is_open(self, run: Waiting, worker: str) -> bool:
        """Tell whether a worker may take a run now."""
        return not self._resting[worker] and self._may_take(run, worker, among=self._in_flight)

    def _may_take(self, run: Waiting, worker: str, *, among: Collection[str]) -> bool:
        """Tell whether a worker is among those that may take a run, now or when what it does is over.

        Once those that alone might are gone, anybody may; gone are also those that are in use, and have been left out
        of the step since.
        """
        kept_for = run.only_on.intersection(among)
        return worker in kept_for or not kept_for or self._placement.hopeless(run.step, kept_for) is not None

    def _why_hopeless(self, due: Iterable[Waiting]) -> str | None:
        """Return why nothing that is due can ever be handed out; None when something can."""
        reasons = [self._placement.hopeless(step, self._in_flight) for step in {run.step for run in due}]
        return "; ".join(reason for reason in reasons if reason) if all(reasons) else None

    def _seconds_until_retry(self, run: RunView) -> float:
        """How long a run must still wait that failed before we were started."""
        if run.retry_at is None:
            return 0.0
        return min(LONGEST_WAIT_S, max(0.0, (run.retry_at - self._clock.now()).total_seconds()))

    def _stop(self, reason: str) -> None:
        self.stopped_because = self.stopped_because or reason
        self._changed.notify_all()

    def _release(self, run_id: int) -> Entry:
        entry, worker = self._taken.pop(run_id)
        if worker:
            self._placement.left(run_id, completed=False)
            if worker in self._in_flight:
                self._in_flight[worker] -= 1
        return entry
