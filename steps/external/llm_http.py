"""One address of an OpenAI-compatible server: a question posted, an answer read, and each failure told apart.

A server that is busy, failing or just being started is asked again for as long as the settings have patience, at the
time that it names itself in Retry-After. One that is silent is given up at the time limit: whoever asked decides.
"""

from __future__ import annotations

import json
import random
import re
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import requests

from steps.errors import BadAnswer, QuestionRefused, ServiceRefused, ServiceUnavailable, StepError
from steps.options import LlmEndpoint

MAX_ANSWER_BYTES = 4_000_000
CONNECT_TIMEOUT_S = 5.0

_BUSY = frozenset({408, 409, 425, 429, 502, 503, 504})  # likely to pass by itself
_ABOUT_THE_QUESTION = frozenset({400, 413, 415, 422, 501})
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.25, 8.0
_FAILED_TIMES = 3  # a server that fails (500) over one question is asked so often in all
_TOO_LONG = re.compile(
    r"context.{0,12}(?:length|size|window)|too (?:long|large|many tokens)|max_(?:completion_)?tokens|exceed", re.I
)
_BLIND = re.compile(
    r"(?:image|vision|multimodal|mmproj).{0,60}(?:support|accept|provided|enabl)|not a multimodal", re.I
)

_UNREADABLE = re.compile(r"(?:output|response).{0,40}(?:does not match|not match|parse|invalid)|failed to parse", re.I)
"""What llama.cpp says, with status 500, of an answer of its own model that its grammar should have prevented."""


class _Again(Exception):
    """It may work in a moment."""

    def __init__(self, error: ServiceUnavailable, *, pause_s: float | None = None, failed: bool = False) -> None:
        super().__init__(str(error))
        self.error = error
        self.pause_s = pause_s  # named by the server
        self.failed = failed  # the server broke over it, and may do so each time


class Line:
    """The way to one server. Thread-safe."""

    def __init__(self, endpoint: LlmEndpoint, url: str) -> None:
        """Keep the address; nothing is sent yet.

        Args:
            endpoint: The settings of the server.
            url: Where to post.
        """
        self._endpoint = endpoint
        self.url = url

    def post(self, body: dict[str, Any]) -> bytes:
        """Send a question and return the whole answer. Blocks, for at most the time limit and the patience together.

        Raises:
            ServiceUnavailable: nobody answers, or the server is busy or failing: later it may work.
            BadAnswer: the server cannot read what its own model said.
            QuestionRefused: the server refuses this question; `facts["status"]` and `facts["too_long"]` say how.
            ServiceRefused: it refuses us, has no such model, or is no such server.
        """
        until = time.monotonic() + self._endpoint.patience_s
        tries = 0
        while True:
            tries += 1
            try:
                return self._post_once(body)
            except _Again as again:
                pause_s = again.pause_s
                if pause_s is None:
                    pause_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** (tries - 1)) * random.uniform(0.8, 1.2)
                if time.monotonic() + pause_s > until or (again.failed and tries >= _FAILED_TIMES):
                    raise _given_up(again, tries) from again
            time.sleep(pause_s)

    def _post_once(self, body: dict[str, Any]) -> bytes:
        headers = {"Authorization": f"Bearer {self._endpoint.api_key}"} if self._endpoint.api_key else {}
        timeout_s = self._endpoint.timeout_s
        deadline = time.monotonic() + timeout_s
        timeouts = (min(CONNECT_TIMEOUT_S, timeout_s), timeout_s)
        try:
            with requests.Session() as session:
                session.trust_env = False  # a proxy of the environment has no business between us and our own server
                with session.post(
                    self.url, json=body, headers=headers, timeout=timeouts, stream=True, allow_redirects=False
                ) as response:
                    content = _read_bounded(response, deadline)
        except requests.exceptions.RequestException as error:
            raise self._told(error) from error
        _raise_for(response, content, self.url)
        return content

    def _told(self, error: requests.exceptions.RequestException) -> StepError | _Again:
        """Return our error for one of the library's."""
        kinds = requests.exceptions
        if isinstance(error, (kinds.InvalidURL, kinds.InvalidSchema, kinds.MissingSchema)):
            return ServiceRefused(f"The language model's address {self.url} is no web address: {error}")
        if isinstance(error, kinds.InvalidHeader):
            return ServiceRefused("The language model's api_key has characters that no header may have.")
        if isinstance(error, kinds.ReadTimeout):
            return ServiceUnavailable(
                f"The language model at {self.url} says nothing for {self._endpoint.timeout_s:g} s: it hangs, or has "
                "too many questions at once; see `concurrency` and `timeout_s`."
            )
        return _Again(ServiceUnavailable(f"The language model at {self.url} does not answer: {short(str(error))}"))


