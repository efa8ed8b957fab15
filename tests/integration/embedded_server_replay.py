"""Plays a recording of a real server against an embedded one, and makes both sides comparable.

The recorded client is played step by step: a request goes out when it did in the recording, but not before every
websocket message that had arrived by then has arrived here, too. So a slow machine changes nothing but the duration.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
import uuid
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

RECORDINGS = Path(__file__).parents[1] / "resources" / "recordings"
MESSAGE_LIMIT_S = 8.0
NAMESPACE = uuid.UUID(int=27)
TIMES = {"timestamp", "create_time", "execution_start_time", "execution_end_time"}
UNORDERED = {"executed", "current_outputs"}
POLLS_LIMIT_S = 5.0
MEBIBYTE = 1024 * 1024


@contextmanager
def embedded(directory: Path, *options: str):
    """Start a real server process; yield the addresses of its cards and the process."""
    argv = [sys.executable, "-m", "orchestrator.embedded", "--directory", str(directory), "--idle-exit-s", "120"]
    with subprocess.Popen([*argv, *options], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            count = int(options[options.index("--cards") + 1]) if "--cards" in options else 1
            lines = [process.stdout.readline() for _ in range(count)]
            assert all(line.startswith("ready http://127.0.0.1:") for line in lines), lines
            yield [line.split()[1] for line in lines], process
        finally:
            process.kill()
            process.wait()


def heard_until(socket: ClientConnection, end: type[Exception], *, timeout_s: float = 10.0) -> list[str]:
    """Return the types of the messages that a socket hears until it raises `end`."""
    kinds: list[str] = []
    try:
        while True:
            message = socket.recv(timeout=timeout_s)
            kinds.append(json.loads(message)["type"] if isinstance(message, str) else "binary")
    except end:
        return kinds


def load(name: str) -> list[dict[str, Any]]:
    """Read a recording, its stand-ins for UUIDs replaced by real ones."""
    text = next(RECORDINGS.glob(f"{name}_*.jsonl")).read_text(encoding="utf-8")
    text = re.sub(r"<u(\d+)>", lambda match: str(uuid.uuid5(NAMESPACE, name + match[1])), text)
    return [json.loads(line) for line in text.splitlines()]


@dataclass
class Socket:
    """A websocket of the played client, and all it has received."""

    connection: ClientConnection
    uncounted: set[str]
    received: list[Any] = field(default_factory=list)
    closed_with: int | None = None
    arrived: threading.Condition = field(default_factory=threading.Condition)

    def listen(self) -> None:
        """Keep what arrives until the socket closes."""
        try:
            for message in self.connection:
                with self.arrived:
                    self.received.append(json.loads(message) if isinstance(message, str) else message)
                    self.arrived.notify_all()
        except ConnectionClosed:
            pass
        with self.arrived:
            self.closed_with = self.connection.protocol.close_code
            self.arrived.notify_all()

    def wait_for(self, count: int) -> None:
        """Wait until so many messages other than `status` and `progress_state` have arrived."""
        with self.arrived:
            self.arrived.wait_for(
                lambda: len(counted(self.received, uncounted=self.uncounted)) >= count, timeout=MESSAGE_LIMIT_S
            )


UNCOUNTED = {"status", "progress_state"}
HURRIED = {"f1", "f3", "f4"}
"""Recorded within the first tenth of a second of a run, which a slow machine may miss: a step more means nothing."""


def counted(messages: list[Any], *, uncounted: set[str] = UNCOUNTED) -> list[Any]:
    """The messages that belong to prompts: their number is certain, unlike that of broadcasts."""
    return [one for one in messages if isinstance(one, bytes) or one["type"] not in uncounted]


@dataclass
class Reply:
    """An answer beside the recorded one."""

    recorded: dict[str, Any]
    status: int
    headers: dict[str, str]
    body: Any
    content: bytes


@dataclass
class Played:
    """What came of playing a recording."""

    name: str
    replies: list[Reply] = field(default_factory=list)
    sockets: dict[str, Socket] = field(default_factory=dict)
    expected: dict[str, list[Any]] = field(default_factory=dict)  # socket -> recorded messages
    closed_with: dict[str, int] = field(default_factory=dict)  # socket -> recorded close code
    refused: dict[str, tuple[int, int]] = field(default_factory=dict)  # socket -> recorded status, status here


class Player:
    """Plays one recording."""

    def __init__(self, name: str, url: str, *, directory: Path, contents: dict[int, bytes] | None = None) -> None:
        self._name = name
        self._url = url
        self._directory = directory.resolve()
        self._contents = contents or {}  # length of an uploaded file -> its bytes
        self._http = requests.Session()
        self._ids: dict[str, str] = {}  # id that the recorded server made -> the one made here
        self._numbers: dict[float, float] = {}  # place in the queue here -> the one in the recording
        self._open_sockets = ExitStack()
        self._downloaded = b""
        self._etag = ""
        self.played = Played(name)

    def play(self) -> Played:
        """Play it to the end."""
        events = load(self._name)
        self._prime(events)
        started = time.monotonic()
        for event in events:
            if "msg" in event or "binary_type" in event:
                self.played.expected.setdefault(event["conn"], []).append(event)
                continue
            if "t" in event:
                self._wait_for_messages()
                time.sleep(max(0.0, started + event["t"] - time.monotonic()))
            if "removes" in event:
                (self._directory / event["removes"]).unlink()
            elif event["dir"] == "http":
                self._request(event)
            elif event["dir"] == "ws":
                self._socket(event)
        self._wait_for_messages()
        self._open_sockets.close()
        return self.played

    def _prime(self, events: list[dict[str, Any]]) -> None:
        """Leave in the cache what an earlier scenario had left there when this one was recorded."""
        first = re.search(r'"execution_cached", (?:"data": )?\{"nodes": \[(.*?)\]', json.dumps(events))
        wanted = {"width": 64, "height": 48, "batch_size": 1, "color": 255}
        if first is None or not first[1]:
            return
        graph = {
            "1": {"class_type": "EmptyImage", "inputs": wanted},
            "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
        }
        self._http.post(f"{self._url}/prompt", json={"prompt": graph, "client_id": "primer"}).raise_for_status()
        while self._http.get(f"{self._url}/prompt").json()["exec_info"]["queue_remaining"]:
            time.sleep(0.01)

    def _wait_for_messages(self) -> None:
        for name, expected in self.played.expected.items():
            seen = [event.get("msg", b"") for event in expected]
            socket = self.played.sockets.get(name)
            if socket is not None:
                socket.wait_for(len(counted(seen, uncounted=socket.uncounted)))

    def _here(self, value: Any) -> Any:
        """Replace ids of the recorded server by those made here."""
        text = json.dumps(value)
        for recorded, actual in self._ids.items():
            text = text.replace(recorded, actual)
        return json.loads(text)

    def _request(self, event: dict[str, Any]) -> None:
        call: dict[str, Any] = {"params": event.get("query"), "headers": dict(event.get("request_headers", {}))}
        port = self._url.rsplit(":", 1)[1]
        call["headers"] = {name: value.replace("8290", port) for name, value in call["headers"].items()}
        if "multipart" in event:
            call |= self._multipart(event["multipart"])
        elif "raw_body" in event:
            raw = event["raw_body"]
            call["data"] = (raw if isinstance(raw, str) else "image=abc").encode()
        elif "body" in event:
            call["json"] = self._here(event["body"])
        if "If-None-Match" in call["headers"]:
            call["headers"]["If-None-Match"] = self._etag
        response, body = self._ask(event, call)
        self._downloaded = response.content
        self._etag = response.headers.get("ETag", self._etag)
        self._learn_ids(event.get("response"), body)
        self.played.replies.append(Reply(event, response.status_code, dict(response.headers), body, response.content))

    def _ask(self, event: dict[str, Any], call: dict[str, Any]) -> tuple[requests.Response, Any]:
        """Send a request; one for a result is sent again until it is there, as the recorded client did."""
        url = self._url + self._here(event["path"])
        gives_up_at = time.monotonic() + POLLS_LIMIT_S
        while True:
            response = self._http.request(event["method"], url, timeout=20, **call)
            try:
                body = response.json()
            except ValueError:
                body = {"text": response.text} if response.text else None
            is_missing = body == {} and event["path"].startswith("/history/") and event["response"]
            if not is_missing or time.monotonic() > gives_up_at:
                return response, body
            time.sleep(0.02)

    def _multipart(self, form: dict[str, Any]) -> dict[str, Any]:
        files = []
        for file in form["files"]:
            content = self._contents.get(file["bytes"]) or b"x" * file["bytes"]
            if file["content_type"] == "video/mp4":
                content = self._downloaded
            files.append((file["field"], (file["filename"], content, file["content_type"])))
        return {"files": files, "data": form["fields"]}

    def _learn_ids(self, recorded: Any, actual: Any) -> None:
        if (
            isinstance(recorded, dict)
            and isinstance(actual, dict)
            and "prompt_id" in recorded
            and "prompt_id" in actual
        ):
            self._ids[recorded["prompt_id"]] = actual["prompt_id"]
            self._numbers[actual["number"]] = recorded["number"]

    def _socket(self, event: dict[str, Any]) -> None:
        name = event["conn"]
        if event.get("event") in ("open", "open_failed"):
            self._open(name, event)
        elif event.get("event") == "client_closes":
            self.played.sockets[name].connection.close()
        elif event.get("event") == "client_drops_tcp":
            self.played.sockets[name].connection.socket.close()
        elif event.get("event") == "closed":
            self.played.closed_with[name] = event["code"]
        elif "sent_bytes" in event:
            self.played.sockets[name].connection.send("x" * event["sent_bytes"])
        elif "sent" in event:
            sent = event["sent"]
            self.played.sockets[name].connection.send(sent if isinstance(sent, str) else json.dumps(sent))

    def _open(self, name: str, event: dict[str, Any]) -> None:
        address = self._url.replace("http", "ws") + self._here(event["url"])
        port = self._url.rsplit(":", 1)[1]
        headers = {key: value.replace("8290", port) for key, value in event.get("request_headers", {}).items()}
        origin = headers.pop("Origin", None)
        try:
            limit = MEBIBYTE if name == "small" else None  # what a client's library takes if nobody tells it otherwise
            connection = self._open_sockets.enter_context(
                connect(address, max_size=limit, origin=origin, additional_headers=headers)
            )
        except InvalidStatus as refusal:
            self.played.refused[name] = (event["status"], refusal.response.status_code)
            return
        # How much of the progress a socket missed that came back in the middle of a run is a matter of milliseconds.
        is_back = any(other != name and other in name for other in self.played.sockets)
        is_unsure = is_back or self._name in HURRIED
        socket = Socket(connection, UNCOUNTED | ({"progress"} if is_unsure else set()))
        threading.Thread(target=socket.listen, daemon=True).start()
        self.played.sockets[name] = socket

    def comparable(self, value: Any) -> Any:
        """Bring a value from here into the words of the recording."""
        text = json.dumps(value)
        for recorded, actual in self._ids.items():
            text = text.replace(actual, recorded)
        text = text.replace(str(self._directory), "/data/a").replace(str(self._directory.parent), "/data")
        return plain(self._renumbered(json.loads(text)))

    def _renumbered(self, value: Any, key: str = "") -> Any:
        """Replace places in the queue by those of the recording."""
        if isinstance(value, dict):
            return {name: self._renumbered(item, name) for name, item in value.items()}
        if isinstance(value, list):
            is_item = len(value) == 5 and isinstance(value[0], int | float) and isinstance(value[1], str)
            first = [self._numbers.get(value[0], value[0])] if is_item else []
            return first + [self._renumbered(item) for item in value[len(first) :]]
        if key in ("number", "priority"):
            return self._numbers.get(value, value)
        return value


def plain(value: Any, key: str = "") -> Any:
    """Take out of a value what differs between any two runs of the same server."""
    if isinstance(value, dict):
        return {
            name: plain(item, name)
            for name, item in value.items()
            if name not in ("traceback", "tooltip", "id_of_instance")
        }
    if isinstance(value, list):
        items = [plain(item) for item in value]
        if len(items) == 5 and isinstance(items[4], list) and isinstance(items[1], str):
            items[4] = sorted(items[4])  # the output nodes of a prompt come out of a set
        return sorted(items) if key in UNORDERED else items
    if key in TIMES and isinstance(value, int):
        return 0
    if isinstance(value, str):
        value = re.sub(r"_temp_[a-z]{5}_", "_temp_x_", value)
        value = re.sub(r"commonpath: .*", "commonpath", value)  # says more about the machine than about the server
        return re.sub(r"^[0-9a-f]{32}$", "minted", value)
    return value
