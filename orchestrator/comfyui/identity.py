"""Which server process answers at an address: a boot id, also for servers that tell none.

The embedded server tells one in /system_stats. A real ComfyUI has neither id nor uptime, but it empties its temp folder
whenever it starts: a small file that we put there lives exactly as long as the process does. Its content is the id.
Whoever finds none puts one there, and all who ask later, another night of ours too, read the same.

What can be known by it: the same id means the same process. Another id, or none where there was one, means another
process, with one exception: two instances that share a temp folder empty it for each other (docs/operations.md says why
each must have its own). None means that nothing is known: an old or odd server that keeps no such file.
"""

from __future__ import annotations

import re
import uuid

from orchestrator.comfyui.client import ComfyClient
from orchestrator.comfyui.errors import ComfyUIError, InstanceDown

MARKER = "nightreel_boot.txt"
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def identity(client: ComfyClient, *, plant: bool = True, read_timeout_s: float = 5.0) -> str | None:
    """Return the id of the process that answers; None where it cannot be told.

    Costs one or two small requests, and one more for a process that is asked for the first time.

    Args:
        client: How to ask.
        plant: Put a marker there when there is none; without it, such a process has no id yet.
        read_timeout_s: Seconds to wait for each answer.

    Raises:
        InstanceDown: it does not answer.
        NotComfyUI: something else does.
    """
    boot_id = client.system_stats(read_timeout_s=read_timeout_s).boot_id
    if boot_id is not None:
        return boot_id
    try:
        found = _read_marker(client, read_timeout_s=read_timeout_s)
        if found is None and plant:
            _write_marker(client, read_timeout_s=read_timeout_s)
            found = _read_marker(client, read_timeout_s=read_timeout_s)  # another one may have been quicker
        return found
    except InstanceDown:
        raise
    except ComfyUIError:
        return None  # it keeps no files for us; there are other signs of a restart


def has_changed(client: ComfyClient, before: str, *, read_timeout_s: float = 5.0) -> bool:
    """Tell whether another process answers than the one with this id. Puts no marker anywhere.

    Raises:
        ComfyUIError: it cannot be told now: no answer, or an odd one.
    """
    boot_id = client.system_stats(read_timeout_s=read_timeout_s).boot_id
    return (boot_id or _read_marker(client, read_timeout_s=read_timeout_s)) != before


def _read_marker(client: ComfyClient, *, read_timeout_s: float) -> str | None:
    response = client.http.send(
        "GET", "/view", params={"filename": MARKER, "type": "temp"}, read_timeout_s=read_timeout_s
    )
    if response.status_code == 404:
        return None
    client.http.check_status(response, "GET /view")
    text = response.content[:100].decode("utf-8", errors="replace").strip()
    return text if _ID.fullmatch(text) else None


def _write_marker(client: ComfyClient, *, read_timeout_s: float) -> None:
    files = {"image": (MARKER, f"{uuid.uuid4()}\n".encode(), "text/plain"), "type": (None, "temp")}
    response = client.http.send("POST", "/upload/image", files=files, read_timeout_s=read_timeout_s)
    client.http.check_status(response, "POST /upload/image")
