"""The rehearsed night of `replay.py` twice at the same time: in strict order, and with `overlap: true`.

The steps take as long as in the owner's report, sixty times as fast, need each other as the real ones do, and name the
model files of the real workflows. What the card computes is the same in both; what differs is the rest of the night.

What is counted: the seconds for which prompts ran on the card, by the server's clock, against the whole wall-clock from
the opening of the night to its end: with the first step, the restarts, and the last cut. Seconds of the CPU and of the
language model are not counted as activity of the card, however busy they were. Models are loaded inside of prompts,
here as in the owner's report, whose compute is divided over the runs.
"""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import yaml

from benchmarks import replay
from benchmarks.rig import (
    GRAPH,
    MANIFEST,
    TimedCardStep,
    TimedLocalStep,
    Timing,
    add_paintings,
    make_settings,
    rehearse,
)
from db.store import AttemptView
from orchestrator.night import load_workflows
from orchestrator.opening import open_store
from orchestrator.overlap import models_of
from orchestrator.report.figures import attempt_shares
from orchestrator.report.shares import joined_seconds, under_way
from orchestrator.settings import Settings
from steps.base import Step
from steps.manifest import load_manifest
from steps.registry import NEEDS

GOAL = 0.97
OWNER_WALL_MIN = 296.0  # 02:58 to 07:54
OWNER_STEPS_MIN = 294.9  # its steps' wall-clock together
OWNER_GPU_MIN = 263.6  # what its report counts: the ComfyUI steps, and the subtitles


@dataclass(frozen=True)
class Rehearsed:
    """What came of one rehearsal."""

    whole_s: float
    active_s: float
    by_step: dict[str, tuple[int, float, float]]  # runs, window and compute in seconds
    between_s: float  # for which nothing was under way, on the card or beside it
    loads: list[str]  # the first step of each run of prompts with the same models, in order

    @property
    def active(self) -> float:
        """Return the share of the whole night for which the card computed."""
        return self.active_s / self.whole_s


def pipeline(timings: list[Timing], folder: Path) -> tuple[Step, ...]:
    """Return the steps with what they need and load in reality."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "timed.json").write_text(json.dumps(GRAPH), encoding="utf-8")
    steps: list[Step] = []
    for number, timing in enumerate(timings):
        if timing.on_card:
            files = [{"folder": one.folder, "file": one.file} for one in load_manifest(timing.name).needs.models]
            manifest = folder / f"{timing.name}.yaml"
            manifest.write_text(yaml.safe_dump({**MANIFEST, "needs": {"models": files}}), encoding="utf-8")
            steps.append(TimedCardStep(number, timing, workflow=manifest, needs=NEEDS[timing.name]))
        else:
            steps.append(TimedLocalStep(number, timing, needs=NEEDS[timing.name]))
    return tuple(steps)


def prepared(folder: Path, *, overlap: bool) -> tuple[Settings, tuple[Step, ...]]:
    """Make a home with the paintings. One at a time: a database is made by a library that wants to be alone."""
    settings = make_settings(folder / "home", cards=1).model_copy(update={"overlap": overlap})
    steps = pipeline(replay.timings(), folder / "workflows")
    _, store = open_store(settings, steps=steps)
    add_paintings(store, folder / "paintings", replay.ITEMS, turned_down=replay.TURNED_DOWN)
    return settings, steps


def rehearsal(settings: Settings, steps: tuple[Step, ...]) -> Rehearsed:
    """Run one night on one embedded card. Blocks for about five minutes."""
    result, store, _ = rehearse(settings, steps, paintings=replay.ITEMS)
    attempts, batch = store.attempts(result.batch_id), store.batch(result.batch_id)
    assert batch.closed_at is not None
    assert result.outcome == "complete", f"the rehearsed night ended as {result.outcome}"
    shares = attempt_shares(attempts)
    by_step = {}
    for step in steps:
        mine = [one for one in attempts if one.step == step.name and one.attempt_id in shares]
        window_s = joined_seconds(under_way(one) for one in mine)
        by_step[step.name] = (len(mine), window_s, sum(shares[one.attempt_id].compute_s for one in mine))
    whole_s = (batch.closed_at - batch.opened_at).total_seconds()
    return Rehearsed(
        whole_s,
        sum(shares[one.attempt_id].compute_s for one in attempts if one.instance and one.attempt_id in shares),
        by_step,
        whole_s - joined_seconds(under_way(one) for one in attempts),
        loads(attempts, {step.name: models_of(step, load_workflows(steps)) for step in steps}),
    )


def loads(attempts: list[AttemptView], models: dict[str, str | None]) -> list[str]:
    """Return the step of each first prompt with other models than those of the prompt before it."""
    on_card = sorted((one for one in attempts if one.started_at and one.instance), key=lambda one: str(one.started_at))
    return [next(group).step for _, group in groupby(on_card, key=lambda one: models[one.step])]


def measures() -> Iterator[dict[str, Any]]:
    """Rehearse both at once, print a table for people, and yield the records."""
    found: dict[bool, Rehearsed] = {}
    with tempfile.TemporaryDirectory() as name:
        homes = {overlap: prepared(Path(name) / f"overlap-{overlap}", overlap=overlap) for overlap in (False, True)}

        def rehearse_one(overlap: bool) -> None:
            found[overlap] = rehearsal(*homes[overlap])

        threads = [threading.Thread(target=rehearse_one, args=(overlap,)) for overlap in (False, True)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    strict, overlap = found[False], found[True]
    _print(strict, overlap)
    yield {
        "name": "overlap_active_ratio",
        "value": round(overlap.active, 4),
        "unit": "ratio",
        "goal": f">= {GOAL}",
        "holds": overlap.active >= GOAL,
    }
    yield {
        "name": "strict_active_ratio",
        "value": round(strict.active, 4),
        "unit": "ratio",
        "goal": "beside it",
        "holds": True,
    }


def _print(strict: Rehearsed, overlap: Rehearsed) -> None:
    print(f"{'':14} {'runs':>4} | {'strict: window':>14} {'compute s':>9} | {'overlap: window':>15} {'compute s':>9}")
    for step, (runs, window_s, compute_s) in strict.by_step.items():
        _, window2_s, compute2_s = overlap.by_step[step]
        print(f"{step:14} {runs:4d} | {window_s:14.2f} {compute_s:9.2f} | {window2_s:15.2f} {compute2_s:9.2f}")
    rows = (("nothing under way", "between_s"), ("on the card", "active_s"), ("whole night", "whole_s"))
    for title, key in rows:
        print(f"{title:19} | {getattr(strict, key):24.2f} | {getattr(overlap, key):25.2f}  s")
    print(f"{'active':19} | {strict.active:24.1%} | {overlap.active:25.1%}")
    print(f"loads, strict:  {' → '.join(strict.loads)}\nloads, overlap: {' → '.join(overlap.loads)}")
    on_card = sum(minutes for _, minutes, _, on_card, _ in replay.OWNER_NIGHT if on_card)
    print(
        "active = seconds for which prompts ran on the card / wall-clock from the night's opening to its end.\n"
        f"The owner's 89.4 % is {OWNER_GPU_MIN:.1f} min, the subtitles included, of {OWNER_STEPS_MIN:.1f} min within "
        f"steps; counted as here it is {on_card:.1f} of {OWNER_WALL_MIN:.0f} min: {on_card / OWNER_WALL_MIN:.1%}.",
        flush=True,
    )
