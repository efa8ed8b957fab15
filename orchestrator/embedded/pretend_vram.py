"""Pretend memory of a card, shared by the embedded engines of several processes.

Each process writes how much it holds into a file of its own, in a folder that stands for the card, and what is free is
reckoned from the files of those that still run: so memory is held, given back late, kept, and freed by an end, as on a
real card, and a pretend nvidia-smi can be made of it. The folder is named by a variable of the environment, so that a
server which somebody else starts can be told of it; without the variable there is no card, and nothing is done.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

FOLDER = "NIGHTREEL_PRETEND_CARD"
"""Variable that names the folder of the card."""
HOLDS = "NIGHTREEL_PRETEND_GB"
"""Variable that says how much this process takes when it has its models loaded, GiB."""
KEEPS = "NIGHTREEL_PRETEND_KEEPS"
"""Variable with which a process gives nothing back when it is asked to: only its end does."""
TOTAL_FILE = "total_gb"
OVERFULL_FILE = "overfull"
GIB = 1024**3


@dataclass(frozen=True)
class PretendCard:
    """One card, as one process sees it."""

    folder: Path
    own_gb: float  # what this process takes when its models are loaded

    @classmethod
    def from_environment(cls) -> PretendCard | None:
        """Return the card that the environment names; None when it names none."""
        folder = os.environ.get(FOLDER)
        return cls(Path(folder), float(os.environ.get(HOLDS) or 0)) if folder else None

    @property
    def total_gb(self) -> float:
        """How large the card is."""
        return float((self.folder / TOTAL_FILE).read_text())

    def hold(self, *, share: float = 1.0) -> None:
        """Hold a share of what this process takes; 0 gives all of it back."""
        mine = self.folder / f"{os.getpid()}.json"
        if share <= 0:
            mine.unlink(missing_ok=True)
            return
        beside = mine.with_suffix(".new")
        beside.write_text(json.dumps({"pid": os.getpid(), "gb": self.own_gb * share}))
        beside.replace(mine)
        held = self.holders()
        if sum(held.values()) > self.total_gb:  # a real card would have refused: whoever looks at the folder sees it
            (self.folder / OVERFULL_FILE).write_text(json.dumps(held))

    def give_back(self) -> None:
        """Hold nothing, unless this process is one that keeps what it has."""
        if not os.environ.get(KEEPS):
            self.hold(share=0)

    def held_gb(self) -> float:
        """Return how much this process holds."""
        return self.holders().get(os.getpid(), 0.0)

    def holders(self) -> dict[int, float]:
        """Return how much each process holds that still runs, by process id."""
        found = {}
        for path in self.folder.glob("*.json"):
            try:
                told = json.loads(path.read_bytes())
                pid, held_gb = int(told["pid"]), float(told["gb"])
            except (OSError, ValueError, KeyError, TypeError):
                continue  # given back at this moment
            if _is_alive(pid):
                found[pid] = held_gb
        return found

    def free_gb(self) -> float:
        """Return how much of the card is free."""
        return max(0.0, self.total_gb - sum(self.holders().values()))


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
