"""The websockets of one card: who is connected under which id, and the one line in which messages wait for them.

All messages go through one queue and are sent one after the other, as in a real server. So their order is the order of
events, and a client that stops reading holds up everyone else.
"""

from __future__ import annotations

import asyncio
import io
import json
import struct
import uuid
from collections import deque
from collections.abc import Mapping
from typing import Any

from aiohttp import WSMsgType, web

from orchestrator.embedded.values import Frame

PREVIEW = 1
PROGRESS_TEXT = 3
PREVIEW_WITH_METADATA = 4
JPEG = 1
PNG = 2
PREVIEW_SIDE_PX = 512
MAX_MESSAGE_BYTES = 4 * 1024 * 1024


class SocketHub:
    """The open websockets of one card, by client id."""

    def __init__(self, features: Mapping[str, Any]) -> None:
        """Take the feature flags that the card answers with."""
        self._features = dict(features)
        self._sockets: dict[str, web.WebSocketResponse] = {}
        self._transports: dict[str, asyncio.Transport | None] = {}
        self._client_features: dict[str, dict[str, Any]] = {}
        self._waiting: deque[tuple[str | bytes, str | None]] = deque()
        self._wake = asyncio.Event()
        self._is_woken = False
        self._is_muted = False
        self.loop = asyncio.get_running_loop()

    @property
    def count(self) -> int:
        """How many clients are registered."""
        return len(self._sockets)

    def post(self, message: str | bytes, client_id: str | None) -> None:
        """Queue a message for a client, or for all of them when `client_id` is None. From any thread."""
        self._waiting.append((message, client_id))
        if not self._is_woken:  # waking costs a system call, so a burst wakes once
            self._is_woken = True
            self.loop.call_soon_threadsafe(self._wake.set)

    def wants_metadata(self, client_id: str | None) -> bool:
        """Whether a client takes previews that say which node they belong to."""
        return bool(client_id and self._client_features.get(client_id, {}).get("supports_preview_metadata"))

    def mute(self, *, is_muted: bool) -> None:
        """Send nothing more, though all sockets stay open; or send again."""
        self._is_muted = is_muted

    async def deliver(self) -> None:
        """Send what waits, for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            self._is_woken = False
            while self._waiting:
                message, client_id = self._waiting.popleft()
                if not self._is_muted:
                    await self._send(message, client_id)

    async def _send(self, message: str | bytes, client_id: str | None) -> None:
        if client_id is None:
            for socket in list(self._sockets.values()):
                await _send_to(socket, message)
        elif client_id in self._sockets:
            await _send_to(self._sockets[client_id], message)

    async def serve(self, request: web.Request, greetings: list[tuple[str, dict[str, Any]]]) -> web.WebSocketResponse:
        """Talk to one client until it leaves.

        The id is forgotten when any socket under it closes. So of two sockets under one id, the newer one goes deaf
        when the older one leaves: a trap of real servers that clients must survive.
        """
        socket = web.WebSocketResponse(max_msg_size=MAX_MESSAGE_BYTES)
        await socket.prepare(request)
        client_id = request.query.get("clientId", "") or uuid.uuid4().hex
        self._sockets[client_id] = socket
        self._transports[client_id] = request.transport
        self._client_features[client_id] = {}
        try:
            for kind, data in greetings:
                told = {**data, "sid": client_id} if kind == "status" else data
                await _send_to(socket, json.dumps({"type": kind, "data": told}))
            await self._listen(socket, client_id)
        finally:
            self._sockets.pop(client_id, None)
            self._transports.pop(client_id, None)
            self._client_features.pop(client_id, None)
        return socket

    async def _listen(self, socket: web.WebSocketResponse, client_id: str) -> None:
        is_first = True
        async for message in socket:
            if message.type != WSMsgType.TEXT or not is_first:
                continue
            try:
                said = json.loads(message.data)
            except json.JSONDecodeError:
                continue  # what is not JSON does not count as the first message
            is_first = False
            if isinstance(said, dict) and said.get("type") == "feature_flags":
                self._client_features[client_id] = dict(said.get("data") or {})
                await _send_to(socket, json.dumps({"type": "feature_flags", "data": self._features}))

    def drop_all(self) -> None:
        """Cut every connection without a close frame, as a failing network does. From any thread."""
        self.loop.call_soon_threadsafe(self._drop_now)

    def _drop_now(self) -> None:
        for transport in list(self._transports.values()):
            if transport is not None:
                transport.abort()


async def _send_to(socket: web.WebSocketResponse, message: str | bytes) -> None:
    try:
        if isinstance(message, bytes):
            await socket.send_bytes(message)
        else:
            await socket.send_str(message)
    except (ConnectionError, RuntimeError):
        return  # the client has left; its handler forgets it


class Outbox:
    """What one prompt says, and to whom: to its client, or to everybody when it has none."""

    def __init__(self, hub: SocketHub, client_id: str | None) -> None:
        self._hub = hub
        self.client_id = client_id

    def send(self, kind: str, data: Mapping[str, Any]) -> None:
        """Send to the client; without one, to everybody."""
        self._hub.post(json.dumps({"type": kind, "data": data}), self.client_id)

    def send_private(self, kind: str, data: Mapping[str, Any]) -> None:
        """Send to the client; without one, to nobody."""
        if self.client_id is not None:
            self.send(kind, data)

    def send_preview(self, frame: Frame, ids: Mapping[str, Any], *, png: bool, before_progress: bool) -> None:
        """Send a picture: with metadata before the `progress` message, or without, after it."""
        has_metadata = self._hub.wants_metadata(self.client_id)
        if has_metadata != before_progress:
            return
        body = _encode(frame, png=png)
        if has_metadata:
            told = json.dumps({**ids, "image_type": "image/png" if png else "image/jpeg"}).encode()
            self._hub.post(struct.pack(">II", PREVIEW_WITH_METADATA, len(told)) + told + body, self.client_id)
        else:
            self._hub.post(struct.pack(">II", PREVIEW, PNG if png else JPEG) + body, self.client_id)


def _encode(frame: Frame, *, png: bool) -> bytes:
    from PIL import Image

    image = Image.fromarray(frame)
    buffer = io.BytesIO()
    if png:
        image.save(buffer, "PNG", compress_level=1)
    else:
        image.thumbnail((PREVIEW_SIDE_PX, PREVIEW_SIDE_PX))
        image.save(buffer, "JPEG", quality=95)
    return buffer.getvalue()
