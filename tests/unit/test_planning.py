"""Where a card goes next when steps overlap."""

from __future__ import annotations

from dataclasses import replace

import pytest

from db.states import State
from db.store import RunView
from orchestrator.planning import Card, Kind, StepOutlook, StepShape, look_ahead, plan_next
from steps.registry import NEEDS

MODELS = {
    "audio": "tts",
    "clean_pic": "flux",
    "realistic_pic": "flux",
    "transition": "wan",
    "script_video": "ltx",
    "outro": "wan",
}
SECONDS = {"prepare": 3.0, "script": 43.0, "audio": 55.0, "clean_pic": 6.0, "realistic_pic": 3.0, "transition": 87.0}
SECONDS |= {"script_video": 327.0, "subtitles": 13.0, "outro": 84.0, "final_video": 7.0}
STEPS = [
    StepShape(name, number, needs, MODELS.get(name), SECONDS[name])
    for number, (name, needs) in enumerate(NEEDS.items())
]
SHARED = ("prepare", "clean_pic", "realistic_pic", "transition")


def runs_of(item_id: int, *made: str, **states: State) -> list[RunView]:
    """Return one item's runs in one language: some COMPLETE, some in a given state, the others PENDING."""
    return [
        RunView(
            item_id * 100 + step.number,
            item_id,
            State.PROCESSING,
            step.name,
            step.number,
            "" if step.name in SHARED else "fr",
            states.get(step.name, State.COMPLETE if step.name in made else State.PENDING),
            0,
            0,
            None,
            None,
        )
        for step in STEPS
    ]


def ahead(*items: list[RunView], **options):
    return look_ahead([run for item in items for run in item], STEPS, **options).outlook


def plan(outlook, card=None, others=(), steps=STEPS):
    me = card or Card("card0")
    return plan_next(me, [me, *others], steps, outlook, workers=1)


UP_TO_REALISTIC = ("prepare", "clean_pic", "realistic_pic")
UP_TO_TALK = (*UP_TO_REALISTIC, "script", "audio", "transition", "script_video")


def test_what_is_left_is_told_by_what_must_come_before():
    """Whoever plans sees how far away a run is, not only that it is not ready."""
    found = ahead(runs_of(1, "prepare"), runs_of(2))
    assert found["clean_pic"].ready == 1
    assert found["clean_pic"].coming == {frozenset({"prepare"}): 1}
    assert found["audio"].coming == {frozenset({"script"}): 1, frozenset({"prepare", "script"}): 1}
    assert found["realistic_pic"].left == 2


@pytest.mark.parametrize("state", [State.FAILED, State.ABORTED])
def test_what_will_never_be_made_is_not_left(state):
    """A script that failed takes the speech and the video with it, and not the restoration."""
    found = ahead(runs_of(1, "prepare", script=state))
    assert found["audio"].left == found["script_video"].left == found["outro"].left == found["final_video"].left == 0
    assert found["clean_pic"].left == 1


def test_nothing_of_an_item_that_was_turned_down_is_left():
    """Nor of one that a person aborted."""
    runs = [replace(run, item_state=State.ABORTED) for run in runs_of(1, "prepare")]
    assert plan(ahead(runs)).kind is Kind.OVER


def test_a_step_that_was_stopped_ends_what_needs_it():
    """No time, no card that could do it, or the same error for all."""
    found = ahead(runs_of(1, "prepare"), ended={"script"})
    assert found["script"].left == found["audio"].left == 0
    assert found["clean_pic"].left == 1


def test_a_far_retry_is_put_off_with_all_that_needs_it():
    """One script that is tried again in five minutes does not hold up the speech of the others."""
    runs = runs_of(1, *UP_TO_REALISTIC)
    script = next(run for run in runs if run.step == "script")
    found = ahead(runs, runs_of(2, *UP_TO_REALISTIC, "script"), held={script.run_id})
    assert (found["audio"].ready, found["audio"].coming, found["audio"].later) == (1, {}, 1)
    assert plan(found).step == "audio"


def test_restoration_need_not_wait_for_scripts():
    """The first step of a card is the first of which something is ready."""
    assert plan(ahead(*(runs_of(item, "prepare") for item in (1, 2)))).step == "clean_pic"


