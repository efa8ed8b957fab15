"""Misbehaviour on demand: what a real server, its card or the network does on a bad night, when a test asks for it.

A fault is written `KIND`, or `KIND@key=value,key=value`:

    KIND        what happens; see `KINDS`
    node=CLASS  only at nodes of this class            route=/view   only at this route (without /api)
    prompt=N    only in the Nth prompt (1-based)       after=N       only after N prompts have begun
    tick=N      at the Nth step of a sampler           p=0.1         only by this chance (seeded)
    times=K     so often; 0: without end (default 1)   seconds=S, code=N, how=TEXT: what the kind needs

The same facts as JSON, `{"kind": "die", "prompt": 3}`, go to POST /nightreel/faults while the card runs.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

from orchestrator.embedded.fault_words import FaultWords

KINDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "die": ("node", "The process is killed (SIGKILL)."),
        "hang": ("node", "The node never ends, but hears an interrupt (how=deaf: it does not)."),
        "oom": ("node", "Out of memory; how=torch (default), cuda, memory."),
        "error": ("node", "The node raises a ValueError."),
        "poison": ("node", "The CUDA context breaks: this node and every later one fails until a restart."),
        "zombie": ("node", "The worker thread dies and HTTP goes on answering."),
        "stall": ("node", "Nothing is answered for `seconds` (default 3), as when a node holds the interpreter."),
        "drop_socket": ("node", "All websockets are cut without a close frame."),
        "mute_socket": ("node", "Websockets stay open, but nothing is sent any more."),
        "chatter": ("node", "Every websocket gets messages of unknown types, as from custom nodes."),
        "forget_queue": ("node", "Queue and history are empty from now on, as after a restart; what runs is lost."),
        "truncate_file": ("save", "A saved file has its final name and half of its bytes."),
        "missing_file": ("save", "A saved file is gone, though history lists it."),
        "slow_history": ("history", "Between execution_success and the history entry pass `seconds` (default 1)."),
        "refuse": ("submit", "POST /prompt answers 400 with node_errors."),
        "post_timeout": ("accepted", "The prompt is queued, the answer comes `seconds` later (default 5)."),
        "post_lost": ("accepted", "The prompt is queued, and the connection is cut instead of an answer."),
        "answer_late": ("http", "A route answers `seconds` later (default 5)."),
        "status": ("http", "A route answers with the status `code` (default 503)."),
        "html": ("http", "A route answers with a page, as a wrong port or a proxy does."),
        "cut": ("http", "The connection is cut in the middle of the answer of a route."),
    }
)
"""Kind -> the point at which it strikes, and what it does."""


@dataclass(frozen=True)
class Fault:
    """One way to misbehave, and when."""

    kind: str
    node: str | None = None
    route: str | None = None
    prompt: int | None = None
    after: int | None = None
    tick: int | None = None
    p: float = 1.0
    times: int = 1
    seconds: float | None = None
    code: int = 503
    how: str | None = None

    @property
    def point(self) -> str:
        """Where it strikes."""
        return "tick" if self.tick is not None and KINDS[self.kind][0] == "node" else KINDS[self.kind][0]

    def lasts(self, default_s: float) -> float:
        """How many seconds it takes."""
        return default_s if self.seconds is None else self.seconds

    def matches(self, facts: Mapping[str, Any]) -> bool:
        """Whether it is meant for this place."""
        prompt = int(facts.get("prompt", 0))
        return (
            (self.node is None or facts.get("node") == self.node or self.node in facts.get("nodes", ()))
            and (self.route is None or facts.get("route") == self.route)
            and (self.prompt is None or prompt == self.prompt)
            and (self.after is None or prompt > self.after)
            and (self.tick is None or facts.get("tick", self.tick) == self.tick)
        )


_WORDS = FaultWords(
    Fault,
    tuple(KINDS),
    {"prompt": int, "after": int, "tick": int, "times": int, "code": int, "p": float, "seconds": float},
)
parse = _WORDS.parse
from_json = _WORDS.from_json


class FaultBoard:
    """The faults of one card that may still strike."""

    def __init__(self, faults: tuple[str, ...] = (), *, seed: int = 0) -> None:
        """Read faults as written on the command line. Raises BadFault."""
        self._lock = threading.Lock()
        self._random = random.Random(seed)
        self._faults: list[tuple[Fault, int]] = [(fault, 0) for fault in map(parse, faults)]
        self._prompts = 0
        self.is_poisoned = False  # the card's context is broken, for as long as the process lives

    def add(self, fault: Fault) -> None:
        """Add one while the card runs."""
        with self._lock:
            self._faults.append((fault, 0))

    def clear(self) -> None:
        """Behave from now on."""
        with self._lock:
            self._faults.clear()
            self.is_poisoned = False

    def listing(self) -> list[dict[str, Any]]:
        """List the faults, with how often each has struck."""
        with self._lock:
            return [{**asdict(fault), "struck": struck} for fault, struck in self._faults]

    def begin_prompt(self) -> None:
        """Count a prompt that begins."""
        with self._lock:
            self._prompts += 1

    def strike(self, point: str, **facts: Any) -> Fault | None:
        """Return the fault that strikes here and now, if one does, and count it."""
        if not self._faults:
            return None
        with self._lock:
            facts.setdefault("prompt", self._prompts)
            for index, (fault, struck) in enumerate(self._faults):
                is_spent = fault.times and struck >= fault.times
                if fault.point != point or is_spent or not fault.matches(facts):
                    continue
                if fault.p < 1.0 and self._random.random() >= fault.p:
                    continue
                self._faults[index] = (fault, struck + 1)
                return fault
        return None
