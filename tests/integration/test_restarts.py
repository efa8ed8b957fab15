"""Planned restarts between steps: what is measured, what is left alone, and what must be back afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from comfyui_stage import Stage, json_answer, open_stage

from db.views import AttemptView
from orchestrator import restarts
from orchestrator.clock import SystemClock
from orchestrator.comfyui import readiness
from orchestrator.comfyui.errors import RestartFailed
from orchestrator.comfyui.session import InstanceSession
from orchestrator.comfyui.workflow import Workflow
from orchestrator.fleet import Fleet, Instance
from orchestrator.home import Home
from orchestrator.restarts import Restarts, seconds_of
from orchestrator.settings import ComfyUISettings, DriftSettings, RetrySettings, Settings
from steps.manifest import BUNDLED

CLOCK = SystemClock()
GIB = 1024**3
CLEAN = Workflow.load(BUNDLED / "clean_pic.yaml")
BEGAN = datetime(2026, 5, 1, 22, tzinfo=UTC)


@dataclass
class Card:
    """A server with a card, whose figures a test decides; a restart makes it another process."""

    stage: Stage
    boots: int = 0
    vram_free_gib: float = 22.0
    ram_free_gib: float = 60.0
    restart_frees: bool = True
    failures: list[str] = field(default_factory=list)  # what the next restarts fail with
    on_restart: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self.tell()
        self.classes({str(node["class_type"]) for node in CLEAN.graph.values()})

    def classes(self, names: set[str]) -> None:
        self.stage.routes["GET /object_info"] = json_answer({name: {} for name in names})

    def tell(self, **changes: float) -> None:
        for name, value in changes.items():
            setattr(self, name, value)
        device = {"name": "card", "type": "cuda", "index": 0, "vram_total": 24 * GIB}
        system = {"comfyui_version": "0.27.0", "boot_id": f"boot {self.boots}", "ram_total": 64 * GIB}
        system["ram_free"] = int(self.ram_free_gib * GIB)
        device["vram_free"] = int(self.vram_free_gib * GIB)
        self.stage.routes["GET /system_stats"] = json_answer({"system": system, "devices": [device]})

    def restart(self) -> None:
        if self.failures:
            raise RestartFailed(self.failures.pop(0))
        self.boots += 1
        if self.restart_frees:
            self.vram_free_gib, self.ram_free_gib = 22.0, 60.0
        self.tell()
        self.on_restart()


@pytest.fixture
def stage() -> Iterator[Stage]:
    with open_stage() as stage:
        yield stage


@pytest.fixture
def card(stage: Stage) -> Card:
    return Card(stage)


@pytest.fixture
def logged() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def night(tmp_path: Path, card: Card, logged: list[dict[str, Any]], monkeypatch) -> Iterator[Callable[..., Restarts]]:
    """Make the planned restarts of a night with one card."""
    monkeypatch.setattr(restarts, "SETTLE_S", 0.3)
    monkeypatch.setattr(restarts, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(readiness, "MEMORY_S", 0.2)
    monkeypatch.setattr(readiness, "LOADING_S", 0.1)
    monkeypatch.setattr(
        restarts, "committed_share", lambda: 0.5
    )  # of the machine that the tests run on, whatever it is
    monkeypatch.setattr(restarts, "process_behind", lambda url, argv: None)
    session = InstanceSession("card0", card.stage.url, clock=CLOCK, client_id="ours")

    def note(_: Any, level: str, event: dict[str, Any]) -> dict[str, Any]:
        logged.append(event)
        raise structlog.DropEvent

    log = structlog.wrap_logger(structlog.PrintLogger(), processors=[note])

    def make(
        mode: str = "drift", *, attempts: tuple[AttemptView, ...] = (), usual: float = 0, **drift: float
    ) -> Restarts:
        comfyui = ComfyUISettings(restart=mode, drift=DriftSettings(**drift), ready_timeout_s=2, max_restarts=1)
        settings = Settings(comfyui=comfyui, retry=RetrySettings(backoff_s=0))
        fleet = Fleet(settings, Home(tmp_path), clock=CLOCK, log=log)
        fleet.instances = [Instance("card0", session, card)]
        made = Restarts(
            fleet, comfyui, CLOCK, log, attempts=lambda: attempts, usual=lambda step: {"card0": usual} if usual else {}
        )
        made.begin([CLEAN])
        made.expect(CLEAN)
        return made

    yield make
    session.close()


def reasons(logged: list[dict[str, Any]], event: str) -> list[str]:
    return [one["reason"] for one in logged if one["event"] == event]


def attempt(number: int, seconds: float, *, instance: str = "card0", step: str = "clean_pic") -> AttemptView:
    """One that is complete."""
    started = BEGAN + timedelta(minutes=number)
    facts: dict[str, Any] = dict.fromkeys(AttemptView.__dataclass_fields__)
    facts |= {"attempt_id": number, "step": step, "instance": instance, "outcome": "complete", "started_at": started}
    return AttemptView(**{**facts, "finished_at": started + timedelta(seconds=seconds)})


# -- whether ----------------------------------------------------------------------------------------------------------


def test_between_steps_every_instance_is_restarted_without_being_measured(night, card, logged):
    """The default: the only reliable cure, at the moment when it is free."""
    night("between_steps").between("clean_pic", "transition", coming=20)
    assert card.boots == 1
    assert reasons(logged, "instance.restarting") == ["between clean_pic and transition"]
    assert not card.stage.asked("POST", "/free")


def test_never_means_never_by_plan(night, card):
    """Whatever it holds."""
    planned = night("never")
    card.tell(ram_free_gib=1.0)
    planned.between("clean_pic", "transition", coming=20)
    assert card.boots == 0
    assert not planned.are_planned


def test_an_instance_that_has_not_drifted_keeps_its_process(night, card, logged):
    """A restart would cost a load of whatever both steps share."""
    night().between("clean_pic", "transition", coming=20)
    assert card.boots == 0
    assert reasons(logged, "instance.kept") == ["nothing is past its budget"]
    (measured,) = [one for one in logged if one["event"] == "instance.measured"]
    assert measured["ram_gb"] == 0
    assert measured["past_budget"] == []


def test_one_that_holds_too_much_is_restarted_with_the_reason(night, card, logged):
    """By how much its host uses more than at the beginning of the night, and by the card's memory."""
    planned = night()
    card.tell(ram_free_gib=20.0, vram_free_gib=12.0)
    planned.between("clean_pic", "transition", coming=20)
    assert card.boots == 1
    assert reasons(logged, "instance.restarting") == [
        "between clean_pic and transition: its host uses 40.0 GB more RAM > 32 GB; "
        "card memory not given back 10.0 GB > 2 GB"
    ]


