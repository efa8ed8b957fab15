"""How each kind of server is asked to give its cards' memory back, and to take it again. One wrapper for each.

Sources, read in the servers' own code: vLLM 0.32 (`entrypoints/serve/dev/sleep/api_router.py`: POST /sleep?level=1,
POST /wake_up, GET /is_sleeping; mounted only with VLLM_SERVER_DEV_MODE=1, useful only with --enable-sleep-mode); SGLang
(POST /release_memory_occupation and /resume_memory_occupation, with --enable-memory-saver); llama-swap
(POST /api/models/unload[/MODEL], before that GET /unload; GET /running); llama.cpp's llama-server in router mode
(GET /models, POST /models/unload).
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote

import requests

from orchestrator.clock import Clock
from orchestrator.server_settings import ServerSettings
from orchestrator.servers.errors import CannotRest, ServerError

ASK_S = 10.0
"""Seconds in which a question about the state is answered."""
LOOK_EVERY_S = 0.1


@dataclass(frozen=True)
class Line:
    """A server's HTTP address, and how long things may take there."""

    name: str
    url: str  # without /v1
    settings: ServerSettings
    clock: Clock
    stop: threading.Event  # when set, nothing is waited for

    def ask(self, method: str, path: str, *, body: Any = None, timeout_s: float = 0.0) -> requests.Response:
        """Send a request. Blocks, without a limit of its own for as long as a question about the state may take.

        Raises:
            ServerError: nobody answers, or not in time.
        """
        key = self.settings.api_key
        timeout_s = timeout_s or ASK_S
        try:
            with requests.Session() as session:
                session.trust_env = False  # a proxy of the environment has no business between us and our own server
                return session.request(
                    method,
                    f"{self.url.rstrip('/')}{path}",
                    json=body,
                    headers={"Authorization": f"Bearer {key}"} if key else None,
                    timeout=(min(5.0, timeout_s), timeout_s),
                    allow_redirects=False,
                )
        except requests.RequestException as error:
            problem = f"{self.name}: {method} {self.url}{path} is not answered: {type(error).__name__}"
            raise ServerError(problem, server=self.name) from error

    def is_healthy(self) -> bool:
        """Tell whether it answers that it is well."""
        try:
            return self.ask("GET", self.settings.probe, timeout_s=3.0).status_code == 200
        except ServerError:
            return False

    def demand(self, method: str, path: str, *, body: Any = None, timeout_s: float) -> requests.Response:
        """Send a request that must succeed.

        Raises:
            CannotRest: there is no such route.
            ServerError: anything else that is not success.
        """
        reply = self.ask(method, path, body=body, timeout_s=timeout_s)
        if reply.status_code in (404, 405, 501):
            raise CannotRest(f"{self.name} has no {method} {path} (HTTP {reply.status_code})", server=self.name)
        if not 200 <= reply.status_code < 300:
            said = " ".join(reply.text.split())[:200]
            raise ServerError(
                f"{self.name}: {method} {path} answers HTTP {reply.status_code}: {said}", server=self.name
            )
        return reply

    def wait_for(self, what: str, is_so: Any, timeout_s: float) -> None:
        """Block until something is so.

        Raises:
            ServerError: not in time.
        """
        until = self.clock.monotonic() + timeout_s
        while not is_so():
            if self.clock.monotonic() >= until:
                raise ServerError(f"{self.name} is not {what} after {timeout_s:g} s", server=self.name)
            if self.clock.wait(self.stop, LOOK_EVERY_S):
                raise ServerError(f"{self.name} is not {what} yet, and the night was asked to stop", server=self.name)


class Manners(Protocol):
    """A way to make a server rest. Both calls block, and both may be made when there is nothing to do."""

    def rest(self, line: Line) -> None:
        """Have it give back its memory. Raises ServerError, CannotRest."""

    def wake(self, line: Line) -> None:
        """Have it take its memory again. Raises ServerError, CannotRest."""

    def is_resting(self, line: Line) -> bool | None:
        """Tell whether it rests; None when it cannot be asked. Raises ServerError."""


