"""Reading what a user exported from ComfyUI: a graph in a JSON file, or the one that a picture or clip carries inside.

ComfyUI writes two things into what it saves: the graph in API format under `prompt`, which can be run, and the editor's
own format under `workflow`, which cannot. Files come from anywhere, so sizes are limited before anything is read.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from orchestrator.comfyui.graphs import Graph, links_of, title_of
from orchestrator.comfyui.workflow import MAX_GRAPH_BYTES, format_problem
from orchestrator.errors import WorkflowFileError
from orchestrator.wording import one_line

HOW_TO_EXPORT = "open it in ComfyUI and use Workflow > Export (API)"
MAX_MEDIA_BYTES = 500_000_000
PICTURES = frozenset({".png", ".webp", ".jpg", ".jpeg"})
MEDIA = frozenset({".mp4", ".webm", ".mkv", ".mov", ".flac", ".mp3", ".opus", ".wav"})
_PNG = b"\x89PNG\r\n\x1a\n"


def read_export(path: Path) -> dict[str, Any]:
    """Return the graph of an exported file, in API format.

    Args:
        path: A JSON file, or a picture, clip or sound that ComfyUI saved with its workflow inside.

    Raises:
        WorkflowFileError: it holds none that can be used; says what was found and how to export one.
    """
    suffix = path.suffix.lower()
    try:
        _require_file(path, limit=MAX_MEDIA_BYTES if suffix in PICTURES | MEDIA else MAX_GRAPH_BYTES)
        if suffix in PICTURES | MEDIA:
            return _graph_inside(path)
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise unusable(path, f"it cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise unusable(path, f"it is neither text nor a picture that ComfyUI saved (byte {error.start})") from error
    return checked(path, _parsed(path, text))


def checked(path: Path, graph: Any) -> dict[str, Any]:
    """Return a graph that has a usable shape.

    Raises:
        WorkflowFileError: it is in another format, is linked in a circle, or leads nowhere.
    """
    if isinstance(graph, dict) and isinstance(graph.get("prompt"), dict) and "class_type" not in graph["prompt"]:
        graph = graph["prompt"]  # a whole request, as some tools save it
    problem = format_problem(graph) or circle_problem(graph)
    if problem:
        raise unusable(path, problem)
    assert isinstance(graph, dict)
    return graph


def circle_problem(graph: Graph) -> str:
    """Return which nodes are linked in a circle, as a sentence; empty when none are."""
    done: set[str] = set()
    for start in graph:
        trail: list[str] = []
        stack: list[tuple[str, Iterator[str]]] = [(start, links_of(graph, start))] if start not in done else []
        on_trail = {start}
        trail.append(start)
        while stack:
            node_id, links = stack[-1]
            following = next((one for one in links if one not in done), None)
            if following is None:
                stack.pop()
                trail.pop()
                on_trail.discard(node_id)
                done.add(node_id)
            elif following in on_trail:
                circle = [*trail[trail.index(following) :], following]
                names = " → ".join(f"`{one_line(title_of(graph, one), longest=40)}` (#{one})" for one in circle[:6])
                return f"its nodes are linked in a circle: {names}"
            else:
                stack.append((following, links_of(graph, following)))
                trail.append(following)
                on_trail.add(following)
    return ""


def unusable(path: Path, problem: str) -> WorkflowFileError:
    """Return the error that says what is wrong with a file."""
    return WorkflowFileError(f"{path} cannot be used as a workflow: {problem}")


def _require_file(path: Path, *, limit: int) -> None:
    if not path.is_file():
        raise unusable(path, "there is no such file")
    size = path.stat().st_size
    if size > limit:
        raise unusable(path, f"it has {size:,} bytes; at most {limit:,} are read")


def _parsed(path: Path, text: str) -> Any:
    def refuse(constant: str) -> Any:
        raise ValueError(f"{constant} is no number that JSON knows")

    try:
        return json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise unusable(path, f"it is not JSON ({one_line(str(error), longest=120)}): {HOW_TO_EXPORT}") from error


def _graph_inside(path: Path) -> dict[str, Any]:
    """Return the graph that a saved file carries."""
    suffix = path.suffix.lower()
    notes = _notes_of_png(path) if suffix == ".png" else _notes_of_picture(path) if suffix in PICTURES else _tags(path)
    if "prompt" in notes:
        return checked(path, _parsed(path, notes["prompt"]))
    if "workflow" in notes:
        raise unusable(
            path, f"it carries a workflow in the editor's own format only: drag it into ComfyUI, then {HOW_TO_EXPORT}"
        )
    raise unusable(path, f"it carries no workflow; instead, export one: {HOW_TO_EXPORT}")


def _notes_of_png(path: Path) -> dict[str, str]:
    """Return the text chunks of a PNG file: keyword -> text. Pictures themselves are not decoded."""
    notes: dict[str, str] = {}
    with path.open("rb") as file:
        if file.read(8) != _PNG:
            raise unusable(path, "it is called .png and is no PNG picture")
        while len(header := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", header)
            if kind in (b"tEXt", b"zTXt", b"iTXt") and length <= MAX_GRAPH_BYTES:
                data = file.read(length)
                file.seek(4, 1)
                keyword, text = _text_of(kind, data)
                notes.setdefault(keyword, text)
            elif kind == b"IEND":
                break
            else:
                file.seek(length + 4, 1)
    return notes


def _text_of(kind: bytes, data: bytes) -> tuple[str, str]:
    """Return keyword and text of a PNG text chunk; an unreadable one has no text."""
    keyword, _, rest = data.partition(b"\0")
    if kind == b"tEXt":
        return keyword.decode("latin-1"), rest.decode("utf-8", "replace")
    if kind == b"zTXt":
        return keyword.decode("latin-1"), _inflated(rest[1:])
    packed, rest = rest[:1] == b"\1", rest[2:]
    text = rest.partition(b"\0")[2].partition(b"\0")[2]  # after the language and the translated keyword
    return keyword.decode("latin-1"), _inflated(text) if packed else text.decode("utf-8", "replace")


def _inflated(packed: bytes) -> str:
    """Unpack a text; a bomb, or a broken one, comes out cut short, and is then no JSON."""
    try:
        return zlib.decompressobj().decompress(packed, MAX_GRAPH_BYTES).decode("utf-8", "replace")
    except zlib.error:
        return ""


def _notes_of_picture(path: Path) -> dict[str, str]:
    """Return what ComfyUI put into the EXIF fields of a WebP or JPEG picture: texts such as `prompt:{…}`."""
    from PIL import Image

    try:
        with Image.open(path) as picture:
            exif = dict(picture.getexif())
    except (OSError, ValueError, SyntaxError) as error:
        raise unusable(path, f"it is no picture that can be read ({one_line(str(error), longest=120)})") from error
    notes = {}
    for value in exif.values():
        name, found, text = value.partition(":") if isinstance(value, str) else ("", "", "")
        if found and name.lower() in ("prompt", "workflow"):
            notes[name.lower()] = text.rstrip("\0")
    return notes


def _tags(path: Path) -> Mapping[str, str]:
    """Return the tags of a clip or sound, with keys in lower case."""
    import av

    try:
        with av.open(str(path)) as media:
            tags = dict(media.metadata)
            for stream in media.streams:
                tags = {**stream.metadata, **tags}
    except (OSError, ValueError) as error:  # PyAV's own errors are both
        raise unusable(
            path, f"it is no clip or sound that can be read ({one_line(str(error), longest=120)})"
        ) from error
    return {key.lower(): text for key, text in tags.items()}
