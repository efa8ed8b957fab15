"""Called by Alembic for every command: runs the migrations on the connection that it was handed.

The connection and its transaction belong to the caller (`db/schema.py`), so that all versions are applied or none.
"""

from __future__ import annotations

from alembic import context

from db.models import Record

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Record.metadata,
    # SQLite cannot alter most things in place: tables are rebuilt.
    render_as_batch=True,
    transactional_ddl=True,
)
context.run_migrations()
