"""Graphs of the contract tests: nodes of ComfyUI's core that need no model, and our test nodes where a server has them.

Every graph differs from all others unless a source is given, so that no server answers it from its cache.
"""

from __future__ import annotations

import uuid
from typing import Any

from orchestrator.comfyui.session import HistoryEntry, InstanceSession
from steps.manifest import OutputSpec

Graph = dict[str, Any]
SIZE = (64, 48)
LARGE = 1536  # pixels: a picture that takes a while to scale
PICTURE = {"image": OutputSpec.model_validate({"node": "OUT", "media": "image", "width": 64, "height": 48})}
FILM = {"clip": OutputSpec.model_validate({"node": "OUT", "media": "video", "width": 64, "height": 48})}
SOUND = {"sound": OutputSpec.model_validate({"node": "OUT", "media": "audio"})}


def new_id() -> str:
    return str(uuid.uuid4())


def unique() -> int:
    return uuid.uuid4().int % 2**24


def empty(width: int = SIZE[0], height: int = SIZE[1], *, count: int = 1) -> Graph:
    inputs = {"width": width, "height": height, "batch_size": count, "color": unique()}
    return {"class_type": "EmptyImage", "inputs": inputs, "_meta": {"title": "EMPTY"}}


def saver(class_type: str, *, prefix: str = "", **inputs: Any) -> Graph:
    inputs["filename_prefix"] = prefix or f"contract/{new_id()}"
    return {"class_type": class_type, "inputs": inputs, "_meta": {"title": "OUT"}}


def picture(*, source: Graph | None = None, prefix: str = "") -> Graph:
    """Return a graph that saves one picture."""
    source = source or {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}}
    return {"1": empty(), "2": source, "9": saver("SaveImage", images=["2", 0], prefix=prefix)}


def scale(width: int, height: int, *, crop: str = "disabled", source: tuple[str, int] = ("1", 0)) -> Graph:
    how = {"upscale_method": "lanczos", "width": width, "height": height, "crop": crop}
    return {"class_type": "ImageScale", "inputs": {"image": list(source), **how}}


def film(*, frames: int = 8, fps: float = 8.0, audio: str = "", prefix: str = "") -> Graph:
    """Return a graph that saves a film, with the sound of an uploaded file if one is named."""
    making: dict[str, Any] = {"images": ["1", 0], "fps": fps}
    graph = {"1": empty(count=frames)}
    if audio:
        graph["3"] = {"class_type": "LoadAudio", "inputs": {"audio": audio}}
        making["audio"] = ["3", 0]
    graph["2"] = {"class_type": "CreateVideo", "inputs": making}
    graph["9"] = saver("SaveVideo", video=["2", 0], format="auto", codec="h264", prefix=prefix)
    return graph


def sound(audio: str, *, class_type: str = "SaveAudio", prefix: str = "", **inputs: Any) -> Graph:
    """Return a graph that saves the sound of an uploaded file."""
    load = {"class_type": "LoadAudio", "inputs": {"audio": audio}}
    return {"1": load, "9": saver(class_type, audio=["1", 0], prefix=prefix, **inputs)}


def node(class_type: str, **inputs: Any) -> Graph:
    """Return one of our test nodes, to stand between the picture and its saver."""
    return {"class_type": class_type, "inputs": {"image": ["1", 0], "seed": unique(), **inputs}}


def sleeping(steps: int, seconds_per_step: float) -> Graph:
    """Return a graph with a test node that takes its time, and tells its progress."""
    return picture(source=node("SleepWithProgress", steps=steps, seconds_per_step=seconds_per_step, preview=False))


def chain(length: int) -> Graph:
    """Return a graph of the core alone that takes its time: nodes that scale a large picture one after the other."""
    graph = {"1": empty(LARGE, LARGE)}
    for number in range(length):
        source = str(100 + number - 1) if number else "1"
        size = LARGE - 1 - number % 2
        graph[str(100 + number)] = scale(size, size, source=(source, 0))
    graph["2"] = scale(*SIZE, source=(str(100 + length - 1), 0))
    graph["9"] = saver("SaveImage", images=["2", 0])
    return graph


def run(session: InstanceSession, graph: Graph, *, prompt_id: str = "", **options: Any) -> HistoryEntry:
    """Submit a graph and wait for its end."""
    prompt_id = prompt_id or new_id()
    session.submit(prompt_id, graph)
    return session.wait(prompt_id, idle_timeout_s=30, total_timeout_s=60, **options)
