"""What a night does about items, languages and files that go wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from benchmarks.rig import GRAPH
from steps.base import Context
from steps.errors import BadOutput, InvalidInput, ProgramFailed
from tests.faults.night_world import CUT, LOOK, PAINT, SPEAK, World, calm_down, nothing_left_behind
from tests.integration.comfyui_embedded import embedded

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(scope="module")
def card(tmp_path_factory):
    with embedded(tmp_path_factory.mktemp("card")) as server:
        yield server


@pytest.fixture
def make(card, tmp_path):
    """Make a world on the shared card, and check that a test leaves nothing behind."""
    with nothing_left_behind(tmp_path):
        yield lambda *timings, others=(), **options: World(tmp_path, *timings, cards=[card, *others], **options)
        calm_down([card])


Fault = Callable[..., None]


def asking(kind: str, **facts: Any) -> Fault:
    """Return a function that has a world's card show a fault when the step `paint` begins."""
    return lambda world, **more: world.misbehave("paint", kind, **{**facts, **more})


@pytest.fixture
def boom() -> Fault:
    """A node raises."""
    return asking("error", node="TimedRender")


@pytest.fixture
def out_of_memory() -> Fault:
    """The card has no memory left for one prompt."""
    return asking("oom", node="TimedRender")


@pytest.fixture
def truncated_file() -> Fault:
    """A saved file has half of its bytes."""
    return asking("truncate_file")


@pytest.fixture
def missing_file() -> Fault:
    """A saved file is gone, though the history lists it."""
    return asking("missing_file")


@pytest.fixture
def forgotten_queue() -> Fault:
    """Queue and history are empty all of a sudden, when the first prompt is nearly over."""
    return asking("forget_queue", node="SaveImage")


def failing(error: Exception, **where: str) -> Callable[[Context], None]:
    """Return what a local step does that cannot work on one painting, or in one language."""

    def act(context: Context) -> None:
        found = {"title": context.subject.title, "variant": context.variant}
        if where.items() <= found.items():
            raise error

    return act


def test_three_tries_and_the_item_fails_alone(make):
    """Two retries, then FAILED; the others end COMPLETE, and the item says why."""
    world = make(LOOK, PAINT, CUT, paintings=3)
    world.spoil("cut", failing(ProgramFailed("ffmpeg exited with 1"), title="Painting 1"))
    assert world.run().outcome == "failed"
    assert world.states() == {"Painting 0": "COMPLETE", "Painting 1": "FAILED", "Painting 2": "COMPLETE"}
    assert sorted(world.outcomes("cut", "fr")) == [["ProgramFailed"] * 3, ["complete"], ["complete"]]
    assert [item.reasons for item in world.items() if item.reasons] == [("cut (fr): ffmpeg exited with 1",)]
    world.check_tidy()


def test_a_language_that_fails_does_not_hold_the_other_back(make):
    """French cannot be spoken; English is finished all the same, and the item says what failed."""
    world = make(LOOK, SPEAK, CUT, paintings=1, languages=("fr", "en"))
    world.spoil("cut", failing(ProgramFailed("no voice for fr"), variant="fr"))
    assert world.run().outcome == "failed"
    (item,) = world.items()
    assert {key: str(state) for key, state in world.run_states(item.item_id).items()} == {
        ("look", ""): "COMPLETE",
        ("speak", "fr"): "COMPLETE",
        ("speak", "en"): "COMPLETE",
        ("cut", "fr"): "FAILED",
        ("cut", "en"): "COMPLETE",
    }
    assert item.reasons == ("cut (fr): no voice for fr",)


