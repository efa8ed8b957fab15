"""The ladder of errors: what follows each kind of failure, rung by rung, until a try succeeds or none is left. Pure.

An error carries a `Remedy`; the table here says which rungs that remedy has. `climb` finds the next one from the tries
so far, which carry the rung that each led to: so a ladder goes on where it stood when Nightreel itself is killed. The
table is printed into `docs/errors.md`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from steps.errors import Remedy

AS_LARGE = 0.95
"""Share of a card's memory from which another one counts as just as large: two of a kind report slightly different
numbers. More than 1 / AS_LARGE of it is larger."""


class Before(StrEnum):
    """What is done to the instance before the next try."""

    NOTHING = "NOTHING"
    FREE = "FREE"  # POST /free: give memory back
    RESTART = "RESTART"  # at once: its process is of no use any more
    RESTART_IDLE = "RESTART_IDLE"  # once its other prompt is over
    INTERRUPT = "INTERRUPT"  # end the prompt that hangs; restart when that is not heard
    WAIT = "WAIT"  # until it answers


class Where(StrEnum):
    """Where the next try goes."""

    ELSEWHERE = "ELSEWHERE"  # to another card, if there is one
    SAME = "SAME"  # to the same card
    LARGER = "LARGER"  # to a card with more memory, or once to one with as much


class Rung(NamedTuple):
    """One thing to try."""

    name: str  # kept with the try that led to it
    told: str  # what was done, for people
    before: Before = Before.NOTHING
    where: Where = Where.ELSEWHERE
    times: int | None = None  # how often for one run; None: as long as there are tries, cards or fallbacks
    counted: bool = True  # whether the failed try speaks against the item, if its error does
    new_seed: bool = False
    falls_back: bool = False  # to the next fallback of the workflow's manifest


class Ladder(NamedTuple):
    """What a remedy means."""

    rungs: tuple[Rung, ...]
    at_end: Before = Before.NOTHING  # done to the instance when no rung is left, for the sake of the next prompt
    stops_step: bool = False
    stops_night: bool = False
    systematic: bool = False  # the same reason on the first items may be the same for all
    suspects: bool = False  # failures of several items on one card speak against it, of one item on two against it


LADDERS: dict[Remedy, Ladder] = {
    Remedy.RETRY: Ladder((Rung("again", "tried again"),), systematic=True, suspects=True),
    Remedy.RETRY_NEW_SEED: Ladder(
        (Rung("new_seed", "made again with another seed", new_seed=True),), systematic=True, suspects=True
    ),
    Remedy.REFRESH_AND_RETRY: Ladder(
        (
            Rung("refresh", "saved again under another name", times=1),
            Rung("new_seed", "made again with another seed", new_seed=True),
        ),
        systematic=True,
        suspects=True,
    ),
    Remedy.FREE_AND_RETRY: Ladder(
        (
            Rung("free", "memory freed", Before.FREE, Where.SAME, times=1, counted=False),
            Rung("restart", "restarted", Before.RESTART_IDLE, Where.SAME, times=1, counted=False),
            Rung("larger", "moved", Before.FREE, Where.LARGER, counted=False),
            Rung("fallback", "fell back", Before.FREE, Where.SAME, counted=False, falls_back=True),
        ),
        at_end=Before.FREE,
    ),
    Remedy.RESTART_AND_RETRY: Ladder(
        (
            Rung("restart", "restarted", Before.RESTART, times=1, counted=False),
            Rung("restart_again", "restarted again", Before.RESTART),
        ),
        at_end=Before.RESTART,
        suspects=True,
    ),
    Remedy.INTERRUPT_AND_RETRY: Ladder(
        (Rung("interrupt", "interrupted", Before.INTERRUPT),), at_end=Before.INTERRUPT, suspects=True
    ),
    Remedy.WAIT_AND_RETRY: Ladder((Rung("wait", "waited for", Before.WAIT),), at_end=Before.WAIT, systematic=True),
    Remedy.FAIL: Ladder((), systematic=True),
    Remedy.STOP_STEP: Ladder((), stops_step=True, systematic=True),
    Remedy.STOP_NIGHT: Ladder((), stops_step=True, stops_night=True, systematic=True),
}


@dataclass(frozen=True)
class Card:
    """An instance in use."""

    name: str
    vram_gb: float | None = None  # GiB; None: not known
    can_restart: bool = True


@dataclass(frozen=True)
class Trial:
    """An earlier try of the same run, in the same generation, that has ended."""

    instance: str | None = None
    remedy: str | None = None  # of its error; None: it was put back
    label: str | None = None  # the rung that it led to, as `Next.label`
    counted: bool = True

    @property
    def rung(self) -> str | None:
        """Return the name of the rung that it led to."""
        return None if self.label is None else self.label.partition(":")[0]


@dataclass(frozen=True)
class Situation:
    """What the choice of a rung depends on."""

    trials: Sequence[Trial] = ()  # oldest first, the one that failed just now not included
    here: str | None = None  # the instance on which it failed; None: on the CPU
    cards: Sequence[Card] = ()  # in use: none that was set aside
    fallbacks: Sequence[str] = ()  # of the workflow's manifest, in the order in which they are tried


@dataclass(frozen=True)
class Next:
    """The rung to try next, and what it comes to."""

    rung: Rung
    label: str  # to keep with the failed try: the rung's name, and after a colon the fallback
    only_on: frozenset[str] = frozenset()  # the instances that may take it; empty: any


def climb(remedy: Remedy, situation: Situation) -> Next | None:
    """Return the next rung for a run that failed; None: there is none, and the run fails."""
    for rung in LADDERS[remedy].rungs:
        used = sum(1 for trial in situation.trials if trial.remedy == remedy and trial.rung == rung.name)
        if rung.times is not None and used >= rung.times:
            continue
        found = _take(rung, remedy, situation)
        if found is not None:
            return found
    return None


def _take(rung: Rung, remedy: Remedy, situation: Situation) -> Next | None:
    """Return what a rung comes to; None: it is of no use here."""
    here = situation.here
    if rung.before is Before.RESTART_IDLE and not _can_restart(situation):
        return None
    if rung.falls_back:
        name = _next_fallback(situation)
        return None if name is None else Next(rung, f"{rung.name}:{name}", _only(here))
    if rung.where is Where.LARGER:
        tried = {trial.instance for trial in situation.trials if trial.remedy == remedy}
        names = _larger(here, situation.cards, tried={*tried, here})
        return Next(rung, rung.name, names) if names else None
    return Next(rung, rung.name, _only(here) if rung.where is Where.SAME else frozenset())


def _only(here: str | None) -> frozenset[str]:
    return frozenset() if here is None else frozenset({here})


def _can_restart(situation: Situation) -> bool:
    return any(card.can_restart for card in situation.cards if card.name == situation.here)


def _next_fallback(situation: Situation) -> str | None:
    names = list(situation.fallbacks)
    current = fallback_of(situation.trials)
    start = names.index(current) + 1 if current in names else 0
    return names[start] if start < len(names) else None


def _larger(here: str | None, cards: Iterable[Card], *, tried: set[str | None]) -> frozenset[str]:
    """Return the untried cards with more memory; where there are none, and only one was tried, those with as much."""
    sizes = {card.name: card.vram_gb for card in cards}
    size = sizes.get(here or "")
    untried = [name for name in sizes if name not in tried]
    if size is None:
        return frozenset(untried)
    larger = frozenset(name for name in untried if (sizes[name] or 0.0) > size / AS_LARGE)
    if larger or len(tried) > 1:
        return larger
    return frozenset(name for name in untried if (own := sizes[name]) is None or own >= size * AS_LARGE)


def fallback_of(trials: Sequence[Trial]) -> str | None:
    """Return the fallback on which the next try of a run goes; None: its workflow as it is."""
    labels = [trial.label for trial in trials if trial.rung == "fallback"]
    return (labels[-1] or "").partition(":")[2] or None if labels else None


def seeds_asked(trials: Sequence[Trial]) -> int:
    """Return how many tries asked for another seed."""
    asking = {rung.name for ladder in LADDERS.values() for rung in ladder.rungs if rung.new_seed}
    # Tries of an older database carry no rung.
    return sum(
        1 for trial in trials if trial.rung in asking or (trial.label is None and trial.remedy == Remedy.RETRY_NEW_SEED)
    )


@dataclass(frozen=True)
class Whereabouts:
    """Where the next try of a run may go."""

    only_on: frozenset[str] = frozenset()  # empty: anywhere
    failed_on: frozenset[str] = frozenset()  # cards to avoid while there are others


def whereabouts(trials: Sequence[Trial], cards: Sequence[Card]) -> Whereabouts:
    """Return where a run stands on its ladder, from its tries alone: after a crash of ours nothing else is known."""
    told = [trial for trial in trials if trial.label is not None and trial.remedy is not None]
    failed_on = frozenset(trial.instance for trial in told if trial.counted and trial.instance is not None)
    if not told:
        return Whereabouts()
    last = told[-1]
    rung = next((one for one in _rungs_of(last.remedy) if one.name == last.rung), None)
    if rung is None or rung.where is Where.ELSEWHERE:
        return Whereabouts(failed_on=failed_on)
    if rung.where is Where.SAME:
        return Whereabouts(only_on=_only(last.instance))
    tried = {trial.instance for trial in told if trial.remedy == last.remedy}
    return Whereabouts(only_on=_larger(last.instance, cards, tried=tried))


def _rungs_of(remedy: str | None) -> tuple[Rung, ...]:
    return LADDERS[Remedy(remedy)].rungs if remedy in set(Remedy) else ()