def test_what_it_gives_back_when_asked_is_not_held_against_it(night, card, stage):
    """Models that are still loaded are no leak."""
    planned = night()
    card.tell(vram_free_gib=4.0, ram_free_gib=10.0)

    async def free(request: Any) -> Any:
        from aiohttp import web

        card.tell(vram_free_gib=22.0, ram_free_gib=58.0)
        return web.Response()

    stage.routes["POST /free"] = free
    planned.between("clean_pic", "transition", coming=20)
    assert card.boots == 0


def test_the_servers_own_memory_counts_where_it_can_be_seen(night, card, logged, monkeypatch):
    """On this machine: what others use is not its fault."""
    planned = night(rss_gb=0.000001)
    monkeypatch.setattr(restarts, "process_behind", lambda url, argv: readiness.HostProcess(1, "x"))
    monkeypatch.setattr(readiness.HostProcess, "rss_bytes", lambda self: 41 * GIB)
    card.tell(ram_free_gib=1.0)
    planned.between("clean_pic", "transition", coming=20)
    (reason,) = reasons(logged, "instance.restarting")
    assert "RSS 41.0 GB > 1e-06 GB" in reason


def test_growth_is_counted_from_boundary_to_boundary_and_anew_after_a_restart(night, card, logged):
    """10 GB in ten prompts, thirty to come: it would be over the limit before the next chance."""
    done: list[AttemptView] = [attempt(number, 10.0) for number in range(10)]
    planned = night()
    planned.attempts = lambda: done
    planned.between("clean_pic", "transition", coming=10)
    card.tell(ram_free_gib=50.0)
    done += [attempt(number, 10.0) for number in range(10, 20)]
    planned.between("transition", "outro", coming=30)
    assert card.boots == 1
    assert "and 30.0 GB more by the end of the next step" in reasons(logged, "instance.restarting")[0]
    card.tell(ram_free_gib=50.0)
    done += [attempt(number, 10.0) for number in range(20, 30)]
    planned.between("outro", "script_video", coming=30)
    assert card.boots == 1, "what it held before the restart says nothing of what it holds now"


