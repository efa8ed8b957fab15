"""Opening a night: the draw, what is carried over, and closing it."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from db_world import RUNS_OF_AN_ITEM, STEPS, World, painting

from db.errors import BatchBusy, NotFound
from db.states import State
from db.store import StepSpec


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def titles(world, batch) -> list[str]:
    return [item.title for item in world.store.items(batch.id)]


def test_a_painting_is_known_by_its_content(world):
    """The same picture under another name is one painting; what is new is counted apart."""
    again = [painting(3, path="/elsewhere/copy.jpg"), painting(50), painting(50, title="Twice in one list")]
    report = world.store.add_paintings(again, list_name="portraits")
    assert (report.added, report.duplicates) == (1, 2)
    assert world.store.lists() == {"portraits": 13}
    assert {row.title for row in world.store.unused("portraits")} >= {"Portrait 50", "Portrait 3"}


def test_a_painting_that_was_moved_is_found_at_its_new_place(world):
    """Adding the folder again after moving it must not leave dead paths."""
    world.store.add_paintings([painting(3, path="/moved/3.jpg")], list_name="portraits")
    row = next(row for row in world.store.unused("portraits") if row.title == "Portrait 3")
    assert row.path == "/moved/3.jpg"


def test_adding_again_fills_in_what_was_missing_and_keeps_what_is_known(world):
    """A folder walked after a good list knows less than the list."""
    world.store.add_paintings([painting(3, artist="Ida Vale", title="File name")], list_name="portraits")
    world.store.add_paintings([painting(3, artist="Unknown", year=1503)], list_name="portraits")
    row = next(row for row in world.store.unused("portraits") if row.sha256 == painting(3).sha256)
    assert (row.title, row.artist, row.year) == ("Portrait 3", "Ida Vale", 1503)


def test_a_painting_may_be_on_several_lists(world):
    """Lists are views of one catalogue: what one of them used is used."""
    world.store.add_paintings([painting(number) for number in range(4)], list_name="favourites")
    world.open(2, list_name="favourites")
    assert world.store.lists() == {"favourites": 4, "portraits": 12}
    assert world.store.unused_count("favourites") == 2
    assert world.store.unused_count("portraits") == 10
    assert world.store.unused_count("no such list") == 0


def test_a_thousand_paintings_are_put_on_their_list(world):
    """More than fit into one statement."""
    report = world.store.add_paintings([painting(number) for number in range(1203)], list_name="many")
    assert report.added == 1191
    assert world.store.lists()["many"] == 1203


def test_the_same_seed_and_content_draw_the_same(tmp_path):
    """A night can be repeated on another machine, whatever the order in which its catalogue grew."""
    drawn = []
    for attempt in range(3):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        world = World(folder, paintings=0)
        numbers = list(range(40))
        random.Random(attempt).shuffle(numbers)
        for start in range(0, 40, 10):
            world.store.add_paintings(
                [painting(number) for number in numbers[start : start + 10]], list_name="portraits"
            )
        drawn.append(titles(world, world.open(8, seed=1234)))
    assert drawn[0] == drawn[1] == drawn[2]
    assert len(set(drawn[0])) == 8


def test_another_seed_draws_others(tmp_path):
    """And over many seeds every painting has its turn."""
    counts: Counter[str] = Counter()
    world = World(tmp_path, paintings=400)
    for seed in range(20):
        counts.update(titles(world, world.open(10, seed=seed)))
    assert len(counts) == 200  # never one twice
    world.open(500, seed=1)
    assert world.store.unused_count("portraits") == 0


def test_a_used_painting_is_never_drawn_again(world):
    """Whatever became of it; and a list that runs dry gives what it has."""
    seen: list[str] = []
    for night in range(4):
        batch = world.open(5, seed=night)
        for run in world.store.snapshot(batch.id):
            if run.step == "prepare":
                attempt = world.store.claim(run.run_id, batch_id=batch.id, instance=None, prompt_id=None, seed=0)
                world.store.turn_down(attempt.attempt_id, reasons=["two people"], data={}, checks=[])
        seen += titles(world, batch)
        world.store.close_batch(batch.id, "complete")
    assert len(seen) == len(set(seen)) == 12
    assert world.store.latest_batch().drawn == 0


def test_a_batch_keeps_what_it_ran_with(world):
    """The report of a night names its seed and settings."""
    batch = world.open(2, seed=2**63 - 1, settings={"a": {"b": [1, None, "é"]}}, log_path="logs/1.log")
    again = world.store.batch(batch.id)
    assert again == batch
    assert (again.seed, again.wanted, again.languages, again.preview) == (2**63 - 1, 2, ("fr", "en"), True)
    assert again.settings == {"a": {"b": [1, None, "é"]}}
    assert again.log_path == "logs/1.log"
    assert (again.drawn, again.carried, again.redone) == (2, 0, 0)
    world.store.note_log(batch.id, "logs/other.log")
    assert world.store.batch(batch.id).log_path == "logs/other.log"


def test_every_item_gets_all_its_step_runs(world):
    """Shared steps once, the others once a language; step by step and in the order of the draw."""
    batch = world.open(2)
    runs = world.store.snapshot(batch.id)
    assert len(runs) == 2 * RUNS_OF_AN_ITEM
    first, second = (item.item_id for item in world.store.items(batch.id))
    assert [(run.step, run.item_id, run.variant) for run in runs][:6] == [
        ("prepare", first, ""),
        ("prepare", second, ""),
        ("audio", first, "fr"),
        ("audio", first, "en"),
        ("audio", second, "fr"),
        ("audio", second, "en"),
    ]
    assert {(run.state, run.item_state, run.generation, run.attempts_counted) for run in runs} == {
        (State.PENDING, State.PENDING, 0, 0)
    }


def test_what_a_night_left_is_taken_first_by_the_next(world):
    """Before anything new is drawn, and in the same order; what it made is not made again."""
    first = world.open(3)
    world.make(first, "prepare", item=1)
    world.store.close_batch(first.id, "stopped")
    second = world.open(5, seed=8)
    assert (second.carried, second.drawn, second.redone) == (3, 2, 0)
    assert titles(world, second)[:3] == titles(world, first)
    assert [item.origin for item in world.store.items(second.id)] == ["carried"] * 3 + ["drawn"] * 2
    assert world.run(second, "prepare", item=1).state is State.COMPLETE
    assert world.store.items(second.id)[0].batch_id == first.id


def test_what_was_sent_back_is_taken_first_too(world):
    """A person's redo goes into the next night."""
    first = world.open(2)
    world.make_all(first, item=0)
    world.make_all(first, item=1)
    world.store.close_batch(first.id, "complete")
    item_id = world.store.items(first.id)[1].item_id
    world.store.send_back(item_id, steps=["audio", "final_video"], languages=["fr"], reason="mumbles")
    second = world.open(2, seed=8)
    assert (second.redone, second.carried, second.drawn) == (1, 0, 1)
    assert world.store.items(second.id)[0].item_id == item_id
    assert world.store.item(item_id).origin == "redo"


