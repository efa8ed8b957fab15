"""Restarting an instance over SSH.

Separate from the other ways because it alone loads paramiko, and because here the care goes into the other side: the
host key must be known beforehand, and a host that hangs at any point must not hang us.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from orchestrator.comfyui.commands import last_words, raise_for_code
from orchestrator.comfyui.errors import RestartFailed
from orchestrator.comfyui.trust import Trust, login_key, trust_of

if TYPE_CHECKING:
    import paramiko

CONNECT_TIMEOUT_S = 10.0
MAX_OUTPUT_BYTES = 64 * 1024
LAST_OUTPUT_S = 1.0
"""Seconds for the rest of the output after the exit code. A server left in the background may hold it open for ever."""

# What it has to say comes as an exception; its log would reach the terminal of whoever watches the night.
logging.getLogger("paramiko").addHandler(logging.NullHandler())


@dataclass(frozen=True)
class SshTarget:
    """Where to log in."""

    user: str
    host: str
    port: int = 22

    def __str__(self) -> str:
        """Return it for messages."""
        return f"{self.user}@{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> SshTarget:
        """Read `user@host`, `user@host:port` or `user@[v6]:port`.

        Raises:
            RestartFailed: it is none of them.
        """
        user, at, rest = text.strip().rpartition("@")
        host, port = rest, "22"
        if rest.startswith("["):
            host, _, after = rest[1:].partition("]")
            port = after.removeprefix(":") or "22"
        elif rest.count(":") == 1:
            host, _, port = rest.partition(":")
        if not at or not user or not host or not port.isdigit() or not 0 < int(port) < 65536:
            raise RestartFailed(f"found `{text}` under `ssh`; expected user@host or user@host:port")
        return cls(user, host, int(port))


@dataclass(frozen=True)
class SshRestart:
    """A command on another machine, as the account there runs it.

    Args:
        target: `user@host` or `user@host:port`.
        command: Run by the account's shell there, such as `sudo -n systemctl restart comfyui@0`.
        known_hosts: The host's key must be in it; an unknown or changed key is refused.
        key: Private key file; without one, the agent and the usual keys of the account here.
        timeout_s: Seconds that the command may take.
        connect_timeout_s: Seconds for the connection, and again for the greeting and for the login.
    """

    target: str
    command: str
    known_hosts: Path
    key: Path | None = None
    timeout_s: float = 60.0
    connect_timeout_s: float = CONNECT_TIMEOUT_S

    def restart(self) -> None:
        """Log in and run the command; exit code 0 is success."""
        self.run(self.command)

    def check(self) -> None:
        """Log in and ask whether the command may be run, without running it.

        With `sudo -n`, sudo is asked whether it allows the command word for word; else whether its program is there.

        Raises:
            RestartFailed: as a restart would, with what the operator can do.
        """
        self.run(asking(self.command))

    def run(self, command: str) -> bytes:
        """Log in, run a command and return the end of what it printed, both streams. Blocks until it has ended.

        Raises:
            RestartFailed: the login or the command failed; the message says how, and what to do.
        """
        where = SshTarget.parse(self.target)
        with self._logged_in(where) as client:
            return self._run(client, where, command)

    @contextmanager
    def _logged_in(self, where: SshTarget) -> Iterator[paramiko.SSHClient]:
        import paramiko

        trust = trust_of(self.known_hosts.expanduser(), where.user, where.host, port=where.port)
        client = paramiko.SSHClient()
        client.set_missing_host_key_policy(cast(paramiko.MissingHostKeyPolicy, trust))
        try:
            if self.key is None:
                self._connect(client, where, trust, allow_agent=True, look_for_keys=True)
            else:
                with login_key(self.key.expanduser()) as key:
                    self._connect(client, where, trust, pkey=key, allow_agent=False, look_for_keys=False)
            yield client
        finally:
            client.close()

    def _connect(self, client: paramiko.SSHClient, where: SshTarget, trust: Trust, **login: Any) -> None:
        import paramiko

        try:
            client.connect(
                where.host,
                where.port,
                username=where.user,
                timeout=self.connect_timeout_s,
                banner_timeout=self.connect_timeout_s,
                auth_timeout=self.connect_timeout_s,
                channel_timeout=self.connect_timeout_s,
                transport_factory=trust.transport,
                **login,
            )
        except paramiko.PasswordRequiredException as error:
            raise RestartFailed(
                f"{where}: the usual key of this account has a passphrase, and no agent holds it. Name a key without "
                "one as `key`, or load it into an ssh-agent that Nightreel can reach"
            ) from error
        except paramiko.AuthenticationException as error:
            raise RestartFailed(
                f"{where} did not accept our key ({self.key or 'agent and usual keys'}): its public half must be in "
                f"~{where.user}/.ssh/authorized_keys there, in a folder that only that account may write"
            ) from error
        except (paramiko.SSHException, OSError, EOFError, ValueError) as error:
            raise RestartFailed(self._connect_problem(where, error)) from error

    def _connect_problem(self, where: SshTarget, error: BaseException) -> str:
        text = str(error) or type(error).__name__
        if "No authentication methods available" in text:
            return f"there is no key to log in to {where} with: name one as `key`, or load one into an ssh-agent"
        if isinstance(error, TimeoutError):
            return f"{where} did not answer within {self.connect_timeout_s:g} s"
        if "protocol banner" in text or "No existing session" in text:
            return (
                f"{where} took the connection and did not greet as an SSH server within {self.connect_timeout_s:g} s: "
                "is it the port of its SSH server, and is the machine overloaded?"
            )
        return f"no SSH connection to {where}: {text}"

    def _run(self, client: paramiko.SSHClient, where: SshTarget, command: str) -> bytes:
        """Run the command and wait for its exit code, for as long as it may take and no longer."""
        import paramiko

        shown = f"`{command}` on {where.host}"
        try:
            transport = client.get_transport()
            if transport is None:
                raise EOFError("the connection is closed")
            channel = transport.open_session(timeout=self.connect_timeout_s)
            channel.set_combine_stderr(True)
            channel.exec_command(command)
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise RestartFailed(f"the connection ended while {shown} ran: {error or type(error).__name__}") from error
        output = _Output(channel)
        has_ended = channel.status_event.wait(self.timeout_s)
        said = output.so_far(wait_s=LAST_OUTPUT_S if has_ended else 0.0)
        if not has_ended:
            raise RestartFailed(f"{shown} had not ended after {self.timeout_s:g} s{last_words(said)}")
        if channel.exit_status == -1:
            raise RestartFailed(f"the connection ended before {shown} told its exit code{last_words(said)}")
        raise_for_code(channel.exit_status, shown, said)
        return said


class _Output:
    """Reads what a command prints, in a thread: unread output would hold the command up once the window is full."""

    def __init__(self, channel: paramiko.Channel) -> None:
        self._channel = channel
        self._kept = bytearray()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._read, name="ssh output", daemon=True)
        self._thread.start()

    def so_far(self, *, wait_s: float) -> bytes:
        """Return the end of it, after waiting a while for the last of it."""
        self._thread.join(wait_s)
        with self._lock:
            return bytes(self._kept)

    def _read(self) -> None:
        try:
            while chunk := self._channel.recv(8192):
                with self._lock:
                    self._kept.extend(chunk)
                    del self._kept[:-MAX_OUTPUT_BYTES]
        except OSError:
            return  # the connection is gone: what was read is what there is


def asking(command: str) -> str:
    """Return a command line that asks whether another one may be run: by sudo's own list, or by the shell."""
    words = command.split()
    if words[:1] == ["sudo"]:
        rest = [word for word in words[1:] if word not in ("-n", "--non-interactive")]
        return " ".join(["sudo", "-n", "-l", *rest])
    return f"command -v {words[0]}" if words else "false"
