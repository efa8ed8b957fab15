"""What each error leads to for its step run: a pure function over the ladder of errors and the policy of retries.

Errors carry a `Remedy`; the rungs of each are in `ladder.py`. Here the tries are counted, the wait is chosen, and a
step that fails for all is noticed. Nothing sleeps and nothing writes.
"""

from __future__ import annotations

import hashlib
import random
import re
from dataclasses import dataclass
from enum import StrEnum

from orchestrator.ladder import LADDERS, Before, Situation, Where, climb
from orchestrator.settings import RetrySettings
from steps.errors import Remedy

__all__ = ["Before", "Breaker", "Decision", "Verdict", "decide", "derive_seed", "jitter_of", "signature"]

SPENT = "spent"
EXHAUSTED = "exhausted"
SUSPECTED = "suspected"


class Verdict(StrEnum):
    """What becomes of the step run."""

    RETRY = "RETRY"  # PENDING, not before a while
    FAIL = "FAIL"  # FAILED
    PUT_BACK = "PUT_BACK"  # PENDING, the try is not counted, nothing tries it again in this step


@dataclass(frozen=True)
class Decision:
    """What an error leads to for one step run."""

    verdict: Verdict
    counted: bool  # whether the try counts against the run
    label: str | None = None  # kept with the try: the rung it led to, or why it was the last (`SPENT`, …)
    delay_s: float = 0.0
    new_seed: bool = False
    before: Before = Before.NOTHING
    only_on: frozenset[str] = frozenset()  # instances that may take the next try; empty: any
    elsewhere: bool = False  # whether the next try avoids the instance while there are others
    stop_step: bool = False
    stop_night: bool = False


def decide(
    remedy: Remedy,
    *,
    counted: bool,
    situation: Situation,
    policy: RetrySettings,
    suspected: bool = False,
    jitter: float = 0.5,
) -> Decision:
    """Decide what an error leads to.

    Args:
        remedy: What the error asks for.
        counted: Whether the error speaks against the item; an instance that went away does not.
        situation: Earlier tries of this run in this generation, and what the next one can go to.
        policy: Tries, waits and limits.
        suspected: Whether the item itself is at fault: it failed where others come through, on two cards.
        jitter: 0..1, shifts the wait by up to a tenth either way.
    """
    ladder = LADDERS[remedy]
    if ladder.stops_step:
        return Decision(Verdict.PUT_BACK, counted=False, stop_step=True, stop_night=ladder.stops_night)
    found = climb(remedy, situation)
    uncounted = sum(1 for trial in situation.trials if not trial.counted)
    counts = (counted and (found is None or found.rung.counted)) or uncounted >= policy.uncounted
    used = len(situation.trials) - uncounted + (1 if counts else 0)
    if suspected or found is None or used >= policy.attempts:
        label = SUSPECTED if suspected else EXHAUSTED if found is None and ladder.rungs else SPENT
        return Decision(Verdict.FAIL, counted=True, label=label, before=ladder.at_end)
    wait = wait_before_retry(policy, used)
    return Decision(
        Verdict.RETRY,
        counted=counts,
        label=found.label,
        delay_s=wait * (0.9 + 0.2 * jitter),
        new_seed=found.rung.new_seed,
        before=found.rung.before,
        only_on=found.only_on,
        elsewhere=counts and found.rung.where is Where.ELSEWHERE,
    )


def wait_before_retry(policy: RetrySettings, failures: int) -> float:
    """Return the seconds to wait after so many failures (1-based): longer each time, up to a limit."""
    return min(policy.backoff_max_s, policy.backoff_s * policy.backoff_factor ** max(0, failures - 1))


def derive_seed(*parts: object) -> int:
    """Return a seed (0 .. 2**63 - 1) that depends on all parts and on nothing else.

    The same run gets the same seed after a crash, so a resumed night ends with the videos of an undisturbed one.
    """
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode("utf-8")).digest()[:8], "big") >> 1


def jitter_of(seed: int) -> float:
    """Return a number in 0..1 for `decide`, the same for the same seed."""
    return random.Random(seed).random()


_CHANGING = re.compile(
    r"https?://[^\s/]+|[0-9a-f]{8}-[0-9a-f-]{27}|0x[0-9a-f]+|\d+(?:\.\d+)?|'[^']*'|\"[^\"]*\"", re.IGNORECASE
)


def signature(error_class: str, message: str) -> str:
    """Return what two errors of the same reason share: the class, and the first line without numbers and names."""
    first = message.strip().splitlines()[0] if message.strip() else ""
    return f"{error_class}: {_CHANGING.sub('*', first)}"


class Breaker:
    """Counts the first outcomes of a step, and tells when it should stop for all.

    It trips when the first `limit` items of a step all failed for the same reason and none has come through. Errors
    that say more about an instance than about the work (out of memory, hung, gone) are left out: those whose remedy is
    not systematic, and tries that are not counted by whoever asks. Where several cards work, one of them alone never
    stops the step for all: it may be the card.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._open = True
        self._items: set[int] = set()
        self._cards: set[str] = set()
        self._reason: str | None = None

    def succeeded(self) -> None:
        """Note that an item came through: from now on failures are the items' own."""
        self._open = False

    def failed(self, item_id: int, remedy: Remedy, reason: str, *, card: str = "", cards: int = 1) -> bool:
        """Note a failed try; True when the step should stop.

        Args:
            item_id: Whose try it was.
            remedy: What its error asks for.
            reason: What errors of the same cause share.
            card: Where it failed.
            cards: How many work on the step.
        """
        if not self._open or not LADDERS[remedy].systematic:
            return False
        if self._reason is not None and self._reason != reason:
            self._open = False
            return False
        self._reason = reason
        self._items.add(item_id)
        self._cards.add(card)
        return len(self._items) >= self._limit and len(self._cards) >= min(2, cards)
