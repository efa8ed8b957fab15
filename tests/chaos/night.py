"""Plays one night of chaos: its lives one after the other, then a morning in which nothing fails any more.

In a process of its own, with one thread (see nursery.py). What comes of it is judged by verdict.py.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from orchestrator import catalogue
from orchestrator.opening import open_store
from orchestrator.settings import parse_settings
from tests.chaos import life, verdict, wasted
from tests.chaos.ledger import lines_of
from tests.chaos.pipeline import build, paint
from tests.chaos.plan import Kill, Plan, make_plan
from tests.chaos.world import World, fork

LIFE_LIMIT_S = 60.0
"""Real seconds in which a life must end: many times what any takes."""
MORNINGS_MOST = 3


@dataclass
class Lived:
    """What came of one life."""

    found: dict[str, Any]  # as the life wrote it; empty when it was killed
    killed: bool
    seconds: float
    last_attempt: int  # the newest attempt when it ended
    is_morning: bool = False


@dataclass
class Night:
    """One night, all that is known of it."""

    plan: Plan
    folder: Path
    lives: list[Lived] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    stuck: str | None = None  # what the life that would not end was doing

    @property
    def home(self) -> Path:
        """The home of the night's Nightreel."""
        return self.folder / "home"

    @property
    def ledger(self) -> list[dict[str, Any]]:
        """What the cards noted."""
        return lines_of(self.folder / "ledger.jsonl")


def prepare(folder: Path) -> Path:
    """Make a home that every night begins with a copy of, which is quicker than making it. Returns its database."""
    home, store = open_store(parse_settings({"home": str(folder / "home")}, folder / "config.yaml"))
    store.engine.dispose()
    return home.database


def play(seed: int, folder: Path, *, database: Path) -> dict[str, Any]:
    """Play a seed's night in a folder and judge it; the folder goes when all is well. Returns JSON values.

    Args:
        seed: Of the plan.
        folder: Not there yet, or of an earlier time.
        database: From `prepare`.
    """
    began = time.monotonic()
    plan = make_plan(seed)
    night = Night(plan, folder)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    world = World(plan, folder)
    problems: list[str] = []
    try:
        _settle_in(night, database)
        _play(night, world)
        problems = verdict.judge(night)
    except Exception:
        problems = [f"the test itself failed:\n{traceback.format_exc()}"]
    finally:
        world.close()
    report = _report(night, problems, seconds=time.monotonic() - began)
    if not problems and not os.environ.get("KEEP"):
        shutil.rmtree(folder, ignore_errors=True)
    return report


def _report(night: Night, problems: list[str], *, seconds: float) -> dict[str, Any]:
    times = os.times()
    return {
        "seed": night.plan.seed,
        "problems": problems,
        "folder": str(night.folder),
        "seconds": round(seconds, 3),
        "cpu_s": round(times.user + times.system + times.children_user + times.children_system, 3),
        "lives": [asdict(one) for one in night.lives],
        "struck": dict(Counter(line["kind"] for line in night.ledger if line["event"] == "strike")),
        "ends": verdict.ends(night),
        "waste": asdict(wasted.measure(night.ledger, night.home)),
    }


def _play(night: Night, world: World) -> None:
    world.open()
    plan = night.plan
    kills: tuple[Kill | None, ...] = (*plan.kills, None)
    for number, kill in enumerate(kills):
        if not _live(night, world, kill, number=number, is_morning=False):
            return
        if kill is not None and number < len(kills) - 1:
            for card in kill.cards if night.lives[-1].killed and not plan.is_own else ():
                world.kill(world.servers[card])
    problems = verdict.judge_evening(night)
    if problems:
        raise AssertionError("before the morning: " + "; ".join(problems))
    for number in range(MORNINGS_MOST):
        if verdict.is_settled(night):
            break
        if number == 0:
            world.calm()
        if not _live(night, world, None, number=len(night.lives), is_morning=True):
            return
    night.strangers = world.strangers()


def _settle_in(night: Night, database: Path) -> None:
    """Make the home, with its paintings in the catalogue."""
    plan = night.plan
    night.home.mkdir()
    shutil.copyfile(database, night.home / database.name)
    steps = build(plan.pipeline, night.folder / "workflows")
    _, store = open_store(parse_settings({"home": str(night.home)}, night.home / "config.yaml"), steps=steps)
    listing = paint(night.folder / "paintings", count=plan.paintings, turned_down=plan.turned_down, seed=plan.seed)
    catalogue.add(store, listing)
    store.engine.dispose()


def _live(night: Night, world: World, kill: Kill | None, *, number: int, is_morning: bool) -> bool:
    """Run one life to its end; False when it would not end."""
    shortage = next((one for one in night.plan.shortages if one.life == number and not is_morning), None)
    body = life.Body(
        number=number,
        home=night.home,
        workflows=night.folder / "workflows",
        config=_config(night, world),
        pipeline=night.plan.pipeline,
        local_errors=0 if is_morning else night.plan.local_errors,
        is_new=not verdict.has_batch(night),
        paintings=night.plan.paintings,
        seed=night.plan.seed,
        kill=kill,
        shortage=shortage,
        began=world.began,
        result=night.folder / f"life{number}.json",
        log=night.folder / f"life{number}.log",
    )
    began = time.monotonic()
    pid = fork(lambda: life.live(body), name=f"life {number}", log=world.log)
    status = world.tend(pid, limit_s=LIFE_LIMIT_S, at=_moments(kill, pid))
    if status is None:
        os.kill(pid, signal.SIGUSR1)
        time.sleep(0.5)
        night.stuck = body.log.read_text(errors="replace")[-6000:]
        return False
    found = lines_of(body.result)
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    lived = Lived(found[0] if found else {}, killed, 0.0, verdict.newest_attempt(night), is_morning)
    night.lives.append(replace(lived, seconds=round(time.monotonic() - began, 3)))
    return True


def _moments(kill: Kill | None, pid: int) -> Callable[[float], None]:
    """Return what is asked again and again while a life runs, and kills it when its moment has come."""
    due = (
        []
        if kill is None
        else {"moment": [(kill.at, signal.SIGKILL)], "stop": [(kill.at, signal.SIGINT)]}.get(
            kill.how, [(kill.at, signal.SIGINT), (kill.at + 0.1, signal.SIGINT)] if kill.how == "stop twice" else []
        )
    )

    def at(passed_s: float) -> None:
        while due and passed_s >= due[0][0]:
            os.kill(pid, due.pop(0)[1])

    return at


def _config(night: Night, world: World) -> dict[str, Any]:
    """Return what config.yaml would hold."""
    plan = night.plan
    nobody = {"url": "http://127.0.0.1:9/v1"}  # no step asks a language model
    instances = [world.config_of(server.number) for server in world.servers]
    return {
        "home": str(night.home),
        "languages": list(plan.languages),
        "llm": {"text": nobody, "vision": nobody},
        "local": {"workers": plan.workers},
        "retry": {
            "attempts": plan.attempts,
            "uncounted": plan.uncounted,
            "backoff_s": 0.5,
            "backoff_factor": 1.5,
            "backoff_max_s": 2.0,
        },
        "comfyui": {
            "instances": instances,
            "embedded": {"cards": len(plan.cards), "idle_exit_s": 20},
            "restart": plan.restarts,
            "drift": {"slowdown": 1.2, "rss_gb": 0.01},  # nearly always past it
            "canary": plan.canary,
            "ready_timeout_s": 15.0,
            "queue_depth": plan.queue_depth,
            "max_restarts": plan.max_restarts,
        },
        "overlap": plan.overlap,
    }
