"""Nights that die between any two writes, and what the next start makes of it.

Death is played in the calling process: from one call of the store on, every further one raises, as nothing can be
written or read any more by a process that is gone. The card is a server of its own and goes on, as a real one does.
`tests/acceptance/test_killed_nights.py` does the same with SIGKILL, at moments that nobody chose.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from orchestrator import nightlock
from orchestrator.errors import NightRunningError, NotReadyError
from orchestrator.night import NightRequest, run_night
from steps.base import Context
from steps.errors import ResourceMissing
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
    make_settings,
    nothing_left_behind,
)
from tests.integration.comfyui_embedded import embedded

pytestmark = pytest.mark.timeout(110)
STEPS = (LOOK, SPEAK, CUT)
SEED = 7
NEVER = 10**6
ON_CARD = 2  # prompts of one painting in two languages


@pytest.fixture(scope="module")
def card(tmp_path_factory):
    with embedded(tmp_path_factory.mktemp("card")) as server:
        yield server


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, card):
    """A home with one painting, before its first night."""
    folder = tmp_path_factory.mktemp("prepared")
    World(folder, *STEPS, cards=[card], paintings=1, languages=("fr", "en"))
    return folder


@pytest.fixture
def make(tmp_path, card, prepared):
    """Make a world like all the others, as often as wanted."""

    def world(name: str = "world", *timings: Any, **options: Any) -> World:
        if not timings:
            shutil.copytree(prepared, tmp_path / name)
        options = {"paintings": 1, "languages": ("fr", "en"), **options}
        made = World(tmp_path / name, *(timings or STEPS), cards=[card], **options)
        made.seed = SEED
        return made

    with nothing_left_behind(tmp_path):
        yield world
        calm_down([card])


@pytest.fixture
def dying(monkeypatch) -> Callable[..., Dying]:
    """Have the next night die at a write of its store; the one after it finds the lock of a process that is gone."""

    def prepare(at: int, *, after: bool = False) -> Dying:
        dying = Dying(at, after=after)
        let_die(dying, monkeypatch)
        return dying

    return prepare


@pytest.mark.slow
def test_a_night_that_dies_at_any_write_ends_like_an_undisturbed_one(make, dying, card):
    """Before each write, and after those that something else follows: nothing is lost, half-way, or executed twice."""
    undisturbed = make("undisturbed")
    seen = dying(NEVER)
    assert undisturbed.run().outcome == "complete"
    wanted = undisturbed.pictures()
    assert len(seen.names) > 15
    deaths = [(at, False) for at in range(len(seen.names))]
    deaths += [(at, True) for at, name in enumerate(seen.names) if name in ("open_batch", "claim", "complete")]
    for at, after in deaths:
        calm_down([card])
        world = make(f"{at}-{after}")
        death = dying(at, after=after)
        with pytest.raises(Dead):
            world.run()
        where = f"{'after' if after else 'before'} write {at}, {death.names[-1]}"
        if world.store.latest_batch() is None:
            assert world.run().outcome == "complete", where
        elif world.store.unfinished_batch() is not None:
            assert world.resume().outcome == "complete", where
        assert world.pictures() == wanted, where
        assert len(executed(card)) == ON_CARD, where
        world.check_tidy()
        shutil.rmtree(world.root)


def missing_at_first(world: World) -> list[bool]:
    """Have the step `look` lack something for the second painting; what is returned mends it when emptied."""
    lacking = [True]

    def act(context: Context) -> None:
        if lacking and context.subject.title == "Painting 1":
            raise ResourceMissing("the model file is gone")

    world.spoil("look", act)
    return lacking


def dead_while_a_prompt_runs(world: World, dying: Callable[..., Dying]) -> str:
    """Let a night die when the prompt of its last step has begun; return the prompt's id."""
    death = dying(NEVER)
    world.watching.on_step["speak"] = [lambda: death.die_at("note_started")]
    with pytest.raises(Dead):
        world.run()
    (attempt,) = world.store.in_flight()
    assert attempt.prompt_id is not None
    return attempt.prompt_id


def test_a_prompt_that_outlived_a_crash_is_not_lost_to_a_stop(make, dying, card):
    """Ctrl-C before its step was reached: the night stays open, and the next start collects it."""
    world = make("world", LOOK, PAINT, SPEAK, paintings=2, languages=("fr",))
    lacking = missing_at_first(world)
    prompt_id = dead_while_a_prompt_runs(world, dying)
    world.stop.press()
    assert world.run(resume=True).outcome == "stopped"
    assert [one.prompt_id for one in world.store.in_flight()] == [prompt_id]
    assert world.store.unfinished_batch() is not None
    lacking.clear()
    assert world.resume().outcome == "complete"
    assert world.outcomes("speak", "fr") == [["complete"], ["complete"]]
    assert prompt_id in executed(card)
    assert len(executed(card)) == 4
    world.check_tidy()


