"""Items that are sent back, and items that are aborted while a night works on them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from db.states import State
from orchestrator.artifacts import hash_file
from steps.base import Context
from steps.errors import InvalidInput
from tests.faults.night_world import (
    CUT,
    LOOK,
    PAINT,
    SPEAK,
    Dead,
    Dying,
    World,
    calm_down,
    executed,
    let_die,
    nothing_left_behind,
    store_of,
)
from tests.integration.comfyui_embedded import embedded

pytestmark = pytest.mark.timeout(60)
STEPS = (LOOK, PAINT, SPEAK, CUT)


@pytest.fixture(scope="module")
def card(tmp_path_factory):
    with embedded(tmp_path_factory.mktemp("card")) as server:
        yield server


@pytest.fixture(scope="module")
def finished(tmp_path_factory, card) -> Path:
    """A home whose one painting is COMPLETE in two languages."""
    folder = tmp_path_factory.mktemp("finished")
    world = World(folder, *STEPS, cards=[card], paintings=1, languages=("fr", "en"))
    assert world.run().outcome == "complete"
    return folder


@pytest.fixture
def make(card, tmp_path):
    with nothing_left_behind(tmp_path):
        yield lambda *timings, **options: World(tmp_path, *timings, cards=[card], **options)
        calm_down([card])


@pytest.fixture
def done(card, tmp_path, finished) -> Callable[..., World]:
    """Return a copy of the finished home."""

    def copy(name: str = "copy") -> World:
        shutil.copytree(finished, tmp_path / name)
        return World(tmp_path / name, *STEPS, cards=[card], paintings=1, languages=("fr", "en"))

    return copy


def current(world: World) -> dict[tuple[str, str], Path]:
    return {(row.step, row.variant): world.home.artifacts / row.path for row in world.store.current_artifacts(1)}


def check_whole(world: World) -> None:
    """Every current file is there and is what its row says."""
    rows = world.store.current_artifacts(1)
    assert len(rows) == 6
    for row in rows:
        assert hash_file(world.home.artifacts / row.path) == row.sha256


def test_only_the_step_and_what_depends_on_it_run_again(done):
    """One language, from one step on, with another seed; everything else keeps its files."""
    world = done()
    before = current(world)
    world.store.send_back(1, steps=["speak", "cut"], languages=["fr"], reason="robotic voice")
    assert world.resume().outcome == "complete"
    after = current(world)
    assert {key for key in after if after[key] != before[key]} == {("speak", "fr"), ("cut", "fr")}
    assert [item.origin for item in world.items(2)] == ["redo"]
    assert {(one.step, one.variant, one.generation) for one in world.store.attempts(2)} == {
        ("speak", "fr", 1),
        ("cut", "fr", 1),
    }
    for step in ("speak", "cut"):
        seeds = {one.generation: one.seed for one in world.tries(step, "fr")[1]}
        assert seeds[0] != seeds[1]
    world.check_tidy()


def test_the_old_files_stay_until_the_new_ones_are_complete(done):
    """While the new voice is made there is the old one, and the old video until the new one is there."""
    world = done()
    before = current(world)
    seen: dict[str, dict[tuple[str, str], bool]] = {}

    def look(step: str) -> None:
        check_whole(world)
        now = current(world)
        seen[step] = {key: now[key] == before[key] for key in now}

    for step in ("speak", "cut"):
        world.watching.on_step[step] = [lambda step=step: look(step)]
    world.store.send_back(1, steps=["speak", "cut"], languages=["fr"], reason="r")
    assert world.resume().outcome == "complete"
    assert all(seen["speak"].values())
    assert [key for key, is_old in seen["cut"].items() if not is_old] == [("speak", "fr")]
    assert not any(path.exists() for key, path in before.items() if key in (("speak", "fr"), ("cut", "fr")))


def test_a_redo_that_fails_leaves_the_old_video(done):
    """A redo must never leave the owner with less than before."""
    world = done()
    before = current(world)

    def refuse(context: Context) -> None:
        raise InvalidInput("cannot be cut again")

    world.spoil("cut", refuse)
    world.store.send_back(1, steps=["cut"], languages=["fr"], reason="r")
    assert world.resume().outcome == "failed"
    assert current(world) == before
    check_whole(world)


@pytest.fixture
def dying(monkeypatch) -> Callable[..., Dying]:
    """Have the next night die at a write of its store."""

    def prepare(at: int, *, after: bool = False) -> Dying:
        death = Dying(at, after=after)
        let_die(death, monkeypatch)
        return death

    return prepare


def test_a_redo_that_dies_at_any_write_keeps_a_whole_video(done, dying, card):
    """There is one whole file of each kind at every moment, and in the end one alone, the new one."""
    undisturbed = done("undisturbed")
    undisturbed.store.send_back(1, steps=["speak", "cut"], languages=["fr"], reason="r")
    seen = dying(10**6)
    assert undisturbed.resume().outcome == "complete"
    deaths = [(at, False) for at in range(len(seen.names))]
    deaths += [(at, True) for at, name in enumerate(seen.names) if name == "complete"]
    for at, after in deaths:
        calm_down([card])
        world = done(f"{at}-{after}")
        world.seed = undisturbed.seed
        world.store.send_back(1, steps=["speak", "cut"], languages=["fr"], reason="r")
        death = dying(at, after=after)
        with pytest.raises(Dead):
            world.resume()
        where = f"{'after' if after else 'before'} write {at}, {death.names[-1]}"
        check_whole(world)
        latest = world.store.latest_batch()
        if world.store.item(1).state is not State.COMPLETE or world.store.unfinished_batch() is not None:
            assert world.resume().outcome == "complete", where
            assert len(executed(card)) == 1, where
        assert latest is not None
        check_whole(world)
        world.check_tidy()
        assert not any("redo" not in str(current(world)[key]) for key in (("speak", "fr"), ("cut", "fr"))), where


def test_an_item_that_is_aborted_meanwhile_is_dropped_without_a_trace(make):
    """By another process, while a prompt of it runs: its late picture is not kept, and the night goes on."""
    world = make(LOOK, replace(PAINT, seconds=0.3), CUT, paintings=3)
    other = store_of(world)

    def abort(task: Any) -> None:
        if task.step == "paint" and task.context.subject.title == "Painting 1":
            other.abort_item(task.context.subject.item_id, reason="the wrong painting")

    world.watching.on_run = abort
    assert world.run().outcome == "complete"
    assert world.states() == {"Painting 0": "COMPLETE", "Painting 1": "ABORTED", "Painting 2": "COMPLETE"}
    (aborted,) = [item for item in world.items() if item.state is State.ABORTED]
    assert aborted.reasons == ("the wrong painting",)
    assert {str(state) for state in world.run_states(aborted.item_id).values()} == {"COMPLETE", "ABORTED"}
    assert [one.outcome for one in world.tries("paint")[aborted.item_id]] == ["aborted"]
    assert world.logged("defect") == []
    world.check_tidy()


def test_an_item_that_is_aborted_before_its_turn_is_not_begun(make, card):
    """Its runs are ABORTED; no card spends a second on it."""
    world = make(LOOK, PAINT, CUT, paintings=2)
    other = store_of(world)
    world.watching.on_step["paint"] = [lambda: other.abort_item(1, reason="no")]
    assert world.run().outcome == "complete"
    assert 1 not in world.tries("paint")
    assert len(executed(card)) == 1
    world.check_tidy()


def test_an_item_that_failed_tonight_and_is_sent_back_tonight_waits_for_the_next_night(make):
    """A person looks in the small hours: steps that are over are not begun again, and the night ends in peace."""
    world = make(LOOK, SPEAK, CUT, paintings=2)
    other = store_of(world)
    broken = [True]

    def fail_first(context: Context) -> None:
        if context.subject.item_id == 1 and broken:
            raise InvalidInput("out of focus")

    world.spoil("look", fail_first)
    world.watching.on_step["speak"] = [
        lambda: other.send_back(1, steps=["look", "speak", "cut"], languages=None, reason="another crop")
    ]
    assert world.run().outcome == "stopped"
    assert {str(state) for state in world.run_states(1).values()} == {"REDO", "PENDING"}
    broken.clear()
    assert world.resume().outcome == "complete"
    assert [(item.item_id, item.origin) for item in world.items(2)] == [(1, "redo")]
    world.check_tidy()
