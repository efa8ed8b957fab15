"""The ways to restart an instance: the owner chooses one per instance in config.yaml.

A way only asks for the restart; `readiness.py` then makes sure that it happened. The names that belong to a restart
are all to be had from here.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.comfyui.commands import run_command
from orchestrator.comfyui.errors import RestartFailed
from orchestrator.comfyui.readiness import (
    Expectation,
    Headroom,
    Restarted,
    Restarter,
    restart_and_wait,
    wait_until_ready,
)
from orchestrator.comfyui.ssh import SshRestart

__all__ = [
    "CommandRestart",
    "Expectation",
    "Headroom",
    "NoRestart",
    "ProcessRestart",
    "Restarted",
    "Restarter",
    "SshRestart",
    "SystemdRestart",
    "restart_and_wait",
    "wait_until_ready",
]


@dataclass(frozen=True)
class NoRestart:
    """An instance that is never restarted."""

    def restart(self) -> None:
        """Refuse."""
        raise RestartFailed("the instance has no `restart` in config.yaml, so it cannot be restarted")


@dataclass(frozen=True)
class CommandRestart:
    """A command of this machine. Never a shell: the words go to the program as they are."""

    argv: Sequence[str]
    timeout_s: float = 60.0
    cwd: Path | None = None

    @classmethod
    def parse(cls, command: str, *, timeout_s: float = 60.0) -> CommandRestart:
        """Return the restarter of a command line as config.yaml has it."""
        try:
            argv = tuple(shlex.split(command))
        except ValueError as error:
            raise RestartFailed(f"the restart command `{command}` cannot be read: {error}") from error
        return cls(argv, timeout_s=timeout_s)

    def restart(self) -> None:
        """Run the command; exit code 0 is success."""
        run_command(self.argv, timeout_s=self.timeout_s, cwd=self.cwd)

    def check(self) -> None:
        """Ask whether the command may be run, without running it: sudo where it is sudo's, else the PATH."""
        if self.argv[:1] == ("sudo",):
            rest = [word for word in self.argv[1:] if word not in ("-n", "--non-interactive")]
            run_command(("sudo", "-n", "-l", *rest), timeout_s=self.timeout_s, cwd=self.cwd)
        elif not self.argv or shutil.which(self.argv[0]) is None:
            raise RestartFailed(f"`{shlex.join(self.argv)}` cannot be run: there is no such program")


@dataclass(frozen=True)
class SystemdRestart:
    """A systemd unit of this machine; `sudo -n` is used where we are not root."""

    unit: str
    timeout_s: float = 60.0
    systemctl: str = "systemctl"

    def restart(self) -> None:
        """Run `systemctl restart UNIT`."""
        self._check_name()
        sudo = () if os.geteuid() == 0 else ("sudo", "-n")
        run_command((*sudo, self.systemctl, "restart", self.unit), timeout_s=self.timeout_s)

    def check(self) -> None:
        """Ask whether the unit is there and may be restarted, without doing it.

        Raises:
            RestartFailed: as a restart would, with what the operator can do.
        """
        self._check_name()
        run_command((self.systemctl, "cat", self.unit), timeout_s=self.timeout_s)
        if os.geteuid() != 0:
            run_command(("sudo", "-n", "-l", self.systemctl, "restart", self.unit), timeout_s=self.timeout_s)

    def _check_name(self) -> None:
        if not self.unit or self.unit.startswith("-"):
            raise RestartFailed(f"`{self.unit}` is not the name of a systemd unit")


@dataclass(frozen=True)
class ProcessRestart:
    """A server that is our own child process.

    Args:
        again: Ends the process and starts it anew at the same address; raises when it does not come up.
    """

    again: Callable[[], None]

    def restart(self) -> None:
        """End the process and start it anew."""
        try:
            self.again()
        except (OSError, subprocess.SubprocessError) as error:
            raise RestartFailed(f"the server process could not be started again: {error}") from error
