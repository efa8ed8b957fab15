"""Sending an item back: what runs again, and what stays until the new is there."""

from __future__ import annotations

import pytest
from db_world import World

from db.errors import CannotSendBack, NotFound, StaleItem
from db.states import State
from db.store import ArtifactRow

AGAIN = ("audio", "final_video")


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


@pytest.fixture
def batch(world):
    batch = world.open(1)
    world.make_all(batch)
    return batch


@pytest.fixture
def item_id(world, batch):
    return world.store.items(batch.id)[0].item_id


def paths(artifacts):
    return sorted(artifact.path for artifact in artifacts)


def test_the_step_and_what_depends_on_it_run_again(world, item_id):
    """With a new generation, which gives a new seed, and with all attempts left."""
    ids = world.store.send_back(item_id, steps=AGAIN, languages=None, reason="robotic voice")
    states = world.states(item_id)
    again = {key for key, state in states.items() if state is State.REDO}
    assert again == {("audio", "fr"), ("audio", "en"), ("final_video", "fr"), ("final_video", "en")}
    assert len(ids) == 4
    assert {
        (run.generation, run.attempts_counted) for run in world.store.runs_of_item(item_id) if run.run_id in ids
    } == {(1, 0)}
    assert world.store.item(item_id).state is State.REDO
    assert world.store.events(item_id=item_id)[-1].details["reason"] == "robotic voice"


def test_one_language_alone_runs_again(world, item_id):
    """The other language and the shared steps are not touched."""
    world.store.send_back(item_id, steps=("audio", "clean_pic", "final_video"), languages=["fr"], reason="r")
    again = {key for key, state in world.states(item_id).items() if state is State.REDO}
    assert again == {("audio", "fr"), ("final_video", "fr")}


def test_a_shared_step_cannot_be_sent_back_in_one_language(world, item_id):
    """It has no language; doing all of them silently would cost hours."""
    with pytest.raises(CannotSendBack, match="clean_pic is shared by all languages"):
        world.store.send_back(item_id, steps=("clean_pic", "final_video"), languages=["fr"], reason="r")
    assert world.store.item(item_id).state is State.COMPLETE


def test_old_files_stay_current_until_the_new_ones_are_complete(world, batch, item_id):
    """A redo that fails must not leave the owner with less than before."""
    before = paths(world.store.current_artifacts(item_id))
    world.store.send_back(item_id, steps=AGAIN, languages=["fr"], reason="r")
    assert paths(world.store.current_artifacts(item_id)) == before
    attempt = world.claim(batch, "audio", "fr")
    assert paths(world.store.current_artifacts(item_id)) == before
    settled = world.complete(attempt, "file")
    assert len(settled.superseded_paths) == 1
    assert set(settled.superseded_paths) < set(before)
    now = paths(world.store.current_artifacts(item_id))
    assert set(now) == set(before) - set(settled.superseded_paths) | {f"items/{attempt.attempt_id}/file.png"}
    assert paths(world.store.superseded(item_id)) == list(settled.superseded_paths)


def test_a_redo_that_fails_keeps_the_old_files(world, batch, item_id):
    """And the item says what went wrong."""
    before = paths(world.store.current_artifacts(item_id))
    world.store.send_back(item_id, steps=AGAIN, languages=["fr"], reason="r")
    assert world.fail(world.claim(batch, "audio", "fr")) is State.FAILED
    assert paths(world.store.current_artifacts(item_id)) == before
    assert world.store.superseded(item_id) == []


def test_later_steps_do_not_see_what_is_being_made_again(world, item_id):
    """The new video must be made from the new voice."""
    world.store.send_back(item_id, steps=AGAIN, languages=["fr"], reason="r")
    made = world.store.made(item_id)
    assert ("audio", "fr") not in made
    assert ("audio", "en") in made


def test_a_path_that_is_used_again_is_not_reported_as_superseded(world, batch, item_id):
    """Whoever deletes the superseded paths would delete the new file."""
    old = next(one for one in world.store.current_artifacts(item_id) if (one.step, one.variant) == ("audio", "fr"))
    world.store.send_back(item_id, steps=AGAIN, languages=["fr"], reason="r")
    attempt = world.claim(batch, "audio", "fr")
    row = ArtifactRow("file", old.path, "b" * 64, 11)
    assert world.store.complete(attempt.attempt_id, artifacts=[row], data={}, checks=[]).superseded_paths == ()


