"""What a ComfyUI server answers, as frozen values: queue, history, statistics, output files.

Only parsing lives here: no I/O, so that every odd answer that was ever seen can be a plain test. Unknown keys are
ignored and missing ones tolerated, because both happen between versions; an answer that cannot be ComfyUI's at all is
`NotComfyUI`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from orchestrator.comfyui.errors import NotComfyUI


class Place(StrEnum):
    """Where a prompt is."""

    RUNNING = "RUNNING"
    PENDING = "PENDING"
    FINISHED = "FINISHED"  # in the history, whatever its outcome
    UNKNOWN = "UNKNOWN"  # in neither


class Outcome(StrEnum):
    """How a prompt ended."""

    SUCCESS = "SUCCESS"
    ERROR = "ERROR"
    INTERRUPTED = "INTERRUPTED"


@dataclass(frozen=True)
class QueueItem:
    """One prompt in the queue."""

    prompt_id: str
    number: float  # priority; lower runs first
    client_id: str  # empty when it was submitted without one
    graph: Mapping[str, Any]


@dataclass(frozen=True)
class QueueView:
    """The queue at one moment."""

    running_items: tuple[QueueItem, ...]
    pending_items: tuple[QueueItem, ...]  # in order of execution

    @property
    def running(self) -> tuple[str, ...]:
        """Return the ids that run."""
        return tuple(item.prompt_id for item in self.running_items)

    @property
    def pending(self) -> tuple[str, ...]:
        """Return the ids that wait, next first."""
        return tuple(item.prompt_id for item in self.pending_items)

    def find(self, prompt_id: str) -> tuple[Place, QueueItem | None]:
        """Return where in the queue a prompt is; UNKNOWN says nothing about the history."""
        for place, items in ((Place.RUNNING, self.running_items), (Place.PENDING, self.pending_items)):
            for item in items:
                if item.prompt_id == prompt_id:
                    return place, item
        return Place.UNKNOWN, None


@dataclass(frozen=True)
class OutputFile:
    """A file that a prompt left on the server. All strings are the server's: data, never paths of ours."""

    node_id: str
    key: str  # "images", "audio", "gifs" …
    filename: str
    subfolder: str
    folder: str  # "output", "temp" or "input"


@dataclass(frozen=True)
class Failure:
    """What a failed prompt says about its end."""

    node_id: str
    node_type: str
    exception_type: str
    message: str


@dataclass(frozen=True)
class HistoryEntry:
    """What the server remembers of a finished prompt."""

    prompt_id: str
    outcome: Outcome
    status: str  # the server's word: "success" or "error"
    outputs: Mapping[str, Mapping[str, Any]]  # node id -> what the node showed
    graph: Mapping[str, Any]  # as it was run
    display_nodes: Mapping[str, str] = field(default_factory=dict)  # node id of `outputs` -> node that was submitted
    started_at: datetime | None = None
    finished_at: datetime | None = None
    cached: tuple[str, ...] = ()
    failure: Failure | None = None
    is_salvaged: bool = False  # put together from files whose history is gone: the last may be half-written
    on_disk: Path | None = None  # output folder on this machine that holds the files; None: they are fetched over HTTP

    def files(self) -> Iterator[OutputFile]:
        """Yield every file of every node, whatever key it is under."""
        for node_id, shown in self.outputs.items():
            for key, values in shown.items():
                for value in values if isinstance(values, list) else ():
                    if isinstance(value, dict) and value.get("filename") and value.get("type"):
                        yield OutputFile(
                            node_id=node_id,
                            key=key,
                            filename=str(value["filename"]),
                            subfolder=str(value.get("subfolder") or ""),
                            folder=str(value["type"]),
                        )


@dataclass(frozen=True)
class Location:
    """Where a prompt is, and what the place knows about it."""

    place: Place
    entry: HistoryEntry | None = None  # when FINISHED
    item: QueueItem | None = None  # when RUNNING or PENDING


@dataclass(frozen=True)
class DeviceStats:
    """One device as the server sees it. On a CPU server the figures are those of RAM."""

    name: str
    kind: str  # "cuda", "cpu", "mps" …
    index: int | None
    vram_total_bytes: int
    vram_free_bytes: int
    torch_total_bytes: int = 0  # what this server's process has reserved
    torch_free_bytes: int = 0  # of that, what it could use again; counted as free as well

    @property
    def others_bytes(self) -> int:
        """Return how much memory of the card other programs hold."""
        really_free = self.vram_free_bytes - self.torch_free_bytes
        return max(0, self.vram_total_bytes - really_free - self.torch_total_bytes)


@dataclass(frozen=True)
class SystemStats:
    """What a server says about itself."""

    comfyui_version: str
    boot_id: str | None  # a real ComfyUI has none
    preview: bool  # the embedded engine
    ram_total_bytes: int
    ram_free_bytes: int
    devices: tuple[DeviceStats, ...]
    argv: tuple[str, ...] = ()


def parse_queue(reply: Any, *, url: str) -> QueueView:
    """Read the answer of GET /queue."""
    if not isinstance(reply, dict) or not isinstance(reply.get("queue_running"), list):
        raise NotComfyUI(f"{url} answered GET /queue with {describe(reply)}; a queue was expected")
    pending = sorted(_items(reply.get("queue_pending")), key=lambda item: (item.number, item.prompt_id))
    return QueueView(running_items=tuple(_items(reply["queue_running"])), pending_items=tuple(pending))


