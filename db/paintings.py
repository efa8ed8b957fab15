"""Writes paintings and the named lists that they are on, in bulk. It knows rows only; files are the orchestrator's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, literal, select
from sqlalchemy.dialects import postgresql, sqlite

from db.models import PAINTING_LISTS, PAINTINGS
from db.moves import About, record
from db.views import Added, PaintingRow

CHUNK = 500  # SQLite takes at most 999 values in one statement before 3.32
FACTS = ("artist", "year", "sitter", "licence", "source", "width_px", "height_px")


def add_paintings(conn: Connection, rows: Iterable[PaintingRow], *, list_name: str, at: datetime) -> Added:
    """Add paintings and put them on a list. One that is known already is not added again.

    A known painting gets the path that it was found at now, since files are moved, and facts that were missing; what is
    known stays as it is. Within `rows` the first of several with the same content counts.
    """
    given = 0
    first: dict[str, PaintingRow] = {}
    for row in rows:
        given += 1
        first.setdefault(row.sha256, row)
    before = _count(conn)
    if first:
        conn.execute(_upsert(conn), [{**vars(row), "tags": list(row.tags), "added_at": at} for row in first.values()])
        for hashes in _chunks(list(first)):
            conn.execute(_put_on_list(conn, list_name, hashes))
    added = _count(conn) - before
    details = {"list": list_name, "added": added, "duplicates": given - added}
    record(conn, "catalogue.added", at=at, about=About(details=details))
    return Added(added=added, duplicates=given - added)


def _count(conn: Connection) -> int:
    return conn.execute(select(func.count()).select_from(PAINTINGS)).scalar_one()


def _insert_into(conn: Connection, table: Any) -> Any:
    # ON CONFLICT is written the same way by both, but SQLAlchemy keeps it with the dialects.
    return sqlite.insert(table) if conn.dialect.name == "sqlite" else postgresql.insert(table)


def _upsert(conn: Connection) -> Any:
    statement = _insert_into(conn, PAINTINGS)
    new = statement.excluded
    facts = {name: func.coalesce(PAINTINGS.c[name], new[name]) for name in FACTS}
    return statement.on_conflict_do_update(index_elements=["sha256"], set_={"path": new.path, **facts})


def _put_on_list(conn: Connection, list_name: str, hashes: Sequence[str]) -> Any:
    members = select(literal(list_name), PAINTINGS.c.id).where(PAINTINGS.c.sha256.in_(hashes))
    return _insert_into(conn, PAINTING_LISTS).from_select(["name", "painting_id"], members).on_conflict_do_nothing()


def _chunks(hashes: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(hashes), CHUNK):
        yield hashes[start : start + CHUNK]
