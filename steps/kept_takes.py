"""Takes that would do, kept until a better one comes or the tries are spent.

A step sees one try at a time, so what the tries before it made lies in a folder of the home, under the item, the
language, the text and the voice. Each take is stored under its seed: a try that is cut short and made again stores the
same take again, and a night killed at any moment chooses the same one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steps.external.process import write_failure
from steps.workfiles import write_text

FOLDER = "takes"
MOST_KEPT = 200
"""Folders left behind by items that came to an end some other way; the oldest go first."""


@dataclass(frozen=True)
class Kept:
    """One try at a text."""

    seed: int
    score: float | None  # lower is better; None: nobody would accept it
    path: Path | None  # the take; None: refused ones are not kept


class KeptTakes:
    """The tries at one text so far."""

    def __init__(self, state_dir: Path, *parts: object) -> None:
        """Name the text and whatever makes another voice of it."""
        key = hashlib.sha256("\x1f".join(str(part) for part in parts).encode("utf-8", "replace")).hexdigest()[:32]
        self._root = state_dir / FOLDER
        self._folder = self._root / key

    def add(self, seed: int, *, score: float | None, take: Path | None) -> None:
        """Note a try, with its take if that would do.

        Raises:
            DiskFull: no room for it.
        """
        self._start_over_after_choice(seed)
        kept = ""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            if take is not None and score is not None:
                kept = f"{seed}{take.suffix}"
                beside = self._folder / f".{kept}.partial"
                shutil.copyfile(take, beside)
                beside.replace(self._folder / kept)
            write_text(self._folder / f"{seed}.json", json.dumps({"seed": seed, "score": score, "take": kept}))
        except OSError as error:
            raise write_failure(error, path=self._folder) from error
        self._tidy()

    def all(self) -> tuple[Kept, ...]:
        """Return the tries, in order of their seeds; what cannot be read was never there."""
        return tuple(one for path in sorted(self._folder.glob("[0-9]*.json")) if (one := self._read(path)) is not None)

    def best(self) -> Kept | None:
        """Return the best take that would do."""
        usable = [one for one in self.all() if one.score is not None and one.path is not None and one.path.is_file()]
        return min(usable, key=lambda one: (one.score, one.seed), default=None)

    def choose(self, seed: int) -> None:
        """Note that the try of this seed ended the search: a later try with another seed starts a new one.

        Raises:
            DiskFull: no room for it.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_text(self._folder / "chosen", str(seed))
        except OSError as error:
            raise write_failure(error, path=self._folder) from error

    def _start_over_after_choice(self, seed: int) -> None:
        """Forget all when a person sent the speech back: what was heard and refused must not come again."""
        chosen = self._folder / "chosen"
        if chosen.is_file() and chosen.read_text("utf-8").strip() != str(seed):
            shutil.rmtree(self._folder, ignore_errors=True)

    def _read(self, path: Path) -> Kept | None:
        try:
            told: Mapping[str, Any] = json.loads(path.read_text("utf-8"))
            score = told["score"]
            name = Path(str(told["take"])).name
            return Kept(
                seed=int(told["seed"]),
                score=None if score is None else float(score),
                path=self._folder / name if name else None,
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _tidy(self) -> None:
        with contextlib.suppress(OSError):  # another thread removes the same ones
            self._remove_oldest()

    def _remove_oldest(self) -> None:
        folders = [(one.stat().st_mtime, one) for one in self._root.iterdir() if one.is_dir() and one != self._folder]
        for _, folder in sorted(folders)[: max(0, len(folders) + 1 - MOST_KEPT)]:
            shutil.rmtree(folder, ignore_errors=True)
