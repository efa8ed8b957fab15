"""What a workflow is checked against: a server that answers, a saved object_info, or the embedded server's own list."""

from __future__ import annotations

import gzip
import json
import tempfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.clock import SystemClock
from orchestrator.comfyui.client import ComfyClient
from orchestrator.comfyui.errors import ComfyUIError
from orchestrator.comfyui.rehearsal import rehearse
from orchestrator.comfyui.workflow import Workflow
from orchestrator.errors import NotReadyError, WorkflowFileError
from orchestrator.settings import Settings

if TYPE_CHECKING:
    from orchestrator.comfyui.replies import SystemStats

MAX_BYTES = 200_000_000
PATIENCE_S = 10.0


@dataclass(frozen=True)
class Known:
    """What is known of one server."""

    where: str  # for people
    object_info: Mapping[str, Any]
    vram_gib: float | None = None  # of its card, where it tells
    is_embedded: bool = False  # it stands in: what it lacks says nothing about a real one
    url: str = ""  # of a server that answers


def known_to_file(path: Path) -> Known:
    """Return what a saved answer of `GET /object_info` says; it may be packed by gzip.

    Raises:
        WorkflowFileError: it is something else.
    """
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rb") if packed else path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise WorkflowFileError(f"{path} has more than {MAX_BYTES:,} bytes; an object_info has a few million")
        found = json.loads(content)
    except OSError as error:
        raise WorkflowFileError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, EOFError, zlib.error, RecursionError) as error:
        raise WorkflowFileError(f"{path} is not JSON: save the answer of GET /object_info ({error})") from error
    if not isinstance(found, dict) or not any(isinstance(one, dict) and "input" in one for one in found.values()):
        raise WorkflowFileError(f"{path} holds no node classes; save the answer of GET /object_info")
    return Known(str(path), found)


def known_to_server(url: str) -> Known:
    """Return what a server says of itself. Blocks for some seconds.

    Raises:
        NotReadyError: it does not answer, or is no ComfyUI.
    """
    try:
        client = ComfyClient(url, client_id="nightreel-workflow", clock=SystemClock(), read_timeout_s=PATIENCE_S)
        try:
            stats = client.system_stats()
            return Known(url, client.object_info(), _vram_gib(stats), stats.preview, url)
        finally:
            client.close()
    except ComfyUIError as error:
        raise NotReadyError(str(error)) from error


def known_to_embedded() -> Known:
    """Return what the embedded server would say, without starting it."""
    from orchestrator.embedded.files import Folders
    from orchestrator.embedded.models import ModelFiles
    from orchestrator.embedded.nodes import NODES
    from orchestrator.embedded.schemas import Schemas

    with tempfile.TemporaryDirectory(prefix="nightreel-") as folder:
        schemas = Schemas(Folders(Path(folder)), ModelFiles(Path(folder)), classes=frozenset(NODES))
        return Known("the embedded server", schemas.all(), is_embedded=True)


def refused_by(known: Known, workflow: Workflow) -> tuple[str, ...]:
    """Have the server that answers check a graph without running it; return what it would refuse.

    Raises:
        NotReadyError: it does not answer any more.
    """
    client = ComfyClient(known.url, client_id="nightreel-workflow", clock=SystemClock(), read_timeout_s=PATIENCE_S)
    try:
        problems = rehearse(client, workflow.fitted_to(known.object_info), object_info=known.object_info)
    except ComfyUIError as error:
        raise NotReadyError(str(error)) from error
    finally:
        client.close()
    return tuple(str(problem) for problem in problems)


def urls_of(settings: Settings) -> tuple[str, ...]:
    """Return the addresses of the instances that work; none when the embedded ones do."""
    return tuple(one.url for one in settings.comfyui.instances if one.role == "work" and one.url)


def _vram_gib(stats: SystemStats) -> float | None:
    if stats.preview or not stats.devices or not stats.devices[0].vram_total_bytes:
        return None
    return stats.devices[0].vram_total_bytes / 2**30
