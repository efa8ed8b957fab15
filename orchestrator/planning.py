"""Which step a card goes to next when steps overlap. Pure: tables in, decision out.

Four rules, in this order:

1. A card stays with the models that it has loaded until nothing is left there for it: nothing ready, and nothing that
   will become ready without it (what other cards and the CPU are making).
2. It loads other models only where all that they will be asked for can be made in one go. Wan makes the transition and
   the outro; the outro needs the talking portrait; so Wan waits until that is made, or being made by another card.
3. Among those, it takes models whose inputs are all there before models whose inputs still come, and those that come
   fast enough before those that would leave it waiting; then the lower step number.
4. Only when nothing can come without it does it load models that it will have to load once more: a pipeline in which
   A needs B and B needs A's models first has no other way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, IntEnum

from db.states import CLAIMABLE, State
from db.store import RunView
from steps.base import SHARED

Before = frozenset[str]
"""The steps that must still do something before a run is ready."""


@dataclass(frozen=True)
class StepShape:
    """A step, as far as planning is concerned."""

    name: str
    number: int  # 0-based place in the pipeline
    needs: tuple[str, ...]
    models: str | None  # steps on a card with the same models are alike in it; None: it does not run on a card
    seconds: float | None = None  # what a run usually takes; None when nothing is known


@dataclass(frozen=True)
class Card:
    """A card, as far as planning is concerned."""

    name: str
    step: str | None = None  # the step that it is at, or was at last; None at the beginning of a night
    been: frozenset[str] = frozenset()  # models that it has loaded tonight
    refuses: frozenset[str] = frozenset()  # steps that it can never take
    shut: Mapping[str, int] = field(default_factory=dict)  # step -> how many of its ready runs are for other cards
    is_stuck: bool = False  # it has done nothing for a while although something was ready: placement holds it back

    def open(self, step: str, ready: int) -> int:
        """Return how many of a step's ready runs this card could take."""
        return 0 if step in self.refuses else max(0, ready - self.shut.get(step, 0))


@dataclass(frozen=True)
class StepOutlook:
    """What is left of one step tonight."""

    ready: int = 0  # could be claimed now
    active: int = 0  # claimed
    coming: Mapping[Before, int] = field(default_factory=dict)  # how many wait for which steps
    later: int = 0  # waits for something that will take long, such as a retry in five minutes

    @property
    def left(self) -> int:
        """How many runs may still be made tonight."""
        return self.ready + self.active + sum(self.coming.values()) + self.later


Outlook = Mapping[str, StepOutlook]
"""By step; steps of which nothing is left may be absent."""


@dataclass(frozen=True)
class Lookahead:
    """What is left of the night, as far as the database knows."""

    outlook: Outlook
    ready: Mapping[str, Sequence[RunView]]  # by step, in the items' order


class Kind(Enum):
    """What a card is told."""

    GO = "go"  # to the step that is named; it may be the one that it is at
    STAY = "stay"  # more of its models' work is coming
    WAIT = "wait"  # something is left tonight, and nothing that it should load models for now
    OVER = "over"  # nothing is left tonight


@dataclass(frozen=True)
class Plan:
    """What a card should do."""

    kind: Kind
    step: str | None = None  # with GO
    why: str = ""  # for the log


class _Rank(IntEnum):
    """How good it is to load some models now. The best is the lowest."""

    COMPLETE = 0  # all that they need is there
    FED = 1  # the rest comes without this card, and fast enough
    STARVING = 2  # the rest comes without this card, but slower than it works
    TWICE = 3  # a part of it comes only after other models were loaded


_WHY = {
    _Rank.COMPLETE: "all that it needs is made",
    _Rank.FED: "enough is ready, and the rest comes in time",
    _Rank.STARVING: "nothing else can be done, and the rest is on its way",
    _Rank.TWICE: "there is no other way to go on",
}


def look_ahead(
    runs: Iterable[RunView], steps: Sequence[StepShape], *, held: Collection[int] = (), ended: Collection[str] = ()
) -> Lookahead:
    """Return what is left of each step.

    Args:
        runs: All runs of the night.
        steps: The pipeline, in order.
        held: Runs for which nobody waits now: they, and what needs them, come later.
        ended: Steps that were stopped for tonight.
    """
    by_item: dict[int, dict[tuple[str, str], RunView]] = {}
    for run in runs:
        by_item.setdefault(run.item_id, {})[(run.step, run.variant)] = run
    found = {step.name: _Tally() for step in steps}
    for of_item in by_item.values():
        fates: dict[tuple[str, str], _Fate] = {}
        for step in steps:
            for (name, variant), run in of_item.items():
                if name == step.name:
                    fates[name, variant] = fate = _fate(run, step, fates, held=held, ended=ended)
                    found[name].add(run, fate)
    return Lookahead(
        {name: tally.outlook() for name, tally in found.items()},
        {name: sorted(tally.ready, key=lambda run: (run.item_id, run.variant)) for name, tally in found.items()},
    )


