"""Nightreel, its card, or both die at each point of submit, run, save and download: nothing is made twice.

Nightreel's death is played in this process, as in `test_night_crashes.py`; the card is a process that is really killed
and started again. What it executed is counted by the files that it saved, since those survive it.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import requests

from orchestrator import instances
from orchestrator.comfyui.pace import STEADY
from orchestrator.verdicts import abort_item
from orchestrator.withdrawing import withdraw_prompts
from tests.faults.night_world import (
    LOOK,
    SPEAK,
    Dead,
    Dying,
    World,
    calm_down,
    executed,
    let_die,
    nothing_left_behind,
    store_of,
)
from tests.integration.comfyui_embedded import Embedded, embedded

pytestmark = pytest.mark.timeout(60)
STEPS = (LOOK, replace(SPEAK, seconds=0.25))
LANGUAGES = ("fr", "en")  # two prompts: one runs while the other one waits behind it
SEED = 11
NEVER = 10**6
ENDS = {"attempt.reattached", "attempt.collected", "attempt.salvaged", "attempt.lost"}


@dataclass
class Scene:
    """A night of two prompts, the card it runs on, and the ways to end either."""

    world: World
    card: Embedded
    death: Callable[[], Dying]
    dying: Dying | None = None

    @property
    def is_dead(self) -> bool:
        """Tell whether Nightreel's process is gone."""
        return self.dying is not None and self.dying.is_dead

    def die_at(self, write: str, *, after: bool = False) -> None:
        """Run the night until its process is gone, in its step on the card: before or after a write."""
        self.dying = dying = self.death()
        dying.after = after
        self.world.watching.on_step["speak"] = [lambda: dying.die_at(write)]
        with pytest.raises(Dead):
            self.world.run()

    @contextlib.contextmanager
    def beside(self, act: Callable[[], None]) -> Iterator[None]:
        """Do something in another thread."""
        with ThreadPoolExecutor(1) as pool:
            done = pool.submit(act)
            yield
            done.result(20)

    def until(self, condition: Callable[[], bool]) -> None:
        """Block until something is so."""
        deadline = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < deadline, "what the test waits for did not happen"
            time.sleep(0.01)

    def has_asked(self, route: str) -> bool:
        """Tell whether a fault has struck at a route."""
        faults = requests.get(f"{self.card.url}/nightreel/faults", timeout=5).json()["faults"]
        return any(one["struck"] for one in faults if one["route"] == route)

    def saved(self) -> list[Path]:
        """Return the files that the card has saved for prompts of ours: one for each execution."""
        return sorted((self.card.folder / "output" / "nightreel").glob("*.png"))

    def told(self) -> set[str]:
        """Return what the history says became of prompts; the log must say the same."""
        found = {event.name for event in self.world.store.events()} & ENDS
        assert found == {name for name in ENDS if self.world.logged(name)}
        return found


@pytest.fixture(scope="module")
def card(tmp_path_factory):
    with embedded(tmp_path_factory.mktemp("card")) as server:
        yield server


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, card):
    """A home with one painting, before its first night, and what an undisturbed night makes of it."""
    folder = tmp_path_factory.mktemp("prepared")
    World(folder / "fresh", *STEPS, cards=[card], paintings=1, languages=LANGUAGES)
    shutil.copytree(folder / "fresh", folder / "undisturbed")
    undisturbed = World(folder / "undisturbed", *STEPS, cards=[card], paintings=1, languages=LANGUAGES)
    undisturbed.seed = SEED
    assert undisturbed.run().outcome == "complete"
    return folder / "fresh", undisturbed.pictures()


@pytest.fixture
def scene(tmp_path, card, prepared, monkeypatch) -> Iterator[Scene]:
    shutil.copytree(prepared[0], tmp_path / "world")
    calm_down([card])
    requests.post(f"{card.url}/free", json={"free_memory": True}, timeout=5)  # nothing is answered from the cache
    shutil.rmtree(card.folder / "output" / "nightreel", ignore_errors=True)
    world = World(tmp_path / "world", *STEPS, cards=[card], paintings=1, languages=LANGUAGES)
    world.seed = SEED

    def death() -> Dying:
        dying = Dying(NEVER)
        let_die(dying, monkeypatch)
        return dying

    with nothing_left_behind(tmp_path):
        yield Scene(world, card, death)
        calm_down([card])


