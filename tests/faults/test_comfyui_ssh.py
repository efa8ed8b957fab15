"""Restarting over SSH against real SSH servers on loopback: the one that should be there, and every wrong one.

OpenSSH's own server where one is installed, else asyncssh's: hosts differ in what they say and when, and every test
holds for both.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncssh
import pytest

from orchestrator.clock import SystemClock
from orchestrator.comfyui.client import ComfyClient
from orchestrator.comfyui.errors import RestartFailed
from orchestrator.comfyui.identity import identity
from orchestrator.comfyui.readiness import restart_and_wait
from orchestrator.comfyui.ssh import SshTarget
from tests.faults.ssh_hosts import RESTART, AsyncSshHost, OpenSshHost, SshHost, has_openssh, write_key
from tests.integration.comfyui_embedded import embedded

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> type[SshHost]:
    """A real OpenSSH server where one can be run; $NIGHTREEL_SSHD=none asks for the other one all the same."""
    if os.environ.get("NIGHTREEL_SSHD") == "none" or not has_openssh(tmp_path_factory.mktemp("probe")):
        return AsyncSshHost
    return OpenSshHost


@pytest.fixture
def host(server: type[SshHost], tmp_path: Path, monkeypatch) -> Iterator[SshHost]:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    with server(tmp_path).listening() as host:
        yield host


@pytest.fixture
def agent(tmp_path, monkeypatch, host) -> Iterator[None]:
    """An ssh-agent that holds nothing yet."""
    address = tmp_path / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(address)], stdout=subprocess.PIPE)
    assert agent.stdout is not None
    agent.stdout.readline()  # it says where it listens once it does
    monkeypatch.setenv("SSH_AUTH_SOCK", str(address))
    yield
    agent.terminate()
    agent.communicate()


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def refused(host: SshHost, words: str, **changes) -> RestartFailed:
    """Have a restart fail with these words."""
    with pytest.raises(RestartFailed, match=words) as caught:
        host.restarter(**changes).restart()
    return caught.value


# -- the good case ----------------------------------------------------------------------------------------------------


def test_the_command_is_run_as_it_is(host):
    """With our key, on a host whose key we know."""
    host.restarter().restart()
    assert host.done == ["sudo -n systemctl restart comfyui@0"]


def test_all_cards_of_a_host_can_be_restarted_at_once(host):
    """Between two steps there is one login a card, all at the same moment."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: host.restarter(timeout_s=30, connect_timeout_s=30).restart(), range(8)))
    assert len(host.done) == 8


def test_a_server_left_in_the_background_does_not_hold_the_connection(host):
    """The exit code has come; that somebody still holds the output says nothing."""
    host.program("sudo", 'sleep 20 & echo started; echo "$!" > "$LOG"')
    host.restarter(timeout_s=15).restart()
    (pid,) = host.done
    assert is_running(int(pid)), "it is the server that was left: ended with the connection, nothing would be tested"
    os.kill(int(pid), 9)


def test_what_would_be_done_can_be_asked_without_doing_it(host):
    """For the check before a night: sudo is asked whether it allows exactly this command."""
    host.restarter().check()
    assert host.done == ["sudo -n -l systemctl restart comfyui@0"]
    host.restarter(command="printf").check()
    with pytest.raises(RestartFailed, match="exit code"):
        host.restarter(command="no-such-program now").check()


def test_a_server_restarted_over_ssh_is_another_process_and_ready(host, tmp_path):
    """The whole way: login, sudo, a server that is left in the background, and the proof that it is a new one."""
    folder = tmp_path / "server"
    folder.mkdir()
    with embedded(folder) as server:
        assert server.process is not None
        port = server.url.rpartition(":")[2]
        again = f"'{sys.executable}' -m orchestrator.embedded --port {port} --directory '{folder}' --idle-exit-s 20"
        # Over SSH its output breaks with the connection, and it would end of that.
        host.program("sudo", f'kill -KILL {server.process.pid}; {again} >/dev/null 2>&1 & echo $! >> "$LOG.pids"')
        client = ComfyClient(server.url, client_id="x", clock=SystemClock())
        before = identity(client)
        restarted = restart_and_wait(
            host.restarter(timeout_s=20), client, timeout_s=40, clock=SystemClock(), needed=["SaveImage"]
        )
        assert restarted.boot_id not in (None, before)
        client.close()


# -- whom we trust ----------------------------------------------------------------------------------------------------


def test_a_changed_host_key_is_refused_and_nothing_is_run(host):
    """Somebody may stand in between: the password-less sudo is not for them."""
    host.know(*host.known(asyncssh.generate_private_key("ssh-ed25519")))
    refused(host, "showed another host key")
    assert host.done == []


def test_an_unknown_host_is_refused_and_the_remedy_works(host):
    """Never trusted on first use: nobody watches at night. What the message says to run makes it known."""
    host.know("")
    error = refused(host, f"ssh-keyscan -p {host.port} 127.0.0.1")
    assert host.done == []
    if shutil.which("ssh-keyscan"):
        command = str(error).split("`")[1].split()
        scan = subprocess.run([*command[:1], "-T", "10", *command[1:]], capture_output=True, text=True, check=False)
        host.know(scan.stdout)
        host.restarter().restart()