@dataclass(frozen=True)
class _Fate:
    """What is to be expected of one run."""

    is_made: bool = False
    is_dead: bool = False  # it will not be made tonight
    is_late: bool = False
    is_active: bool = False
    before: Before = frozenset()

    @property
    def is_open(self) -> bool:
        return not (self.is_made or self.is_dead)


_DEAD = _Fate(is_dead=True)
_NO_MORE = frozenset({State.ABORTED, State.FAILED, State.COMPLETE})


def _fate(
    run: RunView,
    step: StepShape,
    fates: Mapping[tuple[str, str], _Fate],
    *,
    held: Collection[int],
    ended: Collection[str],
) -> _Fate:
    if run.state is State.COMPLETE:
        return _Fate(is_made=True)
    if run.item_state in _NO_MORE or run.state not in (*CLAIMABLE, State.PROCESSING):
        return _DEAD
    if run.state is State.PROCESSING:
        return _Fate(is_active=True, is_late=run.run_id in held)
    if step.name in ended:
        return _DEAD
    needs = {name: fates.get((name, run.variant)) or fates.get((name, SHARED), _DEAD) for name in step.needs}
    if any(need.is_dead for need in needs.values()):
        return _DEAD
    before = frozenset(name for name, need in needs.items() if need.is_open)
    before = before.union(*(need.before for need in needs.values()))
    return _Fate(is_late=run.run_id in held or any(need.is_late for need in needs.values()), before=before)


class _Tally:
    """Counts the fates of one step's runs."""

    def __init__(self) -> None:
        self.ready: list[RunView] = []
        self._active = self._later = 0
        self._coming: Counter[Before] = Counter()

    def add(self, run: RunView, fate: _Fate) -> None:
        if fate.is_active:
            self._active += 1
        elif not fate.is_open:
            pass
        elif fate.is_late:
            self._later += 1
        elif fate.before:
            self._coming[fate.before] += 1
        else:
            self.ready.append(run)

    def outlook(self) -> StepOutlook:
        return StepOutlook(len(self.ready), self._active, dict(self._coming), self._later)


def plan_next(card: Card, cards: Sequence[Card], steps: Sequence[StepShape], outlook: Outlook, *, workers: int) -> Plan:
    """Return what a card that has nothing in flight should do.

    Args:
        card: Who asks.
        cards: All cards in use, this one included.
        steps: The pipeline, in order.
        outlook: What is left of each step.
        workers: Runs on the CPU at once.
    """
    table = _Table(card, cards, steps, outlook, workers)
    if not any(found.left for found in outlook.values()):
        return Plan(Kind.OVER)
    if (mine := table.models_of(card.step)) is not None:
        if (step := table.first_ready(mine)) is not None:
            return Plan(Kind.GO, step, "its models are loaded")
        if table.comes_by_itself(mine, without=card):
            return Plan(Kind.STAY, why="more comes for the models that are loaded")
    ranked = sorted(
        (table.rank(models), models in card.been, table.number(step), models, step)
        for models in table.models()
        if models != mine and (step := table.first_ready(models)) is not None and table.is_worth_joining(models)
    )
    # Models that were loaded before come last, unless the choice is between those and loading others twice.
    ranked.sort(key=lambda one: (one[0] is _Rank.TWICE, one[1], one[0], one[2]))
    if ranked and (ranked[0][0] is not _Rank.TWICE or not table.anything_comes()):
        return Plan(Kind.GO, ranked[0][4], _WHY[ranked[0][0]])
    return Plan(Kind.WAIT, why="nothing that its models would not be loaded for twice")


