"""Canaries: what the small prompt at the start of a night found on each instance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, insert, select

from db.engine import read, write
from db.models import CANARIES

GOOD = "good"


@dataclass(frozen=True)
class CanaryView:
    """One canary's outcome."""

    instance: str
    at: datetime
    outcome: str  # "good", "slow", "differs", "failed"
    seconds: float | None = None  # from the start to the end of the prompt, by the server's clock
    sha256: str | None = None  # of the pixels it made
    details: Mapping[str, Any] = field(default_factory=dict)
    batch_id: int | None = None


class Canaries:
    """Reads and writes the canaries of all instances."""

    def __init__(self, engine: Engine) -> None:
        """Use a database that `open_database` opened."""
        self._engine = engine

    def add(self, canary: CanaryView) -> None:
        """Keep an outcome."""
        with write(self._engine) as conn:
            conn.execute(
                insert(CANARIES).values(
                    instance=canary.instance,
                    batch_id=canary.batch_id,
                    at=canary.at,
                    outcome=canary.outcome,
                    seconds=canary.seconds,
                    sha256=canary.sha256,
                    details=dict(canary.details),
                )
            )

    def good_ones(self, instance: str, *, limit: int) -> list[CanaryView]:
        """Return the last good outcomes of an instance, newest first."""
        statement = (
            select(CANARIES)
            .where(CANARIES.c.instance == instance, CANARIES.c.outcome == GOOD)
            .order_by(CANARIES.c.id.desc())
            .limit(limit)
        )
        with read(self._engine) as conn:
            return [_view(row) for row in conn.execute(statement)]

    def of_batch(self, batch_id: int) -> list[CanaryView]:
        """Return the outcomes of a night, oldest first."""
        statement = select(CANARIES).where(CANARIES.c.batch_id == batch_id).order_by(CANARIES.c.id)
        with read(self._engine) as conn:
            return [_view(row) for row in conn.execute(statement)]


def _view(row: Any) -> CanaryView:
    return CanaryView(row.instance, row.at, row.outcome, row.seconds, row.sha256, row.details, row.batch_id)
