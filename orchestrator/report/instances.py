"""What became of the instances during a night: restarts, with the rule that fired, and who was left out and why.

Read from the night's log of events, which is the only place that knows: the database keeps tries, not servers.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from orchestrator.report.tables import LONGEST_MESSAGE, Grid, Kind, sentence
from orchestrator.wording import counted, one_line


@dataclass(frozen=True)
class Restart:
    """One restart."""

    at: datetime
    reason: str
    came_back: bool
    failures: tuple[str, ...] = ()  # what the tries before the last one ended with


@dataclass(frozen=True)
class LeftOut:
    """An instance that got no more work from some moment on."""

    at: datetime
    reason: str
    failed_restarts: int


@dataclass(frozen=True)
class Lacking:
    """A step that an instance could not do."""

    at: datetime
    step: str
    missing: str


@dataclass(frozen=True)
class InstanceStory:
    """One instance over a night."""

    name: str
    restarts: tuple[Restart, ...] = ()
    left_out: LeftOut | None = None
    lacking: tuple[Lacking, ...] = ()


def instance_stories(log: Path) -> tuple[InstanceStory, ...]:
    """Return what a night's log tells of every instance that was restarted or left out, by name.

    Lines that cannot be read are passed over: a crash or a full disk may have cut one.
    """
    tellers: dict[str, _Teller] = {}
    for event in _events(log):
        tellers.setdefault(str(event["instance"]), _Teller()).hear(event)
    stories = (teller.story(name) for name, teller in sorted(tellers.items()))
    return tuple(story for story in stories if story.restarts or story.left_out or story.lacking)


def left_out_words(stories: Iterable[InstanceStory]) -> list[str]:
    """Return a sentence for each instance that was left out: since when, after what, and why."""
    found = []
    for story in stories:
        if (out := story.left_out) is not None:
            after = f", after {counted(out.failed_restarts, 'failed restart')}" if out.failed_restarts else ""
            since = f"{out.at.astimezone():%H:%M}"
            found.append(f"{story.name} was left out from {since} on{after}: {sentence(out.reason)}")
        found += [f"{story.name} was left out of {one.step}: {sentence(one.missing)}" for one in story.lacking]
    return found


def restarts_grid(stories: Iterable[InstanceStory]) -> Grid:
    """Return the table of restarts, with those who were left out in the sentence above it."""
    stories = tuple(stories)
    rows = []
    for story in stories:
        for one in story.restarts:
            ended = "it answered again" if one.came_back else "it did not come back"
            failed = "; ".join(dict.fromkeys(one_line(words, longest=LONGEST_MESSAGE) for words in one.failures))
            came = f"{ended} after {counted(len(one.failures), 'failed try', 'failed tries')}" if failed else ended
            why = one_line(one.reason, longest=LONGEST_MESSAGE)
            rows.append((f"{one.at.astimezone():%H:%M}", story.name, why, f"{came}: {failed}" if failed else came))
    columns = (("at", Kind.NAME), ("instance", Kind.NAME), ("why", Kind.TEXT), ("what came of it", Kind.TEXT))
    lead = " ".join(left_out_words(stories))
    if lead and not rows:
        rows = [
            (f"{one.left_out.at.astimezone():%H:%M}", one.name, sentence(one.left_out.reason), "left out")
            for one in stories
            if one.left_out is not None
        ]
        rows += [
            (f"{lack.at.astimezone():%H:%M}", one.name, sentence(lack.missing), f"left out of {lack.step}")
            for one in stories
            for lack in one.lacking
        ]
    return Grid("Restarts, and instances left out", lead, columns, tuple(rows), reads_as_text=True)


def plain_stories(stories: Iterable[InstanceStory]) -> list[dict[str, Any]]:
    """Return the stories as JSON values."""
    return [
        {
            "instance": story.name,
            "restarts": [
                {
                    "at": one.at.isoformat(),
                    "reason": one.reason,
                    "came_back": one.came_back,
                    "failures": list(one.failures),
                }
                for one in story.restarts
            ],
            "left_out": None
            if story.left_out is None
            else {
                "at": story.left_out.at.isoformat(),
                "reason": story.left_out.reason,
                "failed_restarts": story.left_out.failed_restarts,
            },
            "lacking": [{"at": one.at.isoformat(), "step": one.step, "missing": one.missing} for one in story.lacking],
        }
        for story in stories
    ]


class _Teller:
    """Makes the story of one instance out of its events, in order."""

    def __init__(self) -> None:
        self._restarts: list[Restart] = []
        self._begun: tuple[datetime, str] | None = None  # a restart that is under way
        self._failures: list[str] = []
        self._left_out: LeftOut | None = None
        self._lacking: dict[str, Lacking] = {}  # by step

    def hear(self, event: Mapping[str, Any]) -> None:
        at = event["at"]
        match event["event"]:
            case "instance.restarting":
                self._end(came_back=False)
                self._begun = (at, str(event.get("reason") or ""))
            case "instance.down" if self._begun is not None:
                self._failures.append(str(event.get("message") or ""))
            case "instance.restarted":
                self._end(came_back=True)
            case "instance.set_aside":
                failed = len(self._failures) if self._begun is not None else 0
                self._end(came_back=False)
                self._left_out = LeftOut(at, str(event.get("reason") or ""), failed)
            case "instance.left_out":
                step = str(event.get("step") or "")
                self._lacking[step] = Lacking(at, step, str(event.get("missing") or ""))
            case "instance.ready" | "instance.started" | "instance.adopted":
                self._left_out = None  # the next start of the same night greeted it again

    def _end(self, *, came_back: bool) -> None:
        if self._begun is not None:
            self._restarts.append(Restart(*self._begun, came_back=came_back, failures=tuple(self._failures)))
        self._begun = None
        self._failures = []

    def story(self, name: str) -> InstanceStory:
        self._end(came_back=False)
        return InstanceStory(name, tuple(self._restarts), self._left_out, tuple(self._lacking.values()))


def _events(log: Path) -> Iterator[dict[str, Any]]:
    try:
        with log.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if '"instance.' in line and (event := _event(line)) is not None:
                    yield event
    except OSError:
        return


def _event(line: str) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
        event["at"] = datetime.fromisoformat(event["at"])
    except (ValueError, TypeError, KeyError):
        return None
    return event if isinstance(event, dict) and event.get("instance") else None
