"""Why a step run went where it went, why then, and what it waited for: `nightreel explain`.

Put together from what the night kept: tries, events, and the reasons that placement wrote down with each claim. Nothing
is guessed; where a night of an earlier version kept no reasons, that is said.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from db.placements import Placements, PlacementView
from db.states import State
from db.store import AttemptView, ItemView, RunView, Store
from orchestrator.errors import NotFoundError
from orchestrator.home import Home
from orchestrator.placement_words import words_of
from orchestrator.wording import counted, one_line

WORTH_TELLING_S = 1.0
"""Waits that are shorter than this explain nothing."""
LONGEST_WORDS = 300


@dataclass(frozen=True)
class Try:
    """One try, with its reasons in sentences."""

    attempt_id: int
    number: int  # 1-based within the generation
    generation: int
    instance: str | None
    claimed_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    outcome: str | None
    why_here: tuple[str, ...]
    why_then: tuple[str, ...]


@dataclass(frozen=True)
class Explanation:
    """One step run, explained."""

    run_id: int
    item_id: int
    title: str
    step: str
    variant: str
    state: str
    tries: tuple[Try, ...]
    now: tuple[str, ...]  # what it waits for, when it is still to do

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)


def explain(store: Store, home: Home, run_id: int, *, needs: Mapping[str, Sequence[str]]) -> Explanation:
    """Explain one step run.

    Args:
        store: The state.
        home: Where the nights' logs are.
        run_id: The run.
        needs: Step -> the steps that it builds on.

    Raises:
        NotFoundError: there is no such run.
    """
    item_id = Placements(store.engine).item_of_run(run_id)
    if item_id is None:
        raise NotFoundError(f"there is no step run {run_id}; `nightreel show ITEM` lists an item's runs with their ids")
    return _Explainer(store, home, store.item(item_id), run_id, needs).explanation()


def find_run(store: Store, words: Sequence[str]) -> int:
    """Return the run that a person names: its id, or an item's number, a step and perhaps a language.

    Raises:
        NotFoundError: there is none, or it is not clear which; says what there is.
    """
    if len(words) == 1 and words[0].isdecimal():
        return int(words[0])
    if not 2 <= len(words) <= 3 or not words[0].isdecimal():
        raise NotFoundError("name a run by its id, or by ITEM STEP [LANGUAGE], such as: 7 script_video fr")
    item_id, step, variant = int(words[0]), words[1], words[2] if len(words) == 3 else None
    runs = store.runs_of_item(item_id)
    if not runs:
        raise NotFoundError(f"there is no item {item_id}")
    of_step = [run for run in runs if run.step == step]
    if not of_step:
        known = ", ".join(dict.fromkeys(run.step for run in runs))
        raise NotFoundError(f"item {item_id} has no step {step!r}; it has: {known}")
    found = [run for run in of_step if variant is None or run.variant == variant]
    if len(found) == 1:
        return found[0].run_id
    variants = ", ".join(run.variant for run in of_step if run.variant) or "none: it is shared by all languages"
    raise NotFoundError(f"say which language of {step}; item {item_id} has: {variants}")


class _Explainer:
    """Gathers the facts of one run, once."""

    def __init__(
        self, store: Store, home: Home, item: ItemView, run_id: int, needs: Mapping[str, Sequence[str]]
    ) -> None:
        self._store = store
        self._home = home
        self._item = item
        self._runs = store.runs_of_item(item.item_id)
        self._run: RunView = next(run for run in self._runs if run.run_id == run_id)
        self._needs = needs.get(self._run.step, ())
        self._placements: Mapping[int, PlacementView] = Placements(store.engine).of_run(run_id)
        self._tries = store.attempts_of_run(run_id)
        self._nights: dict[int, list[AttemptView]] = {}

    def explanation(self) -> Explanation:
        run = self._run
        tries = tuple(self._try(one, earlier) for one, earlier in zip(self._tries, [None, *self._tries], strict=False))
        is_open = run.state in (State.PENDING, State.REDO)
        return Explanation(
            run.run_id,
            run.item_id,
            self._item.title,
            run.step,
            run.variant,
            str(run.state),
            tries,
            tuple(self._waits_for()) if is_open else (),
        )

    def _try(self, attempt: AttemptView, earlier: AttemptView | None) -> Try:
        placement = self._placements.get(attempt.attempt_id)
        reasons = placement.reasons if placement is not None else {}
        return Try(
            attempt.attempt_id,
            attempt.number,
            attempt.generation,
            attempt.instance,
            attempt.claimed_at,
            attempt.started_at,
            attempt.finished_at,
            attempt.outcome,
            why_here=tuple(self._why_here(attempt, reasons)),
            why_then=tuple(self._why_then(attempt, earlier, reasons)),
        )

    # -- why this card ------------------------------------------------------------------------------------------------

    def _why_here(self, attempt: AttemptView, reasons: Mapping[str, Any]) -> Iterator[str]:
        if attempt.instance is None:
            yield "it ran on this machine's CPU, where every worker is like another"
            return
        if not reasons:
            yield f"it went to {attempt.instance}; no reasons were kept"
            return
        yield f"it went to {attempt.instance}: {_found_there(reasons)}"
        others = reasons.get("others") or {}
        for name, found in sorted(others.items()):
            if found.get("why"):
                yield f"{name} did not take it: {_clause(found)}"
            else:
                usual = found.get("usual_s")
                pace = f", and usually takes {usual:g} s" if usual is not None else ""
                yield f"{name} could have: it had {counted(int(found.get('in_flight') or 0), 'run')} in its queue{pace}"

    # -- why then -----------------------------------------------------------------------------------------------------

    def _why_then(self, attempt: AttemptView, earlier: AttemptView | None, reasons: Mapping[str, Any]) -> Iterator[str]:
        if earlier is not None and earlier.generation == attempt.generation and earlier.finished_at is not None:
            waited_s = (attempt.claimed_at - earlier.finished_at).total_seconds()
            cause = earlier.error_class or earlier.outcome or "no outcome"
            yield (
                f"try {earlier.number} on {earlier.instance or 'the CPU'} ended with {cause}; "
                f"the next one began {_span(waited_s)} later"
            )
        else:
            yield from self._barrier(attempt)
        before = int(reasons.get("before") or 0)
        if before:
            yield f"{counted(before, 'run')} of {attempt.step} went first, in the night's order of work"
        for held in reasons.get("held") or ():
            yield f"{held.get('instance')} took nothing for {_span(float(held.get('s') or 0))}: {_clause(held)}"
        if attempt.started_at is not None:
            queued_s = (attempt.started_at - attempt.claimed_at).total_seconds()
            if queued_s >= WORTH_TELLING_S:
                ahead = int(reasons.get("ahead") or 0)
                behind = f", behind {counted(ahead, 'run')} in its queue" if ahead else ""
                yield f"it began on the card {_span(queued_s)} after it was given to it{behind}"

    def _barrier(self, attempt: AttemptView) -> Iterator[str]:
        """Say what had to be over before the first try could begin."""
        built = self._built_by(attempt)
        if built is not None:
            yield f"{built[1]}, which it builds on, was complete at {_clock(built[0])}"
        night = self._night(attempt.batch_id)
        of_step = [one for one in night if one.step == attempt.step]
        begun = min((one.claimed_at for one in of_step), default=attempt.claimed_at)
        before = [one for one in night if one.step != attempt.step and one.finished_at and one.finished_at <= begun]
        if not before:
            return
        last = max(before, key=lambda one: one.finished_at or one.claimed_at)
        assert last.finished_at is not None
        if built is None or (last.finished_at - built[0]).total_seconds() >= WORTH_TELLING_S:
            yield (
                f"{last.step} went on for other items until {_clock(last.finished_at)}: "
                "a step begins when the one before it is over"
            )
        gap_s = (begun - last.finished_at).total_seconds()
        if gap_s >= WORTH_TELLING_S:
            yield f"between the two steps {_span(gap_s)} passed, as for restarts of the instances"

    def _built_by(self, attempt: AttemptView) -> tuple[datetime, str] | None:
        """Return when the last of what a run builds on was complete, and which step made it."""
        found = []
        for need in self._runs:
            if need.step in self._needs and need.variant in ("", self._run.variant):
                tries = self._store.attempts_of_run(need.run_id)
                ends = [
                    one.finished_at
                    for one in tries
                    if one.outcome == "complete"
                    and one.finished_at is not None
                    and one.finished_at <= attempt.claimed_at
                ]
                if ends:
                    found.append((max(ends), need.step))
        return max(found) if found else None

    def _night(self, batch_id: int) -> list[AttemptView]:
        if batch_id not in self._nights:
            self._nights[batch_id] = self._store.attempts(batch_id)
        return self._nights[batch_id]

    # -- why not yet --------------------------------------------------------------------------------------------------

    def _waits_for(self) -> Iterator[str]:
        made = {(run.step, run.variant): run.state for run in self._runs}
        for need in self._needs:
            state = made.get((need, self._run.variant)) or made.get((need, ""))
            if state is not None and state is not State.COMPLETE:
                yield f"it builds on {need}, which is {state}"
        if self._run.retry_at is not None:
            yield f"it waits after a failed try: not before {_clock(self._run.retry_at)}"
        for event in self._logged():
            match event.get("event"):
                case "night.deadline":
                    yield f"at {_clock(event['at'])} it would not have ended in time: the night had to stop"
                case "step.stopped":
                    why = one_line(str(event.get("reason")), longest=LONGEST_WORDS)
                    yield f"the step was stopped for all items: {why}"
                case "night.stopping":
                    yield f"the night was asked to stop at {_clock(event['at'])}"
                case "instance.left_out":
                    missing = one_line(str(event.get("missing")), longest=LONGEST_WORDS)
                    yield f"{event.get('instance')} was left out of the step: {missing}"

    def _logged(self) -> list[dict[str, Any]]:
        """Return what the last night's log says of this step as a whole."""
        last = self._store.latest_batch()
        if last is None:
            return []
        found = []
        try:
            lines = self._home.log_of(last.id).read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return []
        for line in lines:
            try:
                event = json.loads(line)
                event["at"] = datetime.fromisoformat(event["at"])
            except (ValueError, TypeError, KeyError):
                continue
            if event.get("step") in (None, self._run.step):
                found.append(event)
        return found


