"""Restarting by a command of this machine, and knowing whether the server really is another process."""

from __future__ import annotations

import os
import signal
import stat
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from comfyui_stage import Stage, json_answer, open_stage, text_answer

from orchestrator.clock import SystemClock
from orchestrator.comfyui import commands, readiness
from orchestrator.comfyui.client import ComfyClient
from orchestrator.comfyui.errors import NotComfyUI, RestartFailed
from orchestrator.comfyui.restart import (
    CommandRestart,
    NoRestart,
    ProcessRestart,
    SystemdRestart,
    restart_and_wait,
    wait_until_ready,
)

CLOCK = SystemClock()


@pytest.fixture
def stage() -> Iterator[Stage]:
    with open_stage() as stage:
        stage.routes["GET /object_info"] = json_answer({"SaveImage": {}})
        yield stage


@pytest.fixture
def client(stage: Stage) -> Iterator[ComfyClient]:
    client = ComfyClient(stage.url, client_id="x", clock=CLOCK)
    yield client
    client.close()


@dataclass(frozen=True)
class Doing:
    """A restarter that does what a test says."""

    deed: Callable[[], None]

    def restart(self) -> None:
        self.deed()


def script(folder: Path, text: str) -> Path:
    path = folder / "a command"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


# -- commands ---------------------------------------------------------------------------------------------------------


def test_words_reach_the_program_as_they_are(tmp_path):
    """No shell is in between: quotes, dollars and semicolons are only characters."""
    out = tmp_path / "out"
    program = script(tmp_path, f'printf "%s\\n" "$@" > "{out}"')
    command = f"'{program}' 'a b' '$HOME; rm -rf x' \"it's\""
    CommandRestart.parse(command).restart()
    assert out.read_text().splitlines() == ["a b", "$HOME; rm -rf x", "it's"]


def test_a_failing_command_is_told_with_its_last_words(tmp_path):
    """Whatever it wrote, to either stream."""
    program = script(tmp_path, "echo one; echo 'Unit comfyui@7.service not found.' >&2; exit 5")
    with pytest.raises(RestartFailed, match=r"exit code 5: one / Unit comfyui@7\.service not found\.") as caught:
        CommandRestart((str(program),)).restart()
    assert caught.value.facts["exit_code"] == 5


def test_a_command_that_hangs_is_stopped_with_its_children(tmp_path):
    """A left-over child would go on holding the port or the terminal."""
    pid = tmp_path / "pid"
    program = script(tmp_path, f'sleep 60 & echo $! > "{pid}"; wait')
    began = time.monotonic()
    with pytest.raises(RestartFailed, match=r"had not ended after 0\.5 s"):
        CommandRestart((str(program),), timeout_s=0.5).restart()
    assert time.monotonic() - began < 3
    child = int(pid.read_text())
    deadline = time.monotonic() + 5
    while Path(f"/proc/{child}/stat").exists() and " Z " not in Path(f"/proc/{child}/stat").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_server_left_in_the_background_is_neither_waited_for_nor_killed(tmp_path):
    """It inherits the command's output and holds it open: that is no sign that the command has not ended."""
    pid = tmp_path / "pid"
    program = script(tmp_path, f'sleep 60 & echo $! > "{pid}"; echo started')
    CommandRestart((str(program),), timeout_s=5).restart()
    server = int(pid.read_text())
    try:
        assert " Z " not in Path(f"/proc/{server}/stat").read_text()
    finally:
        os.kill(server, signal.SIGKILL)


