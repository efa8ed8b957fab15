"""What happens to a step run and its item: claimed, completed, tried again, failed, put back, turned down, aborted."""

from __future__ import annotations

from datetime import timedelta

import pytest
from db_world import NOW, World, files_of

from db.errors import Conflict, NotFound, StaleItem, StaleRun
from db.states import State
from db.store import ArtifactRow


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


@pytest.fixture
def batch(world):
    return world.open(2)


def test_a_claim_starts_the_item_and_leaves_its_attempt(world, batch):
    """The prompt id is stored before anything is sent."""
    attempt = world.claim(batch, "prepare", prompt_id="6f9f", seed=2**63 - 1)
    assert (attempt.generation, attempt.number, attempt.instance, attempt.prompt_id) == (0, 1, "card0", "6f9f")
    assert (attempt.seed, attempt.claimed_at, attempt.outcome) == (2**63 - 1, NOW, None)
    run = world.run(batch, "prepare")
    assert (run.state, run.item_state, run.live_attempt) == (State.PROCESSING, State.PROCESSING, attempt)
    assert world.event_names(item_id=attempt.item_id) == ["item.taken", "run.claimed", "item.started"]


def test_the_second_claim_of_an_item_does_not_start_it_again(world, batch):
    """One start per night and item."""
    world.make(batch, "prepare")
    world.claim(batch, "audio", "fr")
    assert world.event_names(item_id=world.store.items(batch.id)[0].item_id).count("item.started") == 1


def test_a_run_is_claimed_once(world, batch):
    """Whoever comes second is told."""
    world.claim(batch, "prepare")
    with pytest.raises(StaleRun, match=r"PENDING or REDO.*PROCESSING"):
        world.claim(batch, "prepare")
    assert len(world.store.in_flight()) == 1


def test_a_prompt_id_is_used_once(world, batch):
    """Two prompts of one id could not be told apart after a crash."""
    world.claim(batch, "prepare", prompt_id="same")
    with pytest.raises(Conflict, match="same"):
        world.claim(batch, "prepare", item=1, prompt_id="same")
    assert world.run(batch, "prepare", item=1).state is State.PENDING


def test_what_does_not_exist_cannot_be_claimed(world, batch):
    """A wrong id is an answer, not a crash."""
    with pytest.raises(NotFound):
        world.store.claim(999, batch_id=batch.id, instance=None, prompt_id=None, seed=0)
    with pytest.raises(NotFound):
        world.store.put_back(999, reason="x")


def test_a_batch_that_does_not_exist_cannot_claim(world, batch):
    """The constraint speaks, and the run stays free."""
    with pytest.raises(Conflict, match="FOREIGN KEY"):
        world.claim(batch, "prepare", batch_id=999)
    assert world.run(batch, "prepare").state is State.PENDING


def test_the_times_of_an_attempt_are_kept(world, batch):
    """Queue wait and time on the card are told apart by them."""
    attempt = world.claim(batch, "prepare", instance=None)
    sent, started, finished = (NOW + timedelta(seconds=seconds) for seconds in (1, 2.5, 9))
    assert world.store.note_instance(attempt.attempt_id, "card1")
    assert world.store.note_sent(attempt.attempt_id, sent)
    assert world.store.note_started(attempt.attempt_id, started)
    world.store.complete(attempt.attempt_id, artifacts=[], data={}, checks=[], finished_at=finished)
    (kept,) = world.store.attempts_of_run(attempt.run_id)
    assert (kept.instance, kept.queued_at, kept.started_at, kept.finished_at) == ("card1", sent, started, finished)
    assert (kept.outcome, kept.counted) == ("complete", True)


def test_what_the_server_says_of_its_start_wins(world, batch):
    """History knows it better than the moment at which an event reached us."""
    attempt = world.claim(batch, "prepare")
    world.store.note_started(attempt.attempt_id, NOW + timedelta(seconds=3))
    better = NOW + timedelta(seconds=2)
    world.store.complete(attempt.attempt_id, artifacts=[], data={}, checks=[], started_at=better)
    assert world.store.attempts_of_run(attempt.run_id)[0].started_at == better


def test_an_ended_attempt_takes_no_notes(world, batch):
    """A late event of a prompt that was given up must not touch what is recorded."""
    attempt = world.claim(batch, "prepare")
    world.store.put_back(attempt.attempt_id, reason="restart")
    assert not world.store.note_started(attempt.attempt_id, NOW)
    assert not world.store.note_instance(attempt.attempt_id, "card9")
    assert world.store.attempts_of_run(attempt.run_id)[0].instance == "card0"


