"""From a chat request to an answer: which of the embedded engine's few abilities is asked for, and with what material.

Three of them: judge a picture, write a script from a block of facts, fill any other schema with the smallest values.
Apart from the server so that it can be called, and tested, without a socket.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.embedded.llm_judge import NotAPicture, look, picture_of
from orchestrator.embedded.llm_shapes import Unfillable, fill
from orchestrator.embedded.llm_writer import write_script

_BLOCK = re.compile(r"<<<DATA\s*(\{.*?\})\s*DATA>>>", re.DOTALL)
_POLITE = (
    "Good evening. I am Nightreel's preview engine: I judge pictures and write scripts when I am given a JSON schema, "
    "and I am not much of a talker otherwise."
)


class BadRequest(ValueError):
    """The request cannot be answered as it stands."""

    def __init__(self, message: str, *, param: str | None = None) -> None:
        """Keep the name of the offending field beside the sentence."""
        super().__init__(message)
        self.param = param


@dataclass(frozen=True)
class Question:
    """What matters of a chat request."""

    text: str  # everything the user wrote, joined
    pictures: tuple[str, ...]  # image_url addresses
    schema: Mapping[str, Any] | None
    seed: int


def read_question(body: Any) -> Question:
    """Check a chat request's body and take out what matters.

    Raises:
        BadRequest: says which field is missing or wrong.
    """
    if not isinstance(body, dict):
        raise BadRequest("the body must be a JSON object")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise BadRequest("'messages' must be a list with at least one message", param="messages")
    texts: list[str] = []
    pictures: list[str] = []
    for message in messages:
        if not isinstance(message, dict) or message.get("role") not in (
            "system",
            "developer",
            "user",
            "assistant",
            "tool",
        ):
            raise BadRequest("each message must be an object with a role", param="messages")
        if message["role"] in ("user", "tool"):
            _read_content(message.get("content"), texts, pictures)
    if body.get("stream"):
        raise BadRequest('this engine does not stream; send "stream": false', param="stream")
    seed = body.get("seed")
    return Question(
        "\n".join(texts), tuple(pictures), schema=_schema_of(body), seed=seed if isinstance(seed, int) else 0
    )


def answer(question: Question) -> str:
    """Return what the model says: JSON for a schema, a polite sentence without one. Blocks, up to half a second.

    Raises:
        BadRequest: the picture or the schema cannot be used.
    """
    told = _told(question.text)
    known: dict[str, Any] = {}
    if question.pictures:
        try:
            known = look(picture_of(question.pictures[-1]), told=told)
        except NotAPicture as error:
            raise BadRequest(str(error), param="messages") from error
    if question.schema is None:
        return known["note"] + " " + _POLITE if known else _POLITE
    if _wants_script(question.schema) and "facts" in told:
        known |= write_script(told, seed=_mixed(question))
    try:
        return json.dumps(fill(question.schema, known), ensure_ascii=False)
    except Unfillable as error:
        raise BadRequest(str(error), param="response_format") from error


def _read_content(content: Any, texts: list[str], pictures: list[str]) -> None:
    if isinstance(content, str):
        texts.append(content)
        return
    if not isinstance(content, list):
        raise BadRequest("a message's content must be text or a list of parts", param="messages")
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "text" and isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif kind == "image_url" and isinstance(part.get("image_url"), dict):
            pictures.append(str(part["image_url"].get("url", "")))
        else:
            raise BadRequest(f"a part of kind {kind!r} is not understood; text and image_url are", param="messages")


def _schema_of(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    wanted = body.get("response_format") or {"type": "text"}
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if kind == "text":
        return None
    if kind == "json_object":
        return {"type": "object"}
    described = wanted.get("json_schema") if kind == "json_schema" else None
    schema = described.get("schema") if isinstance(described, dict) else None
    if not isinstance(schema, dict):
        raise BadRequest(
            "response_format must be text, json_object, or json_schema with json_schema.schema", param="response_format"
        )
    return schema


def _told(text: str) -> dict[str, Any]:
    """Return the block of data in the question, or the whole question as text."""
    for block in reversed(_BLOCK.findall(text)):
        try:
            value = json.loads(block)
        except ValueError:
            continue
        if isinstance(value, dict):
            return value
    return {"text": text}


def _wants_script(schema: Mapping[str, Any]) -> bool:
    properties = schema.get("properties")
    return isinstance(properties, Mapping) and "sentences" in properties


def _mixed(question: Question) -> int:
    """Return a seed that depends on the question too, so that two paintings with one seed don't get the same jokes."""
    digest = hashlib.sha256(f"{question.seed}\n{question.text}".encode()).digest()
    return int.from_bytes(digest[:8], "big")
