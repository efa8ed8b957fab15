"""What each error leads to for its run: tries, waits, the breaker, the seeds. The rungs are in test_ladder.py."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.ladder import LADDERS, Card, Situation, Trial
from orchestrator.remedies import (
    EXHAUSTED,
    SPENT,
    SUSPECTED,
    Before,
    Breaker,
    Decision,
    Verdict,
    decide,
    derive_seed,
    signature,
)
from orchestrator.settings import RetrySettings
from steps.errors import Remedy

POLICY = RetrySettings(attempts=3, backoff_s=5, backoff_factor=3, backoff_max_s=20, uncounted=2)


def decided(
    remedy: Remedy,
    *,
    counted: bool = True,
    tries_counted: int = 0,
    tries_uncounted: int = 0,
    policy: RetrySettings = POLICY,
    **options,
) -> Decision:
    trials = [Trial("card0", counted=True)] * tries_counted + [Trial("card0", counted=False)] * tries_uncounted
    situation = Situation(trials, "card0", [Card("card0")])
    return decide(remedy, counted=counted, situation=situation, policy=policy, **options)


@pytest.mark.parametrize(("tries", "verdict"), [(0, Verdict.RETRY), (1, Verdict.RETRY), (2, Verdict.FAIL)])
def test_an_item_gets_three_attempts_in_all(tries, verdict):
    """Two retries: the third failure is the last."""
    assert decided(Remedy.RETRY, tries_counted=tries).verdict is verdict


def test_waits_grow_and_have_a_ceiling():
    """5, 15, then no more than 20 seconds, with a tenth of jitter either way."""
    generous = POLICY.model_copy(update={"attempts": 9})
    waits = [decided(Remedy.RETRY, tries_counted=n, policy=generous).delay_s for n in range(4)]
    assert waits == pytest.approx([5, 15, 20, 20])


@given(st.floats(0, 1))
def test_jitter_moves_a_wait_by_a_tenth_at_most(jitter):
    """So that a whole step does not come back in the same instant, and nobody waits for long either."""
    assert 4.5 <= decided(Remedy.RETRY, jitter=jitter).delay_s <= 5.5


def test_an_instance_that_went_away_does_not_cost_the_item_a_try():
    """Three lost prompts must not fail an item that never got a chance."""
    decision = decided(Remedy.WAIT_AND_RETRY, counted=False, tries_counted=2, tries_uncounted=1)
    assert (decision.verdict, decision.counted, decision.before) == (Verdict.RETRY, False, Before.WAIT)


def test_uncounted_tries_have_an_end_too():
    """An item that kills every instance it meets would otherwise run for ever."""
    decision = decided(Remedy.WAIT_AND_RETRY, counted=False, tries_counted=2, tries_uncounted=2)
    assert (decision.verdict, decision.counted) == (Verdict.FAIL, True)


def test_a_refused_graph_stops_the_step_and_costs_the_item_nothing():
    """The next item would be refused as well; mended and resumed, all of them run."""
    decision = decided(Remedy.STOP_STEP)
    assert (decision.verdict, decision.stop_step, decision.counted) == (Verdict.PUT_BACK, True, False)


def test_only_bad_output_asks_for_another_seed():
    """The same seed after a lost prompt gives the video of an undisturbed night."""
    assert {remedy for remedy in Remedy if decided(remedy).new_seed} == {Remedy.RETRY_NEW_SEED}


def test_only_a_counted_failure_sends_a_run_elsewhere():
    """A card that was restarted under a prompt is as good as any other for it."""
    assert decided(Remedy.RETRY).elsewhere
    assert not decided(Remedy.RETRY, counted=False).elsewhere
    assert not decided(Remedy.FREE_AND_RETRY).elsewhere


@pytest.mark.parametrize(
    ("remedy", "tries", "suspected", "label"),
    [
        (Remedy.RETRY, 0, True, SUSPECTED),
        (Remedy.RETRY, 2, False, SPENT),
        (Remedy.FAIL, 0, False, SPENT),
        (Remedy.INTERRUPT_AND_RETRY, 0, True, SUSPECTED),
    ],
)
def test_the_last_try_says_why_it_is_the_last(remedy, tries, suspected, label):
    """The report tells an item at fault from one that had bad luck three times."""
    decision = decided(remedy, tries_counted=tries, suspected=suspected)
    assert (decision.verdict, decision.label) == (Verdict.FAIL, label)
    assert decision.before is LADDERS[remedy].at_end


def test_a_ladder_without_rungs_left_fails_the_run_and_frees_the_card():
    """Out of memory on the only card, freed and restarted already: three tries, and the next item finds room."""
    trials = [Trial("card0", "FREE_AND_RETRY", label, counted=False) for label in ("free", "restart")]
    situation = Situation(trials, "card0", [Card("card0")])
    decision = decide(Remedy.FREE_AND_RETRY, counted=False, situation=situation, policy=POLICY)
    assert (decision.verdict, decision.label, decision.before) == (Verdict.FAIL, EXHAUSTED, Before.FREE)


@given(st.lists(st.one_of(st.text(max_size=20), st.integers()), min_size=1, max_size=5))
def test_a_seed_is_a_63_bit_number_and_always_the_same(parts):
    """SQLite and ComfyUI both take it, and a resumed night draws the same."""
    seed = derive_seed(*parts)
    assert 0 <= seed < 2**63
    assert seed == derive_seed(*parts)


def test_seeds_differ_where_any_part_differs():
    """("a", "bc") and ("ab", "c") are different runs."""
    seeds = {derive_seed(*parts) for parts in [("a", "bc"), ("ab", "c"), ("abc",), ("a", "b", "c"), (1, "abc")]}
    assert len(seeds) == 5


def test_the_breaker_trips_when_the_first_items_fail_for_the_same_reason():
    """Three items, nothing came through: the fourth would fail as well."""
    breaker = Breaker(3)
    assert [breaker.failed(item, Remedy.RETRY, "header too small") for item in (1, 2, 3)] == [False, False, True]


def test_one_item_failing_three_times_does_not_trip_the_breaker():
    """It says something about the item, nothing about the step."""
    breaker = Breaker(3)
    assert not any(breaker.failed(1, Remedy.RETRY, "same") for _ in range(5))


def test_one_card_of_several_does_not_trip_the_breaker():
    """A sick card fails in seconds what the others need minutes for; it must not stop the step for them."""
    breaker = Breaker(2)
    assert not any(breaker.failed(item, Remedy.RETRY, "same", card="card0", cards=2) for item in range(5))
    assert breaker.failed(9, Remedy.RETRY, "same", card="card1", cards=2)


def test_a_success_or_another_reason_keeps_the_step_going():
    """The reason is then not the same for all."""
    after_success, other_reason = Breaker(2), Breaker(2)
    after_success.succeeded()
    other_reason.failed(1, Remedy.RETRY, "one")
    assert not after_success.failed(1, Remedy.RETRY, "same")
    assert not after_success.failed(2, Remedy.RETRY, "same")
    assert not other_reason.failed(2, Remedy.RETRY, "another")
    assert not other_reason.failed(3, Remedy.RETRY, "another")


@pytest.mark.parametrize("remedy", [Remedy.FREE_AND_RETRY, Remedy.RESTART_AND_RETRY, Remedy.INTERRUPT_AND_RETRY])
def test_a_card_in_trouble_does_not_trip_the_breaker(remedy):
    """Out of memory or hung three times speaks about the card; a restart is the cure."""
    breaker = Breaker(2)
    assert not any(breaker.failed(item, remedy, "same") for item in range(5))


def test_reasons_that_differ_only_in_numbers_and_names_are_the_same():
    """Otherwise the prompt id or the file name in a message would hide a systematic failure."""
    one = signature("ExecutionFailed", "node 'KSampler' of 3f2c9a6e-1111-4222-8333-444455556666 failed at step 3")
    two = signature("ExecutionFailed", "node 'VAEDecode' of 0a2c9a6e-1111-4222-8333-44445555aaaa failed at step 17")
    assert one == two
    assert one != signature("OutOfMemory", "node 'KSampler' failed at step 3")