def test_a_missing_known_hosts_file_is_named(host):
    """Its path, as the configuration has it."""
    missing = host.folder / "nowhere"
    assert str(missing) in str(refused(host, "nowhere", known_hosts=missing))
    assert host.done == []


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs ssh-keygen")
def test_hashed_names_are_read(host):
    """Debian hashes them by default."""
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", host.known_hosts], check=True, capture_output=True)
    assert "127.0.0.1" not in host.known_hosts.read_text()
    host.restarter().restart()
    assert host.done == [RESTART]


@pytest.mark.parametrize("name", ["127.0.0.1", "gpu-box,127.0.0.1", "[127.0.0.1]:9,[127.0.0.1]:{port}"])
def test_a_host_is_known_by_any_of_its_names(host, name):
    """Several a line; and as OpenSSH has it, a line without a port is good for every port."""
    host.know(*host.known(host.host_keys[0], name=name.format(port=host.port)))
    host.restarter().restart()
    assert host.done == [RESTART]


def test_a_name_with_its_port_counts_before_one_without(host):
    """Two machines behind one address: the line of the other one does not help, in either direction."""
    other = asyncssh.generate_private_key("ssh-ed25519")
    host.know(*host.known(host.host_keys[0], name="127.0.0.1"), *host.known(other))
    refused(host, "showed another host key")
    assert host.done == []


def test_any_of_several_lines_is_enough(host):
    """A stale line before the good one, a broken one, a comment: each line counts for itself."""
    stale = asyncssh.generate_private_key("ssh-ed25519")
    good = host.known(host.host_keys[0])
    host.know("# my hosts\n", "broken line here\n", "[127.0.0.1 ssh-ed25519 ???\n", *host.known(stale), "\n", *good)
    host.restarter().restart()
    host.know(*good, *host.known(stale))
    host.restarter().restart()
    assert host.done == [RESTART, RESTART]


def test_the_kind_of_key_that_is_known_is_asked_for(host):
    """A host has one of each kind, and shows the one that the client asks for first."""
    host.know(*host.known(host.host_keys[1]))
    host.restarter().restart()
    assert host.done == [RESTART]


def test_a_revoked_key_is_refused(host):
    """Even where another line still has it."""
    host.know(*host.known(host.host_keys[0]), *host.known(host.host_keys[0], name="*", mark="@revoked "))
    refused(host, "is not in")
    assert host.done == []


# -- what we log in with ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["ssh-ed25519", "ssh-rsa"])
def test_a_key_that_is_not_accepted_is_told(host, kind):
    """The account there does not list it, whatever kind it is."""
    other = write_key(host.folder / "other", asyncssh.generate_private_key(kind))
    refused(host, r"did not accept our key \(.*other\).*authorized_keys", key=other)
    assert host.done == []


def test_an_rsa_key_logs_in(host):
    """With the signatures of today: ssh-rsa's own were switched off years ago."""
    key = asyncssh.generate_private_key("ssh-rsa")
    host.let_in(key)
    host.restarter(key=write_key(host.folder / "rsa", key)).restart()
    assert host.done == [RESTART]


@pytest.mark.parametrize(
    ("content", "words"), [(None, "cannot be read"), ("", "no private key"), ("no key at all", "no private key")]
)
def test_a_key_file_that_is_none_is_told(host, content, words):
    """Missing, empty, or something else."""
    key = host.folder / "broken"
    if content is not None:
        key.write_text(content)
    assert str(key) in str(refused(host, f"broken .*{words}|broken is {words}", key=key))
    assert host.done == []


def test_the_public_half_is_told_from_the_private_one(host):
    """The likeliest slip in config.yaml."""
    refused(host, "public half, name the file without .pub", key=Path(f"{host.key}.pub"))
    assert host.done == []


def test_a_key_with_a_passphrase_needs_an_agent(host):
    """Nobody types it at night; both ways out are named."""
    key = write_key(host.folder / "locked", host.user_key, passphrase="secret")
    refused(host, "has a passphrase.*ssh-add.*make a key without", key=key)
    assert host.done == []


@pytest.mark.skipif(shutil.which("ssh-agent") is None, reason="needs ssh-agent")
def test_a_key_with_a_passphrase_is_taken_from_the_agent(host, agent):
    """The agent's hold of that very key, and no other key that it may have."""
    key = write_key(host.folder / "locked", host.user_key, passphrase="secret")
    other = write_key(host.folder / "other", asyncssh.generate_private_key("ssh-ed25519"))
    subprocess.run(["ssh-add", "-q", other], check=True, capture_output=True)
    refused(host, "has a passphrase", key=key)
    subprocess.run(["ssh-add", "-q", host.key], check=True, capture_output=True)
    host.restarter(key=key).restart()
    assert len(host.done) == 1


