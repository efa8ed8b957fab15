"""Ask a language or vision model for an answer of a given shape.

The one wrapper around the OpenAI-compatible chat API that vLLM, SGLang, llama.cpp and the embedded engine speak. A
question goes out with the JSON schema of a Pydantic model; what comes back is that model or an error that says whose
fault it was: nobody answers now, the request is refused, or the answer is not what was asked for.
"""

from __future__ import annotations

import base64
import json
import re
import threading
import time
from typing import Any, TypeVar

import requests
from pydantic import BaseModel, ValidationError

from steps.errors import BadOutput, ServiceRefused, ServiceUnavailable
from steps.options import LlmEndpoint

MAX_TOKENS = 2048
MAX_ANSWER_BYTES = 4_000_000

_CONNECT_TIMEOUT_S = 5.0
_BUSY = frozenset({408, 409, 425, 429})
_FENCED = re.compile(r"```(?:json)?\s*(\{.*\})\s*```", re.DOTALL)
_THOUGHT = re.compile(r"^\s*<think>.*?</think>", re.DOTALL)

T = TypeVar("T", bound=BaseModel)

_slots: dict[tuple[str, int], threading.BoundedSemaphore] = {}
_slots_lock = threading.Lock()


class Chat:
    """One model behind an address. Thread-safe; no more questions at once than the endpoint's `concurrency`."""

    def __init__(self, endpoint: LlmEndpoint) -> None:
        """Keep the address; nothing is sent yet.

        Raises:
            ServiceRefused: no address is configured.
        """
        if endpoint.url is None:
            raise ServiceRefused("No language model is configured: give its address as llm.text.url or llm.vision.url.")
        self._endpoint = endpoint
        self.answered_by = endpoint.model
        """The name that the server gave itself in its last answer; before that, the name it is asked by."""
        self._url = endpoint.url.rstrip("/") + "/chat/completions"
        with _slots_lock:
            key = (self._url, endpoint.concurrency)
            self._slot = _slots.setdefault(key, threading.BoundedSemaphore(endpoint.concurrency))

    def ask(
        self,
        model: type[T],
        *,
        system: str,
        user: str,
        image: bytes | None = None,
        schema_name: str,
        seed: int,
    ) -> T:
        """Return the model's answer as an instance of a Pydantic model. Blocks, for at most the endpoint's timeout.

        Args:
            model: Shape of the answer; its JSON schema is sent along.
            system: Who the model is and what the rules are.
            user: The question.
            image: A JPEG or PNG file's bytes, sent as a data URI.
            schema_name: Name of the schema, letters, digits and underscores.
            seed: Any number; its lower 31 bits are sent.

        Raises:
            ServiceUnavailable: nobody answers, or the server is busy or failing: later it may work.
            ServiceRefused: the server refuses the request, or is no such server: it would refuse the next one too.
            BadOutput: the answer is not of that shape; `facts["reasons"]` says why, for asking again.
        """
        body = {
            "model": self._endpoint.model,
            "messages": [{"role": "system", "content": system}, {"role": "user", "content": _content(user, image)}],
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": schema_name, "schema": model.model_json_schema(), "strict": True},
            },
            "seed": seed % 2**31,
            "max_tokens": MAX_TOKENS,
            "stream": False,
        }
        with self._slot:
            answer = self._post(body)
        text, self.answered_by = _said(answer, self._url, self._endpoint.model)
        return _parsed(model, text)

    def _post(self, body: dict[str, Any]) -> bytes:
        headers = {"Authorization": f"Bearer {self._endpoint.api_key}"} if self._endpoint.api_key else {}
        deadline = time.monotonic() + self._endpoint.timeout_s
        timeout = (min(_CONNECT_TIMEOUT_S, self._endpoint.timeout_s), self._endpoint.timeout_s)
        try:
            with requests.Session() as session:
                session.trust_env = False  # a proxy of the environment has no business between us and our own server
                with session.post(
                    self._url, json=body, headers=headers, timeout=timeout, stream=True, allow_redirects=False
                ) as response:
                    content = _read_bounded(response, deadline)
        except (
            requests.exceptions.InvalidURL,
            requests.exceptions.InvalidSchema,
            requests.exceptions.MissingSchema,
        ) as error:
            raise ServiceRefused(f"The language model's address {self._url} is no web address: {error}") from error
        except requests.exceptions.InvalidHeader as error:
            raise ServiceRefused("The language model's api_key has characters that no header may have.") from error
        except requests.exceptions.RequestException as error:
            raise ServiceUnavailable(
                f"The language model at {self._url} does not answer: {_short(str(error))}"
            ) from error
        _raise_for(response.status_code, content, self._url)
        return content


def _content(user: str, image: bytes | None) -> str | list[dict[str, Any]]:
    if image is None:
        return user
    kind = "png" if image.startswith(b"\x89PNG") else "jpeg"
    uri = f"data:image/{kind};base64,{base64.b64encode(image).decode('ascii')}"
    return [{"type": "text", "text": user}, {"type": "image_url", "image_url": {"url": uri}}]


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


def _raise_for(status: int, content: bytes, url: str) -> None:
    """Turn a status other than success into one of our errors."""
    if 200 <= status < 300:
        return
    said = _short(_error_message(content))
    if status in _BUSY or status >= 500:
        raise ServiceUnavailable(
            f"The language model at {url} is busy or failing (HTTP {status}): {said}", status=status
        )
    raise ServiceRefused(f"The language model at {url} refuses the request (HTTP {status}): {said}", status=status)


def _error_message(content: bytes) -> str:
    try:
        error = json.loads(content)["error"]
        return str(error["message"] if isinstance(error, dict) else error)
    except (ValueError, KeyError, TypeError):
        return content[:500].decode("utf-8", "replace") or "no reason given"


def _said(content: bytes, url: str, model: str) -> tuple[str, str]:
    """Return what the model said, out of the server's envelope, and the model's name in it."""
    try:
        envelope = json.loads(content)
        choice = envelope["choices"][0]
        text, ended = choice["message"]["content"], choice.get("finish_reason")
        name = str(envelope.get("model") or model)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        found = _short(content[:200].decode("utf-8", "replace"))
        raise ServiceRefused(f"{url} does not answer as a language model does; it says: {found}") from error
    if ended == "length":
        raise _bad(["the answer was cut off because it was too long"])
    if not isinstance(text, str) or not text.strip():
        raise _bad(["the answer is empty"])
    return text, name


def _parsed(model: type[T], text: str) -> T:
    """Read the answer; servers without structured output may fence it, or think aloud before it."""
    text = _THOUGHT.sub("", text).strip()
    fenced = _FENCED.search(text)
    try:
        return model.model_validate_json(fenced.group(1) if fenced else text)
    except ValidationError as error:
        reasons = []
        for one in error.errors(include_url=False, include_input=False)[:8]:
            place = ".".join(str(part) for part in one["loc"]) or "the answer"
            reasons.append(f"{place}: {one['msg']}")
        raise _bad(reasons) from error


def _bad(reasons: list[str]) -> BadOutput:
    return BadOutput(
        "The language model's answer is not of the shape asked for: " + "; ".join(reasons), reasons=reasons
    )


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= 300 else flat[:299] + "…"
