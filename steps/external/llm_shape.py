"""The shape of an answer: how it is asked for, how it is read, and what is wrong with one that does not fit.

Servers differ in what they can promise. By a JSON schema the answer can hardly go wrong; some know only "an object of
JSON", some only text. The answer is checked against the Pydantic model in each case, and read out of prose, code fences
and thoughts where it stands in them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from steps.errors import BadAnswer, ServiceRefused
from steps.external.llm_http import short

T = TypeVar("T", bound=BaseModel)

MAX_REASONS = 8
_MAX_OBJECTS = 40  # so many places are tried where an object might begin
_DECODER = json.JSONDecoder()
_THOUGHT_END = "</think>"
_BOUNDS = frozenset(
    {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "pattern"}
    | {"minItems", "maxItems", "uniqueItems", "format", "default", "examples", "title"}
)


class Format(StrEnum):
    """How the shape is asked for, from most to least that the server promises."""

    SCHEMA = "json_schema"
    PLAIN_SCHEMA = "json_schema_plain"  # without bounds: some grammar compilers know none
    OBJECT = "json_object"  # the schema is told in words
    TEXT = "text"  # the same, and the server promises nothing


def formats_from(first: Format, structured: str) -> tuple[Format, ...]:
    """Return the formats to try in turn.

    Args:
        first: What is known to work with the server.
        structured: The setting: `auto`, or what must be used.
    """
    if structured == "auto":
        known = tuple(Format)
        return known[known.index(first) :]
    if structured == "json_schema":
        return (Format.SCHEMA, Format.PLAIN_SCHEMA)
    return (Format(structured),)


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """Return a model's JSON schema with every property required, as OpenAI's strict mode and small models need it."""
    schema: dict[str, Any] = _rebuilt(model.model_json_schema(), drop=frozenset())
    return schema


def response_format(form: Format, *, name: str, schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the request's `response_format`; None for plain text."""
    if form is Format.TEXT:
        return None
    if form is Format.OBJECT:
        return {"type": "json_object"}
    told = schema if form is Format.SCHEMA else _rebuilt(schema, drop=_BOUNDS)
    return {"type": "json_schema", "json_schema": {"name": name, "schema": told, "strict": True}}


def in_words(schema: Mapping[str, Any]) -> str:
    """Return the schema as a request, for servers that cannot be told it otherwise."""
    told = json.dumps(schema, ensure_ascii=False)
    return f"\n\nAnswer with one JSON object that fits this JSON schema, and with nothing else:\n{told}"


def _rebuilt(schema: Any, *, drop: frozenset[str], names: bool = False) -> Any:
    """Return a schema with all properties required and without some keywords.

    Args:
        schema: A schema or a part of one.
        drop: Keywords to leave out.
        names: The keys of this part are names of properties, which may look like keywords.
    """
    if isinstance(schema, list):
        return [_rebuilt(one, drop=drop) for one in schema]
    if not isinstance(schema, Mapping):
        return schema
    built = {
        key: _rebuilt(value, drop=drop, names=not names and key in ("properties", "$defs"))
        for key, value in schema.items()
        if names or key not in drop
    }
    if not names and isinstance(built.get("properties"), dict):
        built["required"] = list(built["properties"])
    return built


@dataclass(frozen=True)
class Said:
    """What a model said, out of the server's envelope."""

    text: str
    model: str  # the name that the server gave itself
    usage: Any  # as the server told it
    problem: str | None = None  # what is wrong with it already: cut off, empty


def said(content: bytes, *, url: str, model: str) -> Said:
    """Open the envelope of an answer.

    Raises:
        ServiceRefused: it is not the answer of such a server.
    """
    try:
        envelope = json.loads(content)
        choice = envelope["choices"][0]
        message, ended = choice["message"], choice.get("finish_reason")
        name = str(envelope.get("model") or model)
        text, declined = _plain(message.get("content")), message.get("refusal")
        usage = envelope.get("usage")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        found = short(content[:200].decode("utf-8", "replace"))
        raise ServiceRefused(f"{url} does not answer as a language model does; it says: {found}") from error
    problem = None
    if ended == "length":
        problem = "the answer was cut off because it was too long; answer shorter"
    elif not text.strip():
        problem = f"the model declined: {short(str(declined))}" if declined else "the answer is empty"
    return Said(text, name, usage, problem)


def _plain(content: Any) -> str:
    """Return the text of a message, which some servers give in parts."""
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))
    return content if isinstance(content, str) else ""


def parsed(model: type[T], text: str) -> T:
    """Read an answer: an object of JSON, wherever it stands in it; of several, the last one that fits.

    Raises:
        BadAnswer: none fits; `facts["reasons"]` says why, for asking again.
    """
    rest = text.rpartition(_THOUGHT_END)[2].strip()
    found = list(_objects(rest))
    for candidate in reversed(found):
        try:
            return model.model_validate_json(candidate)
        except ValidationError:
            continue
    if not found:
        raise bad_answer([_why_no_object(rest)])
    try:
        return model.model_validate_json(max(found, key=len))
    except ValidationError as error:
        raise bad_answer(list(_reasons(error))) from error


def _objects(text: str) -> Iterator[str]:
    """Yield the outermost objects of JSON in a text."""
    start, tried = text.find("{"), 0
    while start >= 0 and tried < _MAX_OBJECTS:
        tried += 1
        try:
            _, end = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            end = start + 1
        else:
            yield text[start:end]
        start = text.find("{", end)


def _why_no_object(text: str) -> str:
    start = text.find("{")
    if start < 0:
        return f"the answer has no JSON object in it; it begins: {short(text, 80)!r}"
    try:
        _DECODER.raw_decode(text, start)
    except ValueError as error:
        return f"the answer is no whole JSON object: {short(str(error), 120)}; it ends: {short(text[-60:], 60)!r}"
    except RecursionError:
        pass
    return "the answer is nested without end"


def _reasons(error: ValidationError) -> Iterator[str]:
    for one in error.errors(include_url=False, include_input=False)[:MAX_REASONS]:
        place = ".".join(str(part) for part in one["loc"]) or "the answer"
        yield f"{place}: {one['msg']}"


def bad_answer(reasons: Sequence[str], **facts: object) -> BadAnswer:
    """Return the error of an answer that is not what was asked for, for these reasons."""
    told = "; ".join(list(reasons)[:MAX_REASONS])
    return BadAnswer(
        f"The language model's answer is not what was asked for: {told}", reasons=list(reasons)[:MAX_REASONS], **facts
    )