def _given_up(again: _Again, tries: int) -> ServiceUnavailable:
    """Return the error of a server that was asked in vain."""
    said = str(again.error).rstrip(".")
    if again.pause_s is not None:
        said += f"; it asks for a pause of {again.pause_s:g} s (Retry-After)"
    if tries > 1:
        said += f"; asked {tries} times"
    return ServiceUnavailable(f"{said}.", **again.error.facts)


def _read_bounded(response: requests.Response, deadline: float) -> bytes:
    """Read the body, giving up when it is too long or comes too slowly."""
    parts: list[bytes] = []
    size = 0
    for part in response.iter_content(65536):
        parts.append(part)
        size += len(part)
        if size > MAX_ANSWER_BYTES:
            raise ServiceRefused(f"{response.url} sends more than {MAX_ANSWER_BYTES:,} bytes: is it a language model?")
        if time.monotonic() > deadline:
            raise ServiceUnavailable(f"The language model at {response.url} answers too slowly.")
    return b"".join(parts)


def _raise_for(response: requests.Response, content: bytes, url: str) -> None:
    """Turn a status other than success into one of our errors."""
    status = response.status_code
    if 200 <= status < 300:
        return
    said = short(_error_message(content))
    refusal = f"The language model at {url} refuses the request (HTTP {status}): {said}"
    if _BLIND.search(said):  # vLLM says so with status 400, llama.cpp with 500
        raise ServiceRefused(f"{refusal}. Give a model that can see as llm.vision.model.", status=status)
    if status == 500 and _UNREADABLE.search(said):
        raise BadAnswer(f"The language model's answer cannot be read by its own server: {said}", reasons=[said])
    if status in _BUSY or (status >= 500 and status not in _ABOUT_THE_QUESTION):
        busy = ServiceUnavailable(
            f"The language model at {url} is busy or failing (HTTP {status}): {said}", status=status
        )
        raise _Again(busy, pause_s=_retry_after_s(response.headers.get("Retry-After")), failed=status not in _BUSY)
    if status not in _ABOUT_THE_QUESTION:
        raise ServiceRefused(refusal, status=status)
    too_long = status == 413 or _TOO_LONG.search(said) is not None
    if too_long:
        refusal += ". Start the server with a longer context, or lower `max_tokens`, or `facts` of the script"
    raise QuestionRefused(refusal, status=status, too_long=too_long)


def _retry_after_s(value: str | None) -> float | None:
    """Read Retry-After: seconds or a date (RFC 9110, 10.2.3). None: absent, or nonsense."""
    if value is None:
        return None
    if value.strip().isascii() and value.strip().isdigit():
        return float(value.strip()[:9])
    try:
        due = parsedate_to_datetime(value)
    except ValueError:
        return None
    due = due if due.tzinfo is not None else due.replace(tzinfo=UTC)
    return max(0.0, (due - datetime.now(UTC)).total_seconds())


def _error_message(content: bytes) -> str:
    """Return the server's own words: OpenAI's form, the forms of others, or the beginning of what it sent."""
    try:
        told = json.loads(content)
        error = told.get("error", told.get("message", told.get("detail")))
        if error is not None:
            return str(error.get("message", error) if isinstance(error, dict) else error)
    except (ValueError, AttributeError, RecursionError):
        pass
    return content[:500].decode("utf-8", "replace") or "no reason given"


def short(text: str, length: int = 300) -> str:
    """Return a text on one line, cut when it is long."""
    flat = " ".join(text.split())
    return flat if len(flat) <= length else flat[: length - 1] + "…"
