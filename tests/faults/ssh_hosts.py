"""SSH servers on loopback for tests: a real OpenSSH server where one is installed, and asyncssh's everywhere.

Both run commands by a real shell, with a folder of stand-in programs first on the PATH, and both sit behind a socket of
ours, so that a connection can be made to come late or to break at a chosen moment. OpenSSH runs as inetd would run it
(`sshd -i`): no port has to be guessed, and nothing outlives its connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh

from orchestrator.comfyui.ssh import SshRestart

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
RESTART = "sudo -n systemctl restart comfyui@0"


def has_openssh(folder: Path) -> bool:
    """Tell whether a real OpenSSH server can be run by this account."""
    if SSHD is None:
        return False
    key = folder / "probe"
    write_key(key, asyncssh.generate_private_key("ssh-ed25519"))
    return subprocess.run([SSHD, "-t", "-h", key, "-f", "/dev/null"], capture_output=True, check=False).returncode == 0


def write_key(path: Path, key: asyncssh.SSHKey, *, passphrase: str | None = None) -> Path:
    """Write a private key and its public half as ssh-keygen does."""
    key.write_private_key(str(path), passphrase=passphrase)
    key.write_public_key(f"{path}.pub")
    path.chmod(0o600)
    return path


@dataclass
class SshHost:
    """What both kinds of host share: their keys, their programs, and the client's files."""

    folder: Path
    connections: list[socket.socket] = field(default_factory=list)
    may_greet: threading.Event = field(default_factory=threading.Event)  # unset: connections are taken and left
    port: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _is_closed: bool = False

    def __post_init__(self) -> None:
        for name in ("bin", "client", "host"):
            (self.folder / name).mkdir()
        self.host_keys = [
            asyncssh.generate_private_key("ssh-ed25519"),
            asyncssh.generate_private_key("ecdsa-sha2-nistp256"),
        ]
        for number, key in enumerate(self.host_keys):
            write_key(self.folder / "host" / f"key{number}", key)
        self.user_key = asyncssh.generate_private_key("ssh-ed25519")
        write_key(self.key, self.user_key)
        self.let_in(self.user_key)
        self.program("sudo", 'echo "sudo $*" >> "$LOG"; test "$1" = -n || exit 9')
        self.may_greet.set()
        self.user = pwd.getpwuid(os.geteuid()).pw_name

    @property
    def key(self) -> Path:
        """The client's private key."""
        return self.folder / "client" / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        """The client's known_hosts."""
        return self.folder / "client" / "known_hosts"

    @property
    def done(self) -> list[str]:
        """What the stand-in programs were asked to do."""
        log = self.folder / "log"
        return log.read_text().splitlines() if log.exists() else []

    @property
    def environment(self) -> dict[str, str]:
        return {"PATH": f"{self.folder / 'bin'}:/usr/bin:/bin", "LOG": str(self.folder / "log")}

    def program(self, name: str, text: str) -> None:
        """Put a program on the host's PATH, in place of the one that is there."""
        path = self.folder / "bin" / name
        path.write_text(f'#!/bin/sh\necho $$ >> "$LOG.pids"\n{text}\n')
        path.chmod(0o755)

    def let_in(self, *keys: asyncssh.SSHKey) -> None:
        """Write authorized_keys."""
        lines = [key.export_public_key().decode() for key in keys]
        (self.folder / "host" / "authorized_keys").write_text("".join(lines))

    def known(self, *keys: asyncssh.SSHKey, name: str | None = None, mark: str = "") -> list[str]:
        """Return lines for known_hosts."""
        name = name or f"[127.0.0.1]:{self.port}"
        return [f"{mark}{name} {' '.join(key.export_public_key().decode().split()[:2])}\n" for key in keys]

    def know(self, *lines: str) -> None:
        """Write known_hosts."""
        self.known_hosts.write_text("".join(lines))

    def restarter(self, **changes: Any) -> SshRestart:
        """Return what an owner's config.yaml would give."""
        values: dict[str, Any] = {
            "command": RESTART,
            "known_hosts": self.known_hosts,
            "key": self.key,
            "timeout_s": 10.0,
            "connect_timeout_s": 10.0,
        }
        target = changes.pop("target", f"{self.user}@127.0.0.1:{self.port}")
        return SshRestart(target, **{**values, **changes})

    def cut(self) -> None:
        """Break every connection."""
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def serve(self, connection: socket.socket) -> None:
        """Speak SSH on a connection until it ends."""
        raise NotImplementedError

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self._greet, args=(connection,), daemon=True).start()

    def _greet(self, connection: socket.socket) -> None:
        self.may_greet.wait(20)
        with self._lock:
            if not self._is_closed:
                self.serve(connection)

    @contextlib.contextmanager
    def listening(self) -> Iterator[SshHost]:
        """Take connections for as long as the block lasts."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
            self.know(*self.known(self.host_keys[0]))
            thread = threading.Thread(target=self._accept, args=(listener,), daemon=True)
            thread.start()
            try:
                yield self
            finally:
                listener.shutdown(socket.SHUT_RDWR)
                thread.join(5)
                with self._lock:
                    self._is_closed = True
                self.may_greet.set()
                self.cut()
                self._end_programs()
                self.close()
                for connection in self.connections:
                    connection.close()

    def close(self) -> None:
        """End what serves."""

    def _end_programs(self) -> None:
        """End what was run and goes on: no server does, when its client has gone."""
        pids = self.folder / "log.pids"
        for pid in pids.read_text().split() if pids.exists() else ():
            with contextlib.suppress(OSError):
                if str(self.folder).encode() in Path(f"/proc/{pid}/environ").read_bytes():
                    os.kill(int(pid), signal.SIGKILL)


@dataclass
class OpenSshHost(SshHost):
    """Debian's sshd, one process a connection."""

    servers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        host = self.folder / "host"
        settings = [
            *(f"HostKey {host / f'key{number}'}" for number in range(len(self.host_keys))),
            f"AuthorizedKeysFile {host / 'authorized_keys'}",
            *("StrictModes no", "UsePAM no", "PidFile none", "PermitRootLogin prohibit-password"),
            *("PasswordAuthentication no", "KbdInteractiveAuthentication no"),
            "SetEnv " + " ".join(f'"{name}={value}"' for name, value in self.environment.items()),
        ]
        (host / "sshd_config").write_text("\n".join(settings) + "\n")

    def serve(self, connection: socket.socket) -> None:
        assert SSHD is not None
        host = self.folder / "host"
        command = [SSHD, "-i", "-f", str(host / "sshd_config"), "-E", str(host / "sshd.log")]
        self.servers.append(subprocess.Popen(command, stdin=connection, stdout=connection, stderr=subprocess.DEVNULL))

    def close(self) -> None:
        for server in self.servers:
            try:
                server.wait(5)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


