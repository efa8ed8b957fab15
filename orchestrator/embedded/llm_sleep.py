"""The sleep mode of the embedded language model, and its figures, in the forms of vLLM.

The routes of sleep are there only with VLLM_SERVER_DEV_MODE=1, as in vLLM. What it would hold of a card is pretended
(see `pretend_vram.py`); asleep it keeps a little, as a real one does, and answers no question.

Source: vLLM 0.32, `entrypoints/serve/dev/sleep/api_router.py` and the names of its metrics.
"""

from __future__ import annotations

import os

from aiohttp import web

from orchestrator.embedded.pretend_vram import PretendCard

DEV_MODE = "VLLM_SERVER_DEV_MODE"
LEFT_SHARE = 0.05
"""What stays on the card in sleep: CUDA's context, captured graphs."""
KEEPS_MEMORY, SLEEPLESS = "keeps_memory", "sleepless"
FAULTS = (KEEPS_MEMORY, SLEEPLESS)
"""It says that it sleeps and gives nothing back; or it refuses to sleep."""


class Bed:
    """Whether the server sleeps, and what it has done so far."""

    def __init__(self, faults: frozenset[str]) -> None:
        """Wake up: hold the card's memory, where there is a pretend card."""
        self.is_sleeping = False
        self.asked = 0  # questions
        self.answered = 0
        self._faults = faults
        self._card = PretendCard.from_environment()
        if self._card is not None:
            self._card.hold()

    def add_routes(self, app: web.Application) -> None:
        """Add the routes that a vLLM server of this environment would have."""
        app.router.add_get("/metrics", self._metrics)
        if os.environ.get(DEV_MODE) == "1":
            app.router.add_post("/sleep", self._sleep)
            app.router.add_post("/wake_up", self._wake_up)
            app.router.add_get("/is_sleeping", self._tell)

    async def _sleep(self, request: web.Request) -> web.Response:
        level = request.query.get("level", "1")
        if level not in ("0", "1", "2"):
            return web.json_response({"detail": "level: 0, 1 or 2"}, status=422)
        if SLEEPLESS in self._faults:
            return web.json_response({"error": {"message": "the engine is busy", "code": 500}}, status=500)
        self.is_sleeping = True
        if self._card is not None and KEEPS_MEMORY not in self._faults:
            self._card.hold(share=LEFT_SHARE)
        return web.json_response({"status": "sleeping", "level": int(level)})

    async def _wake_up(self, _: web.Request) -> web.Response:
        self.is_sleeping = False
        if self._card is not None:
            self._card.hold()
        return web.json_response({"status": "awake", "tags": None})

    async def _tell(self, _: web.Request) -> web.Response:
        return web.json_response({"is_sleeping": self.is_sleeping})

    async def _metrics(self, _: web.Request) -> web.Response:
        lines = [
            "# TYPE vllm:num_requests_running gauge",
            f"vllm:num_requests_running {self.asked - self.answered}",
            "# TYPE vllm:request_success_total counter",
            f"vllm:request_success_total {self.answered}",
            "# TYPE vllm:engine_sleep_state gauge",
            f'vllm:engine_sleep_state{{sleep_state="awake"}} {int(not self.is_sleeping)}',
        ]
        return web.Response(text="\n".join(lines) + "\n", content_type="text/plain")
