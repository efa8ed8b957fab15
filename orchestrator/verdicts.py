"""What a person decides about an item: send it back to a step, or abort it. The review and the commands use this."""

from __future__ import annotations

from db.errors import DatabaseError
from db.states import State
from db.store import ItemView, Store
from orchestrator.errors import NotFoundError
from steps.registry import default_steps, steps_after


def send_back(store: Store, item_id: int, step: str, *, language: str | None = None, reason: str = "") -> list[str]:
    """Send an item back to a step; return the names of the steps that run again.

    The old artifacts stay until the new ones are COMPLETE.

    Raises:
        NotFoundError: there is no such item, step or language, or it cannot be sent back as it stands.
    """
    item = find_item(store, item_id)
    names = [one.name for one in default_steps()]
    if step not in names:
        raise NotFoundError(f"there is no step {step!r}; the steps are: {', '.join(names)}")
    shared = {one.name for one in default_steps() if not one.per_language}
    if language is not None and language not in item.languages:
        raise NotFoundError(f"item {item_id} has no language {language!r}; it has: {', '.join(item.languages)}")
    if language is not None and step in shared:
        raise NotFoundError(f"step {step} is shared by all languages of an item: leave out --lang")
    if item.state not in (State.COMPLETE, State.FAILED):
        raise NotFoundError(
            f"item {item_id} is {item.state}; only a COMPLETE or FAILED one can be sent back"
            + (": " + "; ".join(item.reasons) if item.reasons else "")
        )
    again = steps_after(step)
    try:
        store.send_back(item_id, steps=again, languages=None if language is None else [language], reason=reason)
    except DatabaseError as error:
        raise NotFoundError(str(error)) from error
    return [name for name in names if name in again]


def abort_item(store: Store, item_id: int, *, reason: str) -> None:
    """Abort an item.

    Raises:
        NotFoundError: there is no such item, or it is over already.
    """
    item = find_item(store, item_id)
    if item.state in (State.COMPLETE, State.ABORTED):
        raise NotFoundError(f"item {item_id} is {item.state} already; reject a finished video with: nightreel review")
    store.abort_item(item_id, reason=reason)


def find_item(store: Store, item_id: int) -> ItemView:
    """Return an item.

    Raises:
        NotFoundError: there is none with this number.
    """
    try:
        return store.item(item_id)
    except DatabaseError as error:
        raise NotFoundError(f"there is no item {item_id}; the report of a night lists its items") from error
