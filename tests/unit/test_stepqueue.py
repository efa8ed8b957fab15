"""The barrier between two steps: who gets what, when it is over, what a retry does."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from db.states import State
from db.store import RunView
from orchestrator.clock import ManualClock, SystemClock
from orchestrator.placement import Snapshot, Spread, Station, Waiting, decide
from orchestrator.stepqueue import StepQueue


def run(number: int) -> RunView:
    return RunView(number, number, State.PROCESSING, "audio", 2, "", State.PENDING, 0, 0, None, None)


@pytest.fixture
def clock():
    return ManualClock(datetime(2026, 11, 21, 23, 0, tzinfo=UTC))


def queue_of(clock, count, *workers, **options):
    return StepQueue([run(number) for number in range(1, count + 1)], clock=clock, workers=workers, **options)


def test_a_step_is_over_when_everything_is_settled(clock):
    """None means: go on to the next step."""
    queue = queue_of(clock, 2, "card0")
    for _ in range(2):
        taken = queue.take("card0")
        assert taken is not None
        queue.left_card(taken.run_id)
        queue.settled(taken.run_id)
    assert queue.take("card0") is None


def test_nobody_leaves_while_a_run_might_come_back():
    """The barrier: a failed prompt's retry must find somebody who is still there."""
    queue = queue_of(SystemClock(), 1, "card0", "card1")
    first = queue.take("card0")
    assert first is not None
    answers: list[RunView | None] = []
    waiter = threading.Thread(target=lambda: answers.append(queue.take("card1")))
    waiter.start()
    waiter.join(0.15)
    assert waiter.is_alive()
    queue.again(first.run_id, delay_s=0, failed_on="card0")
    waiter.join(5)
    assert [one.run_id for one in answers if one] == [first.run_id]


def test_a_retry_waits_for_its_time(clock):
    """Backoff is data: the run is there, and not due."""
    queue = queue_of(clock, 2, "card0")
    first = queue.take("card0")
    assert first is not None
    queue.again(first.run_id, delay_s=60, failed_on=None)
    second = queue.take("card0")
    assert second is not None
    assert second.run_id != first.run_id
    queue.left_card(second.run_id)
    queue.settled(second.run_id)
    clock.advance(60)
    again = queue.take("card0")
    assert again is not None
    assert again.run_id == first.run_id


def test_a_deadline_leaves_the_rest(clock):
    """Nothing is started that would not finish, and the reason is kept."""
    queue = queue_of(clock, 3, "card0", may_start=lambda one, ahead: one.run_id < 2)
    assert queue.take("card0") is not None
    queue.left_card(1)
    assert queue.take("card0") is None
    assert queue.stopped_because == "what is left would not finish in time"


def test_an_instance_that_is_set_aside_gets_nothing_more(clock):
    """The others go on; without others the step stops."""
    queue = queue_of(clock, 3, "card0", "card1")
    assert queue.forget_worker("card0")
    assert queue.take("card0") is None
    assert queue.take("card1") is not None
    assert not queue.forget_worker("card1")
    assert queue.stopped_because == "no instance is left"


def test_a_prompt_whose_outputs_are_fetched_no_longer_fills_its_card(clock):
    """The card is free for the next prompt while the collector works."""
    queue = queue_of(clock, 3, "card0", "card1")
    first = queue.take("card0")
    assert first is not None
    queue.take("card1")
    queue.left_card(first.run_id)
    assert queue.take("card0") is not None, "one run is left, and card0 has none in flight"


def test_stopping_wakes_whoever_waits():
    """SIGINT must not wait for a retry in five minutes."""
    queue = queue_of(SystemClock(), 1, "card0")
    first = queue.take("card0")
    assert first is not None
    queue.again(first.run_id, delay_s=300, failed_on=None)
    answers: list[RunView | None] = []
    waiter = threading.Thread(target=lambda: answers.append(queue.take("card0")))
    waiter.start()
    queue.stop("asked to stop")
    waiter.join(5)
    assert answers == [None]


def test_an_adopted_run_counts_as_in_flight(clock):
    """After a crash the card that still works on a prompt is not given two more at once."""
    queue = queue_of(clock, 1, "card0", "card1")
    queue.adopt(run(9), "card0")
    assert queue.counts() == (1, 1)
    taken = queue.take("card1")
    assert taken is not None
    assert taken.run_id == 1


def test_a_prompt_that_would_end_too_late_behind_another_waits_for_it():
    """The card works on one after the other: only when the first has ended is it known whether the next still fits."""
    queue = queue_of(SystemClock(), 2, "card0", may_start=lambda one, ahead: ahead == 0)
    first = queue.take("card0")
    assert first is not None
    answers: list[RunView | None] = []
    waiter = threading.Thread(target=lambda: answers.append(queue.take("card0")))
    waiter.start()
    waiter.join(0.15)
    assert waiter.is_alive()
    queue.left_card(first.run_id)
    waiter.join(5)
    assert [one.run_id for one in answers if one] == [2]


def test_a_stop_is_noticed_by_whoever_asks(clock):
    """Nothing is handed out any more, and the reason is kept, as something was left."""
    asked = threading.Event()
    queue = queue_of(clock, 2, "card0", stop=asked)
    first = queue.take("card0")
    assert first is not None
    asked.set()
    assert queue.take("card0") is None
    assert queue.stopped_because == "asked to stop"


def test_a_step_that_is_over_was_not_stopped(clock):
    """Ctrl-C during the last prompt of a step cuts nothing off from that step."""
    asked = threading.Event()
    queue = queue_of(clock, 1, "card0", stop=asked)
    first = queue.take("card0")
    assert first is not None
    asked.set()
    queue.settled(first.run_id)
    assert queue.take("card0") is None
    assert queue.stopped_because is None


def test_a_run_that_failed_before_a_crash_still_waits_for_its_time(clock):
    """`retry_at` is data: who starts again keeps to it."""
    later = replace(run(1), retry_at=clock.now() + timedelta(seconds=60))
    queue = StepQueue([later, run(2)], clock=clock, workers=["card0"])
    second = queue.take("card0")
    assert second is not None
    assert second.run_id == 2
    queue.left_card(2)
    queue.settled(2)
    clock.advance(60)
    first = queue.take("card0")
    assert first is not None
    assert first.run_id == 1


class LeftOut(Spread):
    """A placement in which some workers have been left out of the step."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def choose(self, waiting: Sequence[Waiting], worker: str, *, in_flight: Mapping[str, int]) -> Waiting | None:
        stations = {name: Station(name, in_flight=count, lacks=self.lacks(name)) for name, count in in_flight.items()}
        return decide(waiting, worker, Snapshot(stations)).run

    def lacks(self, name: str) -> dict[str, str]:
        return {"audio": "a node class"} if name in self.names else {}

    def hopeless(self, step: str, workers: Collection[str]) -> str | None:
        return None if set(workers) - self.names else "left out"


def test_a_run_kept_for_a_card_that_was_left_out_goes_to_another(clock):
    """The card is still in use for other steps: nobody would ever take the run, and the night would never end."""
    placement = LeftOut()
    queue = queue_of(clock, 1, "card0", "card1", placement=placement)
    first = queue.take("card0")
    assert first is not None
    queue.again(first.run_id, delay_s=0, failed_on=None, only_on=frozenset({"card0"}))
    placement.names.add("card0")
    taken = queue.take("card1")
    assert taken is not None
    assert taken.run_id == first.run_id
