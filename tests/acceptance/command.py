"""Runs the installed `nightreel` command as a user would: a process, a folder, nothing but its environment.

Or what that process would do, in this one: starting a hundred interpreters would take minutes.
"""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator import cli

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


def run(*arguments: str, cwd: Path, stdin: str = "", **environment: str) -> Answer:
    """Do what the process `nightreel ARGUMENTS` does, without starting one."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(cwd)
        patch.delenv("NIGHTREEL_CONFIG", raising=False)
        for name, value in {"COLUMNS": "200", "NO_COLOR": "1", **environment}.items():
            patch.setenv(name, value)
        patch.setattr("sys.argv", ["nightreel", *arguments])
        patch.setattr("sys.stdin", io.StringIO(stdin))
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as left:
            cli.main()
    return Answer(int(left.value.code or 0), out.getvalue(), err.getvalue())
