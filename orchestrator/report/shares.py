"""Compute and wait of each try, and the time for which anything was under way. Pure: rows in, seconds out.

A try's *compute* is its time on the card, by the server's own clock. Its *wait* is the time for which the card stood
idle although the try was there for it: from its claim, or from the end of what the card did before it when that was
later, to its start; for one that never began, to its end. Every second of a card is counted once: a try that another
one was prefetched behind is not waited for, and where the ends of two tries overlap (a failure is noticed a little
late) the second one's compute begins where the first one's ends. So the sums over steps, items, cards and the night
agree, and no card is busy for longer than the night.

Nobody knows when the card let go of a try that a crash cut short: such a try, put back later, counts for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from db.views import AttemptView

Interval = tuple[datetime, datetime]


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


def together(shares: Iterable[Share]) -> Share:
    """Return all of them as one."""
    total = Share()
    for share in shares:
        total = total.plus(share)
    return total


def attempt_shares(attempts: Sequence[AttemptView]) -> dict[int, Share]:
    """Return compute and wait of each try that counts, by its id. Local work has no wait."""
    shares: dict[int, Share] = {}
    accounted: dict[str, datetime] = {}  # instance -> until when its time is accounted for
    for attempt in sorted((one for one in attempts if _counts(one)), key=_order):
        began, ended = attempt.started_at, attempt.finished_at
        assert ended is not None
        if attempt.instance is None:
            assert began is not None
            shares[attempt.attempt_id] = Share(_seconds(began, ended))
            continue
        free = accounted.get(attempt.instance)
        since = attempt.claimed_at if free is None else max(attempt.claimed_at, free)
        if began is None:
            shares[attempt.attempt_id] = Share(0.0, _seconds(since, ended))
        else:
            begin = began if free is None else max(began, free)
            shares[attempt.attempt_id] = Share(_seconds(begin, ended), _seconds(since, began))
        accounted[attempt.instance] = ended if free is None else max(ended, free)
    return shares


def _counts(attempt: AttemptView) -> bool:
    if attempt.finished_at is None or attempt.outcome in (None, "put_back"):
        return False
    return attempt.started_at is not None or attempt.instance is not None


def _order(attempt: AttemptView) -> tuple[datetime, int]:
    return attempt.started_at or attempt.finished_at or attempt.claimed_at, attempt.attempt_id


def _seconds(begin: datetime, end: datetime) -> float:
    return max(0.0, (end - begin).total_seconds())


def under_way(attempt: AttemptView) -> Interval:
    """Return from when to when a try was certainly under way; the end of one that was cut short is its last sign."""
    if attempt.finished_at is not None and attempt.outcome not in (None, "put_back"):
        return attempt.claimed_at, max(attempt.claimed_at, attempt.finished_at)
    signs = [attempt.claimed_at, attempt.queued_at, attempt.started_at]
    return attempt.claimed_at, max(sign for sign in signs if sign is not None)


def joined_seconds(intervals: Iterable[Interval], *, gap_s: float = 0.0) -> float:
    """Return how many seconds the intervals cover together, gaps of up to `gap_s` between them included."""
    total, until = 0.0, None
    for begin, end in sorted(intervals):
        if until is None or (begin - until).total_seconds() > gap_s:
            total += (end - begin).total_seconds()
            until = end
        elif end > until:
            total += (end - until).total_seconds()
            until = end
    return total
