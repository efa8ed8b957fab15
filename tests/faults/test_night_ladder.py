"""The ladder of errors over whole nights: memory, broken contexts, silence, sick cards and sick items."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.ladder_words import Told, history_words
from orchestrator.phases import ENOUGH
from steps.base import Context
from steps.errors import ProgramFailed
from tests.faults.night_world import PAINT, World, calm_down, nothing_left_behind
from tests.integration.comfyui_embedded import Embedded, embedded

pytestmark = pytest.mark.timeout(60)
LESS = {"name": "smaller", "why": "A smaller picture", "set": {"width": {"at_most": 32}}}


@pytest.fixture(scope="module")
def pair(tmp_path_factory) -> Iterator[list[Embedded]]:
    """Two cards that nobody can restart; the faults of these tests do not end them."""
    with embedded(tmp_path_factory.mktemp("one")) as one, embedded(tmp_path_factory.mktemp("two")) as two:
        yield [one, two]


@pytest.fixture
def make(tmp_path, pair):
    """Make a world on both cards, on one of them, or on cards of its own; and check that nothing is left behind."""

    def world(*, cards: int = 2, vram_gb: Sequence[float] = (), **options: Any) -> World:
        made = World(tmp_path, PAINT, cards=pair[:cards], **options)
        sized = [
            one.model_copy(update={"vram_gb": size})
            for one, size in zip(made.settings.comfyui.instances, vram_gb, strict=False)
        ]
        if sized:
            comfyui = made.settings.comfyui.model_copy(update={"instances": tuple(sized)})
            made.settings = made.settings.model_copy(update={"comfyui": comfyui})
        return made

    with nothing_left_behind(tmp_path):
        yield world
        calm_down(pair)


def climbed(world: World) -> list[list[tuple[str | None, str | None]]]:
    """Return where each try of each item ran and what it led to; items without trouble are left out."""
    tries = world.tries("paint").values()
    return [[(one.instance, one.rung) for one in of_item] for of_item in tries if len(of_item) > 1]


def words(world: World) -> list[str]:
    told = [
        history_words(Told(one.instance, one.outcome, one.error_class, one.rung, one.fallback) for one in of_item)
        for of_item in world.tries("paint").values()
    ]
    return [one for one in told if one]


def test_out_of_memory_frees_the_card_then_goes_to_a_larger_one(make):
    """Neither try counts; the other card has more to give, and the line in the morning says so."""
    world = make(vram_gb=(24, 48), paintings=2)
    world.misbehave("paint", "oom", node="TimedRender", times=2)
    assert world.run().outcome == "complete"
    assert climbed(world) == [[("card0", "free"), ("card0", "larger"), ("card1", None)]]
    assert words(world) == ["out of memory on card0: memory freed, moved to card1; complete on card1"]
    assert {one.counted for of_item in world.tries("paint").values() for one in of_item if one.rung} == {False}
    assert [line["done"] for line in world.logged("ladder.rung")] == ["memory freed", "moved to card1"]


def test_out_of_memory_restarts_the_instance_the_second_time(make, tmp_path):
    """What a fragmented process cannot give, a new one can; both tries stay on that card."""
    world = World(tmp_path, PAINT, own=1, paintings=1)
    world.misbehave("paint", "oom", node="TimedRender", times=0)
    assert world.run().outcome == "complete"
    assert climbed(world) == [[("preview0", "free"), ("preview0", "restart"), ("preview0", None)]]
    assert len(world.logged("instance.restarted")) == 1


def test_the_fallback_of_the_manifest_is_taken_last_and_survives_a_stop(make):
    """On the only card; the night is stopped in between, and goes on with the fallback, from the tries alone."""
    world = make(cards=1, paintings=1)
    world.workflow(fallbacks=[LESS])
    world.misbehave("paint", "oom", node="TimedRender", times=2)
    world.watching.on_run = lambda task: len(world.watching.started) == 2 and world.stop.finish.set()
    assert world.run().outcome == "stopped"
    assert climbed(world) == [[("card0", "free"), ("card0", "fallback:smaller")]]
    assert world.resume().outcome == "complete"
    (tries,) = world.tries("paint").values()
    assert [one.fallback for one in tries] == [None, None, "smaller"]
    assert words(world) == [
        "out of memory on card0: memory freed, fell back to smaller; complete on card0 with the fallback smaller"
    ]
    (picture,) = world.pictures().values()
    assert picture.startswith("(32, ")


def test_without_any_rung_left_the_item_fails(make):
    """No restart, no larger card, no fallback: set aside, with the reason."""
    world = make(cards=1, paintings=1)
    world.misbehave("paint", "oom", node="TimedRender", times=0)
    assert world.run().outcome == "failed"
    assert climbed(world) == [[("card0", "free"), ("card0", "exhausted")]]
    (item,) = world.items()
    assert "ran out of memory" in item.reasons[0]


def test_a_card_that_is_too_small_for_a_step_is_left_out_of_it(make):
    """After two items had to leave it, the others go to the larger card without losing minutes on it."""
    world = make(vram_gb=(24, 48), paintings=6, queue_depth=1)
    world.misbehave("paint", "oom", node="TimedRender", times=0)
    assert world.run().outcome == "complete"
    assert [line["instance"] for line in world.logged("instance.too_small")] == ["card0"]
    assert len(climbed(world)) < 6
    assert world.logged("instance.set_aside") == []


def test_a_broken_context_restarts_its_instance_at_once(tmp_path):
    """The prompt behind it fails as well: neither is the item's fault, and one restart cures both."""
    with nothing_left_behind(tmp_path):
        world = World(tmp_path, replace(PAINT, seconds=0.3), own=1, paintings=3)
        world.misbehave("paint", "poison", node="TimedRender")
        assert world.run().outcome == "complete"
    tries = [one for of_item in world.tries("paint").values() for one in of_item]
    assert "CudaPoisoned" in {one.error_class for one in tries}
    assert not any(one.counted for one in tries if one.outcome == "failed")
    assert len(world.logged("instance.restarted")) == 1


