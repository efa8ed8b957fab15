"""Which step runs have tries behind them: what a step asks before it begins, to go on where their ladders stood."""

from __future__ import annotations

from sqlalchemy import Connection, select

from db.models import ATTEMPTS


def runs_that_failed(conn: Connection, batch_id: int, *, step: str) -> frozenset[int]:
    """Return the runs of a step of which a try failed in a night."""
    query = select(ATTEMPTS.c.run_id).where(
        ATTEMPTS.c.batch_id == batch_id, ATTEMPTS.c.step == step, ATTEMPTS.c.outcome == "failed"
    )
    return frozenset(conn.execute(query.distinct()).scalars())
