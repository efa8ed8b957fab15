"""Whole nights in a real state, made in a second: the store's own moves, under a clock that is turned by hand."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from PIL import Image

from db.engine import open_database
from db.states import State
from db.store import ArtifactRow, AttemptView, BatchView, PaintingRow, RunView, StepSpec, Store
from orchestrator.artifacts import hash_file, item_folder, run_folder
from orchestrator.clock import ManualClock
from orchestrator.home import Home
from steps.registry import NEEDS, default_steps

EVENING = datetime(2026, 5, 22, 22, 0, tzinfo=UTC)
STEPS = tuple(StepSpec(step.name, step.number, step.per_language) for step in default_steps())
ON_CARD = {step.name for step in default_steps() if step.engine == "comfyui"}
SECONDS = {"script_video": 330.0, "outro": 84.0, "audio": 55.0, "transition": 87.0, "script": 43.0}
FILES = {
    "script": {"script": "script.json"},
    "subtitles": {"srt": "srt.srt", "ass": "ass.ass"},
    "final_video": {"video": "video.mp4", "thumbnail": "thumbnail.jpg", "metadata": "metadata.json"},
}

CHECKS: dict[str, list[dict[str, Any]]] = {
    "script": [{"name": "words", "measured": 78, "expected": "<= 150", "unit": "words", "passed": True}],
    "final_video": [
        {"name": "size", "measured": 1080.123456, "expected": ">= 1000", "unit": "px", "passed": True},
        {"name": "[bold]odd", "measured": "[red]3[/]", "expected": "[/]", "unit": "", "passed": False},
    ],
}


class Studio:
    """A home with paintings, and what nights do in it."""

    def __init__(self, folder: Path, titles: Sequence[str], *, artist: str = "Leonardo da Vinci") -> None:
        self.home = Home(folder)
        self.home.create()
        self.clock = ManualClock(EVENING)
        self.engine = open_database(self.home.database)
        self.store = Store(self.engine, self.clock.now, needs=NEEDS)
        rows = [
            PaintingRow(
                sha256=hashlib.sha256(f"{number} {title}".encode("utf-8", "replace")).hexdigest(),
                path=f"/paintings/{number}.jpg",
                title=title,
                artist=artist,
                year=1503,
            )
            for number, title in enumerate(titles)
        ]
        if rows:
            self.store.add_paintings(rows, list_name="portraits")

    def open(self, count: int = 500, *, languages: Sequence[str] = ("fr", "en")) -> BatchView:
        return self.store.open_batch(
            seed=7,
            list_name="portraits",
            count=count,
            steps=STEPS,
            languages=languages,
            settings={},
            preview=True,
        )

    def turn_down(self, batch: BatchView, item_id: int, *reasons: str) -> None:
        attempt = self.claim(batch, self.run(item_id, "prepare"))
        self.clock.advance(1)
        self.store.turn_down(attempt.attempt_id, reasons=reasons, data={}, checks=[])

    def run(self, item_id: int, step: str, variant: str = "") -> RunView:
        return next(one for one in self.store.runs_of_item(item_id) if (one.step, one.variant) == (step, variant))

    def claim(self, batch: BatchView, run: RunView, *, card: str = "card0") -> AttemptView:
        on_card = run.step in ON_CARD
        attempt = self.store.claim(
            run.run_id,
            batch_id=batch.id,
            instance=card if on_card else None,
            prompt_id=f"{run.run_id}-{run.generation}-{self.clock.now().timestamp()}" if on_card else None,
            seed=1,
        )
        self.store.note_started(attempt.attempt_id, self.clock.now())
        return attempt

    def complete(self, attempt: AttemptView, *, data: Mapping[str, Any] | None = None, text: str = "") -> None:
        """Complete a try with the files that its step makes; pictures are pictures, the rest is a few bytes."""
        run = next(one for one in self.store.runs_of_item(attempt.item_id) if one.run_id == attempt.run_id)
        item = self.store.item(attempt.item_id)
        folder = item_folder(item.batch_id, item.item_id, item.title)
        folder += "/" + run_folder(run.number, run.step, run.variant, run.generation)
        rows = []
        for name, file in FILES.get(attempt.step, {}).items():
            path = self.home.artifacts / folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix == ".jpg":
                Image.new("RGB", (90, 160), (attempt.item_id * 37 % 255, 90, 60)).save(path)
            else:
                path.write_text(f"{file} of {attempt.attempt_id} {text}", encoding="utf-8")
            rows.append(ArtifactRow(name, f"{folder}/{file}", hash_file(path), path.stat().st_size))
        self.store.complete(
            attempt.attempt_id,
            artifacts=rows,
            data=data or {"text": "Je vous regarde.", "duration_s": 21.5},
            checks=CHECKS.get(attempt.step, []),
        )

    def work(self, batch: BatchView, *, only: Sequence[int] | None = None, until: str | None = None) -> None:
        """Make everything of a night that is to do, step by step, up to and without a step."""
        for step in STEPS:
            if step.name == until:
                return
            for run in self.store.snapshot(batch.id):
                wanted = only is None or run.item_id in only
                if wanted and run.step == step.name and run.state in (State.PENDING, State.REDO):
                    attempt = self.claim(batch, run)
                    self.clock.advance(SECONDS.get(step.name, 3.0))
                    self.complete(attempt)

    def close(self, batch: BatchView, outcome: str = "complete") -> None:
        self.store.close_batch(batch.id, outcome)


def small_night(folder: Path, titles: Sequence[str] = ("La Joconde",), *, down: int = 0) -> tuple[Studio, BatchView]:
    """Return a studio after a complete night over all titles; the last `down` of them were turned down."""
    studio = Studio(folder, titles)
    batch = studio.open()
    items = studio.store.items(batch.id)
    for item in items[len(items) - down :]:
        reasons = (
            "The face is too small: its width is 0.07 of the picture's shorter side, and at least 0.14 is needed.",
            "There is more than one face: 3 besides the main one, and there must be 0.",
        )
        studio.turn_down(batch, item.item_id, *reasons)
    studio.work(batch)
    studio.close(batch)
    return studio, batch
