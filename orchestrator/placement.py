"""Which instance takes the next step run. Pure: a decision over a snapshot, with its reasons.

Who keeps the snapshot up to date is `cards.py`; who asks is `stepqueue.py`. The order in which things are looked at:
what an instance can never do (its memory, what is not installed there), what keeps it from working now (heat, a
neighbour on its card, memory that others hold, a load that goes on beside it), and last whether somebody else should
have the run instead (he is free, he ends sooner, it failed here).

Nobody waits for ever: for each rule that leaves a run to another, that other would not leave it to this one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from steps.demands import NOMINAL

SOONER = 0.9
"""Share of the time to the end here within which another must end to count as faster: estimates are not exact."""
OVERDUE_FACTOR, OVERDUE_S = 2.0, 30.0
"""A prompt that takes longer than so many times the usual and so many seconds may hang: nobody counts on it."""


@dataclass(frozen=True)
class Waiting:
    """A step run that could be claimed now."""

    run_id: int
    failed_on: frozenset[str] = frozenset()  # instances on which a try of it failed tonight
    step: str = ""
    since: float = 0.0  # monotonic seconds: when it became due
    only_on: frozenset[str] = frozenset()  # it is kept for these while one of them is in use; empty: for all


class Why(StrEnum):
    """Why an instance does not take a run. The words for people are in `explain.py`."""

    LACKS = "LACKS"  # a node class or model file of the step is not there
    TOO_SMALL = "TOO_SMALL"  # its card has less memory than the step needs
    AWAY = "AWAY"  # it is being restarted, or does not answer
    KEPT = "KEPT"  # the run is for other instances, after what happened to it
    COOLING = "COOLING"
    TOO_HOT = "TOO_HOT"  # in the room, or in another card: fewer work at once
    CARD_TAKEN = "CARD_TAKEN"  # another instance generates on the same card
    SHORT_OF_VRAM = "SHORT_OF_VRAM"  # other programs hold the card's memory
    LOADING = "LOADING"  # another instance of the host loads models, and there is no memory for both
    SPREAD = "SPREAD"  # another has less to do, and there are too few runs to go round
    FASTER = "FASTER"  # others end all that waits before this one would end its first
    FAILED_HERE = "FAILED_HERE"
    UNKNOWN = "UNKNOWN"  # the instance is not, or no longer, among those in use


@dataclass(frozen=True)
class Hold:
    """One reason not to take a run, with what was found."""

    why: Why
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Decision:
    """A run to take, or why none of those that wait."""

    run: Waiting | None
    hold: Hold | None = None  # the first reason that was found, when there is no run


@dataclass(frozen=True)
class Demand:
    """What a step asks of an instance."""

    vram_gb: float = 0.0
    models: frozenset[str] = frozenset()  # the files it loads, all of them: half a set is not warm
    load_gb: float = 0.0  # host memory that loading them takes
    cold_s: float = 0.0  # seconds that it takes longer when they have to be loaded

    @property
    def is_heavy(self) -> bool:
        """Tell whether it fills a card: two of these never run on one at the same time."""
        return self.vram_gb > 0 or bool(self.models)


NOTHING = Demand()


@dataclass(frozen=True)
class Station:
    """One instance at one moment."""

    name: str
    host: str = ""  # "": this machine
    card: str = ""  # what its card is called; "": not known
    vram_gb: float | None = None
    headroom_gb: float | None = None  # what other programs leave of it
    temperature_c: float | None = None
    cool_to_c: float | None = None  # while it is too hot: the temperature at which it goes on
    warm: frozenset[str] = frozenset()  # model files that its last prompt used; empty after a restart
    loading_gb: float = 0.0  # of the models that it is loading just now
    in_flight: int = 0  # runs queued or running on it
    heavy: int = 0  # those among them that fill the card
    busy_since: float = 0.0  # monotonic seconds: when it began what it does now
    running_s: float | None = None  # what that usually takes; None when it is not known
    queued_s: float = 0.0  # what all that is in flight usually takes
    expected_s: Mapping[str, float] = field(default_factory=dict)  # step -> usual seconds on this card
    lacks: Mapping[str, str] = field(default_factory=dict)  # step -> what is missing
    is_away: bool = False  # it is being brought back

    def free_in_s(self, now: float) -> float:
        """Return the seconds until it has done what it was given, as far as that is known."""
        return max(0.0, self.queued_s - (now - self.busy_since)) if self.in_flight else 0.0

    def is_overdue(self, now: float) -> bool:
        """Tell whether what runs takes suspiciously long."""
        if not self.in_flight or self.running_s is None:
            return False
        return now - self.busy_since > OVERDUE_FACTOR * self.running_s + OVERDUE_S


@dataclass(frozen=True)
class Snapshot:
    """All instances at one moment."""

    stations: Mapping[str, Station]
    demands: Mapping[str, Demand] = field(default_factory=dict)  # by step
    neighbours: Mapping[str, Collection[str]] = field(default_factory=dict)  # instance -> others on its card
    now: float = 0.0  # monotonic seconds
    too_hot: Mapping[str, Any] | None = None  # what is, while only `at_most` instances may work
    at_most: int = 1
    ram_free_gb: Mapping[str, float] = field(default_factory=dict)  # by host
    spare_ram_gb: float = 0.0
    vram_wait_s: float = 0.0

    def demand(self, step: str) -> Demand:
        """Return what a step asks for; nothing, of one that is not known."""
        return self.demands.get(step, NOTHING)


def decide(
    waiting: Sequence[Waiting], name: str, snapshot: Snapshot, *, rivals: Collection[str] | None = None
) -> Decision:
    """Return the run that an instance should take now, or why it should take none.

    Args:
        waiting: What is due, in order.
        name: The instance that asks.
        snapshot: All instances.
        rivals: Names of those that ask for the same runs; by default all.
    """
    me = snapshot.stations.get(name)
    if me is None:
        return Decision(None, Hold(Why.UNKNOWN))
    names = snapshot.stations if rivals is None else rivals
    others = [snapshot.stations[one] for one in names if one != name and one in snapshot.stations]
    hold: Hold | None = None
    known: dict[tuple[str, frozenset[str], frozenset[str]], Hold | None] = {}  # most runs of a step are alike
    for run in _warm_first(waiting, me, snapshot):
        kind = (run.step, run.only_on, run.failed_on)
        if kind not in known:
            known[kind] = (
                hold_of(run, me, snapshot)
                or _failed_here(run, me, others, snapshot)
                or _better_elsewhere(run, len(waiting), me, others, snapshot)
            )
        if known[kind] is None:
            return Decision(run)
        hold = hold or known[kind]
    return Decision(None, hold)


def hold_of(run: Waiting, station: Station, snapshot: Snapshot) -> Hold | None:
    """Return what keeps an instance from taking a run now, whatever the others do; None when nothing does."""
    return (
        never(run.step, station, snapshot)
        or (Hold(Why.AWAY) if station.is_away else None)
        or _kept(run, station, snapshot)
        or _heat(station, snapshot)
        or _card_taken(run, station, snapshot)
        or _short_of_vram(run, station, snapshot)
        or _load_beside(run, station, snapshot)
    )


def never(step: str, station: Station, snapshot: Snapshot) -> Hold | None:
    """Return why an instance can take no run of a step tonight, however long one waits; None when it can."""
    if step in station.lacks:
        return Hold(Why.LACKS, {"missing": station.lacks[step]})
    needed_gb = snapshot.demand(step).vram_gb
    if station.vram_gb is not None and station.vram_gb < NOMINAL * needed_gb:
        return Hold(Why.TOO_SMALL, {"vram_gb": round(station.vram_gb, 1), "needs_gb": needed_gb})
    return None


def _kept(run: Waiting, me: Station, snapshot: Snapshot) -> Hold | None:
    """Leave a run to those that it is kept for, as long as one of them can take it."""
    if not run.only_on or me.name in run.only_on:
        return None
    for name in sorted(run.only_on & snapshot.stations.keys()):
        if never(run.step, snapshot.stations[name], snapshot) is None:
            return Hold(Why.KEPT, {"other": name})
    return None


def _heat(me: Station, snapshot: Snapshot) -> Hold | None:
    if me.cool_to_c is not None:
        return Hold(Why.COOLING, {"temperature_c": me.temperature_c, "cool_to_c": me.cool_to_c})
    if snapshot.too_hot is None:
        return None
    busy = sorted(
        (one for one in snapshot.stations.values() if one.in_flight),
        key=lambda one: (one.temperature_c if one.temperature_c is not None else 0.0, one.name),
    )
    # The coolest of those that work go on; the others run empty, and nobody new begins.
    if me in busy[: snapshot.at_most] if me.in_flight else len(busy) < snapshot.at_most:
        return None
    return Hold(Why.TOO_HOT, {**snapshot.too_hot, "at_most": snapshot.at_most})


def _card_taken(run: Waiting, me: Station, snapshot: Snapshot) -> Hold | None:
    """Leave a card to the instance that generates on it already: two heavy prompts at once fill its memory."""
    for name in snapshot.neighbours.get(me.name, ()):
        other = snapshot.stations.get(name)
        if other is not None and other.heavy and snapshot.demand(run.step).is_heavy:
            return Hold(Why.CARD_TAKEN, {"other": name})
    return None


def _short_of_vram(run: Waiting, me: Station, snapshot: Snapshot) -> Hold | None:
    """Leave a card alone that others have filled, unless all are so and that has not changed for a while."""
    needed_gb = NOMINAL * snapshot.demand(run.step).vram_gb
    if me.headroom_gb is None or me.headroom_gb >= needed_gb or me.in_flight:
        return None
    if snapshot.now - run.since >= snapshot.vram_wait_s and not any(
        other.name != me.name
        and (other.headroom_gb is None or other.headroom_gb >= needed_gb)
        and _would_do(run, other, snapshot)
        for other in snapshot.stations.values()
    ):
        return None
    return Hold(Why.SHORT_OF_VRAM, {"free_gb": round(me.headroom_gb, 1), "needs_gb": round(needed_gb, 1)})


def _load_beside(run: Waiting, me: Station, snapshot: Snapshot) -> Hold | None:
    """Have two instances of a host load models one after the other when there is not the memory for both."""
    demand = snapshot.demand(run.step)
    free_gb = snapshot.ram_free_gb.get(me.host)
    if free_gb is None or not demand.load_gb or demand.models <= me.warm:
        return None
    loading = [one for one in snapshot.stations.values() if one.loading_gb and one.host == me.host and one is not me]
    if not loading or free_gb - sum(one.loading_gb for one in loading) >= demand.load_gb + snapshot.spare_ram_gb:
        return None
    return Hold(
        Why.LOADING, {"other": loading[0].name, "free_gb": round(free_gb, 1), "load_gb": round(demand.load_gb, 1)}
    )


def _warm_first(waiting: Sequence[Waiting], me: Station, snapshot: Snapshot) -> Iterable[Waiting]:
    """Return the runs in order, those first whose models this instance has loaded: each model once a night."""
    if not waiting or not me.warm or snapshot.demand(waiting[0].step).models <= me.warm:
        return waiting
    return sorted(waiting, key=lambda run: not snapshot.demand(run.step).models <= me.warm)  # keeps the order else


def _failed_here(run: Waiting, me: Station, others: Sequence[Station], snapshot: Snapshot) -> Hold | None:
    """Leave a run that failed here to somebody who has not tried it: one item failing on two cards is the item."""
    if me.name not in run.failed_on:
        return None
    for other in others:
        if _would_do(run, other, snapshot):
            return Hold(Why.FAILED_HERE, {"other": other.name})
    return None


def _would_do(run: Waiting, other: Station, snapshot: Snapshot) -> bool:
    """Tell whether a run can be left to another instance, now or later tonight."""
    return (
        other.name not in run.failed_on
        and never(run.step, other, snapshot) is None
        and _kept(run, other, snapshot) is None
    )


def _better_elsewhere(
    run: Waiting, count: int, me: Station, others: Sequence[Station], snapshot: Snapshot
) -> Hold | None:
    """Leave what there is to others when they have less to do, or end it sooner.

    An instance does not queue a second prompt while another has none and there are too few to go round: otherwise the
    last four prompts of a step run on two of four cards. And a slow card does not take the last run when fast ones,
    although they are busy now, would end it sooner.
    """
    mine_s = _ends_in_s(run, me, snapshot)
    if mine_s is None and count > len(others):
        return None
    emptier = 0
    sooner = 0.0
    fastest: Station | None = None
    for other in others:
        if other.name in run.failed_on or other.is_overdue(snapshot.now) or hold_of(run, other, snapshot) is not None:
            continue
        theirs_s = _ends_in_s(run, other, snapshot)
        if mine_s is None or theirs_s is None:
            emptier += other.in_flight < me.in_flight
            continue
        emptier += other.in_flight < me.in_flight and mine_s > SOONER * theirs_s
        if theirs_s <= SOONER * mine_s:
            each_s = max(0.001, other.expected_s[run.step])
            sooner += 1 + (SOONER * mine_s - theirs_s) // each_s
            fastest = other
    if count <= emptier:
        return Hold(Why.SPREAD, {"in_flight": me.in_flight})
    if fastest is not None and count <= sooner:
        return Hold(Why.FASTER, {"other": fastest.name, "ends_in_s": round(mine_s or 0.0)})
    return None


def _ends_in_s(run: Waiting, station: Station, snapshot: Snapshot) -> float | None:
    """Return the seconds until an instance would have done a run, after what it has already; None if not known."""
    seconds = station.expected_s.get(run.step)
    if seconds is None:
        return None
    demand = snapshot.demand(run.step)
    cold_s = 0.0 if demand.models <= station.warm else demand.cold_s
    return station.free_in_s(snapshot.now) + cold_s + seconds


class Placement(Protocol):
    """Where the runs of a queue may go. Called under the queue's lock: it must be quick, and never blocks or raises.

    One placement may serve several queues at once: what it knows of an instance counts for all of them.
    """

    def choose(self, waiting: Sequence[Waiting], worker: str, *, in_flight: Mapping[str, int]) -> Waiting | None:
        """Return the run that this worker should take now, or None to leave what there is to others.

        Args:
            waiting: What is due, in order.
            worker: Who asks.
            in_flight: Runs of this queue by the name of every worker that it has.
        """

    def taken(self, run: Waiting, worker: str) -> Mapping[str, Any]:
        """Note that a run goes to a worker. Return why, and why not before: JSON values for `nightreel explain`."""

    def left(self, run_id: int, *, completed: bool) -> None:
        """Note that a run no longer occupies its worker. Told once for each that was taken.

        Args:
            run_id: The run.
            completed: Whether its prompt came to a good end, so that its seconds say how fast the worker is.
        """

    def hopeless(self, step: str, workers: Collection[str]) -> str | None:
        """Return why none of the workers can ever take a run of this step, or None when one can."""


class Spread:
    """A placement for workers that are all alike: evenly, and elsewhere after a failure."""

    def choose(self, waiting: Sequence[Waiting], worker: str, *, in_flight: Mapping[str, int]) -> Waiting | None:
        """Return the run that this worker should take now."""
        stations = {name: Station(name, in_flight=count) for name, count in in_flight.items()}
        return decide(waiting, worker, Snapshot(stations)).run

    def taken(self, run: Waiting, worker: str) -> Mapping[str, Any]:
        """Say nothing: any other worker would have done as well."""
        return {}

    def left(self, run_id: int, *, completed: bool) -> None:
        """Ignore."""

    def hopeless(self, step: str, workers: Collection[str]) -> str | None:
        """Return None: each can take anything."""
        return None
