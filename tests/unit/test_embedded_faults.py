"""How misbehaviour is asked for, and when it strikes."""

from __future__ import annotations

import pytest

from orchestrator.embedded.errors import BadFault
from orchestrator.embedded.faults import KINDS, FaultBoard, parse


def test_a_fault_is_read_with_its_conditions():
    """What the command line says is what the board knows."""
    fault = parse("answer_late@route=/view,seconds=0.5,times=0")
    assert (fault.kind, fault.route, fault.seconds, fault.times) == ("answer_late", "/view", 0.5, 0)


@pytest.mark.parametrize("text", ["explode", "die@when=now", "die@prompt", "die@prompt=first", ""])
def test_a_fault_that_nobody_understands_is_refused(text):
    """A misspelt fault that never strikes would make a test pass for nothing."""
    with pytest.raises(BadFault):
        parse(text)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_says_where_it_strikes(kind):
    """The documentation and the route list come from this table."""
    point, what = KINDS[kind]
    assert point in {"node", "save", "history", "submit", "accepted", "http"}
    assert what.endswith(".")


def test_a_fault_strikes_as_often_as_asked():
    """Once by default; a retry must find a healthy server."""
    board = FaultBoard(("oom@node=KSampler,times=2",))
    struck = [board.strike("node", node="KSampler") is not None for _ in range(4)]
    assert struck == [True, True, False, False]
    assert board.strike("node", node="VAEDecode") is None


def test_a_fault_can_wait_for_a_prompt():
    """The third prompt, or all after the second: both need the count of prompts."""
    board = FaultBoard(("error@prompt=2", "hang@after=2,times=0"))
    struck = []
    for _ in range(4):
        board.begin_prompt()
        fault = board.strike("node", node="Any")
        struck.append(fault.kind if fault else None)
    assert struck == [None, "error", "hang", "hang"]


def test_a_step_of_a_sampler_is_a_point_of_its_own():
    """With `tick`, a fault of a node strikes in the middle of it."""
    board = FaultBoard(("drop_socket@node=KSampler,tick=3",))
    assert board.strike("node", node="KSampler") is None
    assert [board.strike("tick", node="KSampler", tick=tick) is not None for tick in (1, 2, 3, 4)] == [
        False,
        False,
        True,
        False,
    ]


def test_chance_is_seeded():
    """The same seed gives the same bad night."""
    nights = []
    for _ in range(2):
        board = FaultBoard(("error@p=0.3,times=0",), seed=7)
        nights.append([board.strike("node", node="Any") is not None for _ in range(50)])
    assert nights[0] == nights[1]
    assert 5 < sum(nights[0]) < 30


def test_clearing_ends_it():
    """A test can put a card in order again without a restart."""
    board = FaultBoard(("error@times=0",))
    board.clear()
    assert board.strike("node", node="Any") is None
    assert board.listing() == []
