"""What a person decides about an item: send it back to a step, or abort it. The review and the commands use this."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from db.errors import CannotSendBack, NotFound, StaleItem
from db.states import State
from db.store import AttemptView, ItemView, Store
from orchestrator.errors import NotFoundError
from orchestrator.home import Home
from orchestrator.review.pool import take_out_of_pool
from steps.base import Step
from steps.registry import default_steps, needs_of, steps_after


@dataclass(frozen=True)
class SentBack:
    """What sending an item back led to."""

    steps: tuple[str, ...]  # that run again, in order
    withdrawn: tuple[Path, ...]  # folders that were taken out of the pool


def send_back(
    store: Store,
    home: Home,
    item_id: int,
    step: str,
    *,
    language: str | None = None,
    reason: str = "",
    pipeline: Sequence[Step] | None = None,
) -> SentBack:
    """Send an item back to a step. What the pool has of it leaves the pool, in the languages that are made again.

    The old artifacts stay until the new ones are COMPLETE.

    Args:
        store: The state.
        home: Where the pool is.
        item_id: The item.
        step: The step to begin with.
        language: Only this one; None for all.
        reason: Why, for the record.
        pipeline: The steps there are, in order; by default the built-in ones.

    Raises:
        NotFoundError: there is no such item, step or language, or it cannot be sent back as it stands.
        StorageError: the pool cannot be changed; the item is sent back all the same.
    """
    item = find_item(store, item_id)
    pipeline = default_steps() if pipeline is None else pipeline
    names = [one.name for one in pipeline]
    if step not in names:
        raise NotFoundError(f"there is no step {step!r}; the steps are: {', '.join(names)}")
    shared = {one.name for one in pipeline if not one.per_language}
    if language is not None and language not in item.languages:
        raise NotFoundError(f"item {item_id} has no language {language!r}; it has: {', '.join(item.languages)}")
    if language is not None and step in shared:
        raise NotFoundError(f"step {step} is shared by all languages of an item: leave out --lang")
    if item.state not in (State.COMPLETE, State.FAILED):
        raise NotFoundError(_not_now(item))
    again = steps_after(step, needs_of(pipeline))
    languages = item.languages if language is None else (language,)
    try:
        store.send_back(item_id, steps=again, languages=None if language is None else [language], reason=reason)
    except (CannotSendBack, StaleItem, NotFound) as error:
        raise NotFoundError(str(error)) from error
    withdrawn = take_out_of_pool(home.pool, item_id=item_id, title=item.title, languages=languages)
    return SentBack(tuple(name for name in names if name in again), tuple(withdrawn))


def _not_now(item: ItemView) -> str:
    if item.state is State.ABORTED:
        why = "; ".join(reason.rstrip(".") for reason in item.reasons)
        return f"item {item.item_id} was turned down and stays so" + (f": {why}" if why else "")
    return f"item {item.item_id} is {item.state}: what is missing of it is made by nightreel resume, or the next night"


def abort_item(store: Store, item_id: int, *, reason: str) -> tuple[AttemptView, ...]:
    """Abort an item.

    Returns:
        The tries of it that had not ended: their prompts are to be withdrawn (`withdrawing.py`).

    Raises:
        NotFoundError: there is no such item, or it is over already.
    """
    item = find_item(store, item_id)
    if item.state is State.ABORTED:
        raise NotFoundError(f"item {item_id} is ABORTED already")
    if item.state is State.COMPLETE:
        raise NotFoundError(f"item {item_id} is COMPLETE; reject its videos with: nightreel review")
    try:
        return store.abort_item(item_id, reason=reason)
    except StaleItem as error:
        raise NotFoundError(f"item {item_id} moved on at this very moment; look at it with: nightreel show") from error


def find_item(store: Store, item_id: int) -> ItemView:
    """Return an item.

    Raises:
        NotFoundError: there is none with this number.
    """
    try:
        return store.item(item_id)
    except NotFound as error:
        raise NotFoundError(f"there is no item {item_id}; the report of a night lists its items") from error


def require_night(store: Store, batch_id: int | None) -> int:
    """Return a night's number: the one that was named, or the last one.

    Raises:
        NotFoundError: there is no such night, or none at all.
    """
    latest = store.latest_batch()
    if latest is None:
        named = "" if batch_id is None else f"there is no night {batch_id}: "
        raise NotFoundError(f"{named}there was no night yet; start one with: nightreel run")
    if batch_id is None:
        return latest.id
    try:
        return store.batch(batch_id).id
    except NotFound as error:
        raise NotFoundError(f"there is no night {batch_id}; the last one is {latest.id}") from error
