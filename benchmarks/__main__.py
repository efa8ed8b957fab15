"""Runs benchmarks by the names of their measures, and prints a JSON line a measure after what people read."""

from __future__ import annotations

import importlib
import json
import sys

MEASURES = {
    "replay_active_ratio": "benchmarks.replay",
    "overlap_active_ratio": "benchmarks.overlap",
    "gap_median_ms": "benchmarks.gap",
    "gap_p99_ms": "benchmarks.gap",
    "gap_two_cards_median_ms": "benchmarks.gap_two_cards",
    "cards16_speedup": "benchmarks.cards",
    "cards64_cpu_cores": "benchmarks.cards64",
    "cards64_memory_growth_mib": "benchmarks.cards64",
    "reattach_s": "benchmarks.reattach",
    "dead_card_ratio": "benchmarks.dead_card",
    "script_batch_ratio": "benchmarks.script_batch",
    "final_cut_ratio": "benchmarks.final_cut",
    "chaos_wasted_gpu_ratio": "benchmarks.chaos",
    "status_s": "benchmarks.state",
    "moves_per_s": "benchmarks.state",
    "catalogue_30000_s": "benchmarks.state",
    "caption_error_en_s": "benchmarks.captions",
    "caption_error_fr_s": "benchmarks.captions",
    "zim_first_article_ms": "benchmarks.zim_articles",
    "zim_cold_article_ms": "benchmarks.zim_articles",
    "zim_right_article_ratio": "benchmarks.zim_articles",
    "zim_wrong_articles": "benchmarks.zim_articles",
    "vision_accuracy": "benchmarks.vision",
    "vision_ms": "benchmarks.vision",
}


def main(names: list[str]) -> int:
    """Run the benchmarks that hold the named measures (none: all). Returns 2 for a name that is not known."""
    unknown = [name for name in names if name not in MEASURES]
    if unknown:
        print(f"no such measure: {', '.join(unknown)}; there are: {', '.join(MEASURES)}", file=sys.stderr)
        return 2
    wanted = names or list(MEASURES)
    records = []
    for module in dict.fromkeys(MEASURES[name] for name in wanted):
        print(f"--- {module}", flush=True)
        records += [
            record
            for record in importlib.import_module(module).measures()
            if not names or record["name"] in names or record["name"] not in MEASURES
        ]
    print(flush=True)
    for record in records:
        print(json.dumps(record), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
