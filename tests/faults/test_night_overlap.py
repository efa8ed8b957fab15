"""Nights whose steps overlap: what is made is the same, and so is what is done about everything that goes wrong."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from benchmarks.overlap import pipeline
from benchmarks.rig import Timing
from db.states import State
from orchestrator import instances, night
from orchestrator.opening import open_store
from orchestrator.overlap import models_of
from steps.errors import ProgramMissing, ServiceUnavailable
from steps.registry import NEEDS, steps_after
from tests.faults.night_world import (
    PAINT,
    Dead,
    Dying,
    World,
    calm_down,
    executed,
    let_die,
    make_settings,
    nothing_left_behind,
)
from tests.integration.comfyui_embedded import Embedded, embedded

pytestmark = pytest.mark.timeout(60)
ON_CARD = ("audio", "clean_pic", "realistic_pic", "transition", "script_video", "outro")
SHARED = ("prepare", "clean_pic", "realistic_pic", "transition")
PIPELINE = [Timing(name, 0.0, on_card=name in ON_CARD, per_language=name not in SHARED) for name in NEEDS]
PROMPTS = len(ON_CARD)  # of a painting in one language


@pytest.fixture(scope="module")
def cards(tmp_path_factory):
    with embedded(tmp_path_factory.mktemp("one")) as one, embedded(tmp_path_factory.mktemp("other")) as other:
        yield [one, other]


@pytest.fixture
def impatient(monkeypatch) -> None:
    """A card that was listed counts as gone almost as soon as one of our own."""
    monkeypatch.setattr(instances, "LISTED_PACE", replace(instances.LISTED_PACE, down_after_s=0.5))


@pytest.fixture
def make(cards, tmp_path):
    """Make a world with the whole pipeline, which needs and loads what the real one does."""

    def world(name: str, *, used: int = 1, overlap: bool = True, **options: Any) -> World:
        return _world(tmp_path / name, cards[:used], overlap=overlap, **options)

    with nothing_left_behind(tmp_path):
        yield world
        calm_down(cards)


def _world(folder: Path, cards: Sequence[Embedded], *, overlap: bool, **options: Any) -> World:
    world = World(folder, PAINT, cards=cards, **options)
    world.settings = world.settings.model_copy(update={"overlap": overlap})
    world.steps = pipeline(PIPELINE, world.root / "workflows")
    world.home, world.store = open_store(world.settings, steps=world.steps)
    return world


def loads(world: World) -> dict[str, list[str]]:
    """Return, for each card, the models of its prompts in the order in which they ran, repetitions left out."""
    models = {step.name: models_of(step, night.load_workflows(world.steps)) for step in world.steps}
    attempts = [one for one in world.store.attempts(1) if one.instance and one.started_at]
    found = {}
    for card in sorted({str(one.instance) for one in attempts}):
        mine = sorted((one for one in attempts if one.instance == card), key=lambda one: str(one.started_at))
        found[card] = [str(key) for key, _ in groupby(models[one.step] for one in mine)]
    return found


def test_both_orders_make_the_same(make):
    """Seeds depend on what is made, and not on when; so an owner may change the setting from night to night."""
    strict = make("strict", overlap=False, languages=("fr", "en"))
    overlapped = make("overlapped", used=2, languages=("fr", "en"))
    overlapped.seed = strict.seed
    assert strict.run().outcome == "complete"
    assert overlapped.run().outcome == "complete"
    assert overlapped.pictures() == strict.pictures()
    assert len(overlapped.pictures()) == 2 * (4 + 2 * 6)
    overlapped.check_tidy()


@pytest.mark.parametrize("used", [1, 2])
def test_no_card_loads_the_same_models_twice(make, used):
    """Strict order loads Wan for the transition, then LTX, then Wan again for the outro."""
    world = make("world", used=used, paintings=3)
    assert world.run().outcome == "complete"
    for models in loads(world).values():
        assert len(models) == len(set(models))
    assert {one.outcome for one in world.store.attempts(1)} == {"complete"}
    assert len(world.store.attempts(1)) == 3 * len(NEEDS)


def test_a_card_is_restarted_only_where_its_models_change(tmp_path):
    """Between the restored and the realistic picture nothing is loaded, so nothing is paid for a restart there."""
    with nothing_left_behind(tmp_path):
        world = _world(tmp_path, [], own=1, overlap=True, restart="between_steps")
        assert world.run().outcome == "complete"
    reasons = [line["reason"] for line in world.logged("instance.restarting")]
    assert len(reasons) == len(loads(world)["preview0"]) - 1 == 3
    assert not any("clean_pic and realistic_pic" in reason or "transition and outro" in reason for reason in reasons)


def test_two_cards_are_at_two_steps(make):
    """One prompt of a step is one card's; the other card goes where there is more."""
    world = make("world", used=2, paintings=1)
    speaking = threading.Event()
    cleaning = threading.Event()
    met: list[bool] = []

    def act(task: Any) -> None:
        ours, theirs = (speaking, cleaning) if task.step == "audio" else (cleaning, speaking)
        if task.step in ("audio", "clean_pic"):
            ours.set()
            met.append(theirs.wait(10))

    world.watching.on_run = act
    assert world.run().outcome == "complete"
    assert met == [True, True]
    where = {one.step: one.instance for one in world.store.attempts(1)}
    assert where["audio"] != where["clean_pic"]


