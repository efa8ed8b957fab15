"""The figures of a night: every second is counted once, and for what it was."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_rows import OPENED, Tries, at, figures, item, owner_night

from db.states import State
from orchestrator.report.shares import Share, attempt_shares, joined_seconds

SECONDS = st.floats(0, 20_000, allow_nan=False)


def test_the_owners_night_has_the_owners_figures():
    """4 h 24 of compute in 4 h 55 is 89.4 %, the figure that the studio is used to; within prompts it is more."""
    tries, items = owner_night()
    night = figures(tries, items)
    assert night.card.compute_s == pytest.approx(263.6 * 60)
    assert night.wall_s == pytest.approx(294.9 * 60)
    assert night.card_idle_s == pytest.approx(31.3 * 60)
    assert round(night.card_active_of_night * 100, 1) == 89.4
    assert night.card.wait_s == pytest.approx(5.4 * 60)
    assert round(night.card.active * 100, 1) == 98.0
    assert night.videos == {"en": 15, "fr": 15}
    assert [step.name for step in night.bottlenecks()] == ["script_video", "outro", "audio"]
    longest = night.bottlenecks()[0]
    assert longest.share.compute_s / longest.items == pytest.approx(10.9 * 60, abs=5)
    assert longest.share.compute_s / night.card.compute_s == pytest.approx(0.62, abs=0.001)


def test_compute_and_wait_alone_give_the_same_share():
    """The quotient itself: 4 h 24 of compute, 31 minutes of wait."""
    assert Share(263.6 * 60, 31.3 * 60).active == pytest.approx(0.894, abs=0.0005)
    assert Share().active is None


def test_a_prefetched_prompt_is_not_waited_for():
    """Two prompts are claimed at once: the second one stands behind the first, which is no loss."""
    tries = Tries()
    first = tries.add(1, "audio", 0, 2, 12)
    second = tries.add(2, "audio", 0, 12.5, 20)
    shares = attempt_shares(tries.rows)
    assert shares[first.attempt_id] == Share(10, 2)
    assert shares[second.attempt_id] == Share(7.5, 0.5)


def test_several_cards_do_not_wait_for_each_other():
    """Each card has a clock of its own; the night's share is the average of both."""
    tries = Tries()
    tries.add(1, "audio", 0, 0, 10, instance="card0")
    tries.add(2, "audio", 0, 0, 4, instance="card1")
    tries.add(3, "audio", 3, 5, 10, instance="card1")
    night = figures(tries.rows)
    assert night.instances == {"card0": Share(10, 0), "card1": Share(9, 1)}
    assert night.card == Share(19, 1)
    assert night.card_active_of_night == pytest.approx(0.95)
    assert night.card_idle_s == pytest.approx(1)


def test_failed_tries_are_compute_and_are_counted():
    """The card worked for them, and the next try of the run is another one of the same run."""
    tries = Tries()
    tries.add(1, "outro", 0, 1, 5, outcome="failed")
    tries.add(1, "outro", 5, 5, 9)
    (step,) = figures(tries.rows).steps
    assert (step.runs, step.failed_tries, step.share) == (1, 1, Share(8, 1))
    assert [one.error_class for one in figures(tries.rows).failures] == ["ExecutionFailed"]


def test_a_prompt_that_never_began_made_its_card_wait():
    """An instance that was down for five minutes is not a hundred per cent active."""
    tries = Tries()
    tries.add(1, "audio", 0, None, 300, outcome="failed")
    tries.add(2, "audio", 0, None, 300, outcome="failed")
    tries.add(1, "audio", 300, 300, 400)
    assert figures(tries.rows).card == Share(100, 300)


def test_a_failure_that_is_noticed_late_does_not_make_the_card_busy_twice():
    """The second prompt began on the card before we knew that the first one had failed."""
    tries = Tries()
    tries.add(1, "audio", 0, 0, 10.5, outcome="failed")
    tries.add(2, "audio", 0, 10, 20)
    assert figures(tries.rows).card == Share(20, 0)


def test_a_try_that_a_crash_cut_short_counts_for_nothing():
    """It was put back by the next evening's start: nobody computed for a day."""
    tries = Tries()
    tries.add(1, "audio", 0, 1, 100)
    tries.add(2, "audio", 0, 100, 86_000, outcome="put_back")
    night = figures(tries.rows)
    assert night.card == Share(99, 1)
    assert night.wall_s == pytest.approx(100)


def test_a_try_without_times_breaks_nothing():
    """A refused prompt, a live one, and local work that failed before it began."""
    tries = Tries()
    tries.add(1, "audio", 5, None, 5, outcome="failed")
    tries.add(1, "audio", 6, None, None, outcome=None)
    tries.add(1, "script", 0, None, 4, instance=None, outcome="failed")
    night = figures(tries.rows, [item(1, State.PROCESSING)])
    assert night.card == Share(0, 0)
    assert night.card.active is None
    assert night.items[0].longest_s == 0
    assert [step.name for step in night.steps] == ["script", "audio"]


def test_a_night_in_which_nothing_was_tried_has_no_figures():
    """Nothing divides by nothing."""
    night = figures([], [item(1, State.PENDING)])
    assert (night.wall_s, night.card, night.card_active_of_night, night.bottlenecks()) == (0, Share(), None, [])


