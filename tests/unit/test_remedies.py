"""What each error leads to: the table, the decision, the breaker, the seeds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.remedies import TREATMENTS, Before, Breaker, Verdict, decide, derive_seed, signature
from orchestrator.settings import RetrySettings
from steps.errors import Remedy

POLICY = RetrySettings(attempts=3, backoff_s=5, backoff_factor=3, backoff_max_s=20, uncounted=2)


def test_every_remedy_has_a_treatment():
    """A remedy that the table forgets would be an exception in the middle of the night."""
    assert set(TREATMENTS) == set(Remedy)


@pytest.mark.parametrize(("tries", "verdict"), [(0, Verdict.RETRY), (1, Verdict.RETRY), (2, Verdict.FAIL)])
def test_an_item_gets_three_attempts_in_all(tries, verdict):
    """Two retries: the third failure is the last."""
    assert decide(Remedy.RETRY, counted=True, tries_counted=tries, tries_uncounted=0, policy=POLICY).verdict is verdict


def test_waits_grow_and_have_a_ceiling():
    """5, 15, then no more than 20 seconds, with a tenth of jitter either way."""
    generous = POLICY.model_copy(update={"attempts": 9})
    waits = [
        decide(Remedy.RETRY, counted=True, tries_counted=n, tries_uncounted=0, policy=generous).delay_s
        for n in range(4)
    ]
    assert waits == pytest.approx([5, 15, 20, 20])


@given(st.floats(0, 1))
def test_jitter_moves_a_wait_by_a_tenth_at_most(jitter):
    """So that a whole step does not come back in the same instant, and nobody waits for long either."""
    delay = decide(Remedy.RETRY, counted=True, tries_counted=0, tries_uncounted=0, policy=POLICY, jitter=jitter).delay_s
    assert 4.5 <= delay <= 5.5


def test_an_instance_that_went_away_does_not_cost_the_item_a_try():
    """Three lost prompts must not fail an item that never got a chance."""
    decision = decide(Remedy.WAIT_AND_RETRY, counted=False, tries_counted=2, tries_uncounted=1, policy=POLICY)
    assert (decision.verdict, decision.counted, decision.before) == (Verdict.RETRY, False, Before.WAIT)


def test_uncounted_tries_have_an_end_too():
    """An item that kills every instance it meets would otherwise run for ever."""
    decision = decide(Remedy.WAIT_AND_RETRY, counted=False, tries_counted=2, tries_uncounted=2, policy=POLICY)
    assert (decision.verdict, decision.counted) == (Verdict.FAIL, True)


def test_a_refused_graph_stops_the_step_and_costs_the_item_nothing():
    """The next item would be refused as well; mended and resumed, all of them run."""
    decision = decide(Remedy.STOP_STEP, counted=True, tries_counted=0, tries_uncounted=0, policy=POLICY)
    assert (decision.verdict, decision.stop_step, decision.counted) == (Verdict.PUT_BACK, True, False)


def test_only_bad_output_asks_for_another_seed():
    """The same seed after a lost prompt gives the video of an undisturbed night."""
    asks = {
        remedy
        for remedy in Remedy
        if decide(remedy, counted=True, tries_counted=0, tries_uncounted=0, policy=POLICY).new_seed
    }
    assert asks == {Remedy.RETRY_NEW_SEED}


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


def test_a_success_or_another_reason_keeps_the_step_going():
    """The reason is then not the same for all."""
    after_success, other_reason = Breaker(2), Breaker(2)
    after_success.succeeded()
    other_reason.failed(1, Remedy.RETRY, "one")
    assert not after_success.failed(1, Remedy.RETRY, "same")
    assert not after_success.failed(2, Remedy.RETRY, "same")
    assert not other_reason.failed(2, Remedy.RETRY, "another")
    assert not other_reason.failed(3, Remedy.RETRY, "another")


@pytest.mark.parametrize("remedy", [Remedy.FREE_AND_RETRY, Remedy.RESTART_AND_RETRY, Remedy.WAIT_AND_RETRY])
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
