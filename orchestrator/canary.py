"""A small prompt on every instance before a night, compared with the last good nights.

An instance may answer every question and still be of no use: a worker thread that died, a card that fell back to the
CPU or slowed down, a driver that makes black pictures. `basic` costs no card time: a little picture goes in, comes back
larger, and is compared with what it must be. The name of a step runs that step's workflow once, with a fixed seed and
picture, so that the models, the card and its speed are in it.
"""

from __future__ import annotations

import hashlib
import statistics
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

from orchestrator.clock import Clock
from orchestrator.comfyui.client import ComfyClient
from orchestrator.comfyui.errors import ComfyUIError, WorkflowError
from orchestrator.comfyui.replies import HistoryEntry, Outcome, Place
from orchestrator.comfyui.workflow import Workflow
from steps import sources
from steps.base import SHARED, Context, Subject
from steps.errors import ManifestError, StepError
from steps.manifest import BindingSpec
from steps.options import StepOptions

if TYPE_CHECKING:
    import numpy as np

SIZE_PX = 32
TIMES = 4  # how much larger the picture comes back
SEED = 20_240_229  # of a step's workflow: always the same, so that the pictures can be compared
SLOW_FACTOR = 2.0
SLOW_SLACK_S = 2.0
"""A canary is slow when it took more than this factor, and so many seconds more, than the median of the good ones."""
GRID = 16  # cells a side of the fingerprint
MOST_DIFFERENCE = 12.0  # levels of 255 on the average of the fingerprint; samplers differ a little between drivers
LEAST_SPREAD = 4.0  # levels between the darkest and the lightest cell; less is a black or empty picture
PAST = 5  # good canaries that count
POLL_S = 0.05

CanaryOutcome = Literal["good", "slow", "differs", "failed"]


@dataclass(frozen=True)
class Sung:
    """What came of one canary."""

    outcome: CanaryOutcome
    words: str  # for people
    seconds: float | None = None  # by the server's own clock
    sha256: str | None = None  # of the pixels
    details: Mapping[str, Any] = field(default_factory=dict)  # "grid": the fingerprint, "server", "card", "song"

    @property
    def is_usable(self) -> bool:
        """Tell whether the instance can be given work; a slow one or one that differs can, with a word about it."""
        return self.outcome != "failed"


@dataclass(frozen=True)
class Past:
    """What the last good canaries of an instance were like, newest first."""

    seconds: Sequence[float] = ()
    details: Mapping[str, Any] = field(default_factory=dict)  # of the newest


class CanaryFailed(Exception):
    """The canary did not come back, or is not what it must be."""


def sing(
    client: ComfyClient,
    clock: Clock,
    *,
    song: Workflow | None,
    options: StepOptions,
    past: Past,
    timeout_s: float,
    stop: threading.Event,
) -> Sung:
    """Run one canary on an instance. Blocks for at most `timeout_s`; raises nothing of the instance's making.

    Args:
        client: The instance.
        clock: The time.
        song: The workflow to run; None for the basic one.
        options: Sizes for the workflow.
        past: What it is compared with.
        timeout_s: Seconds before it is given up.
        stop: Set to give it up at once.
    """
    name = song.manifest.name if song is not None else "basic"
    try:
        stats = client.system_stats()
        card = stats.devices[0].name if stats.devices else ""
        about = {"song": name, "server": stats.comfyui_version, "card": card}
        if song is None:
            entry, pixels = _basic(client, clock, timeout_s=timeout_s, stop=stop)
        else:
            entry, pixels = _of_workflow(client, clock, song, options=options, timeout_s=timeout_s, stop=stop)
    except (ComfyUIError, StepError, CanaryFailed, OSError) as error:
        return Sung("failed", str(error), details={"song": name})
    seconds = _seconds(entry)
    details = {**about, "grid": fingerprint(pixels)}
    outcome, words = judge(seconds, details, past=past)
    return Sung(outcome, words, seconds, hashlib.sha256(pixels.tobytes()).hexdigest(), details)