def test_a_card_stays_with_its_models():
    """Clean and realistic are made with the same files: no restart, and no other step between."""
    outlook = ahead(*(runs_of(item, "prepare", "script", "clean_pic") for item in (1, 2)))
    assert plan(outlook, Card("card0", "clean_pic", frozenset({"flux"}))).step == "realistic_pic"


def test_models_wait_until_all_their_work_can_be_done_in_one_go():
    """The transition is ready, but the outro needs the talking portrait: Wan would be loaded twice."""
    outlook = ahead(*(runs_of(item, *UP_TO_REALISTIC, "script") for item in (1, 2)))
    assert outlook["transition"].ready == 2
    assert plan(outlook, Card("card0", "realistic_pic", frozenset({"flux"}))).step == "audio"


def test_a_card_rather_waits_for_the_first_script_than_load_models_twice():
    """The only thing that is ready is the transition; the first script is a matter of seconds."""
    outlook = ahead(*(runs_of(item, *UP_TO_REALISTIC) for item in (1, 2)))
    assert plan(outlook, Card("card0", "realistic_pic", frozenset({"flux"}))).kind is Kind.WAIT


def test_a_step_that_is_fed_fast_enough_may_begin():
    """Scripts take less time than their speech: with the first ones there, the card does not run dry."""
    outlook = ahead(runs_of(1, *UP_TO_REALISTIC, "script"), *(runs_of(item, *UP_TO_REALISTIC) for item in (2, 3)))
    found = plan(outlook, Card("card0", "realistic_pic", frozenset({"flux"})))
    assert (found.step, found.why) == ("audio", "enough is ready, and the rest comes in time")


def test_what_is_all_there_goes_before_what_still_comes():
    """Speech waits for its last script, so the restoration, of which all is ready, is made first."""
    outlook = ahead(runs_of(1, "prepare", "script"), runs_of(2, "prepare"))
    found = plan(outlook)
    assert (found.step, found.why) == ("clean_pic", "all that it needs is made")


def test_when_the_talking_portraits_are_made_wan_is_loaded_once_for_both():
    """Transition first, then the outro, without a restart between."""
    outlook = ahead(*(runs_of(item, *(set(UP_TO_TALK) - {"transition"})) for item in (1, 2)))
    card = Card("card0", "script_video", frozenset({"flux", "tts", "ltx"}))
    assert plan(outlook, card).step == "transition"
    outlook = ahead(*(runs_of(item, *UP_TO_TALK) for item in (1, 2)))
    assert plan(outlook, Card("card0", "transition", card.been | {"wan"})).step == "outro"


def test_another_cards_work_counts_as_coming():
    """While card1 makes the portraits talk, Wan can be loaded: its outros come without a second load."""
    made = (*UP_TO_REALISTIC, "script", "audio")
    outlook = ahead(runs_of(1, *made, script_video=State.PROCESSING), runs_of(2, *UP_TO_TALK))
    card0, card1 = Card("card0", "audio", frozenset({"tts"})), Card("card1", "script_video", frozenset({"ltx"}))
    assert plan(outlook, card0, [card1]).step == "transition"
    outlook = ahead(runs_of(1, *made, "transition", script_video=State.PROCESSING), runs_of(2, *UP_TO_TALK, "outro"))
    at_wan = Card("card0", "transition", frozenset({"tts", "wan"}))
    assert plan(outlook, at_wan, [card1]).kind is Kind.STAY
    assert plan(outlook, at_wan).kind is not Kind.STAY, "nobody would make what it waits for"


def test_no_card_loads_models_for_what_others_will_take_at_once():
    """The last prompt of a step is the other card's."""
    outlook = ahead(runs_of(1, *UP_TO_REALISTIC, "script"))
    card1 = Card("card1", "audio", frozenset({"tts"}))
    assert plan(outlook, others=[card1]).kind is Kind.WAIT
    many = ahead(*(runs_of(item, *UP_TO_REALISTIC, "script") for item in (1, 2, 3)))
    assert plan(many, others=[card1]).step == "audio"


def test_a_card_that_is_held_back_is_not_counted_on():
    """Another program fills its memory, say: the other card loads the models too."""
    outlook = ahead(runs_of(1, *UP_TO_REALISTIC, "script"))
    assert plan(outlook, others=[Card("card1", "audio", frozenset({"tts"}), is_stuck=True)]).step == "audio"


