"""The steps of a night of chaos: small, quick, and such that what they must make can be computed without a card.

A card step inverts a picture and cuts a strip out of it; which strip follows from its seed and from a note that a local
step wrote. So a file that was made from the wrong input, with the wrong seed or for another item is found by looking.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from steps.base import Binding, ComfyStep, Context, LocalStep, Result, Step
from steps.errors import ServiceUnavailable

SIDE_PX = 48
TURNED_DOWN = "turned-down"


@dataclass(frozen=True)
class StepPlan:
    """One step of a pipeline."""

    name: str
    on_card: bool
    per_language: bool
    needs: tuple[str, ...]  # a card step takes the picture of the last one that has one, else the painting
    seconds: float = 0.0


PIPELINES: Mapping[str, tuple[StepPlan, ...]] = {
    "short": (
        StepPlan("look", False, False, ()),
        StepPlan("paint", True, False, ("look",), 0.06),
    ),
    "spoken": (
        StepPlan("look", False, False, ()),
        StepPlan("paint", True, False, ("look",), 0.05),
        StepPlan("speak", True, True, ("look", "paint"), 0.04),
        StepPlan("cut", False, True, ("speak",)),
    ),
    "wide": (
        StepPlan("look", False, False, ()),
        StepPlan("write", False, True, ("look",)),
        StepPlan("paint", True, False, ("look",), 0.05),
        StepPlan("note", False, False, ("paint",)),
        StepPlan("speak", True, True, ("write", "paint"), 0.05),
    ),
}

GRAPH = {
    "load": {"class_type": "LoadImage", "inputs": {"image": ""}, "_meta": {"title": "IN_IMAGE"}},
    "turn": {"class_type": "ImageInvert", "inputs": {"image": ["load", 0]}},
    "crop": {
        "class_type": "ImageCrop",
        "inputs": {"image": ["turn", 0], "width": 16, "height": 16, "x": 0, "y": 0},
        "_meta": {"title": "CROP"},
    },
    "time": {
        "class_type": "TimedRender",
        "inputs": {"image": ["crop", 0], "seconds": 0.05, "ticks": 3},
        "_meta": {"title": "TIME"},
    },
    "save": {
        "class_type": "SaveImage",
        "inputs": {"images": ["time", 0], "filename_prefix": ""},
        "_meta": {"title": "OUT_IMAGE"},
    },
}
MANIFEST = {
    "title": "Cut a strip out of a picture",
    "graph": "strip.json",
    "bindings": {
        "image": {"node": "IN_IMAGE", "input": "image", "kind": "upload"},
        "x": {"node": "CROP", "input": "x"},
        "width": {"node": "CROP", "input": "width"},
        "seconds": {"node": "TIME", "input": "seconds"},
        "prefix": {"node": "OUT_IMAGE", "input": "filename_prefix", "from": "prefix"},
    },
    "outputs": {"image": {"node": "OUT_IMAGE", "key": "images", "media": "image"}},
    "timing": {  # seconds of the compressed clock
        "expected_s": 1,
        "idle_timeout_s": 10,
        "total_timeout_s": 60,
        "phases": dict.fromkeys(("load", "sample", "decode", "save"), 8),
    },
}


def strip_of(seed: int, note: str, *, from_painting: bool) -> tuple[int, int]:
    """Return where a strip begins and how wide it is, pixels."""
    x = int(hashlib.sha256(note.encode()).hexdigest(), 16) % 8
    return x, (32 if from_painting else 16) + seed % 8


def note_of(step: str, title: str, variant: str, *, seed: int, inputs: Sequence[bytes]) -> str:
    """Return what a local step writes."""
    digest = hashlib.sha256(b"\0".join(inputs)).hexdigest()[:16]
    return f"{step} {title} {variant} {seed} {digest}"


class StripStep(ComfyStep):
    """A prompt on a card."""

    def __init__(self, number: int, plan: StepPlan, *, workflow: Path) -> None:
        self.name, self.title, self.number = plan.name, plan.name, number
        self.per_language, self.needs = plan.per_language, plan.needs
        self.workflow = str(workflow)
        self.seconds = plan.seconds

    def bind(self, context: Context) -> Binding:
        """Say which strip of which picture."""
        made = [context.made[name].files["image"] for name in self.needs if "image" in context.made[name].files]
        note = context.file(self.needs[0], "note").read_text(encoding="utf-8")
        x, width = strip_of(context.seed, note, from_painting=not made)
        values = {"x": x, "width": width, "seconds": self.seconds}
        return Binding(self.workflow, values, {"image": made[-1] if made else context.subject.painting})

    def collect(self, context: Context, outputs: Mapping[str, Path]) -> Result:
        """Keep the picture. Whether it is whole is for the client to know: the verdict looks at what was kept."""
        return Result(files={"image": outputs["image"]})


class NoteStep(LocalStep):
    """A few words on the CPU. Some tries fail, when told to."""

    def __init__(self, number: int, plan: StepPlan, *, failures: Failures) -> None:
        self.name, self.title, self.number = plan.name, plan.name, number
        self.per_language, self.needs = plan.per_language, plan.needs
        self._failures = failures

    def run(self, context: Context) -> Result:
        """Write the note."""
        self._failures.maybe_fail()
        if self.number == 0 and TURNED_DOWN in context.subject.tags:
            return Result(turned_down=("not wanted tonight",))
        inputs = [path.read_bytes() for need in self.needs for _, path in sorted(context.made[need].files.items())]
        note = context.work / "note.txt"
        words = note_of(self.name, context.subject.title, context.variant, seed=context.seed, inputs=inputs)
        note.write_text(words, encoding="utf-8")
        return Result(files={"note": note}, data={"words": words})


class Failures:
    """So many tries fail, every third one from the second on."""

    def __init__(self, count: int) -> None:
        self._numbers = itertools.count()
        self._failing = {1 + 3 * number for number in range(count)}
        self._lock = threading.Lock()

    def maybe_fail(self) -> None:
        """Fail when it is time to."""
        with self._lock:
            number = next(self._numbers)
        if number in self._failing:
            raise ServiceUnavailable(f"on demand, at try {number}")
        time.sleep(0.001)


def build(name: str, folder: Path, *, local_errors: int = 0) -> tuple[Step, ...]:
    """Return the steps of a pipeline. The workflow's files are written when they are not there."""
    folder.mkdir(parents=True, exist_ok=True)
    manifest = folder / "strip.yaml"
    if not manifest.exists():
        (folder / "strip.json").write_text(json.dumps(GRAPH), encoding="utf-8")
        manifest.write_text(yaml.safe_dump(MANIFEST), encoding="utf-8")
    failures = Failures(local_errors)
    return tuple(
        StripStep(number, plan, workflow=manifest) if plan.on_card else NoteStep(number, plan, failures=failures)
        for number, plan in enumerate(PIPELINES[name])
    )


def paint(folder: Path, *, count: int, turned_down: int, seed: int) -> Path:
    """Write paintings of noise and a listing of them for the catalogue; the last ones are to be turned down."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(count):
        pixels = np.random.default_rng((seed, number)).integers(0, 255, (SIDE_PX, SIDE_PX, 3), np.uint8)
        path = folder / f"painting{number}.png"
        Image.fromarray(pixels).save(path)
        tags = [TURNED_DOWN] if number >= count - turned_down else []
        rows.append(json.dumps({"path": path.name, "title": f"Painting {number}", "tags": tags}))
    listing = folder / "paintings.jsonl"
    listing.write_text("\n".join(rows), encoding="utf-8")
    return listing
