"""Which batch a night works on: an unfinished one that goes on, or a new one with a draw from the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from db.store import BatchView, StepSpec, Store
from orchestrator.errors import CatalogueError
from orchestrator.log import Logger
from orchestrator.remedies import derive_seed
from orchestrator.settings import Settings
from steps.base import Step


@dataclass(frozen=True)
class NightRequest:
    """What to do tonight."""

    resume: bool = False  # go on with the unfinished batch, and draw nothing
    paintings: int | None = None  # how many; None: as the settings say
    list_name: str | None = None
    seed: int | None = None
    stop_by: datetime | None = None  # aware


def coming_id(store: Store, *, resume: bool) -> int:
    """Return the number of the batch that the night will work on: its log is opened before the batch is."""
    unfinished = store.unfinished_batch() if resume else None
    latest = store.latest_batch()
    return unfinished.id if unfinished is not None else 1 if latest is None else latest.id + 1


def open_batch(
    store: Store, settings: Settings, request: NightRequest, *, steps: Sequence[Step], preview: bool, log: Logger
) -> tuple[BatchView, bool]:
    """Return the batch to work on, and whether it is an unfinished one that goes on.

    A new one takes over what earlier nights left.

    Raises:
        CatalogueError: there is nothing to do.
    """
    unfinished = store.unfinished_batch()
    if request.resume and unfinished is not None:
        log.info("night.resumed", batch_id=unfinished.id)
        return unfinished, True
    list_name = request.list_name or settings.night.list
    wanted = request.paintings if request.paintings is not None else settings.night.paintings
    seed = next(
        (one for one in (request.seed, settings.night.seed) if one is not None), derive_seed("night", uuid4().hex)
    )
    batch = store.open_batch(
        seed=seed,
        list_name=list_name,
        count=0 if request.resume else wanted,
        steps=[StepSpec(step.name, step.number, step.per_language) for step in steps],
        languages=list(settings.languages),
        settings=settings.model_dump(mode="json"),
        preview=preview,
    )
    items = batch.drawn + batch.carried + batch.redone
    if items == 0:
        store.close_batch(batch.id, "complete")
        raise CatalogueError(_nothing_words(store, list_name, resume=request.resume))
    log.info("night.opened", batch_id=batch.id, items=items, seed=seed, list=list_name)
    return batch, False


def _nothing_words(store: Store, list_name: str, *, resume: bool) -> str:
    if resume:
        return "nothing to go on with: no night is unfinished and no item was sent back"
    lists = store.lists()
    if list_name not in lists:
        known = ", ".join(f"{name} ({count})" for name, count in sorted(lists.items())) or "none yet"
        return (
            f"there is no list {list_name!r}; the lists are: {known}\n"
            f"  add paintings with: nightreel catalogue add FOLDER|FILE.csv|FILE.jsonl --list {list_name}"
        )
    return (
        f"all {lists[list_name]} paintings of the list {list_name!r} were used\n"
        "  add more with: nightreel catalogue add FOLDER|FILE.csv|FILE.jsonl"
    )


def next_occurrence(now: datetime, clock_time: str | None) -> datetime | None:
    """Return the next moment at which the local clock shows a time such as "07:00"; None for None.

    Raises:
        ValueError: it is not a time.
    """
    if clock_time is None:
        return None
    hour, _, minute = clock_time.partition(":")
    local = now.astimezone()
    at = local.replace(hour=int(hour), minute=int(minute or 0), second=0, microsecond=0)
    return at if at > local else at + timedelta(days=1)
