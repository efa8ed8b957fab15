"""How quickly each voice has spoken in earlier nights."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Engine, func, select

from db.engine import read
from db.models import BATCH_ITEMS, RUNS
from db.states import State


def seconds_per_word_before(
    engine: Engine, batch_id: int, *, step: str, engines: Collection[str], limit: int
) -> dict[str, float]:
    """Return how long each voice took for a word, on average over its latest takes.

    Args:
        engine: The database.
        batch_id: The night that asks; what it and later ones spoke does not count, so that the answer stays the same
            however often the night is interrupted.
        step: Name of the step that speaks; its data has `voice`, `engine`, `words` and `sounding_s`.
        engines: Kinds of voices that count.
        limit: Most takes that are looked at, all voices together; the latest.
    """
    latest = func.max(BATCH_ITEMS.c.batch_id)
    words: dict[str, int] = {}
    seconds: dict[str, float] = {}
    with read(engine) as conn:
        rows = conn.execute(
            select(RUNS.c.data)
            .join(BATCH_ITEMS, BATCH_ITEMS.c.item_id == RUNS.c.item_id)
            .where(RUNS.c.step == step, RUNS.c.state == State.COMPLETE)
            .group_by(RUNS.c.id)
            .having(latest < batch_id)
            .order_by(latest.desc(), RUNS.c.id.desc())
            .limit(limit)
        )
        for (data,) in rows:
            told = data or {}
            if told.get("engine") not in engines or not told.get("words") or not told.get("sounding_s"):
                continue
            voice = str(told.get("voice"))
            words[voice] = words.get(voice, 0) + int(told["words"])
            seconds[voice] = seconds.get(voice, 0.0) + float(told["sounding_s"])
    return {voice: round(seconds[voice] / words[voice], 4) for voice in sorted(words)}
