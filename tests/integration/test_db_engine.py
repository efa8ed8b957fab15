"""Opening, transactions and what is said when a database cannot be used. Real files throughout."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from db_world import NOW, World, painting
from sqlalchemy import func, select, text

from db import engine as engine_module
from db.engine import connect, name_of, open_database, read, write
from db.errors import Conflict, DatabaseBusy, DatabaseFull, DatabaseTooNew, DatabaseUnusable
from db.models import ITEMS, PAINTINGS
from db.store import Store


def count(engine, table=PAINTINGS) -> int:
    with read(engine) as conn:
        return conn.execute(select(func.count()).select_from(table)).scalar_one()


def test_connections_have_the_settings_that_the_guarantees_need(tmp_path):
    """Durability, constraints and readers that do not wait all hang on these, on every pooled connection."""
    engine = open_database(tmp_path / "n.db")
    with read(engine) as first, read(engine) as second:
        for conn in (first, second):
            pragmas = {
                name: conn.execute(text(f"PRAGMA {name}")).scalar()
                for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            }
            assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30000}


@pytest.mark.parametrize("name", ["a b", "50%", "q?x=1#f", "l'été", "semi;colon", "%(here)s", "file:x"])
def test_a_folder_may_have_any_name(tmp_path, name):
    """The path goes neither through a URL nor through a template of Alembic's."""
    folder = tmp_path / name
    folder.mkdir()
    open_database(folder / "nightreel.db")
    assert (folder / "nightreel.db").stat().st_size > 0
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_opening_again_changes_nothing(tmp_path):
    """The second command of the day finds what the first one wrote."""
    first = World(tmp_path, paintings=3)
    assert Store(open_database(first.path), first.clock.now).lists() == {"portraits": 3}
    assert Store(open_database(f"sqlite:///{first.path}"), first.clock.now).lists() == {"portraits": 3}


def test_an_exception_undoes_the_whole_transaction(tmp_path):
    """A half-made change must not survive its failure."""
    world = World(tmp_path, paintings=0)

    def break_off():
        with write(world.engine) as conn:
            conn.execute(PAINTINGS.insert().values(sha256="a", path="p", title="t", tags=[], added_at=NOW))
            raise RuntimeError("half-way")

    with pytest.raises(RuntimeError, match="half-way"):
        break_off()
    assert count(world.engine) == 0


def test_a_broken_constraint_is_a_conflict_and_undoes_everything(tmp_path):
    """Foreign keys are on: an item without a painting is refused, and the row before it goes too."""
    world = World(tmp_path, paintings=0)

    def refer_to_nothing():
        with write(world.engine) as conn:
            conn.execute(PAINTINGS.insert().values(sha256="a", path="p", title="t", tags=[], added_at=NOW))
            conn.execute(ITEMS.insert().values(painting_id=99, batch_id=99, reasons=[], languages=[]))

    with pytest.raises(Conflict, match="FOREIGN KEY"):
        refer_to_nothing()
    assert count(world.engine) == 0


def test_a_state_that_does_not_exist_is_refused_by_the_table_itself(tmp_path):
    """Also where somebody writes past our types."""
    world = World(tmp_path)
    world.open(1)
    with pytest.raises(Conflict, match="ck_item_state"), write(world.engine) as conn:
        conn.execute(text("UPDATE item SET state = 'DONE'"))


def test_a_reader_sees_one_moment_and_does_not_stop_a_writer(tmp_path):
    """`status` during a night: neither waits, and the counts belong together."""
    world = World(tmp_path, paintings=3)
    with read(world.engine) as conn:
        before = conn.execute(select(func.count()).select_from(PAINTINGS)).scalar_one()
        world.store.add_paintings([painting(99)], list_name="portraits")
        assert conn.execute(select(func.count()).select_from(PAINTINGS)).scalar_one() == before == 3
    assert count(world.engine) == 4


def test_only_what_may_be_lost_in_a_power_cut_is_not_synced(tmp_path):
    """A note costs no write to the disk of its own, and the connection syncs again afterwards."""
    world = World(tmp_path)

    def level(**options):
        with write(world.engine, **options) as conn:
            return conn.execute(text("PRAGMA synchronous")).scalar()

    assert [level(synced=False), level(), level(synced=False), level()] == [1, 2, 1, 2]
    with pytest.raises(RuntimeError), write(world.engine, synced=False):
        raise RuntimeError("half-way")
    assert level() == 2


def test_a_note_survives_a_kill(tmp_path):
    """Not synced is not unwritten: only a power cut can undo it."""
    world = World(tmp_path, paintings=0)
    script = """
import os, signal, sys
from datetime import datetime, UTC
from db.engine import open_database
from db.store import Store
Store(open_database(sys.argv[1]), lambda: datetime.now(UTC)).log_event("instance.restarted")
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", script, world.path], timeout=60, check=False)
    assert world.event_names() == ["instance.restarted"]


def test_a_writer_holds_the_lock_from_its_first_statement(tmp_path):
    """Two that read first and write later would both believe what they read."""
    world = World(tmp_path)
    other = sqlite3.connect(world.path, timeout=0, isolation_level=None)
    try:
        with write(world.engine), pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        other.execute("BEGIN IMMEDIATE")  # free again
    finally:
        other.close()


def test_a_database_that_stays_locked_is_reported(tmp_path, monkeypatch):
    """Another program has it open for writing: say so instead of hanging."""
    monkeypatch.setattr(engine_module, "BUSY_TIMEOUT_S", 0.05)
    world = World(tmp_path)
    other = sqlite3.connect(world.path, isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseBusy, match="another process"):
            world.store.log_event("night.started")
    finally:
        other.close()
    world.store.log_event("night.started")


def test_a_full_disk_is_reported_and_nothing_is_half_written(tmp_path):
    """SQLite's own limit on pages gives the very error that a full disk gives."""
    world = World(tmp_path, paintings=5)
    with read(world.engine) as conn:
        pages = conn.execute(text("PRAGMA page_count")).scalar_one()
    engine = connect(world.path)
    with engine.connect() as conn:  # one connection, which the pool hands out again
        conn.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    store = Store(engine, world.clock.now)
    with pytest.raises(DatabaseFull, match=r"nightreel\.db.*no room"):
        store.add_paintings((painting(number, title="x" * 500) for number in range(100, 1100)), list_name="new")
    assert world.store.lists() == {"portraits": 5}
    world.store.add_paintings([painting(2000)], list_name="new")
    assert world.store.lists() == {"portraits": 5, "new": 1}


