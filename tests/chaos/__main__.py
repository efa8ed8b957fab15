"""Plays nights of chaos: `python -m tests.chaos SEED [--verbose]`, `python -m tests.chaos --seeds A..B --jobs N`."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from orchestrator.embedded.faults import KINDS
from tests.chaos.nursery import Nursery
from tests.chaos.plan import make_plan
from tests.chaos.story import tell


def main(argv: Sequence[str] | None = None) -> int:
    """Play seeds; returns 0 when all was well, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Nights in which everything fails.")
    parser.add_argument("seed", type=int, nargs="*", help="play these")
    parser.add_argument("--seeds", help="play A..B, both included")
    parser.add_argument("--jobs", type=int, default=6, help="nights at once; they mostly wait (default 6)")
    parser.add_argument("--verbose", action="store_true", help="tell each night's plan and what happened")
    parser.add_argument("--folder", type=Path, help="where nights that failed are kept")
    options = parser.parse_args(argv)
    seeds = list(options.seed)
    if options.seeds:
        first, _, last = options.seeds.partition("..")
        seeds += range(int(first), int(last or first) + 1)
    folder = options.folder or Path(tempfile.mkdtemp(prefix="chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    reports = []
    with Nursery() as nursery:
        for report in nursery.nights(seeds, jobs=options.jobs, folder=folder):
            reports.append(report)
            _show(report, verbose=options.verbose)
    return _sum_up(reports, seconds=time.monotonic() - began)


def _show(report: dict[str, Any], *, verbose: bool) -> None:
    if verbose:
        print(make_plan(report["seed"]))
        print(tell(report))
    if report["problems"]:
        print(f"seed {report['seed']}: WRONG (kept in {report['folder']})")
        for problem in report["problems"]:
            print(f"  - {problem}")
        print(f"  again: python -m tests.chaos {report['seed']} --verbose", flush=True)


def _sum_up(reports: Sequence[dict[str, Any]], *, seconds: float) -> int:
    wrong = sorted(report["seed"] for report in reports if report["problems"])
    good = [report for report in reports if "waste" in report]
    sums = {key: sum(one["waste"][key] for one in good) for key in ("used_s", "destroyed_s", "wasted_s")}
    whole = sum(sums.values()) or 1.0
    print(
        f"{len(reports)} nights in {seconds:.0f} s, {sum(one['cpu_s'] for one in good):.0f} s of CPU, "
        f"{sum(len(one['lives']) for one in good)} lives, {sum(one['waste']['strikes'] for one in good)} strikes; "
        f"card time used {sums['used_s'] / whole:.1%}, destroyed {sums['destroyed_s'] / whole:.1%}, "
        f"wasted {sums['wasted_s'] / whole:.1%}"
    )
    struck: Counter[str] = Counter()
    for one in good:
        struck.update(one["struck"])
    ended: Counter[str] = Counter()
    for one in good:
        ended.update(one["ends"])
    print("ended:", ", ".join(f"{name} {ended[name]}" for name in sorted(ended)))
    print("struck:", ", ".join(f"{kind} {struck[kind]}" for kind in KINDS))
    print(f"{len(wrong)} wrong: {', '.join(map(str, wrong))}" if wrong else "all well")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