# -- the points: what dies, and when ----------------------------------------------------------------------------------


def before_the_prompt_is_sent(scene: Scene) -> None:
    """Claimed and stored; the card never heard of it."""
    scene.die_at("claim", after=True)


def after_the_answer_was_lost(scene: Scene) -> None:
    """The card took the prompt, we never heard so, and died before we could write it down."""
    scene.card.misbehave("post_lost", times=0)
    scene.die_at("note_sent")
    scene.card.behave()


def while_one_runs_and_one_waits(scene: Scene) -> None:
    scene.die_at("note_started")


def when_it_is_saved_and_not_in_the_history(scene: Scene) -> None:
    scene.card.misbehave("slow_history", seconds=0.8, times=0)
    scene.die_at("note_started")
    scene.until(lambda: len(scene.saved()) >= 1)


def when_all_is_done(scene: Scene) -> None:
    scene.die_at("note_started")
    scene.until(lambda: len(scene.saved()) == 2)
    scene.until(lambda: len(executed(scene.card)) == 2)


def while_it_is_downloaded(scene: Scene) -> None:
    """What lies in the work folder is half a file; it is not gone on with."""
    after_the_download(scene)
    for attempt in scene.world.store.in_flight():
        folder = scene.world.home.work_of(attempt.attempt_id) / "downloads"
        folder.mkdir(parents=True)
        (folder / ".image.png.part").write_bytes(scene.saved()[0].read_bytes()[:100])


def after_the_download(scene: Scene) -> None:
    scene.die_at("complete")


def with_the_card_while_it_runs(scene: Scene) -> None:
    """The prompts hang until then, so that none of them is done."""
    scene.card.misbehave("hang", node="TimedRender")

    def restart() -> None:
        scene.until(lambda: scene.is_dead)
        scene.card.again()

    with scene.beside(restart):
        scene.die_at("note_started")


def with_the_card_after_it_saved(scene: Scene) -> None:
    scene.die_at("note_started")
    scene.until(lambda: len(scene.saved()) == 2)
    scene.card.again()