def test_every_try_is_kept(make, boom):
    """Where, under which prompt id, with which seed, when, and why not: the report and the owner need all of it."""
    world = make(PAINT, paintings=1)
    boom(world, times=1)
    assert world.run().outcome == "complete"
    first, second = world.tries("paint")[1]
    assert (first.instance, first.outcome, first.error_class, first.remedy) == (
        "card0",
        "failed",
        "ExecutionFailed",
        "RETRY",
    )
    assert first.error_message is not None
    assert "TIME" in first.error_message
    assert "boom" in first.error_message
    assert first.prompt_id != second.prompt_id
    assert (first.number, second.number) == (1, 2)
    for one in (first, second):
        assert one.queued_at is not None
        assert one.started_at is not None
        assert one.finished_at is not None
        assert one.claimed_at <= one.queued_at <= one.finished_at


def test_a_failed_node_is_tried_again_with_the_same_seed(make, boom):
    """Nothing says that the seed was at fault; a repeated prompt can be compared with the first."""
    world = make(PAINT, paintings=1)
    boom(world, times=1)
    world.run()
    assert len({one.seed for one in world.tries("paint")[1]}) == 1


def test_an_output_that_cannot_be_decoded_is_made_again_with_another_seed(make, truncated_file):
    """Half of a picture is no picture: nothing of it reaches the store."""
    world = make(PAINT, paintings=1)
    truncated_file(world)
    assert world.run().outcome == "complete"
    first, second = world.tries("paint")[1]
    assert (first.error_class, second.outcome) == ("Undecodable", "complete")
    assert first.seed != second.seed
    world.check_tidy()


def test_a_missing_file_is_saved_again_and_then_made_with_another_seed(make, missing_file):
    """The picture may be right and only its file gone: a new name has it saved again, out of the cache at best."""
    world = make(PAINT, paintings=1)
    missing_file(world, times=2)
    assert world.run().outcome == "complete"
    first, second, third = world.tries("paint")[1]
    assert [first.error_class, second.error_class, third.outcome] == ["FileGone", "FileGone", "complete"]
    assert [first.rung, second.rung, third.rung] == ["refresh", "new_seed", None]
    assert first.seed == second.seed != third.seed


def test_wrong_media_is_made_again_with_another_seed(make):
    """A picture of the wrong size decodes perfectly, and is still not what the workflow promises."""
    world = make(PAINT, paintings=1)
    output = {"node": "OUT_IMAGE", "key": "images", "media": "image", "width": 4096}
    world.workflow(outputs={"image": output})
    assert world.run().outcome == "failed"
    tries = world.tries("paint")[1]
    assert [one.error_class for one in tries] == ["WrongMedia"] * 3
    assert len({one.seed for one in tries}) == 3
    world.check_tidy()


def test_bad_output_of_a_local_step_is_made_again_with_another_seed(make):
    """The same rule for work on the CPU."""
    world = make(LOOK, paintings=1)
    seeds: list[int] = []

    def silent_at_first(context: Context) -> None:
        seeds.append(context.seed)
        if len(seeds) < 3:
            raise BadOutput("it is silent")

    world.spoil("look", silent_at_first)
    assert world.run().outcome == "complete"
    assert len(set(seeds)) == 3


def test_a_lost_prompt_keeps_its_seed_and_costs_no_try(make, forgotten_queue):
    """The instance forgot it; the video must be the one of an undisturbed night."""
    world = make(PAINT, paintings=2)
    forgotten_queue(world)
    assert world.run().outcome == "complete"
    tries = [one for of_item in world.tries("paint").values() for one in of_item]
    lost = [one for one in tries if one.error_class == "PromptLost"]
    assert lost
    assert not any(one.counted for one in lost)
    assert all(len({one.seed for one in of_item}) == 1 for of_item in world.tries("paint").values())


def test_out_of_memory_frees_the_card_and_tries_again(make, out_of_memory, card):
    """`/free` is asked for before the second try."""
    world = make(PAINT, paintings=1)
    out_of_memory(world)
    assert world.run().outcome == "complete"
    assert world.outcomes("paint") == [["OutOfMemory", "complete"]]
    assert [line["instance"] for line in world.logged("instance.freed")] == ["card0"]


