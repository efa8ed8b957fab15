"""Restarting over SSH against a real SSH server on loopback: the one that should be there, and every wrong one."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from orchestrator.comfyui.errors import RestartFailed
from orchestrator.comfyui.ssh import SshRestart, SshTarget

Behaviour = Callable[[asyncssh.SSHServerProcess[str]], Awaitable[None]]


@dataclass
class Host:
    """An SSH server in a thread, with the files that a client of it has."""

    folder: Path
    behaviour: Behaviour
    commands: list[str] = field(default_factory=list)
    port: int = 0
    loop: asyncio.AbstractEventLoop | None = None
    connections: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        self.user_key = asyncssh.generate_private_key("ssh-ed25519")
        self.user_key.write_private_key(str(self.key))
        self.user_key.write_public_key(str(self.folder / "authorized_keys"))

    @property
    def key(self) -> Path:
        return self.folder / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    def know(self, key: asyncssh.SSHKey) -> None:
        """Write the client's known_hosts."""
        public = key.export_public_key().decode().strip()
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {public}\n")

    def restarter(self, **changes: Any) -> SshRestart:
        values: dict[str, Any] = {
            "known_hosts": self.known_hosts,
            "key": self.key,
            "timeout_s": 5.0,
            "connect_timeout_s": 3.0,
        }
        target = changes.pop("target", f"comfy@127.0.0.1:{self.port}")
        return SshRestart(target, "sudo -n systemctl restart comfyui@0", **{**values, **changes})

    def run(self, ready: threading.Event) -> None:
        self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self._listen())
        ready.set()
        self.loop.run_forever()
        left = asyncio.all_tasks(self.loop)
        for task in left:
            task.cancel()
        self.loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self.loop.close()

    async def _listen(self) -> None:
        host = self

        class Server(asyncssh.SSHServer):
            def connection_made(self, connection: asyncssh.SSHServerConnection) -> None:
                host.connections.append(connection)

        async def handle(process: asyncssh.SSHServerProcess[str]) -> None:
            self.commands.append(str(process.command))
            await self.behaviour(process)

        listener = await asyncssh.create_server(
            Server,
            "127.0.0.1",
            0,
            server_host_keys=[self.host_key],
            authorized_client_keys=str(self.folder / "authorized_keys"),
            process_factory=handle,
        )
        self.port = listener.sockets[0].getsockname()[1]
        self.know(self.host_key)


async def obey(process: asyncssh.SSHServerProcess[str]) -> None:
    process.exit(0)


@pytest.fixture
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Host]:
    host = Host(tmp_path, getattr(request, "param", obey))
    ready = threading.Event()
    thread = threading.Thread(target=host.run, args=(ready,), daemon=True)
    thread.start()
    assert ready.wait(10)
    yield host
    assert host.loop is not None
    host.loop.call_soon_threadsafe(host.loop.stop)
    thread.join(10)


def test_the_command_is_run_as_it_is(host):
    """With our key, on a host whose key we know."""
    host.restarter().restart()
    assert host.commands == ["sudo -n systemctl restart comfyui@0"]


def test_a_changed_host_key_is_refused_and_nothing_is_run(host):
    """Somebody may stand in between: the password-less sudo is not for them."""
    host.know(asyncssh.generate_private_key("ssh-ed25519"))
    with pytest.raises(RestartFailed, match="showed another host key"):
        host.restarter().restart()
    assert host.commands == []


def test_an_unknown_host_is_refused_and_the_remedy_is_named(host):
    """Never trusted on first use: nobody watches at night."""
    host.known_hosts.write_text("")
    with pytest.raises(RestartFailed, match=f"ssh-keyscan -p {host.port} 127.0.0.1"):
        host.restarter().restart()
    assert host.commands == []


def test_a_missing_known_hosts_file_is_named(host):
    """Its path, as the configuration has it."""
    with pytest.raises(RestartFailed, match="nowhere"):
        host.restarter(known_hosts=host.folder / "nowhere").restart()


def test_a_key_that_is_not_accepted_is_told(host):
    """The account there does not list it."""
    other = host.folder / "other"
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(other))
    with pytest.raises(RestartFailed, match="did not accept our key"):
        host.restarter(key=other).restart()
    assert host.commands == []


