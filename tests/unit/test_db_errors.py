"""Exceptions of the driver stop at our wrapper, and every one of them has a place."""

from __future__ import annotations

import inspect
import sqlite3
from datetime import UTC, datetime

import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from db import errors
from db.engine import BUSY, REASONS, translate

# Of what is left, SQLite says "this is a defect of the program", and its own sentence is the best there is.
OTHER = {"SQLITE_ERROR", "SQLITE_INTERNAL", "SQLITE_ABORT", "SQLITE_INTERRUPT", "SQLITE_NOTFOUND", "SQLITE_EMPTY"}
OTHER |= {"SQLITE_SCHEMA", "SQLITE_TOOBIG", "SQLITE_MISMATCH", "SQLITE_MISUSE", "SQLITE_FORMAT", "SQLITE_RANGE"}
NO_ERROR = {"SQLITE_OK", "SQLITE_ROW", "SQLITE_DONE", "SQLITE_NOTICE", "SQLITE_WARNING", "SQLITE_DENY", "SQLITE_IGNORE"}


def primary_codes() -> dict[str, int]:
    """Return SQLite's result codes as the driver names them, the extended ones left out."""
    source = {name: getattr(sqlite3, name) for name in dir(sqlite3) if name.startswith("SQLITE_")}
    # Authorizer actions and limits share the prefix; those are in the driver since ever, result codes since 3.11.
    known = {
        "ERROR",
        "INTERNAL",
        "PERM",
        "ABORT",
        "BUSY",
        "LOCKED",
        "NOMEM",
        "READONLY",
        "INTERRUPT",
        "IOERR",
        "CORRUPT",
    }
    known |= {
        "NOTFOUND",
        "FULL",
        "CANTOPEN",
        "PROTOCOL",
        "EMPTY",
        "SCHEMA",
        "TOOBIG",
        "CONSTRAINT",
        "MISMATCH",
        "MISUSE",
    }
    known |= {"NOLFS", "AUTH", "FORMAT", "RANGE", "NOTADB"}
    return {f"SQLITE_{name}": source[f"SQLITE_{name}"] for name in known}


def wrapped(code: int, kind: type[DBAPIError] = OperationalError) -> DBAPIError:
    original = sqlite3.OperationalError("what the driver said")
    original.sqlite_errorcode = code
    return kind("SELECT 1", {}, original)


@pytest.mark.parametrize(("name", "code"), sorted(primary_codes().items()))
def test_every_result_code_is_mapped(name, code):
    """A code that nobody thought of would reach the operator as a traceback."""
    error = translate(wrapped(code), "/home/night.db")
    assert isinstance(error, errors.DatabaseUnusable)
    assert "/home/night.db" in str(error)
    if name == "SQLITE_FULL":
        assert isinstance(error, errors.DatabaseFull)
    elif code in BUSY:
        assert isinstance(error, errors.DatabaseBusy)
    else:
        assert code in REASONS or name in OTHER or name == "SQLITE_CONSTRAINT"
        assert "what the driver said" in str(error)


def test_extended_codes_mean_what_their_primary_one_means():
    """SQLITE_IOERR_FSYNC is a disk error as well."""
    assert "disk reports" in str(translate(wrapped(sqlite3.SQLITE_IOERR_FSYNC), "f"))


def test_a_broken_constraint_is_a_conflict():
    """It is the row that is wrong, not the database."""
    assert isinstance(translate(wrapped(sqlite3.SQLITE_CONSTRAINT, IntegrityError), "f"), errors.Conflict)


def test_every_error_says_something_without_a_sentence():
    """The first line of the docstring is the default message."""
    plain = [errors.StaleRun, errors.StaleItem, errors.NotFound, errors.Conflict, errors.BatchBusy, errors.LockLost]
    for kind in plain:
        assert str(kind()) == kind.__doc__.splitlines()[0]


def test_the_tree_in_the_docstring_names_every_class():
    """The drawing is what people read first."""
    classes = [
        name for name, found in inspect.getmembers(errors, inspect.isclass) if found.__module__ == errors.__name__
    ]
    assert classes
    for name in classes:
        assert name in errors.__doc__


def test_a_held_lock_says_who_holds_it():
    """The operator wants the process and the host, not a stack."""
    at = datetime(2026, 3, 1, 23, 5, tzinfo=UTC)
    error = errors.LockHeld("night", owner="a1", host="gpu-box", pid=4711, heartbeat=at)
    assert (error.owner, error.host, error.pid, error.heartbeat) == ("a1", "gpu-box", 4711, at)
    assert "process 4711 on gpu-box" in str(error)


def test_a_database_that_is_too_new_says_both_versions():
    """The remedy depends on knowing that it is the program that is old."""
    error = errors.DatabaseTooNew("f.db", found="0042", known="0001")
    assert "0042" in str(error)
    assert "0001" in str(error)
