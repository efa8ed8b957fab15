"""The ladder of errors: which rung follows which, where the next try goes, and what is told of it."""

from __future__ import annotations

import pytest

from orchestrator.ladder import (
    LADDERS,
    Before,
    Card,
    Situation,
    Trial,
    Where,
    Whereabouts,
    climb,
    fallback_of,
    seeds_asked,
    whereabouts,
)
from orchestrator.ladder_words import Told, history_words, rung_words
from steps.errors import Remedy

OOM = Remedy.FREE_AND_RETRY
SMALL, EQUAL, LARGE, HUGE = Card("small", 24.0), Card("equal", 23.9), Card("large", 32.0), Card("huge", 96.0)


def climbed(remedy: Remedy, *, cards=(SMALL,), fallbacks=(), start: str = "small", most: int = 20) -> list[str]:
    """Fail again and again on the card that a rung sends the run to; return where each rung led."""
    trials: list[Trial] = []
    here = start
    told = []
    for _ in range(most):
        found = climb(remedy, Situation(tuple(trials), here, cards, fallbacks))
        if found is None:
            break
        trials.append(Trial(here, str(remedy), found.label, counted=found.rung.counted))
        here = min(found.only_on, default=here)
        told.append(f"{found.label} on {here}")
    return told


def test_every_remedy_has_a_ladder():
    """A remedy that the table forgets would be an exception in the middle of the night."""
    assert set(LADDERS) == set(Remedy)


def test_names_of_rungs_tell_them_apart_and_fit_their_column():
    """They are counted by name, and kept with a fallback of sixty characters behind a colon in eighty."""
    for ladder in LADDERS.values():
        names = [rung.name for rung in ladder.rungs]
        assert len(names) == len(set(names))
        assert all(len(name) + 61 <= 80 and ":" not in name for name in names)


CLIMBS = {
    "one card": ((SMALL,), (), ["free on small", "restart on small"]),
    "one card, fallbacks": (
        (SMALL,),
        ("tiled_vae", "fewer_frames"),
        ["free on small", "restart on small", "fallback:tiled_vae on small", "fallback:fewer_frames on small"],
    ),
    "a larger card, then a larger one still, then the fallback there": (
        (SMALL, EQUAL, LARGE, HUGE),
        ("tiled_vae",),
        ["free on small", "restart on small", "larger on huge", "fallback:tiled_vae on huge"],
    ),
    "none larger: one as large, once": (
        (SMALL, EQUAL, Card("third", 24.0)),
        (),
        ["free on small", "restart on small", "larger on equal"],
    ),
    "only smaller ones": ((LARGE, SMALL), (), ["free on large", "restart on large"]),
    "no restart here, but on the larger one": (
        (Card("small", 24.0, can_restart=False), LARGE),
        (),
        ["free on small", "larger on large", "restart on large"],
    ),
    "sizes not known": ((Card("small"), Card("other")), (), ["free on small", "restart on small", "larger on other"]),
}


@pytest.mark.parametrize("case", CLIMBS)
def test_out_of_memory_climbs(case):
    """Free, same card; restart, same card; larger card; declared fallback; set aside."""
    cards, fallbacks, expected = CLIMBS[case]
    assert climbed(OOM, cards=cards, fallbacks=fallbacks, start=cards[0].name) == expected


def test_each_larger_card_is_tried_once_from_the_one_before():
    """A run that went to the middle one and failed there goes on to the largest."""
    trials = [Trial("small", OOM, label, counted=False) for label in ("free", "restart", "larger")]
    found = climb(OOM, Situation(trials, "large", (SMALL, LARGE, HUGE)))
    assert found is not None
    assert (found.label, found.only_on) == ("larger", {"huge"})


def test_a_card_that_was_set_aside_is_no_larger_card():
    """Only those in use are looked at."""
    assert climbed(OOM, cards=(SMALL,)) == ["free on small", "restart on small"]


def test_out_of_memory_never_counts_against_the_item():
    """The next larger card might well have made it."""
    assert not any(rung.counted for rung in LADDERS[OOM].rungs)


def test_a_broken_context_is_restarted_at_once_and_is_the_items_own_the_second_time():
    """The first may be the card's bad night; an item that breaks every card it meets must come to an end."""
    first, second = LADDERS[Remedy.RESTART_AND_RETRY].rungs
    assert (first.before, first.counted, first.times) == (Before.RESTART, False, 1)
    assert (second.before, second.counted) == (Before.RESTART, True)