def _items(rows: Any) -> Iterator[QueueItem]:
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, list) and len(row) >= 2:
            extra = row[3] if len(row) > 3 and isinstance(row[3], dict) else {}
            graph = row[2] if len(row) > 2 and isinstance(row[2], dict) else {}
            number = row[0] if isinstance(row[0], int | float) else 0
            yield QueueItem(str(row[1]), float(number), str(extra.get("client_id") or ""), graph)


def parse_history(reply: Any, prompt_id: str, *, url: str) -> HistoryEntry | None:
    """Read the answer of GET /history/ID; None when the server does not know it, or not yet."""
    if not isinstance(reply, dict):
        raise NotComfyUI(f"{url} answered GET /history with {describe(reply)}; a history was expected")
    entry = reply.get(prompt_id)
    if not isinstance(entry, dict):
        return None
    # Some versions can show an entry without a status; what it made is then all that tells how it ended.
    status = mapping(entry.get("status"))
    messages = list(_messages(status.get("messages")))
    prompt = entry.get("prompt")
    graph = prompt[2] if isinstance(prompt, list) and len(prompt) > 2 and isinstance(prompt[2], dict) else {}
    return HistoryEntry(
        prompt_id=prompt_id,
        outcome=_outcome(status, messages),
        status=str(status.get("status_str") or "success"),
        outputs={str(node): shown for node, shown in mapping(entry.get("outputs")).items() if isinstance(shown, dict)},
        graph=graph,
        display_nodes=_display_nodes(entry.get("meta")),
        started_at=_time_of(messages, "execution_start"),
        finished_at=_time_of(messages, "execution_success", "execution_error", "execution_interrupted"),
        cached=tuple(str(n) for kind, data in messages if kind == "execution_cached" for n in data.get("nodes") or ()),
        failure=_failure(messages),
    )


def _messages(rows: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, list) and len(row) == 2 and isinstance(row[1], dict):
            yield str(row[0]), row[1]


def _outcome(status: Mapping[str, Any], messages: list[tuple[str, dict[str, Any]]]) -> Outcome:
    kinds = {kind for kind, _ in messages}
    if "execution_interrupted" in kinds:
        return Outcome.INTERRUPTED
    return Outcome.ERROR if status.get("status_str") == "error" else Outcome.SUCCESS


def _failure(messages: list[tuple[str, dict[str, Any]]]) -> Failure | None:
    for kind, data in messages:
        if kind in ("execution_error", "execution_interrupted"):
            return Failure(
                node_id=str(data.get("node_id") or ""),
                node_type=str(data.get("node_type") or ""),
                exception_type=str(data.get("exception_type") or ""),
                message=str(data.get("exception_message") or "").strip(),
            )
    return None


def _display_nodes(meta: Any) -> dict[str, str]:
    return {
        str(node): str(about["display_node"])
        for node, about in mapping(meta).items()
        if isinstance(about, dict) and about.get("display_node")
    }


def _time_of(messages: list[tuple[str, dict[str, Any]]], *kinds: str) -> datetime | None:
    for kind, data in messages:
        if kind in kinds:
            return parse_time(data.get("timestamp"))
    return None


def parse_time(milliseconds: Any) -> datetime | None:
    """Return the server's milliseconds since the epoch as an aware UTC time; None for anything else."""
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, int | float):
        return None
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, OSError, ValueError):
        return None


def parse_system_stats(reply: Any, *, url: str) -> SystemStats:
    """Read the answer of GET /system_stats."""
    system = reply.get("system") if isinstance(reply, dict) else None
    if not isinstance(system, dict) or not isinstance(reply.get("devices"), list):
        raise NotComfyUI(f"{url} answered GET /system_stats with {describe(reply)}; ComfyUI's statistics were expected")
    boot_id = system.get("boot_id")
    return SystemStats(
        comfyui_version=str(system.get("comfyui_version") or "unknown"),
        boot_id=str(boot_id) if boot_id else None,
        preview=bool(system.get("nightreel_preview")),
        ram_total_bytes=_integer(system.get("ram_total")),
        ram_free_bytes=_integer(system.get("ram_free")),
        devices=tuple(_device(device) for device in reply["devices"] if isinstance(device, dict)),
        argv=tuple(str(word) for word in system.get("argv") or ()),
    )


def _device(device: Mapping[str, Any]) -> DeviceStats:
    index = device.get("index")
    return DeviceStats(
        name=str(device.get("name") or ""),
        kind=str(device.get("type") or ""),
        index=index if isinstance(index, int) else None,
        vram_total_bytes=_integer(device.get("vram_total")),
        vram_free_bytes=_integer(device.get("vram_free")),
        torch_total_bytes=_integer(device.get("torch_vram_total")),
        torch_free_bytes=_integer(device.get("torch_vram_free")),
    )


def _integer(value: Any) -> int:
    return int(value) if isinstance(value, int | float) else 0


def mapping(value: Any) -> Mapping[str, Any]:
    """Return the value if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def describe(value: Any) -> str:
    """Return a short text for an answer that was not expected."""
    if isinstance(value, dict):
        keys = ", ".join(sorted(map(str, value))[:5]) or "no keys"
        return f"a JSON object ({keys})"
    text = repr(value)
    return f"JSON {text if len(text) <= 60 else text[:57] + '…'}"
