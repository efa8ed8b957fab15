"""The queue and the history of one card.

Prompts wait in a heap ordered by number, then id; the same id may wait twice, for nothing is ever recognised as a
duplicate. What is over moves to the history in one step under the same lock, so at any instant a prompt is in exactly
one place.
"""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

MAX_HISTORY = 10_000

Item = tuple[float, str, dict[str, Any], dict[str, Any], list[str]]
"""number, prompt id, graph, extra_data, output nodes that run. Compared as it is, as in a real server's heap: two with
the same number and id cannot be compared, which makes the second submission fail although it is queued."""


@dataclass
class Outcome:
    """What became of a prompt."""

    succeeded: bool = False
    outputs: dict[str, Any] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)
    messages: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def status(self) -> dict[str, Any]:
        """Return the `status` of a history entry."""
        return {
            "status_str": "success" if self.succeeded else "error",
            "completed": self.succeeded,
            "messages": [list(message) for message in self.messages],
        }


@dataclass
class FreeRequest:
    """What POST /free asked for and the worker has not done yet."""

    unload_models: bool = False
    free_memory: bool = False


class PromptQueue:
    """What waits, what runs and what is over on one card. Every method may be called from any thread."""

    def __init__(self, on_change: Callable[[int], None]) -> None:
        """Take a function that is told the number of prompts left whenever it may have changed."""
        self._on_change = on_change
        self._lock = threading.RLock()
        self._filled = threading.Condition(self._lock)
        self._waiting: list[Item] = []
        self._running: dict[int, Item] = {}
        self._history: dict[str, dict[str, Any]] = {}
        self._taken = 0
        self._free = FreeRequest()
        self._is_closed = False

    def put(self, item: Item) -> None:
        """Queue a prompt.

        Raises:
            TypeError: one with the same number and id waits already. The new one is queued all the same.
        """
        with self._lock:
            heapq.heappush(self._waiting, item)
            self._changed()
            self._filled.notify()

    def take(self, timeout_s: float | None = None) -> tuple[int, Item] | None:
        """Wait for the next prompt and make it the running one.

        Returns:
            A ticket and the prompt, which nobody may change, or None when there was none in time.
        """
        with self._lock:
            while not self._waiting or self._is_free_asked():
                if self._is_closed or self._is_free_asked():  # memory is given back before the next prompt
                    return None
                if not self._filled.wait(timeout_s):
                    return None
            item = heapq.heappop(self._waiting)
            ticket = self._taken
            self._taken += 1
            self._running[ticket] = item
            self._changed()
            return ticket, item

    def finish(self, ticket: int, outcome: Outcome) -> bool:
        """Move the running prompt to the history; returns False when it was forgotten meanwhile."""
        with self._lock:
            item = self._running.pop(ticket, None)
            if item is None:
                return False
            while len(self._history) > MAX_HISTORY:
                del self._history[next(iter(self._history))]
            self._history[item[1]] = {
                "prompt": list(item),
                "outputs": outcome.outputs,
                "status": outcome.status(),
                "meta": outcome.meta,
            }
            self._changed()
            return True

    def remaining(self) -> int:
        """Return how many prompts wait or run."""
        with self._lock:
            return len(self._waiting) + len(self._running)

    def view(self) -> tuple[list[Item], list[Item]]:
        """Return what runs and what waits, the latter in the order of the heap."""
        with self._lock:
            return list(self._running.values()), list(self._waiting)

    def is_running(self, prompt_id: str) -> bool:
        """Whether a prompt runs now."""
        with self._lock:
            return any(item[1] == prompt_id for item in self._running.values())

    def delete(self, prompt_id: str) -> bool:
        """Take one waiting prompt of this id out of the queue."""
        with self._lock:
            for index, item in enumerate(self._waiting):
                if item[1] == prompt_id:
                    del self._waiting[index]
                    heapq.heapify(self._waiting)
                    self._changed()
                    if not self._waiting:
                        self._changed()  # a real server tells it twice when it takes out the last one
                    return True
            return False

    def clear(self) -> None:
        """Take every waiting prompt out of the queue."""
        with self._lock:
            self._waiting.clear()
            self._changed()

    def forget(self) -> None:
        """Lose everything: what waits, what runs, what is over. What runs is not told."""
        with self._lock:
            self._waiting.clear()
            self._running.clear()
            self._history.clear()
            self._changed()

    def history(self, *, max_items: int | None = None, offset: int = -1) -> dict[str, Any]:
        """Return finished prompts, the oldest first; with `max_items` alone, the latest ones."""
        with self._lock:
            if offset < 0 and max_items is not None:
                offset = len(self._history) - max_items
            found: dict[str, Any] = {}
            for index, (prompt_id, entry) in enumerate(self._history.items()):
                if index < offset:
                    continue
                found[prompt_id] = entry
                if max_items is not None and len(found) >= max_items:
                    break
            return found

    def entry(self, prompt_id: str) -> dict[str, Any] | None:
        """Return a finished prompt."""
        with self._lock:
            return self._history.get(prompt_id)

    def delete_history(self, prompt_id: str) -> None:
        """Forget a finished prompt; its files stay."""
        with self._lock:
            self._history.pop(prompt_id, None)

    def clear_history(self) -> None:
        """Forget all finished prompts."""
        with self._lock:
            self._history.clear()

    def ask_free(self, wish: Mapping[str, Any]) -> None:
        """Note what POST /free asks for; the worker sees to it when it is idle."""
        with self._lock:
            self._free.unload_models = self._free.unload_models or bool(wish.get("unload_models"))
            self._free.free_memory = self._free.free_memory or bool(wish.get("free_memory"))
            self._filled.notify()

    def _is_free_asked(self) -> bool:
        return self._free.unload_models or self._free.free_memory

    def take_free(self) -> FreeRequest:
        """Return and reset what POST /free asked for."""
        with self._lock:
            asked, self._free = self._free, FreeRequest()
            return asked

    def close(self) -> None:
        """Let the worker stop waiting."""
        with self._lock:
            self._is_closed = True
            self._filled.notify_all()

    @property
    def is_closed(self) -> bool:
        """Whether the card is going down."""
        return self._is_closed

    def _changed(self) -> None:
        self._on_change(len(self._waiting) + len(self._running))
