"""The figures of a night, computed from its attempts. Pure: rows in, numbers out; what a second counts for is said in
`shares.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from db.states import State
from db.views import AttemptView, BatchView, ItemView
from orchestrator.report.shares import Share, attempt_shares, joined_seconds, together, under_way

__all__ = [
    "Failure",
    "ItemFigures",
    "NightFigures",
    "Share",
    "StepFigures",
    "attempt_shares",
    "night_figures",
    "videos_made",
]

VIDEO_STEP = "final_video"
PAUSE_S = 1800.0  # nothing under way for longer: the night was stopped, or crashed, and went on later


@dataclass(frozen=True)
class StepFigures:
    """One step in one night."""

    name: str
    number: int  # 0-based place in the pipeline
    on_card: bool
    share: Share
    window_s: float  # for which at least one try of it was under way
    runs: int
    items: int
    failed_tries: int


@dataclass(frozen=True)
class ItemFigures:
    """One item in one night."""

    item_id: int
    title: str
    artist: str
    state: State
    reasons: tuple[str, ...]
    videos: tuple[str, ...]  # languages
    card: Share
    local_s: float
    longest_step: str
    longest_s: float
    reached: str  # the last step of it that was completed tonight; empty for none


@dataclass(frozen=True)
class Failure:
    """A try that failed."""

    item_id: int
    step: str
    variant: str
    instance: str | None
    error_class: str
    message: str
    remedy: str


@dataclass(frozen=True)
class NightFigures:
    """One night."""

    batch_id: int
    list_name: str
    outcome: str  # "complete", "stopped", "failed", or "open"
    preview: bool
    seed: int
    carried: int  # items that an earlier night left
    redone: int  # items that were sent back
    began: datetime
    ended: datetime
    worked_s: float  # without the time for which it was stopped
    under_way_s: float  # for which at least one try of any step was under way
    steps: tuple[StepFigures, ...]
    items: tuple[ItemFigures, ...]
    failures: tuple[Failure, ...]
    instances: Mapping[str, Share]

    @property
    def wall_s(self) -> float:
        """From opening to the last end."""
        return (self.ended - self.began).total_seconds()

    @property
    def paused_s(self) -> float:
        """How long it was stopped before it was resumed, if for longer than `PAUSE_S`; 0 for less."""
        missing = self.wall_s - self.worked_s
        return missing if missing > PAUSE_S else 0.0

    @property
    def card(self) -> Share:
        """All prompts together."""
        return together(self.instances.values())

    @property
    def card_idle_s(self) -> float:
        """How long the cards did nothing while the night was under way, for whatever reason; all cards together."""
        return max(0.0, self.worked_s * len(self.instances) - self.card.compute_s)

    @property
    def card_active_of_night(self) -> float | None:
        """Share of the whole night for which a card computed, averaged over the cards; None without cards."""
        if not self.instances or self.worked_s <= 0:
            return None
        return self.card.compute_s / (self.worked_s * len(self.instances))

    @property
    def between_steps_s(self) -> float:
        """Time of the night in which no step was under way: engines that start, and restarts between two steps."""
        return max(0.0, self.worked_s - self.under_way_s)

    @property
    def overlapped_s(self) -> float:
        """Time for which more than one step was under way, counted once for each step too many."""
        return max(0.0, sum(step.window_s for step in self.steps) - self.under_way_s)

    @property
    def videos(self) -> Mapping[str, int]:
        """Finished videos by language."""
        found: dict[str, int] = {}
        for item in self.items:
            for language in item.videos:
                found[language] = found.get(language, 0) + 1
        return dict(sorted(found.items()))

    def count(self, state: State) -> int:
        """How many items are in a state."""
        return sum(1 for item in self.items if item.state is state)

    def bottlenecks(self, most: int = 3) -> list[StepFigures]:
        """Return the steps on the cards with the most compute."""
        on_card = [step for step in self.steps if step.on_card and step.share.compute_s > 0]
        return sorted(on_card, key=lambda step: -step.share.compute_s)[:most]


def night_figures(
    batch: BatchView,
    items: Sequence[ItemView],
    attempts: Sequence[AttemptView],
    *,
    step_numbers: Mapping[str, int],
    now: datetime,
) -> NightFigures:
    """Compute a night's figures.

    Args:
        batch: The night.
        items: Its items, in order, as it left them.
        attempts: Its attempts, all of them.
        step_numbers: 0-based place of each step.
        now: The end of a night that is under way.
    """
    shares = attempt_shares(attempts)
    began, ended = batch.opened_at, _end(batch, attempts, now)
    intervals = [under_way(attempt) for attempt in attempts]
    instances: dict[str, Share] = {}
    for attempt in attempts:
        if attempt.instance is not None and attempt.attempt_id in shares:
            instances[attempt.instance] = instances.get(attempt.instance, Share()).plus(shares[attempt.attempt_id])
    of_item: dict[int, list[AttemptView]] = {}
    for attempt in attempts:
        of_item.setdefault(attempt.item_id, []).append(attempt)
    videos = videos_made(attempts)
    return NightFigures(
        batch_id=batch.id,
        list_name=batch.list_name,
        outcome=batch.outcome or "open",
        preview=batch.preview,
        seed=batch.seed,
        carried=batch.carried,
        redone=batch.redone,
        began=began,
        ended=ended,
        worked_s=joined_seconds([(began, began), *intervals, (ended, ended)], gap_s=PAUSE_S),
        under_way_s=joined_seconds(intervals),
        steps=tuple(_steps(attempts, shares, step_numbers)),
        items=tuple(
            _item(item, of_item.get(item.item_id, ()), shares, videos.get(item.item_id, ()), step_numbers)
            for item in items
        ),
        failures=tuple(_failures(attempts)),
        instances=dict(sorted(instances.items())),
    )


def videos_made(attempts: Sequence[AttemptView]) -> dict[int, tuple[str, ...]]:
    """Return the languages in which each item's video was finished by these attempts, by item id."""
    found: dict[int, set[str]] = {}
    for one in attempts:
        if one.step == VIDEO_STEP and one.outcome == "complete":
            found.setdefault(one.item_id, set()).add(one.variant)
    return {item_id: tuple(sorted(languages)) for item_id, languages in found.items()}


