"""How soon the first article is there in an archive of 50,000, and how often it is the right one among namesakes.

Each first article is asked for by a process of its own: with the archive open already, as in a night's second script;
and cold, from the start of Python on, with the archive's pages dropped from the system's cache.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.zim_world import Question, World, world

PROCESSES = 7

_CHILD = """
import json, sys, time
started = time.perf_counter()
from pathlib import Path
from zim.archive import Library
from zim.extract import extract
from zim.research import investigate
path, state, artist, title, sitter, year = json.loads(sys.argv[1])
library = Library({"en": path}, state_dir=Path(state), check_beside=False)
library.archives("en")
opened = time.perf_counter()
found = investigate(library, "en", artist=artist, sitter=None, title=None, year=year)
text = extract(found[0].page.html)
first = time.perf_counter()
everything = investigate(library, "en", artist=artist, sitter=sitter, title=title, year=year)
done = time.perf_counter()
assert text.paragraphs and len(everything) == 3
print(json.dumps([(opened - started) * 1000, (first - opened) * 1000, (done - first) * 1000]))
"""


def measures() -> Iterator[dict[str, Any]]:
    """Measure, print a line for people, and yield the records."""
    started = time.perf_counter()
    made = world()
    size_mb = made.path.stat().st_size / 1e6
    print(f"{made.path} ({size_mb:.0f} MB), there after {time.perf_counter() - started:.1f} s", flush=True)
    answerable = [one for one in made.questions if one.about == "artist" and one.right is not None and one.year]
    warm = [_ask(made, question, drop=False) for question in answerable[:PROCESSES]]
    cold = [_ask(made, question, drop=True) for question in answerable[PROCESSES : 2 * PROCESSES]]
    first_ms = statistics.median(one[1] for one in warm)
    worst_ms = max(one[1] for one in warm)
    cold_ms = statistics.median(one[0] + one[1] for one in cold)
    print(
        f"first article in a process with the archive open: {first_ms:.1f} ms (worst of {PROCESSES}: {worst_ms:.1f}); "
        f"cold, with imports and opening: {cold_ms:.0f} ms; painter, sitter and work after it: "
        f"{statistics.median(one[2] for one in warm):.1f} ms",
        flush=True,
    )
    yield _record("zim_first_article_ms", first_ms, "ms", goal="<= 100", holds=first_ms <= 100)
    yield _record("zim_cold_article_ms", cold_ms, "ms", goal="beside it", holds=True)
    yield from _rates(made)


def _ask(made: World, question: Question, *, drop: bool) -> tuple[float, float, float]:
    if drop:
        _drop_from_cache(made.path)
    state = str(made.path.parent)
    given = [str(made.path), state, question.artist, question.title, question.sitter, question.year]
    answer = subprocess.run(
        [sys.executable, "-c", _CHILD, json.dumps(given)], capture_output=True, check=True, text=True, timeout=120
    )
    opening_ms, first_ms, all_ms = json.loads(answer.stdout)
    return opening_ms, first_ms, all_ms


def _rates(made: World) -> Iterator[dict[str, Any]]:
    from zim.archive import Library
    from zim.research import investigate

    library = Library({"en": made.path}, state_dir=made.path.parent, check_beside=False)
    library.archives("en")
    right = wrong = missed = 0
    started = time.perf_counter()
    paintings = [made.questions[first : first + 3] for first in range(0, len(made.questions), 3)]
    for questions in paintings:
        asked = questions[0]
        found = investigate(library, "en", artist=asked.artist, sitter=asked.sitter, title=asked.title, year=asked.year)
        chosen: dict[str, str | None] = {one.subject.about: one.page.title if one.page else None for one in found}
        for question in questions:
            got = chosen[question.about]
            right += got == question.right
            wrong += got not in (None, question.right)
            missed += got is None and question.right is not None
    each_ms = (time.perf_counter() - started) / len(paintings) * 1000
    print(
        f"{len(made.questions)} questions among namesakes: {right} right, {missed} missed, {wrong} wrong; "
        f"{each_ms:.1f} ms a painting",
        flush=True,
    )
    share = right / len(made.questions)
    yield _record("zim_right_article_ratio", share, "share", goal=">= 0.95", holds=share >= 0.95)
    yield _record("zim_wrong_articles", wrong, "articles", goal="0", holds=wrong == 0)


def _drop_from_cache(path: Path) -> None:
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _record(name: str, value: float, unit: str, *, goal: str, holds: bool) -> dict[str, Any]:
    return {"name": name, "value": round(value, 3), "unit": unit, "goal": goal, "holds": holds}


if __name__ == "__main__":
    from benchmarks.__main__ import main

    sys.exit(main(["zim_first_article_ms", "zim_right_article_ratio", "zim_wrong_articles", "zim_cold_article_ms"]))