def test_completing_stores_files_data_and_checks_together(world, batch):
    """COMPLETE means that the files are known."""
    attempt = world.claim(batch, "prepare")
    check = {"name": "face.size", "measured": 0.3, "expected": ">= 0.1", "unit": "", "passed": True}
    row = ArtifactRow("image", "items/1/image.png", "a" * 64, 123, {"width": 576})
    settled = world.store.complete(attempt.attempt_id, artifacts=[row], data={"sex": "female"}, checks=[check])
    assert settled.item_state is State.PROCESSING
    assert settled.superseded_paths == ()
    made = world.store.made(attempt.item_id)[("prepare", "")]
    assert (made.files, made.data, made.checks) == ({"image": "items/1/image.png"}, {"sex": "female"}, (check,))
    (artifact,) = world.store.current_artifacts(attempt.item_id)
    assert (artifact.sha256, artifact.size_bytes, artifact.media) == ("a" * 64, 123, {"width": 576})
    assert (artifact.step, artifact.attempt_id, artifact.superseded_at) == ("prepare", attempt.attempt_id, None)


def test_the_last_run_completes_the_item(world, batch):
    """In the same transaction, so that no item is left open by a crash."""
    assert world.make_all(batch).item_state is State.COMPLETE
    item_id = world.store.items(batch.id)[0].item_id
    assert world.event_names(item_id=item_id)[-2:] == ["run.completed", "item.completed"]
    assert world.store.settle_item(item_id) is State.COMPLETE


def test_two_files_of_one_name_are_refused_whole(world, batch):
    """A constraint of the table; nothing of the answer is kept."""
    attempt = world.claim(batch, "prepare")
    with pytest.raises(Conflict):
        world.complete(attempt, "image", "image")
    assert world.run(batch, "prepare").live_attempt == attempt


@pytest.mark.parametrize("ending", ["complete", "retry", "fail", "put_back", "turn_down"])
@pytest.mark.parametrize("before", ["retry", "fail", "put_back", "complete", "abort"])
def test_an_attempt_ends_once(world, batch, before, ending):
    """Whatever answer comes late, it changes neither the run nor the record of the attempt."""
    attempt = world.claim(batch, "prepare")
    end(world, attempt, before)
    seen = (world.states(attempt.item_id), world.store.item(attempt.item_id), world.store.attempts(batch.id))
    with pytest.raises(StaleRun):
        end(world, attempt, ending)
    assert seen == (world.states(attempt.item_id), world.store.item(attempt.item_id), world.store.attempts(batch.id))
    assert world.store.current_artifacts(attempt.item_id) == [] or before == "complete"


@pytest.mark.parametrize("ending", ["complete", "retry", "fail", "put_back", "turn_down"])
def test_a_late_answer_does_not_disturb_the_next_try(world, batch, ending):
    """The first try was put back by a restart and answers while the second one runs."""
    first = world.claim(batch, "prepare")
    world.store.put_back(first.attempt_id, reason="restart")
    second = world.claim(batch, "prepare")
    assert second.number == 2
    with pytest.raises(StaleRun):
        end(world, first, ending)
    assert world.run(batch, "prepare").live_attempt == second
    world.complete(second, "image")
    assert world.run(batch, "prepare").state is State.COMPLETE


def end(world, attempt, how):
    error = {"error_class": "Hung", "message": "silent", "remedy": "RETRY"}
    store, attempt_id = world.store, attempt.attempt_id
    endings = {
        "complete": lambda: store.complete(attempt_id, artifacts=files_of(attempt, ["image"]), data={}, checks=[]),
        "retry": lambda: store.retry(attempt_id, **error, retry_at=None),
        "fail": lambda: store.fail(attempt_id, **error),
        "put_back": lambda: store.put_back(attempt_id, reason="restart"),
        "turn_down": lambda: store.turn_down(attempt_id, reasons=["blur"], data={}, checks=[]),
        "abort": lambda: store.abort_item(attempt.item_id, reason="operator"),
    }
    endings[how]()


def test_a_retry_waits_and_counts(world, batch):
    """Waiting is data: nobody sleeps on it."""
    attempt = world.claim(batch, "prepare")
    retry_at = NOW + timedelta(seconds=30)
    facts = {"error_class": "OutOfMemory", "message": "card0: \udcff", "remedy": "FREE_AND_RETRY"}
    world.store.retry(attempt.attempt_id, **facts, retry_at=retry_at)
    run = world.run(batch, "prepare")
    assert (run.state, run.attempts_counted, run.retry_at, run.live_attempt) == (State.PENDING, 1, retry_at, None)
    (kept,) = world.store.attempts_of_run(run.run_id)
    assert (kept.outcome, kept.counted, kept.error_class, kept.remedy) == (
        "failed",
        True,
        "OutOfMemory",
        "FREE_AND_RETRY",
    )
    assert kept.error_message.startswith("card0: ")
    assert world.claim(batch, "prepare").number == 2
    assert world.run(batch, "prepare").retry_at is None


def test_a_try_that_was_not_the_items_fault_does_not_count(world, batch):
    """A lost prompt or a crash of ours must not use up the item's attempts."""
    attempt = world.claim(batch, "prepare")
    facts = {"error_class": "PromptLost", "message": "forgotten", "remedy": "RETRY"}
    world.store.retry(attempt.attempt_id, **facts, retry_at=None, counted=False)
    world.store.put_back(world.claim(batch, "prepare").attempt_id, reason="crash")
    run = world.run(batch, "prepare")
    assert run.attempts_counted == 0
    assert [(one.number, one.outcome, one.counted) for one in world.store.attempts_of_run(run.run_id)] == [
        (1, "failed", False),
        (2, "put_back", False),
    ]


