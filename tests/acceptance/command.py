"""Runs the installed `nightreel` command as a user would: a process, a folder, nothing but its environment."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

NIGHTREEL = Path(sys.executable).with_name("nightreel")


@dataclass(frozen=True)
class Answer:
    """What a command answered."""

    code: int
    out: str
    err: str


def nightreel(*arguments: str, cwd: Path, stdin: str = "", timeout_s: float = 90, **environment: str) -> Answer:
    """Run one command and return its answer. Its width is fixed, so that messages are not broken in the middle."""
    env = {name: value for name, value in os.environ.items() if name != "NIGHTREEL_CONFIG"}
    done = subprocess.run(
        [str(NIGHTREEL), *arguments],
        cwd=cwd,
        env={**env, "COLUMNS": "200", "NO_COLOR": "1", **environment},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    return Answer(done.returncode, done.stdout, done.stderr)
