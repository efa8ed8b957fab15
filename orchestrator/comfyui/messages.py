"""What a ComfyUI server says on its websocket, as typed events. Pure: one message in, one event or nothing out.

Only what something here reads has a type. Everything else (unknown types, custom nodes' own messages, log lines,
previews) is nothing, and so is a message that is broken: the history tells the truth anyway.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from orchestrator.comfyui.replies import Outcome, parse_time

HELLO = json.dumps({"type": "feature_flags", "data": {"supports_preview_metadata": True}})
"""First message of ours. The server answers it only on a socket that it would send events to, so the answer proves
that the socket is not deaf."""

# `progress_state` repeats every node touched so far at each tick, so its traffic grows with the square of the graph.
# What it tells comes as `executing` and `progress` too, so it is dropped before the cost of parsing it.
_SKIPPED = ('{"type": "progress_state"', '{"type":"progress_state"')


@dataclass(frozen=True)
class Hello:
    """The server answered our first message."""


@dataclass(frozen=True)
class QueueChanged:
    """The queue's length changed, or the socket was just opened."""

    remaining: int


@dataclass(frozen=True)
class PromptStarted:
    """A prompt of ours began to run."""

    prompt_id: str
    at: datetime | None  # the server's clock


@dataclass(frozen=True)
class NodesCached:
    """These nodes will not run: their results are known from before."""

    prompt_id: str
    nodes: tuple[str, ...]


@dataclass(frozen=True)
class NodeStarted:
    """A node began to run. After a reconnect the server repeats the running node without naming the prompt."""

    prompt_id: str | None
    node_id: str
    shown_as: str  # the node that was submitted, where an expanding node made this one


@dataclass(frozen=True)
class NodeProgress:
    """A running node got on."""

    prompt_id: str | None
    node_id: str
    value: float
    maximum: float


@dataclass(frozen=True)
class NodeDone:
    """An output node has shown its result, run or cached."""

    prompt_id: str
    node_id: str


@dataclass(frozen=True)
class BranchBlocked:
    """A node blocked its branch with a message. Not the end: the prompt goes on and ends in success."""

    prompt_id: str
    node_id: str
    message: str


@dataclass(frozen=True)
class PromptEnded:
    """A prompt ended. The history may follow a moment later."""

    prompt_id: str
    outcome: Outcome | None  # None where the message does not tell (`executing` without a node)
    at: datetime | None = None


Event = (
    Hello | QueueChanged | PromptStarted | NodesCached | NodeStarted | NodeProgress | NodeDone | BranchBlocked
) | PromptEnded


def parse_message(raw: str | bytes) -> Event | None:
    """Return the event of one websocket message; None for all that nothing here reads."""
    if isinstance(raw, bytes) or raw.startswith(_SKIPPED):  # binary frames are previews and progress texts
        return None
    try:
        message = json.loads(raw)
    except ValueError:
        return None
    data = message.get("data") if isinstance(message, dict) else None
    if not isinstance(data, dict):
        return None
    reader = _READERS.get(str(message.get("type")))
    return reader(data) if reader is not None else None


def _status(data: Mapping[str, Any]) -> Event | None:
    status = data.get("status")
    info = status.get("exec_info") if isinstance(status, dict) else None
    remaining = info.get("queue_remaining") if isinstance(info, dict) else None
    return QueueChanged(remaining) if isinstance(remaining, int) else None


def _executing(data: Mapping[str, Any]) -> Event | None:
    prompt_id, node_id = _id(data.get("prompt_id")), _id(data.get("node"))
    if node_id is not None:
        return NodeStarted(prompt_id, node_id, _id(data.get("display_node")) or node_id)
    return PromptEnded(prompt_id, None) if prompt_id is not None else None


def _progress(data: Mapping[str, Any]) -> Event | None:
    node_id, value, maximum = _id(data.get("node")), data.get("value"), data.get("max")
    if node_id is None or not isinstance(value, int | float) or not isinstance(maximum, int | float):
        return None
    return NodeProgress(_id(data.get("prompt_id")), node_id, float(value), float(maximum))


def _cached(data: Mapping[str, Any]) -> Event | None:
    prompt_id, nodes = _id(data.get("prompt_id")), data.get("nodes")
    if prompt_id is None or not isinstance(nodes, list):
        return None
    return NodesCached(prompt_id, tuple(map(str, nodes)))


def _started(data: Mapping[str, Any]) -> Event | None:
    prompt_id = _id(data.get("prompt_id"))
    return PromptStarted(prompt_id, parse_time(data.get("timestamp"))) if prompt_id is not None else None


def _executed(data: Mapping[str, Any]) -> Event | None:
    prompt_id, node_id = _id(data.get("prompt_id")), _id(data.get("display_node")) or _id(data.get("node"))
    return NodeDone(prompt_id, node_id) if prompt_id is not None and node_id is not None else None


def _error(data: Mapping[str, Any]) -> Event | None:
    prompt_id = _id(data.get("prompt_id"))
    if prompt_id is None:
        return None
    if data.get("exception_type") == "ExecutionBlocked":
        return BranchBlocked(prompt_id, str(data.get("node_id") or ""), str(data.get("exception_message") or ""))
    return PromptEnded(prompt_id, Outcome.ERROR, parse_time(data.get("timestamp")))


def _ended(outcome: Outcome) -> Callable[[Mapping[str, Any]], Event | None]:
    def read(data: Mapping[str, Any]) -> Event | None:
        prompt_id = _id(data.get("prompt_id"))
        return PromptEnded(prompt_id, outcome, parse_time(data.get("timestamp"))) if prompt_id is not None else None

    return read


def _id(value: Any) -> str | None:
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) and value != "" else None


_READERS: dict[str, Callable[[Mapping[str, Any]], Event | None]] = {
    "feature_flags": lambda data: Hello(),
    "status": _status,
    "execution_start": _started,
    "execution_cached": _cached,
    "executing": _executing,
    "progress": _progress,
    "executed": _executed,
    "execution_success": _ended(Outcome.SUCCESS),
    "execution_interrupted": _ended(Outcome.INTERRUPTED),
    "execution_error": _error,
}
