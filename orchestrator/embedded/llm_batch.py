"""The pace of the embedded language model, as that of a real one on a card: so many tokens a second, in a batch.

A card that decodes one answer has time left: up to some number, answers decode together and each as fast as alone. What
is beyond that waits for its turn. The words are made at once, of course; what is kept here is how long they take, so
that a rehearsal shows what it is worth to ask twenty questions at a time.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass


@dataclass(frozen=True)
class Pace:
    """How fast a model is. Both 0: as fast as can be."""

    tokens_per_s: float = 0.0  # of one answer
    first_s: float = 0.0  # until its first token: the question is read

    def seconds(self, tokens: int) -> float:
        """Return how long an answer takes."""
        return self.first_s + (tokens / self.tokens_per_s if self.tokens_per_s > 0 else 0.0)


class Batch:
    """The places of a batch."""

    def __init__(self, size: int | None, pace: Pace) -> None:
        """Take note of the model.

        Args:
            size: Answers that decode together; None: without limit.
            pace: How fast each of them is.
        """
        self._pace = pace
        self._places = None if size is None else asyncio.Semaphore(size)
        self.running = 0
        self.waiting = 0
        self.most = 0  # together so far

    async def decode(self, tokens: int) -> None:
        """Take as long as an answer of so many tokens takes, after waiting for a place."""
        self.waiting += 1
        try:
            if self._places is not None:
                await self._places.acquire()
        finally:  # whoever asked may go away while it waits
            self.waiting -= 1
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(self._pace.seconds(tokens))
        finally:
            self.running -= 1
            if self._places is not None:
                self._places.release()
