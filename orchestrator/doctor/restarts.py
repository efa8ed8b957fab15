"""Whether an instance could be restarted, found out without restarting it."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

from orchestrator.comfyui.commands import run_command
from orchestrator.comfyui.errors import RestartFailed
from orchestrator.comfyui.ssh import SshRestart
from orchestrator.doctor.findings import Finding, Grade
from orchestrator.settings import RestartSettings

ANSWER_S = 20.0
LEAK_WORDS = "memory may creep over a long night; see docs/operations.md"


def restart_way(name: str, settings: RestartSettings | None) -> Iterator[Finding]:
    """Try everything about a way to restart except the restart."""
    subject = f"instance {name}: restart"
    if settings is None or not (settings.systemd or settings.command):
        yield Finding(subject, Grade.WARNING, "there is no `restart`", LEAK_WORDS, name)
        return
    try:
        if settings.ssh is not None:
            found = _over_ssh(settings)
        elif settings.systemd is not None:
            found = _systemd(settings.systemd)
        else:
            found = _command(settings.command or "")
    except RestartFailed as error:
        remedy = "correct `restart` in config.yaml, or what it names; docs/operations.md goes through it"
        yield Finding(subject, Grade.PROBLEM, str(error), remedy, name)
    else:
        yield Finding(subject, Grade.OK, found, "", name)


def _over_ssh(settings: RestartSettings) -> str:
    assert settings.ssh is not None
    command = settings.command or ""
    way = SshRestart(
        settings.ssh,
        dry(command),
        key=settings.key,
        known_hosts=settings.known_hosts or Path("~/.ssh/known_hosts").expanduser(),
        timeout_s=min(ANSWER_S, settings.timeout_s),
    )
    way.restart()
    return f"{settings.ssh} lets us in, and may run: {command}"


def _systemd(unit: str) -> str:
    run_command(("systemctl", "cat", "--", unit), timeout_s=ANSWER_S)
    if os.geteuid() != 0:
        run_command(("sudo", "-n", "-l", "systemctl", "restart", unit), timeout_s=ANSWER_S)
    return f"systemd has {unit}, and we may restart it"


def _command(command: str) -> str:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise RestartFailed(f"the restart command `{command}` cannot be read: {error}") from error
    if not words:
        raise RestartFailed("the restart command is empty")
    if words[0] == "sudo":
        run_command(shlex.split(dry(command)), timeout_s=ANSWER_S)
    elif shutil.which(words[0]) is None:
        raise RestartFailed(f"`{words[0]}`, the program of the restart command, is not installed here or not on PATH")
    return f"can be run here: {command}"


def dry(command: str) -> str:
    """Return a command that succeeds where `command` may be run, and does nothing.

    `sudo -l COMMAND` tells whether sudo would allow it; of anything else, only that the program is there can be told.

    Raises:
        RestartFailed: the command cannot be read, or would stop and ask for a password.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise RestartFailed(f"the restart command `{command}` cannot be read: {error}") from error
    if not words:
        raise RestartFailed("the restart command is empty")
    if words[0] != "sudo":
        return shlex.join(("command", "-v", words[0]))
    if "-n" not in words[1:]:
        raise RestartFailed(f"`{command}` could stop and ask for a password; write `sudo -n` instead of `sudo`")
    rest = [word for word in words[1:] if word != "-n"]
    return shlex.join(("sudo", "-n", "-l", *rest))
