"""Bringing a prompt's outputs home: which file the manifest means, fetched whole, checked, and only then named.

A file lies under its final name only when it is complete and is what it claims to be. Every name that the server gives
is data: of it, only a short, harmless file ending reaches our disk.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Protocol

import requests

from orchestrator.comfyui.errors import BadDownload, ConnectionBroken, FileGone, OutputMissing, Undecodable, WrongMedia
from orchestrator.comfyui.failures import refuse_stale
from orchestrator.comfyui.graphs import find_nodes
from orchestrator.comfyui.media import Expected, check_media
from orchestrator.comfyui.replies import HistoryEntry, OutputFile
from orchestrator.comfyui.transport import Transport
from steps.errors import DiskFull, is_disk_full
from steps.manifest import OutputSpec

TRIES = 3
MOST_TRIES = 20
CHUNK_BYTES = 64 * 1024  # also what is lost of a transfer that breaks off: a part of a chunk is not handed out
SUFFIXES = {
    "image": frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".exr"}),
    "audio": frozenset({".flac", ".wav", ".mp3", ".opus", ".ogg", ".m4a", ".aac"}),
    "video": frozenset({".mp4", ".webm", ".mkv", ".mov", ".webp", ".gif", ".avi"}),
}


class _Get(Protocol):
    """Brings one output here."""

    def __call__(self, file: OutputFile, *, path: Path) -> Path: ...


def collect(http: Transport, entry: HistoryEntry, *, outputs: Mapping[str, OutputSpec], into: Path) -> dict[str, Path]:
    """Do what `ComfyClient.collect` promises."""
    wanted = {name: choose(entry, name, spec=spec) for name, spec in outputs.items()}  # all missing ones first
    for file in wanted.values():
        refuse_stale(entry, file)
    if entry.on_disk is None:
        get = partial(_fetch_whole, http)
    else:
        get = partial(_copy_from, entry.on_disk)
    return {name: _fetch(get, file, name=name, spec=outputs[name], into=into) for name, file in wanted.items()}


def _copy_from(output_dir: Path, file: OutputFile, *, path: Path) -> Path:
    """Copy an output that lies on this machine; only salvaged names come here, which are names of our own."""
    return _copy(output_dir / file.subfolder / file.filename, path)


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


def _fetch(get: _Get, file: OutputFile, *, name: str, spec: OutputSpec, into: Path) -> Path:
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
        part = get(file, path=into / f".{final.name}.part")
        try:
            check_media(part, spec.media, expected=expected)
        except WrongMedia:
            part.unlink(missing_ok=True)
            raise
        except BadDownload as error:
            part.unlink(missing_ok=True)
            if left == 0:
                raise Undecodable(f"the output `{name}` is damaged on the server: {error.reason}") from error
            continue
        return _publish(part, final)
    raise AssertionError("unreachable: the last try returns or raises")


def download(http: Transport, file: OutputFile, *, into: Path, name: str | None = None) -> Path:
    """Do what `ComfyClient.download` promises."""
    final = into / safe_name(name or file.filename)
    return _publish(_fetch_whole(http, file, path=into / f".{final.name}.part"), final)


@dataclass
class _Part:
    """The beginning of a file, and the server's word for the version that it is of."""

    path: Path
    version: str = ""  # its strong ETag or date; empty where it has none: then a part cannot be gone on with

    @property
    def size_bytes(self) -> int:
        """Return how much of it is here."""
        return self.path.stat().st_size if self.path.exists() else 0

    def drop(self) -> None:
        """Forget it."""
        self.version = ""
        self.path.unlink(missing_ok=True)


def _fetch_whole(http: Transport, file: OutputFile, *, path: Path) -> Path:
    """Fetch a file to `path`, synced, with as many bytes as the server announced.

    A transfer that breaks off goes on where it ended, if the file on the server is still the same one; else it begins
    anew. It is given up after three tries in a row that brought nothing, or after twenty.
    """
    part = _Part(path)
    fruitless = 0
    try:
        for _ in range(MOST_TRIES):
            before = part.size_bytes
            try:
                _stream(http, file, part)
                return path
            except BadDownload as error:
                part.drop()
                reason = error
            except ConnectionBroken as error:
                if not part.version:
                    part.drop()
                reason = BadDownload(error.reason)
                reason.__cause__ = error
            fruitless = 0 if part.size_bytes > before else fruitless + 1
            if fruitless >= TRIES:
                break
    except BaseException:
        part.drop()
        raise
    part.drop()
    raise BadDownload(f"{safe_name(file.filename)} did not arrive whole: {reason.reason}") from reason


