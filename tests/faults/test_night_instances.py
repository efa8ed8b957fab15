"""What a night does about instances that hang, die, are down, and stay so."""

from __future__ import annotations

import errno
import json
import os
import select
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from orchestrator import fleet, instances
from orchestrator.errors import NotReadyError
from orchestrator.night import NightRequest, run_night
from orchestrator.observer import Quiet, StepOverview
from steps.base import Context
from steps.errors import ServiceUnavailable
from tests.faults.night_world import CUT, LOOK, PAINT, SPEAK, World, calm_down, executed, nothing_left_behind
from tests.integration.comfyui_embedded import Embedded, embedded

pytestmark = pytest.mark.timeout(60)
LONG = replace(PAINT, seconds=0.4)
QUICKLY = {"expected_s": 1, "idle_timeout_s": 1.0, "total_timeout_s": 20}


@pytest.fixture(scope="module")
def card(tmp_path_factory) -> Iterator[Embedded]:
    """A card that never fails for good."""
    with embedded(tmp_path_factory.mktemp("card")) as server:
        yield server


@pytest.fixture
def bad(tmp_path_factory) -> Iterator[Embedded]:
    """A card that a test may kill."""
    with embedded(tmp_path_factory.mktemp("bad")) as server:
        yield server


@pytest.fixture(autouse=True)
def nothing_stays(tmp_path, card):
    with nothing_left_behind(tmp_path):
        yield
        calm_down([card])


@pytest.fixture
def impatient(monkeypatch) -> None:
    """Instances that were listed count as gone almost as soon as our own."""
    monkeypatch.setattr(instances, "LISTED_PACE", replace(instances.LISTED_PACE, down_after_s=0.5))
    monkeypatch.setattr(fleet, "INTERRUPT_S", 0.5)


def test_a_hanging_prompt_restarts_its_instance_and_is_tried_again(tmp_path, impatient):
    """No event for a second: Hung, counted. The prompt behind it is lost with the restart, and that is not counted."""
    world = World(tmp_path, LONG, own=1, paintings=2)
    world.workflow(timing=QUICKLY)
    world.misbehave("paint", "hang", node="TimedRender", how="deaf")
    assert world.run().outcome == "complete"
    tries = [one for of_item in world.tries("paint").values() for one in of_item]
    failed = {one.error_class: one.counted for one in tries if one.outcome == "failed"}
    assert failed.pop("Hung") is True
    assert set(failed.values()) == {False}
    assert len(failed) == 1, "the other slot's prompt was not lost: nothing was tested"
    assert len(world.logged("instance.restarted")) == 1
    world.check_tidy()


def test_a_hang_is_interrupted_where_there_is_no_restart(tmp_path, card, impatient):
    """A single card without `restart` must not cost the rest of the night for one prompt."""
    world = World(tmp_path, LONG, cards=[card], paintings=2)
    world.workflow(timing=QUICKLY)
    world.misbehave("paint", "hang", node="TimedRender")
    assert world.run().outcome == "complete"
    assert sorted(world.outcomes("paint")) == [["Hung", "complete"], ["complete"]]
    assert world.logged("instance.set_aside") == []


def test_an_instance_that_hears_nothing_is_set_aside_with_all_its_prompts(tmp_path, card, bad, impatient):
    """Its other prompt would wait behind the hanging one for ever; the other card makes both."""
    world = World(tmp_path, LONG, cards=[bad, card], paintings=4)
    world.workflow(timing=QUICKLY)
    world.misbehave("paint", "hang", node="TimedRender", how="deaf")
    assert world.run().outcome == "complete"
    (line,) = world.logged("instance.set_aside")
    assert line["instance"] == "card0"
    assert "did not hear the interrupt" in line["reason"]
    assert {one[-1] for one in world.outcomes("paint")} == {"complete"}
    assert len(executed(card)) == 4
    world.check_tidy()


def test_an_instance_that_dies_is_restarted_and_its_prompts_run_again(tmp_path):
    """SIGKILL in the middle of a prompt: not the item's fault, so neither prompt counts."""
    world = World(tmp_path, LONG, CUT, own=1, paintings=2)
    world.misbehave("paint", "die", node="SaveImage")
    assert world.run().outcome == "complete"
    tries = [one for of_item in world.tries("paint").values() for one in of_item]
    failed = [one for one in tries if one.outcome == "failed"]
    assert len(failed) == 2
    assert not any(one.counted for one in failed)
    assert all(len({one.seed for one in of_item}) == 1 for of_item in world.tries("paint").values())
    assert len(world.logged("instance.restarted")) == 1
    world.check_tidy()


