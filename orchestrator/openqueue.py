"""The step runs of one step when steps overlap: they arrive as they become ready, and cards come and go.

A card that finds nothing more to take leaves when whoever plans says so; the queue stays. All queues of a night share
one lock and one bell, so that a worker can look at several of them, and sees all of them as of one moment.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping

from db.store import RunView
from orchestrator.clock import Clock
from orchestrator.ladder import Whereabouts
from orchestrator.placement import Placement, Waiting
from orchestrator.stepqueue import Entry, StepQueue


class OpenQueue(StepQueue):
    """Step runs of one step, in a night whose steps overlap. All methods may be called from any thread."""

    def __init__(
        self,
        *,
        clock: Clock,
        changed: threading.Condition,
        cards: Callable[[], Collection[str]],
        may_leave: Callable[[str], bool],
        may_start: Callable[[RunView, int], bool],
        released: Callable[[str], None],
        stop: threading.Event,
        placement: Placement | None = None,
    ) -> None:
        """Make an empty queue that nobody works at.

        Args:
            clock: The time.
            changed: Lock and bell of all queues of the night.
            cards: Returns the names of all cards in use, wherever they are just now.
            may_leave: Asked, under the lock, by a worker that finds nothing to take and holds nothing.
            may_start: See StepQueue.
            released: Told, under the lock, whose run is settled or waits again.
            stop: When set, nothing more is handed out.
            placement: Decides who takes what.
        """
        super().__init__(
            (), clock=clock, workers=(), may_start=may_start, stop=stop, placement=placement, changed=changed
        )
        self._cards = cards
        self._may_leave = may_leave
        self._released = released
        self._held_by: dict[int, str] = {}  # a run that was taken, until it is settled, whether on the card or not

    def join(self, worker: str) -> None:
        """Count a worker among those who ask."""
        with self._changed:
            self._in_flight.setdefault(worker, 0)

    def part(self, worker: str) -> None:
        """Count it no longer. What it holds stays its own."""
        with self._changed:
            self._in_flight.pop(worker, None)
            self._changed.notify_all()

    def unknown(self, runs: Iterable[RunView]) -> list[RunView]:
        """Return those that are neither waiting here nor taken."""
        with self._changed:
            known = {entry.run.run_id for entry in self._waiting} | set(self._taken)
            return [run for run in runs if run.run_id not in known]

    def add(self, runs: Iterable[RunView], whereabouts: Mapping[int, Whereabouts]) -> None:
        """Put in what has become ready; what is here already is left as it is.

        Args:
            runs: What is ready, in order.
            whereabouts: Where runs may go that failed before, by run.
        """
        with self._changed:
            fresh = self.unknown(runs)
            now = self._clock.monotonic()
            self._waiting += [self._enter(run, now, whereabouts.get(run.run_id)) for run in fresh]
            if fresh:
                self._changed.notify_all()

    def take(self, worker: str) -> RunView | None:
        """Block until there is a run for this worker; None when it should go elsewhere."""
        with self._changed:
            while worker in self._in_flight and not self._is_closed():
                if (run := self._offer(worker)) is not None:
                    return run
                if not self.holds(worker) and self._may_leave(worker):
                    return None
                self._changed.wait(self._pause_s())
            return None

    def take_now(self, worker: str) -> RunView | None:
        """Return a run for this worker if there is one."""
        with self._changed:
            return self._offer(worker) if worker in self._in_flight and not self._is_closed() else None

    def holds(self, worker: str) -> bool:
        """Tell whether a run is this worker's: in its instance, or being collected from it."""
        with self._changed:
            return worker in self._held_by.values()

    def waiting(self, *, within_s: float, worker: str | None = None) -> int:
        """Return how many runs wait that are due in so many seconds; with a worker, only those that it may take."""
        with self._changed:
            limit = self._clock.monotonic() + within_s
            soon = [entry.waiting for entry in self._waiting if entry.waiting.since <= limit]
            return 0 if self._is_closed() else sum(1 for run in soon if self._is_for(run, worker))

    def adopt(self, run: RunView, worker: str) -> None:
        """Count a run that is under way already."""
        with self._changed:
            super().adopt(run, worker)
            self._held_by[run.run_id] = worker

    def forget_worker(self, worker: str) -> bool:
        """Leave an instance out; True, as others may come."""
        self.part(worker)
        return True

    def _is_closed(self) -> bool:
        return self.stopped_because is not None or self._stop_asked.is_set()

    def _is_open(self, run: Waiting, worker: str) -> bool:
        return not self._resting[worker] and self._is_for(run, worker)

    def _is_for(self, run: Waiting, worker: str | None) -> bool:
        return worker is None or self._may_take(run, worker, among=self._cards())

    def _hand_out(self, entry: Entry, worker: str) -> RunView:
        self._held_by[entry.run.run_id] = worker
        return super()._hand_out(entry, worker)

    def _release(self, run_id: int) -> Entry:
        entry = super()._release(run_id)
        self._released(self._held_by.pop(run_id, ""))
        return entry

    def why_hopeless(self, cards: Collection[str]) -> str | None:
        """Return why none of the cards can ever take what waits here; None when one can, or nothing waits."""
        with self._changed:
            steps = {entry.run.step for entry in self._waiting}
            reasons = [self._placement.hopeless(step, cards) for step in steps]
            return "; ".join(reason for reason in reasons if reason) if reasons and all(reasons) else None

    def refuses(self, step: str, card: str) -> bool:
        """Tell whether a card can never take a run of a step."""
        return self._placement.hopeless(step, [card]) is not None

    def _why_hopeless(self, due: Iterable[Waiting]) -> str | None:
        """Return None: a card that can take it may come. Whoever plans knows whether there is one."""
        return None