def test_a_missing_or_stale_file_is_saved_again_before_another_seed_is_asked_for():
    """The picture may be right, and only its file is gone: saving it again out of the cache costs nothing."""
    assert climbed(Remedy.REFRESH_AND_RETRY, most=3) == ["refresh on small", "new_seed on small", "new_seed on small"]


def test_rungs_of_other_remedies_do_not_use_up_ones_own():
    """A prompt that hung once has still its memory freed when it runs out of it."""
    trials = [Trial("small", "INTERRUPT_AND_RETRY", "interrupt"), Trial("small", "RESTART_AND_RETRY", "restart")]
    found = climb(OOM, Situation(trials, "small", (SMALL,)))
    assert found is not None
    assert found.label == "free"


def test_a_fallback_stays_in_use_for_all_later_tries():
    """Whatever else goes wrong with them."""
    trials = [Trial("small", OOM, "fallback:tiled_vae"), Trial("small", "RETRY", "again"), Trial(None, None, None)]
    assert fallback_of(trials) == "tiled_vae"
    assert fallback_of(trials[1:]) is None


def test_seeds_are_asked_for_by_rungs_and_by_tries_of_an_older_database():
    """The column of the rungs came later; a resumed night must not draw the first seed again."""
    trials = [
        Trial("a", "RETRY_NEW_SEED", "new_seed"),
        Trial("a", "RETRY_NEW_SEED", None),
        Trial("a", "REFRESH_AND_RETRY", "refresh"),
        Trial("a", "REFRESH_AND_RETRY", "new_seed"),
    ]
    assert seeds_asked(trials) == 3


@pytest.mark.parametrize(
    ("trial", "expected"),
    [
        (Trial("small", OOM, "free", counted=False), Whereabouts(only_on=frozenset({"small"}))),
        (Trial("small", OOM, "larger", counted=False), Whereabouts(only_on=frozenset({"large"}))),
        (Trial("small", OOM, "fallback:tiled", counted=False), Whereabouts(only_on=frozenset({"small"}))),
        (Trial("small", "RETRY", "again"), Whereabouts(failed_on=frozenset({"small"}))),
        (Trial("small", "RETRY", None), Whereabouts()),
        (Trial("small", None, None, counted=False), Whereabouts()),
        (Trial("small", "SOME_FUTURE_REMEDY", "jump"), Whereabouts(failed_on=frozenset({"small"}))),
    ],
)
def test_where_a_run_stands_follows_from_its_tries_alone(trial, expected):
    """After a crash of ours nothing else is known; a try that was put back changes nothing."""
    put_back = Trial("large", None, None, counted=False)
    assert whereabouts([trial, put_back], [SMALL, LARGE]) == expected


def test_a_rung_goes_to_the_same_card_exactly_where_it_says_so():
    """What pins the next try is the table, for every remedy."""
    for remedy, ladder in LADDERS.items():
        for rung in ladder.rungs:
            used = [Trial("small", remedy, one.name) for one in ladder.rungs[: ladder.rungs.index(rung)]]
            found = climb(remedy, Situation(used, "small", (SMALL, LARGE), ("tiled",)))
            assert found is not None
            expected = {Where.SAME: {"small"}, Where.LARGER: {"large"}, Where.ELSEWHERE: set()}
            assert found.only_on == expected[found.rung.where]


def told(*rows: tuple[str | None, ...]) -> str:
    return history_words(Told(*row) for row in rows)


def test_what_was_done_is_told_in_words():
    """The line that the owner reads in the morning."""
    assert told(
        ("card0", "failed", "OutOfMemory", "free", None),
        ("card0", "failed", "OutOfMemory", "restart", None),
        ("card0", "failed", "OutOfMemory", "larger", None),
        ("card1", "failed", "OutOfMemory", "fallback:tiled_vae", None),
        ("card1", "complete", None, None, "tiled_vae"),
    ) == (
        "out of memory on card0: memory freed, restarted, moved to card1; "
        "out of memory on card1: fell back to tiled_vae; complete on card1 with the fallback tiled_vae"
    )


def test_runs_without_trouble_and_tries_of_old_databases_are_told_nothing():
    """An empty text, so that no line is printed."""
    assert told(("card0", "complete", None, None, None)) == ""
    assert told(("card0", "failed", "Hung", None, None)) == ""
    assert told() == ""


def test_every_rung_has_words():
    """A name of the table would be shown instead."""
    names = {rung.name for ladder in LADDERS.values() for rung in ladder.rungs}
    assert all(rung_words(name) != name for name in names)
