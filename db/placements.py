"""Placements: why an attempt went to its instance, why it waited before, and how fast each instance is at a step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any

from sqlalchemy import Connection, Engine, insert, select

from db.engine import read
from db.models import ATTEMPTS, PLACEMENTS, RUNS

RECENT_ATTEMPTS = 400  # that `seconds_by_instance` looks at, of all instances together
RECENT_ON_ONE = 20  # of each instance: an older card, driver or ComfyUI says nothing about tonight's


@dataclass(frozen=True)
class PlacementView:
    """Why one attempt went where it went."""

    attempt_id: int
    at: datetime
    instance: str
    reasons: Mapping[str, Any]


def add(conn: Connection, attempt_id: int, *, instance: str, reasons: Mapping[str, Any], at: datetime) -> None:
    """Record a placement, within the transaction that claims the attempt: neither is ever there without the other."""
    conn.execute(insert(PLACEMENTS), {"attempt_id": attempt_id, "at": at, "instance": instance, "reasons": reasons})


class Placements:
    """Reads placements. It may be used from several threads at once.

    Args:
        engine: From `open_database`, such as `Store.engine`.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def item_of_run(self, run_id: int) -> int | None:
        """Return the item that a step run belongs to; None when there is no such run."""
        with read(self._engine) as conn:
            return conn.execute(select(RUNS.c.item_id).where(RUNS.c.id == run_id)).scalar_one_or_none()

    def of_run(self, run_id: int) -> dict[int, PlacementView]:
        """Return the placements of a step run's attempts by attempt; local and old ones have none."""
        query = (
            select(PLACEMENTS)
            .join(ATTEMPTS, ATTEMPTS.c.id == PLACEMENTS.c.attempt_id)
            .where(ATTEMPTS.c.run_id == run_id)
            .order_by(PLACEMENTS.c.attempt_id)
        )
        with read(self._engine) as conn:
            return {row.attempt_id: PlacementView(**row._mapping) for row in conn.execute(query)}

    def seconds_by_instance(self, step: str) -> dict[str, float]:
        """Return how long each instance usually took on its card for a step, in seconds (median of its latest).

        Only attempts whose start on the card is known count: the time in a queue says nothing about a card.
        """
        query = (
            select(ATTEMPTS.c.instance, ATTEMPTS.c.started_at, ATTEMPTS.c.finished_at)
            .where(ATTEMPTS.c.step == step, ATTEMPTS.c.outcome == "complete")
            .order_by(ATTEMPTS.c.id.desc())
            .limit(RECENT_ATTEMPTS)
        )
        found: dict[str, list[float]] = {}
        with read(self._engine) as conn:
            for row in conn.execute(query):
                seconds = found.setdefault(row.instance, []) if row.instance and row.started_at else []
                if len(seconds) < RECENT_ON_ONE and row.started_at is not None:
                    seconds.append(max(0.0, (row.finished_at - row.started_at).total_seconds()))
        return {instance: median(seconds) for instance, seconds in found.items() if seconds}