def judge(seconds: float | None, details: Mapping[str, Any], *, past: Past) -> tuple[CanaryOutcome, str]:
    """Compare a canary with the last good ones of its instance. Pure."""
    is_basic = details.get("song") == "basic"
    grid = details["grid"]
    if not is_basic and max(grid) - min(grid) < LEAST_SPREAD:
        return "failed", "it made a picture without any contrast (black, or empty)"
    if past.details.get("song") != details.get("song"):
        return "good", "nothing to compare it with yet"
    changes = [
        f"{what} was {past.details[what]}, is {details[what]}"
        for what in ("server", "card")
        if past.details.get(what) != details.get(what)
    ]
    note = f" ({'; '.join(changes)})" if changes else ""
    before = past.details.get("grid")
    if not is_basic and isinstance(before, list) and len(before) == len(grid):
        difference = statistics.fmean(abs(one - other) for one, other in zip(grid, before, strict=True))
        if difference > MOST_DIFFERENCE:
            return "differs", f"the picture differs by {difference:.0f} levels from the last good night's{note}"
    if seconds is not None and past.seconds:
        usual = statistics.median(past.seconds)
        if seconds > SLOW_FACTOR * usual + SLOW_SLACK_S:
            return "slow", f"it took {seconds:.1f} s; in the last good nights it took {usual:.1f} s{note}"
    return "good", f"as in the last good night{note}"


def fingerprint(pixels: np.ndarray[Any, Any]) -> list[int]:
    """Return the mean levels (0..255) of 16 × 16 cells of a picture (height × width × 3), row by row."""
    import numpy as np

    grey = pixels.mean(axis=2)
    rows = np.array_split(grey, GRID, axis=0)
    return [round(float(cell.mean())) for row in rows for cell in np.array_split(row, GRID, axis=1)]


# --- the basic canary -------------------------------------------------------------------------------------------------


def _basic(
    client: ComfyClient, clock: Clock, *, timeout_s: float, stop: threading.Event
) -> tuple[HistoryEntry, np.ndarray[Any, Any]]:
    import numpy as np

    sent = np.random.default_rng().integers(0, 256, (SIZE_PX, SIZE_PX, 3), dtype=np.uint8)  # new: never from the cache
    with tempfile.TemporaryDirectory(prefix="nightreel-canary-") as folder:
        name = client.upload(_write_png(Path(folder) / "canary.png", sent))
        graph = _basic_graph(name)
        entry = _run(client, clock, graph, timeout_s=timeout_s, stop=stop)
        back = _read_output(client, entry, Path(folder))
    expected = sent.repeat(TIMES, axis=0).repeat(TIMES, axis=1)
    if back.shape != expected.shape or int(np.abs(back.astype(int) - expected).max()) > 1:
        raise CanaryFailed("the picture that came back is not the one that went in")
    return entry, back


def _basic_graph(image: str) -> dict[str, Any]:
    size = SIZE_PX * TIMES
    scale = {"upscale_method": "nearest-exact", "width": size, "height": size, "crop": "disabled"}
    return {
        "load": {"class_type": "LoadImage", "inputs": {"image": image}},
        "scale": {"class_type": "ImageScale", "inputs": {"image": ["load", 0], **scale}},
        "save": {"class_type": "SaveImage", "inputs": {"images": ["scale", 0], "filename_prefix": _prefix()}},
    }


# --- the canary that is a step's workflow -----------------------------------------------------------------------------


def _of_workflow(
    client: ComfyClient,
    clock: Clock,
    song: Workflow,
    *,
    options: StepOptions,
    timeout_s: float,
    stop: threading.Event,
) -> tuple[HistoryEntry, np.ndarray[Any, Any]]:
    client.free()  # the node cache too: a picture of another night would prove nothing
    fitted = song.fitted_to(client.object_info()) if song.manifest.alternatives else song
    with tempfile.TemporaryDirectory(prefix="nightreel-canary-") as folder:
        picture = _write_png(Path(folder) / "canary.png", _portrait(options.video.width, options.video.height))
        values = {
            name: client.upload(picture) if spec.kind == "upload" else _value(name, spec, options)
            for name, spec in fitted.manifest.bindings.items()
            if spec.source != "prefix"
        }
        graph = fitted.bind(values, prefix=_prefix())
        entry = _run(client, clock, graph, timeout_s=timeout_s, stop=stop)
        return entry, _read_output(client, entry, Path(folder))


