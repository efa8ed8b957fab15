"""When an item is over, decided from the states of its runs alone."""

from __future__ import annotations

from itertools import product

import pytest

from db.settling import RunState, verdict
from db.states import CLAIMABLE, MOVES, SETTLED, State

NEEDS = {"audio": ("prepare",), "picture": ("prepare",), "video": ("audio", "picture")}


def runs(**states: str) -> list[RunState]:
    """`audio_fr="COMPLETE"` -> RunState("audio", "fr", COMPLETE)."""
    named = []
    for name, state in states.items():
        step, _, variant = name.partition("_")
        named.append(RunState(step, variant, State(state)))
    return named


def test_an_item_is_complete_when_all_its_runs_are():
    """The last run to complete is what completes the item."""
    assert verdict(runs(prepare="COMPLETE", audio_fr="COMPLETE", audio_en="COMPLETE"), NEEDS) == "item.completed"


@pytest.mark.parametrize("state", ["PENDING", "PROCESSING", "REDO", "ABORTED"])
def test_an_item_with_anything_else_is_not_complete(state):
    """One run that is not COMPLETE keeps the item open, also an aborted one."""
    assert verdict(runs(prepare="COMPLETE", audio_fr="COMPLETE", audio_en=state), NEEDS) is None


def test_an_item_without_runs_is_not_complete():
    """All of nothing is true; an item that has no runs yet must not be called finished."""
    assert verdict([], NEEDS) is None


def test_the_other_language_goes_on_after_a_failure():
    """A failure in French says nothing about English: the item fails only when English is through."""
    failed = {"prepare": "COMPLETE", "audio_fr": "FAILED", "video_fr": "PENDING", "picture": "COMPLETE"}
    assert verdict(runs(**failed, audio_en="COMPLETE", video_en="PENDING"), NEEDS) is None
    assert verdict(runs(**failed, audio_en="COMPLETE", video_en="PROCESSING"), NEEDS) is None
    assert verdict(runs(**failed, audio_en="COMPLETE", video_en="COMPLETE"), NEEDS) == "item.failed"


def test_an_item_fails_when_what_is_left_waits_for_what_failed():
    """Blocked is transitive: the video waits for the audio, which waits for the failed first step."""
    assert verdict(runs(prepare="FAILED", audio_fr="PENDING", video_fr="PENDING"), NEEDS) == "item.failed"


def test_a_shared_failure_blocks_all_languages():
    """Variants read the shared runs of what they need."""
    state = {"prepare": "COMPLETE", "audio_fr": "COMPLETE", "audio_en": "COMPLETE", "picture": "FAILED"}
    assert verdict(runs(**state, video_fr="PENDING", video_en="REDO"), NEEDS) == "item.failed"


def test_a_shared_step_waits_for_every_language_of_what_it_needs():
    """A shared step that reads a per-language one cannot run when one language is dead."""
    needs = {"collage": ("audio",)}
    assert verdict(runs(audio_fr="COMPLETE", audio_en="FAILED", collage="PENDING"), needs) == "item.failed"


def test_unrelated_work_keeps_an_item_open():
    """What does not need the failed step still runs."""
    assert verdict(runs(prepare="COMPLETE", audio_fr="FAILED", picture="PENDING"), NEEDS) is None


def test_every_combination_of_three_runs_agrees_with_playing_it_out():
    """The verdict is `failed` exactly when nothing can run any more and something failed; found by brute force."""
    chain = {"b": ("a",), "c": ("b",)}
    for states in product(State, repeat=3):
        named = [RunState(step, "", state) for step, state in zip("abc", states, strict=True)]
        done = {run.step for run in named if run.state is State.COMPLETE}
        todo = {run.step for run in named if run.state in CLAIMABLE}
        under_way = any(run.state is State.PROCESSING for run in named)
        reachable = set(done)
        for _ in range(3):
            reachable |= {step for step in todo if set(chain.get(step, ())) <= reachable}
        # What is PROCESSING may yet complete, so nothing is said while it is.
        stuck = not under_way and not (todo & reachable)
        expected = None
        if len(done) == 3:
            expected = "item.completed"
        elif State.FAILED in states and stuck:
            expected = "item.failed"
        assert verdict(named, chain) == expected, states


def test_the_table_of_moves_is_sound():
    """Nothing but a claim leads to PROCESSING, nothing but a person to REDO, and ABORTED is an end."""
    assert {name for name, move in MOVES.items() if move.target is State.PROCESSING} == {"run.claimed", "item.started"}
    assert {name for name, move in MOVES.items() if move.target is State.REDO} == {"run.sent_back", "item.sent_back"}
    assert all(move.target not in move.sources for move in MOVES.values())
    assert not any(State.ABORTED in move.sources for move in MOVES.values())
    assert CLAIMABLE | SETTLED | {State.PROCESSING} == set(State)
    assert not CLAIMABLE & SETTLED