@pytest.mark.parametrize("content", [None, "", "no key at all"])
def test_a_key_file_that_is_none_is_told(host, content):
    """Missing, empty, or something else."""
    key = host.folder / "broken"
    if content is not None:
        key.write_text(content)
    with pytest.raises(RestartFailed):
        host.restarter(key=key).restart()


async def refuse_sudo(process: asyncssh.SSHServerProcess[str]) -> None:
    process.stderr.write("sudo: a password is required\n")
    process.exit(1)


@pytest.mark.parametrize("host", [refuse_sudo], indirect=True)
def test_a_failing_command_is_told_with_its_words(host):
    """What the operator has to repair is in them."""
    with pytest.raises(RestartFailed, match=r"exit code 1: sudo: a password is required") as caught:
        host.restarter().restart()
    assert caught.value.facts["exit_code"] == 1


async def hang(process: asyncssh.SSHServerProcess[str]) -> None:
    process.stdout.write("working …\n")
    await asyncio.sleep(60)


@pytest.mark.parametrize("host", [hang], indirect=True)
def test_a_command_that_hangs_is_left(host):
    """A unit that does not stop would hold the night."""
    began = time.monotonic()
    with pytest.raises(RestartFailed, match=r"had not ended after 0\.5 s"):
        host.restarter(timeout_s=0.5).restart()
    assert time.monotonic() - began < 3


async def chatter(process: asyncssh.SSHServerProcess[str]) -> None:
    for _ in range(600):
        process.stdout.write("x" * 1000)
        await asyncio.sleep(0.005)


@pytest.mark.parametrize("host", [chatter], indirect=True)
def test_a_command_that_talks_for_ever_is_left(host):
    """Each piece comes in time; the whole does not."""
    with pytest.raises(RestartFailed, match="had not ended"):
        host.restarter(timeout_s=0.5).restart()


async def drop(process: asyncssh.SSHServerProcess[str]) -> None:
    process.stdout.write("restarting\n")
    await asyncio.sleep(0.1)
    process.get_extra_info("connection").abort()


@pytest.mark.parametrize("host", [drop], indirect=True)
def test_a_connection_that_drops_in_the_middle_is_told(host):
    """It is not known whether the unit was restarted; the check that follows would find out, this says why not."""
    with pytest.raises(RestartFailed, match=r"the connection ended .*restarting"):
        host.restarter().restart()


async def die_by_signal(process: asyncssh.SSHServerProcess[str]) -> None:
    process.exit_with_signal("KILL")


@pytest.mark.parametrize("host", [die_by_signal], indirect=True)
def test_a_command_that_was_killed_is_no_success(host):
    """There is no exit code then."""
    with pytest.raises(RestartFailed):
        host.restarter().restart()


def test_a_port_that_says_nothing_is_left(tmp_path, host):
    """A firewall that swallows, a machine that sleeps."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        began = time.monotonic()
        with pytest.raises(RestartFailed):
            host.restarter(target=f"comfy@127.0.0.1:{port}", connect_timeout_s=0.5).restart()
        assert time.monotonic() - began < 3


def test_a_port_that_refuses_is_told(host):
    """No SSH server there."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(RestartFailed, match=f"no SSH connection to comfy@127.0.0.1:{port}"):
        host.restarter(target=f"comfy@127.0.0.1:{port}").restart()


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("comfy@gpu-box", SshTarget("comfy", "gpu-box", 22)),
        ("comfy@gpu-box:2222", SshTarget("comfy", "gpu-box", 2222)),
        ("a@b@host", SshTarget("a@b", "host", 22)),
        ("comfy@[fe80::1]:23", SshTarget("comfy", "fe80::1", 23)),
        ("comfy@fe80::1", SshTarget("comfy", "fe80::1", 22)),
    ],
)
def test_targets(text, target):
    """As config.yaml has them."""
    assert SshTarget.parse(text) == target


@pytest.mark.parametrize(
    "text", ["", "gpu-box", "@gpu-box", "comfy@", "comfy@gpu:ssh", "comfy@gpu:0", "comfy@gpu:99999"]
)
def test_a_target_that_is_none_is_told(text):
    """Found, expected."""
    with pytest.raises(RestartFailed, match="expected user@host or user@host:port"):
        SshTarget.parse(text)
