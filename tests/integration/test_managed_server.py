"""A language model server of our own, as a real process behind its keeper: started, put to sleep, killed, stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from servers_world import (
    EMBEDDED,
    ROOT,
    TINY,
    is_alive,
    managed,
    on_card,
    pretend_card,
    server_settings,
    wait_until,
)

from orchestrator.servers import keeper, manners
from orchestrator.servers.errors import CannotRest, ServerBroken, ServerError
from orchestrator.servers.server import ManagedServer, Stage


@pytest.fixture
def made(tmp_path: Path) -> Iterator[list[ManagedServer]]:
    """Servers that are closed when the test is over."""
    servers: list[ManagedServer] = []
    yield servers
    for server in servers:
        server.close()


def family(server: ManagedServer) -> set[int]:
    return {server.pid, *keeper.descendants(server.pid)}


def kill_all(processes: set[int]) -> None:
    for pid in processes:
        os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: not any(is_alive(pid) for pid in processes))


def logged(root: Path, event: str) -> list[dict[str, object]]:
    lines = (root / "logs" / "night-0001.jsonl").read_text().splitlines()
    return [line for line in map(json.loads, lines) if line["event"] == event]


def test_a_server_sleeps_and_wakes_and_is_stopped_with_its_children(tmp_path, made):
    """Its whole life, with the memory of its card at each point."""
    card = pretend_card(tmp_path / "card", 24)
    settings = server_settings(command=EMBEDDED, kind="vllm", environment=on_card(card, 20))
    server = managed(settings, tmp_path / "home")
    made.append(server)
    assert server.stage is Stage.ENDED
    server.wake()
    assert requests.get(f"{server.url}/v1/models", timeout=5).status_code == 200
    assert "vllm:num_requests_running 0" in requests.get(f"{server.url}/metrics", timeout=5).text
    assert card.free_gb() == 4
    server.rest()
    assert card.free_gb() == 23
    assert server.stage is Stage.RESTING
    server.rest()  # a second time is nothing to do
    server.wake()
    assert card.free_gb() == 4
    processes = family(server)
    assert len(processes) == 2  # the keeper and the server
    server.stop("enough")
    assert card.free_gb() == 24
    assert wait_until(lambda: not any(is_alive(pid) for pid in processes))
    assert (tmp_path / "home" / "logs" / "server-qwen.log").exists()


def test_a_server_without_sleep_is_ended_instead_and_started_again(tmp_path, made):
    """It answers that it cannot: the memory comes back all the same."""
    card = pretend_card(tmp_path / "card")
    settings = server_settings(command=[*TINY, "sleepless"], kind="vllm", environment=on_card(card, 20))
    server = managed(settings, tmp_path / "home")
    made.append(server)
    server.wake()
    url = server.url
    server.rest()
    assert server.stage is Stage.ENDED
    assert card.free_gb() == 24
    server.wake()
    assert server.url == url  # what the steps were told stays true
    assert card.free_gb() == 4


def test_a_server_that_dies_is_started_again_so_often_and_no_more(tmp_path, made):
    """A model that does not stay up must not be loaded all night."""
    server = managed(server_settings(max_restarts=1), tmp_path / "home")
    made.append(server)
    server.wake()
    for expected in (True, False):
        kill_all(family(server))
        server.look_after()
        assert server.is_awake() is expected
    with pytest.raises(ServerBroken, match="does not stay up"):
        server.wake()
    assert len(logged(tmp_path / "home", "server.died")) == 2


def test_a_server_that_hangs_is_started_again(tmp_path, made, monkeypatch):
    """It holds the port and answers nobody: no crash would ever tell."""
    monkeypatch.setattr(manners, "ASK_S", 0.5)
    server = managed(server_settings(), tmp_path / "home")
    made.append(server)
    server.wake()
    process = max(family(server))
    os.kill(process, signal.SIGSTOP)
    server.wake()
    assert server.is_awake()
    assert not is_alive(process)


def test_a_command_that_ends_at_once_says_why(tmp_path, made):
    """What the owner needs stands in the server's own last words."""
    command = [sys.executable, "-c", "raise SystemExit('no such model: {port}')"]
    server = managed(server_settings(command=command), tmp_path / "home")
    made.append(server)
    with pytest.raises(ServerError, match=r"(?s)exit code 1; the end of .*no such model"):
        server.wake()