def test_the_hours_before_a_resume_are_a_pause():
    """Stopped at midnight and resumed at eight: the cards were not idle in between, nobody wanted anything of them."""
    tries = Tries()
    tries.add(1, "audio", 0, 0, 1000)
    tries.add(2, "audio", 30_000, 30_000, 31_000)
    night = figures(tries.rows)
    assert (night.wall_s, night.paused_s, night.worked_s) == (31_000, 29_000, 2000)
    assert night.card_active_of_night == pytest.approx(1.0)
    assert night.steps[0].window_s == 2000


def test_a_night_under_way_ends_now():
    """A prompt is live: its night is not over, and the time since its last sign counts."""
    tries = Tries()
    tries.add(1, "audio", 0, 0, 1000)
    tries.add(2, "audio", 1000, 1000, None, outcome=None)
    night = figures(tries.rows, closed_at=None, outcome=None)
    assert night.wall_s == 30 * 3600
    assert night.outcome == "open"


def test_a_night_that_a_person_stopped_ends_with_its_last_try():
    """It stays open for `nightreel resume`, and nothing is live: the report of the morning after is about the night."""
    tries = Tries()
    tries.add(1, "audio", 0, 0, 1000)
    assert figures(tries.rows, closed_at=None, outcome=None).wall_s == 1000


def test_the_longest_step_of_an_item_is_all_its_runs_of_it():
    """Both languages together, as the owner reads it."""
    tries = Tries()
    tries.add(1, "script_video", 0, 0, 60, variant="fr")
    tries.add(1, "script_video", 60, 60, 110, variant="en")
    tries.add(1, "subtitles", 110, 110, 190, instance=None)
    (one,) = figures(tries.rows).items
    assert (one.longest_step, one.longest_s, one.local_s, one.reached) == ("script_video", 110, 80, "subtitles")


@st.composite
def nights(draw):
    """Any night: cards, local work, live and broken tries, clocks that disagree."""
    tries = Tries()
    for _ in range(draw(st.integers(0, 25))):
        claimed = draw(SECONDS)
        started = draw(st.none() | SECONDS)
        outcome = draw(st.sampled_from(["complete", "complete", "failed", "put_back", "aborted", None]))
        tries.add(
            draw(st.integers(1, 4)),
            draw(st.sampled_from(["audio", "outro", "script", "final_video"])),
            claimed,
            started,
            None if outcome is None else max(claimed, started or 0) + draw(SECONDS),
            variant=draw(st.sampled_from(["fr", "en"])),
            instance=draw(st.sampled_from([None, "card0", "card1"])),
            outcome=outcome,
        )
    return tries.rows


@settings(max_examples=60, deadline=None)
@given(nights())
def test_the_sums_agree_over_steps_items_and_cards(tries):
    """Three tables of one page must not contradict each other."""
    night = figures(tries)
    of_items = [one.card for one in night.items]
    for field in ("compute_s", "wait_s"):
        total = getattr(night.card, field)
        assert sum(getattr(one, field) for one in of_items) == pytest.approx(total)
        assert sum(getattr(one, field) for one in night.instances.values()) == pytest.approx(total)
    local = sum(one.local_s for one in night.items)
    assert sum(step.share.compute_s for step in night.steps) == pytest.approx(night.card.compute_s + local)
    assert sum(step.share.wait_s for step in night.steps) == pytest.approx(night.card.wait_s)


@settings(max_examples=60, deadline=None)
@given(nights())
def test_no_card_is_busy_for_longer_than_the_night(tries):
    """Nothing is below zero or above a hundred per cent, whatever the rows are like."""
    night = figures(tries)
    assert 0 <= night.worked_s <= night.wall_s + 1e-6
    for share in [night.card, *night.instances.values(), *(step.share for step in night.steps)]:
        assert share.compute_s >= 0
        assert share.wait_s >= 0
        assert share.active is None or 0 <= share.active <= 1
    for share in night.instances.values():
        assert share.compute_s <= night.wall_s + 1e-6
    assert night.paused_s == 0 or night.paused_s > 1800, "no pause comes out of rounding"
    assert all(0 <= step.window_s <= night.wall_s + 1e-6 for step in night.steps)
    assert night.began == OPENED <= night.ended


@pytest.mark.parametrize(
    ("intervals", "gap_s", "seconds"),
    [
        ([], 0, 0),
        ([(0, 10), (5, 12)], 0, 12),
        ([(0, 10), (2, 3)], 0, 10),
        ([(0, 10), (15, 20)], 0, 15),
        ([(15, 20), (0, 10)], 5, 20),
        ([(0, 10), (16, 20)], 5, 14),
    ],
)
def test_intervals_join_when_they_touch(intervals, gap_s, seconds):
    """Overlaps count once; a gap counts only when it is short enough."""
    times = [(at(begin), at(end)) for begin, end in intervals]
    assert joined_seconds(times, gap_s=gap_s) == seconds


def test_steps_that_overlap_leave_no_gap_between_them():
    """The card worked while the CPU did: their windows are longer than the night, and none of it was idle twice."""
    tries = Tries()
    tries.add(1, "script", 0, 0, 100, instance=None)
    tries.add(2, "clean_pic", 0, 10, 60)
    tries.add(3, "transition", 50, 60, 100)
    night = figures(tries.rows)
    assert night.between_steps_s == 0
    assert night.overlapped_s == 60 + 50
    assert night.card_idle_s == pytest.approx(10)
    assert night.card_active_of_night == pytest.approx(0.9)
