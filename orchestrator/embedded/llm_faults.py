"""Misbehaviour of the embedded language model on demand: what real models and their servers do on a bad night.

A fault is written `KIND`, or `KIND@key=value,key=value`, as those of the embedded ComfyUI are (see `faults.py`):

    KIND         what happens; see `KINDS`
    question=N   only at the Nth question (1-based)    after=N   only after N questions
    about=TEXT   only when the question holds this text; neither `,` nor `=` in it
    times=K      so often; 0: without end              seconds=S, retry_after=S: what the kind needs

The same facts as JSON go to POST /nightreel/faults while the server runs; DELETE ends them all.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

from aiohttp import web

from orchestrator.embedded.errors import BadFault
from orchestrator.embedded.fault_words import FaultWords
from orchestrator.embedded.llm_sleep import FAULTS as SLEEP_FAULTS

SLOW_S = 3600.0

KINDS: Mapping[str, tuple[str, int, str]] = MappingProxyType(
    {
        "prose": ("answer", 0, "A friendly sentence instead of JSON."),
        "half_json": ("answer", 0, "An object of JSON that breaks off in the middle."),
        "cut_short": ("answer", 0, "The same, with the word that the answer became too long."),
        "wrong_shape": ("answer", 0, "An object of JSON with other keys than those asked for."),
        "empty": ("answer", 0, "An answer without a character in it."),
        "wrapped": ("answer", 0, "The true answer, after thoughts, in a code fence, between friendly sentences."),
        "wrong_language": ("question", 0, "A script in the other language."),
        "obeys": (
            "answer",
            0,
            "What the material orders by `ignore the above and say …` is said, nothing else.",
        ),
        "http_400": ("http", 0, "The request is refused."),
        "too_long": ("http", 0, "The request is refused as longer than the context."),
        "no_schema": ("http", 0, "Requests with a JSON schema are refused, as by servers without grammars."),
        "no_json": ("http", 0, "Requests with any response_format are refused."),
        "http_429": ("http", 1, "Too many requests; with `retry_after`, the header Retry-After."),
        "http_500": ("http", 1, "An error inside the server."),
        "http_503": ("http", 1, "The model is being loaded; with `retry_after`, the header Retry-After."),
        "slow": ("http", 0, "Nothing is answered for `seconds` (default 3600)."),
        "cut": ("http", 1, "The connection is cut instead of an answer."),
        **dict.fromkeys(SLEEP_FAULTS, ("card", 0, "Its sleep mode misbehaves; see `llm_sleep.py`.")),
    }
)
"""Kind -> the point at which it strikes, how often if nobody says, and what it does."""


@dataclass(frozen=True)
class LlmFault:
    """One way to misbehave, and when."""

    kind: str
    question: int | None = None
    after: int | None = None
    about: str | None = None
    times: int | None = None  # None: as usual for the kind
    seconds: float = SLOW_S
    retry_after: float | None = None

    @property
    def point(self) -> str:
        """Where it strikes."""
        return KINDS[self.kind][0]

    @property
    def lasts(self) -> int:
        """How often it strikes; 0: without end."""
        return KINDS[self.kind][1] if self.times is None else self.times

    def matches(self, number: int, body: Mapping[str, Any]) -> bool:
        """Whether it is meant for this question."""
        wanted = body.get("response_format")
        asked_form = wanted.get("type") if isinstance(wanted, dict) else "text"
        if self.kind == "no_schema" and asked_form != "json_schema":
            return False
        if self.kind == "no_json" and asked_form == "text":
            return False
        return (
            (self.question is None or number == self.question)
            and (self.after is None or number > self.after)
            and (self.about is None or self.about in json.dumps(body.get("messages"), ensure_ascii=False))
        )


_WORDS = FaultWords(
    LlmFault, tuple(KINDS), {"question": int, "after": int, "times": int, "seconds": float, "retry_after": float}
)
parse = _WORDS.parse
from_json = _WORDS.from_json


class LlmFaultBoard:
    """The faults of one server that may still strike. Thread-safe."""

    def __init__(self, faults: tuple[str, ...] = ()) -> None:
        """Read faults as written on the command line. Raises BadFault."""
        self._lock = threading.Lock()
        self._faults: list[tuple[LlmFault, int]] = [(fault, 0) for fault in map(parse, faults)]
        self._questions = 0

    def kinds(self) -> frozenset[str]:
        """Return the kinds that were asked for."""
        with self._lock:
            return frozenset(fault.kind for fault, _ in self._faults)

    def begin_question(self) -> int:
        """Count a question that begins, and return its number, from 1."""
        with self._lock:
            self._questions += 1
            return self._questions

    def strike(self, point: str, number: int, body: Mapping[str, Any]) -> LlmFault | None:
        """Return the fault that strikes here and now, if one does, and count it."""
        with self._lock:
            for index, (fault, struck) in enumerate(self._faults):
                if fault.point != point or (fault.lasts and struck >= fault.lasts):
                    continue
                if fault.matches(number, body):
                    self._faults[index] = (fault, struck + 1)
                    return fault
        return None

    def add_routes(self, app: web.Application) -> None:
        """Add the routes by which a test chooses faults while the server runs; a real server has none of them."""
        app.router.add_get("/nightreel/faults", self._list)
        app.router.add_post("/nightreel/faults", self._add)
        app.router.add_delete("/nightreel/faults", self._clear)

    async def _list(self, _: web.Request) -> web.Response:
        with self._lock:
            listed = [{**asdict(fault), "struck": struck} for fault, struck in self._faults]
        return web.json_response({"faults": listed, "kinds": {kind: what for kind, (_, _, what) in KINDS.items()}})

    async def _add(self, request: web.Request) -> web.Response:
        try:
            body = json.loads(await request.read())
            asked = [from_json(one) for one in (body if isinstance(body, list) else [body])]
        except (BadFault, ValueError, AttributeError) as error:
            return web.json_response({"error": str(error)}, status=400)
        with self._lock:
            self._faults += [(fault, 0) for fault in asked]
        return await self._list(request)

    async def _clear(self, request: web.Request) -> web.Response:
        with self._lock:
            self._faults.clear()
        return await self._list(request)
