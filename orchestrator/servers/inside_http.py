"""The inside engine behind a socket of this machine, in the forms of a real vLLM server.

So the steps ask it as they ask any server, and it is put to sleep and woken as any server is: there is one client.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from orchestrator.home import Home
from orchestrator.server_settings import ServerSettings
from orchestrator.servers.inside import BadQuestion, EngineAsleep, InsideEngine

MAX_BODY_BYTES = 64 * 1024 * 1024


class InsideBody:
    """A server of ours that is a thread. Its socket is there from the beginning, its model from the start on."""

    def __init__(self, settings: ServerSettings, home: Home) -> None:
        """Bind a port of this machine; nothing is loaded yet.

        Args:
            settings: With `inside`.
            home: Where its log would be.
        """
        self._log = home.logs / f"server-{settings.name}.log"
        self.engine = InsideEngine(settings)
        self._server = _Server(("127.0.0.1", settings.port), _Handler)
        self._server.engine = self.engine
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread: threading.Thread | None = None

    @property
    def log_path(self) -> Path:
        """Where the output of a server would go; this one writes with Nightreel itself."""
        return self._log

    @property
    def pid(self) -> int:
        """Return 0: it has no process of its own that we know."""
        return 0

    def adopt(self) -> bool:
        """Return False: it cannot outlive us."""
        return False

    def start(self) -> None:
        """Load the model and begin to answer. Blocks. Raises NotReadyError."""
        self.engine.load()
        if self._thread is None:
            self._thread = threading.Thread(target=self._server.serve_forever, name="inside", daemon=True)
            self._thread.start()

    def restart(self) -> None:
        """Load the model anew. Blocks. Raises NotReadyError."""
        self.engine.unload()
        self.start()

    def stop(self) -> None:
        """Drop the model; it can be started again until the night is over."""
        self.engine.unload()

    def close(self) -> None:
        """Drop the model and leave the port."""
        self.stop()
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def is_alive(self) -> bool:
        """Tell whether there is a model."""
        return self.engine.is_loaded


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # all the questions of a step arrive at once
    engine: InsideEngine


class _Handler(BaseHTTPRequestHandler):
    """The routes of a vLLM server that Nightreel uses."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer what only shows."""
        engine = self._engine
        match urlsplit(self.path).path:
            case "/health":
                self._send(200 if engine.is_loaded else 503, {})
            case "/is_sleeping":
                self._send(200, {"is_sleeping": engine.is_sleeping})
            case "/v1/models":
                entry = {"id": engine.model, "object": "model", "created": 0, "owned_by": "vllm"}
                self._send(200, {"object": "list", "data": [entry]})
            case _:
                self._fail(404, "Not Found")

    def do_POST(self) -> None:
        """Answer what does something."""
        content = self._content()
        if content is None:
            return
        parts = urlsplit(self.path)
        try:
            match parts.path:
                case "/v1/chat/completions":
                    self._send(200, self._engine.ask(_object(content)))
                case "/sleep":
                    self._engine.sleep(int(parse_qs(parts.query).get("level", ["1"])[0]))
                    self._send(200, {})
                case "/wake_up":
                    self._engine.wake_up()
                    self._send(200, {})
                case _:
                    self._fail(404, "Not Found")
        except (BadQuestion, ValueError) as error:
            self._fail(400, str(error))
        except EngineAsleep as error:
            self._fail(503, str(error))

    @property
    def _engine(self) -> InsideEngine:
        assert isinstance(self.server, _Server)
        return self.server.engine

    def _content(self) -> bytes | None:
        try:
            length = int(self.headers.get("Content-Length") or 0)
        except ValueError:
            length = -1
        if not 0 <= length <= MAX_BODY_BYTES:
            self._fail(413, f"at most {MAX_BODY_BYTES} bytes")
            self.close_connection = True
            return None
        return self.rfile.read(length)

    def _send(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _fail(self, status: int, message: str) -> None:
        self._send(status, {"error": {"message": message, "type": "invalid_request_error", "code": status}})

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the night's log says what matters."""


def _object(content: bytes) -> dict[str, Any]:
    try:
        body = json.loads(content)
    except ValueError as error:
        raise BadQuestion("the request is no JSON") from error
    if not isinstance(body, dict):
        raise BadQuestion("the request is no JSON object")
    return body
