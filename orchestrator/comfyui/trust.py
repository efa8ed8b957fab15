"""Whom we trust over SSH and what we log in with: known_hosts, the private key, the agent.

Apart from `ssh.py`, because these are decisions about files and keys of this machine, made before anything is sent.
paramiko's own reading is not used where it is laxer than OpenSSH (it ignores `@revoked`) or tells the wrong thing (it
tries a key file as every kind of key and reports the last).
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.comfyui.errors import RestartFailed

if TYPE_CHECKING:
    import paramiko


@dataclass(frozen=True)
class Trust:
    """The keys that one host may show. A paramiko policy: everything else is refused."""

    keys: tuple[paramiko.PKey, ...]
    known_hosts: Path
    login: str  # for messages, such as comfy@gpu-box:22
    keyscan: str  # the command that shows the keys of that host

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        """Accept one of the keys.

        Raises:
            RestartFailed: it is none of them.
        """
        if key in self.keys:
            return
        if not self.keys:
            raise RestartFailed(
                f"the host key of {self.login} is not in {self.known_hosts}; log in once by hand, or run "
                f"`{self.keyscan}` and compare what it prints with the machine itself"
            )
        raise RestartFailed(
            f"{self.login} showed another host key than the one in {self.known_hosts}. If the machine was set up anew, "
            "replace its line there; if not, somebody may stand in between"
        )

    def transport(self, sock: Any, **options: Any) -> paramiko.Transport:
        """Return a connection that asks for the kinds of key that are known first: a host has one of each kind."""
        import paramiko

        transport = paramiko.Transport(sock, **options)
        security = transport.get_security_options()
        known = {key.get_name() for key in self.keys}
        ordered = sorted(security.key_types, key=lambda kind: ("ssh-rsa" if "rsa" in kind else kind) not in known)
        security.key_types = tuple(ordered)
        return transport


def trust_of(known_hosts: Path, user: str, host: str, *, port: int) -> Trust:
    """Return the keys that a host may show, as OpenSSH reads the file.

    Hashed names, several names a line, `[host]:port` for another port than 22, where a line without a port is the
    second choice, and no key that is `@revoked`. Patterns such as `*.lan` are not followed.

    Raises:
        RestartFailed: the file cannot be read.
    """
    try:
        lines = known_hosts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise RestartFailed(
            f"the known_hosts file {known_hosts} cannot be read: {error.strerror}. Log in once by hand from the "
            "account that runs Nightreel, and compare the key that is shown with the machine itself"
        ) from error
    entries, revoked = _entries(lines)
    keys: list[paramiko.PKey] = []
    for wanted in (host,) if port == 22 else (f"[{host}]:{port}", host):
        keys = keys or [key for names, key in entries if any(_is_name(wanted, one) for one in names)]
    allowed = tuple(key for key in keys if key.get_base64() not in revoked)
    return Trust(allowed, known_hosts, f"{user}@{host}:{port}", f"ssh-keyscan -p {port} {host}")


def _entries(lines: list[str]) -> tuple[list[tuple[list[str], paramiko.PKey]], set[str]]:
    import paramiko
    from paramiko.hostkeys import HostKeyEntry, InvalidHostKey

    entries: list[tuple[list[str], paramiko.PKey]] = []
    revoked: set[str] = set()
    for line in (raw.strip() for raw in lines):
        if line.startswith("@revoked"):
            revoked.update(line.split()[3:4])
        elif line and not line.startswith(("#", "@")):
            # One broken line, or a kind of key that paramiko does not know, says nothing about the others.
            with suppress(paramiko.SSHException, InvalidHostKey, ValueError):
                entry = HostKeyEntry.from_line(" ".join(line.split()))
                if entry is not None and entry.key is not None:
                    entries.append((list(entry.hostnames or ()), entry.key))
    return entries, revoked


def _is_name(wanted: str, found: str) -> bool:
    import paramiko

    if not found.startswith("|1|"):
        return wanted.lower() == found.lower()
    try:
        return paramiko.HostKeys.hash_host(wanted.lower(), found) == found
    except (ValueError, AssertionError, IndexError):  # binascii.Error is a ValueError
        return False


@contextmanager
def login_key(path: Path) -> Iterator[paramiko.PKey]:
    """Lend the private key of a file, or the agent's hold of the same key where the file has a passphrase.

    Raises:
        RestartFailed: it is missing, no private key, or has a passphrase and the agent does not hold it.
    """
    import paramiko

    try:
        key = _load(path)
    except _HasPassphrase as error:
        agent = paramiko.Agent()
        try:
            held = _same_key(agent, path)
            if held is None:
                raise RestartFailed(
                    f"the key {path} has a passphrase, and nobody is there at night to type it. Either load it into an "
                    f"ssh-agent that Nightreel can reach (ssh-add {path}; SSH_AUTH_SOCK must be set where it runs), or "
                    "make a key without a passphrase for this alone"
                ) from error
            yield held
        finally:
            agent.close()
    else:
        yield key


class _HasPassphrase(Exception):
    """The key file has a passphrase."""


def _load(path: Path) -> paramiko.PKey:
    import paramiko
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        if stat.S_ISDIR(path.stat().st_mode):
            raise RestartFailed(f"{path} is a folder; expected a private key file under `key`")
        return paramiko.PKey.from_path(path)
    except OSError as error:
        raise RestartFailed(f"the key {path} cannot be read: {error.strerror}") from error
    except (TypeError, paramiko.PasswordRequiredException) as error:
        raise _HasPassphrase from error  # cryptography's way to say that a password was not given
    except (paramiko.SSHException, ValueError, UnsupportedAlgorithm, paramiko.pkey.UnknownKeyType) as error:
        if "password" in str(error).lower():
            raise _HasPassphrase from error
        hint = "; that is the public half, name the file without .pub" if path.suffix == ".pub" else ""
        raise RestartFailed(f"{path} is no private key that can be used{hint}: {error}") from error


def _same_key(agent: paramiko.Agent, path: Path) -> paramiko.PKey | None:
    """Return the agent's key that belongs to a key file, known by the public half that lies beside it."""
    try:
        public = path.with_name(path.name + ".pub").read_text(encoding="utf-8", errors="replace").split()
    except OSError:
        return None
    return next((key for key in agent.get_keys() if public[1:2] == [key.get_base64()]), None)
