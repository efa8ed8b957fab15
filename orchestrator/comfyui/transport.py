"""HTTP to one server, from any thread: kept-alive connections, time limits, and one mapping of everything that can
fail on the way to our own errors.

Only this module knows `requests`. It is separate from the client because what can go wrong with a connection is one
subject, and what ComfyUI's routes mean is another.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import NameResolutionError, NewConnectionError, ProtocolError

from orchestrator.comfyui.errors import (
    AccessDenied,
    AddressUnknown,
    AnswerTimedOut,
    ComfyUIError,
    ConnectionBroken,
    ConnectionRefused,
    GatewayDown,
    NotComfyUI,
    ServerFault,
    TooLarge,
)

KEEP_ALIVE_S = 15.0
"""A connection idle for longer is opened anew: a server closes idle ones, and a POST that meets a closing one is lost
in the one way that is slow to resolve. aiohttp closes after 75 s, proxies often after 60 or less."""


class Transport:
    """Requests to one server. Thread-safe: each request borrows a session of its own."""

    def __init__(self, url: str, *, connect_timeout_s: float, read_timeout_s: float) -> None:
        self.url = _checked_url(url)
        self.connect_timeout_s = connect_timeout_s
        self.read_timeout_s = read_timeout_s
        self._idle: deque[tuple[requests.Session, float]] = deque()
        self._closed = threading.Event()

    @property
    def socket_url(self) -> str:
        """Return the address of the websocket, without the client id."""
        return "ws" + self.url.removeprefix("http") + "/ws"

    def get(self, path: str, *, params: Mapping[str, str] | None = None, read_timeout_s: float | None = None) -> Any:
        """Return the JSON that a GET answers. Retried once at once where a kept-alive connection was stale.

        Raises:
            InstanceDown: in one of its forms; NotComfyUI, ServerFault.
        """
        try:
            response = self.send("GET", path, params=params, read_timeout_s=read_timeout_s)
        except ConnectionBroken:
            response = self.send("GET", path, params=params, read_timeout_s=read_timeout_s)
        return self.decode(response, f"GET {path}")

    def post(self, path: str, body: Mapping[str, Any]) -> None:
        """Send JSON to a route that answers nothing but a status."""
        self.check_status(self.send("POST", path, body=body), f"POST {path}")

    def send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        files: Mapping[str, Any] | None = None,
        read_timeout_s: float | None = None,
    ) -> requests.Response:
        """Send one request and read the whole answer, whatever its status."""
        with self.borrow() as session, self.mapped_errors(method, path):
            return session.request(
                method,
                self.url + path,
                params=params,
                json=body,
                files=files,
                timeout=(self.connect_timeout_s, read_timeout_s or self.read_timeout_s),
                allow_redirects=False,
            )

    @contextlib.contextmanager
    def borrow(self) -> Iterator[requests.Session]:
        """Lend a session; it goes back for the next request unless the request failed."""
        session = self._take()
        try:
            yield session
        except BaseException:
            session.close()
            raise
        if self._closed.is_set():
            session.close()
        else:
            self._idle.append((session, time.monotonic()))

    def _take(self) -> requests.Session:
        while True:
            try:
                session, since = self._idle.pop()  # the latest one: the others may grow stale and be dropped
            except IndexError:
                return _new_session()
            if time.monotonic() - since < KEEP_ALIVE_S:
                return session
            session.close()

    def close(self) -> None:
        """Close the idle connections; those in use are closed when their request ends."""
        self._closed.set()
        while self._idle:
            with contextlib.suppress(IndexError):
                self._idle.pop()[0].close()

    @contextlib.contextmanager
    def mapped_errors(self, method: str, path: str) -> Iterator[None]:
        """Turn what `requests` raises into our errors."""
        try:
            yield
        except requests.RequestException as error:
            raise self._explain(error, f"{method} {path}") from error

    def _explain(self, error: requests.RequestException, what: str) -> ComfyUIError:
        if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.InvalidSchema):
            return NotComfyUI(f"{self.url} is not an address that can be asked ({error})")
        if isinstance(error, requests.exceptions.SSLError):
            return NotComfyUI(f"{self.url} does not speak the TLS that https needs")
        if isinstance(error, requests.ConnectTimeout):
            return AddressUnknown(f"{self.url} took no connection within {self.connect_timeout_s:g} s")
        if isinstance(error, requests.ReadTimeout):
            return AnswerTimedOut(f"{self.url} did not answer {what} in time")
        causes = list(_causes(error))
        if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
            return ConnectionRefused(f"nothing listens at {self.url} (connection refused)")
        if any(isinstance(cause, NameResolutionError) for cause in causes):
            return AddressUnknown(f"the host name of {self.url} is not known")
        if any(isinstance(cause, NewConnectionError) for cause in causes):
            return AddressUnknown(f"{self.url} cannot be reached")
        for cause in causes:
            if isinstance(cause, ProtocolError) and (spoken := _foreign_speech(cause)):
                return NotComfyUI(f"{self.url} does not speak HTTP; its first line is {spoken}")
        if isinstance(error, requests.Timeout):
            return AnswerTimedOut(f"{self.url} did not answer {what} in time")
        return ConnectionBroken(f"{self.url} ended the connection during {what}")

    def check_status(self, response: requests.Response, what: str) -> None:
        """Raise for every status but 200.

        Raises:
            AccessDenied, GatewayDown, TooLarge, ServerFault, NotComfyUI: by status.
        """
        status = response.status_code
        if status == 200:
            return
        if status in (401, 403, 407):
            raise AccessDenied(f"{self.url} answered {what} with HTTP {status}", status=status)
        if status in (502, 503, 504):
            raise GatewayDown(f"{self.url} answered {what} with HTTP {status}", status=status)
        if status == 413:
            raise TooLarge(f"{self.url} answered {what} with HTTP 413: {_first_line(response)}", status=status)
        if status >= 500:
            raise ServerFault(f"{self.url} answered {what} with HTTP {status}: {_first_line(response)}", status=status)
        raise NotComfyUI(f"{self.url} answered {what} with HTTP {status}{_page_note(response)}", status=status)

    def decode(self, response: requests.Response, what: str) -> Any:
        """Return the JSON of an answer with status 200.

        Raises:
            NotComfyUI: it is a web page or no JSON; says what was found.
        """
        self.check_status(response, what)
        try:
            return json.loads(response.content)
        except ValueError as error:
            found = _page_note(response) or f": {_first_line(response)!r}"
            raise NotComfyUI(f"{self.url} answered {what} with something that is not JSON{found}") from error


def _checked_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        port_is_fine = False
    if not port_is_fine or parts.scheme not in ("http", "https") or not parts.hostname:
        raise NotComfyUI(f"found `{url}`; expected an address such as http://127.0.0.1:8188")
    return f"{parts.scheme}://{parts.netloc}{quote(parts.path.rstrip('/'), safe='/%')}"


def _new_session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # no proxy from the environment, no .netrc: this is always a machine of the house
    session.headers["Accept"] = "application/json, */*"
    adapter = HTTPAdapter(pool_connections=1, pool_maxsize=1)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and all it came from: urllib3 hides the socket's error in `reason`, `args` and the context."""
    seen: set[int] = set()
    waiting: list[Any] = [error]
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, BaseException) and id(one) not in seen:
            seen.add(id(one))
            yield one
            waiting += [getattr(one, "reason", None), *one.args, one.__cause__, one.__context__]


