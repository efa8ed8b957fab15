"""A language model that says what a test tells it to, behind a real socket; and the embedded one as a process."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Reply:
    """One answer."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None  # what Content-Length claims, when not the truth
    hangs: threading.Event | None = None  # nothing is sent until it is set


def says(content: Any, *, finish: str = "stop", model: str = "scripted") -> Reply:
    """Return a well-formed answer with some content; what is no text is sent as JSON."""
    text = content if isinstance(content, str) else json.dumps(content)
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}
    return Reply(json.dumps({"model": model, "choices": [choice]}).encode())


def errs(status: int, message: str) -> Reply:
    """Return an error in OpenAI's form."""
    return Reply(json.dumps({"error": {"message": message, "type": "x"}}).encode(), status=status)


class Scripted:
    """Plays its replies in turn, the last one for ever, and keeps what it was asked."""

    def __init__(self, url: str, replies: list[Reply]) -> None:
        self.url = url
        self.replies = replies
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []

    def next_reply(self) -> Reply:
        """Return what is said next."""
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


@contextmanager
def scripted(*replies: Reply, port: int = 0) -> Iterator[Scripted]:
    """Serve the replies on a port of the loopback, by default a free one."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            played.asked.append(json.loads(self.rfile.read(length)))
            played.headers.append(dict(self.headers))
            reply = played.next_reply()
            if reply.hangs is not None:
                reply.hangs.wait(20)
                return
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body) if reply.length is None else reply.length))
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    played = Scripted(f"http://127.0.0.1:{server.server_address[1]}/v1", list(replies))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield played
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def embedded(*arguments: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run the embedded language model as a process and give its address ending in /v1."""
    command = [sys.executable, "-m", "orchestrator.embedded.llm", "--port", "0", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        ready = process.stdout.readline().split()
        assert ready[:1] == ["ready"], ready
        yield ready[1], process
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()
