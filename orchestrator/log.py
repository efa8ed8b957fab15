"""Structured logs: one JSON line an event, one file a night, and the names of all events.

A name that is not in `EVENTS` is refused, so that the list below is the whole vocabulary.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, MutableMapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

import structlog

EVENTS: dict[str, str] = {
    "night.opened": "A batch was opened: items drawn and carried over",
    "night.resumed": "An unfinished batch goes on",
    "night.closed": "A batch ended, with its outcome",
    "night.stopping": "No new prompt is started; those running are finished",
    "night.stopped_now": "A second interrupt: everything is dropped at once",
    "night.deadline": "What is left would not finish before --stop-by",
    "step.started": "A step begins for all items",
    "step.finished": "A step is over for all items",
    "step.stopped": "A step was stopped for all items, with the reason",
    "run.claimed": "A step run was taken by an instance or a local worker",
    "run.completed": "A step run's artifacts are checked and stored",
    "run.retry_scheduled": "A try failed; another follows",
    "run.failed": "A step run has no tries left",
    "run.put_back": "A try was cut short through no fault of its own",
    "run.turned_down": "Step 0 turned an item down",
    "run.stale": "Somebody else moved the run first; our answer was dropped",
    "attempt.reattached": "A prompt that outlived a crash, or its instance's silence, is waited for again",
    "attempt.collected": "A prompt that ended unseen is collected",
    "attempt.salvaged": "A prompt that its instance has forgotten is collected from the files that it left",
    "attempt.lost": "A prompt that no instance knows runs again",
    "instance.started": "An instance of our own was started",
    "instance.adopted": "An instance of our own had outlived us and is used again",
    "instance.ready": "An instance answers",
    "instance.refused": "An instance is left alone, with the reason: it works on a reserved card",
    "instance.left_out": "An instance gets no more runs of one step, with what it lacks",
    "card.hot": "A card is hotter than its limit and gets no new prompt",
    "card.cooled": "A card has cooled down and works again",
    "room.hot": "The room, or a card, is hotter than the limit: fewer instances work at once",
    "room.cooled": "It has cooled down: all instances work again",
    "card.moved": "A card goes to another step, with the reason (in a night whose steps overlap)",
    "instance.down": "An instance does not answer",
    "instance.restarting": "An instance is being restarted, with the reason",
    "instance.restarted": "An instance answers again",
    "instance.measured": "What an instance holds between two steps, and what is past its budget",
    "instance.kept": "An instance was not restarted between two steps, with the reason",
    "instance.memory_held": "A restarted card has not all its memory back: another process holds it",
    "instance.set_aside": "An instance is left out for the rest of the night",
    "instance.freed": "An instance was asked to give its memory back",
    "instance.interrupted": "A prompt that hangs is interrupted",
    "instance.suspected": "Different items failed on an instance one after the other: it is restarted, or set aside",
    "instance.too_small": "Items run out of memory on an instance even after its restart: it is left out of this step",
    "item.suspected": "An item failed on two instances on which others come through: it fails without more tries",
    "ladder.rung": "What a failed try led to, in words: what was done, and where the next try goes",
    "instance.canary": "The small prompt at the start of a night came back, or did not, with its outcome",
    "server.started": "A language model server of our own was started, with its address and its log",
    "server.adopted": "A language model server of our own had outlived us and is used again",
    "server.awake": "A language model server was woken",
    "server.resting": "A language model server has given its card's memory back",
    "server.stopped": "A language model server of our own was ended, with the reason",
    "server.died": "A language model server of our own has ended by itself",
    "server.down": "A language model server cannot be started, or does not answer",
    "server.broken": "A language model server died too often and is given up for the night",
    "server.unusable": "A language model server cannot be had now, with the reason: the steps that ask it do not start",
    "card.handed_over": "A card changes hands between ComfyUI and a language model server",
    "card.held": "A card cannot change hands: its memory is held, and by whom",
    "artifact.lost": "A stored file is gone or has another size: what made it runs again",
    "lock.taken_over": "The lock of a night that died was taken over",
    "defect": "Something that should not happen; with its traceback",
}

Logger = structlog.typing.FilteringBoundLogger


def _refuse_unknown(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if event.get("event") not in EVENTS:
        raise ValueError(f"log event {event.get('event')!r} is not declared in orchestrator/log.py")
    return event


def _stamp(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {"at": datetime.now(UTC).isoformat(timespec="milliseconds"), **event}


class NightLog:
    """Where a night's events go: a file of JSON lines, flushed line by line."""

    def __init__(self, path: Path | None) -> None:
        """Open the file for appending; `None` drops everything (tests, one-off commands)."""
        self.path = path
        self._file: TextIO | None = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a", encoding="utf-8", buffering=1)

    def logger(self) -> Logger:
        """Return a logger that writes here."""
        processors: list[Callable[..., Any]] = [
            _refuse_unknown,
            structlog.processors.add_log_level,
            _stamp,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(default=str),
        ]
        logger: Logger = structlog.wrap_logger(
            structlog.PrintLogger(file=self if self._file else _Nowhere()),  # type: ignore[arg-type]
            processors=processors,
            wrapper_class=structlog.make_filtering_bound_logger(0),
            cache_logger_on_first_use=True,
        )
        return logger

    def write(self, text: str) -> int:
        """Append a line. A full disk must not end a night, so it costs the line and a word on stderr."""
        if self._file is None:
            return 0
        try:
            return self._file.write(text)
        except OSError as error:
            sys.stderr.write(f"cannot write {self.path}: {error}\n")
            return 0

    def flush(self) -> None:
        """Hand buffered lines to the system."""
        if self._file is not None:
            try:
                self._file.flush()
            except OSError as error:
                sys.stderr.write(f"cannot write {self.path}: {error}\n")

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


class _Nowhere:
    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        return None


def silent() -> Logger:
    """Return a logger that checks event names and writes nothing."""
    return NightLog(None).logger()
