"""Restarting an instance over SSH.

Separate from the other ways because it alone loads paramiko, and because here the care goes into the other side: the
host key must be known beforehand, and a host that hangs at any point must not hang us.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.comfyui.commands import last_words
from orchestrator.comfyui.errors import RestartFailed

if TYPE_CHECKING:
    import paramiko

CONNECT_TIMEOUT_S = 10.0
MAX_OUTPUT_BYTES = 64 * 1024


@dataclass(frozen=True)
class SshTarget:
    """Where to log in."""

    user: str
    host: str
    port: int = 22

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
        connect_timeout_s: Seconds for the connection, and again for the login.
    """

    target: str
    command: str
    known_hosts: Path
    key: Path | None = None
    timeout_s: float = 60.0
    connect_timeout_s: float = CONNECT_TIMEOUT_S

    def restart(self) -> None:
        """Log in and run the command; exit code 0 is success."""
        import paramiko

        where = SshTarget.parse(self.target)
        client = paramiko.SSHClient()
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        try:
            self._load_known_hosts(client)
            self._connect(client, where)
            self._run(client, where)
        finally:
            client.close()

    def _load_known_hosts(self, client: paramiko.SSHClient) -> None:
        import paramiko

        path = self.known_hosts.expanduser()
        try:
            client.load_host_keys(str(path))
        except (OSError, paramiko.SSHException, ValueError) as error:
            raise RestartFailed(f"the known_hosts file {path} cannot be read: {error}") from error

    def _connect(self, client: paramiko.SSHClient, where: SshTarget) -> None:
        import paramiko

        shown = f"{where.user}@{where.host}:{where.port}"
        key = str(self.key.expanduser()) if self.key is not None else None
        try:
            client.connect(
                where.host,
                where.port,
                username=where.user,
                key_filename=key,
                allow_agent=key is None,
                look_for_keys=key is None,
                timeout=self.connect_timeout_s,
                banner_timeout=self.connect_timeout_s,
                auth_timeout=self.connect_timeout_s,
                channel_timeout=self.connect_timeout_s,
            )
        except paramiko.BadHostKeyException as error:
            raise RestartFailed(
                f"{shown} showed another host key than the one in {self.known_hosts}. If the machine was set up anew, "
                "replace its line there; if not, somebody may stand in between",
            ) from error
        except paramiko.AuthenticationException as error:
            raise RestartFailed(f"{shown} did not accept our key ({key or 'agent and usual keys'})") from error
        except (paramiko.SSHException, OSError, EOFError, ValueError) as error:
            raise RestartFailed(self._connect_problem(shown, error)) from error

    def _connect_problem(self, shown: str, error: BaseException) -> str:
        text = str(error) or type(error).__name__
        if "not found in known_hosts" in text:
            host = SshTarget.parse(self.target)
            return (
                f"the host key of {shown} is not in {self.known_hosts}; log in once by hand, or run "
                f"`ssh-keyscan -p {host.port} {host.host}` and compare what it prints with the machine itself"
            )
        if isinstance(error, TimeoutError):
            return f"{shown} did not answer within {self.connect_timeout_s:g} s"
        return f"no SSH connection to {shown}: {text}"

    def _run(self, client: paramiko.SSHClient, where: SshTarget) -> None:
        """Run the command and wait for its exit code, for as long as it may take and no longer."""
        import paramiko

        shown = f"`{self.command}` on {where.host}"
        try:
            transport = client.get_transport()
            if transport is None:
                raise EOFError("the connection is closed")
            channel = transport.open_session(timeout=self.connect_timeout_s)
            channel.set_combine_stderr(True)
            channel.exec_command(self.command)
            output = _read_all(channel, timeout_s=self.timeout_s)
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise RestartFailed(f"the connection ended while {shown} ran: {error or type(error).__name__}") from error
        if output is None:
            raise RestartFailed(f"{shown} had not ended after {self.timeout_s:g} s")
        status = channel.recv_exit_status() if channel.exit_status_ready() else -1
        if status == -1:
            raise RestartFailed(f"the connection ended before {shown} told its exit code{last_words(output)}")
        if status != 0:
            raise RestartFailed(f"{shown} ended with exit code {status}{last_words(output)}", exit_code=status)


def _read_all(channel: paramiko.Channel, *, timeout_s: float) -> bytes | None:
    """Return what the command printed until it ended; None when it had not ended in time."""
    output = bytearray()
    done = threading.Event()

    def read() -> None:
        try:
            while chunk := channel.recv(8192):
                del output[:-MAX_OUTPUT_BYTES]
                output.extend(chunk)
            channel.status_event.wait(5.0)
        finally:
            done.set()

    # `recv` knows only a limit for each piece, and a command may print for ever: the whole is limited here.
    threading.Thread(target=read, name="ssh output", daemon=True).start()
    return bytes(output) if done.wait(timeout_s) else None