def test_a_script_that_fails_holds_nobody_else_up(make):
    """The speech of the others is made while it is tried, and in the end only its own painting is not."""
    world = make("world", paintings=3)
    others_speak = threading.Event()
    world.watching.on_run = lambda task: others_speak.set() if task.step == "audio" else None

    def fail(context: Any) -> None:
        if context.subject.title == "Painting 1":
            assert others_speak.wait(10)
            raise ServiceUnavailable("the language model does not answer this one")

    world.spoil("script", fail)
    assert world.run().outcome == "failed"
    assert world.states() == {"Painting 0": "COMPLETE", "Painting 1": "FAILED", "Painting 2": "COMPLETE"}
    failed = next(item.item_id for item in world.items() if item.title == "Painting 1")
    made = {one.step for one in world.store.attempts(1) if one.outcome == "complete" and one.item_id == failed}
    assert made == {"prepare", "clean_pic", "realistic_pic", "transition"}
    world.check_tidy()


def test_a_step_that_is_stopped_for_all_leaves_the_others(make):
    """Without the program there are no captions; what does not need them is made tonight all the same."""
    world = make("world", paintings=2)

    def lack(context: Any) -> None:
        raise ProgramMissing("there is no whisper here")

    world.spoil("subtitles", lack)
    result = world.run()
    assert result.outcome == "stopped"
    assert list(result.stopped_steps) == ["subtitles"]
    assert len(executed(world.cards[0])) == 2 * PROMPTS
    assert world.run_states(1)[("outro", "fr")] is State.COMPLETE


def test_a_night_that_died_goes_on_where_it_was(make, monkeypatch, cards):
    """Each death at another write; a prompt that outlived it is waited for, and no card is restarted before."""
    undisturbed = make("undisturbed")
    assert undisturbed.run().outcome == "complete"
    monkeypatch.setattr("db.locks.is_alive", lambda pid: False)
    for number, writes in enumerate((14, 40, 66)):
        calm_down(cards)
        world = make(f"world{number}")
        world.seed = undisturbed.seed
        let_die(Dying(writes), monkeypatch)
        with pytest.raises(Dead):
            world.run()
        adopted = {one.prompt_id for one in world.store.in_flight() if one.queued_at}
        assert world.resume().outcome == "complete"
        assert world.pictures() == undisturbed.pictures()
        assert len(executed(cards[0])) == 2 * PROMPTS, "nothing is executed twice"
        assert adopted <= set(executed(cards[0]))
        world.check_tidy()


