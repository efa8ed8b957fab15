"""Files of JSON lines: what the cards note while they work, and how such a file is read after a crash."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any


class Ledger:
    """A file of JSON lines that several processes append to. A line is written whole or not at all."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def note(self, event: str, **facts: Any) -> None:
        """Append a line with the time, in the machine's monotonic seconds."""
        line = json.dumps({"t": time.monotonic(), "event": event, **facts})
        os.write(self._file, line.encode() + b"\n")


def lines_of(path: Path) -> list[dict[str, Any]]:
    """Read a file of JSON lines, the last of which may be torn."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        with suppress(ValueError):
            found.append(json.loads(line))
    return found
