"""The queue and the history of the embedded server, without any server."""

from __future__ import annotations

from itertools import count

import pytest

from orchestrator.embedded.prompts import Item, Outcome, PromptQueue

MOMENTS = count()


def _item(number: float, prompt_id: str) -> Item:
    return (number, prompt_id, {"1": {}}, {"create_time": next(MOMENTS)}, ["1"])


def _queue() -> tuple[PromptQueue, list[int]]:
    told: list[int] = []
    return PromptQueue(told.append), told


def test_lower_numbers_run_first():
    """Priorities are numbers; what was posted to the front has a negative one."""
    queue, _ = _queue()
    for number, name in ((3, "c"), (-4, "front"), (0.5, "half"), (1, "a")):
        queue.put(_item(number, name))
    taken = []
    while queue.remaining():
        found = queue.take(timeout_s=0.0)
        assert found is not None
        taken.append(found[1][1])
        queue.finish(found[0], Outcome(succeeded=True))
    assert taken == ["front", "half", "a", "c"]


def test_two_that_cannot_be_compared_are_both_queued():
    """Same number, same id: the second submission fails, and yet it is there. A trap of real servers."""
    queue, _ = _queue()
    queue.put(_item(50.0, "x"))
    with pytest.raises(TypeError):
        queue.put(_item(50.0, "x"))
    assert queue.remaining() == 2


def test_a_prompt_is_always_in_exactly_one_place():
    """Waiting, running, over: a client that looks at the queue first and the history then never misses it."""
    queue, told = _queue()
    queue.put(_item(0, "x"))
    found = queue.take(timeout_s=0.0)
    assert found is not None
    assert queue.is_running("x")
    assert queue.entry("x") is None
    assert queue.finish(found[0], Outcome(succeeded=True))
    assert not queue.is_running("x")
    assert queue.entry("x") is not None
    assert told == [1, 1, 0]


def test_memory_is_given_back_before_the_next_prompt():
    """Asked for between two prompts, it must not wait until after the second one."""
    queue, _ = _queue()
    queue.put(_item(0, "x"))
    queue.ask_free({"free_memory": True})
    assert queue.take(timeout_s=0.0) is None
    assert queue.take_free().free_memory
    assert queue.take(timeout_s=0.0) is not None


def test_a_forgotten_prompt_leaves_nothing():
    """What plays a restart must not put the running prompt into the history afterwards."""
    queue, _ = _queue()
    queue.put(_item(0, "x"))
    found = queue.take(timeout_s=0.0)
    assert found is not None
    queue.forget()
    assert not queue.finish(found[0], Outcome(succeeded=True))
    assert queue.history() == {}


def test_the_same_id_again_overwrites_its_entry():
    """Ids are never recognised as duplicates; the later run is the one that can be asked for."""
    queue, _ = _queue()
    for number in (0, 1):
        queue.put(_item(number, "x"))
        found = queue.take(timeout_s=0.0)
        assert found is not None
        queue.finish(found[0], Outcome(succeeded=bool(number)))
    entry = queue.entry("x")
    assert entry is not None
    assert entry["status"]["status_str"] == "success"
    assert len(queue.history()) == 1
