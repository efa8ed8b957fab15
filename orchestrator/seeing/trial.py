"""Judges every picture of a folder as step 0 would, and keeps what a sheet needs: figures, reasons, a small picture.

No database, no server and no night: only the files, the settings and the witnesses.
"""

from __future__ import annotations

import io
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from PIL import Image, ImageDraw

from orchestrator.listing import Entry, read_source
from orchestrator.seeing.eyes import Eyes
from steps.base import Subject
from steps.errors import InvalidInput
from steps.intake import Unusable
from steps.judging import Finding, Verdict
from steps.options import PrepareOptions
from steps.prepare import Judged, judge

Outcome = Literal["accepted", "turned down"]

THUMBNAIL_PX = 360  # longer side
_QUALITY = 82
_COLOURS = {"accepted": (62, 168, 92), "turned down": (214, 84, 58)}
_OTHER = (232, 160, 40)


@dataclass(frozen=True)
class Tried:
    """One picture and what step 0 would do with it."""

    path: Path
    title: str
    verdict: Verdict
    thumbnail: bytes | None  # a JPEG file with the faces marked; None where there is no picture
    size: tuple[int, int] | None  # of the file, pixels, upright
    note: str  # what the vision model says it shows
    person: str  # "woman, adult", as the vision model sees it
    seconds: float

    @property
    def outcome(self) -> Outcome:
        """What step 0 would do."""
        return "accepted" if self.verdict.accepted else "turned down"

    @property
    def is_close(self) -> bool:
        """Whether a slightly different threshold would have changed the outcome."""
        nearest = self.verdict.nearest
        return nearest is not None and nearest.is_near

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "path": str(self.path),
            "title": self.title,
            "outcome": self.outcome,
            "is_close": self.is_close,
            "reasons": list(self.verdict.reasons),
            "disagreements": list(self.verdict.disagreements),
            "note": self.note,
            "findings": [_finding_data(one) for one in self.verdict.findings],
            "seconds": round(self.seconds, 3),
        }


@dataclass(frozen=True)
class Trial:
    """All pictures of a folder."""

    folder: Path
    tried: tuple[Tried, ...]  # the accepted ones first, then the close calls
    left_out: int  # pictures beyond the number asked for
    witnesses: str  # who judged
    bad: tuple[str, ...] = ()  # rows and files that were skipped, with why

    @property
    def accepted(self) -> int:
        """How many step 0 would accept."""
        return sum(1 for one in self.tried if one.verdict.accepted)

    @property
    def close(self) -> int:
        """How many were decided narrowly."""
        return sum(1 for one in self.tried if one.is_close)


def try_pictures(
    source: Path,
    options: PrepareOptions,
    *,
    models_dir: Path,
    eyes: Eyes,
    most: int,
    workers: int = 2,
    progress: Callable[[int, int], None] = lambda done, all: None,
) -> Trial:
    """Judge the pictures of a folder or of a list. Blocks: about 0.15 s a picture with the embedded judge.

    Args:
        source: A folder, a CSV or JSONL list, or one picture.
        options: The thresholds to try.
        models_dir: Folder of the face model files.
        eyes: The vision model.
        most: At most so many pictures, in the order of their names.
        workers: Pictures at once.
        progress: Told how many are done, of how many.

    Raises:
        NotFoundError, CatalogueError: the source cannot be read.
        ResourceMissing: the face models are absent or damaged.
    """
    listing = read_source(source)
    entries = listing.entries[:most]
    tried: list[Tried] = []
    with tempfile.TemporaryDirectory(prefix="nightreel-try-") as folder, ThreadPoolExecutor(workers) as pool:

        def one(numbered: tuple[int, Entry]) -> Tried:
            number, entry = numbered
            work = Path(folder, str(number))
            work.mkdir()
            return _try(entry, options, models_dir=models_dir, eyes=eyes, work=work)

        for result in pool.map(one, enumerate(entries)):
            tried.append(result)
            progress(len(tried), len(entries))
    return Trial(
        source,
        tuple(sorted(tried, key=_rank)),
        left_out=len(listing.entries) - len(entries),
        witnesses=eyes.words,
        bad=tuple(row.reason for row in listing.bad),
    )


def _rank(one: Tried) -> tuple[bool, bool, int]:
    """Order for the sheet: what is accepted, then what nearly was, then by how much was wrong; else by name."""
    return not one.verdict.accepted, not one.is_close, len(one.verdict.reasons)


def _try(entry: Entry, options: PrepareOptions, *, models_dir: Path, eyes: Eyes, work: Path) -> Tried:
    started = time.perf_counter()
    subject = Subject(
        0, entry.title, entry.path, artist=entry.artist, year=entry.year, sitter=entry.sitter, tags=entry.tags
    )
    try:
        judged = judge(entry.path, options, models_dir=models_dir, see=eyes.for_subject(subject), work=work)
    except Unusable as unusable:
        check = unusable.check
        return _unread(entry, check.name, check.measured, check.expected, unusable.sentence, started)
    except InvalidInput as error:
        return _unread(entry, "file.opens", "no", "yes", str(error), started)
    seen = judged.seen
    return Tried(
        entry.path,
        entry.title,
        judged.verdict,
        _thumbnail(judged),
        (judged.intake.width, judged.intake.height),
        note=seen.note if seen else "",
        person=", ".join(one for one in (seen.sex, seen.age) if one != "unknown") if seen else "",
        seconds=time.perf_counter() - started,
    )


def _unread(entry: Entry, name: str, measured: float | str, expected: str, sentence: str, started: float) -> Tried:
    verdict = Verdict((Finding(name, "file", measured, expected, sentence, passed=False),))
    seconds = time.perf_counter() - started
    return Tried(entry.path, entry.title, verdict, None, None, note="", person="", seconds=seconds)


def _thumbnail(judged: Judged) -> bytes:
    """Return the picture, small, with the face that would talk and any others marked."""
    small = judged.intake.picture.copy()
    small.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.LANCZOS)
    scale = small.width / judged.intake.picture.width
    draw = ImageDraw.Draw(small)
    main = judged.measured.main
    marked = [(face, _OTHER) for face in judged.measured.others]
    if main is not None:
        marked.append((main.face, _COLOURS["accepted" if judged.verdict.accepted else "turned down"]))
    for face, colour in marked:
        box = [value * scale for value in (face.x, face.y, face.x + face.w, face.y + face.h)]
        draw.rectangle([box[0] - 1, box[1] - 1, box[2] + 1, box[3] + 1], outline=(0, 0, 0), width=4)
        draw.rectangle(box, outline=colour, width=2)
    saved = io.BytesIO()
    small.save(saved, "JPEG", quality=_QUALITY)
    return saved.getvalue()


def _finding_data(one: Finding) -> dict[str, Any]:
    return {
        "name": one.name,
        "witness": one.witness,
        "measured": one.measured,
        "expected": one.expected,
        "passed": one.passed,
        "setting": one.setting,
        "margin": None if one.margin is None else round(one.margin, 3),
    }


def totals(tried: Sequence[Tried]) -> dict[str, int]:
    """Return how many pictures were turned down by each finding, most frequent first."""
    counts: dict[str, int] = {}
    for one in tried:
        for finding in one.verdict.findings:
            if not finding.passed:
                counts[finding.name] = counts.get(finding.name, 0) + 1
    return dict(sorted(counts.items(), key=lambda pair: -pair[1]))
