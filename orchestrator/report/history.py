"""What belongs to one night, when later ones went on with its items: a report tells of the night, whenever it is made.

A night's items may be taken over, sent back and made again by the next ones. Their state as the night left it is in
the log of events, and a verdict belongs to the night whose video it is about.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from db.reviews import ReviewView
from db.states import MOVES, State
from db.store import Store
from db.views import AttemptView, BatchView, ItemView
from orchestrator.report.figures import VIDEO_STEP

EVERYTHING = 100_000  # events of one item: more than any has


def items_as_left(store: Store, batch: BatchView) -> list[ItemView]:
    """Return a night's items with the states and reasons that they had when it was closed; of an open one, now."""
    items = store.items(batch.id)
    if batch.closed_at is None:
        return items
    return [_as_left(store, item, batch.closed_at) for item in items]


def _as_left(store: Store, item: ItemView, closed_at: datetime) -> ItemView:
    latest = store.events(item_id=item.item_id, limit=1)
    if not latest or latest[0].at <= closed_at:
        return item
    moves = [
        event
        for event in store.events(item_id=item.item_id, limit=EVERYTHING)
        if event.name in MOVES and event.name.startswith("item.") and event.at <= closed_at
    ]
    if not moves:
        return replace(item, state=State.PENDING, reasons=())
    reasons = moves[-1].details.get("reasons") or ()
    return replace(item, state=MOVES[moves[-1].name].target, reasons=tuple(str(reason) for reason in reasons))


def verdicts_about(store: Store, batch_id: int, attempts: Iterable[AttemptView]) -> list[ReviewView]:
    """Return the newest verdict about each video that a night made, in the order of its items and languages."""
    mine = {one.attempt_id for one in attempts if one.step == VIDEO_STEP and one.outcome == "complete"}
    found: dict[tuple[int, str], ReviewView] = {}
    for item_id in sorted({review.item_id for review in store.reviews(batch_id)}):
        files = [*store.current_artifacts(item_id), *store.superseded(item_id)]
        made = {row.sha256 for row in files if row.attempt_id in mine}
        for review in store.reviews_of_item(item_id):
            if review.sha256 in made:
                found[review.item_id, review.language] = review
    return _in_order(list(found.values()))


def _in_order(reviews: Sequence[ReviewView]) -> list[ReviewView]:
    return sorted(reviews, key=lambda review: (review.item_id, review.language))
