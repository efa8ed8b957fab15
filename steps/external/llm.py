"""Ask a language or vision model for an answer of a given shape.

The one wrapper around the OpenAI-compatible chat API that vLLM, SGLang, llama.cpp and the embedded engine speak. A
question goes out with the JSON schema of a Pydantic model; what comes back is that model, or an error that says whose
fault it was: nobody answers now, the request is refused, or the answer is not what was asked for. Such an answer goes
back to the model first, with what was wrong.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar

from pydantic import BaseModel

from steps import prompts
from steps.errors import BadAnswer, QuestionRefused, ServiceRefused
from steps.external.llm_budget import Purse, Tokens, purse_of, tokens_of
from steps.external.llm_http import MAX_ANSWER_BYTES as MAX_ANSWER_BYTES
from steps.external.llm_http import Line
from steps.external.llm_images import data_uri
from steps.external.llm_shape import (
    Format,
    Said,
    bad_answer,
    formats_from,
    in_words,
    parsed,
    response_format,
    said,
    schema_of,
)
from steps.options import LlmEndpoint, StepOptions, Which
from steps.waiting import waiting

_SHOWN_CHARACTERS = 6000  # of a bad answer, when it is shown to its model again
_CONTROL = re.compile(  # marks of chat templates: ChatML, Llama, Gemma, Mistral
    r"<(?=\||/?(?:s|start_of_turn|end_of_turn|think|im_start|im_end)\b)|\[(?=/?(?:INST|SYSTEM_PROMPT)\])"
)

T = TypeVar("T", bound=BaseModel)

_slots: dict[tuple[str, int], threading.BoundedSemaphore] = {}
_formats: dict[tuple[str, str], Format] = {}  # what a server was found to know, by its address and model
_lock = threading.Lock()


@dataclass(frozen=True)
class Answer(Generic[T]):
    """What a model answered, and how it came about."""

    value: T
    model: str  # the name that the server gave itself
    prompt_version: str  # as whoever asked told it
    seed: int  # of the answer that was kept
    tokens: Tokens  # of all tries together
    tries: int  # 1: the first answer was good
    form: Format
    mistakes: tuple[str, ...] = ()  # what was wrong with the earlier tries

    def as_data(self) -> dict[str, Any]:
        """Return how it came about as JSON values, for a step's result."""
        return {
            "model": self.model,
            "prompt_version": self.prompt_version,
            "seed": self.seed,
            "tokens": {"asked": self.tokens.asked, "answered": self.tokens.answered}
            | ({"estimated": True} if self.tokens.estimated else {}),
            "tries": self.tries,
            "format": str(self.form),
        } | ({"mistakes": list(self.mistakes)} if self.mistakes else {})


class Chat:
    """One model behind an address. Thread-safe; no more questions at once than the endpoint's `concurrency`."""

    def __init__(self, endpoint: LlmEndpoint, *, purse: Purse | None = None) -> None:
        """Keep the address; nothing is sent yet.

        Args:
            endpoint: The server.
            purse: What may still be spent; without one, nothing is counted.

        Raises:
            ServiceRefused: no address is configured.
        """
        if endpoint.url is None:
            raise ServiceRefused("No language model is configured: give its address as llm.text.url or llm.vision.url.")
        self._endpoint = endpoint
        self._purse = purse or Purse()
        self.answered_by = endpoint.model
        """The name that the server gave itself in its last answer; before that, the name it is asked by."""
        self._line = Line(endpoint, endpoint.url.rstrip("/") + "/chat/completions")
        with _lock:
            key = (self._line.url, endpoint.concurrency)
            self._slot = _slots.setdefault(key, threading.BoundedSemaphore(endpoint.concurrency))

    @classmethod
    def for_item(cls, options: StepOptions, which: Which, *, item_id: int) -> Self:
        """Return the way to the text or vision model, on an item's account."""
        return cls(getattr(options.llm, which), purse=purse_of(options, item_id=item_id))

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
        """Return the model's answer alone, and ask only once: `answer` for those who mend drafts themselves."""
        return self.answer(
            model, system=system, user=user, image=image, schema_name=schema_name, seed=seed, repairs=0
        ).value

    def answer(
        self,
        model: type[T],
        *,
        system: str,
        user: str,
        image: bytes | Sequence[bytes] | None = None,
        schema_name: str,
        seed: int,
        prompt_version: str = "",
        check: Callable[[T], Sequence[str]] | None = None,
        repairs: int | None = None,
    ) -> Answer[T]:
        """Return the model's answer as an instance of a Pydantic model. Blocks.

        Each question takes at most the endpoint's timeout and patience; there are as many as `repairs` and one more.

        Args:
            model: Shape of the answer; its JSON schema is sent along.
            system: Who the model is and what the rules are.
            user: The question. Material from outside stands in it as data, see `prompts.as_data`.
            image: JPEG, PNG or WebP files' bytes, sent as data URIs.
            schema_name: Name of the schema, letters, digits and underscores.
            seed: Any number; its lower 31 bits are sent. A repair gets the next one.
            prompt_version: Kept with the answer.
            check: Tells what else is wrong with an answer of the right shape; nothing: it is good.
            repairs: How often a bad answer goes back to the model with the reasons; None: as the endpoint says.

        Raises:
            ServiceUnavailable: nobody answers, or the server is busy or failing: later it may work.
            QuestionRefused: the server refuses this question, in every form that it could be put in.
            ServiceRefused: the server refuses us, or is no such server: it would refuse the next one too.
            BadAnswer: the last answer is not what was asked for; `facts["reasons"]` says why, and `facts["value"]` is
                the answer when only `check` turned it down, else None.
            ItemTokensSpent, NightTokensSpent: the budget is spent.
            InvalidInput: the picture cannot be read.
        """
        endpoint = self._endpoint
        images = [image] if isinstance(image, bytes) else list(image or ())
        uris = [data_uri(one, side=endpoint.image_side) for one in images]
        question = _Question(
            [{"role": "system", "content": system}, {"role": "user", "content": _content(_plain(user), uris)}],
            schema_name,
            schema_of(model),
        )
        tokens = Tokens()
        mistakes: list[str] = []
        tries = 1 + (endpoint.repairs if repairs is None else repairs)
        for number in range(tries):
            reply = self._say(question, seed + number)
            tokens += reply.tokens
            value, reasons = _judged(model, reply.said, check)
            if value is not None and not reasons:
                name, version = reply.said.model, prompt_version
                return Answer(value, name, version, seed + number, tokens, number + 1, reply.form, tuple(mistakes))
            mistakes += reasons
            if number + 1 < tries:
                question = question.repaired(reply.said.text, reasons)
        raise bad_answer(reasons, value=value, tokens=tokens.total, answer=reply.said.text[:_SHOWN_CHARACTERS])

    def _say(self, question: _Question, seed: int) -> _Reply:
        """Put a question, in the first form that the server takes, and pay for it."""
        endpoint, url = self._endpoint, self._line.url
        key = (url, endpoint.model)
        with _lock:
            first = _formats.get(key, Format.SCHEMA)
        refusal: QuestionRefused | None = None
        for form in formats_from(first, endpoint.structured):
            self._purse.require()
            try:
                content = self._post(question.body(endpoint, form, seed))
            except QuestionRefused as refused:
                refusal = refusal or refused
                if refused.facts.get("too_long"):
                    break  # in another form it would be just as long
                continue
            except BadAnswer as bad:
                tokens = tokens_of(None, asked=question.text(), answered="")
                self._purse.spend(tokens)
                return _Reply(Said("", endpoint.model, None, problem=str(bad)), tokens, form)
            with _lock:
                _formats[key] = form
            heard = said(content, url=url, model=endpoint.model)
            self.answered_by = heard.model
            tokens = tokens_of(heard.usage, asked=question.text(), answered=heard.text)
            self._purse.spend(tokens)
            return _Reply(heard, tokens, form)
        assert refusal is not None
        raise refusal

    def _post(self, body: dict[str, Any]) -> bytes:
        with waiting(), self._slot:
            try:
                return self._line.post(body)
            except QuestionRefused as refused:
                if not refused.facts.get("too_long"):
                    raise
                # The question may fit, and the room that we reserve for the answer may not: take what there is.
                return self._line.post({key: value for key, value in body.items() if key != "max_tokens"})


