"""Bringing a prompt's outputs home: which file the manifest means, fetched whole, checked, and only then named.

A file lies under its final name only when it is complete and is what it claims to be. Every name that the server gives
is data: of it, only a short, harmless file ending reaches our disk.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import requests

from orchestrator.comfyui.errors import BadDownload, ConnectionBroken, OutputMissing, WrongMedia
from orchestrator.comfyui.graphs import find_nodes
from orchestrator.comfyui.media import Expected, check_media
from orchestrator.comfyui.replies import HistoryEntry, OutputFile
from orchestrator.comfyui.transport import Transport
from steps.errors import DiskFull, is_disk_full
from steps.manifest import OutputSpec

TRIES = 3
CHUNK_BYTES = 256 * 1024
SUFFIXES = {
    "image": frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".exr"}),
    "audio": frozenset({".flac", ".wav", ".mp3", ".opus", ".ogg", ".m4a", ".aac"}),
    "video": frozenset({".mp4", ".webm", ".mkv", ".mov", ".webp", ".gif", ".avi"}),
}


def collect(http: Transport, entry: HistoryEntry, *, outputs: Mapping[str, OutputSpec], into: Path) -> dict[str, Path]:
    """Do what `ComfyClient.collect` promises."""
    wanted = {name: choose(entry, name, spec=spec) for name, spec in outputs.items()}  # all missing ones first
    return {name: _fetch(http, file, name=name, spec=outputs[name], into=into) for name, file in wanted.items()}


def choose(entry: HistoryEntry, name: str, *, spec: OutputSpec) -> OutputFile:
    """Return the file that an output of the manifest means.

    The node decides. The key is a preference only, since the same kind of file is under different keys by node; so is
    the file's ending. Files of type `temp` are previews: the server wipes them when it starts.

    Raises:
        OutputMissing: there is no such file; says what there is instead.
    """
    nodes = set(find_nodes(entry.graph, spec.node))
    files = [file for file in entry.files() if file.folder != "temp"]
    mine = [file for file in files if _submitted_node(entry, file.node_id) in nodes]
    ranked = sorted(mine, key=lambda file: (not _fits(file, spec), bool(spec.key) and file.key != spec.key))
    if ranked and (_fits(ranked[0], spec) or len(nodes) == 1):
        return ranked[0]
    raise OutputMissing(
        f"the prompt succeeded without the output `{name}` ({spec.media} of node `{spec.node}`): {_instead(entry)}",
        prompt_id=entry.prompt_id,
        output=name,
    )


def _submitted_node(entry: HistoryEntry, node_id: str) -> str:
    """Return the node that was submitted, for one that an expanding node made."""
    return entry.display_nodes.get(node_id, node_id)


def _fits(file: OutputFile, spec: OutputSpec) -> bool:
    return PurePosixPath(file.filename).suffix.lower() in SUFFIXES[spec.media]


def _instead(entry: HistoryEntry) -> str:
    files = [f"{safe_name(file.filename)} of node #{file.node_id}" for file in entry.files()]
    if files:
        return f"it made {', '.join(files[:4])}{' …' if len(files) > 4 else ''}"
    if any(isinstance(node, dict) and node.get("class_type") == "SaveImageWebsocket" for node in entry.graph.values()):
        return "SaveImageWebsocket leaves no file; use SaveImage"
    if entry.outputs:
        return f"it made no files; nodes {', '.join(map(str, entry.outputs))} showed something else"
    return "it made nothing; a node may have blocked the branch"


def _fetch(http: Transport, file: OutputFile, *, name: str, spec: OutputSpec, into: Path) -> Path:
    """Download and check one output; a file that does not decode is fetched again, since the copy may be at fault."""
    expected = Expected(
        width=spec.fixed("width"),
        height=spec.fixed("height"),
        frames=spec.fixed("frames"),
        fps=spec.fixed("fps"),
        min_duration_s=spec.fixed("min_duration_s"),
        max_duration_s=spec.fixed("max_duration_s"),
    )
    final = into / f"{name}{safe_suffix(file.filename)}"
    for left in reversed(range(TRIES)):
        part = _fetch_whole(http, file, part=into / f".{final.name}.part")
        try:
            check_media(part, spec.media, expected=expected)
        except WrongMedia:
            part.unlink(missing_ok=True)
            raise
        except BadDownload as error:
            part.unlink(missing_ok=True)
            if left == 0:
                raise BadDownload(f"the output `{name}` is damaged on the server: {error.reason}") from error
            continue
        return _publish(part, final)
    raise AssertionError("unreachable: the last try returns or raises")


def download(http: Transport, file: OutputFile, *, into: Path, name: str | None = None) -> Path:
    """Do what `ComfyClient.download` promises."""
    final = into / safe_name(name or file.filename)
    return _publish(_fetch_whole(http, file, part=into / f".{final.name}.part"), final)


def _fetch_whole(http: Transport, file: OutputFile, *, part: Path) -> Path:
    """Fetch a file to `part`, synced, with as many bytes as the server announced; three tries."""
    for left in reversed(range(TRIES)):
        try:
            _stream(http, file, part)
        except (BadDownload, ConnectionBroken) as error:
            part.unlink(missing_ok=True)
            if left == 0:
                raise BadDownload(f"{safe_name(file.filename)} did not arrive whole: {error.reason}") from error
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        else:
            return part
    raise AssertionError("unreachable: the last try returns or raises")


def _stream(http: Transport, file: OutputFile, part: Path) -> None:
    params = {"filename": file.filename, "subfolder": file.subfolder, "type": file.folder}
    with http.borrow() as session, http.mapped_errors("GET", "/view"):
        response = session.get(
            f"{http.url}/view",
            params=params,
            headers={"Accept-Encoding": "identity"},  # so that Content-Length counts the bytes of the file
            timeout=(http.connect_timeout_s, http.read_timeout_s),
            allow_redirects=False,
            stream=True,
        )
        with response:
            if response.status_code == 404:
                shown = safe_name(file.filename)
                raise OutputMissing(f"{http.url} names {shown} as an output and does not have it (any more)")
            http.check_status(response, "GET /view")
            written = _write(response, part)
    announced = response.headers.get("Content-Length", "")
    encoded = response.headers.get("Content-Encoding", "identity") != "identity"  # a proxy that compresses anyway
    if announced.isdigit() and int(announced) != written and not encoded:
        raise BadDownload(f"{written} of {announced} bytes arrived")
    if written == 0:
        raise BadDownload("it is empty")


def _write(response: requests.Response, part: Path) -> int:
    written = 0
    try:
        with part.open("wb") as sink:
            for chunk in response.iter_content(CHUNK_BYTES):
                written += sink.write(chunk)
            sink.flush()
            os.fsync(sink.fileno())
    except requests.RequestException:
        raise
    except OSError as error:
        if is_disk_full(error):
            raise DiskFull(f"no room left for {part.parent}") from error
        raise
    return written


def _publish(part: Path, final: Path) -> Path:
    """Give a complete file its name; the name is synced too, so that it survives a power cut."""
    part.replace(final)
    folder = os.open(final.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return final


def safe_name(name: str) -> str:
    """Return the last part of a server's file name as a harmless file name of our own."""
    last = PurePosixPath(name.replace("\\", "/")).name
    kept = re.sub(r"[^\w.()+ -]", "_", last).strip(". ")[-120:]
    return kept or "file"


def safe_suffix(name: str) -> str:
    """Return the ending of a server's file name, lower case, or nothing where it is not a plain one."""
    suffix = PurePosixPath(name.replace("\\", "/")).suffix.lower()
    return suffix if re.fullmatch(r"\.[a-z0-9]{1,8}", suffix) else ""
