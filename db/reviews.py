"""Reviews: what a person decided about the videos that came out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, insert, select

from db.models import ARTIFACTS, BATCH_ITEMS, REVIEWS, RUNS
from db.moves import About, record


@dataclass(frozen=True)
class ReviewView:
    """One verdict."""

    item_id: int
    language: str
    sha256: str  # of the video: a verdict is about these very bytes
    verdict: str  # "approved", "rejected", "sent_back"
    reason: str
    reviewer: str
    at: datetime


def add(conn: Connection, review: ReviewView) -> None:
    """Record a verdict, and its event. A later one about the same video stands beside it; the newest counts."""
    conn.execute(
        insert(REVIEWS).values(
            item_id=review.item_id,
            language=review.language,
            sha256=review.sha256,
            verdict=review.verdict,
            reason=review.reason,
            reviewer=review.reviewer,
            at=review.at,
        )
    )
    details = {"language": review.language, "reason": review.reason}
    record(conn, f"review.{review.verdict}", at=review.at, about=About(item_id=review.item_id, details=details))


def where(conn: Connection, *conditions: ColumnElement[bool]) -> list[ReviewView]:
    """Return verdicts, oldest first."""
    rows = conn.execute(select(REVIEWS).where(*conditions).order_by(REVIEWS.c.id))
    return [
        ReviewView(row.item_id, row.language, row.sha256, row.verdict, row.reason, row.reviewer, row.at) for row in rows
    ]


def of_batch(conn: Connection, batch_id: int) -> list[ReviewView]:
    """Return the newest verdict about each video of a night's items."""
    items = select(BATCH_ITEMS.c.item_id).where(BATCH_ITEMS.c.batch_id == batch_id)
    newest = {(one.item_id, one.language): one for one in where(conn, REVIEWS.c.item_id.in_(items))}
    return list(newest.values())


def items_with_artifact(conn: Connection, step: str, name: str, *, batch_id: int | None) -> list[int]:
    """Return the items that have a current artifact of a step, oldest first; of one night or of all."""
    query = (
        select(RUNS.c.item_id)
        .join(ARTIFACTS, ARTIFACTS.c.run_id == RUNS.c.id)
        .where(RUNS.c.step == step, ARTIFACTS.c.name == name, ARTIFACTS.c.superseded_at.is_(None))
        .distinct()
        .order_by(RUNS.c.item_id)
    )
    if batch_id is not None:
        query = query.where(RUNS.c.item_id.in_(select(BATCH_ITEMS.c.item_id).where(BATCH_ITEMS.c.batch_id == batch_id)))
    return list(conn.execute(query).scalars())
