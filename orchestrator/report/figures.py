"""The figures of a night, computed from its attempts. Pure: rows in, numbers out.

A prompt's *compute* is its time on the card, by the server's own clock. Its *wait* is the time for which the card stood
idle before it: from the end of the prompt before it on that instance (or from its own claim, when that was later) to
its start. Wait and compute together are its *wall-clock*, so the sums over steps, items and the night agree; waiting
behind another prompt of the same night is not a loss and not counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from db.states import State
from db.views import AttemptView, BatchView, ItemView


@dataclass(frozen=True)
class Share:
    """Seconds of one thing: a step, an item, an instance or the night."""

    compute_s: float = 0.0
    wait_s: float = 0.0

    @property
    def wall_s(self) -> float:
        """Compute and wait together."""
        return self.compute_s + self.wait_s

    @property
    def active(self) -> float | None:
        """Compute against wall-clock, 0..1; None when there is neither."""
        return self.compute_s / self.wall_s if self.wall_s > 0 else None

    def plus(self, other: Share) -> Share:
        """Return both together."""
        return Share(self.compute_s + other.compute_s, self.wait_s + other.wait_s)


@dataclass(frozen=True)
class StepFigures:
    """One step in one night."""

    name: str
    number: int
    on_card: bool
    share: Share
    window_s: float  # from the first claim to the last end
    runs: int
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
    outcome: str
    preview: bool
    seed: int
    began: datetime
    ended: datetime
    steps: tuple[StepFigures, ...]
    items: tuple[ItemFigures, ...]
    failures: tuple[Failure, ...]
    instances: Mapping[str, Share]

    @property
    def wall_s(self) -> float:
        """From opening to the last end."""
        return (self.ended - self.began).total_seconds()

    @property
    def card(self) -> Share:
        """All prompts together."""
        total = Share()
        for step in self.steps:
            if step.on_card:
                total = total.plus(step.share)
        return total

    @property
    def card_active_of_night(self) -> float | None:
        """Share of the whole night for which a card computed, averaged over the cards; None without cards."""
        if not self.instances or self.wall_s <= 0:
            return None
        return self.card.compute_s / (self.wall_s * len(self.instances))

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
    videos: Mapping[int, Sequence[str]],
    step_numbers: Mapping[str, int],
    now: datetime,
) -> NightFigures:
    """Compute a night's figures.

    Args:
        batch: The night.
        items: Its items, in order.
        attempts: Its attempts, all of them.
        videos: Languages of the finished videos, by item id.
        step_numbers: 0-based place of each step.
        now: The end of a night that is still open.
    """
    shares = attempt_shares(attempts)
    ends = [attempt.finished_at for attempt in attempts if attempt.finished_at is not None]
    instances: dict[str, Share] = {}
    for attempt in attempts:
        if attempt.instance is not None and attempt.attempt_id in shares:
            instances[attempt.instance] = instances.get(attempt.instance, Share()).plus(shares[attempt.attempt_id])
    return NightFigures(
        batch_id=batch.id,
        list_name=batch.list_name,
        outcome=batch.outcome or "open",
        preview=batch.preview,
        seed=batch.seed,
        began=batch.opened_at,
        ended=max([batch.opened_at, *ends]) if batch.closed_at is not None or ends else now,
        steps=tuple(_steps(attempts, shares, step_numbers)),
        items=tuple(_item(item, attempts, shares, videos.get(item.item_id, ())) for item in items),
        failures=tuple(_failures(attempts)),
        instances=dict(sorted(instances.items())),
    )


def attempt_shares(attempts: Sequence[AttemptView]) -> dict[int, Share]:
    """Return compute and wait of each attempt that began, by attempt id. Local work has no wait."""
    shares: dict[int, Share] = {}
    free_since: dict[str, datetime] = {}
    begun = [one for one in attempts if one.started_at is not None and one.finished_at is not None]
    for attempt in sorted(begun, key=lambda one: one.started_at or one.claimed_at):
        assert attempt.started_at is not None
        assert attempt.finished_at is not None
        compute = max(0.0, (attempt.finished_at - attempt.started_at).total_seconds())
        wait = 0.0
        if attempt.instance is not None:
            since = max(attempt.claimed_at, free_since.get(attempt.instance, attempt.claimed_at))
            wait = max(0.0, (attempt.started_at - since).total_seconds())
            free_since[attempt.instance] = max(attempt.finished_at, free_since.get(attempt.instance, since))
        shares[attempt.attempt_id] = Share(compute, wait)
    return shares


def _steps(
    attempts: Sequence[AttemptView], shares: Mapping[int, Share], numbers: Mapping[str, int]
) -> list[StepFigures]:
    found = []
    for name in sorted({one.step for one in attempts}, key=lambda name: (numbers.get(name, 99), name)):
        mine = [one for one in attempts if one.step == name]
        total = Share()
        for one in mine:
            total = total.plus(shares.get(one.attempt_id, Share()))
        ends = [one.finished_at for one in mine if one.finished_at is not None]
        window = (max(ends) - min(one.claimed_at for one in mine)).total_seconds() if ends else 0.0
        found.append(
            StepFigures(
                name,
                numbers.get(name, 99),
                any(one.instance is not None for one in mine),
                total,
                window,
                len({one.run_id for one in mine}),
                sum(1 for one in mine if one.outcome == "failed"),
            )
        )
    return found


def _item(
    item: ItemView, attempts: Sequence[AttemptView], shares: Mapping[int, Share], videos: Sequence[str]
) -> ItemFigures:
    mine = [one for one in attempts if one.item_id == item.item_id and one.attempt_id in shares]
    card, local = Share(), 0.0
    by_step: dict[str, float] = {}
    for one in mine:
        share = shares[one.attempt_id]
        if one.instance is None:
            local += share.compute_s
        else:
            card = card.plus(share)
        by_step[one.step] = by_step.get(one.step, 0.0) + share.compute_s
    longest = max(by_step, key=lambda name: by_step[name], default="")
    return ItemFigures(
        item.item_id,
        item.title,
        item.artist or "",
        item.state,
        tuple(item.reasons),
        tuple(sorted(videos)),
        card,
        local,
        longest,
        by_step.get(longest, 0.0),
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
