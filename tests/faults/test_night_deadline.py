"""Nights with `--stop-by`: nothing is started that will not finish, and the next night takes the rest first."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest

from orchestrator.engines.base import Task
from tests.faults.night_world import CUT, LOOK, PAINT, SPEAK, World, calm_down, nothing_left_behind
from tests.integration.comfyui_embedded import embedded

pytestmark = pytest.mark.timeout(60)
MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def card(tmp_path_factory):
    with embedded(tmp_path_factory.mktemp("card")) as server:
        yield server


@pytest.fixture
def make(card, tmp_path):
    """Make a world whose prompts are expected to take a minute each."""

    def world(*timings, **options) -> World:
        made = World(tmp_path, *timings, cards=[card], **options)
        made.workflow(timing={"expected_s": 60, "idle_timeout_s": 60, "total_timeout_s": 600})
        return made

    with nothing_left_behind(tmp_path):
        yield world
        calm_down([card])


def turn_clock_at_run(world: World, number: int, by: timedelta) -> None:
    """Let time pass when the night begins its Nth run."""

    def act(task: Task) -> None:
        if len(world.watching.started) == number:
            world.clock.later += by

    world.watching.on_run = act


def test_what_would_not_finish_is_left_to_the_next_night(make):
    """Two of four are made by seven o'clock; the others are PENDING, and no try of theirs was spent."""
    world = make(PAINT, paintings=4)
    turn_clock_at_run(world, 2, 9.5 * MINUTE)
    result = world.run(stop_by=world.clock.now() + 10 * MINUTE)
    assert result.outcome == "stopped"
    assert result.cut_short == {"paint": "what is left would not finish in time"}
    assert result.stopped_steps == {}  # nothing is wrong: the exit code tells the two apart
    assert sorted(world.states().values()) == ["COMPLETE", "COMPLETE", "PENDING", "PENDING"]
    assert len(world.store.attempts(result.batch_id)) == 2
    batch = world.store.batch(result.batch_id)
    assert (batch.outcome, batch.closed_at is not None) == ("stopped", True)
    world.check_tidy()


def test_the_next_night_takes_what_is_left_before_it_draws(make):
    """Three are asked for, two wait: one is drawn."""
    world = make(PAINT, paintings=5)
    turn_clock_at_run(world, 2, 9.5 * MINUTE)
    world.run(stop_by=world.clock.now() + 10 * MINUTE, paintings=4)
    result = world.run(paintings=3)
    assert (result.batch_id, result.outcome) == (2, "complete")
    assert [item.origin for item in world.items(2)] == ["carried", "carried", "drawn"]
    assert [item.item_id for item in world.items(2)][:2] == [
        item.item_id for item in world.items(1) if item.title in {one.title for one in world.items(2)}
    ]
    assert world.store.unused_count("portraits") == 0
    world.check_tidy()


def test_a_prompt_is_not_queued_behind_one_that_it_would_outlast(make):
    """A card works on one prompt after the other: what waits in its queue ends later than what is started now."""
    world = make(PAINT, paintings=4)
    assert world.run(stop_by=world.clock.now() + 1.5 * MINUTE).outcome == "complete"
    tries = sorted(world.store.attempts(1), key=lambda one: one.claimed_at)
    assert len(tries) == 4
    for before, after in pairwise(tries):
        assert before.finished_at is not None
        assert before.finished_at <= after.claimed_at


def test_without_a_deadline_the_queue_is_kept_filled(make):
    """The rule above must not cost the card a pause in any other night."""
    world = make(PAINT, paintings=4)
    world.run()
    tries = sorted(world.store.attempts(1), key=lambda one: one.claimed_at)
    assert tries[0].finished_at is not None
    assert tries[1].claimed_at < tries[0].finished_at


def test_after_the_deadline_nothing_is_started_at_all(make):
    """A night that is begun too late opens, says why, and closes; no card is asked for anything."""
    world = make(LOOK, PAINT, CUT, SPEAK, paintings=2)
    result = world.run(stop_by=world.clock.now() - MINUTE)
    assert result.outcome == "stopped"
    assert world.store.attempts(1) == []
    assert world.states() == {"Painting 0": "PENDING", "Painting 1": "PENDING"}
    assert world.run().outcome == "complete"


def test_steps_that_still_fit_go_on(make):
    """Seven o'clock is near: the long prompts wait for the next night, the quick cut of what there is does not."""
    world = make(SPEAK, CUT, PAINT, paintings=2)
    turn_clock_at_run(world, 2, 9.5 * MINUTE)
    result = world.run(stop_by=world.clock.now() + 10 * MINUTE)
    assert result.cut_short == {"paint": "what is left would not finish in time"}
    assert world.outcomes("cut", "fr") == [["complete"], ["complete"]]