def test_a_card_that_became_slow_is_restarted(night, card, logged):
    """Against its own first prompts of the night, or what it usually took; those of other cards do not count."""
    slower = tuple(attempt(number, 10.0 if number < 4 else 25.0) for number in range(8))
    others = tuple(attempt(number, 99.0, instance="card1") for number in range(8, 16))
    night(attempts=slower + others).between("clean_pic", "transition", coming=20)
    assert "clean_pic takes 25.0 s a prompt instead of 10.0 s" in reasons(logged, "instance.restarting")[0]
    few = tuple(attempt(number, 25.0) for number in range(4))
    night(attempts=few, usual=10.0).between("clean_pic", "transition", coming=20)
    assert card.boots == 2


def test_a_server_that_cannot_be_measured_is_restarted(night, card, stage, logged):
    """A server whose /system_stats fails is not one to go on with."""
    planned = night()
    stage.routes["GET /system_stats"] = json_answer({}, status=500)
    card.on_restart = card.tell
    planned.between("clean_pic", "transition", coming=20)
    assert card.boots == 1
    assert "it cannot be measured" in reasons(logged, "instance.restarting")[0]


@pytest.mark.parametrize(
    ("client_id", "words"), [("ours", "1 of our prompts are in its queue"), ("browser", "somebody else's prompt")]
)
@pytest.mark.parametrize("mode", ["between_steps", "drift"])
def test_an_instance_with_a_prompt_is_not_restarted(night, card, stage, logged, mode, client_id, words):
    """Neither one of ours that outlived a crash, nor what a person started in the browser."""
    stage.accept({"prompt_id": "there", "prompt": {}, "client_id": client_id})
    planned = night(mode)
    card.tell(ram_free_gib=1.0)
    planned.between("clean_pic", "transition", coming=20)
    assert card.boots == 0
    assert words in reasons(logged, "instance.kept")[0]


# -- what must be back ------------------------------------------------------------------------------------------------


def test_a_card_whose_memory_does_not_come_back_is_told_of_and_used(night, card, logged):
    """The step fits into the rest."""
    planned = night("between_steps")
    card.on_restart = lambda: card.tell(vram_free_gib=20.5)
    planned.between("clean_pic", "transition", coming=20)
    assert [one["missing_gb"] for one in logged if one["event"] == "instance.memory_held"] == [1.5]
    assert planned.fleet.usable()


def test_a_card_whose_memory_is_too_little_for_the_step_is_set_aside_after_the_failures_allowed(night, card, logged):
    """Another program sits on it: every prompt would run out of memory."""
    planned = night("between_steps")
    card.on_restart = lambda: card.tell(vram_free_gib=1.0)
    planned.between("clean_pic", "transition", coming=20)
    assert card.boots == 2, "max_restarts failures are borne, the next one is not"
    assert planned.fleet.usable() == []
    assert "of the card's memory are free" in reasons(logged, "instance.set_aside")[0]


def test_node_classes_that_it_had_must_be_back(night, card, logged):
    """A pack that fails to import after an update would stop the step for all."""
    planned = night("between_steps")
    had = {str(node["class_type"]) for node in CLEAN.graph.values()}
    lacking = sorted(had)[0]
    card.on_restart = lambda: card.classes(had - {lacking})
    planned.between("clean_pic", "transition", coming=20)
    assert f"without the node classes {lacking}" in reasons(logged, "instance.set_aside")[0]


def test_a_class_that_it_never_had_is_not_asked_for(night, card):
    """A card without the speech pack paints all the same."""
    had = {str(node["class_type"]) for node in CLEAN.graph.values()}
    card.classes(had - {sorted(had)[0]})
    planned = night("between_steps")
    planned.between("clean_pic", "transition", coming=20)
    assert planned.fleet.usable()
    assert card.boots == 1


def test_a_restart_that_fails_once_is_tried_again(night, card, logged):
    """The machine was booting."""
    card.failures = ["no SSH connection"]
    night("between_steps").between("clean_pic", "transition", coming=20)
    assert card.boots == 1
    assert [one["message"] for one in logged if one["event"] == "instance.down"] == ["card0: no SSH connection"]


def test_seconds_are_in_the_order_of_finishing():
    """Not in that of the items; unknown lengths are left out."""
    late, early = attempt(5, 50.0), attempt(1, 10.0)
    other = attempt(2, 20.0, step="outro")
    assert seconds_of([late, early, other], "clean_pic") == [10.0, 50.0]
