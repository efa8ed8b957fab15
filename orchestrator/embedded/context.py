"""What a node may use while it runs: the services of its card, its progress bar, the clock."""

from __future__ import annotations

import json
import os
import signal
import struct
import time
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from orchestrator.embedded.errors import Abandoned, AcceleratorError, OutOfMemoryError
from orchestrator.embedded.faults import Fault, FaultBoard
from orchestrator.embedded.files import Folders
from orchestrator.embedded.interrupt import Interrupt
from orchestrator.embedded.models import ModelFiles
from orchestrator.embedded.nodes.base import NodeOutput, NodeType
from orchestrator.embedded.pretend_vram import PretendCard
from orchestrator.embedded.progress import ProgressBar, ProgressBoard
from orchestrator.embedded.prompts import PromptQueue
from orchestrator.embedded.rendering import Renderers
from orchestrator.embedded.schemas import Schemas
from orchestrator.embedded.settings import CardSettings
from orchestrator.embedded.sockets import PROGRESS_TEXT, Outbox, SocketHub
from orchestrator.embedded.values import Frame

DEAF_S = 3600.0
POISON_TEXT = (
    "CUDA error: an illegal memory access was encountered\n"
    "CUDA kernel errors might be asynchronously reported at some other API call, so the stacktrace below might be "
    "incorrect.\nCompile with `TORCH_USE_CUDA_DSA` to enable device-side assertions."
)
OOM_TEXT = (
    "CUDA out of memory. Tried to allocate 20.00 GiB. "
    "GPU 0 has a total capacity of 23.69 GiB of which 1.10 GiB is free."
)


@dataclass(frozen=True)
class Services:
    """What all prompts of a card share."""

    settings: CardSettings
    folders: Folders
    models: ModelFiles
    schemas: Schemas
    types: Mapping[str, NodeType]
    renderers: Renderers
    faults: FaultBoard
    interrupt: Interrupt
    queue: PromptQueue
    hub: SocketHub
    pretend: PretendCard | None = None  # the memory of a card that is shared with other processes
    placeholders: dict[Hashable, bytes] = field(default_factory=dict)


class Prompt(Protocol):
    """What a running node may know of the prompt it belongs to."""

    extra_data: dict[str, Any]

    def graph_for_metadata(self) -> dict[str, Any]:
        """Return the graph as it is written into saved files."""


class RunningNode:
    """A node while it runs; the `NodeContext` that its function is given."""

    def __init__(
        self,
        services: Services,
        board: ProgressBoard,
        outbox: Outbox,
        node_id: str,
        node: Mapping[str, Any],
        prompt: Prompt,
    ) -> None:
        self._services = services
        self._prompt = prompt
        self._bar = ProgressBar(board, node_id, outbox, throttled=services.settings.dialect.throttles_progress)
        self._ends_at: float | None = None  # of a node with a given duration
        self.settings = services.settings
        self.folders = services.folders
        self.models = services.models
        self.renderers = services.renderers
        self.placeholders = services.placeholders
        self.faults = services.faults
        self.node_id = node_id
        self.class_type = str(node["class_type"])
        self.extra_data = prompt.extra_data

    @property
    def prompt(self) -> Mapping[str, Any]:
        """The graph as it goes into saved files."""
        return self._prompt.graph_for_metadata()

    def run(self, node_type: NodeType, values: Mapping[str, Any]) -> NodeOutput:
        """Call the node's function, with the faults and the duration that were asked for."""
        if self.faults.is_poisoned:
            raise AcceleratorError(POISON_TEXT)
        self._suffer(self.faults.strike("node", node=self.class_type))
        seconds = self.settings.timed.get(self.class_type)
        if seconds is not None:
            self._ends_at = time.monotonic() + seconds
        output = node_type.run(self, **values)
        if self._ends_at is not None:
            self.wait(self._ends_at - time.monotonic())
        return output

    def check_interrupted(self) -> None:
        """Raise Interrupted when the prompt was interrupted."""
        self._services.interrupt.check()

    def wait(self, seconds: float) -> None:
        """Let time pass; ends early, by raising Interrupted, when the prompt is interrupted."""
        self._services.interrupt.wait(seconds)

    def progress(self, value: int, maximum: int, *, preview: Frame | None = None, png: bool = False) -> None:
        """Tell how far the node is. Raises Interrupted."""
        self.check_interrupted()
        self._bar.update(value, maximum, preview=preview, png=png)

    def step(self, value: int, maximum: int) -> None:
        """Take one step of a sampler (1-based): its time, its faults, its progress."""
        if self._ends_at is not None:
            left = self._ends_at - time.monotonic()
            self.wait(left / max(1, maximum - value + 1))
        else:
            self.wait(self.settings.step_seconds)
        self._suffer(self.faults.strike("tick", node=self.class_type, tick=value))
        self.progress(value, maximum)

    def saved(self, path: Path) -> None:
        """Tell that a file was saved, which is when some faults strike."""
        fault = self.faults.strike("save", node=self.class_type)
        if fault is not None and fault.kind == "truncate_file":
            os.truncate(path, os.stat(path).st_size // 2)
        elif fault is not None:
            os.unlink(path)

    def _suffer(self, fault: Fault | None) -> None:
        if fault is None:
            return
        if fault.kind == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        elif fault.kind == "zombie":
            raise SystemExit(3)
        elif fault.kind == "error":
            raise ValueError(fault.how or "boom")
        elif fault.kind == "oom":
            _run_out_of_memory(fault.how or "torch")
        elif fault.kind == "poison":
            self.faults.is_poisoned = True
            raise AcceleratorError(POISON_TEXT)
        elif fault.kind == "hang":
            self._hang(fault)
        elif fault.kind == "stall":
            self._services.hub.loop.call_soon_threadsafe(time.sleep, fault.lasts(3.0))
            time.sleep(fault.lasts(3.0))
        elif fault.kind == "drop_socket":
            self._services.hub.drop_all()
        elif fault.kind == "mute_socket":
            self._services.hub.mute(is_muted=True)
        elif fault.kind == "chatter":
            self._services.hub.post(json.dumps({"type": "monitor.usage", "data": {"cpu": 7, "gpus": []}}), None)
            node = self.node_id.encode()
            self._services.hub.post(struct.pack(">II", PROGRESS_TEXT, len(node)) + node + b"thinking", None)
        elif fault.kind == "forget_queue":
            self._services.queue.forget()
            raise Abandoned

    def _hang(self, fault: Fault) -> None:
        if fault.how == "deaf":
            time.sleep(fault.lasts(DEAF_S))
        else:
            self.wait(fault.lasts(DEAF_S))


def _run_out_of_memory(how: str) -> None:
    if how == "memory":
        raise MemoryError("Unable to allocate 8.00 GiB")
    if how == "cuda":
        raise RuntimeError("CUDA error: out of memory")
    raise OutOfMemoryError(OOM_TEXT)
