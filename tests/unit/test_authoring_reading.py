"""Reading what a user exported: files from anywhere, in every format that ComfyUI writes and some that it does not."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from orchestrator.authoring.reading import read_export
from orchestrator.errors import ExitCode, WorkflowFileError

GRAPH: dict[str, Any] = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "x.png"}, "_meta": {"title": "IN_IMAGE"}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}},
}
EDITOR = {"nodes": [{"id": 1, "type": "LoadImage"}], "links": [], "version": 0.4}
EXPORT = "Export (API)"


def written(path: Path, content: object) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def refusal(path: Path) -> str:
    with pytest.raises(WorkflowFileError) as refused:
        read_export(path)
    assert refused.value.exit_code is ExitCode.USAGE
    assert str(path) in str(refused.value)
    return str(refused.value)


def png(path: Path, *, packed: bool = False, **texts: object) -> Path:
    """Save a picture as ComfyUI does, with its graph inside."""
    notes = PngInfo()
    for name, value in texts.items():
        notes.add_text(name, value if isinstance(value, str) else json.dumps(value), zip=packed)
    Image.new("RGB", (4, 4)).save(path, pnginfo=notes)
    return path


def test_an_api_export_is_read_as_it_is(tmp_path):
    """With a mark of byte order in front, too, as some editors of Windows write it."""
    assert read_export(written(tmp_path / "a.json", GRAPH)) == GRAPH
    assert read_export(written(tmp_path / "b.json", "\ufeff" + json.dumps(GRAPH))) == GRAPH
    assert read_export(written(tmp_path / "c.json", {"prompt": GRAPH, "client_id": "x"})) == GRAPH


@pytest.mark.parametrize("packed", [False, True])
def test_a_picture_that_was_saved_by_comfyui_gives_its_graph(tmp_path, packed):
    """The API graph is in the chunk `prompt`; both kinds of chunk are met."""
    assert read_export(png(tmp_path / "a.png", packed=packed, prompt=GRAPH, workflow=EDITOR)) == GRAPH


def test_a_webp_picture_gives_its_graph(tmp_path):
    """There it lies in EXIF fields of cameras."""
    picture = Image.new("RGB", (4, 4))
    exif = picture.getexif()
    exif[0x0110] = "prompt:" + json.dumps(GRAPH)
    exif[0x010F] = "workflow:" + json.dumps(EDITOR)
    picture.save(tmp_path / "a.webp", exif=exif)
    assert read_export(tmp_path / "a.webp") == GRAPH


def test_a_clip_gives_its_graph(tmp_path):
    """SaveVideo writes it into the container's tags."""
    import av
    import numpy as np

    with av.open(str(tmp_path / "a.mkv"), "w") as media:
        media.metadata["PROMPT"] = json.dumps(GRAPH)
        stream = media.add_stream("mpeg4", rate=8)
        stream.width = stream.height = 16
        stream.pix_fmt = "yuv420p"
        media.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8))))
        media.mux(stream.encode(None))
    assert read_export(tmp_path / "a.mkv") == GRAPH


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (EDITOR, "editor's own format"),
        ([1], "holds a list"),
        ({}, "has no nodes"),
        ("{broken", "not JSON"),
        ('{"1": {"class_type": "A", "inputs": {"x": NaN}}}', "NaN"),
        ("[" * 100_000, "not JSON"),
        ({"1": {"class_type": "A", "inputs": {"x": ["7", 0]}}}, "node `7`, which is not there"),
        ({"1": {"class_type": "A"}}, "has no inputs"),
        ({"1": {"type": "A", "inputs": {}}}, "has no class_type"),
    ],
)
def test_what_is_no_usable_graph_is_refused(tmp_path, content, words):
    """And says what it is instead."""
    assert words in refusal(written(tmp_path / "a.json", content))


def test_the_editors_format_is_refused_with_the_way_to_export(tmp_path):
    """Also inside a picture that carries nothing else."""
    assert EXPORT in refusal(written(tmp_path / "a.json", EDITOR))
    text = refusal(png(tmp_path / "a.png", workflow=EDITOR))
    assert "drag it into ComfyUI" in text
    assert EXPORT in text
    assert "carries no workflow" in refusal(png(tmp_path / "b.png"))


def test_nodes_in_a_circle_are_named(tmp_path):
    """No server could run it, and following its wires would never end."""
    graph = {
        "1": {"class_type": "A", "inputs": {"x": ["3", 0]}, "_meta": {"title": "First"}},
        "2": {"class_type": "B", "inputs": {"x": ["1", 0]}},
        "3": {"class_type": "C", "inputs": {"x": ["2", 0]}},
        "4": {"class_type": "D", "inputs": {"x": ["3", 0], "y": ["3", 1]}},
    }
    text = refusal(written(tmp_path / "a.json", graph))
    assert "linked in a circle" in text
    assert "`First` (#1)" in text
    assert "#4" not in text


def test_a_deep_graph_is_no_circle(tmp_path):
    """Thousands of nodes in a row are walked without recursion."""
    graph = {"0": {"class_type": "A", "inputs": {}}}
    graph |= {str(n): {"class_type": "A", "inputs": {"x": [str(n - 1), 0]}} for n in range(1, 5000)}
    assert len(read_export(written(tmp_path / "a.json", graph))) == 5000


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    """Forty megabytes of anything are no workflow."""
    path = tmp_path / "a.json"
    with path.open("wb") as file:
        file.truncate(40_000_000)
    assert "40,000,000 bytes" in refusal(path)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.png", b"\x89PNG\r\n\x1a\n", "carries no workflow"),
        ("a.png", b"GIF89a", "no PNG"),
        ("a.webp", b"RIFF", "no picture"),
        ("a.mp4", b"nothing", "no clip or sound"),
        ("a.json", b"\xff\xfe\x00", "neither text nor a picture"),
    ],
)
def test_damaged_files_are_refused(tmp_path, name, content, words):
    """Each by what it pretends to be."""
    (tmp_path / name).write_bytes(content)
    assert words in refusal(tmp_path / name)


def test_a_packed_chunk_that_is_a_bomb_is_cut_short(tmp_path):
    """A few kilobytes that unpack to hundreds of megabytes never do."""
    data = b"prompt\0\0" + zlib.compress(b" " * 200_000_000)
    chunk = struct.pack(">I4s", len(data), b"zTXt") + data + struct.pack(">I", zlib.crc32(b"zTXt" + data))
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk)
    assert "not JSON" in refusal(tmp_path / "a.png")


def test_what_is_not_there_is_said_to_be_missing(tmp_path):
    """A folder is not there as a file, either."""
    assert "no such file" in refusal(tmp_path / "a.json")
    assert "no such file" in refusal(tmp_path)
