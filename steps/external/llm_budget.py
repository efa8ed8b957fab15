"""What the language models cost: tokens, counted for each item and for the whole night, with an end.

A model that answers at length, again and again, is not noticed by anybody asleep; a budget is. It is looked at before
each question, so a night may go over it by the questions that are under way. Counted in memory: a night that is resumed
after a crash begins to count anew.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from steps.errors import ItemTokensSpent, NightTokensSpent
from steps.options import StepOptions

_KEPT_NIGHTS = 8
CHARACTERS_A_TOKEN = 3  # in French and English rather too few, so that an estimate is rather too high


@dataclass(frozen=True)
class Tokens:
    """What one or several questions cost."""

    asked: int = 0  # in the questions, pictures included
    answered: int = 0  # in the answers, thinking included
    estimated: bool = False  # the server did not say, so they were guessed from the length of the text

    @property
    def total(self) -> int:
        """Return both together."""
        return self.asked + self.answered

    def __add__(self, other: Tokens) -> Tokens:
        return Tokens(self.asked + other.asked, self.answered + other.answered, self.estimated or other.estimated)


def tokens_of(usage: Any, *, asked: str, answered: str) -> Tokens:
    """Return what the server says that a question cost, or an estimate.

    Args:
        usage: The `usage` of OpenAI's answer, or anything else.
        asked: The question's text.
        answered: The answer's text.
    """
    told = usage if isinstance(usage, Mapping) else {}
    prompt, completion = told.get("prompt_tokens"), told.get("completion_tokens")
    if type(prompt) is int and type(completion) is int and prompt >= 0 and completion >= 0:
        return Tokens(prompt, completion)
    return Tokens(len(asked) // CHARACTERS_A_TOKEN + 1, len(answered) // CHARACTERS_A_TOKEN + 1, estimated=True)


@dataclass
class _Ledger:
    """What one night has cost so far."""

    whole: int = 0
    items: Counter[int] = field(default_factory=Counter)


_ledgers: OrderedDict[str, _Ledger] = OrderedDict()
_lock = threading.Lock()


@dataclass(frozen=True)
class Purse:
    """The tokens that an item may still cost. Thread-safe. Without a night, nothing is counted."""

    night: str = ""
    item_id: int = 0
    per_item: int = 0
    per_night: int = 0

    def require(self) -> None:
        """Make sure that there is something left.

        Raises:
            ItemTokensSpent: the item has cost what one may cost.
            NightTokensSpent: the night has.
        """
        whole, item = self.spent()
        if self.night and whole >= self.per_night:
            raise NightTokensSpent(
                f"The language models have cost {whole:,} tokens tonight; llm.tokens_per_night allows "
                f"{self.per_night:,}. What is left waits for the next night, or for a larger budget.",
                tokens=whole,
            )
        if self.night and item >= self.per_item:
            raise ItemTokensSpent(
                f"The language models have cost {item:,} tokens for this item alone; llm.tokens_per_item allows "
                f"{self.per_item:,}. Look at what they answered, or allow more.",
                tokens=item,
            )

    def spend(self, tokens: Tokens) -> None:
        """Count what a question cost."""
        if not self.night:
            return
        with _lock:
            ledger = _ledgers.setdefault(self.night, _Ledger())
            ledger.whole += tokens.total
            ledger.items[self.item_id] += tokens.total
            while len(_ledgers) > _KEPT_NIGHTS:
                _ledgers.popitem(last=False)

    def spent(self) -> tuple[int, int]:
        """Return the tokens of the night and of the item so far."""
        with _lock:
            ledger = _ledgers.get(self.night, _Ledger())
            return ledger.whole, ledger.items[self.item_id]


def purse_of(options: StepOptions, *, item_id: int) -> Purse:
    """Return an item's purse, in the night that the options belong to."""
    return Purse(options.night, item_id, options.llm.tokens_per_item, options.llm.tokens_per_night)