class Vllm:
    """vLLM's sleep mode. Level 1: the weights go to the host's memory, and come back within seconds."""

    def rest(self, line: Line) -> None:
        """Put it to sleep."""
        if not self.is_resting(line):
            line.demand("POST", "/sleep?level=1", timeout_s=line.settings.vram_timeout_s)
            line.wait_for("asleep", lambda: self.is_resting(line), line.settings.vram_timeout_s)

    def wake(self, line: Line) -> None:
        """Wake it."""
        if self.is_resting(line):
            line.demand("POST", "/wake_up", timeout_s=line.settings.ready_timeout_s)
            line.wait_for("awake", lambda: not self.is_resting(line), line.settings.ready_timeout_s)

    def is_resting(self, line: Line) -> bool | None:
        """Ask it; a server without the routes of sleep mode is always awake."""
        reply = line.ask("GET", "/is_sleeping")
        if reply.status_code != 200:
            return False
        try:
            return bool(reply.json()["is_sleeping"])
        except (ValueError, KeyError, TypeError) as error:
            raise ServerError(f"{line.name}: GET /is_sleeping is answered strangely", server=line.name) from error


class Sglang:
    """SGLang's memory saver. It cannot be asked, and must not be told twice: whoever calls remembers its state."""

    def rest(self, line: Line) -> None:
        """Have it release its memory."""
        line.demand("POST", "/release_memory_occupation", body={}, timeout_s=line.settings.vram_timeout_s)

    def wake(self, line: Line) -> None:
        """Have it take its memory again."""
        line.demand("POST", "/resume_memory_occupation", body={}, timeout_s=line.settings.ready_timeout_s)

    def is_resting(self, line: Line) -> bool | None:
        """Return None."""
        return None


class LlamaSwap:
    """llama-swap: a model is loaded by the first question to it, and unloaded when it is told to."""

    def rest(self, line: Line) -> None:
        """Unload the model, or all of them."""
        model = line.settings.model
        path = "/api/models/unload" + (f"/{quote(model)}" if model else "")
        try:
            line.demand("POST", path, timeout_s=line.settings.vram_timeout_s)
        except CannotRest:
            line.demand("GET", "/unload", timeout_s=line.settings.vram_timeout_s)  # as it was before the API
        line.wait_for("empty", lambda: self.is_resting(line), line.settings.vram_timeout_s)

    def wake(self, line: Line) -> None:
        """Do nothing: the first question does."""

    def is_resting(self, line: Line) -> bool | None:
        """Ask it what runs."""
        reply = line.demand("GET", "/running", timeout_s=ASK_S)
        try:
            running = [str(one["model"]) for one in reply.json()["running"]]
        except (ValueError, KeyError, TypeError) as error:
            raise ServerError(f"{line.name}: GET /running is answered strangely", server=line.name) from error
        return line.settings.model not in running if line.settings.model else not running


_ON_CARD = frozenset({"loaded", "loading"})
"""Words of llama-server for a model that has memory of a card; a sleeping one has not."""


class LlamaServer:
    """llama.cpp's own server as a router: models are loaded by questions, and unloaded one by one."""

    def rest(self, line: Line) -> None:
        """Unload what is loaded."""
        for model in self._loaded(line):
            line.demand("POST", "/models/unload", body={"model": model}, timeout_s=line.settings.vram_timeout_s)
        line.wait_for("empty", lambda: self.is_resting(line), line.settings.vram_timeout_s)

    def wake(self, line: Line) -> None:
        """Do nothing: the first question does."""

    def is_resting(self, line: Line) -> bool | None:
        """Ask it what is loaded."""
        return not self._loaded(line)

    def _loaded(self, line: Line) -> list[str]:
        reply = line.demand("GET", "/models", timeout_s=ASK_S)
        try:
            rows = reply.json()["data"]
            states = [(str(one["id"]), one.get("status")) for one in rows]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ServerError(f"{line.name}: GET /models is answered strangely", server=line.name) from error
        if any(not isinstance(state, dict) for _, state in states):
            raise CannotRest(f"{line.name} is no router: it has one model, which stays loaded", server=line.name)
        return [name for name, state in states if isinstance(state, dict) and state.get("value") in _ON_CARD]


class Other:
    """A server that knows nothing of this: it can only be ended and started again."""

    def rest(self, line: Line) -> None:
        """Refuse."""
        raise CannotRest(f"{line.name} has no way to give its memory back", server=line.name)

    def wake(self, line: Line) -> None:
        """Do nothing: it is always awake."""

    def is_resting(self, line: Line) -> bool | None:
        """Return False: it is always awake."""
        return False


def manners_of(settings: ServerSettings) -> Manners:
    """Return how a server is asked to rest, by its kind."""
    if settings.inside is not None:
        return Vllm()
    known: dict[str, Manners] = {
        "vllm": Vllm(),
        "sglang": Sglang(),
        "llama-swap": LlamaSwap(),
        "llama-server": LlamaServer(),
    }
    return known.get(settings.kind, Other())
