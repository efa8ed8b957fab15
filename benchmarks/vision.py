"""Step 0 on a folder of paintings: how many verdicts are right, and how long a picture takes on the CPU.

The folder holds pictures and a `catalogue.jsonl` whose rows have `path`, `title` and `expected`, which begins with
accept, reject or doubtful; a doubtful one counts as right either way. It is named by NIGHTREEL_PAINTINGS, or as an
argument: `python -m benchmarks.vision FOLDER`. Without one, the drawn sample pictures are judged.

`vision_ms` is the CPU path alone: reading the file, finding and measuring faces, deciding. What the embedded judge or a
server takes is not in it. It counts processor time, of all threads, because other work may share the cores: on an idle
machine a picture takes no longer than that by the clock. Each picture is timed three times, its best
time counts, and the mean over all pictures is the figure; the clock's time is printed beside it.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.embedded.llm_judge import decoded, look
from orchestrator.sample.make import make_samples
from orchestrator.settings import models_dir
from steps.base import Subject
from steps.judging import decide
from steps.options import PrepareOptions
from steps.prepare import Judged, judge
from steps.sight import Seen, as_sent, known

VARIABLE = "NIGHTREEL_PAINTINGS"
ROUNDS = 3
GOAL_MS = 150.0


@dataclass(frozen=True)
class Painting:
    """A picture and what a person said about it."""

    path: Path
    expected: str  # accept, reject or doubtful
    subject: Subject


def measures(folder: Path | None = None) -> list[dict[str, Any]]:
    """Judge every picture; print a line for each, and return the two figures."""
    named = os.environ.get(VARIABLE)
    if folder is None and named:
        folder = Path(named)
    if folder is not None:
        return _measured(_listed(folder), where=str(folder))
    with tempfile.TemporaryDirectory(prefix="nightreel-vision-") as name:
        samples = make_samples(Path(name))
        accepted = set(samples.accept)
        paintings = [_painting(row, Path(name)) for row in _rows(samples.catalogue)]
        drawn = [Painting(one.path, "accept" if one.path in accepted else "reject", one.subject) for one in paintings]
        return _measured(drawn, where="drawn samples")


def _measured(paintings: list[Painting], *, where: str) -> list[dict[str, Any]]:
    options = PrepareOptions()
    judge_once(paintings[0], options)  # the networks are loaded once a night, not once a picture
    right, alone_right, best_ms, clock_ms = 0, 0, [], []
    for painting in paintings:
        judged, ms, by_clock_ms = _best(painting, options)
        seen = Seen.model_validate(look(decoded(as_sent(judged.intake.picture)), told=known(painting.subject)))
        verdict = decide(judged.measured, seen, options)
        is_right, is_alone_right = (_is_right(painting, accepted=one.accepted) for one in (verdict, judged.verdict))
        right, alone_right = right + is_right, alone_right + is_alone_right
        best_ms.append(ms)
        clock_ms.append(by_clock_ms)
        said = "accepted" if verdict.accepted else "turned down"
        mark = "" if is_right else "   WRONG"
        print(f"{ms:6.0f} ms  {said:11}  {painting.expected:8}  {painting.subject.title}{mark}", flush=True)
    count = len(paintings)
    print(f"{where}: {right} of {count} right; {alone_right} by the CPU checks without the embedded judge")
    mean_ms = statistics.mean(best_ms)
    clock = f"{statistics.mean(clock_ms):.0f} ms by the clock"
    print(f"a picture: {mean_ms:.0f} ms on average, {max(best_ms):.0f} at most; {clock}", flush=True)
    return [
        _record("vision_accuracy", right / count, "share", goal=">= 1", holds=right == count),
        _record("vision_ms", mean_ms, "ms", goal=f"<= {GOAL_MS:g}", holds=mean_ms <= GOAL_MS),
    ]


def judge_once(painting: Painting, options: PrepareOptions) -> Judged:
    """Judge a picture by the CPU checks alone."""
    return judge(painting.path, options, models_dir=models_dir(), see=None, work=painting.path.parent)


def _best(painting: Painting, options: PrepareOptions) -> tuple[Judged, float, float]:
    """Return what was judged, and the best times: of the processor and by the clock, ms."""
    cpu_ms, clock_ms = [], []
    for _ in range(ROUNDS):
        cpu, clock = time.process_time(), time.perf_counter()
        judged = judge_once(painting, options)
        cpu_ms.append((time.process_time() - cpu) * 1000)
        clock_ms.append((time.perf_counter() - clock) * 1000)
    return judged, min(cpu_ms), min(clock_ms)


def _is_right(painting: Painting, *, accepted: bool) -> bool:
    return painting.expected == "doubtful" or (painting.expected == "accept") == accepted


def _listed(folder: Path) -> list[Painting]:
    return [_painting(row, folder) for row in _rows(folder / "catalogue.jsonl")]


def _rows(catalogue: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in catalogue.read_text(encoding="utf-8").splitlines() if line.strip()]


def _painting(row: dict[str, Any], folder: Path) -> Painting:
    path = folder / row["path"]
    subject = Subject(
        0,
        row["title"],
        path,
        artist=row.get("artist"),
        year=row.get("year"),
        sitter=row.get("sitter"),
        tags=tuple(row.get("tags") or ()),
    )
    return Painting(path, str(row.get("expected", "")).split(":")[0], subject)


def _record(name: str, value: float, unit: str, *, goal: str, holds: bool) -> dict[str, Any]:
    return {"name": name, "value": round(value, 3), "unit": unit, "goal": goal, "holds": holds}


if __name__ == "__main__":
    for record in measures(Path(sys.argv[1]) if len(sys.argv) > 1 else None):
        print(json.dumps(record))
