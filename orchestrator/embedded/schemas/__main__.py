"""Refresh the schemas of stock nodes from a real server's /object_info."""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path

from orchestrator.embedded.nodes import NODES
from orchestrator.embedded.schemas import read_extra, trim, write_core


def main(argv: list[str]) -> int:
    """Read a saved /object_info (JSON, or JSON in gzip) and replace `core.json.gz`.

    Returns:
        0, or 1 when classes that the cards can run are missing from it.
    """
    path = Path(argv[0])
    raw = path.read_bytes()
    object_info = json.loads(gzip.decompress(raw) if path.suffix == ".gz" else raw)
    wanted = frozenset(NODES) - frozenset(read_extra())
    write_core(trim(object_info, wanted))
    missing = sorted(wanted - frozenset(object_info))
    sys.stdout.write(f"{len(wanted) - len(missing)} classes kept; missing: {', '.join(missing) or 'none'}\n")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
