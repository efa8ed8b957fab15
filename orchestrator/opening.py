"""Opens a home and its state. Apart from the night, so that a command that only looks is quick to start."""

from __future__ import annotations

from collections.abc import Sequence

from db.engine import open_database
from db.errors import DatabaseError
from db.store import Store
from orchestrator.clock import Clock, SystemClock
from orchestrator.errors import StorageError
from orchestrator.home import Home
from orchestrator.settings import Settings
from steps.base import Step
from steps.registry import NEEDS, needs_of


def open_store(
    settings: Settings, *, clock: Clock | None = None, steps: Sequence[Step] | None = None
) -> tuple[Home, Store]:
    """Make the home's folders, open its database and bring it up to date.

    Raises:
        StorageError: they cannot be used.
    """
    home = Home(settings.home)
    home.create()
    try:
        engine = open_database(home.database)
    except DatabaseError as error:
        raise StorageError(str(error)) from error
    return home, Store(engine, (clock or SystemClock()).now, needs=NEEDS if steps is None else needs_of(steps))
