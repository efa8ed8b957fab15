"""Who is to blame when tries fail: the card or the item. Pure bookkeeping over the outcomes of one night.

Two different items that fail one after the other on one card speak against the card: a sick one fails in seconds what a
healthy one needs minutes for, and would eat a whole night's items. It is restarted; if it goes on while others bring
items through, it is set aside for the night. One item that fails on two cards where others come through speaks against
the item: more cards would tell nothing new.

Out of memory is left out: it has rungs of its own (see `ladder.py`), and a card that is too small for one step may do
for the next. So are errors that are the same for all, and instances that are gone.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from enum import StrEnum

MOST_RESTARTS = 2
"""Restarts of one card on suspicion in a night, even if items come through in between: then it is set aside."""


class Blame(StrEnum):
    """What a failure amounts to."""

    NOBODY = "NOBODY"
    RESTART_CARD = "RESTART_CARD"
    SET_ASIDE_CARD = "SET_ASIDE_CARD"
    ITEM = "ITEM"


@dataclass(frozen=True)
class Failed:
    """A try that failed on a card, with an error that may speak against the card or the item."""

    run_id: int
    item_id: int
    step: str
    card: str
    boot: int  # how often the card had been restarted when the prompt was sent
    breaks_card: bool = False  # the error says that the card's process is of no use: each prompt of this boot fails


@dataclass
class _CardRecord:
    boot: int = 0  # failures of earlier ones say nothing about what runs now
    items: set[int] = field(default_factory=set)  # that failed one after the other
    broken_boot: int = -1
    restarts: int = 0
    is_restarting: bool = False
    is_on_probation: bool = False  # restarted on suspicion, and nothing came through since


class Suspicion:
    """The outcomes of one night. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cards: dict[str, _CardRecord] = {}
        self._through: dict[tuple[str, str], set[int]] = {}  # (step, card) -> the first two items that came through
        self._failed_on: dict[int, set[str]] = {}  # run -> cards

    def succeeded(self, *, item_id: int, step: str, card: str) -> None:
        """Note that an item came through on a card."""
        with self._lock:
            through = self._through.setdefault((step, card), set())
            if len(through) < 2:  # one beside any item that may fail is enough
                through.add(item_id)
            record = self._cards.get(card)
            if record is not None:
                record.items.clear()
                record.is_on_probation = False

    def failed(self, one: Failed, *, others: frozenset[str]) -> Blame:
        """Note a failure, and tell who is to blame.

        Args:
            one: What failed.
            others: The other cards in use. Without any, no card is ever set aside on suspicion.
        """
        with self._lock:
            cards = self._failed_on.setdefault(one.run_id, set())
            if not one.breaks_card:  # that speaks against the card alone
                cards.add(one.card)
            if sum(1 for card in cards if self._others_through(one, card)) >= 2:
                for record in self._cards.values():
                    record.items.discard(one.item_id)
                return Blame.ITEM
            return self._of_card(one, others)

    def restarted(self, card: str, *, boot: int) -> None:
        """Note that a suspected card was restarted, or could not be: what failed before says nothing any more.

        Args:
            card: Which.
            boot: How often it was restarted, this time included.
        """
        with self._lock:
            record = self._cards.setdefault(card, _CardRecord())
            record.boot, record.is_restarting = boot, False
            record.items.clear()

    def _of_card(self, one: Failed, others: frozenset[str]) -> Blame:
        record = self._cards.setdefault(one.card, _CardRecord())
        repeats = one.breaks_card and record.broken_boot == one.boot
        if one.boot < record.boot or record.is_restarting or repeats:
            return Blame.NOBODY
        if one.boot > record.boot:
            record.boot = one.boot
            record.items.clear()
        if one.breaks_card:
            record.broken_boot = one.boot
        record.items.add(one.item_id)
        if len(record.items) < 2:
            return Blame.NOBODY
        if not record.is_on_probation and record.restarts < MOST_RESTARTS:
            record.restarts += 1
            record.is_on_probation = record.is_restarting = True
            return Blame.RESTART_CARD
        others_work = any((one.step, card) in self._through for card in others)
        return Blame.SET_ASIDE_CARD if others_work else Blame.NOBODY

    def _others_through(self, one: Failed, card: str) -> bool:
        return bool(self._through.get((one.step, card), set()) - {one.item_id})