def test_more_waiting_items_than_wanted_are_all_taken(world):
    """Nothing is put off twice."""
    first = world.open(4)
    world.store.close_batch(first.id, "stopped")
    assert (world.open(2).carried, world.store.latest_batch().drawn) == (4, 0)


def test_items_of_an_open_night_are_not_taken_away_from_it(world):
    """They are being worked on there."""
    first = world.open(2)
    second = world.open(2, seed=8)
    assert (second.carried, second.drawn) == (0, 2)
    assert not set(titles(world, first)) & set(titles(world, second))


def test_a_carried_item_keeps_its_languages_and_gets_new_steps(world):
    """The pipeline has grown since; German was not asked for when the item was drawn."""
    first = world.open(1, steps=STEPS[:2])
    world.store.close_batch(first.id, "stopped")
    grown = (*STEPS, StepSpec("teaser", 4, per_language=True))
    second = world.open(1, steps=grown, languages=("fr", "en", "de"))
    runs = [(run.step, run.variant) for run in world.store.snapshot(second.id)]
    assert len(runs) == RUNS_OF_AN_ITEM + 2
    assert ("teaser", "fr") in runs
    assert not any(variant == "de" for _, variant in runs)


def test_closing_leaves_nothing_half_way(world):
    """Items that were begun wait for the next night; finished ones stay finished."""
    batch = world.open(2)
    world.make(batch, "prepare", item=0)
    world.make_all(batch, item=1)
    world.store.close_batch(batch.id, "stopped")
    assert [item.state for item in world.store.items(batch.id)] == [State.PENDING, State.COMPLETE]
    closed = world.store.batch(batch.id)
    assert closed.outcome == "stopped"
    assert closed.closed_at == world.clock.now()


def test_a_night_with_attempts_in_flight_cannot_be_closed(world):
    """Nobody would ever look for what they make."""
    batch = world.open(1)
    attempt = world.claim(batch, "prepare")
    with pytest.raises(BatchBusy, match=f"attempts \\[{attempt.attempt_id}\\]"):
        world.store.close_batch(batch.id, "stopped")
    assert world.store.unfinished_batch() == batch
    world.store.put_back(attempt.attempt_id, reason="stopped")
    world.store.close_batch(batch.id, "stopped")


def test_a_night_is_closed_once(world):
    """The second closing would overwrite how it ended."""
    batch = world.open(1)
    world.store.close_batch(batch.id, "failed")
    with pytest.raises(NotFound):
        world.store.close_batch(batch.id, "complete")
    assert world.store.batch(batch.id).outcome == "failed"


def test_the_unfinished_night_is_the_newest_open_one(world):
    """`resume` goes on with this one."""
    assert world.store.unfinished_batch() is None
    assert world.store.latest_batch() is None
    first = world.open(1)
    second = world.open(1)
    assert world.store.unfinished_batch() == second
    world.store.close_batch(second.id, "complete")
    assert world.store.unfinished_batch() == first
    assert world.store.latest_batch().id == second.id
    with pytest.raises(NotFound):
        world.store.batch(99)


def test_opening_leaves_the_story_of_each_item(world):
    """The log says why an item was in a night."""
    first = world.open(1)
    world.store.close_batch(first.id, "stopped")
    second = world.open(1)
    item_id = world.store.items(second.id)[0].item_id
    events = world.store.events(item_id=item_id)
    assert [(event.name, event.batch_id, event.details["origin"]) for event in events] == [
        ("item.taken", first.id, "drawn"),
        ("item.taken", second.id, "carried"),
    ]
    assert world.event_names(batch_id=first.id) == ["batch.opened", "item.taken", "batch.closed"]
