"""What each error leads to: one table, and a pure function that applies it.

Errors carry a `Remedy`; the table says what a remedy means. The function decides from the error and the tries so far;
it never sleeps and never writes. `docs/errors.md` shows the same table.
"""

from __future__ import annotations

import hashlib
import random
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from orchestrator.settings import RetrySettings
from steps.errors import Remedy


class Before(StrEnum):
    """What is done to the instance before the next try."""

    NOTHING = "NOTHING"
    FREE = "FREE"  # POST /free: give memory back
    RESTART = "RESTART"
    WAIT = "WAIT"  # until it answers


class Treatment(NamedTuple):
    """What a remedy means."""

    tries_again: bool
    new_seed: bool
    before: Before
    stops_step: bool
    stops_night: bool
    systematic: bool  # the same reason on the first items may be the same for all


TREATMENTS: dict[Remedy, Treatment] = {
    Remedy.RETRY: Treatment(True, False, Before.NOTHING, False, False, True),
    Remedy.RETRY_NEW_SEED: Treatment(True, True, Before.NOTHING, False, False, True),
    Remedy.FREE_AND_RETRY: Treatment(True, False, Before.FREE, False, False, False),
    Remedy.RESTART_AND_RETRY: Treatment(True, False, Before.RESTART, False, False, False),
    Remedy.WAIT_AND_RETRY: Treatment(True, False, Before.WAIT, False, False, False),
    Remedy.FAIL: Treatment(False, False, Before.NOTHING, False, False, True),
    Remedy.STOP_STEP: Treatment(False, False, Before.NOTHING, True, False, True),
    Remedy.STOP_NIGHT: Treatment(False, False, Before.NOTHING, True, True, True),
}


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
    delay_s: float = 0.0
    new_seed: bool = False
    before: Before = Before.NOTHING
    stop_step: bool = False
    stop_night: bool = False


def decide(
    remedy: Remedy,
    *,
    counted: bool,
    tries_counted: int,
    tries_uncounted: int,
    policy: RetrySettings,
    jitter: float = 0.5,
) -> Decision:
    """Decide what an error leads to.

    Args:
        remedy: What the error asks for.
        counted: Whether the error speaks against the item; an instance that went away does not.
        tries_counted: Counted tries of this run in this generation, this one not included.
        tries_uncounted: Its other tries, this one not included.
        policy: Tries, waits and limits.
        jitter: 0..1, shifts the wait by up to a tenth either way.
    """
    treatment = TREATMENTS[remedy]
    if treatment.stops_step:
        return Decision(
            Verdict.PUT_BACK, counted=False, stop_step=True, stop_night=treatment.stops_night, before=treatment.before
        )
    counts = counted or tries_uncounted >= policy.uncounted
    used = tries_counted + (1 if counts else 0)
    if not treatment.tries_again or used >= policy.attempts:
        return Decision(Verdict.FAIL, counted=counts, before=treatment.before)
    wait = wait_before_retry(policy, used)
    return Decision(
        Verdict.RETRY,
        counted=counts,
        delay_s=wait * (0.9 + 0.2 * jitter),
        new_seed=treatment.new_seed,
        before=treatment.before,
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
    not systematic here, and tries that are not counted by whoever asks.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._open = True
        self._items: set[int] = set()
        self._reason: str | None = None

    def succeeded(self) -> None:
        """Note that an item came through: from now on failures are the items' own."""
        self._open = False

    def failed(self, item_id: int, remedy: Remedy, reason: str) -> bool:
        """Note a failed try; True when the step should stop."""
        if not self._open or not TREATMENTS[remedy].systematic:
            return False
        if self._reason is not None and self._reason != reason:
            self._open = False
            return False
        self._reason = reason
        self._items.add(item_id)
        return len(self._items) >= self._limit
