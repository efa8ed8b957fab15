"""The one thread of a card that runs prompts, and what it does between two of them."""

from __future__ import annotations

import json
import threading
import time

from orchestrator.embedded.cache import NodeCache
from orchestrator.embedded.context import Services
from orchestrator.embedded.executor import PromptRun
from orchestrator.embedded.prompts import Item
from orchestrator.embedded.sockets import Outbox


class Worker:
    """Runs the prompts of one card, one after the other."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._cache = NodeCache(lru_nodes=services.settings.lru_nodes)
        self._thread = threading.Thread(target=self._work, name="card-worker", daemon=True)
        self._current: PromptRun | None = None
        self._client_id: str | None = None

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def greeting(self, client_id: str) -> str | None:
        """Return the node that a client which connects now is told about: that of its own running prompt."""
        current = self._current
        return current.current_display if current is not None and client_id == self._client_id else None

    def _work(self) -> None:
        queue = self._services.queue
        while not queue.is_closed:
            taken = queue.take(timeout_s=1.0)
            if taken is not None:
                self._run(*taken)
            freed = queue.take_free()
            if freed.free_memory:
                self._cache.clear()
            if freed.unload_models and self._services.pretend is not None:
                self._services.pretend.give_back()

    def _run(self, ticket: int, item: Item) -> None:
        services = self._services
        services.faults.begin_prompt()
        if services.pretend is not None:
            services.pretend.hold()
        self._client_id = item[3].get("client_id")
        outbox = Outbox(services.hub, self._client_id)
        self._current = PromptRun(services, self._cache, outbox, item)
        services.interrupt.reset()
        outcome = self._current.run()
        self._current = None
        slow = services.faults.strike("history")
        if slow is not None:
            time.sleep(slow.lasts(1.0))
        if services.queue.finish(ticket, outcome):
            outbox.send_private("executing", {"node": None, "prompt_id": item[1]})


def status_message(remaining: int) -> str:
    """Write the message that tells how many prompts are left."""
    return json.dumps({"type": "status", "data": {"status": {"exec_info": {"queue_remaining": remaining}}}})