def test_an_instance_that_stays_dead_is_set_aside_and_the_other_finishes(tmp_path, card, bad, impatient):
    """After `max_restarts` failures in a row it is left alone; nobody waits for it in the next step either."""
    world = World(
        tmp_path,
        LONG,
        SPEAK,
        cards=[bad, card],
        paintings=3,
        restart_command="false",
        max_restarts=2,
        ready_timeout_s=0.3,
    )
    world.misbehave("paint", "die", node="TimedRender")
    assert world.run().outcome == "complete"
    assert [line["instance"] for line in world.logged("instance.set_aside")] == ["card0"]
    failed_restarts = [line for line in world.logged("instance.down") if "`false`" in line["message"]]
    assert len(failed_restarts) == 3
    assert {one.instance for one in world.store.attempts(1) if one.step == "speak"} == {"card1"}
    world.check_tidy()


def test_without_any_instance_the_step_stops_and_nothing_is_stuck(tmp_path, bad, impatient):
    """The night says which instance is gone and why, goes on where no card is needed, and is resumed later."""
    speak = replace(SPEAK, seconds=0.4)
    world = World(tmp_path, speak, CUT, PAINT, cards=[bad], paintings=3, restart_command="false", ready_timeout_s=0.3)
    world.misbehave("speak", "die", node="SaveImage", after=1)
    result = world.run()
    assert result.outcome == "stopped"
    assert set(result.stopped_steps) == {"speak", "paint"}
    for reason in result.stopped_steps.values():
        assert reason.startswith("no instance is left: card0: ")
    assert set(world.states().values()) == {"PENDING"}
    assert world.outcomes("cut", "fr") == [["complete"]]
    world.check_tidy()
    bad.again()
    assert world.resume().outcome == "complete"
    world.check_tidy()


def test_an_instance_that_is_down_is_left_out_from_the_start(tmp_path, card, bad, impatient):
    """The card that answers makes the night."""
    bad.kill()
    world = World(tmp_path, PAINT, cards=[bad, card], paintings=2)
    assert world.run().outcome == "complete"
    assert {one.instance for one in world.store.attempts(1)} == {"card1"}
    assert any("card0" in line["message"] for line in world.logged("instance.down"))
    bad.start()


def test_without_any_instance_no_night_begins(tmp_path, bad):
    """Nothing is drawn, and the message says what was found at each address."""
    bad.kill()
    world = World(tmp_path, PAINT, cards=[bad], paintings=1)
    with pytest.raises(NotReadyError, match=rf"(?s)no ComfyUI instance can be used:.*card0: .*{bad.url}"):
        world.run()
    assert world.store.latest_batch() is None
    assert world.store.unused_count("portraits") == 1
    bad.start()


STARTER = """
import pathlib, subprocess, sys
url, folder = sys.argv[1], pathlib.Path(sys.argv[2])
command = [sys.executable, "-m", "orchestrator.embedded", "--port", url.rpartition(":")[2], "--directory", str(folder)]
process = subprocess.Popen([*command, "--idle-exit-s", "20"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
process.stdout.readline()
(folder / "pid").write_text(str(process.pid))
"""


def test_an_instance_that_is_down_is_started_by_its_restart(tmp_path, bad, tmp_path_factory):
    """The timer fires, and ComfyUI is not up: the command that restarts it starts it too."""
    bad.kill()
    folder: Path = tmp_path_factory.mktemp("started")
    (folder / "start.py").write_text(STARTER)
    command = f"{sys.executable} {folder / 'start.py'} {bad.url} {folder}"
    world = World(tmp_path, PAINT, cards=[bad], paintings=1, restart_command=command)
    try:
        assert world.run().outcome == "complete"
    finally:
        os.kill(int((folder / "pid").read_text()), signal.SIGKILL)
    assert [line["instance"] for line in world.logged("instance.restarted")] == ["card0"]
    bad.start()


def test_instances_are_restarted_between_steps_and_not_before_the_first(tmp_path):
    """The cure for memory that creeps; all at once, and never while nothing is going to run."""
    world = World(tmp_path, PAINT, CUT, SPEAK, own=2, paintings=2, restart="between_steps")
    before: list[int] = []
    world.watching.on_step["paint"] = [lambda: before.extend([world.pid(0), world.pid(1)])]
    after: list[int] = []
    world.watching.on_step["speak"] = [lambda: after.extend([world.pid(0), world.pid(1)])]
    assert world.run().outcome == "complete"
    assert len(world.logged("instance.restarted")) == 2
    assert set(before).isdisjoint(after)
    world.check_tidy()