@pytest.mark.skipif(shutil.which("ssh-agent") is None, reason="needs ssh-agent")
def test_without_a_named_key_the_agent_is_asked(host, agent):
    """And where it holds nothing, that is what is told."""
    refused(host, "no key to log in", key=None)
    subprocess.run(["ssh-add", "-q", host.key], check=True, capture_output=True)
    assert host.done == []
    host.restarter(key=None).restart()
    assert host.done == [RESTART]


# -- commands that fail -----------------------------------------------------------------------------------------------


def test_sudo_that_asks_for_a_password_is_told_with_the_remedy(host):
    """What the operator has to repair is in the words."""
    host.program("sudo", 'echo "sudo: a password is required" >&2; exit 1')
    error = refused(host, r"exit code 1: sudo: a password is required\. Sudo asks .*docs/operations\.md")
    assert error.facts["exit_code"] == 1


def test_a_host_without_sudo_is_told(host):
    """A fresh container has none."""
    (host.folder / "bin" / "sudo").unlink()
    host.program("sh", 'exec /bin/sh "$@"')
    error = refused(host, "not found.*not installed there", command=RESTART.replace("sudo", "sudo-that-is-not-there"))
    assert error.facts["exit_code"] == 127


def test_a_command_that_hangs_is_left(host):
    """A unit that does not stop would hold the night. What it said so far is told."""
    host.program("sudo", "echo working; exec sleep 20")
    error = refused(host, r"had not ended after 1 s: working", timeout_s=1.0)
    assert "exit_code" not in error.facts


def test_a_command_that_talks_for_ever_is_left(host):
    """Each piece comes in time; the whole does not."""
    host.program("sudo", "while :; do echo yyyyyyyyyyyyyyyyyyyyyyyy; done")
    error = refused(host, "had not ended after 3 s: yyy", timeout_s=3)
    assert len(str(error)) < 2000, "what it said is told in short"


def test_a_connection_that_drops_in_the_middle_is_told(host):
    """It is not known whether the unit was restarted; the check that follows finds out, this says why not."""
    host.program("sudo", 'echo restarting; echo here > "$LOG"; exec sleep 20')

    def cut_when_it_runs() -> None:
        while not host.done:
            pause.wait(0.01)
        pause.wait(0.2)
        host.cut()

    pause = threading.Event()
    cutter = threading.Thread(target=cut_when_it_runs)
    cutter.start()
    error = refused(host, "the connection ended .*restarting")
    cutter.join()
    assert "exit_code" not in error.facts
    assert host.done == ["here"]


def test_a_command_that_was_killed_is_no_success(host):
    """There is no exit code then."""
    host.program("sudo", "kill -KILL $PPID; sleep 1")
    error = refused(host, "told its exit code|signal|exit code 137", command=f"{RESTART}; true")
    assert error.facts.get("exit_code") != 0


# -- hosts that do not answer -----------------------------------------------------------------------------------------


def test_a_host_that_greets_late_is_waited_for(host):
    """A machine under load: within the limit it counts as well as any."""
    host.may_greet.clear()
    threading.Timer(0.5, host.may_greet.set).start()
    host.restarter().restart()
    assert len(host.done) == 1


def test_a_host_that_takes_the_connection_and_never_greets_is_left(host):
    """Its port is open, its sshd is starved."""
    host.may_greet.clear()
    refused(host, r"did not greet as an SSH server within 0\.5 s", connect_timeout_s=0.5)
    assert host.done == []


def test_a_host_that_hangs_up_at_once_is_told(host):
    """Too many logins at a time, or a fail2ban."""
    host.may_greet.clear()
    threading.Timer(0.2, host.cut).start()
    refused(host, f"127.0.0.1:{host.port}", connect_timeout_s=5)
    assert host.done == []


@pytest.mark.parametrize("speech", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"x" * 30, b"welcome\r\n" * 500])
def test_another_service_on_that_port_is_told(tmp_path, speech):
    """A web server, a line that never ends, a greeting that never does."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def speak() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(speech)
                done.wait(5)

        done = threading.Event()
        thread = threading.Thread(target=speak)
        thread.start()
        host = AsyncSshHost(tmp_path)
        host.port = port
        host.know(*host.known(host.host_keys[0]))
        try:
            refused(host, f"127.0.0.1:{port}", connect_timeout_s=0.5)
        finally:
            done.set()
            thread.join()
            host.close()


def test_a_port_that_refuses_is_told(host):
    """No SSH server there."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    refused(host, f"no SSH connection to {host.user}@127.0.0.1:{port}", target=f"{host.user}@127.0.0.1:{port}")


def test_a_host_that_swallows_everything_is_left(host):
    """A firewall that drops, a machine that sleeps: a listener whose queue is full answers no more connections."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        callers = [socket.socket() for _ in range(4)]
        for caller in callers:
            caller.setblocking(False)
            caller.connect_ex(("127.0.0.1", port))
        try:
            refused(host, "did not", target=f"{host.user}@127.0.0.1:{port}", connect_timeout_s=0.5)
        finally:
            for caller in callers:
                caller.close()


# -- targets ----------------------------------------------------------------------------------------------------------


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