def test_an_item_fails_alone_and_says_why(world, batch):
    """Its reason names the step and language; the other item is untouched."""
    world.make(batch, "prepare")
    assert world.fail(world.claim(batch, "audio", "fr"), "no voice") is State.PROCESSING
    world.make(batch, "clean_pic")
    world.make(batch, "audio", "en")
    settled = world.make(batch, "final_video", "en")
    assert settled.item_state is State.FAILED
    item = world.store.items(batch.id)[0]
    assert item.reasons == ("audio (fr): no voice",)
    assert world.states(item.item_id)[("final_video", "fr")] is State.PENDING
    assert world.store.items(batch.id)[1].state is State.PENDING


def test_the_last_error_of_a_run_is_its_reason(world, batch):
    """Three tries, three messages: the last one is what stopped it."""
    facts = {"error_class": "Hung", "remedy": "RETRY"}
    world.store.retry(world.claim(batch, "prepare").attempt_id, **facts, message="first", retry_at=None)
    world.store.retry(world.claim(batch, "prepare").attempt_id, **facts, message="second", retry_at=None)
    assert world.fail(world.claim(batch, "prepare"), "third") is State.FAILED
    assert world.store.items(batch.id)[0].reasons == ("prepare: third",)
    assert world.run(batch, "prepare").attempts_counted == 3


def test_a_turned_down_item_is_over_at_once(world, batch):
    """All that was to do for it is ABORTED with it; that is not an error."""
    attempt = world.claim(batch, "prepare")
    checks = [{"name": "faces", "measured": 2, "expected": "1", "passed": False}]
    world.store.turn_down(attempt.attempt_id, reasons=["two people"], data={"verdict": {"people": 2}}, checks=checks)
    item = world.store.items(batch.id)[0]
    assert (item.state, item.reasons) == (State.ABORTED, ("two people",))
    assert set(world.states(item.item_id).values()) == {State.ABORTED}
    assert world.store.attempts(batch.id)[0].outcome == "aborted"
    assert world.store.in_flight() == []
    with pytest.raises(StaleRun):
        world.claim(batch, "audio", "fr")


def test_turning_down_ends_what_runs_beside_it(world, batch):
    """With two cards another run of the item may be under way."""
    world.make(batch, "prepare")
    judged, beside = world.claim(batch, "audio", "fr"), world.claim(batch, "clean_pic")
    world.store.turn_down(judged.attempt_id, reasons=["no"], data={}, checks=[])
    assert world.store.in_flight() == []
    with pytest.raises(StaleRun):
        world.complete(beside, "image")
    assert world.states(judged.item_id)[("prepare", "")] is State.COMPLETE


def test_an_abort_tells_which_prompts_to_stop(world, batch):
    """The operator wants the card back."""
    world.make(batch, "prepare")
    live = world.claim(batch, "audio", "fr", prompt_id="p-1")
    assert [one.prompt_id for one in world.store.abort_item(live.item_id, reason="wrong picture")] == ["p-1"]
    kept = world.store.attempts_of_run(live.run_id)[0]
    assert (kept.outcome, kept.counted) == ("aborted", False)
    assert world.store.item(live.item_id).reasons == ("wrong picture",)


@pytest.mark.parametrize("state", ["COMPLETE", "ABORTED"])
def test_what_is_over_cannot_be_aborted(world, batch, state):
    """A finished video is rejected in the review instead."""
    item_id = world.store.items(batch.id)[0].item_id
    world.make_all(batch) if state == "COMPLETE" else world.store.abort_item(item_id, reason="x")
    with pytest.raises(StaleItem):
        world.store.abort_item(item_id, reason="again")


def test_a_failed_item_can_be_aborted(world, batch):
    """The operator gives it up for good."""
    world.fail(world.claim(batch, "prepare"))
    item_id = world.store.items(batch.id)[0].item_id
    world.store.abort_item(item_id, reason="give up")
    assert world.store.item(item_id).state is State.ABORTED
    assert world.states(item_id)[("prepare", "")] is State.FAILED


def test_an_item_is_put_back_when_nothing_of_it_is_in_flight(world, batch):
    """The night ended first; what was made stays made."""
    world.make(batch, "prepare")
    attempt = world.claim(batch, "audio", "fr")
    with pytest.raises(StaleItem, match="audio"):
        world.store.put_back_item(attempt.item_id)
    world.store.put_back(attempt.attempt_id, reason="deadline")
    world.store.put_back_item(attempt.item_id)
    assert world.store.item(attempt.item_id).state is State.PENDING
    assert world.states(attempt.item_id)[("prepare", "")] is State.COMPLETE
    world.claim(batch, "audio", "fr")
    assert world.store.item(attempt.item_id).state is State.PROCESSING


def test_settling_an_unknown_item_is_an_answer(world, batch):
    """A wrong number on the command line."""
    with pytest.raises(NotFound):
        world.store.settle_item(999)
    with pytest.raises(NotFound):
        world.store.item(999)
