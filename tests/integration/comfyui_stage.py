"""A ComfyUI server whose every move a test decides, over real sockets.

It answers as the recordings do and does nothing by itself: a test lets a prompt start, progress, end, be forgotten, and
decides what each route says. For races that a server which really executes cannot be made to show on command.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

GRAPH: dict[str, Any] = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 48}, "_meta": {"title": "Empty"}},
    "2": {"class_type": "SleepWithProgress", "inputs": {"image": ["1", 0], "steps": 4}, "_meta": {"title": "Sleep"}},
    "9": {"class_type": "SaveImage", "inputs": {"images": ["2", 0]}, "_meta": {"title": "OUT"}},
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Seen:
    """One request that arrived."""

    method: str
    path: str
    body: Any
    at: float


@dataclass
class Stage:
    """The server. Its lists and dicts may be changed from the test at any time."""

    running: list[list[Any]] = field(default_factory=list)
    pending: list[list[Any]] = field(default_factory=list)
    history: dict[str, Any] = field(default_factory=dict)
    stats: dict[str, Any] = field(default_factory=dict)  # extra keys of `system`
    seen: list[Seen] = field(default_factory=list)
    routes: dict[str, Handler] = field(default_factory=dict)  # "POST /prompt" -> another answer
    is_deaf: bool = False  # sockets open, get no answer to their hello and no events
    sockets: dict[str, web.WebSocketResponse] = field(default_factory=dict)
    opened: int = 0  # sockets opened so far
    closed: int = 0  # sockets whose handler has ended
    port: int = 0
    number: int = 0
    _all: list[web.WebSocketResponse] = field(default_factory=list)
    _loop: asyncio.AbstractEventLoop | None = None
    _runner: web.AppRunner | None = None
    _thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    # -- life ---------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Listen, at the same port as before if there was one."""
        ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(ready,), daemon=True)
        self._thread.start()
        assert ready.wait(10)

    def _serve(self, ready: threading.Event) -> None:
        self._loop = loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        loop.run_until_complete(self._open())
        ready.set()
        loop.run_forever()
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.close()

    async def _open(self) -> None:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_get("/ws", self._websocket)
        app.router.add_route("*", "/{path:.*}", self._route)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        self.port = listener.getsockname()[1]
        await web.SockSite(self._runner, listener).start()

    def stop(self) -> None:
        """Die: sockets end without a close frame, the port refuses."""
        if self._loop is None or self._runner is None:
            return
        self.drop_sockets()
        self._do(self._runner.cleanup())
        self._loop.call_soon_threadsafe(self._loop.stop)
        assert self._thread is not None
        self._thread.join(10)
        self._loop, self._runner = None, None

    def forget(self) -> None:
        """Lose everything, as a restart does."""
        self.running.clear()
        self.pending.clear()
        self.history.clear()
        self.number = 0

    def _do(self, coroutine: Any) -> Any:
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    def stall(self, seconds: float) -> None:
        """Hold the event loop up, as a node that keeps the interpreter lock does. Returns at once."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(time.sleep, seconds)

    # -- what a test makes happen -------------------------------------------------------------------------------------

    def say(self, kind: str, data: dict[str, Any], *, client_id: str | None = None) -> None:
        """Send a text message to one client, or to all."""
        self._do(self._send(json.dumps({"type": kind, "data": data}), client_id))

    def say_bytes(self, data: bytes) -> None:
        self._do(self._send(data, None))

    async def _send(self, message: str | bytes, client_id: str | None) -> None:
        for name, ws in list(self.sockets.items()):
            if client_id in (None, name) and not self.is_deaf:
                with contextlib.suppress(ConnectionError, RuntimeError):
                    await (ws.send_bytes(message) if isinstance(message, bytes) else ws.send_str(message))

    def drop_sockets(self) -> None:
        """End every websocket without a close frame."""

        async def drop() -> None:
            for ws in self._all:
                transport = ws._req.transport if ws._req is not None else None
                if transport is not None:
                    transport.abort()

        self._do(drop())

    def begin(self, prompt_id: str, *, tell: bool = True) -> None:
        """Let a waiting prompt run."""
        row = next(row for row in self.pending if row[1] == prompt_id)
        self.pending.remove(row)
        self.running.append(row)
        if tell:
            self.say("execution_start", {"prompt_id": prompt_id, "timestamp": now_ms()})
            self.say("execution_cached", {"prompt_id": prompt_id, "nodes": ["1"], "timestamp": now_ms()})

    def tick(self, prompt_id: str, value: int, maximum: int = 4, node: str = "2") -> None:
        """Let the sampling node get on."""
        self.say("progress", {"value": value, "max": maximum, "prompt_id": prompt_id, "node": node})

    def end(
        self,
        prompt_id: str,
        *,
        kind: str = "execution_success",
        data: dict[str, Any] | None = None,
        outputs: dict[str, Any] | None = None,
        tell: bool = True,
        history_after_s: float = 0.0,
    ) -> None:
        """Let a prompt end; the message comes first and the history after it, as on a real server."""
        terminal = {"prompt_id": prompt_id, "timestamp": now_ms(), **(data or {})}
        if tell:
            self.say(kind, terminal)
        if history_after_s:
            time.sleep(history_after_s)
        rows = [row for row in self.running + self.pending if row[1] == prompt_id]
        start = {"prompt_id": prompt_id, "timestamp": terminal["timestamp"] - 600}
        self.history[prompt_id] = {
            "prompt": rows[0] if rows else [0, prompt_id, GRAPH, {}, ["9"]],
            "outputs": outputs if outputs is not None else {},
            "meta": {node: {"node_id": node, "display_node": node} for node in outputs or {}},
            "status": {
                "status_str": "success" if kind == "execution_success" else "error",
                "completed": kind == "execution_success",
                "messages": [["execution_start", start], [kind, terminal]],
            },
        }
        self.running[:] = [row for row in self.running if row[1] != prompt_id]
        self.pending[:] = [row for row in self.pending if row[1] != prompt_id]
        if tell:
            self.say("executing", {"node": None, "prompt_id": prompt_id})

    def asked(self, method: str, path: str) -> list[Seen]:
        return [one for one in self.seen if one.method == method and one.path == path]

    def until(self, condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
        """Block until something is so; fail the test when it is not in time."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, "what the test waits for did not happen"
            time.sleep(0.002)

    # -- routes -------------------------------------------------------------------------------------------------------

    async def _route(self, request: web.Request) -> web.StreamResponse:
        body: Any = None
        if "json" in request.content_type:
            body = await request.json()
        self.seen.append(Seen(request.method, request.path, body, time.monotonic()))
        handler = self.routes.get(f"{request.method} {request.path}") or self.routes.get(f"{request.method} *")
        if handler is not None:
            return await handler(request)
        return self._usual(request, body)

    def _usual(self, request: web.Request, body: Any) -> web.Response:
        match (request.method, request.path):
            case ("POST", "/prompt"):
                row = self.accept(body)
                return web.json_response({"prompt_id": row[1], "number": row[0], "node_errors": {}})
            case ("GET", "/queue"):
                return web.json_response({"queue_running": self.running, "queue_pending": self.pending})
            case ("GET", "/system_stats"):
                system = {"os": "linux", "comfyui_version": "0.27.0", "ram_total": 1, "ram_free": 1, **self.stats}
                return web.json_response({"system": system, "devices": []})
            case ("POST", "/queue"):
                for prompt_id in body.get("delete", []):
                    self.pending[:] = [row for row in self.pending if row[1] != prompt_id]
                return web.Response()
            case ("POST", "/interrupt" | "/free"):
                return web.Response()
        if request.method == "GET" and request.path.startswith("/history/"):
            prompt_id = request.path.removeprefix("/history/")
            return web.json_response({prompt_id: self.history[prompt_id]} if prompt_id in self.history else {})
        return web.Response(status=404)

    def accept(self, body: Any) -> list[Any]:
        """Put a posted prompt into the queue."""
        row = [self.number, body["prompt_id"], body["prompt"], {"client_id": body.get("client_id")}, ["9"]]
        self.number += 1
        self.pending.append(row)
        return row

    async def _websocket(self, request: web.Request) -> web.WebSocketResponse:
        name = request.query.get("clientId", "")
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        self.opened += 1
        self.sockets[name] = ws  # the newer one takes the place of the older one …
        self._all.append(ws)
        status = {"status": {"exec_info": {"queue_remaining": len(self.running) + len(self.pending)}}, "sid": name}
        try:
            await ws.send_str(json.dumps({"type": "status", "data": status}))
            for row in self.running:
                if row[3].get("client_id") == name and not self.is_deaf:
                    await ws.send_str(json.dumps({"type": "executing", "data": {"node": "2"}}))
            async for message in ws:
                if message.type is WSMsgType.TEXT and "feature_flags" in message.data:
                    answer = json.dumps({"type": "feature_flags", "data": {"supports_preview_metadata": True}})
                    if name in self.sockets and not self.is_deaf:
                        await self.sockets[name].send_str(answer)
        except ConnectionError:
            pass  # dropped by the test
        finally:
            self.sockets.pop(name, None)  # … and the older one's end takes the newer one's place away [as recorded]
            self._all.remove(ws)
            self.closed += 1
        return ws

    async def close_socket(self, name: str) -> None:
        await self.sockets[name].close(code=WSCloseCode.GOING_AWAY)


def now_ms() -> int:
    return int(time.time() * 1000)


@contextlib.contextmanager
def open_stage(**options: Any) -> Iterator[Stage]:
    stage = Stage(**options)
    stage.start()
    try:
        yield stage
    finally:
        stage.stop()


def text_answer(text: str, *, status: int = 200, content_type: str = "text/html") -> Handler:
    """Return a route that answers a text."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(text=text, status=status, content_type=content_type)

    return answer


def json_answer(value: Any, *, status: int = 200) -> Handler:
    """Return a route that answers JSON."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response(value, status=status)

    return answer
