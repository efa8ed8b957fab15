"""What the disk no longer has, and what it should no longer have: put right before a night builds on it.

A stored file may vanish or be cut short by a person, a sync program or a failing disk. Whoever needs it next would fail
for a reason that no retry cures, so the run that made it goes back to be made again, with all that was made from it.
And a crash right after a redo leaves the files that the new ones replaced.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from db.errors import StaleItem
from db.states import SETTLED, State
from db.store import ArtifactView, ItemView, Store
from orchestrator.artifacts import ArtifactStore
from orchestrator.log import Logger
from steps.base import Step
from steps.registry import needs_of, steps_after


def mend(
    store: Store, artifacts: ArtifactStore, batch_id: int, *, steps: Sequence[Step], log: Logger
) -> list[tuple[ItemView, ArtifactView]]:
    """Send back what made the files that are gone or have another size, of the items of a night that go on.

    Items with a prompt in flight are left for the next time. The hash is not read: hours of video would take minutes.

    Args:
        store: The state; nothing of the night may be claimed meanwhile.
        artifacts: Where the files lie.
        batch_id: The night.
        steps: The pipeline.
        log: Told of each file.

    Returns:
        The files that are made again, with their items.
    """
    mended = []
    needs = needs_of(steps)
    for item in store.items(batch_id):
        if item.state in SETTLED:
            continue
        for row in _lost(store, artifacts, item):
            if row.step in needs and _send_back(store, item, row, steps=steps_after(row.step, needs)):
                log.warning("artifact.lost", item_id=item.item_id, step=row.step, path=row.path)
                mended.append((item, row))
    return mended


def sweep(store: Store, artifacts: ArtifactStore, batch_id: int) -> None:
    """Remove the files that later ones replaced, where a crash came between the two."""
    for item in store.items(batch_id):
        replaced = store.superseded(item.item_id)
        current = {row.path for row in store.current_artifacts(item.item_id)} if replaced else set()
        for row in replaced:
            if row.path not in current:
                artifacts.remove(row.path)


def _lost(store: Store, artifacts: ArtifactStore, item: ItemView) -> Iterator[ArtifactView]:
    """Yield the damaged files that nothing makes again yet; asks anew for each, since one redo may cover several."""
    for row in store.current_artifacts(item.item_id):
        if artifacts.is_intact(row.path, size_bytes=row.size_bytes):
            continue
        states = {run.run_id: run.state for run in store.runs_of_item(item.item_id)}
        if states[row.run_id] is State.COMPLETE:
            yield row


def _send_back(store: Store, item: ItemView, row: ArtifactView, *, steps: Sequence[str]) -> bool:
    try:
        if store.item(item.item_id).state is State.PROCESSING:
            store.put_back_item(item.item_id)
        store.send_back(
            item.item_id,
            steps=steps,
            languages=[row.variant] if row.variant else None,
            reason=f"{row.path} is gone or damaged",
        )
    except StaleItem:
        return False
    return True
