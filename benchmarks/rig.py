"""What the benchmarks of whole nights share: a home with small paintings, and steps of a given duration.

The steps are real ones in everything but their content: a ComfyUI step uploads a picture, runs a prompt of real nodes
with one timed node in it, downloads the result and has it checked; a local step takes its time on the CPU's clock.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from db.store import Store
from orchestrator import catalogue
from orchestrator.home import Home
from orchestrator.night import NightResult, run_night
from orchestrator.settings import Settings, parse_settings
from steps.base import Binding, ComfyStep, Context, LocalStep, Result, Step

GRAPH = {
    "load": {"class_type": "LoadImage", "inputs": {"image": ""}, "_meta": {"title": "IN_IMAGE"}},
    "size": {
        "class_type": "ImageScale",
        "inputs": {"image": ["load", 0], "upscale_method": "bilinear", "width": 64, "height": 64, "crop": "disabled"},
        "_meta": {"title": "SIZE"},
    },
    "time": {
        "class_type": "TimedRender",
        "inputs": {"image": ["size", 0], "seconds": 0.5, "ticks": 10},
        "_meta": {"title": "TIME"},
    },
    "save": {
        "class_type": "SaveImage",
        "inputs": {"images": ["time", 0], "filename_prefix": ""},
        "_meta": {"title": "OUT_IMAGE"},
    },
}
MANIFEST = {
    "title": "Take some time on the card",
    "graph": "timed.json",
    "bindings": {
        "image": {"node": "IN_IMAGE", "input": "image", "kind": "upload"},
        "width": {"node": "SIZE", "input": "width"},
        "seconds": {"node": "TIME", "input": "seconds"},
        "prefix": {"node": "OUT_IMAGE", "input": "filename_prefix", "from": "prefix"},
    },
    "outputs": {"image": {"node": "OUT_IMAGE", "key": "images", "media": "image"}},
    "timing": {"expected_s": 1, "idle_timeout_s": 60, "total_timeout_s": 600},
}


@dataclass(frozen=True)
class Timing:
    """A step of the rehearsed night."""

    name: str
    seconds: float  # a run
    on_card: bool
    per_language: bool
    turns_down: int = 0  # how many items, the last ones, this step turns down


class TimedCardStep(ComfyStep):
    """A prompt that takes a given time on the card."""

    def __init__(self, number: int, timing: Timing, *, workflow: Path, needs: tuple[str, ...]) -> None:
        self.name, self.title, self.number = timing.name, timing.name, number
        self.per_language, self.needs = timing.per_language, needs
        self.workflow = str(workflow)
        self._seconds = timing.seconds

    def bind(self, context: Context) -> Binding:
        """Send the painting. Size and seconds vary a little with the seed, or the server's cache would answer."""
        values = {"seconds": self._seconds + context.seed % 997 * 1e-6, "width": 64 + context.seed % 64}
        return Binding(self.workflow, values, {"image": context.subject.painting})

    def collect(self, context: Context, outputs: Mapping[str, Path]) -> Result:
        """Keep the picture."""
        return Result(files={"image": outputs["image"]})


class TimedLocalStep(LocalStep):
    """Work that takes a given time on this machine."""

    def __init__(self, number: int, timing: Timing, *, needs: tuple[str, ...]) -> None:
        self.name, self.title, self.number = timing.name, timing.name, number
        self.per_language, self.needs = timing.per_language, needs
        self._timing = timing

    def run(self, context: Context) -> Result:
        """Take the time, and turn down the items that the rehearsed night turned down."""
        time.sleep(self._timing.seconds)
        if self._timing.turns_down and "turned-down" in context.subject.tags:
            return Result(turned_down=("turned down in the rehearsed night",))
        note = context.work / "note.txt"
        note.write_text(f"{context.subject.title} {context.seed}", encoding="utf-8")
        return Result(files={"note": note})


def pipeline(timings: list[Timing], folder: Path) -> tuple[Step, ...]:
    """Return steps with these timings, each needing the one before it that it can: a shared step only shared ones."""
    folder.mkdir(parents=True, exist_ok=True)
    manifest = folder / "timed.yaml"
    manifest.write_text(yaml.safe_dump(MANIFEST), encoding="utf-8")
    (folder / "timed.json").write_text(json.dumps(GRAPH), encoding="utf-8")
    steps: list[Step] = []
    for number, timing in enumerate(timings):
        before = [one.name for one in timings[:number] if timing.per_language or not one.per_language]
        needs = tuple(before[-1:])
        if timing.on_card:
            steps.append(TimedCardStep(number, timing, workflow=manifest, needs=needs))
        else:
            steps.append(TimedLocalStep(number, timing, needs=needs))
    return tuple(steps)


def make_settings(folder: Path, *, cards: int, languages: tuple[str, ...] = ("fr", "en"), workers: int = 1) -> Settings:
    """Return settings for a home in a folder, on embedded cards."""
    return parse_settings(
        {
            "home": str(folder),
            "languages": list(languages),
            "comfyui": {"embedded": {"cards": cards}},
            "local": {"workers": workers},
        },
        folder / "config.yaml",
    )


def add_paintings(store: Store, folder: Path, count: int, *, turned_down: int = 0) -> None:
    """Put small, different pictures into the catalogue; some of them tagged as to be turned down."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(count):
        random = np.random.default_rng(number)
        path = folder / f"painting{number:04d}.png"
        Image.fromarray(random.integers(0, 255, (96, 64, 3), np.uint8)).save(path)
        tags = ["turned-down"] if number < turned_down else []
        rows.append(json.dumps({"path": path.name, "title": f"Painting {number}", "tags": tags}))
    listing = folder / "paintings.jsonl"
    listing.write_text("\n".join(rows), encoding="utf-8")
    catalogue.add(store, listing)


def rehearse(settings: Settings, steps: tuple[Step, ...], *, paintings: int) -> tuple[NightResult, Store, Home]:
    """Run a night over all paintings of the home."""
    from orchestrator.night import NightRequest
    from orchestrator.opening import open_store

    result = run_night(settings, NightRequest(paintings=paintings, seed=1), steps=steps)
    home, store = open_store(settings, steps=steps)
    return result, store, home
