"""A server between the client and an embedded one that changes what passes, as any kind of real card would answer."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests

Change = Callable[[Any], Any]
GIB = 2**30


@contextlib.contextmanager
def relay(upstream: str, changes: Mapping[str, Change] | None = None) -> Iterator[str]:
    """Pass requests on to `upstream`, and yield the address. JSON answers of the paths in `changes` go through them.

    A change gets what the server said, and returns what is answered instead; a tuple (status, value) sets both.
    """
    known = dict(changes or {})

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._pass("GET", None)

        def do_POST(self) -> None:
            self._pass("POST", self.rfile.read(int(self.headers.get("Content-Length") or 0)))

        def _pass(self, method: str, body: bytes | None) -> None:
            kind = {"Content-Type": self.headers["Content-Type"]} if self.headers.get("Content-Type") else {}
            answer = requests.request(method, upstream + self.path, data=body, headers=kind, timeout=30)
            status, content = answer.status_code, answer.content
            change = known.get(self.path.partition("?")[0])
            if change is not None:
                value = change(answer.json())
                status, value = value if isinstance(value, tuple) else (status, value)
                content = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", answer.headers.get("Content-Type", "application/json"))
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            return

    yield from _serve(Handler)


@contextlib.contextmanager
def stranger(text: str = "hello", *, status: int = 200) -> Iterator[str]:
    """A server that answers everything alike."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: Any) -> None:
            return

    yield from _serve(Handler)


def _serve(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def card(**facts: Any) -> Change:
    """Make a preview look like a real card: 48 GiB of video memory, 64 GiB of memory, CUDA, no word of being a preview.

    Args:
        facts: Other values: version, vram_gib, ram_gib, kind, name, boot_id, argv.
    """

    def change(stats: Any) -> Any:
        system = stats["system"]
        system.pop("nightreel_preview", None)
        boot_id = system.pop("boot_id", None)
        if facts.get("boot_id"):
            system["boot_id"] = boot_id
        if "argv" in facts:
            system["argv"] = facts["argv"]
        system["comfyui_version"] = facts.get("version", "0.27.0")
        system["ram_total"] = system["ram_free"] = int(facts.get("ram_gib", 64) * GIB)
        vram = int(facts.get("vram_gib", 48) * GIB)
        stats["devices"] = [
            {
                "name": facts.get("name", "cuda:0 NVIDIA GeForce RTX 4090 : cudaMallocAsync"),
                "type": facts.get("kind", "cuda"),
                "index": 0,
                "vram_total": vram,
                "vram_free": vram,
            }
        ]
        return stats

    return change