def test_a_command_that_prints_for_ever_is_stopped_and_fills_no_disk(tmp_path, monkeypatch):
    """What it prints is kept within a bound, and its last words are still told."""
    monkeypatch.setattr(commands, "LONGEST_OUTPUT_BYTES", 100_000)
    seen: list[int] = []
    truncate = os.ftruncate
    monkeypatch.setattr(os, "ftruncate", lambda fd, size: (seen.append(os.fstat(fd).st_size), truncate(fd, size)))
    with pytest.raises(RestartFailed, match=r"had not ended after 0\.5 s and was stopped: y"):
        CommandRestart(
            (str(script(tmp_path, "while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyyyyyyy; done")),), timeout_s=0.5
        ).restart()
    assert seen


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("sudo: a password is required", "sudoers line"),
        ("Sorry, user comfy is not allowed to execute '/bin/systemctl restart comfyui@9' as root", "word for word"),
        ("Failed to restart comfyui@7.service: Unit comfyui@7.service not found.", "list-units"),
        ("Failed to restart comfyui@0.service: Interactive authentication required.", "needs root"),
        ("sh: 1: sudo: not found", "not installed"),
        ("This account is currently not available.", "no shell"),
        ("something else", ""),
    ],
)
def test_what_sudo_and_systemctl_say_is_answered_with_what_to_do(said, advice):
    """Whoever reads it in the morning need not look it up."""
    assert advice in commands.advice_on(said.encode())
    assert bool(advice) == bool(commands.advice_on(said.encode()))


@pytest.mark.parametrize("argv", [(), ("/no/such/program",), ("/",)])
def test_a_command_that_cannot_be_run_is_told(argv):
    """A path that is wrong, or no program at all."""
    with pytest.raises(RestartFailed):
        CommandRestart(argv).restart()


def test_a_command_line_that_cannot_be_read_is_told():
    """An open quote in config.yaml."""
    with pytest.raises(RestartFailed, match="cannot be read"):
        CommandRestart.parse("systemctl 'restart")


def test_systemd_gets_one_unit(tmp_path, monkeypatch):
    """With `sudo -n` unless we are root: a question for a password would wait for ever."""
    out = tmp_path / "out"
    program = script(tmp_path, f'printf "%s\\n" "$@" > "{out}"')
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    SystemdRestart("comfyui@0", systemctl=str(program)).restart()
    assert out.read_text().splitlines() == ["restart", "comfyui@0"]
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("PATH", str(tmp_path))
    program.rename(tmp_path / "sudo")
    SystemdRestart("comfyui@0").restart()
    assert out.read_text().splitlines() == ["-n", "systemctl", "restart", "comfyui@0"]


def test_whether_a_restart_would_be_allowed_is_asked_without_doing_it(tmp_path, monkeypatch):
    """For the check before a night: `sudo -l` answers for exactly this command."""
    out = tmp_path / "out"
    program = script(tmp_path, f'printf "%s\\n" "$*" >> "{out}"')
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    program.rename(tmp_path / "sudo")
    CommandRestart(("sudo", "-n", "systemctl", "restart", "comfyui@0")).check()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    SystemdRestart("comfyui@0", systemctl="true").check()
    assert out.read_text().splitlines() == ["-n -l systemctl restart comfyui@0", "-n -l true restart comfyui@0"]
    with pytest.raises(RestartFailed, match="no such program"):
        CommandRestart(("no-such-program", "restart")).check()
    script(tmp_path, "exit 1").rename(tmp_path / "sudo")
    with pytest.raises(RestartFailed, match=r"exit code 1\. Sudo asks for a password there.*sudoers line"):
        CommandRestart(("sudo", "-n", "systemctl", "restart", "comfyui@9")).check()


@pytest.mark.parametrize("unit", ["", "--force", "-H host"])
def test_a_unit_name_is_no_option(unit):
    """It comes from a file that people edit."""
    with pytest.raises(RestartFailed, match="not the name of a systemd unit"):
        SystemdRestart(unit).restart()


# -- proof ------------------------------------------------------------------------------------------------------------


def test_a_new_boot_id_is_the_proof(stage, client):
    """The command returns before the server has ended: only another process counts."""
    stage.stats["boot_id"] = "one"

    def later() -> None:
        threading.Timer(0.6, lambda: stage.stats.update(boot_id="two")).start()

    began = time.monotonic()
    restarted = restart_and_wait(Doing(later), client, timeout_s=10, clock=CLOCK, needed=["SaveImage"])
    assert restarted.boot_id == "two"
    assert 0.5 < time.monotonic() - began < 3
    assert restarted.seconds == pytest.approx(time.monotonic() - began, abs=0.2)


