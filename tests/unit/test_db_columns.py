"""The rules about values: times, states, outside text, JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from db.columns import OutsideText, StateValue, UtcDateTime, to_json
from db.models import Record
from db.states import State

SQLITE = sqlite.dialect()
POSTGRESQL = postgresql.dialect()
PARIS_SUMMER = timezone(timedelta(hours=2))


@pytest.mark.parametrize("dialect", [SQLITE, POSTGRESQL])
def test_a_naive_time_is_refused(dialect):
    """Nobody knows which moment it means, and at five in the morning nobody is there to ask."""
    with pytest.raises(ValueError, match="without a zone"):
        UtcDateTime().process_bind_param(datetime(2026, 3, 1, 5), dialect)  # noqa: DTZ001


@pytest.mark.parametrize("dialect", [SQLITE, POSTGRESQL])
def test_a_time_comes_back_as_the_same_moment_in_utc(dialect):
    """SQLite keeps digits only, so they have to be those of UTC, microseconds included."""
    moment = datetime(2026, 7, 1, 1, 30, 0, 123456, tzinfo=PARIS_SUMMER)
    kind = UtcDateTime()
    stored = kind.process_bind_param(moment, dialect)
    back = kind.process_result_value(stored, dialect)
    assert back == moment
    assert back.tzinfo is UTC
    assert back.hour == 23


def test_sqlite_gets_no_zone():
    """The driver would write local digits and drop the zone."""
    stored = UtcDateTime().process_bind_param(datetime(2026, 7, 1, 1, tzinfo=PARIS_SUMMER), SQLITE)
    assert stored == datetime(2026, 6, 30, 23)  # noqa: DTZ001


def test_a_text_that_is_no_state_is_refused():
    """A typing error must not reach the table."""
    with pytest.raises(ValueError, match="DONE"):
        StateValue().process_bind_param("DONE", SQLITE)
    assert StateValue().process_result_value("REDO", SQLITE) is State.REDO


@pytest.mark.parametrize("text", ["naïve \U0001f600", "nul\x00", "bytes \udcff\udcfe", "", "'; DROP TABLE item; --"])
def test_outside_text_can_always_be_encoded(text):
    """The message of a failure is kept whatever it holds."""
    stored = OutsideText().process_bind_param(text, SQLITE)
    stored.encode("utf-8")
    assert "\x00" not in stored
    assert stored[:3] == text.replace("\x00", "�")[:3]


def test_json_has_no_nan():
    """NaN is not JSON: PostgreSQL refuses it and so does every browser."""
    value = {"loudness": float("-inf"), "list": [1.5, float("nan"), {"deep": float("inf")}], "ok": 1}
    assert json.loads(to_json(value)) == {"loudness": None, "list": [1.5, None, {"deep": None}], "ok": 1}


def test_json_keeps_odd_file_names():
    """A file name with undecodable bytes survives inside JSON, escaped."""
    text = to_json({"file": "é\udcff\x00"})
    text.encode("ascii")
    assert json.loads(text) == {"file": "é\udcff\x00"}


@pytest.mark.parametrize("table", Record.metadata.sorted_tables, ids=lambda table: table.name)
def test_every_table_can_be_made_on_postgresql(table):
    """Changing one URL is to be enough: types, checks and partial indexes must exist there too."""
    made = str(CreateTable(table).compile(dialect=POSTGRESQL))
    assert "DATETIME" not in made
    for index in table.indexes:
        text = str(CreateIndex(index).compile(dialect=POSTGRESQL))
        assert ("WHERE" in text) == ("WHERE" in str(CreateIndex(index).compile(dialect=SQLITE)))


@pytest.mark.parametrize("table", Record.metadata.sorted_tables, ids=lambda table: table.name)
def test_every_constraint_has_a_name(table):
    """A later migration has to be able to say which one it changes."""
    assert all(constraint.name for constraint in table.constraints)
    assert all(index.name for index in table.indexes)