def with_the_card_in_the_middle_of_a_file(scene: Scene) -> None:
    """The file has its final name and half of its bytes."""
    with_the_card_after_it_saved(scene)
    half = scene.saved()[0]
    half.write_bytes(half.read_bytes()[: half.stat().st_size // 2])


POINTS: dict[Callable[[Scene], None], tuple[set[str], int]] = {
    before_the_prompt_is_sent: ({"attempt.lost"}, 2),
    after_the_answer_was_lost: ({"attempt.reattached"}, 2),
    while_one_runs_and_one_waits: ({"attempt.reattached"}, 2),
    when_it_is_saved_and_not_in_the_history: ({"attempt.reattached"}, 2),
    when_all_is_done: ({"attempt.collected"}, 2),
    while_it_is_downloaded: ({"attempt.collected"}, 2),
    after_the_download: ({"attempt.collected"}, 2),
    with_the_card_while_it_runs: ({"attempt.lost"}, 2),
    with_the_card_after_it_saved: ({"attempt.salvaged"}, 2),
    with_the_card_in_the_middle_of_a_file: ({"attempt.salvaged", "attempt.lost"}, 3),
}
"""Point -> what must be told of prompts, and how many executions two prompts cost."""


@pytest.mark.parametrize("dies", POINTS, ids=lambda point: point.__name__)
def test_what_was_made_before_a_death_is_not_made_again(scene, prepared, dies):
    """One execution a prompt, the same pictures, and the history says for each prompt which way it went."""
    told, executions = POINTS[dies]
    dies(scene)
    assert scene.world.resume().outcome == "complete"
    assert scene.world.pictures() == prepared[1]
    assert len(scene.saved()) == executions
    assert told <= scene.told()
    assert ("attempt.lost" in scene.told()) == ("attempt.lost" in told)
    scene.world.check_tidy()


# -- the card dies, and Nightreel does not ----------------------------------------------------------------------------


@pytest.fixture
def impatient(monkeypatch):
    """A card that is away for half a second counts as down, as one that is away for ten does otherwise."""
    monkeypatch.setattr(instances, "LISTED_PACE", replace(STEADY, down_after_s=0.5))


def test_a_card_that_dies_after_saving_has_done_its_work(scene, prepared):
    """Its history is gone; the files are not."""
    scene.card.misbehave("slow_history", seconds=20, times=0)

    def restart() -> None:
        scene.until(lambda: len(scene.saved()) >= 1)
        scene.card.again()

    with scene.beside(restart):
        assert scene.world.run().outcome == "complete"
    assert scene.world.pictures() == prepared[1]
    assert len(scene.saved()) == 2
    assert "attempt.salvaged" in scene.told()
    scene.world.check_tidy()


def test_a_card_that_dies_in_a_download_is_asked_for_the_file_again(scene, prepared, impatient):
    """The prompt had ended, and its try with the connection: the next try finds the file."""
    scene.card.misbehave("answer_late", route="/view", seconds=20, times=0)

    def restart() -> None:
        scene.until(lambda: len(scene.saved()) == 2)
        scene.until(lambda: scene.has_asked("/view"))
        scene.card.again()

    with scene.beside(restart):
        assert scene.world.run().outcome == "complete"
    assert scene.world.pictures() == prepared[1]
    assert len(scene.saved()) == 2
    assert "attempt.salvaged" in scene.told()
    scene.world.check_tidy()


def test_a_card_that_was_out_of_reach_has_not_stopped_working(scene, prepared, impatient):
    """The try was ended for want of an answer; its prompt was not, and the next try has what came of it."""

    def hide() -> None:
        scene.until(lambda: len([one for one in scene.world.store.in_flight() if one.queued_at]) == 2)
        scene.card.misbehave("status", times=0)
        scene.until(lambda: any(one.error_class for one in scene.world.store.attempts(1)))
        scene.card.behave()

    with scene.beside(hide):
        assert scene.world.run().outcome == "complete"
    assert scene.world.pictures() == prepared[1]
    assert len(scene.saved()) == 2
    assert scene.told() & {"attempt.collected", "attempt.reattached"}
    scene.world.check_tidy()


# -- nobody wants it any more -----------------------------------------------------------------------------------------


def test_the_prompts_of_an_aborted_item_are_taken_off_the_card(scene):
    """One runs, one waits; by another process, while the night waits for both. Nobody is blamed for it."""
    scene.card.misbehave("hang", node="TimedRender")
    other = store_of(scene.world)
    problems: list[str] = []

    def abort() -> None:
        scene.until(lambda: len([one for one in other.in_flight() if one.queued_at]) == 2)
        scene.until(lambda: any(one.started_at for one in other.in_flight()))
        live = abort_item(other, 1, reason="the wrong painting")
        problems.extend(withdraw_prompts(live, scene.world.settings, scene.world.home))

    with scene.beside(abort):
        assert scene.world.run().outcome == "complete"
    assert problems == []
    assert scene.world.states() == {"Painting 0": "ABORTED"}
    assert scene.saved() == []
    assert [one.outcome for one in scene.world.store.attempts(1) if one.step == "speak"] == ["aborted"] * 2
    assert scene.world.logged("run.retry_scheduled") == []
    scene.world.check_tidy()


def test_a_prompt_on_a_card_that_is_gone_cannot_be_withdrawn(scene):
    """It is said, with the reason; the item is aborted all the same."""
    scene.die_at("note_started")
    live = abort_item(store_of(scene.world), 1, reason="the wrong painting")
    scene.card.kill()
    try:
        problems = withdraw_prompts(live, scene.world.settings, scene.world.home)
    finally:
        scene.card.start()
    assert len(problems) == len(live) == 2
    assert all(problem.startswith("card0: ") and "connection refused" in problem for problem in problems)