def test_a_stop_ends_every_step_and_a_resume_goes_on(make):
    """Once: what runs is finished, on every card and on the CPU. Six prompts are more than two cards take at once."""
    world = make("world", used=2, paintings=6)

    def press_once(task: Any) -> None:
        if task.step == "realistic_pic" and not world.stop.finish.is_set():
            world.stop.press()

    world.watching.on_run = press_once
    result = world.run()
    assert result.outcome == "stopped"
    assert "realistic_pic" in result.cut_short
    assert set(result.cut_short.values()) == {"asked to stop"}
    assert result.stopped_steps == {}
    assert world.store.in_flight() == []
    world.watching.on_run = lambda task: None
    assert world.resume().outcome == "complete"
    assert {one.outcome for one in world.store.attempts(1)} == {"complete"}
    world.check_tidy()


def test_what_would_not_finish_in_time_is_left(make):
    """Half an hour is enough for everything but the talking portraits, and so for nothing that needs them."""
    world = make("world", paintings=2)
    step = world.step("script_video")
    manifest = Path(step.workflow)
    manifest.write_text(manifest.read_text().replace("expected_s: 1\n", "expected_s: 3600\n"))
    result = world.run(stop_by=world.clock.now() + timedelta(minutes=30))
    assert result.outcome == "stopped"
    assert result.cut_short == {"script_video": "what is left would not finish in time"}
    made = {one.step for one in world.store.attempts(1)}
    assert made == set(NEEDS) - {"script_video", "subtitles", "outro", "final_video"}
    assert world.store.batch(1).closed_at is not None


def test_a_card_that_is_set_aside_leaves_its_work_to_the_others(make, impatient, tmp_path_factory):
    """It died at its first prompt and cannot be restarted."""
    with embedded(tmp_path_factory.mktemp("bad")) as bad:
        world = make("world", paintings=2)
        world.settings = replace_cards(world, [bad, *world.cards])
        world.cards = [bad, *world.cards]
        world.misbehave("clean_pic", "die", node="SaveImage")
        assert world.run().outcome == "complete"
        bad.start()
    assert [line["instance"] for line in world.logged("instance.set_aside")] == ["card0"]
    world.check_tidy()


def test_without_a_card_the_cpu_goes_as_far_as_it_can(make, impatient, tmp_path_factory):
    """And the report says of each step that was left why."""
    with embedded(tmp_path_factory.mktemp("bad")) as bad:
        world = make("world", paintings=2)
        world.settings = replace_cards(world, [bad])
        world.cards = [bad]
        world.misbehave("clean_pic", "die", node="SaveImage")
        result = world.run()
        bad.start()
    assert result.outcome == "stopped"
    assert set(result.stopped_steps) == {"audio", "clean_pic"}
    assert all("no instance is left: card0: " in reason for reason in result.stopped_steps.values())
    assert world.outcomes("script", "fr") == [["complete"], ["complete"]]


def replace_cards(world: World, cards: Sequence[Embedded]) -> Any:
    """Return a world's settings with other cards."""
    settings = make_settings(world.root, cards=cards, own=1, languages=("fr",), ready_timeout_s=0.5)
    return settings.model_copy(update={"overlap": True})


def test_an_item_that_is_sent_back_meanwhile_is_made_again_tonight(make):
    """In strict order its step would be over; here the card comes back to it at the end."""
    world = make("world", paintings=2, workers=1)
    finals: list[int] = []

    def send_back(task: Any) -> None:
        if task.step == "final_video":
            finals.append(task.context.subject.item_id)
            if len(finals) == 2:
                steps = steps_after("transition")
                world.store.send_back(finals[0], steps=steps, languages=None, reason="the morph jumps")

    world.watching.on_run = send_back
    assert world.run().outcome == "complete"
    assert finals == [finals[0], finals[1], finals[0]]
    assert sorted(len(tries) for tries in world.tries("transition").values()) == [1, 2]
    assert sorted(len(tries) for tries in world.tries("script_video", "fr").values()) == [1, 1]
    world.check_tidy()
