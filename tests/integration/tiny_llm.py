"""A language model server that starts within a moment: for tests in which only its process and its memory matter.

The routes are those of the embedded one, with the same pretend memory; what it answers is always the same.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from orchestrator.embedded.pretend_vram import PretendCard

CARD = PretendCard.from_environment()
DIED = Path("died-once")
STATE = {"sleeping": False}


class Handler(BaseHTTPRequestHandler):
    """The routes."""

    def do_GET(self) -> None:
        if self.path == "/is_sleeping":
            self.say({"is_sleeping": STATE["sleeping"]})
        elif self.path == "/health":
            self.say({})
        else:
            self.say({"error": "Not Found"}, status=404)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path.startswith("/sleep") and "sleepless" not in sys.argv:
            STATE["sleeping"] = True
            if CARD is not None and "keeps_memory" not in sys.argv:
                CARD.hold(share=0.05)
            self.say({})
        elif self.path == "/wake_up":
            STATE["sleeping"] = False
            if CARD is not None:
                CARD.hold()
            self.say({})
        elif self.path.endswith("/chat/completions"):
            if "dies" in sys.argv and not DIED.exists():
                DIED.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            self.say({"choices": []}, status=503 if STATE["sleeping"] else 200)
        else:
            self.say({"error": "no"}, status=404 if "sleep" not in self.path else 500)

    def say(self, body: dict[str, object], status: int = 200) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


def main() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
    server.daemon_threads = True
    if CARD is not None:
        CARD.hold()
    server.serve_forever()


main()
