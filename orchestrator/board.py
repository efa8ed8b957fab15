"""What is left of a night whose steps overlap, kept up to date, and where each card is.

The database is read again whenever a run has ended, and once in a while, since a person may abort an item or send it
back meanwhile. What the queues know is newer than that, and counts: between a claim and the next look, for instance.
The decisions themselves are made in `planning.py`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from db.states import State
from db.store import RunView
from orchestrator.clock import Clock
from orchestrator.ladder import Whereabouts
from orchestrator.openqueue import OpenQueue
from orchestrator.planning import Card, Kind, Lookahead, Plan, StepOutlook, StepShape, look_ahead, plan_next

PATIENCE_S = 60.0
"""A retry that is due later than this is not waited for: loading other models costs less."""
LATE_FACTOR = 3.0
"""What takes so many times as long as usual, and `PATIENCE_S` more, may hang: nobody waits for it."""
STUCK_S = 10.0
"""A card that is given nothing for so long does not count as one that will take what is ready."""
ESTIMATES_S = 5.0
"""How old an estimate may be."""


@dataclass
class _Place:
    """Where a card is."""

    step: str | None = None
    been: set[str] = field(default_factory=set)
    idle_since: float | None = None  # monotonic seconds: it asks for what is ready at its step, and is not given it


@dataclass(frozen=True)
class Sources:
    """Where a board gets from what it shows."""

    runs: Callable[[], list[RunView]]  # all of the night, as the database has them
    seconds: Callable[[str], float | None]  # what a run of a step usually takes
    whereabouts: Callable[[Sequence[RunView]], Mapping[int, Whereabouts]]  # where runs of a step may go that failed
    cards: Callable[[], Collection[str]]  # in use
    refuses: Callable[[str, str], bool]  # whether a step can never run on a card


class Board:
    """The tables behind the plans of a night. All methods may be called from any thread."""

    def __init__(
        self,
        *,
        clock: Clock,
        changed: threading.Condition,
        shapes: Sequence[StepShape],
        sources: Sources,
        workers: int,
    ) -> None:
        """Make an empty board.

        Args:
            clock: The time.
            changed: Lock and bell of the queues and of the board.
            shapes: The pipeline, in order.
            sources: Where it gets from what it shows.
            workers: Runs on the CPU at once.
        """
        self._clock = clock
        self._changed = changed
        self._shapes = {shape.name: shape for shape in shapes}
        self._sources = sources
        self._workers = workers
        self._places: dict[str, _Place] = {}
        self._refused: dict[str, frozenset[str]] = {}
        self._ahead = Lookahead({}, {})
        self._changes = 0  # runs that were settled or put back
        self._seen = -1  # changes that the latest look has taken in
        self._own: dict[str, int] = {}  # worker -> its latest change
        self._active_since: dict[int, float] = {}
        self._estimated_at = float("-inf")
        self.queues: dict[str, OpenQueue] = {}

    # --- looking -------------------------------------------------------------------------------------------------

    def note(self, worker: str) -> None:
        """Say that a run that a worker held is settled or waits again."""
        with self._changed:
            self._changes += 1
            self._own[worker] = self._changes
            if worker in self._places:
                self._places[worker].idle_since = None
            self._changed.notify_all()

    def look(self) -> None:
        """Read the database, and put what is ready into the queues."""
        with self._changed:
            changes = self._changes
        now = self._clock.monotonic()
        if now - self._estimated_at >= ESTIMATES_S:
            self._estimate_anew(now)
        runs = self._sources.runs()
        ended = {name for name, queue in self.queues.items() if queue.stopped_because is not None}
        ahead = look_ahead(runs, list(self._shapes.values()), held=self._held(runs, now), ended=ended)
        fresh = {name: self.queues[name].unknown(found) for name, found in ahead.ready.items()}
        bound = {name: self._sources.whereabouts(found) for name, found in fresh.items() if self._is_on_card(name)}
        with self._changed:
            self._ahead, self._seen = ahead, changes
            for name, found in fresh.items():
                self.queues[name].add(found, bound.get(name, {}))
            self._changed.notify_all()

    def wait_for_change(self, timeout_s: float) -> None:
        """Block until a run has ended that was not looked at, or for some seconds."""
        with self._changed:
            if self._seen == self._changes:
                self._changed.wait(timeout_s)

    def estimated_s(self, step: str) -> float | None:
        """Return what a run of a step usually takes, in seconds."""
        return self._shapes[step].seconds

    def _is_on_card(self, step: str) -> bool:
        return self._shapes[step].models is not None

    def _estimate_anew(self, now: float) -> None:
        shapes = {name: replace(shape, seconds=self._sources.seconds(name)) for name, shape in self._shapes.items()}
        on_card = [name for name in shapes if self._is_on_card(name)]
        refused = {
            card: frozenset(step for step in on_card if self._sources.refuses(step, card))
            for card in self._sources.cards()
        }
        with self._changed:
            self._shapes, self._refused, self._estimated_at = shapes, refused, now

    def _held(self, runs: Sequence[RunView], now: float) -> set[int]:
        """Return the runs that nobody should wait for: a retry is far off, or a try takes far too long."""
        active = {run.run_id: run for run in runs if run.state is State.PROCESSING}
        self._active_since = {run_id: self._active_since.get(run_id, now) for run_id in active}
        wall = self._clock.now()
        far = {
            run.run_id
            for run in runs
            if run.retry_at is not None and (run.retry_at - wall).total_seconds() > PATIENCE_S
        }
        return far | {
            run_id
            for run_id, run in active.items()
            if now - self._active_since[run_id] > PATIENCE_S + LATE_FACTOR * (self.estimated_s(run.step) or 0.0)
        }

    # --- what is left --------------------------------------------------------------------------------------------

    def outlook(self) -> dict[str, StepOutlook]:
        """Return what is left of each step, as the queues know it."""
        with self._changed:
            found = {}
            for name, told in self._ahead.outlook.items():
                queue = self.queues[name]
                soon, (waiting, taken) = queue.waiting(within_s=PATIENCE_S), queue.counts()
                late = max(told.later, waiting - soon) if queue.stopped_because is None else told.later
                found[name] = replace(told, ready=soon, active=max(told.active, taken), later=late)
            return found

    def left_in_database(self) -> dict[str, int]:
        """Return how many runs of each step were left when the database was last looked at, taken or not."""
        with self._changed:
            return {name: told.left for name, told in self._ahead.outlook.items()}

    def is_over(self) -> bool:
        """Tell whether nothing is left tonight, and nothing has happened since that was looked at."""
        with self._changed:
            return self._seen == self._changes and not any(one.left for one in self.outlook().values())

    # --- where the cards are -------------------------------------------------------------------------------------

    def place(self, card: str, step: str) -> None:
        """Say that a card is at a step, whatever the plan."""
        with self._changed:
            self._put(card, step)

    def where(self, card: str) -> str | None:
        """Return the step that a card is at, or was at last."""
        with self._changed:
            return self._places.get(card, _Place()).step

    def share_models(self, one: str, other: str) -> bool:
        """Tell whether two steps use the same models."""
        return self._shapes[one].models == self._shapes[other].models

    def leave(self, card: str) -> None:
        """Say that a card is not in use any more."""
        with self._changed:
            self._places.pop(card, None)
            self._changes += 1
            self._changed.notify_all()

    def plan(self, card: str) -> Plan:
        """Return what a card that has nothing in flight should do now."""
        with self._changed:
            if self._seen < self._own.get(card, 0):
                return Plan(Kind.STAY, why="its last run has not been looked at")  # what follows from it may be its own
            outlook = self.outlook()
            cards = [self._describe(name, outlook) for name in self._sources.cards()]
            mine = next((one for one in cards if one.name == card), None) or self._describe(card, outlook)
            plan = plan_next(mine, cards, list(self._shapes.values()), outlook, workers=self._workers)
            place = self._places.get(card)
            if place is not None and plan.step == place.step and place.idle_since is None:
                place.idle_since = self._clock.monotonic()
            return plan

    def decide(self, card: str) -> Plan:
        """Return what a card should do now, and put it where it goes."""
        with self._changed:
            plan = self.plan(card)
            if plan.step is not None:
                self._put(card, plan.step)
            return plan

    def _put(self, card: str, step: str) -> None:
        place = self._places.setdefault(card, _Place())
        place.step, place.idle_since = step, None
        models = self._shapes[step].models
        if models is not None:
            place.been.add(models)
        self._changed.notify_all()

    def _describe(self, name: str, outlook: Mapping[str, StepOutlook]) -> Card:
        place = self._places.get(name, _Place())
        shut = {
            step: found.ready - self.queues[step].waiting(within_s=PATIENCE_S, worker=name)
            for step, found in outlook.items()
            if found.ready and self._is_on_card(step)
        }
        is_stuck = place.idle_since is not None and self._clock.monotonic() - place.idle_since > STUCK_S
        return Card(name, place.step, frozenset(place.been), self._refused.get(name, frozenset()), shut, is_stuck)