def test_the_same_boot_id_means_that_nothing_happened(stage, client, monkeypatch):
    """A command that exits with 0 and restarts another unit."""
    monkeypatch.setattr(readiness, "SETTLE_S", 0.8)
    stage.stats["boot_id"] = "one"
    with pytest.raises(RestartFailed, match="still answered by the same process"):
        restart_and_wait(Doing(lambda: None), client, timeout_s=10, clock=CLOCK)


def test_without_a_boot_id_the_downtime_is_the_proof(stage, client):
    """A real ComfyUI tells no id: it has to be seen away, even while a blocking command restarts it."""

    def blocking() -> None:
        stage.stop()
        time.sleep(0.5)
        stage.start()

    restarted = restart_and_wait(Doing(blocking), client, timeout_s=10, clock=CLOCK, needed=["SaveImage"])
    assert restarted.boot_id is None


def test_without_a_boot_id_and_without_downtime_nothing_happened(stage, client, monkeypatch):
    """The operator hears of it instead of a night on creeping memory."""
    monkeypatch.setattr(readiness, "SETTLE_S", 0.8)
    with pytest.raises(RestartFailed, match="still answered by the same process"):
        restart_and_wait(Doing(lambda: None), client, timeout_s=10, clock=CLOCK)


def test_a_server_that_was_dead_before_is_brought_back(stage, client):
    """After a crash there is nothing to compare with."""
    stage.stop()
    restart_and_wait(Doing(stage.start), client, timeout_s=10, clock=CLOCK, needed=["SaveImage"])
    assert client.system_stats().comfyui_version


@pytest.mark.parametrize("boot_id", [None, "one"])
def test_a_server_that_does_not_come_back_is_told(stage, client, boot_id):
    """A broken custom node can keep it from starting."""
    if boot_id:
        stage.stats["boot_id"] = boot_id
    with pytest.raises(RestartFailed, match=r"not come back|not ready"):
        restart_and_wait(Doing(stage.stop), client, timeout_s=1.2, clock=CLOCK)


def test_a_refused_restart_is_passed_on(client):
    """No waiting for something that was not even asked for."""
    began = time.monotonic()
    with pytest.raises(RestartFailed, match="has no `restart`"):
        restart_and_wait(NoRestart(), client, timeout_s=10, clock=CLOCK)
    assert time.monotonic() - began < 1.5


def test_a_child_that_does_not_start_is_told(client):
    """Of the errors that starting a process has."""

    def fail() -> None:
        raise FileNotFoundError(2, "No such file", "python9")

    with pytest.raises(RestartFailed, match="could not be started again"):
        restart_and_wait(ProcessRestart(fail), client, timeout_s=5, clock=CLOCK)


def test_ready_means_that_the_nodes_are_there(stage, client):
    """The port opens when loading is finished, and a pack that failed to import is simply missing."""
    threading.Timer(0.5, lambda: stage.routes.update({"GET /object_info": json_answer({"A": {}, "B": {}})})).start()
    wait_until_ready(client, timeout_s=5, clock=CLOCK, needed={"A", "B"})
    with pytest.raises(RestartFailed, match="without the node classes C"):
        wait_until_ready(client, timeout_s=0.5, clock=CLOCK, needed={"A", "C"})


def test_ready_waits_through_refusals(stage, client):
    """Refused until it is loaded."""
    stage.stop()
    began = time.monotonic()
    threading.Timer(0.6, stage.start).start()
    wait_until_ready(client, timeout_s=5, clock=CLOCK)
    assert time.monotonic() - began >= 0.6, "it was called ready while it refused"


def test_another_program_on_the_port_is_not_waited_for(stage, client):
    """It would never become a ComfyUI."""
    stage.routes["GET /system_stats"] = text_answer("<html><title>Jellyfin</title></html>")
    began = time.monotonic()
    with pytest.raises(NotComfyUI, match="Jellyfin"):
        wait_until_ready(client, timeout_s=10, clock=CLOCK)
    assert time.monotonic() - began < 1
