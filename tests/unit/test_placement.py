"""Which instance takes the next step run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from orchestrator.placement import Spread, Waiting


def choose(waiting: Sequence[Waiting], name: str, *, in_flight: Mapping[str, int]) -> Waiting | None:
    return Spread().choose(waiting, name, in_flight=in_flight)


def test_an_idle_instance_takes_the_first_run():
    """In the items' order."""
    assert choose([Waiting(1), Waiting(2)], "card0", in_flight={"card0": 0, "card1": 0}) == Waiting(1)


def test_the_last_runs_are_spread_over_all_cards():
    """Four prompts on four cards, not two on each of two: a second one is not queued while another card has none."""
    assert choose([Waiting(1)], "card0", in_flight={"card0": 1, "card1": 0}) is None
    assert choose([Waiting(1)], "card1", in_flight={"card0": 1, "card1": 0}) == Waiting(1)


def test_a_second_prompt_is_queued_when_there_is_enough_for_everybody():
    """The next prompt is in the server's queue before the current one ends."""
    assert choose([Waiting(1), Waiting(2)], "card0", in_flight={"card0": 1, "card1": 0}) == Waiting(1)


def test_a_run_that_failed_here_goes_elsewhere():
    """One item failing on two cards speaks about the item."""
    waiting = [Waiting(1, frozenset({"card0"})), Waiting(2)]
    assert choose(waiting, "card0", in_flight={"card0": 0, "card1": 0}) == Waiting(2)
    assert choose(waiting, "card1", in_flight={"card0": 0, "card1": 0}) == waiting[0]


def test_a_run_that_failed_everywhere_is_not_left_lying():
    """With nobody fresh to take it, the same card tries again."""
    run = Waiting(1, frozenset({"card0"}))
    assert choose([run], "card0", in_flight={"card0": 0}) == run
    both = Waiting(2, frozenset({"card0", "card1"}))
    assert choose([both], "card0", in_flight={"card0": 0, "card1": 0}) == both
