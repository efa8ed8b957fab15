"""Nights on a disk that is full, a database that cannot grow, and files that vanish."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from db.errors import DatabaseFull
from db.states import State
from orchestrator import night
from orchestrator.errors import StorageError
from steps.base import Context
from tests.faults.night_world import CUT, LOOK, PAINT, SPEAK, World, calm_down, executed, nothing_left_behind
from tests.integration.comfyui_embedded import embedded

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(scope="module")
def card(tmp_path_factory):
    with embedded(tmp_path_factory.mktemp("card")) as server:
        yield server


@pytest.fixture
def make(card, tmp_path):
    """Make a world on the shared card, and check that a test leaves nothing behind."""
    with nothing_left_behind(tmp_path):
        yield lambda *timings, **options: World(tmp_path, *timings, cards=[card], **options)
        calm_down([card])


@pytest.fixture
def full_disk(monkeypatch) -> Callable[..., contextlib.AbstractContextManager[None]]:
    """A disk without room below a folder, as far as some calls of the system are concerned."""

    def refuse(path: Any, below: Path) -> None:
        if Path(path).is_relative_to(below):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    @contextlib.contextmanager
    def full(below: Path, *calls: str) -> Iterator[None]:
        def checked(call: str) -> Callable[..., Any]:
            original = getattr(os, call)

            def run(first: Any, *rest: Any, **options: Any) -> Any:
                meant = {"fsync": f"/proc/self/fd/{first}", "replace": rest[0] if rest else first}.get(call, first)
                refuse(os.readlink(meant) if call == "fsync" else meant, below)
                return original(first, *rest, **options)

            return run

        with monkeypatch.context() as patch:
            for call in calls:
                patch.setattr(os, call, checked(call))
            yield

    return full


def fill_at_run(world: World, number: int, full: contextlib.AbstractContextManager[None]) -> contextlib.ExitStack:
    """Let the disk be full from the Nth run on, until what is returned is closed."""
    stack = contextlib.ExitStack()

    def act(_: object) -> None:
        if len(world.watching.started) == number:
            stack.enter_context(full)

    world.watching.on_run = act
    return stack


@pytest.mark.parametrize("place", ["artifacts", "work"])
def test_a_full_disk_stops_the_night_and_room_lets_it_go_on(make, full_disk, place):
    """In the middle of a step, while an output is fetched or stored: nothing is COMPLETE without its file."""
    world = make(LOOK, PAINT, CUT, paintings=3)
    with fill_at_run(world, 5, full_disk(world.root / place, "fsync", "replace")):
        result = world.run()
    assert result.outcome == "stopped"
    assert list(result.stopped_steps) == ["paint"]
    assert result.stopped_steps["paint"].startswith("DiskFull: no room ")
    assert "cut" not in world.watching.steps
    world.check_tidy()
    assert not any(one.counted for one in world.store.attempts(1) if one.error_class == "DiskFull")
    assert world.resume().outcome == "complete"
    world.check_tidy()


def test_a_step_that_meets_a_full_disk_stops_the_night(make):
    """A plain OSError out of somebody's step means the same: no other item will find more room."""
    world = make(LOOK, CUT, paintings=3)

    def write(context: Context) -> None:
        with open("/dev/full", "wb", buffering=0) as file:  # the kernel's own ENOSPC
            file.write(b"frames")

    world.spoil("look", write)
    result = world.run()
    assert result.outcome == "stopped"
    assert result.stopped_steps == {"look": "DiskFull: no room left on the disk: [Errno 28] No space left on device"}
    assert set(world.states().values()) == {"PENDING"}
    assert len(world.store.attempts(1)) <= 2


def test_without_room_for_a_work_folder_the_night_ends_with_the_reason(make, full_disk):
    """Not with a traceback, and not with a run that is stuck."""
    world = make(LOOK, PAINT, paintings=2)
    full = full_disk(world.home.work, "mkdir")
    with fill_at_run(world, 2, full), pytest.raises(StorageError, match=r"cannot make a folder in .*No space left"):
        world.run()
    assert world.resume().outcome == "complete"
    world.check_tidy()


@pytest.fixture
def full_database(monkeypatch) -> Callable[[int], None]:
    """A database that may grow by so many pages and no further, in the next night only."""

    def limit(pages: int) -> None:
        open_store = night.open_store

        def open_limited(*args: Any, **options: Any) -> Any:
            monkeypatch.setattr(night, "open_store", open_store)
            home, store = open_store(*args, **options)

            def prepare(connection: Any, *_: Any) -> None:
                size = connection.execute("PRAGMA page_count").fetchone()[0]
                connection.execute(f"PRAGMA max_page_count = {size + pages}")

            store.engine.dispose()
            event.listen(store.engine, "connect", prepare)
            return home, store

        monkeypatch.setattr(night, "open_store", open_limited)

    return limit


