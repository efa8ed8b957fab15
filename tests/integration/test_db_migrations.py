"""The migrations, in order, make exactly the tables that the models describe."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from db import schema
from db.engine import connect, open_database, read
from db.errors import DatabaseUnusable
from db.models import Record


def described(engine) -> dict[str, object]:
    """Describe a schema by what the database itself says of it, names and conditions included."""
    with engine.connect() as conn:
        found = inspect(conn)
        tables = {}
        for table in sorted(set(found.get_table_names()) - {schema.VERSION_TABLE}):
            indexes = conn.execute(
                text("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = :table"), {"table": table}
            )
            tables[table] = {
                "columns": [
                    (one["name"], str(one["type"]), one["nullable"], one["default"], one["primary_key"])
                    for one in found.get_columns(table)
                ],
                "indexes": sorted((name, re.sub(r"\s+", " ", sql or "")) for name, sql in indexes),
                "unique": sorted((one["name"], *one["column_names"]) for one in found.get_unique_constraints(table)),
                "checks": sorted((one["name"], one["sqltext"]) for one in found.get_check_constraints(table)),
                "keys": sorted(
                    (one["name"], *one["constrained_columns"], one["referred_table"], *one["referred_columns"])
                    for one in found.get_foreign_keys(table)
                ),
                "primary": found.get_pk_constraint(table),
            }
        return tables


def test_migrations_give_the_schema_of_the_models(tmp_path):
    """A table that was changed without a migration would only show on a machine that was installed before."""
    fresh = connect(tmp_path / "fresh.db")
    Record.metadata.create_all(fresh)
    migrated = open_database(tmp_path / "migrated.db")
    assert described(migrated) == described(fresh)


def test_alembic_sees_no_difference(tmp_path):
    """The tool that writes the next migration starts from nothing to do."""
    engine = open_database(tmp_path / "n.db")
    with read(engine) as conn:
        context = MigrationContext.configure(conn, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, Record.metadata) == []


def test_versions_are_numbered_without_gaps():
    """The number decides what is newer, so it has to say so."""
    names = sorted(path.name for path in (schema.MIGRATIONS / "versions").glob("[0-9]*.py"))
    assert [name[:4] for name in names] == [f"{number:04d}" for number in range(1, len(names) + 1)]
    assert schema.newest_version() == names[-1][:4]
    for name in names:
        text_of = (schema.MIGRATIONS / "versions" / name).read_text()
        assert f'revision = "{name[:4]}"' in text_of
        assert "import db" not in text_of, "a released migration must not change when the models do"
        assert "from db" not in text_of


def test_two_processes_may_open_a_new_database_at_once(tmp_path):
    """The night and a `status` from another terminal, on the first evening."""
    script = "import sys; from db.engine import open_database; open_database(sys.argv[1])"
    started = [
        subprocess.Popen([sys.executable, "-c", script, tmp_path / "n.db"], stderr=subprocess.PIPE) for _ in range(3)
    ]
    for process in started:
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said.decode()


def test_an_up_to_date_database_is_opened_without_alembic(tmp_path):
    """Commands are quick because the migration tool is only loaded when there is something to migrate."""
    open_database(tmp_path / "n.db").dispose()
    script = (
        "import sys; from db.engine import open_database; open_database(sys.argv[1]); print('alembic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script, tmp_path / "n.db"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_migration_that_fails_leaves_nothing(tmp_path, monkeypatch):
    """All versions or none: the next start finds an empty database, not half of one."""
    real = schema._upgrade

    def upgrade_then_fail(connection, target):
        real(connection, target)
        raise RuntimeError("power cut")

    monkeypatch.setattr(schema, "_upgrade", upgrade_then_fail)
    with pytest.raises(RuntimeError):
        open_database(tmp_path / "n.db")
    monkeypatch.undo()
    with connect(tmp_path / "n.db").connect() as conn:
        assert inspect(conn).get_table_names() == []
    open_database(tmp_path / "n.db")


def test_a_migration_that_breaks_references_is_refused(tmp_path, monkeypatch):
    """Foreign keys are off while tables are rebuilt, so they are checked before anything is kept."""
    import alembic.command

    real = alembic.command.upgrade

    def upgrade_and_lose_rows(config, target):
        real(config, target)
        conn = config.attributes["connection"]
        conn.execute(text("INSERT INTO painting_list (name, painting_id) VALUES ('portraits', 77)"))

    monkeypatch.setattr(alembic.command, "upgrade", upgrade_and_lose_rows)
    with pytest.raises(DatabaseUnusable, match="painting_list refer to rows that are gone"):
        open_database(tmp_path / "n.db")


def test_foreign_keys_are_on_again_after_a_migration(tmp_path):
    """The connection that migrated must not come back from the pool."""
    engine = open_database(tmp_path / "n.db")
    with read(engine) as one, read(engine) as two:
        assert [conn.execute(text("PRAGMA foreign_keys")).scalar() for conn in (one, two)] == [1, 1]
