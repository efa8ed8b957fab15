"""Opens the database and gives out transactions: the one place that knows SQLite's settings and the driver's errors.

Readers get a snapshot and never wait for a writer (WAL). A writer takes the write lock at its first statement
(`BEGIN IMMEDIATE`), because a transaction that reads first and writes later can be refused half-way. Every commit is on
the disk before it returns (`synchronous=FULL`): a move that was reported survives a power cut.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from db.columns import to_json
from db.errors import Conflict, DatabaseBusy, DatabaseError, DatabaseFull, DatabaseUnusable

BUSY_TIMEOUT_S = 30.0
OLDEST_SQLITE = (3, 24, 0)  # the first with ON CONFLICT DO UPDATE
BEGIN = "nightreel_begin"  # connection option: the statement that begins its transaction

# Primary result code -> what it means for whoever runs the program. Source: https://sqlite.org/rescode.html
REASONS = {
    sqlite3.SQLITE_READONLY: "the file or its folder may not be written to",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened or made; is its folder there, and may it be written to?",
    sqlite3.SQLITE_PERM: "the file may not be opened",
    sqlite3.SQLITE_AUTH: "the file may not be opened",
    sqlite3.SQLITE_NOTADB: "the file is not a database",
    sqlite3.SQLITE_CORRUPT: "the file is damaged; put a copy of it back",
    sqlite3.SQLITE_IOERR: "the disk reports an error",
    sqlite3.SQLITE_NOLFS: "the file is larger than its file system allows",
    sqlite3.SQLITE_NOMEM: "there is no memory left",
    sqlite3.SQLITE_PROTOCOL: "its file system cannot lock files; a network folder is no place for it",
}
BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})

_write_locks: WeakKeyDictionary[Engine, threading.Lock] = WeakKeyDictionary()
_write_locks_guard = threading.Lock()


def open_database(url_or_path: str | Path) -> Engine:
    """Open a database, make it where there is none, and bring its schema up to date. Blocks.

    Args:
        url_or_path: A path (SQLite), or any URL that SQLAlchemy understands.

    Raises:
        DatabaseTooNew: a later version of this program wrote it.
        DatabaseUnusable: it cannot be opened, is damaged, or is not ours.
    """
    # Here, because the schema knows this module's transactions.
    from db.schema import bring_up_to_date

    engine = connect(url_or_path)
    try:
        bring_up_to_date(engine)
    except BaseException:
        engine.dispose()
        raise
    return engine


def connect(url_or_path: str | Path) -> Engine:
    """Return an engine with our settings, without looking at the schema."""
    url = _url(url_or_path)
    if url.get_backend_name() != "sqlite":
        return _connect_server(url)
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        needed = ".".join(map(str, OLDEST_SQLITE))
        raise DatabaseUnusable(name_of(url), f"it needs SQLite {needed} or newer, Python has {sqlite3.sqlite_version}")
    # As many connections as there are threads: they are files, and the write lock is the only queue.
    engine = create_engine(url, json_serializer=to_json, pool_size=8, max_overflow=-1)
    event.listen(engine, "connect", _prepare_connection)
    event.listen(engine, "begin", _begin)
    return engine


def _connect_server(url: URL) -> Engine:
    try:
        return create_engine(url, json_serializer=to_json, pool_pre_ping=True)
    except (SQLAlchemyError, ImportError) as error:
        raise DatabaseUnusable(name_of(url), f"there is no driver for it: {error}") from error


def _url(url_or_path: str | Path) -> URL:
    if isinstance(url_or_path, str) and "://" in url_or_path:
        try:
            return make_url(url_or_path)
        except SQLAlchemyError as error:
            raise DatabaseUnusable(url_or_path.split("@")[-1], f"this is no database URL: {error}") from error
    # Never through text: a path may hold `?`, `#` and `%`.
    return URL.create("sqlite", database=str(Path(url_or_path).expanduser().absolute()))


def name_of(url: URL) -> str:
    """Return what people call the database: its file, or its URL without the password."""
    return url.database or "" if url.get_backend_name() == "sqlite" else url.render_as_string(hide_password=True)


def _prepare_connection(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    # The driver's own guessing of when a transaction begins is switched off: `_begin` says it.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {int(BUSY_TIMEOUT_S * 1000)}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA cache_size = -4096")  # KiB a connection, of which the pool keeps eight
    cursor.close()


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get(BEGIN, "BEGIN"))


@contextmanager
def read(engine: Engine) -> Iterator[Connection]:
    """Give a connection whose statements all see the database as it was at the first one. Never blocks a writer."""
    with _translated(engine), engine.connect() as connection, connection.begin():
        yield connection


@contextmanager
def write(engine: Engine, *, synced: bool = True) -> Iterator[Connection]:
    """Give a connection in a write transaction: committed on leaving, undone when an exception leaves.

    Writers of this process queue at a lock of our own, because SQLite's way of waiting is to sleep and try again.

    Args:
        engine: From `open_database`.
        synced: Whether the change is on the disk when this returns. Without it a power cut may undo it, though no crash
            of ours can, and the next synced one takes it along: enough for what only tells when something happened.

    Raises:
        DatabaseBusy: another process kept the write lock for longer than `BUSY_TIMEOUT_S`.
        DatabaseFull: there is no room for the change; nothing of it was kept.
        Conflict: a constraint refused the change.
    """
    with _write_lock(engine), _translated(engine), engine.connect() as connection, _syncing(connection, synced=synced):
        connection.execution_options(**{BEGIN: "BEGIN IMMEDIATE"})
        with connection.begin():
            yield connection


@contextmanager
def _syncing(connection: Connection, *, synced: bool) -> Iterator[None]:
    if synced or connection.dialect.name != "sqlite":
        yield
        return
    # Outside the transaction, where alone the setting has an effect.
    cursor = connection.connection.cursor()
    cursor.execute("PRAGMA synchronous = NORMAL")
    try:
        yield
    finally:
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.close()


@contextmanager
def migrate(engine: Engine) -> Iterator[Connection]:
    """Give a connection as `write` does, for changing the schema.

    On SQLite without foreign keys: a table is altered by making a new one and dropping the old one, which rows of
    other tables refer to. The caller checks them before leaving.
    """
    with _write_lock(engine), _translated(engine), engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            # The setting has no effect inside a transaction, and must not return to the pool.
            connection.detach()
            connection.connection.cursor().execute("PRAGMA foreign_keys = OFF")
        connection.execution_options(**{BEGIN: "BEGIN IMMEDIATE"})
        with connection.begin():
            yield connection


def _write_lock(engine: Engine) -> threading.Lock:
    with _write_locks_guard:
        return _write_locks.setdefault(engine, threading.Lock())


@contextmanager
def _translated(engine: Engine) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        raise translate(error, name_of(engine.url)) from error


def translate(error: DBAPIError, file: str) -> DatabaseError:
    """Return our own error for one of the driver's."""
    if isinstance(error, IntegrityError):
        return Conflict(str(error.orig))
    # The low byte is the primary code; the rest tells variants apart.
    code = getattr(error.orig, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return DatabaseFull(file, "there is no room left on its disk")
    if code in BUSY:
        return DatabaseBusy(file, f"another process kept it locked for more than {BUSY_TIMEOUT_S:.0f} s")
    return DatabaseUnusable(file, f"{REASONS[code]} ({error.orig})" if code in REASONS else str(error.orig))
