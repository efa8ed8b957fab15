"""From a seed to a plan: what a night is made of and everything that will go wrong in it. Pure, and printable.

Faults are bound to counters (the n-th prompt of a card, the n-th write of the state), not to the clock, wherever they
can be: so a seed that fails is likely to fail again.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from orchestrator.embedded.faults import KINDS
from tests.chaos.pipeline import PIPELINES

ALWAYS = 10**6
LIVES_MOST = 4


@dataclass(frozen=True)
class CardPlan:
    """One card, and how the machine around it behaves."""

    restart: str = "command"  # "command", "ssh" or "none": how Nightreel may restart it
    manners: tuple[str, ...] = ()  # what the first restarts meet; see world.py; after them all goes well
    revives_s: float | None = None  # seconds after which a dead server comes back by itself, as under systemd
    boots_most: int = ALWAYS  # once so many of its processes have died it is dead for good


@dataclass(frozen=True)
class Kill:
    """How one life of Nightreel ends before its time."""

    how: str  # before its n-th "write" or "request", after it ("written", "requested"), "moment", "stop", "stop twice"
    at: float  # n, or seconds
    cards: tuple[int, ...] = ()  # servers that are killed at the same moment


@dataclass(frozen=True)
class Shortage:
    """A disk that is full for a while."""

    life: int  # 0-based
    at: int  # the n-th sync of a file, 1-based
    syncs: int  # how many fail


@dataclass(frozen=True)
class Plan:
    """One night."""

    seed: int
    pipeline: str
    paintings: int
    turned_down: int  # of them, by the first step
    languages: tuple[str, ...]
    cards: tuple[CardPlan, ...]
    is_own: bool  # the cards are Nightreel's own children: real commands, slower to start
    faults: tuple[tuple[int, int, Mapping[str, Any]], ...]  # card, boot (0-based), fault
    kills: tuple[Kill, ...]
    shortages: tuple[Shortage, ...]
    local_errors: int  # how many tries of local steps fail
    attempts: int
    uncounted: int
    queue_depth: int
    workers: int
    restarts: str  # comfyui.restart
    max_restarts: int
    ssh: str = "good"  # or what is wrong with it: "unknown host", "wrong host", "wrong key", "down"
    overlap: bool = False
    canary: str = "off"

    @property
    def prompts(self) -> int:
        """How many prompts the night would need without any fault."""
        items = self.paintings - self.turned_down
        return sum(
            items * (len(self.languages) if step.per_language else 1)
            for step in PIPELINES[self.pipeline]
            if step.on_card
        )

    def may_fail(self) -> bool:
        """Tell whether the faults can cost one step run all its tries: then, and only then, may an item FAIL."""
        if self.local_errors * (len(self.kills) + 1) >= self.attempts:
            return True
        blamed = sum(BLAMED.get(facts["kind"], 0) * _strikes(facts) for _, _, facts in self.faults)
        spared = sum(_strikes(facts) for _, _, facts in self.faults) + len(self.kills) + len(self.cards)
        enough = min(self.attempts, 2)  # two failures on two cards are enough where others come through
        return blamed >= enough or spared > self.uncounted

    def __str__(self) -> str:
        """Return the plan for people."""
        lines = [
            f"seed {self.seed}: {self.paintings} paintings ({self.turned_down} turned down), "
            f"{'+'.join(self.languages)}, pipeline {self.pipeline}, "
            f"{len(self.cards)} {'own ' if self.is_own else ''}cards, {self.prompts} prompts",
            f"  {self.attempts} tries, {self.uncounted} uncounted, depth {self.queue_depth}, {self.workers} workers, "
            f"restarts {self.restarts} (at most {self.max_restarts} failed), ssh {self.ssh}, "
            f"canary {self.canary}, {'overlap' if self.overlap else 'strict order'}",
        ]
        for number, card in enumerate(self.cards):
            lines.append(f"  card {number}: {card}")
            for on, boot, facts in self.faults:
                if on == number:
                    rest = ",".join(f"{key}={value}" for key, value in facts.items() if key != "kind")
                    lines.append(f"    boot {boot}: {facts['kind']}@{rest}")
        lines += [f"  life {number}: {kill}" for number, kill in enumerate(self.kills)]
        lines += [f"  {shortage}" for shortage in self.shortages]
        if self.local_errors:
            lines.append(f"  {self.local_errors} tries of local steps fail")
        return "\n".join(lines)


BLAMED = {
    "error": 1,
    "oom": 1,
    "poison": 1,
    "hang": 2,  # whoever waits behind it may lose patience with the queue
    "zombie": 2,
    "truncate_file": 1,
    "missing_file": 1,
    "status": 1,
    "cut": 1,
    "html": 1,
    "stall": 1,
    "mute_socket": 1,
    "answer_late": 1,
    "post_lost": 1,
    "post_timeout": 1,
}
"""Fault -> how many tries one strike can cost that count against items."""


def _strikes(facts: Mapping[str, Any]) -> int:
    return int(facts.get("times", 1)) or ALWAYS


# -- the faults -------------------------------------------------------------------------------------------------------

ROUTES = ("/prompt", "/queue", "/view", "/upload/image", "/system_stats", "/ws", "/interrupt", "/free")


Maker = Callable[[random.Random, int], dict[str, Any]]  # dice, how many prompts the card may see


def _on_node(dice: random.Random, reach: int, kind: str, **facts: Any) -> dict[str, Any]:
    node = dice.choice(("LoadImage", "ImageInvert", "TimedRender", "TimedRender", "SaveImage"))
    return {"kind": kind, "node": node, "prompt": dice.randint(1, reach), **facts}


def _hang(dice: random.Random, reach: int) -> dict[str, Any]:
    return _on_node(dice, reach, "hang", **({"how": "deaf"} if dice.random() < 0.4 else {}))


def _oom(dice: random.Random, reach: int) -> dict[str, Any]:
    how, times = dice.choice(("torch", "cuda", "memory")), dice.choice((1, 1, 2))
    return {"kind": "oom", "node": "TimedRender", "after": dice.randrange(reach), "how": how, "times": times}


def _error(dice: random.Random, reach: int) -> dict[str, Any]:
    times = dice.choice((1, 1, 1, 2, 3))
    return {"kind": "error", "node": "TimedRender", "after": dice.randrange(reach), "times": times}


def _stall(dice: random.Random, reach: int) -> dict[str, Any]:
    return _on_node(dice, reach, "stall", seconds=round(dice.uniform(0.2, 1.2), 2))


def _of_file(kind: str) -> Maker:
    return lambda dice, reach: {"kind": kind, "prompt": dice.randint(1, reach)}


def _slow_history(dice: random.Random, reach: int) -> dict[str, Any]:
    return {"kind": "slow_history", "after": dice.randrange(reach), "seconds": round(dice.uniform(0.1, 0.8), 2)}


def _refuse(dice: random.Random, reach: int) -> dict[str, Any]:
    return {"kind": "refuse", "after": dice.randrange(reach)}


def _posted(kind: str) -> Maker:
    return lambda dice, reach: {
        "kind": kind,
        "after": dice.randrange(reach),
        "seconds": round(dice.uniform(0.3, 2.5), 2),
    }


def _of_route(kind: str) -> Maker:
    def make(dice: random.Random, reach: int) -> dict[str, Any]:
        facts: dict[str, Any] = {"kind": kind, "after": dice.randrange(reach), "times": dice.choice((1, 1, 2, 4))}
        if dice.random() < 0.7:
            facts["route"] = dice.choice(ROUTES)
        if kind == "answer_late":
            facts["seconds"] = round(dice.uniform(0.2, 2.0), 2)
        if kind == "status":
            facts["code"] = dice.choice((500, 502, 503, 503, 504))
        return facts

    return make


def _plain(kind: str) -> Maker:
    return lambda dice, reach: _on_node(dice, reach, kind)


MAKERS: dict[str, tuple[int, Maker]] = {
    "die": (4, _plain("die")),
    "hang": (3, _hang),
    "oom": (3, _oom),
    "error": (3, _error),
    "poison": (2, _plain("poison")),
    "zombie": (2, _plain("zombie")),
    "stall": (2, _stall),
    "drop_socket": (3, _plain("drop_socket")),
    "mute_socket": (3, _plain("mute_socket")),
    "chatter": (2, _plain("chatter")),
    "forget_queue": (3, _plain("forget_queue")),
    "truncate_file": (3, _of_file("truncate_file")),
    "missing_file": (3, _of_file("missing_file")),
    "slow_history": (3, _slow_history),
    "refuse": (2, _refuse),
    "post_timeout": (3, _posted("post_timeout")),
    "post_lost": (3, _posted("post_lost")),
    "answer_late": (3, _of_route("answer_late")),
    "status": (3, _of_route("status")),
    "html": (2, _of_route("html")),
    "cut": (3, _of_route("cut")),
}
"""Kind -> how often it is chosen beside the others, and how one is made."""
assert set(MAKERS) == set(KINDS), "a kind of fault is missing here"

MANNERS = {"good": 6, "slow": 2, "fail": 2, "hang": 1, "lie": 1, "drop": 1, "gone": 1}


# -- the plan ---------------------------------------------------------------------------------------------------------


def make_plan(seed: int) -> Plan:
    """Return the plan of a seed: always the same one."""
    dice = random.Random(f"chaos {seed}")
    is_own = dice.random() < 0.04
    is_doomed = dice.random() < 0.06
    cards = tuple(
        _card(dice, is_own=is_own, is_doomed=is_doomed) for _ in range(2 if is_own else dice.choice((2, 2, 2, 3, 4)))
    )
    patient = dice.random() < 0.7
    plain = Plan(
        seed=seed,
        pipeline=dice.choice(sorted(PIPELINES)),
        paintings=dice.randint(3, 6),
        turned_down=1 if dice.random() < 0.2 else 0,
        languages=dice.choice((("fr",), ("fr",), ("fr", "en"))),
        cards=cards,
        is_own=is_own,
        faults=(),
        kills=(),
        shortages=(),
        local_errors=dice.choice((0, 0, 0, 0, 1, 2)),
        attempts=8 if patient else dice.randint(2, 4),
        uncounted=60 if patient else dice.choice((4, 8)),
        queue_depth=dice.choice((1, 2, 2, 2, 3)),
        workers=dice.choice((1, 2)),
        restarts=dice.choice(("between_steps", "drift", "never")),
        max_restarts=dice.choice((1, 2, 3)),
        ssh=dice.choice(("good", "good", "good", "unknown host", "wrong host", "wrong key", "down")),
    )
    planned = replace(
        plain,
        faults=() if is_own else _faults(dice, plain),
        kills=_kills(dice, plain),
        shortages=_shortages(dice, plain),
    )
    return replace(planned, overlap=dice.random() < 0.3, canary=dice.choice(("off", "basic")))


def _card(dice: random.Random, *, is_own: bool, is_doomed: bool) -> CardPlan:
    if is_own:
        return CardPlan(restart="process")
    if is_doomed:
        return CardPlan(restart=dice.choice(("command", "none")), boots_most=1)
    manners: tuple[str, ...] = ()
    if dice.random() < 0.4:
        manners = tuple(dice.choices(list(MANNERS), weights=list(MANNERS.values()), k=dice.randint(1, 4)))
    return CardPlan(
        restart=dice.choices(("command", "ssh", "none"), weights=(70, 12, 18))[0],
        manners=manners,
        revives_s=dice.choice((None, None, 0.1, 0.4, 1.5)),
        boots_most=dice.choices((ALWAYS, 1, 2), weights=(88, 8, 4))[0],
    )


def _faults(dice: random.Random, plan: Plan) -> tuple[tuple[int, int, Mapping[str, Any]], ...]:
    kinds = list(MAKERS)
    weights = [MAKERS[kind][0] for kind in kinds]
    count = dice.choices((0, 1, 2, 4, 6, 9, 12), weights=(3, 10, 20, 25, 22, 14, 6))[0]
    reach = max(2, plan.prompts // len(plan.cards))
    found = [
        (number, 0, _on_node(dice, reach, "die"))
        for number, card in enumerate(plan.cards)
        if card.boots_most == 1 and dice.random() < 0.8
    ]
    for kind in dice.choices(kinds, weights=weights, k=count):
        boot = dice.choice((0, 0, 0, 0, 1))
        found.append((dice.randrange(len(plan.cards)), boot, MAKERS[kind][1](dice, max(2, reach // (1 + boot)))))
    return tuple(found)


def _kills(dice: random.Random, plan: Plan) -> tuple[Kill, ...]:
    count = dice.choices((0, 1, 2, LIVES_MOST - 1), weights=(50, 30, 14, 6))[0]
    return tuple(_kill(dice, plan, lives=count) for _ in range(count))


def _kill(dice: random.Random, plan: Plan, *, lives: int) -> Kill:
    how = dice.choices(
        ("write", "written", "request", "requested", "moment", "stop", "stop twice"), weights=(3, 3, 3, 3, 4, 1, 1)
    )[0]
    at: float = round(dice.uniform(0.05, 1.5), 2)
    if how in ("write", "written"):
        at = dice.randint(1, 5 * plan.prompts // lives)
    elif how in ("request", "requested"):
        at = dice.randint(1, 7 * plan.prompts // lives)
    with_cards = tuple(card for card in range(len(plan.cards)) if dice.random() < 0.5) if dice.random() < 0.25 else ()
    return Kill(how, at, with_cards)


def _shortages(dice: random.Random, plan: Plan) -> tuple[Shortage, ...]:
    if dice.random() >= 0.15:
        return ()
    return (Shortage(dice.choice((0, 0, 1)), dice.randint(1, 6 * plan.prompts), dice.choice((1, 2, 10))),)