def test_a_broken_context_without_a_restart_costs_the_card_and_nothing_else(make):
    """Every later prompt would fail there; the other card makes all of them."""
    world = make(paintings=4)
    world.misbehave("paint", "poison", node="TimedRender")
    assert world.run().outcome == "complete"
    (line,) = world.logged("instance.set_aside")
    assert line["instance"] == "card0"
    assert "CudaPoisoned" in line["reason"]
    assert not any(one.counted for of_item in world.tries("paint").values() for one in of_item if one.error_class)


def test_silence_is_measured_by_what_earlier_prompts_took(make):
    """The manifest would wait for ten seconds; four prompts have shown that this phase takes a fraction of one."""
    world = make(cards=1, paintings=ENOUGH + 2, queue_depth=1)
    world.workflow(timing={"expected_s": 1, "idle_timeout_s": 10, "total_timeout_s": 60})
    hang = {"kind": "hang", "node": "TimedRender"}
    world.watching.on_run = lambda task: len(world.watching.started) == ENOUGH + 2 and world.ask(**hang)
    assert world.run().outcome == "complete"
    (hung,) = [one for of_item in world.tries("paint").values() for one in of_item if one.error_class == "Hung"]
    assert hung.error_message is not None
    assert "in its phase `sample`, where 2 s are the limit" in hung.error_message
    assert hung.rung == "interrupt"
    assert [line["instance"] for line in world.logged("instance.interrupted")] == ["card0"]
    assert world.logged("instance.set_aside") == []


@pytest.mark.parametrize(("code", "error"), [(500, "ServerFault"), (503, "GatewayDown")])
def test_a_server_error_is_waited_for(make, code, error):
    """5xx: the instance is asked until it answers, and the prompt is sent again, with the same seed."""
    world = make(cards=1, paintings=1)
    world.misbehave("paint", "status", route="/prompt", code=code)
    assert world.run().outcome == "complete"
    (tries,) = world.tries("paint").values()
    assert [(one.error_class, one.rung) for one in tries] == [(error, "wait"), (None, None)]
    assert len({one.seed for one in tries}) == 1


def test_a_sick_card_does_not_eat_the_night(make):
    """It fails in no time what the healthy one needs time for; every item comes through there, and no step stops."""
    world = make(paintings=6, retry={"attempts": 3})
    world.misbehave("paint", "error", node="TimedRender", times=0)
    result = world.run()
    assert (result.outcome, dict(result.stopped_steps)) == ("complete", {})
    suspected = [(line["instance"], line["blame"]) for line in world.logged("instance.suspected")]
    assert suspected[0] == ("card0", "RESTART_CARD")
    assert {one[-1].instance for one in world.tries("paint").values()} == {"card1"}
    assert all(len(of_item) <= 3 for of_item in world.tries("paint").values())


def test_the_only_card_is_never_set_aside_on_suspicion(make):
    """The breaker stops the step instead, and says why; the card is there for the next one."""
    world = make(cards=1, paintings=5)
    world.misbehave("paint", "error", node="TimedRender", times=0)
    result = world.run()
    assert list(result.stopped_steps) == ["paint"]
    assert world.logged("instance.set_aside") == []


def test_an_item_that_fails_where_others_come_through_fails_early(make):
    """Two tries on two cards instead of three: its own picture is the trouble."""
    world = make(paintings=6)
    step = world.step("paint")
    collect = step.collect  # type: ignore[attr-defined]

    def refuse_the_last(context: Context, outputs: Any) -> Any:
        if context.subject.item_id == world.items()[-1].item_id:
            raise ProgramFailed("its face cannot be found")
        return collect(context, outputs)

    step.collect = refuse_the_last  # type: ignore[attr-defined]
    assert world.run().outcome == "failed"
    (tries,) = [of_item for of_item in world.tries("paint").values() if of_item[-1].outcome == "failed"]
    assert [one.rung for one in tries] == ["again", "suspected"]
    assert {one.instance for one in tries} == {"card0", "card1"}
    assert words(world)[0].endswith("others come through on both cards, so it fails without more tries")
    assert len(world.logged("item.suspected")) == 1
