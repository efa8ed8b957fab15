"""How long workflows were silent in each phase, on each card: what tells a slow prompt from one that hangs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, insert, select, update

from db.engine import read, write
from db.models import PHASE_TIMES


@dataclass(frozen=True)
class PhaseRow:
    """What is known of one phase of one workflow on one card."""

    workflow: str
    card: str
    phase: str
    longest_s: float  # the longest silence that ended well, seconds
    samples: int  # prompts that ended well


class PhaseTimeStore:
    """The learned times of all nights."""

    def __init__(self, engine: Engine, now: Callable[[], datetime]) -> None:
        """Take note of the database; `now` returns the time, aware."""
        self._engine = engine
        self._now = now

    def load(self) -> list[PhaseRow]:
        """Return everything that is known."""
        with read(self._engine) as conn:
            rows = conn.execute(select(PHASE_TIMES))
            return [PhaseRow(row.workflow, row.card, row.phase, row.longest_s, row.samples) for row in rows]

    def keep(self, rows: Iterable[PhaseRow]) -> None:
        """Put rows in the place of those with the same workflow, card and phase.

        Not synced: what a power cut takes is learned again.
        """
        at = self._now()
        with write(self._engine, synced=False) as conn:
            for row in rows:
                key = {"workflow": row.workflow, "card": row.card, "phase": row.phase}
                values = {"longest_s": row.longest_s, "samples": row.samples, "at": at}
                same = (PHASE_TIMES.c[name] == value for name, value in key.items())
                if conn.execute(update(PHASE_TIMES).where(*same).values(**values)).rowcount == 0:
                    conn.execute(insert(PHASE_TIMES).values(**key, **values))
