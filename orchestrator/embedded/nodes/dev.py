"""Test nodes: they sleep, fail, hang, expand, block. The schemas are those of the recordings' test nodes.

Two are ours, for benchmarks: `TimedRender`, a node of a given duration that passes on whatever it is given, and
`TimedFile`, which also leaves a file of a given size.
"""

from __future__ import annotations

import ctypes
import os
import signal
import threading
import time
from concurrent.futures import Future
from typing import Any

import numpy as np

from orchestrator.embedded import pixels
from orchestrator.embedded.errors import OutOfMemoryError
from orchestrator.embedded.files import Folders
from orchestrator.embedded.nodes.base import Expansion, Family, NodeContext, NodeOutput, gives
from orchestrator.embedded.nodes.image_outputs import save_bytes
from orchestrator.embedded.values import Blocked, Images

DEV = Family()
MEGABYTE = 1_000_000

OOM_TEXT = (
    "CUDA out of memory. Tried to allocate 20.00 GiB. "
    "GPU 0 has a total capacity of 23.69 GiB of which 1.10 GiB is free."
)


@DEV.node("SleepWithProgress")
def sleep_with_progress(
    context: NodeContext, *, image: Images, steps: int, seconds_per_step: float, preview: bool, seed: int
) -> NodeOutput:
    """Tick a progress bar."""
    for step in range(1, steps + 1):
        time.sleep(seconds_per_step)
        context.progress(step, steps, preview=_noise(seed + step) if preview else None)
    return gives(image)


def _noise(seed: int) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (48, 64, 3), dtype=np.uint8)


@DEV.node("RaiseError")
def raise_error(context: NodeContext, *, image: Images, message: str, seed: int) -> NodeOutput:
    """Fail with a ValueError."""
    raise ValueError(message)


@DEV.node("RaiseOOM")
def raise_oom(context: NodeContext, *, image: Images, kind: str, seed: int) -> NodeOutput:
    """Run out of memory in one of four ways."""
    if kind == "MemoryError":
        raise MemoryError("Unable to allocate 8.00 GiB")
    if kind.startswith("RuntimeError"):
        raise RuntimeError("CUDA error: out of memory")
    raise OutOfMemoryError(OOM_TEXT)


@DEV.node("HangForever")
def hang_forever(context: NodeContext, *, image: Images, poll: float, max_seconds: float, seed: int) -> NodeOutput:
    """Do nothing for long, looking every `poll` seconds whether to stop; 0: never looking."""
    if poll <= 0:
        time.sleep(max_seconds)
        return gives(image)
    ends_at = time.monotonic() + max_seconds
    while (left := ends_at - time.monotonic()) > 0:
        time.sleep(min(poll, left))
        context.check_interrupted()
    return gives(image)


@DEV.node("AsyncSleep", is_async=True)
def async_sleep(context: NodeContext, *, image: Images, seconds: float, seed: int) -> NodeOutput:
    """Sleep while other nodes run."""
    future: Future[NodeOutput] = Future()
    timer = threading.Timer(seconds, future.set_result, [gives(image)])
    timer.daemon = True
    timer.start()
    return NodeOutput(pending=future)


@DEV.node("ExitProcess")
def exit_process(context: NodeContext, *, image: Images, code: int, how: str) -> NodeOutput:
    """End the process, or only the worker thread."""
    if how == "os._exit":
        os._exit(code)
    if how == "SIGSEGV":
        os.kill(os.getpid(), signal.SIGSEGV)
    raise SystemExit(code)


@DEV.node("Expand")
def expand(context: NodeContext, *, image: Images, steps: int, seed: int) -> NodeOutput:
    """Become a sleeping node and a preview."""
    sleeping = {"image": image, "steps": steps, "seconds_per_step": 0.05, "preview": False, "seed": seed}
    graph = {
        "1": {"class_type": "SleepWithProgress", "inputs": sleeping},
        "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
    }
    return NodeOutput(expansion=Expansion(graph, (["1", 0],)))


def _always(folders: Folders, *, always: bool = False, **_: Any) -> float | bool:
    return float("nan") if always else False


@DEV.node("TextOut", fingerprint=_always)
def text_out(context: NodeContext, *, text: str, always: bool) -> NodeOutput:
    """Show a text and a custom key."""
    return gives(text, ui={"text": [text], "stats": [{"chars": len(text)}]})


@DEV.node("SlowOut")
def slow_out(context: NodeContext, *, image: Images, seconds: float, seed: int) -> NodeOutput:
    """Take time at the very end, without looking whether to stop."""
    time.sleep(seconds)
    return gives(ui={"text": ["slept"]})


@DEV.node("NoUiOut")
def no_ui_out(context: NodeContext, *, image: Images, seed: int) -> NodeOutput:
    """End a graph without showing anything."""
    return gives()


@DEV.node("HoldGIL")
def hold_gil(context: NodeContext, *, image: Images, n: int, seed: int) -> NodeOutput:
    """Keep the interpreter lock: 5 s at n = 27, and half of it with each one less."""
    seconds = 5.0 * 2.0 ** (n - 27)
    libc = ctypes.PyDLL(None)  # a PyDLL call, unlike a CDLL one, keeps the lock
    libc.usleep(ctypes.c_uint(int(seconds * 1e6)))
    return gives(image)


@DEV.node("Blocker")
def blocker(context: NodeContext, *, image: Images, message: str, seed: int) -> NodeOutput:
    """Let nothing after it run; with a message, or silently."""
    return gives(Blocked(message or None))


@DEV.node("TimedRender")
def timed_render(
    context: NodeContext,
    *,
    seconds: float,
    ticks: int,
    image: Any = None,
    audio: Any = None,
    video: Any = None,
) -> NodeOutput:
    """Take a given time and pass on what came in."""
    _take_time(context, seconds, ticks)
    return gives(image, audio, video)


@DEV.node("TimedFile")
def timed_file(
    context: NodeContext, *, image: Images, seconds: float, ticks: int, megabytes: float, filename_prefix: str
) -> NodeOutput:
    """Take a given time and save the first picture; what follows its end in the file makes up the size."""
    _take_time(context, seconds, ticks)
    plan = context.folders.plan(filename_prefix, width=image.width, height=image.height)
    picture = pixels.png_bytes(next(iter(image.frames())), {}, compress_level=1)
    block = os.urandom(MEGABYTE)
    filling = block * int(megabytes) + block[: int(MEGABYTE * (megabytes % 1))]
    name = plan.name(0, "png", underscore=True)
    save_bytes(context, plan, name, picture + filling[len(picture) :])
    return gives(ui={"images": [plan.entry(name)]})


def _take_time(context: NodeContext, seconds: float, ticks: int) -> None:
    ends_at = time.monotonic() + seconds
    for tick in range(1, ticks + 1):
        context.wait((ends_at - time.monotonic()) / (ticks - tick + 1))
        context.progress(tick, ticks)