def test_a_run_that_only_another_card_may_take_is_not_waited_for():
    """It found no room on this card; the larger one comes for it although this one has the models already."""
    outlook = ahead(runs_of(1, *UP_TO_REALISTIC, "script"))
    small = Card("card0", "audio", frozenset({"tts"}), shut={"audio": 1})
    large = Card("card1", "clean_pic", frozenset({"flux"}))
    assert plan(outlook, small, [large]).step != "audio"
    assert plan(outlook, large, [small]).step == "audio"


def test_a_card_that_is_too_small_goes_where_it_can():
    """The talking portraits are left to the larger card."""
    outlook = ahead(*(runs_of(item, *UP_TO_REALISTIC, "script", "audio") for item in (1, 2, 3)))
    large = Card("card1", "script_video", frozenset({"ltx"}))
    assert plan(outlook, Card("card0", refuses=frozenset({"script_video"})), [large]).step == "transition"


def test_a_card_comes_back_to_what_was_left_only_at_the_end():
    """The speech of one item came late: everything else of the night goes first."""
    late = runs_of(1, *UP_TO_REALISTIC, "script")
    others = [runs_of(item, *UP_TO_REALISTIC, "script", "audio") for item in (2, 3)]
    card = Card("card0", "realistic_pic", frozenset({"tts", "flux"}))
    assert plan(ahead(late, *others), card).step == "audio", (
        "the talking portrait needs it: better now than twice later"
    )
    apart = [replace(step, needs=("realistic_pic",)) if step.name == "script_video" else step for step in STEPS]
    outlook = look_ahead([run for item in (late, *others) for run in item], apart).outlook
    assert plan(outlook, card, steps=apart).step == "script_video"


def test_models_that_must_be_loaded_twice_are():
    """A pipeline of the owner's own: A, then B, then A again."""
    steps = [StepShape("a", 0, (), "A", 1.0), StepShape("b", 1, ("a",), "B", 1.0), StepShape("c", 2, ("b",), "A", 1.0)]
    outlook = {"a": StepOutlook(ready=2), "b": StepOutlook(coming={frozenset("a"): 2})}
    outlook["c"] = StepOutlook(coming={frozenset("ab"): 2})
    found = plan(outlook, steps=steps)
    assert (found.step, found.why) == ("a", "there is no other way to go on")
    outlook = {"b": StepOutlook(ready=2), "c": StepOutlook(coming={frozenset("b"): 2})}
    assert plan(outlook, Card("card0", "a", frozenset("A")), steps=steps).step == "b"
    assert plan({"c": StepOutlook(ready=2)}, Card("card0", "b", frozenset("AB")), steps=steps).step == "c"


def test_where_nothing_is_known_of_durations_a_step_may_begin():
    """The first night has measured nothing."""
    unknown = [replace(step, seconds=None) for step in STEPS]
    outlook = ahead(runs_of(1, *UP_TO_REALISTIC, "script"), runs_of(2, *UP_TO_REALISTIC))
    card = Card("card0", "realistic_pic", frozenset({"flux"}))
    assert plan(outlook, card, steps=unknown).why == "enough is ready, and the rest comes in time"


def test_what_would_starve_comes_last_of_what_can_be_done():
    """Scripts that take an hour: the card does everything else first, and then waits with the speech models loaded."""
    slow = [replace(step, seconds=3600.0) if step.name == "script" else step for step in STEPS]
    outlook = ahead(runs_of(1, "prepare", "script"), runs_of(2, "prepare"))
    assert plan(outlook, steps=slow).step == "clean_pic"
    outlook = ahead(runs_of(1, *UP_TO_REALISTIC, "script"), runs_of(2, *UP_TO_REALISTIC))
    assert plan(outlook, steps=slow).why == "nothing else can be done, and the rest is on its way"


def test_a_night_is_over_when_nothing_is_left_anywhere():
    """While the last cut runs on the CPU, the card waits: a person may send something back."""
    made = tuple(NEEDS)
    assert plan(ahead(runs_of(1, *made))).kind is Kind.OVER
    assert plan(ahead(runs_of(1, *made[:-1], final_video=State.PROCESSING))).kind is Kind.WAIT
