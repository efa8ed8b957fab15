"""How each kind of server is asked to give its memory back, against servers that answer as the real ones do."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from servers_world import managed, server_settings

from orchestrator.servers.errors import CannotRest, ServerError
from orchestrator.servers.process import command_of, environment_of
from orchestrator.servers.server import ManagedServer, Stage

Answer = Callable[[str, str, Any], "tuple[int, Any] | None"]


class Scripted:
    """A server with the routes that a test gives it. `asked` keeps what was asked."""

    def __init__(self, answer: Answer) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self.keys: set[str] = set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.reply("GET", None)

            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self.reply("POST", json.loads(content) if content else None)

            def reply(self, method: str, body: Any) -> None:
                outer.keys.add(self.headers.get("Authorization") or "")
                if self.path != "/health":
                    outer.asked.append((method, self.path, body))
                status, said = (200, {}) if self.path == "/health" else answer(method, self.path, body) or (404, {})
                content = json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def scripted() -> Iterator[Callable[[Answer], Scripted]]:
    made: list[Scripted] = []

    def make(answer: Answer) -> Scripted:
        made.append(Scripted(answer))
        return made[-1]

    yield make
    for one in made:
        one.close()


def theirs(folder: Path, server: Scripted, kind: str, **more: Any) -> ManagedServer:
    return managed(server_settings("theirs", url=server.url, kind=kind, vram_timeout_s=0.5, **more), folder)


@pytest.mark.parametrize("is_old", [False, True])
def test_llama_swap_unloads_all_and_is_believed_when_nothing_runs(tmp_path, scripted, is_old):
    """By its API, and by the route that it had before."""
    running = [{"model": "qwen", "state": "ready"}]

    def answer(method: str, path: str, _: Any) -> tuple[int, Any] | None:
        if path == "/running":
            return 200, {"running": list(running)}
        if (method, path) == (("GET", "/unload") if is_old else ("POST", "/api/models/unload")):
            running.clear()
            return 200, {"msg": "ok"}
        return None

    swap = scripted(answer)
    server = theirs(tmp_path, swap, "llama-swap", api_key="secret")
    server.rest()
    assert (server.stage, running) == (Stage.RESTING, [])
    assert swap.keys == {"Bearer secret"}
    server.wake()  # the first question loads it again
    assert server.stage is Stage.AWAKE


def test_llama_swap_unloads_one_model_by_its_name(tmp_path, scripted):
    """Others may be somebody else's; a name may have a slash, and is never more than a name."""
    running = [{"model": "a/b c", "state": "ready"}, {"model": "other", "state": "ready"}]

    def answer(method: str, path: str, _: Any) -> tuple[int, Any] | None:
        if path == "/running":
            return 200, {"running": list(running)}
        if (method, path) == ("POST", "/api/models/unload/a/b%20c"):
            del running[0]
            return 200, {}
        return None

    theirs(tmp_path, scripted(answer), "llama-swap", model="a/b c").rest()
    assert [one["model"] for one in running] == ["other"]


def test_a_llama_swap_that_unloads_nothing_is_not_believed(tmp_path, scripted):
    """It says OK at once; what runs is asked for until it is gone."""

    def answer(_: str, path: str, __: Any) -> tuple[int, Any] | None:
        return (200, {"running": [{"model": "qwen"}]}) if path == "/running" else (200, {})

    with pytest.raises(ServerError, match=r"not empty after 0\.5 s"):
        theirs(tmp_path, scripted(answer), "llama-swap").rest()


def test_a_router_of_llama_cpp_unloads_what_is_loaded(tmp_path, scripted):
    """Model by model, as it has no route for all of them."""
    states = {"a": "loaded", "b": "unloaded", "c": "sleeping"}

    def answer(method: str, path: str, body: Any) -> tuple[int, Any] | None:
        if path == "/models":
            return 200, {"data": [{"id": name, "status": {"value": state}} for name, state in states.items()]}
        if (method, path) == ("POST", "/models/unload"):
            states[body["model"]] = "unloaded"
            return 200, {"success": True}
        return None

    router = scripted(answer)
    theirs(tmp_path, router, "llama-server").rest()
    assert states == {"a": "unloaded", "b": "unloaded", "c": "sleeping"}
    assert [body for method, _, body in router.asked if method == "POST"] == [{"model": "a"}]


def test_a_llama_server_with_one_model_cannot_rest(tmp_path, scripted):
    """Without router mode there is no such thing; it is said, and not taken for done."""

    def answer(_: str, path: str, __: Any) -> tuple[int, Any] | None:
        return (200, {"data": [{"id": "one.gguf"}]}) if path == "/models" else None

    with pytest.raises(CannotRest, match="is no router"):
        theirs(tmp_path, scripted(answer), "llama-server").rest()


def test_sglang_is_told_once_and_its_state_outlives_us(tmp_path, scripted):
    """It cannot be asked, and breaks when it is told twice."""
    sglang = scripted(lambda method, path, _: (200, None) if method == "POST" and "memory_occupation" in path else None)
    server = theirs(tmp_path, sglang, "sglang")
    server.rest()
    server.rest()
    theirs(tmp_path, sglang, "sglang").rest()  # the next start
    server.wake()
    server.wake()
    paths = [path for _, path, _ in sglang.asked]
    assert paths == ["/release_memory_occupation", "/resume_memory_occupation"]


def test_words_of_a_command_are_never_evaluated():
    """A path with spaces, dollars and quotes is one word of the server's."""
    words = ["vllm", "serve", "/models/it's $HOME `x`", "--port={port}", "--port", "{port}"]
    settings = server_settings(command=words, kind="vllm", gpus=[1, "GPU-8f6b2c1e"], environment={"A": "b"})
    assert command_of(settings, 81) == ["vllm", "serve", "/models/it's $HOME `x`", "--port=81", "--port", "81"]
    environment = environment_of(settings)
    assert environment["CUDA_VISIBLE_DEVICES"] == "1,GPU-8f6b2c1e"
    assert environment["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    assert environment["VLLM_SERVER_DEV_MODE"] == "1"
    assert environment["A"] == "b"
