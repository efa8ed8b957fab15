"""Learned limits of silence: how they follow from what ended well, and what makes them wider again."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from db.phases import PhaseRow
from orchestrator.phases import ENOUGH, PhaseTimes, PromptLimits, limit_of
from steps.demands import Timing

IDLE_S = 300.0
TIMING = Timing(idle_timeout_s=IDLE_S, phases={"load": 200.0})


class Shelf:
    """Keeps rows in memory, and counts how often it was asked to."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str, str], PhaseRow] = {}
        self.writes = 0

    def load(self) -> list[PhaseRow]:
        return list(self.rows.values())

    def keep(self, rows: Iterable[PhaseRow]) -> None:
        self.writes += 1
        self.rows |= {(row.workflow, row.card, row.phase): row for row in rows}


def prompt(times: PhaseTimes, *, workflow: str = "clip", card: str = "card0", boot: int = 0) -> PromptLimits:
    return times.of_prompt(workflow, card, timing=TIMING, boot=lambda: boot)


def row(longest_s: float, samples: int = ENOUGH) -> PhaseRow:
    return PhaseRow("clip", "card0", "sample", longest_s, samples)


@pytest.mark.parametrize(
    ("phase", "known", "limit_s"),
    [
        ("sample", None, IDLE_S),
        ("load", None, IDLE_S),
        ("sample", row(40.0), 40.0 * 3 + 30),
        ("sample", row(0.5), 60.0),
        ("load", row(0.5), 200.0),
        ("sample", row(200.0), 630.0),
        ("sample", row(0.5, samples=ENOUGH - 1), IDLE_S),
        ("sample", row(200.0, samples=1), 630.0),
    ],
)
def test_a_limit_follows_from_floor_and_longest_silence(phase, known, limit_s):
    """Nothing known: the manifest's. Little known: only ever longer. Enough: what it took, with room to spare."""
    assert limit_of(TIMING, phase, known=known) == pytest.approx(limit_s)


def test_the_first_prompt_after_another_workflow_or_a_restart_is_learned_apart():
    """It loads its models: its silences would hide a sampler that hangs later, and the warm ones condemn it."""
    shelf = Shelf()
    times = PhaseTimes(shelf)
    for workflow, boot, silence in [("clip", 0, 90.0), ("clip", 0, 2.0), ("still", 0, 50.0), ("clip", 0, 80.0)]:
        prompt(times, workflow=workflow, boot=boot).ended_well({"sample": silence})
    prompt(times, boot=1).ended_well({"sample": 70.0})
    times.cooled("card0")
    prompt(times, boot=1).ended_well({"sample": 60.0})
    assert {key[0] + " " + key[2]: (one.longest_s, one.samples) for key, one in shelf.rows.items()} == {
        "clip sample-c": (90.0, 3),
        "clip sample": (2.0, 1),
        "still sample-c": (50.0, 1),
    }


def test_whether_a_prompt_is_cold_is_decided_when_it_runs():
    """It is waited for while the one before it still loads; by then nobody knows that it will find the models there."""
    times = PhaseTimes(Shelf())
    first, second = prompt(times), prompt(times)
    first.limit_s("load")
    first.ended_well({"sample": 100.0})
    second.limit_s("load")
    second.ended_well({"sample": 1.0})
    assert [second._key("sample")[2], first._key("sample")[2]] == ["sample", "sample-c"]


def test_each_card_learns_for_itself():
    """An old card beside a new one."""
    times = PhaseTimes(Shelf())
    for _ in range(ENOUGH + 1):
        prompt(times, card="fast").ended_well({"sample": 1.0})
        prompt(times, card="slow").ended_well({"sample": 90.0})
    assert prompt(times, card="fast").limit_s("sample") == pytest.approx(60.0)
    assert prompt(times, card="slow").limit_s("sample") == pytest.approx(300.0)


def test_a_limit_that_struck_is_not_trusted_until_a_prompt_ends_well():
    """A slower driver would otherwise have every prompt of the night killed, and never learn that it takes longer."""
    times = PhaseTimes(Shelf())
    for _ in range(ENOUGH + 1):
        prompt(times).ended_well({"sample": 1.0, "decode": 1.0})
    struck = prompt(times)
    assert struck.limit_s("sample") == pytest.approx(60.0)
    struck.struck("sample")
    again = prompt(times)
    assert (again.limit_s("sample"), again.limit_s("decode")) == (IDLE_S, pytest.approx(60.0))
    again.ended_well({"sample": 75.0})
    assert prompt(times).limit_s("sample") == pytest.approx(255.0)


def test_what_was_learned_outlives_the_night_and_is_seldom_written():
    """Once longer silences have stopped coming, a thousand prompts cost a write now and then."""
    shelf = Shelf()
    times = PhaseTimes(shelf)
    for _ in range(1 + 128):
        prompt(times).ended_well({"sample": 5.0})
    assert shelf.writes == 1 + ENOUGH + 2
    resumed = PhaseTimes(shelf)
    resumed._warm["card0"] = ("clip", 0)
    assert prompt(resumed).limit_s("sample") == pytest.approx(60.0)
