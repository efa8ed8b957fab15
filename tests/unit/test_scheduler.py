"""Which step runs are ready, and whether one would still finish."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from db.states import State
from db.store import RunView
from orchestrator.scheduler import ready, will_finish
from steps.registry import NEEDS, default_steps, needs_of, step

NOW = datetime(2026, 11, 22, 5, 0, tzinfo=UTC)


def item_runs(item_id: int, states: dict[tuple[str, str], State], *, item_state: State = State.PROCESSING):
    runs = []
    for one in default_steps():
        for variant in ("fr", "en") if one.per_language else ("",):
            state = states.get((one.name, variant), State.PENDING)
            number = item_id * 100 + len(runs)
            runs.append(RunView(number, item_id, item_state, one.name, one.number, variant, state, 0, 0, None, None))
    return runs


DONE = {("prepare", ""): State.COMPLETE, ("script", "fr"): State.COMPLETE, ("script", "en"): State.COMPLETE}


def names(runs, name):
    return [(run.item_id, run.variant) for run in ready(runs, step(name))]


def test_a_run_is_ready_when_all_it_needs_is_complete():
    """And not before."""
    runs = item_runs(1, DONE)
    assert names(runs, "audio") == [(1, "fr"), (1, "en")] or names(runs, "audio") == [(1, "en"), (1, "fr")]
    assert names(runs, "clean_pic") == [(1, "")]
    assert names(runs, "realistic_pic") == []


def test_a_language_that_failed_does_not_hold_the_other_back():
    """One language's trouble is its own."""
    runs = item_runs(1, {**DONE, ("script", "fr"): State.FAILED})
    assert names(runs, "audio") == [(1, "en")]


@pytest.mark.parametrize("item_state", [State.ABORTED, State.FAILED, State.COMPLETE])
def test_nothing_of_a_settled_item_is_ready(item_state):
    """A turned-down painting costs no card a second."""
    assert names(item_runs(1, DONE, item_state=item_state), "audio") == []


@pytest.mark.parametrize("state", [State.PROCESSING, State.COMPLETE, State.FAILED, State.ABORTED])
def test_only_claimable_runs_are_ready(state):
    """What is under way or settled is not handed out again."""
    runs = item_runs(1, {**DONE, ("audio", "fr"): state, ("audio", "en"): state})
    assert names(runs, "audio") == []


def test_a_run_that_was_sent_back_is_ready_again():
    """REDO is claimed like PENDING."""
    assert (1, "fr") in names(item_runs(1, {**DONE, ("audio", "fr"): State.REDO}), "audio")


def test_items_keep_their_order():
    """The first drawn is the first made."""
    runs = item_runs(2, DONE) + item_runs(1, DONE)
    assert [item for item, _ in names(runs, "clean_pic")] == [1, 2]


def test_what_the_default_steps_need_is_what_the_registry_says():
    """The state layer is told by the registry, the scheduler by the steps."""
    assert needs_of(default_steps()) == {name: tuple(needs) for name, needs in NEEDS.items()}


@pytest.mark.parametrize(("minutes", "finishes"), [(119, True), (120, True), (121, False)])
def test_nothing_is_started_that_ends_after_the_deadline(minutes, finishes):
    """At five, with two hours left."""
    deadline = NOW + timedelta(hours=2)
    assert will_finish(NOW, expected_s=minutes * 60, deadline=deadline) is finishes


def test_without_a_deadline_everything_finishes():
    """The default."""
    assert will_finish(NOW, expected_s=1e9, deadline=None)
