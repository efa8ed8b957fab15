"""Brings a database to the newest schema, by the migrations in `db/migrations/versions`.

Separate from the engine because it decides what kind of file it was given: a new one, an old one of ours, one from a
later version, or somebody else's. Migrations are numbered (`0001_…`), so that newer and older can be told apart
without loading them; Alembic is only imported when there is something to do.
"""

from __future__ import annotations

import re
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from db.engine import migrate, name_of, read
from db.errors import DatabaseTooNew, DatabaseUnusable

MIGRATIONS = Path(__file__).parent / "migrations"
VERSION_TABLE = "alembic_version"


def newest_version() -> str:
    """Return the schema version that this program writes, such as `0001`."""
    return max(path.name[:4] for path in (MIGRATIONS / "versions").glob("[0-9][0-9][0-9][0-9]_*.py"))


def bring_up_to_date(engine: Engine) -> None:
    """Make the tables, or apply the migrations that are missing. One transaction: all of them or none.

    Raises:
        DatabaseTooNew: the database has a version that this program does not know.
        DatabaseUnusable: it holds tables of another program.
    """
    newest = newest_version()
    with read(engine) as connection:
        if stored_version(connection) == newest:
            return
    with migrate(engine) as connection:
        # Asked again under the write lock: another process may have done it meanwhile.
        found = stored_version(connection)
        if found != newest:
            _upgrade(connection, newest)


def stored_version(connection: Connection) -> str | None:
    """Return the schema version of a database of ours, or None for an empty one.

    Raises:
        DatabaseTooNew, DatabaseUnusable: as for `bring_up_to_date`.
    """
    file = name_of(connection.engine.url)
    tables = inspect(connection).get_table_names()
    if VERSION_TABLE not in tables:
        if tables:
            raise DatabaseUnusable(file, f"it belongs to another program: it has the table {tables[0]!r}")
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if found is None or not re.fullmatch(r"\d{4}", found):
        raise DatabaseUnusable(file, f"it belongs to another program: its schema version is {found!r}")
    if found > newest_version():
        raise DatabaseTooNew(file, found=found, known=newest_version())
    return str(found)


def _upgrade(connection: Connection, target: str) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    # Alembic reads its settings as a template: a `%` in the path has to be doubled.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, target)
    if connection.dialect.name == "sqlite":
        broken = connection.execute(text("PRAGMA foreign_key_check")).first()
        if broken is not None:
            raise DatabaseUnusable(name_of(connection.engine.url), f"rows of {broken[0]} refer to rows that are gone")