FAULTS = {
    "dropped socket": ("drop_socket", {"node": "TimedRender"}),
    "mute socket": ("mute_socket", {"node": "TimedRender"}),
    "late history": ("slow_history", {"seconds": 0.5}),
    "late answer": ("post_timeout", {"seconds": 0.5}),
    "lost answer, prompt accepted": ("post_lost", {}),
    "cut download": ("cut", {"route": "/view"}),
    "messages of custom nodes": ("chatter", {"node": "TimedRender"}),
    "stalled server": ("stall", {"node": "TimedRender", "seconds": 0.5}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_on_the_way_costs_neither_a_prompt_nor_a_try(tmp_path, card, fault):
    """Each is overcome where it happens: every prompt is executed once, and every item has one attempt."""
    kind, facts = FAULTS[fault]
    world = World(tmp_path, PAINT, cards=[card], paintings=2)
    world.misbehave("paint", kind, **facts)
    assert world.run().outcome == "complete"
    assert world.outcomes("paint") == [["complete"], ["complete"]]
    assert len(executed(card)) == 2
    world.check_tidy()


def test_a_language_model_of_our_own_that_dies_is_started_again(tmp_path, card):
    """Between two steps at once, within one before the next try: no item is lost to it."""
    world = World(tmp_path, LOOK, CUT, cards=[card], paintings=2, llm={}, workers=1)
    record = world.home.engines / "llm.json"

    def kill() -> None:
        pid = json.loads(record.read_bytes())["pid"]
        ended = os.pidfd_open(pid)  # its last thread, that is: until then its parent takes it for alive
        os.kill(pid, signal.SIGKILL)
        assert select.select([ended], [], [], 10)[0]
        os.close(ended)

    def ask(context: Context) -> None:
        if context.subject.title == "Painting 1" and not world.watching.notes:
            world.watching.notes.append("killed while it was asked")
            kill()
        try:
            requests.get(f"{context.options.llm.text.url}".removesuffix("/v1") + "/health", timeout=5)
        except requests.ConnectionError as error:
            raise ServiceUnavailable("the language model does not answer") from error

    world.spoil("look", ask)
    world.spoil("cut", ask)
    world.watching.on_step["cut"] = [kill]
    assert world.run().outcome == "complete"
    assert sorted(world.outcomes("look")) == [["ServiceUnavailable", "complete"], ["complete"]]
    assert world.outcomes("cut", "fr") == [["complete"], ["complete"]]
    assert [line["instance"] for line in world.logged("instance.restarted")] == ["embedded-llm"] * 2


@pytest.mark.parametrize("call", ["fsync", "mkdir"])
def test_an_engine_that_cannot_be_started_for_want_of_room_leaves_no_process(tmp_path, card, monkeypatch, call):
    """The disk is full before the first step: the reason is told, and nothing of ours runs on."""
    world = World(tmp_path, PAINT, own=1, paintings=1)
    original = getattr(os, call)

    def refuse(first: Any, *rest: Any, **options: Any) -> Any:
        path = os.readlink(f"/proc/self/fd/{first}") if call == "fsync" else str(first)
        if Path(path).is_relative_to(world.home.engines) and Path(path) != world.home.engines:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        return original(first, *rest, **options)

    monkeypatch.setattr(os, call, refuse)
    with pytest.raises(NotReadyError, match=r"preview0 cannot be started: .*No space left"):
        world.run()
    assert world.store.latest_batch() is None


def test_a_terminal_that_is_gone_does_not_end_the_night(tmp_path, card):
    """`nightreel run | head`, or a closed window: the night goes on without a word."""
    world = World(tmp_path, LOOK, PAINT, cards=[card], paintings=2)
    asked: list[str] = []

    class Gone(Quiet):
        def step_started(self, step: StepOverview) -> None:
            asked.append(step.name)
            raise SystemExit(1)  # what rich makes of a broken pipe

    request = NightRequest(paintings=2, seed=world.seed)
    assert run_night(world.settings, request, observer=Gone(), steps=world.steps).outcome == "complete"
    assert asked == ["look"]
    (defect,) = world.logged("defect")
    assert defect["where"] == "observer"