class _Table:
    """The questions that a plan asks of the tables."""

    def __init__(
        self, card: Card, cards: Sequence[Card], steps: Sequence[StepShape], outlook: Outlook, workers: int
    ) -> None:
        self._card = card
        self._others = [one for one in cards if one.name != card.name]
        self._steps = {step.name: step for step in steps}
        self._outlook = outlook
        self._workers = workers
        self._moving = self._steps_that_move()

    def models(self) -> list[str]:
        return list(dict.fromkeys(step.models for step in self._steps.values() if step.models is not None))

    def models_of(self, step: str | None) -> str | None:
        return self._steps[step].models if step in self._steps else None

    def number(self, step: str) -> int:
        return self._steps[step].number

    def first_ready(self, models: str) -> str | None:
        """Return the first step with these models of which this card could take a run now."""
        return next((step.name for step in self._mine(models) if self._open(self._card, step)), None)

    def is_worth_joining(self, models: str) -> bool:
        """Tell whether more is ready than the cards that have these models will take at once."""
        able = [one for one in self._there(models) if not one.is_stuck]
        busy = [one for one in able if any(self._open(one, step) for step in self._mine(models))]
        return sum(self._open(self._card, step) for step in self._mine(models)) > len(busy)

    def comes_by_itself(self, models: str, *, without: Card) -> bool:
        """Tell whether more work for these models will become ready although a card does nothing for it."""
        own = {step.name for step in self._mine(models)}
        return any(before <= self._moving | own and before & self._moving for before in self._waiting(models))

    def anything_comes(self) -> bool:
        """Tell whether work that this card could take becomes ready without it."""
        return any(self.comes_by_itself(models, without=self._card) for models in self.models())

    def rank(self, models: str) -> _Rank:
        """Tell how good it is to load these models now."""
        own = {step.name for step in self._steps.values() if step.models == models}
        outside = [before - own for before in self._waiting(models)]
        if not any(outside):
            return _Rank.COMPLETE
        if any(not before <= self._moving for before in outside):
            return _Rank.TWICE
        return _Rank.STARVING if self._would_starve(models, frozenset[str]().union(*outside)) else _Rank.FED

    def _would_starve(self, models: str, before: Before) -> bool:
        """Tell whether a card with these models would have to wait; no, where nothing is known of how long things take.

        It would if all its work takes less time than the last input needs to come, or what is ready less than the next.
        """
        steps = self._mine(models)
        cards = len(self._there(models)) + 1
        work_s = _sum(self._seconds(step, self._look(step.name).left) for step in steps)
        ready_s = _sum(self._seconds(step, self._look(step.name).ready) for step in steps)
        supply_s = self._supply_s(before)
        if work_s is None or ready_s is None or supply_s is None:
            return False
        coming = sum(sum(self._look(step.name).coming.values()) for step in steps)
        return work_s / cards < supply_s or ready_s / cards < supply_s / max(1, coming)

    def _supply_s(self, before: Before) -> float | None:
        """Return the seconds until these steps have made the last of what they make, at most."""
        local = [self._steps[name].number for name in before if self._steps[name].models is None]
        # The workers take the lower step first, so all that is before the last of them is made before it.
        ahead = [step for step in self._steps.values() if step.models is None and step.number <= max(local, default=-1)]
        times = [self._shared(self._seconds(step, self._look(step.name).left), self._workers) for step in ahead]
        for step in (self._steps[name] for name in before):
            if step.models is not None:
                times.append(
                    self._shared(self._seconds(step, self._look(step.name).left), len(self._there(step.models)))
                )
        return _sum(times)

    def _seconds(self, step: StepShape, runs: int) -> float | None:
        return 0.0 if runs == 0 else None if step.seconds is None else step.seconds * runs

    @staticmethod
    def _shared(seconds: float | None, workers: int) -> float | None:
        return None if seconds is None else seconds / max(1, workers)

    def _steps_that_move(self) -> Before:
        """Return the steps that go on without this card: on the CPU, and with the models of other cards."""
        return frozenset(
            name
            for name, step in self._steps.items()
            if step.models is None or any(name not in one.refuses for one in self._there(step.models))
        )

    def _there(self, models: str) -> list[Card]:
        """Return the other cards that have these models loaded."""
        return [one for one in self._others if self.models_of(one.step) == models]

    def _open(self, card: Card, step: StepShape) -> int:
        return card.open(step.name, self._look(step.name).ready)

    def _mine(self, models: str) -> list[StepShape]:
        """Return the steps with these models that this card can take, in order."""
        found = [one for one in self._steps.values() if one.models == models and one.name not in self._card.refuses]
        return sorted(found, key=lambda step: step.number)

    def _waiting(self, models: str) -> list[Before]:
        return [before for step in self._mine(models) for before in self._look(step.name).coming]

    def _look(self, step: str) -> StepOutlook:
        return self._outlook.get(step, _NOTHING)


_NOTHING = StepOutlook()


def _sum(values: Iterable[float | None]) -> float | None:
    """Add up; None when one of them is not known."""
    total = 0.0
    for value in values:
        if value is None:
            return None
        total += value
    return total
