"""Column types of our own, so that every table keeps times, states and outside text in the same way.

They are separate from the tables because each one is a rule about values, not about rows: times are UTC-aware, a state
is stored as its value, and text from outside can be encoded. All of them mean the same on SQLite and PostgreSQL.
"""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, String, Text
from sqlalchemy.types import TypeDecorator

from db.states import State


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time, stored in UTC with microseconds. A naive one is refused, and none is ever returned."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn an aware time into what the driver stores.

        Raises:
            ValueError: the time is naive, so nobody knows which moment is meant.
        """
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time without a zone cannot be stored: {value!r}")
        in_utc = value.astimezone(UTC)
        # SQLite's type writes the digits and drops the zone.
        return in_utc.replace(tzinfo=None) if dialect.name == "sqlite" else in_utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return an aware UTC time."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class StateValue(TypeDecorator[State]):
    """A `State`, stored as its value. The table's check constraint refuses any other text."""

    impl = String(10)
    cache_ok = True

    def process_bind_param(self, value: State | None, dialect: Dialect) -> str | None:
        """Return the value; a text that is no state raises ValueError."""
        return None if value is None else State(value).value

    def process_result_value(self, value: str | None, dialect: Dialect) -> State | None:
        """Return the state."""
        return None if value is None else State(value)


class OutsideText(TypeDecorator[str]):
    """Text that a program or a server wrote, such as an error message.

    Lone surrogates (undecodable bytes) and NUL cannot be stored by every database; they become U+FFFD, because losing
    the message of a failure for one odd byte would be worse.
    """

    impl = Text()
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Return text that can be encoded."""
        if value is None:
            return None
        return value.replace("\x00", "�").encode("utf-8", "surrogatepass").decode("utf-8", "replace")

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """Return the text as stored."""
        return value


def to_json(value: Any) -> str:
    """Return strict JSON text. NaN and infinities, which JSON does not have, become null.

    Characters beyond ASCII are escaped, so that an odd file name inside never breaks the encoding of the row.
    """
    try:
        return json.dumps(value, allow_nan=False, separators=(",", ":"))
    except ValueError:
        return json.dumps(_finite(value), allow_nan=False, separators=(",", ":"))


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value