def test_superseded_files_are_forgotten_and_current_ones_never(world, batch, item_id):
    """Tidying up cannot lose a video."""
    world.store.send_back(item_id, steps=AGAIN, languages=["fr"], reason="r")
    world.make(batch, "audio", "fr")
    old = world.store.superseded(item_id)
    current = world.store.current_artifacts(item_id)
    ids = [artifact.artifact_id for artifact in [*old, *current]]
    assert world.store.forget_artifacts(ids) == len(old) == 1
    assert world.store.superseded(item_id) == []
    assert world.store.current_artifacts(item_id) == current


def test_attempts_are_numbered_anew_in_each_generation(world, batch, item_id):
    """Three attempts are three attempts, also the second time; all of them are kept."""
    world.store.send_back(item_id, steps=AGAIN, languages=["fr"], reason="r")
    attempt = world.claim(batch, "audio", "fr")
    assert (attempt.generation, attempt.number) == (1, 1)
    kept = world.store.attempts_of_run(attempt.run_id)
    assert [(one.generation, one.number) for one in kept] == [(0, 1), (1, 1)]


def test_a_redone_item_completes_again(world, batch, item_id):
    """REDO, PROCESSING, COMPLETE: the round trip."""
    world.store.send_back(item_id, steps=AGAIN, languages=["fr"], reason="r")
    world.make(batch, "audio", "fr")
    assert world.store.item(item_id).state is State.PROCESSING
    assert world.make(batch, "final_video", "fr").item_state is State.COMPLETE


def test_a_failed_item_is_sent_back_from_before_its_failure(world):
    """The failed run starts over; what never ran is still to do."""
    batch = world.open(1)
    world.make(batch, "prepare")
    world.make(batch, "audio", "en")
    world.make(batch, "clean_pic")
    world.make(batch, "final_video", "en")
    assert world.fail(world.claim(batch, "audio", "fr")) is State.FAILED
    item_id = world.store.items(batch.id)[0].item_id
    world.store.send_back(item_id, steps=AGAIN, languages=["fr"], reason="r")
    states = world.states(item_id)
    assert (states[("audio", "fr")], states[("final_video", "fr")]) == (State.REDO, State.PENDING)
    item = world.store.item(item_id)
    assert (item.state, item.reasons) == (State.REDO, ())


def test_an_item_that_waits_already_can_be_sent_back_further(world, item_id):
    """French was sent back yesterday, English today; the item waits for the night either way."""
    world.store.send_back(item_id, steps=AGAIN, languages=["fr"], reason="r")
    world.store.send_back(item_id, steps=AGAIN, languages=["en"], reason="r")
    assert world.store.item(item_id).state is State.REDO
    generations = {(run.step, run.variant): run.generation for run in world.store.runs_of_item(item_id)}
    assert generations[("audio", "fr")] == generations[("audio", "en")] == 1


def test_what_was_never_made_cannot_be_made_again(world):
    """It is to do anyway."""
    batch = world.open(1)
    item_id = world.store.items(batch.id)[0].item_id
    with pytest.raises(CannotSendBack, match="nothing to make again from audio on in fr"):
        world.store.send_back(item_id, steps=AGAIN, languages=["fr"], reason="r")
    with pytest.raises(CannotSendBack):
        world.store.send_back(item_id, steps=("no_such_step",), languages=None, reason="r")


@pytest.mark.parametrize("state", ["PROCESSING", "ABORTED"])
def test_an_item_under_way_or_given_up_is_not_sent_back(world, state):
    """The night is working on it, or a person gave it up."""
    batch = world.open(1)
    world.make(batch, "prepare")
    item_id = world.store.items(batch.id)[0].item_id
    if state == "ABORTED":
        world.store.abort_item(item_id, reason="x")
    with pytest.raises(StaleItem, match=r"item\.sent_back"):
        world.store.send_back(item_id, steps=("prepare", *AGAIN), languages=None, reason="r")
    assert world.states(item_id)[("prepare", "")] is State.COMPLETE


def test_an_unknown_item_is_not_found(world):
    """A wrong number on the command line."""
    with pytest.raises(NotFound):
        world.store.send_back(999, steps=AGAIN, languages=None, reason="r")