@pytest.mark.parametrize("pages", [0, 1, 2])
def test_a_full_database_ends_the_night_and_room_lets_it_go_on(make, card, full_database, pages):
    """SQLite's own SQLITE_FULL, wherever it strikes: an error with the reason, no hang, and nothing made twice."""
    world = make(PAINT, SPEAK, CUT, paintings=6, languages=("fr", "en"))
    full_database(pages)
    with pytest.raises(DatabaseFull, match="there is no room left"):
        world.run()
    if world.store.latest_batch() is None:
        assert world.run().outcome == "complete"
    else:
        assert world.resume().outcome == "complete"
    assert len(executed(card)) == 18
    world.check_tidy()


def stopped_before(world: World, step: str) -> None:
    """Run a night that a person stops when a step begins."""
    world.watching.on_step[step] = [world.stop.press]
    assert world.run().outcome == "stopped"


def damage(path: Path, how: str) -> None:
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-3])


@pytest.mark.parametrize("how", ["gone", "cut short"])
def test_a_file_that_vanished_is_made_again_with_all_that_came_of_it(make, how):
    """Found when the night goes on, not when the last step fails: only that item's runs are made again."""
    world = make(LOOK, PAINT, SPEAK, CUT, paintings=2, languages=("fr", "en"))
    stopped_before(world, "cut")
    hurt, whole = (item.item_id for item in world.items())
    damage(world.path(hurt, "speak", "fr"), how)
    damage(world.path(hurt, "speak", "en"), how)
    assert world.resume().outcome == "complete"
    generations = {(run.step, run.variant): run.generation for run in world.store.runs_of_item(hurt)}
    assert generations == {
        ("look", ""): 0,
        ("paint", ""): 0,
        ("speak", "fr"): 1,
        ("speak", "en"): 1,
        ("cut", "fr"): 0,
        ("cut", "en"): 0,
    }
    assert {run.generation for run in world.store.runs_of_item(whole)} == {0}
    reasons = [one.details["reason"] for one in world.store.events(item_id=hurt) if one.name == "run.sent_back"]
    assert len(reasons) == 2
    assert all("is gone or damaged" in reason for reason in reasons)
    assert len(world.logged("artifact.lost")) == 2
    assert len(world.watching.notes) == 2
    world.check_tidy()


def test_what_was_made_from_a_lost_file_is_made_again_too(make):
    """A new picture and the clips of the old one do not belong together."""
    world = make(LOOK, PAINT, SPEAK, CUT, paintings=1, languages=("fr", "en"))
    stopped_before(world, "cut")
    (item,) = world.items()
    damage(world.path(item.item_id, "paint"), "gone")
    assert world.resume().outcome == "complete"
    again = {(run.step, run.variant) for run in world.store.runs_of_item(item.item_id) if run.generation == 1}
    assert again == {("paint", ""), ("speak", "fr"), ("speak", "en")}
    world.check_tidy()


def test_a_file_that_a_settled_item_lost_is_nobodys_business(make):
    """The videos of last week were moved away by their owner: a night does not make them again."""
    world = make(LOOK, CUT, paintings=2)
    assert world.run(paintings=1).outcome == "complete"
    (item,) = world.items()
    damage(world.path(item.item_id, "cut", "fr"), "gone")
    assert world.run(paintings=1).outcome == "complete"
    assert world.store.item(item.item_id).state is State.COMPLETE
    assert world.logged("artifact.lost") == []


@pytest.mark.parametrize("step", ["cut", "speak"])
def test_an_input_that_vanishes_in_the_night_fails_its_item_with_the_cure(make, step):
    """Between two steps: the item that lost it says which command makes it again; the other is finished."""
    world = make(LOOK, SPEAK, CUT, paintings=2) if step == "cut" else make(LOOK, SPEAK, paintings=2)
    before = {"cut": ("speak", "fr"), "speak": ("look", "")}[step]
    lost: list[Path] = []

    def lose() -> None:
        lost.append(world.path(1, *before))
        lost[0].unlink()

    world.watching.on_step[step] = [lose]
    assert world.run().outcome == "failed"
    assert sorted(world.states().values()) == ["COMPLETE", "FAILED"]
    (reason,) = world.store.item(1).reasons
    assert str(lost[0]) in reason
    assert f"nightreel redo 1 --from {before[0]}" in reason
    assert len(world.tries(step, "fr")[1]) == 1
    assert world.logged("defect") == []
    world.store.send_back(1, steps=[before[0], step], languages=None, reason="lost")
    assert world.resume().outcome == "complete"
    world.check_tidy()