def _stream(http: Transport, file: OutputFile, part: _Part) -> None:
    """Fetch a file, or the rest of it.

    Raises:
        ConnectionBroken: it broke off; what came is kept in `part`.
        BadDownload: what came is of no use, for one because the file was replaced since the first part came.
        OutputMissing: there is no such file.
    """
    params = {"filename": file.filename, "subfolder": file.subfolder, "type": file.folder}
    headers = {"Accept-Encoding": "identity"}  # so that Content-Length counts the bytes of the file
    start = part.size_bytes if part.version else 0
    if start:
        headers |= {"Range": f"bytes={start}-", "If-Range": part.version}
    with http.borrow() as session, http.mapped_errors("GET", "/view"):
        response = session.get(
            f"{http.url}/view",
            params=params,
            headers=headers,
            timeout=(http.connect_timeout_s, http.read_timeout_s),
            allow_redirects=False,
            stream=True,
        )
        with response:
            if response.status_code == 404:
                shown = safe_name(file.filename)
                raise FileGone(f"{http.url} names {shown} as an output and does not have it (any more)")
            resumed = bool(start) and response.status_code in (206, 416)
            if not resumed:
                http.check_status(response, "GET /view")
            elif not _goes_on(response, part, start=start):  # aiohttp heeds no ETag in If-Range: it is compared here
                raise BadDownload("it was replaced on the server while it was fetched")
            part.version = _version_of(response)
            written = _write(response, part.path, append=resumed)
    announced = response.headers.get("Content-Length", "")
    encoded = response.headers.get("Content-Encoding", "identity") != "identity"  # a proxy that compresses anyway
    if announced.isdigit() and int(announced) != written and not encoded:
        raise BadDownload(f"{written} of {announced} bytes arrived")
    if start + written == 0:
        raise BadDownload("it is empty")


def _version_of(response: requests.Response) -> str:
    """Return what tells one version of a file from the next; empty where nothing does."""
    etag = response.headers.get("ETag", "")
    return etag if etag.startswith('"') else response.headers.get("Last-Modified", "")


def _goes_on(response: requests.Response, part: _Part, *, start: int) -> bool:
    """Tell whether an answer holds the rest of the very file of which we have the beginning."""
    place = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", response.headers.get("Content-Range", ""))
    if response.status_code != 206 or place is None or _version_of(response) != part.version:
        return False
    first, last, total = map(int, place.groups())
    return first == start and last + 1 == total


def _write(response: requests.Response, path: Path, *, append: bool) -> int:
    """Write what comes to a file and return how many bytes that were. What came before it broke off stays there."""
    written = 0
    try:
        with path.open("ab" if append else "wb") as sink:
            for chunk in response.iter_content(CHUNK_BYTES):
                written += sink.write(chunk)
            sink.flush()
            os.fsync(sink.fileno())
    except requests.RequestException:
        raise
    except OSError as error:
        raise _explained(error, path) from error
    return written


def _copy(source: Path, path: Path) -> Path:
    """Copy a file of an instance on this machine, synced.

    Raises:
        OutputMissing: it is gone, or is no plain file.
    """
    try:
        if source.is_symlink():
            raise OutputMissing(f"{source} is a link; the file itself is expected")
        with source.open("rb") as origin, path.open("wb") as sink:
            shutil.copyfileobj(origin, sink, CHUNK_BYTES)
            sink.flush()
            os.fsync(sink.fileno())
    except FileNotFoundError as error:
        raise FileGone(f"{source} is gone") from error
    except OSError as error:
        path.unlink(missing_ok=True)
        raise _explained(error, path) from error
    return path


def _explained(error: OSError, path: Path) -> Exception:
    return DiskFull(f"no room left for {path.parent}") if is_disk_full(error) else error


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
