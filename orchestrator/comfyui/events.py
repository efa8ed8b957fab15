"""One websocket per instance, kept open by a thread of its own that does nothing but read.

Reading has its own thread because a client that stops reading freezes the server's events for everybody. A socket
counts as live only when the server has answered our hello on it: of two sockets with one client id, the server may
keep the wrong one, and then answers pings on the other for ever and sends it nothing.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable
from urllib.parse import quote, urlsplit

from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import ClientConnection, connect

from orchestrator.comfyui.messages import HELLO, Event, Hello, parse_message
from orchestrator.comfyui.pace import STEADY, Pace
from orchestrator.comfyui.transport import Transport

CLOSE_TIMEOUT_S = 1.0
PAUSES_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0)  # between tries to connect; the last one repeats

_quiet = logging.getLogger("nightreel.websockets")  # the library's own log repeats what the retries already handle
_quiet.setLevel(logging.CRITICAL)


class EventStream:
    """The events of one instance, as they come. Reconnects by itself, under the same client id.

    Args:
        http: Where the server is.
        client_id: Under which the prompts are submitted.
        deliver: Called in the reading thread with each event; must be quick and must not raise.
        changed: Called in the reading thread when the socket became live or was lost.
        pace: How long to wait for what.
    """

    def __init__(
        self,
        http: Transport,
        client_id: str,
        *,
        deliver: Callable[[Event], None],
        changed: Callable[[], None],
        pace: Pace = STEADY,
    ) -> None:
        self._url = f"{http.socket_url}?clientId={quote(client_id, safe='')}"
        self._connect_timeout_s = http.connect_timeout_s
        self._pace = pace
        self._deliver = deliver
        self._changed = changed
        self._stop = threading.Event()
        self._renew = threading.Event()
        self._live = threading.Event()
        self._connection: ClientConnection | None = None
        self._thread: threading.Thread | None = None
        self.openings = 0  # sockets that became live so far
        self._lost_at = time.monotonic()
        self._has_been_deaf = False
        self._is_distrusted = False

    @property
    def is_live(self) -> bool:
        """Tell whether events reach us."""
        return self._live.is_set()

    @property
    def is_useful(self) -> bool:
        """Tell whether events may be waited for: live, and not caught twice in a row saying nothing."""
        return self.is_live and not self._is_distrusted

    @property
    def is_missing(self) -> bool:
        """Tell whether events could not have come for a while: for longer than opening a new socket takes."""
        return not self.is_useful and (self.is_live or time.monotonic() - self._lost_at > self._pace.missing_after_s)

    def start(self) -> None:
        """Open the socket in the background. Returns at once, whether or not there is a server."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=f"events {self._url}", daemon=True)
            self._thread.start()

    def wait_live(self, timeout_s: float) -> bool:
        """Block until the socket is live; False when it is not after `timeout_s`."""
        return self._live.wait(timeout_s)

    def renew(self, *, was_deaf: bool = False) -> None:
        """Close the socket and open another one. Returns at once.

        Args:
            was_deaf: It did not tell of something that happened, rather than being suspiciously silent. When the next
                one does the same, it is distrusted until it tells of a prompt again.
        """
        if was_deaf:
            self._is_distrusted = self._has_been_deaf
            self._has_been_deaf = True
        self._renew.set()

    def close(self) -> None:
        """Close the socket and end the thread; takes at most about a second."""
        self._stop.set()
        connection = self._connection
        if connection is not None:
            with contextlib.suppress(WebSocketException, OSError):
                connection.close()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(CLOSE_TIMEOUT_S + 0.5)

    def _run(self) -> None:
        tries = 0
        while not self._stop.is_set():
            openings = self.openings
            try:
                self._read_one_connection()
            except (WebSocketException, OSError, TimeoutError):
                pass  # refused, dropped, or no ComfyUI: the session polls meanwhile, and says so if that fails too
            finally:
                self._connection = None
                if self._live.is_set():
                    self._lost_at = time.monotonic()
                    self._live.clear()
                    self._changed()
            tries = 0 if self.openings > openings else tries + 1
            self._stop.wait(PAUSES_S[min(tries, len(PAUSES_S) - 1)])

    def _read_one_connection(self) -> None:
        """Open a socket and read it until it ends.

        Raises:
            WebSocketException, OSError: it could not be opened.
        """
        parts = urlsplit(self._url)
        port = parts.port or (443 if parts.scheme == "wss" else 80)
        raw = socket.create_connection((parts.hostname or "", port), timeout=self._connect_timeout_s)
        try:
            connection = connect(
                self._url,
                sock=raw,
                compression=None,
                open_timeout=self._pace.hello_timeout_s,
                ping_interval=None,  # pongs come from the server's event loop, late and without meaning
                close_timeout=CLOSE_TIMEOUT_S,
                max_size=None,  # a picture in a frame may be many megabytes
                logger=_quiet,
            )
        except BaseException:
            raw.close()
            raise
        with connection:
            self._connection = connection
            self._renew.clear()
            connection.send(HELLO)
            self._read(connection, hello_until=time.monotonic() + self._pace.hello_timeout_s)

    def _read(self, connection: ClientConnection, *, hello_until: float) -> None:
        while not self._stop.is_set() and not self._renew.is_set():
            if not self._live.is_set() and time.monotonic() > hello_until:
                return  # deaf
            try:
                message = connection.recv(timeout=self._pace.socket_check_s)
            except TimeoutError:
                continue
            except ConnectionClosed:
                return
            event = parse_message(message)
            if isinstance(event, Hello):
                self.openings += 1
                self._live.set()
                self._changed()
            elif event is not None:
                if getattr(event, "prompt_id", None) is not None:
                    self._has_been_deaf = self._is_distrusted = False
                self._deliver(event)