def test_an_input_that_cannot_be_used_is_not_tried_again(make):
    """No try will change it: the item fails at once."""
    world = make(LOOK, paintings=2)
    world.spoil("look", failing(InvalidInput("no face is large enough"), title="Painting 0"))
    assert world.run().outcome == "failed"
    assert sorted(world.outcomes("look")) == [["InvalidInput"], ["complete"]]


def test_a_defect_of_a_step_costs_its_item_and_no_more(make):
    """A KeyError in somebody's step is no reason to end the night; its traceback is in the log."""
    world = make(LOOK, CUT, paintings=2)
    world.spoil("look", failing(KeyError("face"), title="Painting 1"))
    assert world.run().outcome == "failed"
    assert world.states() == {"Painting 0": "COMPLETE", "Painting 1": "FAILED"}
    assert "KeyError" in world.logged("defect")[0]["exception"]


def test_the_breaker_stops_a_step_that_fails_for_all(make, boom):
    """Three items, one reason: the step stops after three tries instead of nine, and its runs wait for the cure."""
    world = make(LOOK, PAINT, CUT, paintings=4)
    boom(world, times=0)
    result = world.run()
    assert result.outcome == "stopped"
    assert list(result.stopped_steps) == ["paint"]
    assert "boom" in result.stopped_steps["paint"]
    assert world.states() == {f"Painting {number}": "PENDING" for number in range(4)}
    assert len([one for of_item in world.tries("paint").values() for one in of_item]) <= 5  # two were under way
    calm_down(world.cards)
    assert world.resume().outcome == "complete"
    world.check_tidy()


def test_one_reason_from_two_instances_is_one_reason(make, boom, tmp_path_factory):
    """Messages begin with the name of the instance; that must not hide that all of them fail alike."""
    with embedded(tmp_path_factory.mktemp("other")) as other:
        world = make(PAINT, paintings=8, others=[other], names=["left", "right"])
        boom(world, times=0)
        boom(world, times=0, card=1)
        assert world.run().outcome == "stopped"
        assert len([one for of_item in world.tries("paint").values() for one in of_item]) < 9


def test_lost_prompts_do_not_stop_a_step(make, forgotten_queue):
    """Three items lost by an instance that restarts say nothing about the fourth."""
    world = make(replace(PAINT, seconds=0.3), paintings=4, queue_depth=3)
    forgotten_queue(world)
    result = world.run()
    assert (result.outcome, dict(result.stopped_steps)) == ("complete", {})
    assert sum(of_item.count("PromptLost") for of_item in world.outcomes("paint")) >= 3


REFUSED = {
    "a node class that is not installed": (
        {"size": {**GRAPH["size"], "class_type": "NoSuchNode"}},
        r"MissingNodeClass: card0: .*`SIZE` .*NoSuchNode is not installed",
    ),
    "a choice that is not there": (
        {"size": {**GRAPH["size"], "inputs": {**GRAPH["size"]["inputs"], "upscale_method": "by hand"}}},
        r"Refused: card0: .*`SIZE` .*`upscale_method` is 'by hand'.* bilinear",
    ),
}


@pytest.mark.parametrize("why", REFUSED)
def test_a_refused_graph_stops_its_step_until_it_is_mended(make, why):
    """Every item would be refused: nobody's tries are spent, the reason names node and field."""
    graph, reason = REFUSED[why]
    world = make(LOOK, PAINT, CUT, paintings=4)
    world.workflow(graph=graph)
    result = world.run()
    assert result.outcome == "stopped"
    assert list(result.stopped_steps) == ["paint"]
    assert re.search(reason, result.stopped_steps["paint"])
    assert any(re.search(reason, note) for note in world.watching.notes)
    assert {str(world.run_states(item.item_id)[("paint", "")]) for item in world.items()} == {"PENDING"}
    assert not any(one.counted for of_item in world.tries("paint").values() for one in of_item)
    assert len(world.tries("paint")) <= 2  # one for each prompt that the instance may have
    world.workflow()
    assert world.resume().outcome == "complete"
    assert all(len(of_item) <= 2 for of_item in world.tries("paint").values())
    world.check_tidy()