def test_a_disk_that_is_really_full_is_reported(tmp_path):
    """A limit on the size of files, set by the system: the log of changes cannot grow."""
    world = World(tmp_path, paintings=5)
    script = """
import resource, signal, sys
from datetime import datetime, UTC
from db.engine import open_database
from db.errors import DatabaseUnusable
from db.store import Store
store = Store(open_database(sys.argv[1]), lambda: datetime.now(UTC))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, 64 * 1024))
try:
    for number in range(2000):
        store.log_event("filling", text="x" * 5000)
except DatabaseUnusable as error:
    print(type(error).__name__, error)
"""
    done = subprocess.run([sys.executable, "-c", script, world.path], capture_output=True, text=True, timeout=60)
    assert "nightreel.db" in done.stdout, done.stderr
    assert done.stdout.startswith(("DatabaseFull", "DatabaseUnusable"))
    with read(world.engine) as conn:
        assert conn.execute(text("PRAGMA integrity_check")).scalar() == "ok"


def test_a_file_that_is_no_database_is_refused(tmp_path):
    """The owner gave the wrong file: it is not touched."""
    file = tmp_path / "notes.db"
    file.write_text("shopping list\n" * 200)
    with pytest.raises(DatabaseUnusable, match="is not a database"):
        open_database(file)
    assert file.read_text().startswith("shopping list")


def test_a_damaged_database_is_reported(tmp_path):
    """A copy cut short by a full disk."""
    world = World(tmp_path, paintings=500)
    world.engine.dispose()
    content = world.path.read_bytes()
    world.path.write_bytes(content[: len(content) // 2])
    for beside in tmp_path.glob("nightreel.db-*"):
        beside.unlink()
    with pytest.raises(DatabaseUnusable, match="damaged"):
        Store(open_database(world.path), world.clock.now).unused("portraits")


def test_a_folder_that_is_not_there_is_reported(tmp_path):
    """With the file's name, since the setting that names it is far away."""
    with pytest.raises(DatabaseUnusable, match="cannot be opened") as caught:
        open_database(tmp_path / "gone" / "n.db")
    assert str(tmp_path / "gone" / "n.db") in str(caught.value)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a file system that refuses new files")
def test_a_folder_that_may_not_be_written_to_is_reported():
    """/proc refuses new files to everybody, so this also holds for root."""
    with pytest.raises(DatabaseUnusable, match="cannot be opened or made"):
        open_database("/proc/nightreel.db")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_reported(tmp_path):
    """A folder of another user's."""
    World(tmp_path).engine.dispose()
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(DatabaseUnusable):
            World(tmp_path, paintings=1)
    finally:
        tmp_path.chmod(0o700)


def test_a_later_database_is_refused_untouched(tmp_path):
    """An old program must not write into a schema that it does not know."""
    world = World(tmp_path)
    with write(world.engine) as conn:
        conn.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseTooNew) as caught:
        open_database(world.path)
    assert caught.value.found == "9999"
    assert "install the newer version" in str(caught.value)
    assert count(world.engine) == 12


@pytest.mark.parametrize("statement", ["CREATE TABLE bookmarks (url)", "CREATE TABLE alembic_version (version_num)"])
def test_a_database_of_another_program_is_refused(tmp_path, statement):
    """Making our tables beside somebody's bookmarks would be a nasty surprise."""
    other = sqlite3.connect(tmp_path / "other.db")
    other.execute(statement)
    other.close()
    with pytest.raises(DatabaseUnusable, match="belongs to another program"):
        open_database(tmp_path / "other.db")


@pytest.mark.parametrize("url", ["nonsense://x:secret@host/db", "://", "post gres://x", "oracle://x:secret@host/db"])
def test_a_url_that_is_none_is_refused(url):
    """A typing error in the settings, without the password in the message."""
    with pytest.raises(DatabaseUnusable) as caught:
        open_database(url)
    assert "secret" not in str(caught.value)


def test_the_name_of_a_database_hides_its_password():
    """Names end up in logs."""
    from sqlalchemy import make_url

    assert "secret" not in name_of(make_url("postgresql://me:secret@host/night"))


def test_writers_of_one_process_queue_without_polling(tmp_path):
    """Sixteen cards report at once: all get in, none waits out a sleep of SQLite's."""
    world = World(tmp_path, paintings=0)
    threads = [
        threading.Thread(target=lambda: [world.store.log_event("card.reported") for _ in range(10)]) for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert world.event_names() == ["card.reported"] * 160