def test_a_prompt_that_outlived_a_crash_is_not_restarted_away(make, dying, card):
    """The restart between two steps waits until the prompts of later steps are collected."""
    world = make("world", LOOK, PAINT, SPEAK, paintings=2, languages=("fr",))
    lacking = missing_at_first(world)
    prompt_id = dead_while_a_prompt_runs(world, dying)
    lacking.clear()
    world.settings = make_settings(
        world.root, cards=[card], own=1, languages=["fr"], restart="between_steps", restart_command="false"
    )
    assert world.resume().outcome == "complete"
    assert world.logged("instance.restarting") == []
    assert prompt_id in [one.prompt_id for of_item in world.tries("speak", "fr").values() for one in of_item]
    assert len(executed(card)) == 4


def test_a_new_night_collects_what_a_crashed_one_left(make, dying, card):
    """`run` after a crash: the prompt in flight is collected for the old night, and its item goes on in the new one."""
    world = make("world", LOOK, SPEAK, CUT, paintings=1, languages=("fr",))
    prompt_id = dead_while_a_prompt_runs(world, dying)
    assert world.run(paintings=1).outcome == "complete"
    assert world.store.batch(1).outcome == "stopped"
    assert [item.origin for item in world.items(2)] == ["carried"]
    assert executed(card) == [prompt_id]
    world.check_tidy()


def test_a_prompt_of_a_step_that_was_removed_does_not_stand_in_the_way(make, dying):
    """A user's own workflow was taken out of the pipeline between the crash and the next start."""
    world = make("world", LOOK, SPEAK, paintings=1, languages=("fr",))
    dead_while_a_prompt_runs(world, dying)
    world.steps = world.steps[:1]
    world.resume()
    assert [one.outcome for one in world.store.attempts(1) if one.step == "speak"] == ["put_back"]
    world.check_tidy()


def test_a_second_night_is_turned_away_and_disturbs_nothing(make):
    """Two timers, or a person beside the timer: the message names the process that runs."""
    world = make()

    def another() -> None:
        before = world.store.attempts(1)
        with pytest.raises(NightRunningError, match=rf"process {os.getpid()} on .*\n.*kill -INT"):
            run_night(world.settings, NightRequest(paintings=1), steps=world.steps)
        assert world.store.attempts(1) == before

    world.watching.on_step["speak"] = [another]
    assert world.run().outcome == "complete"
    assert world.store.latest_batch().id == 1
    world.check_tidy()


def test_the_lock_of_a_night_that_died_is_taken_over(make, dying):
    """Nobody has to delete a lock file in the morning."""
    world = make()
    dying(8)
    with pytest.raises(Dead):
        world.run()
    assert world.resume().outcome == "complete"
    assert "lock.taken_over" in {event.name for event in world.store.events()}


def test_a_night_whose_lock_was_taken_over_touches_nothing_more(make, card, monkeypatch):
    """A laptop slept, another host went on with its step runs: what we would still write or withdraw is theirs."""
    monkeypatch.setattr(nightlock, "HEARTBEAT_S", 0.02)
    world = make("world", replace(PAINT, seconds=0.8), CUT, paintings=2, languages=("fr",))

    def take_over() -> None:
        with monkeypatch.context() as patch:
            patch.setattr("db.locks.is_alive", lambda pid: False)
            world.store.acquire_lock("night", owner="other", host=socket.gethostname(), pid=1, stale_after_s=30)

    world.watching.on_run = lambda task: take_over() if len(world.watching.started) == 2 else None
    with pytest.raises(NightRunningError, match="another took it over"):
        world.run()
    assert {one.outcome for one in world.store.attempts(1)} == {None}
    assert world.store.release_lock("night", "other")
    assert world.resume().outcome == "complete"
    assert len(executed(card)) == 2
    world.check_tidy()


def test_a_workflow_that_cannot_be_used_is_found_before_the_night(make):
    """All broken ones at once, with the file and the reason; nothing is opened, and no painting is spent."""
    world = make("world", PAINT, SPEAK)
    (world.root / "workflows" / "timed.json").write_text('{"nodes": [], "links": []}')
    with pytest.raises(NotReadyError, match=r"(?s)step paint: .*timed\.json.*step speak: "):
        world.run()
    assert world.store.latest_batch() is None
    world.workflow()
    assert world.run().outcome == "complete"