def _end(batch: BatchView, attempts: Sequence[AttemptView], now: datetime) -> datetime:
    """Return the last sign of life: a night may be closed long after it died, by the next one."""
    signs = [batch.opened_at, *(under_way(attempt)[1] for attempt in attempts)]
    if batch.closed_at is None and any(attempt.outcome is None for attempt in attempts):
        signs.append(now)
    return max(signs)


def _steps(
    attempts: Sequence[AttemptView], shares: Mapping[int, Share], numbers: Mapping[str, int]
) -> list[StepFigures]:
    found = []
    for name in sorted({one.step for one in attempts}, key=lambda name: (numbers.get(name, 99), name)):
        mine = [one for one in attempts if one.step == name]
        found.append(
            StepFigures(
                name,
                numbers.get(name, 99),
                any(one.instance is not None for one in mine),
                together(shares[one.attempt_id] for one in mine if one.attempt_id in shares),
                joined_seconds(under_way(one) for one in mine),
                len({one.run_id for one in mine}),
                len({one.item_id for one in mine}),
                sum(1 for one in mine if one.outcome == "failed"),
            )
        )
    return found


def _item(
    item: ItemView,
    mine: Sequence[AttemptView],
    shares: Mapping[int, Share],
    videos: Sequence[str],
    numbers: Mapping[str, int],
) -> ItemFigures:
    by_step: dict[str, float] = {}
    for one in mine:
        if one.attempt_id in shares:
            by_step[one.step] = by_step.get(one.step, 0.0) + shares[one.attempt_id].compute_s
    longest = max(by_step, key=lambda name: by_step[name], default="")
    counted = [one for one in mine if one.attempt_id in shares]
    return ItemFigures(
        item.item_id,
        item.title,
        item.artist or "",
        item.state,
        tuple(item.reasons),
        tuple(videos),
        together(shares[one.attempt_id] for one in counted if one.instance is not None),
        sum(shares[one.attempt_id].compute_s for one in counted if one.instance is None),
        longest,
        by_step.get(longest, 0.0),
        max(
            (one.step for one in mine if one.outcome == "complete"), key=lambda name: numbers.get(name, 99), default=""
        ),
    )


def _failures(attempts: Sequence[AttemptView]) -> list[Failure]:
    return [
        Failure(
            one.item_id,
            one.step,
            one.variant,
            one.instance,
            one.error_class,
            one.error_message or "",
            one.remedy or "",
        )
        for one in attempts
        if one.error_class is not None
    ]