def _foreign_speech(error: BaseException) -> str:
    """Return the first line of something that is not HTTP, such as an SSH banner."""
    for cause in _causes(error):
        if type(cause).__name__ == "BadStatusLine":
            line = str(cause).strip().splitlines()[0] if str(cause).strip() else ""
            return repr(line[:60]) if line else ""
    return ""


def _first_line(response: requests.Response) -> str:
    """Return the first line of a text answer, shortened and without control characters."""
    text = response.content[:400].decode("utf-8", errors="replace").strip()
    line = text.splitlines()[0] if text else "no text"
    return "".join(char if char.isprintable() else " " for char in line)[:120]


def _page_note(response: requests.Response) -> str:
    """Return a note about a web page or a redirect, empty for anything else."""
    if 300 <= response.status_code < 400:
        return f", a redirect to {response.headers.get('Location', 'nowhere')[:80]}"
    head = response.content[:4000].decode("utf-8", errors="replace")
    if "html" not in response.headers.get("Content-Type", "") and not head.lstrip().lower().startswith(
        ("<!doctype html", "<html")
    ):
        return ""
    title = re.search(r"<title[^>]*>(.*?)</title>", head, re.IGNORECASE | re.DOTALL)
    named = f" titled {' '.join(title.group(1).split())[:60]!r}" if title else ""
    return f", a web page{named}"
