"""The cards of a night as placement sees them: kept up to date by whoever opens, measures, gives and takes.

`placement.py` decides over a snapshot; here is that snapshot, one immutable `Station` an instance, replaced when
something about it changes. So a decision costs microseconds however many cards there are, and never asks anybody.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from orchestrator.clock import Clock
from orchestrator.comfyui.replies import SystemStats
from orchestrator.log import Logger
from orchestrator.pacing import Speeds
from orchestrator.placement import Decision, Demand, Hold, Snapshot, Station, Waiting, Why, decide, hold_of, never
from orchestrator.placement_words import words_of
from orchestrator.settings import ComfyUISettings
from orchestrator.telemetry import GIB, GpuSample, find_gpu
from steps.demands import Needs, Timing

SHOWN = 8
"""Other instances, and reasons to wait, that are kept with a placement: a farm of 64 would fill the database."""
WORTH_TELLING_S = 0.5
"""A reason that held for less than this made nobody wait."""


@dataclass(frozen=True)
class CardFacts:
    """What is known of an instance when it is opened."""

    name: str
    host: str = ""  # "": this machine
    gpu: int | str | None = None
    vram_gb: float | None = None
    max_temperature_c: float | None = None


@dataclass
class _Held:
    """How long one reason has kept an instance from taking anything."""

    hold: Hold
    since: float
    until: float


@dataclass(frozen=True)
class _Given:
    """A run that occupies an instance."""

    step: str
    name: str
    at: float
    is_cold: bool


@dataclass
class _Record:
    """What is remembered of an instance beside its station."""

    facts: CardFacts
    given: dict[int, _Given] = field(default_factory=dict)  # by run, oldest first
    freed_at: float = 0.0  # when the last one left
    hot_since: float | None = None
    held: _Held | None = None


class Cards:
    """The placement of a fleet. All methods may be called from any thread; none blocks.

    Args:
        settings: Limits and periods.
        clock: The time.
        log: Told when a card gets too hot, or the room, and when it has cooled.
        give_up: Called with an instance and the reason when its card does not cool down.
    """

    def __init__(
        self, settings: ComfyUISettings, *, clock: Clock, log: Logger, give_up: Callable[[str, str], None]
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._log = log
        self._give_up = give_up
        self._lock = threading.RLock()
        self._stations: dict[str, Station] = {}
        self._records: dict[str, _Record] = {}
        self._where: dict[int, str] = {}  # run -> instance
        self._demands: dict[str, Demand] = {}
        self._speeds = Speeds()
        self._neighbours: dict[str, tuple[str, ...]] = {}
        self._ram_free_gb: dict[str, float] = {}
        self._too_hot: dict[str, Any] | None = None
        self._room_c: float | None = None
        self._removed: dict[str, str] = {}  # instance -> why
        self._past: deque[tuple[str, _Held]] = deque(maxlen=256)
        self._handed_out: dict[str, int] = {}  # step -> runs

    # -- who there is -------------------------------------------------------------------------------------------------

    def add(self, facts: CardFacts) -> None:
        """Take an instance into use."""
        with self._lock:
            self._records[facts.name] = _Record(facts)
            card = "" if facts.gpu is None else f"{facts.host}/{facts.gpu}"
            self._stations[facts.name] = Station(facts.name, facts.host, card, facts.vram_gb)
            self._find_neighbours()

    def remove(self, name: str, reason: str) -> None:
        """Leave an instance out for the rest of the night, for a reason in words."""
        with self._lock:
            self._stations.pop(name, None)
            self._removed[name] = reason
            self._find_neighbours()

    def away(self, name: str, *, is_away: bool) -> None:
        """Note that an instance is being brought back, or that it is there again: nobody counts on it meanwhile."""
        self._update(name, is_away=is_away)

    def restarted(self, name: str) -> None:
        """Note that an instance has nothing loaded any more."""
        self._update(name, warm=frozenset(), loading_gb=0.0)

    def leave_out(self, name: str, step: str, missing: str) -> bool:
        """Give an instance no more runs of a step; False when no other could take them.

        Args:
            name: The instance.
            step: The step.
            missing: What it lacks, for people.
        """
        with self._lock:
            station = self._stations.get(name)
            if station is None:
                return True
            self._stations[name] = replace(station, lacks={**station.lacks, step: missing})
            return self.hopeless(step, self._stations) is None

    def lacks(self, name: str, step: str) -> bool:
        """Tell whether an instance was left out of a step."""
        with self._lock:
            station = self._stations.get(name)
            return station is not None and step in station.lacks

    def vram_gb(self, name: str) -> float | None:
        """Return the memory of an instance's card, GiB; None when it is not known."""
        with self._lock:
            record = self._records.get(name)
            station = self._stations.get(name)
            return station.vram_gb if station is not None else record.facts.vram_gb if record is not None else None

    def expect(self, step: str, needs: Needs, timing: Timing, *, usual: Mapping[str, float]) -> None:
        """Take note of a step that comes.

        Args:
            step: Its name.
            needs: What its workflow asks for.
            timing: How long its workflow takes, by the memory of the card.
            usual: Seconds that it took on instances in earlier nights.
        """
        files = frozenset(f"{model.folder}/{model.file}" for model in needs.models)
        with self._lock:
            # How large the files are is not known here. What a card must have is at least what is loaded for it.
            self._demands[step] = Demand(needs.vram_gb, files, load_gb=needs.vram_gb if files else 0.0)
            self._speeds.begin(step, timing, usual=usual)
            self._handed_out[step] = 0
            self._estimate(step)

    # -- what is measured ---------------------------------------------------------------------------------------------

    def measured(self, host: str, samples: Sequence[GpuSample]) -> None:
        """Take note of what the cards of a host say."""
        tired = []
        with self._lock:
            for name, station in list(self._stations.items()):
                if station.host != host:
                    continue
                facts = self._records[name].facts
                sample = find_gpu(samples, facts.gpu) or (samples[0] if len(samples) == 1 else None)
                if sample is None:
                    continue
                self._update(
                    name,
                    card=sample.uuid or station.card,
                    vram_gb=facts.vram_gb or sample.vram_total_gb or station.vram_gb,
                    temperature_c=sample.temperature_c,
                )
                if problem := self._watch_heat(name):
                    tired.append((name, problem))
            self._find_neighbours()
            self._watch_room()
        for name, problem in tired:
            self._give_up(name, problem)

    def reported(self, name: str, stats: SystemStats) -> None:
        """Take note of what an instance says of itself: the memory of its card and of its host."""
        device = stats.devices[0] if stats.devices else None
        with self._lock:
            station = self._stations.get(name)
            if station is None:
                return
            self._ram_free_gb[station.host] = stats.ram_free_bytes / GIB
            if device is None or device.kind == "cpu" or device.vram_total_bytes <= 0:
                return  # what a server without a card calls its memory is the host's
            total_gb = device.vram_total_bytes / GIB
            self._update(
                name,
                vram_gb=self._records[name].facts.vram_gb or total_gb,
                headroom_gb=total_gb - device.others_bytes / GIB,
            )

    def room(self, celsius: float | None) -> None:
        """Take note of the room's temperature; None when it cannot be read, and then it limits nothing."""
        with self._lock:
            self._room_c = celsius
            self._watch_room()

    # -- placement ----------------------------------------------------------------------------------------------------

    def choose(self, waiting: Sequence[Waiting], worker: str, *, in_flight: Mapping[str, int]) -> Waiting | None:
        """Return the run that an instance should take now; see `Placement`."""
        if not waiting:
            return None
        with self._lock:
            decision = decide(waiting, worker, self._snapshot(), rivals=in_flight)
            self._note(worker, decision)
            return decision.run

    def taken(self, run: Waiting, worker: str) -> Mapping[str, Any]:
        """Note that a run goes to an instance, and return why; see `Placement`."""
        with self._lock:
            station = self._stations.get(worker)
            if station is None:
                return {}
            reasons = self._reasons(run, station)
            demand = self._demands.get(run.step, Demand())
            now = self._clock.monotonic()
            is_cold = not demand.models <= station.warm
            record = self._records[worker]
            record.given[run.run_id] = _Given(run.step, worker, now, is_cold)
            self._where[run.run_id] = worker
            self._handed_out[run.step] = self._handed_out.get(run.step, 0) + 1
            self._update(
                worker,
                warm=demand.models or station.warm,
                loading_gb=demand.load_gb if is_cold else station.loading_gb,
                busy_since=station.busy_since if station.in_flight else now,
            )
            self._count(worker)
            return reasons

    def left(self, run_id: int, *, completed: bool) -> None:
        """Note that a run no longer occupies its instance; see `Placement`."""
        with self._lock:
            name = self._where.pop(run_id, None)
            if name is None:
                return
            record = self._records[name]
            given = record.given.pop(run_id)
            now = self._clock.monotonic()
            if completed:
                seconds = now - max(given.at, record.freed_at)
                self._speeds.note(given.step, name, seconds, is_cold=given.is_cold)
                self._estimate(given.step)
            record.freed_at = now
            self._update(name, loading_gb=0.0, busy_since=now)
            self._count(name)

    def progressed(self, run_id: int) -> None:
        """Note that a prompt computes: what it loads is loaded, and the next instance of the host may load."""
        name = self._where.get(run_id)
        if name is not None and (station := self._stations.get(name)) is not None and station.loading_gb:
            self._update(name, loading_gb=0.0)

    def hopeless(self, step: str, workers: Collection[str]) -> str | None:
        """Return why none of the instances can ever take a run of a step, or None when one can."""
        with self._lock:
            snapshot = self._snapshot()
            problems = []
            for name in workers:
                station = snapshot.stations.get(name)
                hold = Hold(Why.UNKNOWN) if station is None else never(step, station, snapshot)
                if hold is None:
                    return None
                problems.append(f"{name}: {self._removed.get(name) or words_of(hold.why, hold.facts)}")
            return f"no instance can run {step}: {'; '.join(problems)}" if problems else None

    # -- inside -------------------------------------------------------------------------------------------------------

    def _snapshot(self) -> Snapshot:
        return Snapshot(
            self._stations,
            self._demands,
            self._neighbours,
            now=self._clock.monotonic(),
            too_hot=self._too_hot,
            at_most=self._settings.cooling.at_most,
            ram_free_gb=self._ram_free_gb,
            spare_ram_gb=self._settings.spare_ram_gb,
            vram_wait_s=self._settings.vram_wait_s,
        )

    def _update(self, name: str, **changes: Any) -> None:
        with self._lock:
            station = self._stations.get(name)
            if station is not None:
                self._stations[name] = replace(station, **changes)

    def _count(self, name: str) -> None:
        """Work out what an instance has to do, from what it was given."""
        given = list(self._records[name].given.values())
        station = self._stations.get(name)
        if station is None:
            return
        seconds = [station.expected_s.get(one.step) for one in given]
        self._stations[name] = replace(
            station,
            in_flight=len(given),
            heavy=sum(self._demands.get(one.step, Demand()).is_heavy for one in given),
            running_s=seconds[0] if seconds else None,
            queued_s=sum(one or 0.0 for one in seconds),
        )

    def _estimate(self, step: str) -> None:
        """Work out how long a step takes on every instance, and how much longer when its models are to be loaded."""
        estimates = self._speeds.estimates(step, {name: one.vram_gb for name, one in self._stations.items()})
        for name, station in self._stations.items():
            if station.expected_s.get(step) != estimates.get(name):
                known = {one: seconds for one, seconds in station.expected_s.items() if one != step}
                found = estimates.get(name)
                self._update(name, expected_s=known if found is None else {**known, step: found})
        if step in self._demands:
            self._demands[step] = replace(self._demands[step], cold_s=self._speeds.cold_s(step))

    def _find_neighbours(self) -> None:
        by_card: dict[str, list[str]] = {}
        for name, station in self._stations.items():
            if station.card:
                by_card.setdefault(station.card, []).append(name)
        self._neighbours = {
            name: tuple(other for other in names if other != name)
            for names in by_card.values()
            if len(names) > 1
            for name in names
        }

    def _watch_heat(self, name: str) -> str:
        """Have a card that is too hot cool down. Return why it is given up, if it does not; else an empty text."""
        station, record = self._stations[name], self._records[name]
        limit_c = record.facts.max_temperature_c
        if limit_c is None or station.temperature_c is None:
            return ""
        now = self._clock.monotonic()
        if station.cool_to_c is None:
            if station.temperature_c > limit_c:
                record.hot_since = now
                self._update(name, cool_to_c=limit_c - self._settings.cooling.hysteresis_c)
                self._log.warning("card.hot", instance=name, celsius=station.temperature_c, limit_c=limit_c)
        elif station.temperature_c <= station.cool_to_c:
            record.hot_since = None
            self._update(name, cool_to_c=None)
            self._log.info("card.cooled", instance=name, celsius=station.temperature_c)
        elif station.in_flight:
            record.hot_since = now  # it still works on what it had: that it stays hot says nothing yet
        elif record.hot_since is not None and now - record.hot_since > self._settings.cooling.longest_s:
            return (
                f"its card has not cooled from {limit_c:g} °C to {station.cool_to_c:g} °C within "
                f"{self._settings.cooling.longest_s:g} s without work; it has {station.temperature_c:g} °C"
            )
        return ""

    def _watch_room(self) -> None:
        """Find out whether it is too hot for all of them."""
        cooling = self._settings.cooling
        margin_c = cooling.hysteresis_c if self._too_hot is not None else 0.0
        hottest_c = max((one.temperature_c or 0.0 for one in self._stations.values()), default=0.0)
        found: dict[str, Any] | None = None
        if cooling.ambient_max_c is not None and (self._room_c or 0.0) > cooling.ambient_max_c - margin_c:
            found = {"what": "the room", "celsius": self._room_c}
        elif cooling.any_card_max_c is not None and hottest_c > cooling.any_card_max_c - margin_c:
            found = {"what": "a card", "celsius": hottest_c}
        if found is not None and self._too_hot is None:
            self._log.warning("room.hot", **found, at_most=cooling.at_most)
        elif found is None and self._too_hot is not None:
            self._log.info("room.cooled", celsius=self._room_c)
        self._too_hot = found

    def _note(self, worker: str, decision: Decision) -> None:
        """Remember for how long an instance was kept from work, and by what."""
        record = self._records.get(worker)
        if record is None:
            return
        now = self._clock.monotonic()
        held = record.held
        if held is not None and (decision.hold is None or decision.hold.why is not held.hold.why):
            held.until = now
            if now - held.since >= WORTH_TELLING_S:
                self._past.append((worker, held))
            record.held = held = None
        if decision.hold is not None:
            if held is None:
                record.held = _Held(decision.hold, now, now)
            else:
                held.until = now

    def _reasons(self, run: Waiting, station: Station) -> dict[str, Any]:
        """Say why this instance takes this run now: what it found here, why not the others, and what held it up."""
        snapshot = self._snapshot()
        demand = snapshot.demand(run.step)
        figures = {
            "card": station.card or None,
            "vram_gb": _rounded(station.vram_gb),
            "headroom_gb": _rounded(station.headroom_gb),
            "temperature_c": station.temperature_c,
            "usual_s": _rounded(station.expected_s.get(run.step)),
            "needs_gb": demand.vram_gb or None,
        }
        found: dict[str, Any] = {key: value for key, value in figures.items() if value is not None}
        found["waited_s"] = _rounded(max(0.0, snapshot.now - run.since))
        found["ahead"] = station.in_flight
        found["before"] = self._handed_out.get(run.step, 0)
        if demand.models:
            found["warm"] = demand.models <= station.warm
        others = [one for one in self._stations.values() if one.name != station.name][:SHOWN]
        found["others"] = {one.name: self._compared(run, one, snapshot) for one in others}
        if held := self._held_up(run, snapshot.now):
            found["held"] = held
        return found

    def _compared(self, run: Waiting, other: Station, snapshot: Snapshot) -> dict[str, Any]:
        """Say why a run does not go to another instance."""
        hold = hold_of(run, other, snapshot)
        if hold is None and other.name in run.failed_on:
            hold = Hold(Why.FAILED_HERE, {"other": "this one"})
        if hold is not None:
            return {"why": str(hold.why), **hold.facts}
        return {"in_flight": other.in_flight, "usual_s": _rounded(other.expected_s.get(run.step))}

    def _held_up(self, run: Waiting, now: float) -> list[dict[str, Any]]:
        """Return what kept instances from work since a run became due: reasons with seconds, longest first."""
        current = [(name, one.held) for name, one in self._records.items() if one.held is not None]
        seconds: dict[tuple[str, Why], float] = {}
        facts: dict[tuple[str, Why], Mapping[str, Any]] = {}
        for name, held in [*self._past, *current]:
            overlap = min(held.until, now) - max(held.since, run.since)
            if overlap >= WORTH_TELLING_S and held.hold.why is not Why.SPREAD:
                key = (name, held.hold.why)
                seconds[key] = seconds.get(key, 0.0) + overlap
                facts[key] = held.hold.facts
        longest = sorted(seconds, key=lambda key: -seconds[key])[:SHOWN]
        return [{"instance": key[0], "why": str(key[1]), "s": _rounded(seconds[key]), **facts[key]} for key in longest]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
