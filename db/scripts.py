"""What earlier nights' scripts were like: the only thing a new script has to know about them is how they began."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Engine, func, select

from db.engine import read
from db.models import BATCH_ITEMS, RUNS
from db.states import State


def texts_before(
    engine: Engine, batch_id: int, *, step: str, languages: Sequence[str], limit: int
) -> dict[str, list[str]]:
    """Return the texts that a step wrote for items that no batch from this one on has, by language, oldest first.

    Args:
        engine: The database.
        batch_id: The night that asks; what it and later ones wrote does not count, so that the answer stays the same
            however often the night is interrupted.
        step: Name of the step that writes; its data has a `text`.
        languages: The languages asked for.
        limit: Most texts of a language; the latest.
    """
    latest = func.max(BATCH_ITEMS.c.batch_id)
    found: dict[str, list[str]] = {}
    with read(engine) as conn:
        for language in languages:
            rows = conn.execute(
                select(RUNS.c.data, RUNS.c.item_id)
                .join(BATCH_ITEMS, BATCH_ITEMS.c.item_id == RUNS.c.item_id)
                .where(RUNS.c.step == step, RUNS.c.variant == language, RUNS.c.state == State.COMPLETE)
                .group_by(RUNS.c.id)
                .having(latest < batch_id)
                .order_by(latest.desc(), RUNS.c.item_id.desc())
                .limit(limit)
            )
            texts = [str((row.data or {}).get("text", "")) for row in rows]
            found[language] = [text for text in reversed(texts) if text]
    return found