def _found_there(reasons: Mapping[str, Any]) -> str:
    """Say what placement found on the instance that it chose."""
    parts = []
    if reasons.get("card"):
        parts.append(f"card {reasons['card']}")
    if reasons.get("vram_gb") is not None:
        needs = f" of which the step needs {reasons['needs_gb']:g} GB" if reasons.get("needs_gb") else ""
        parts.append(f"{reasons['vram_gb']:g} GB{needs}")
    if reasons.get("temperature_c") is not None:
        parts.append(f"{reasons['temperature_c']:g} °C")
    if reasons.get("usual_s") is not None:
        parts.append(f"usually takes {reasons['usual_s']:g} s there")
    if "warm" in reasons:
        parts.append("its models were loaded" if reasons["warm"] else "its models had to be loaded")
    ahead = int(reasons.get("ahead") or 0)
    parts.append(f"{counted(ahead, 'run')} ahead in its queue" if ahead else "it was free")
    return ", ".join(parts)


def _clause(found: Mapping[str, Any]) -> str:
    return one_line(words_of(str(found["why"]), found), longest=LONGEST_WORDS)


def _span(seconds: float) -> str:
    seconds = max(0.0, seconds)
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def _clock(at: datetime) -> str:
    return f"{at.astimezone():%H:%M:%S}"