@dataclass
class AsyncSshHost(SshHost):
    """asyncssh's server, for machines without OpenSSH's."""

    shells: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def serve(self, connection: socket.socket) -> None:
        asyncio.run_coroutine_threadsafe(self._serve(connection), self._loop)

    async def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, asyncssh.Error):
            await asyncssh.run_server(
                connection.dup(),
                server_host_keys=self.host_keys,
                authorized_client_keys=str(self.folder / "host" / "authorized_keys"),
                process_factory=self._run,
                encoding=None,
            )

    async def _run(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        """Run a command by the shell, and hand out its exit code without waiting for others who hold its output."""
        shell = subprocess.Popen(
            ["/bin/sh", "-c", str(process.command)],
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.shells.append(shell)
        pump = asyncio.ensure_future(self._pump(shell, process))
        code = await self._loop.run_in_executor(None, shell.wait)
        await asyncio.wait([pump], timeout=0.1)
        pump.cancel()
        with contextlib.suppress(OSError, asyncssh.Error):
            process.exit(code) if code >= 0 else process.exit_with_signal("KILL")

    async def _pump(self, shell: subprocess.Popen[bytes], process: asyncssh.SSHServerProcess[bytes]) -> None:
        assert shell.stdout is not None
        with contextlib.suppress(OSError, asyncssh.Error):
            while chunk := await self._loop.run_in_executor(None, os.read, shell.stdout.fileno(), 8192):
                process.stdout.write(chunk)
                await process.stdout.drain()

    def close(self) -> None:
        for shell in self.shells:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)

        async def end() -> None:
            await self._loop.shutdown_default_executor()
            left = asyncio.all_tasks() - {asyncio.current_task()}
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        for shell in self.shells:
            assert shell.stdout is not None
            shell.stdout.close()
