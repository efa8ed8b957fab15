"""How far the nodes of a running prompt are, and what clients are told about it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from orchestrator.embedded.graph import RunningGraph
from orchestrator.embedded.sockets import Outbox
from orchestrator.embedded.values import Frame

MIN_INTERVAL_S = 0.1
MIN_PERCENT = 0.5


@dataclass
class _State:
    value: float
    maximum: float
    is_finished: bool = False


class ProgressBoard:
    """The `progress_state` of one prompt."""

    def __init__(self, graph: RunningGraph, prompt_id: str, outbox: Outbox) -> None:
        self._graph = graph
        self._prompt_id = prompt_id
        self._outbox = outbox
        self._states: dict[str, _State] = {}

    def start(self, node_id: str) -> None:
        """A node begins."""
        self._states[node_id] = _State(0.0, 1.0)
        self._send()

    def update(self, node_id: str, value: float, maximum: float) -> None:
        """A node got further."""
        state = self._states.setdefault(node_id, _State(0, 1))
        state.value, state.maximum = value, maximum
        self._send()

    def finish(self, node_id: str) -> None:
        """A node is over; also one that never began, since its result was cached."""
        state = self._states.setdefault(node_id, _State(0, 1))
        state.value, state.is_finished = state.maximum, True
        self._send()

    def ids(self, node_id: str) -> dict[str, Any]:
        """Return the ids under which a node is known."""
        return {
            "node_id": node_id,
            "prompt_id": self._prompt_id,
            "display_node_id": self._graph.display(node_id),
            "parent_node_id": self._graph.parent(node_id),
            "real_node_id": self._graph.real(node_id),
        }

    def _send(self) -> None:
        nodes = {
            node_id: {
                "value": state.value,
                "max": state.maximum,
                "state": "finished" if state.is_finished else "running",
                **self.ids(node_id),
            }
            for node_id, state in self._states.items()
        }
        self._outbox.send("progress_state", {"prompt_id": self._prompt_id, "nodes": nodes})


class ProgressBar:
    """The progress of one running node; keeps the number of messages bearable."""

    def __init__(self, board: ProgressBoard, node_id: str, outbox: Outbox, *, throttled: bool) -> None:
        self._board = board
        self._node_id = node_id
        self._outbox = outbox
        self._throttled = throttled
        self._sent_value: float | None = None
        self._sent_at = 0.0

    def update(self, value: int, maximum: int, *, preview: Frame | None = None, png: bool = False) -> None:
        """Tell how far the node is; the first, the last and those with a picture are always told."""
        value = min(value, maximum)
        if preview is None and self._throttled and not self._is_due(value, maximum):
            return
        self._sent_value, self._sent_at = value, time.perf_counter()
        self._board.update(self._node_id, value, maximum)
        if preview is not None:
            self._outbox.send_preview(preview, self._board.ids(self._node_id), png=png, before_progress=True)
        ids = self._board.ids(self._node_id)
        self._outbox.send(
            "progress", {"value": value, "max": maximum, "prompt_id": ids["prompt_id"], "node": self._node_id}
        )
        if preview is not None:
            self._outbox.send_preview(preview, ids, png=png, before_progress=False)

    def _is_due(self, value: int, maximum: int) -> bool:
        if self._sent_value is None or value >= maximum:
            return True
        percent = 100.0 * (value - self._sent_value) / maximum if maximum else 100.0
        return time.perf_counter() - self._sent_at >= MIN_INTERVAL_S and percent >= MIN_PERCENT