@dataclass(frozen=True)
class _Reply:
    """An answer as it came."""

    said: Said
    tokens: Tokens
    form: Format


@dataclass(frozen=True)
class _Question:
    """What is asked, without the form in which it is put."""

    messages: list[dict[str, Any]]
    schema_name: str
    schema: dict[str, Any]

    def body(self, endpoint: LlmEndpoint, form: Format, seed: int) -> dict[str, Any]:
        """Return the request."""
        messages = self.messages
        if form in (Format.OBJECT, Format.TEXT):
            system = messages[0] | {"content": messages[0]["content"] + in_words(self.schema)}
            messages = [system, *messages[1:]]
        shape = response_format(form, name=self.schema_name, schema=self.schema)
        return {
            "model": endpoint.model,
            "messages": messages,
            **({"response_format": shape} if shape is not None else {}),
            "seed": seed % 2**31,
            "max_tokens": endpoint.max_tokens,
            "stream": False,
        }

    def repaired(self, answer: str, reasons: Sequence[str]) -> _Question:
        """Return the question that follows a bad answer. Only the last one is shown: a model copies what it sees."""
        shown = _plain(answer.strip())[:_SHOWN_CHARACTERS] or "(no answer)"  # many templates refuse an empty turn
        why = prompts.load("repair").fill(reasons=prompts.as_data(list(reasons)))
        turns = [{"role": "assistant", "content": shown}, {"role": "user", "content": _plain(why)}]
        return _Question([*self.messages[:2], *turns], self.schema_name, self.schema)

    def text(self) -> str:
        """Return everything that is said in it, without pictures, for an estimate of its length."""
        parts = [one["content"] for one in self.messages]
        return " ".join(part if isinstance(part, str) else str(part[0]["text"]) for part in parts)


def _judged(model: type[T], heard: Said, check: Callable[[T], Sequence[str]] | None) -> tuple[T | None, list[str]]:
    """Return the answer, if it has the right shape, and what is wrong with it."""
    if heard.problem is not None:
        return None, [heard.problem]
    try:
        value = parsed(model, heard.text)
    except BadAnswer as bad:
        found = bad.facts["reasons"]
        return None, list(found) if isinstance(found, list) else [str(bad)]
    return value, list(check(value)) if check is not None else []


def _plain(text: str) -> str:
    """Return a text in which nothing is a mark of a chat template: servers take those for the end of our words."""
    return _CONTROL.sub(lambda found: f"{found.group()} ", text)


def _content(user: str, uris: Sequence[str]) -> str | list[dict[str, Any]]:
    if not uris:
        return user
    return [{"type": "text", "text": user}, *({"type": "image_url", "image_url": {"url": uri}} for uri in uris)]


__all__ = ["MAX_ANSWER_BYTES", "Answer", "Chat"]
