"""What each fault of the embedded language model does to a question, to its answer, or instead of both."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import replace
from typing import Any

from aiohttp import web

from orchestrator.embedded.llm_answers import Question
from orchestrator.embedded.llm_faults import LlmFault
from orchestrator.embedded.llm_shapes import fill

_LANGUAGE = re.compile(r'("language"\s*:\s*")(fr|en)(")')
_ORDER = re.compile(
    r"(?:ignore|disregard|forget|oublie[zr]?)\s[^.\"]{0,60}?\b(?:say|write|answer|reply|only with|dis|réponds)\b"
    r"(?: only)?(?: with)?(?: the words?)?[:\s]+([^.\"\\<]{1,200})",
    re.IGNORECASE,
)
_REFUSALS = {
    "http_400": (400, "max_tokens is too large for this model", "invalid_request_error"),
    "too_long": (400, "This model's maximum context length is 512 tokens; your request has 9000", "BadRequestError"),
    "no_schema": (400, "response_format type json_schema is not supported", "invalid_request_error"),
    "no_json": (400, "response_format is not supported", "invalid_request_error"),
    "http_429": (429, "too many requests", "rate_limit_error"),
    "http_500": (500, "CUDA error: an illegal memory access was encountered", "server_error"),
    "http_503": (503, "Loading model", "unavailable_error"),
}


async def refuse(fault: LlmFault, request: web.Request) -> web.Response | None:
    """Return what is answered instead, if anything; or take one's time, or cut the connection."""
    if fault.kind == "slow":
        await asyncio.sleep(fault.seconds)
        return None
    if fault.kind == "cut":
        if request.transport is not None:
            request.transport.abort()
        return web.Response()  # written to nobody
    status, message, kind = _REFUSALS[fault.kind]
    headers = {} if fault.retry_after is None else {"Retry-After": f"{fault.retry_after:g}"}
    error = {"message": message, "type": kind, "param": None, "code": None}
    return web.json_response({"error": error}, status=status, headers=headers)


def twisted(fault: LlmFault, question: Question) -> Question:
    """Return the question as a model understands it that is led astray."""
    if fault.kind == "wrong_language":
        other = {"fr": "en", "en": "fr"}
        text = _LANGUAGE.sub(lambda found: found[1] + other[found[2]] + found[3], question.text)
        return replace(question, text=text)
    return question


def spoiled(fault: LlmFault, text: str, question: Question) -> tuple[str, str]:
    """Return what is said instead of a true answer, and why it ended.

    Args:
        fault: What goes wrong.
        text: The true answer.
        question: What was asked.
    """
    match fault.kind:
        case "prose":
            return "Certainly! Here is the answer you asked for: it is a lovely picture.", "stop"
        case "half_json":
            return '{"sentences": [{"text": "Je suis', "stop"
        case "cut_short":
            return text[: len(text) // 2], "length"
        case "wrong_shape":
            return '{"answer": "Je suis un portrait."}', "stop"
        case "wrapped":
            thought = '<think>They want {"something": 1}. I must be careful.</think>'
            return f"{thought}\nSure! Here it is:\n```json\n{text}\n```\nLet me know what you think.", "stop"
        case "obeys":
            return _obeying(text, question), "stop"
        case _:
            return "", "stop"


def _obeying(text: str, question: Question) -> str:
    """Return what the material orders to say, in the shape that is asked for; the true answer if it orders nothing."""
    found = _ORDER.search(question.text)
    if found is None:
        return text
    said = found[1].strip()
    if question.schema is None:
        return said
    known: dict[str, Any] = {"sentences": [{"text": said, "facts": []}], "text": said, "note": said}
    return json.dumps(fill(question.schema, known), ensure_ascii=False)