SCRIPT = """
import sys, threading, time
sys.path[:0] = [{tests!r}, {root!r}]
from servers_world import managed, server_settings
from pathlib import Path
server = managed(server_settings(linger_s={linger}), Path({home!r}))
server.open()
server.wake()
print(server.pid, server.url, flush=True)
time.sleep(600)
"""


def run_until_killed(home: Path, *, linger_s: float) -> tuple[int, set[int], str]:
    """Start a server from a process of its own, and kill that process. Returns the keeper, its family, the address."""
    tests = str(Path(__file__).parent)
    script = SCRIPT.format(tests=tests, root=str(ROOT), linger=linger_s, home=str(home))
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as ours:
        assert ours.stdout is not None
        pid, url = ours.stdout.readline().decode().split()
        found = {int(pid), *keeper.descendants(int(pid))}
        ours.kill()
    return int(pid), found, url


def test_no_server_outlives_a_killed_nightreel(tmp_path):
    """SIGKILL leaves no chance to clean up, and a model would hold the card until somebody notices."""
    _, processes, _ = run_until_killed(tmp_path, linger_s=0.2)
    assert len(processes) == 2
    assert wait_until(lambda: not any(is_alive(pid) for pid in processes))


def test_the_next_start_goes_on_with_what_lingers(tmp_path, made):
    """A model of 30 GB takes minutes to load: a night that is resumed at once must not pay for that again."""
    pid, _, url = run_until_killed(tmp_path, linger_s=30)
    server = managed(server_settings(linger_s=30), tmp_path)
    made.append(server)
    server.open()
    assert (server.pid, server.url, server.stage) == (pid, url, Stage.AWAKE)
    assert server.is_awake()
    server.close()
    assert wait_until(lambda: not is_alive(pid))


def test_what_was_started_otherwise_is_ended_and_not_used(tmp_path, made):
    """Another command means another model: the old one must not answer in its place."""
    pid, _, _ = run_until_killed(tmp_path, linger_s=30)
    server = managed(server_settings(command=[*TINY, "otherwise"], kind="vllm"), tmp_path)
    made.append(server)
    server.open()
    assert server.stage is Stage.ENDED
    assert wait_until(lambda: not is_alive(pid))


def test_a_keeper_ends_grandchildren_too(tmp_path):
    """A server with two cards has a process for each: one that survives keeps that card's memory."""
    owner = tmp_path / "owner"
    keeper.mark(owner)
    inner = "import os, time; open('pid', 'w').write(str(os.getpid())); os.rename('pid', 'grandchild'); time.sleep(600)"
    start = f"subprocess.Popen([sys.executable, '-c', {inner!r}], start_new_session=True)"
    outer = f"import subprocess, sys; {start}.wait()"
    command = [sys.executable, "-IS", keeper.__file__, "--owner", str(owner), "--", sys.executable, "-c", outer]
    with subprocess.Popen(command, cwd=tmp_path) as kept:
        assert wait_until((tmp_path / "grandchild").exists)
        grandchild = int((tmp_path / "grandchild").read_text())
        kept.terminate()
    assert wait_until(lambda: not is_alive(grandchild))


def test_somebody_elses_server_that_cannot_rest_is_left_alone(tmp_path, made):
    """It is not ours to end: whoever wants its card is told."""
    ours = managed(server_settings(), tmp_path / "one")
    made.append(ours)
    ours.wake()
    theirs = managed(server_settings("theirs", url=ours.url), tmp_path / "two")
    with pytest.raises(CannotRest, match="no way to give its memory back"):
        theirs.rest()
    assert not theirs.stop("wanted")
    assert ours.is_awake()


def test_somebody_elses_server_is_put_back_as_it_was_found(tmp_path, made):
    """It was awake for a reason, such as its owner's own work by day."""
    ours = managed(server_settings(), tmp_path / "one")
    made.append(ours)
    ours.wake()
    theirs = managed(server_settings("theirs", url=ours.url, kind="vllm"), tmp_path / "two")
    theirs.rest()
    assert not ours.is_awake()
    theirs.close()
    assert ours.is_awake()
