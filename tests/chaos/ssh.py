"""The SSH server of a night of chaos: through it, a restart command reaches the same machine, or does not."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncssh

DROPPED = 255
"""The exit code of a restart at which the connection is to be cut."""


@dataclass(frozen=True)
class Keys:
    """The files that both sides have, and what is wrong with them."""

    folder: Path
    fault: str  # "good", "unknown host", "wrong host", "wrong key" or "down"
    host_key: asyncssh.SSHKey

    @classmethod
    def make(cls, folder: Path, fault: str) -> Keys:
        """Write the keys into a folder."""
        user = asyncssh.generate_private_key("ssh-ed25519")
        user.write_private_key(str(folder / "id_ed25519"))
        stranger = asyncssh.generate_private_key("ssh-ed25519")
        (stranger if fault == "wrong key" else user).write_public_key(str(folder / "authorized_keys"))
        return cls(folder, fault, asyncssh.generate_private_key("ssh-ed25519"))

    def await_port(self) -> None:
        """Block until the server listens, and write what the client knows of it."""
        path = self.folder / "ssh.port"
        deadline = time.monotonic() + 10
        while not path.exists():
            if time.monotonic() > deadline:
                raise RuntimeError("the SSH server did not start")
            time.sleep(0.005)
        key = asyncssh.generate_private_key("ssh-ed25519") if self.fault == "wrong host" else self.host_key
        line = f"[127.0.0.1]:{self.port} {key.export_public_key().decode().strip()}\n"
        (self.folder / "known_hosts").write_text("" if self.fault == "unknown host" else line, encoding="utf-8")

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int((self.folder / "ssh.port").read_text())

    def config(self) -> dict[str, Any]:
        """Return the settings of a restart over this server."""
        port = 9 if self.fault == "down" else self.port  # nothing listens on the discard port
        return {
            "ssh": f"comfy@127.0.0.1:{port}",
            "key": str(self.folder / "id_ed25519"),
            "known_hosts": str(self.folder / "known_hosts"),
        }


def serve(keys: Keys, folder: Path) -> None:
    """Serve until the process ends."""
    asyncio.run(_serve(keys, folder))


async def _serve(keys: Keys, folder: Path) -> None:
    listener = await asyncssh.create_server(
        asyncssh.SSHServer,
        "127.0.0.1",
        0,
        server_host_keys=[keys.host_key],
        authorized_client_keys=str(folder / "authorized_keys"),
        process_factory=_run,
    )
    beside = folder / ".ssh.port"
    beside.write_text(str(listener.sockets[0].getsockname()[1]))
    os.replace(beside, folder / "ssh.port")
    await asyncio.Event().wait()


async def _run(process: asyncssh.SSHServerProcess[str]) -> None:
    child = await asyncio.create_subprocess_exec(
        *str(process.command).split(), stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await child.communicate()
    if child.returncode == DROPPED:
        process.channel.get_connection().abort()
        return
    process.stdout.write(output.decode())
    process.exit(child.returncode or 0)