def suits(workflow: Workflow, options: StepOptions) -> str:
    """Return why a workflow cannot be a canary; empty when it can: pictures in, a picture out, nothing of an item."""
    manifest = workflow.manifest
    if any(output.media != "image" for output in manifest.outputs.values()):
        return "it makes no picture"
    try:
        for name, spec in manifest.bindings.items():
            if spec.kind != "upload" and spec.source != "prefix":
                _value(name, spec, options)
    except (WorkflowError, ManifestError) as error:
        return str(error)
    return ""


def _value(name: str, spec: BindingSpec, options: StepOptions) -> Any:
    """Return what a binding gets without any item."""
    if spec.source == "seed":
        return SEED
    if spec.source is not None and spec.source.parts[0] == "options":
        value = sources.read(spec.source, _nobody(options))
        if value is not None:
            return value
    if spec.value is not None:
        return spec.value
    raise WorkflowError(f"its binding `{name}` needs something of an item")


def _nobody(options: StepOptions) -> Context:
    subject = Subject(item_id=0, title="canary", painting=Path())
    return Context(subject=subject, variant=SHARED, seed=SEED, work=Path(), made={}, options=options)


def _portrait(width: int, height: int) -> np.ndarray[Any, Any]:
    """Return a picture with something in it to restore: an oval face before a gradient. Always the same."""
    import numpy as np

    y, x = np.mgrid[0:height, 0:width].astype(float)
    across, down = x / width, y / height
    picture = np.stack([90 + 80 * down, 70 + 60 * across, 60 + 30 * (1 - down)], axis=2)
    face = ((across - 0.5) / 0.24) ** 2 + ((down - 0.4) / 0.2) ** 2 < 1
    picture[face] = (222, 184, 150)
    for eye in (0.41, 0.59):
        picture[((across - eye) / 0.03) ** 2 + ((down - 0.37) / 0.012) ** 2 < 1] = (50, 35, 30)
    picture[((across - 0.5) / 0.07) ** 2 + ((down - 0.48) / 0.01) ** 2 < 1] = (150, 60, 60)
    return picture.clip(0, 255).astype(np.uint8)


# --- prompts and files ------------------------------------------------------------------------------------------------


def _prefix() -> str:
    return f"nightreel/canary-{uuid4().hex}"


def _run(
    client: ComfyClient, clock: Clock, graph: Mapping[str, Any], *, timeout_s: float, stop: threading.Event
) -> HistoryEntry:
    """Run a graph and return its end. It is looked for by asking: the socket belongs to the night's own prompts."""
    prompt_id = str(uuid4())
    client.submit(prompt_id, graph, stop=stop)
    deadline = clock.monotonic() + timeout_s
    while True:
        location = client.locate(prompt_id)
        if location.place is Place.FINISHED and location.entry is not None:
            break
        if location.place is Place.UNKNOWN:
            raise CanaryFailed("the instance lost the prompt")
        if clock.monotonic() >= deadline or clock.wait(stop, POLL_S):
            client.withdraw(prompt_id)
            raise CanaryFailed(f"it had not come back after {timeout_s:g} s")
    if location.entry.outcome is not Outcome.SUCCESS:
        failure = location.entry.failure
        raise CanaryFailed(f"it failed there: {failure.message if failure is not None else location.entry.status}")
    return location.entry


def _read_output(client: ComfyClient, entry: HistoryEntry, folder: Path) -> np.ndarray[Any, Any]:
    import numpy as np
    from PIL import Image

    files = [file for file in entry.files() if file.folder == "output"]
    if not files:
        raise CanaryFailed("it came back without a picture")
    path = client.download(files[0], folder)
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError) as error:
        raise CanaryFailed(f"what came back is no picture: {error}") from error


def _write_png(path: Path, pixels: np.ndarray[Any, Any]) -> Path:
    from PIL import Image

    Image.fromarray(pixels).save(path)
    return path


def _seconds(entry: HistoryEntry) -> float | None:
    if entry.started_at is None or entry.finished_at is None:
        return None
    return (entry.finished_at - entry.started_at).total_seconds()
