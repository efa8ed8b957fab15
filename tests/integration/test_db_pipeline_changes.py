"""Steps that leave the pipeline between two nights, and come back: nothing waits for them, nothing is lost."""

from __future__ import annotations

import pytest
from db_world import NEEDS, STEPS, World

from db.states import State
from db.store import StepSpec, Store

SPARKLE = StepSpec("sparkle", 1, per_language=False)
WITH = (*STEPS[:2], SPARKLE, *STEPS[2:])


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def store_of(world: World, *, with_sparkle: bool) -> Store:
    """Return a store as a night with this pipeline has it."""
    needs = {**NEEDS, "sparkle": ("prepare",)} if with_sparkle else NEEDS
    return Store(world.engine, world.clock.now, needs=needs)


def night(world: World, *, with_sparkle: bool, count: int = 1):
    """Open a night with a pipeline, as the store of that night."""
    world.store = store_of(world, with_sparkle=with_sparkle)
    return world.open(count, steps=WITH if with_sparkle else STEPS)


def make_all_but_sparkle(world: World, batch) -> int:
    item_id = world.store.items(batch.id)[0].item_id
    for run in world.store.runs_of_item(item_id):
        if run.step != "sparkle" and run.state is State.PENDING:
            world.make(batch, run.step, run.variant)
    return item_id


def test_an_item_that_only_waits_for_a_step_that_left_is_over(world):
    """It would be carried over every night: nobody claims a run of a step that is gone."""
    batch = night(world, with_sparkle=True)
    item_id = make_all_but_sparkle(world, batch)
    world.store.close_batch(batch.id, "stopped")
    assert world.store.item(item_id).state is State.PENDING
    later = night(world, with_sparkle=False, count=0)
    assert later.carried == 1
    assert world.store.item(item_id).state is State.COMPLETE
    assert world.states(item_id)[("sparkle", "")] is State.PENDING
    world.store.close_batch(later.id, "complete")
    assert night(world, with_sparkle=False, count=0).carried == 0
    assert world.event_names(item_id=item_id)[-2:] == ["item.started", "item.completed"]


def test_the_last_run_that_counts_completes_the_item(world):
    """In the very night, without waiting for the next one to open."""
    batch = night(world, with_sparkle=True)
    item_id = world.store.items(batch.id)[0].item_id
    world.store = store_of(world, with_sparkle=False)
    make_all_but_sparkle(world, batch)
    assert world.store.item(item_id).state is State.COMPLETE


def test_what_failed_in_a_step_that_left_fails_no_item(world):
    """A person takes the broken step out of the config and sends the item back: it must come through."""
    batch = night(world, with_sparkle=True)
    item_id = world.store.items(batch.id)[0].item_id
    world.make(batch, "prepare")
    world.fail(world.claim(batch, "sparkle"))
    make_all_but_sparkle(world, batch)
    assert world.store.item(item_id).state is State.FAILED
    world.store.send_back(item_id, steps=["final_video"], languages=None, reason="again")
    world.store.close_batch(batch.id, "failed")
    batch = night(world, with_sparkle=False, count=0)
    for language in ("fr", "en"):
        world.make(batch, "final_video", language)
    assert world.store.item(item_id).state is State.COMPLETE


def test_a_step_that_comes_back_is_made_after_all(world):
    """Its runs were kept as they were, so an item that is not over gets it."""
    batch = night(world, with_sparkle=True)
    item_id = world.store.items(batch.id)[0].item_id
    world.make(batch, "prepare")
    world.store.close_batch(batch.id, "stopped")
    batch = night(world, with_sparkle=False, count=0)
    world.make(batch, "clean_pic")
    world.store.close_batch(batch.id, "stopped")
    batch = night(world, with_sparkle=True, count=0)
    world.make(batch, "sparkle")
    make_all_but_sparkle(world, batch)
    assert world.store.item(item_id).state is State.COMPLETE
    assert set(world.states(item_id).values()) == {State.COMPLETE}


def test_a_new_step_reaches_items_that_are_carried_over(world):
    """And only those: what is over stays over."""
    batch = night(world, with_sparkle=False, count=2)
    done = world.store.items(batch.id)[0].item_id
    world.make_all(batch)
    world.store.close_batch(batch.id, "stopped")
    batch = night(world, with_sparkle=True, count=0)
    carried = world.store.items(batch.id)[0].item_id
    assert world.states(carried)[("sparkle", "")] is State.PENDING
    assert ("sparkle", "") not in world.states(done)


def test_an_item_that_was_sent_back_is_not_over_before_it_is_made_again(world):
    """Waiting for a step that left and for one that did not is waiting."""
    batch = night(world, with_sparkle=True)
    item_id = world.store.items(batch.id)[0].item_id
    world.make(batch, "prepare")
    world.store.close_batch(batch.id, "stopped")
    night(world, with_sparkle=False, count=0)
    assert world.store.item(item_id).state is State.PENDING
