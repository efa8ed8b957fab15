"""A second opinion on nudity, by the optional detector NudeNet, in a process of its own.

Only its EXPOSED classes of what people call nudity count: the detector calls a dressed Mona Lisa a covered breast. It
runs in a process of its own because it is native code that nobody needs when it is switched off: whatever happens to it
(absent, damaged, out of memory, killed) becomes a sentence and never a night's end, nor an answer that lets something
through. NudeNet is under the AGPL-3.0; it is installed only by the extra `nudity`.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from steps.errors import DiskFull, ProgramFailed, StepError
from steps.external import process

PYTHON = sys.executable  # the interpreter that has the detector
TIMEOUT_S = 60.0
COUNTED = frozenset(
    {
        "FEMALE_BREAST_EXPOSED",
        "FEMALE_GENITALIA_EXPOSED",
        "MALE_GENITALIA_EXPOSED",
        "BUTTOCKS_EXPOSED",
        "ANUS_EXPOSED",
    }
)
"""Not the exposed face, feet, armpits, belly or a man's breast, which a portrait may show."""

_WORKER = Path(__file__).with_name("nudity_worker.py")
_MISSING = 'NudeNet is not installed: run pip install "nightreel[nudity]", or set prepare.nudity_check to off.'


@dataclass(frozen=True)
class Exposed:
    """What the second opinion says about one picture."""

    score: float  # 0 .. 1: of the surest exposed part
    part: str | None = None  # which one, in plain words
    failed: str | None = None  # why there is no answer
    is_missing: bool = False  # the detector is not installed, which no other picture will change


def second_opinion(picture: Path, *, timeout_s: float = TIMEOUT_S) -> Exposed:
    """Ask NudeNet about a picture file. Blocks for about a second. Never raises for what the detector does.

    Args:
        picture: A PNG or JPEG file.
        timeout_s: Seconds before it is stopped.

    Raises:
        DiskFull: there is no room for it to run.
    """
    # -P: the folder of the worker has modules named like outside programs.
    argv = [PYTHON, "-P", str(_WORKER), str(picture.absolute())]
    try:
        done = process.run(argv, cwd=picture.absolute().parent, timeout_s=timeout_s)
        return _read(done.stdout)
    except DiskFull:
        raise
    except ProgramFailed as error:
        if "No module named 'nudenet'" in str(error):
            return Exposed(0.0, failed=_MISSING, is_missing=True)
        last = (str(error).strip().splitlines() or ["it said nothing"])[-1]
        return Exposed(0.0, failed=f"it ended badly ({last[:200]}).")
    except (StepError, OSError) as error:
        return Exposed(0.0, failed=f"it could not be started ({error}).")


def _read(stdout: bytes) -> Exposed:
    """Return what the worker said; anything unexpected is a failure, not a clean picture."""
    try:
        found = json.loads(stdout)["found"]
        scores = {str(one["class"]): float(one["score"]) for one in sorted(found, key=lambda one: float(one["score"]))}
    except (ValueError, KeyError, TypeError):
        return Exposed(0.0, failed="it gave an answer that cannot be read.")
    bare = {name: score for name, score in scores.items() if name in COUNTED}
    if not all(0.0 <= score <= 1.0 for score in scores.values()):
        return Exposed(0.0, failed="it gave a score that is none.")
    if not bare:
        return Exposed(0.0)
    surest = max(bare, key=lambda name: bare[name])
    return Exposed(bare[surest], part=surest.removesuffix("_EXPOSED").replace("_", " ").lower())
