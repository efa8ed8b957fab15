"""Uploads, downloads and what is checked about a result before it gets its name."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import io
import os
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from aiohttp import web
from comfyui_stage import Stage, open_stage, text_answer
from PIL import Image

from orchestrator.clock import SystemClock
from orchestrator.comfyui import downloads
from orchestrator.comfyui.client import ComfyClient
from orchestrator.comfyui.errors import BadDownload, InstanceDown, NotComfyUI, OutputMissing, TooLarge, WrongMedia
from orchestrator.comfyui.media import Expected, check_media
from orchestrator.comfyui.replies import HistoryEntry, Outcome, OutputFile
from steps.errors import DiskFull
from steps.manifest import OutputSpec

GRAPH = {
    "9": {"class_type": "SaveImage", "inputs": {}, "_meta": {"title": "OUT"}},
    "5": {"class_type": "PreviewImage", "inputs": {}, "_meta": {"title": "LOOK"}},
}


@pytest.fixture
def stage() -> Iterator[Stage]:
    with open_stage() as stage:
        yield stage


@pytest.fixture
def client(stage: Stage) -> Iterator[ComfyClient]:
    client = ComfyClient(stage.url, client_id="x", clock=SystemClock(), read_timeout_s=2)
    yield client
    client.close()


def png(width: int = 64, height: int = 48) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(np.random.default_rng(3).integers(0, 255, (height, width, 3), np.uint8)).save(sink, "png")
    return sink.getvalue()


def sound(path: Path, seconds: float = 1.0) -> Path:
    with wave.open(str(path), "wb") as sink:
        sink.setparams((1, 2, 8000, 0, "NONE", ""))
        sink.writeframes(bytes(int(8000 * seconds) * 2))
    return path


def film(path: Path, *, frames: int = 24, fps: int = 24, options: dict[str, str] | None = None) -> Path:
    with av.open(str(path), "w", options=options or {}) as sink:
        stream = sink.add_stream("libx264", rate=fps, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 64, 96, "yuv420p"
        noise = np.random.default_rng(5)
        for _ in range(frames):
            picture = av.VideoFrame.from_ndarray(noise.integers(0, 255, (96, 64, 3), np.uint8), format="rgb24")
            for packet in stream.encode(picture):
                sink.mux(packet)
        for packet in stream.encode():
            sink.mux(packet)
    return path


def served(stage: Stage, files: dict[str, bytes]) -> list[str]:
    """Let GET /view serve these; return the list of names that are asked for."""
    asked: list[str] = []

    async def view(request: web.Request) -> web.StreamResponse:
        name = request.query["filename"]
        asked.append(name)
        return web.Response(body=files[name]) if name in files else web.Response(status=404)

    stage.routes["GET /view"] = view
    return asked


def entry(outputs: dict[str, Any], **changes: Any) -> HistoryEntry:
    values: dict[str, Any] = {
        "prompt_id": "p",
        "outcome": Outcome.SUCCESS,
        "status": "success",
        "outputs": outputs,
        "graph": GRAPH,
    }
    return HistoryEntry(**{**values, **changes})


def shown(*names: str, folder: str = "output", key: str = "images") -> dict[str, Any]:
    return {key: [{"filename": name, "subfolder": "", "type": folder} for name in names]}


def spec(**values: Any) -> OutputSpec:
    return OutputSpec.model_validate({"node": "OUT", "media": "image", **values})


# -- uploads ----------------------------------------------------------------------------------------------------------


def test_an_upload_is_named_after_its_content_and_the_reply_is_used(stage, client, tmp_path):
    """The same file uploaded by two tries is one file there; and only the server knows what it called it."""
    fields: list[dict[str, Any]] = []

    async def take(request: web.Request) -> web.StreamResponse:
        form = await request.post()
        image = form["image"]
        assert isinstance(image, web.FileField)
        fields.append({"name": image.filename, "bytes": image.file.read(), "others": sorted(set(form) - {"image"})})
        return web.json_response({"name": f"renamed {image.filename}", "subfolder": "sub/", "type": "input"})

    stage.routes["POST /upload/image"] = take
    path = tmp_path / 'L\'Été "à 50%": [x]\n.PNG'
    path.write_bytes(png())
    name = client.upload(path)
    wanted = hashlib.sha256(png()).hexdigest()[:32] + ".png"
    assert name == f"sub/renamed {wanted}"
    assert fields == [{"name": wanted, "bytes": png(), "others": []}]  # no overwrite: a prompt may be reading it


def test_an_upload_over_the_limit_is_told(stage, client, tmp_path):
    """Recorded answer of the server [i4]."""
    text = "Maximum request body size 1048576 exceeded."
    stage.routes["POST /upload/image"] = text_answer(text, status=413, content_type="text/plain")
    path = tmp_path / "big.png"
    path.write_bytes(b"x")
    with pytest.raises(TooLarge, match="1048576"):
        client.upload(path)


def test_an_upload_answered_without_a_name_is_not_comfyui(stage, client, tmp_path):
    """Another program may take any POST."""
    path = tmp_path / "a.png"
    path.write_bytes(b"x")

    async def thank(request: web.Request) -> web.StreamResponse:
        return web.json_response({"status": "stored"})

    stage.routes["POST /upload/image"] = thank
    with pytest.raises(NotComfyUI, match="file's name was expected"):
        client.upload(path)


# -- downloads --------------------------------------------------------------------------------------------------------


def test_a_download_is_complete_before_it_has_its_name(stage, client, tmp_path):
    """A crash at any moment leaves no half file under a name that somebody trusts."""
    seen_meanwhile: list[list[str]] = []
    body = os.urandom(300_000)

    async def slowly(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Length": str(len(body))})
        await answer.prepare(request)
        for start in range(0, len(body), 100_000):
            await answer.write(body[start : start + 100_000])
            await asyncio.sleep(0.05)
            seen_meanwhile.append(sorted(os.listdir(tmp_path)))
        return answer

    stage.routes["GET /view"] = slowly
    path = client.download(OutputFile("9", "images", "a.bin", "rec", "output"), tmp_path)
    assert path == tmp_path / "a.bin"
    assert path.read_bytes() == body
    assert all("a.bin" not in names for names in seen_meanwhile)
    assert os.listdir(tmp_path) == ["a.bin"]


@pytest.mark.parametrize("cut", ["close", "length"])
def test_a_download_that_breaks_off_is_tried_again(stage, client, tmp_path, cut):
    """A dropped connection and a server that sends less than it says look the same from here: try three times."""
    tries: list[int] = []
    body = b"whole" * 1000

    async def break_twice(request: web.Request) -> web.StreamResponse:
        tries.append(1)
        answer = web.StreamResponse(headers={"Content-Length": str(len(body))})
        await answer.prepare(request)
        if len(tries) < 3:
            await answer.write(body[:1000])
            assert request.transport is not None
            (request.transport.abort if cut == "close" else request.transport.close)()
            return answer
        await answer.write(body)
        return answer

    stage.routes["GET /view"] = break_twice
    path = client.download(OutputFile("9", "images", "a.bin", "", "output"), tmp_path)
    assert path.read_bytes() == body
    assert len(tries) == 3


def test_a_download_that_always_breaks_off_leaves_nothing(stage, client, tmp_path):
    """Three tries, then the attempt is tried again as a whole."""

    async def break_off(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Length": "5000"})
        await answer.prepare(request)
        await answer.write(b"x" * 10)
        assert request.transport is not None
        request.transport.close()
        return answer

    stage.routes["GET /view"] = break_off
    with pytest.raises(BadDownload, match=r"a\.bin did not arrive whole"):
        client.download(OutputFile("9", "images", "a.bin", "", "output"), tmp_path)
    assert os.listdir(tmp_path) == []
    assert len(stage.asked("GET", "/view")) == 3


def test_a_server_that_goes_away_in_a_download_is_down(stage, client, tmp_path):
    """Not the file's fault: the instance is restarted and the prompt collected or made again."""
    stage.stop()
    with pytest.raises(InstanceDown):
        client.download(OutputFile("9", "images", "a.bin", "", "output"), tmp_path)


def test_a_file_that_is_gone_is_missing_and_not_asked_for_again(stage, client, tmp_path):
    """A fully cached prompt names files that somebody has deleted since [j4]."""
    served(stage, {})
    with pytest.raises(OutputMissing, match="does not have it"):
        client.download(OutputFile("9", "images", "a.png", "", "output"), tmp_path)
    assert len(stage.asked("GET", "/view")) == 1


@pytest.mark.parametrize(
    "name", ["../../evil.png", "/etc/passwd", "..\\..\\evil.png", "C:\\evil.png", "a\x00\n.png", "..", ".", "x" * 400]
)
def test_a_servers_file_name_never_leaves_the_folder(stage, client, tmp_path, name):
    """It is data from outside."""
    served(stage, {name: b"x"})
    inner = tmp_path / "work"
    inner.mkdir()
    path = client.download(OutputFile("9", "images", name, "", "output"), inner)
    assert path.parent == inner
    assert os.listdir(inner) == [path.name]
    assert os.listdir(tmp_path) == ["work"]


def test_a_full_disk_is_told_as_such_and_leaves_nothing(stage, client, tmp_path, monkeypatch):
    """It stops the night; a retry would fail in the same way."""
    served(stage, {"a.png": png()})

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(downloads.os, "fsync", full)
    with pytest.raises(DiskFull):
        client.download(OutputFile("9", "images", "a.png", "", "output"), tmp_path)
    monkeypatch.undo()
    assert os.listdir(tmp_path) == []


# -- outputs ----------------------------------------------------------------------------------------------------------


def test_an_output_is_found_by_node_whatever_its_key(stage, client, tmp_path):
    """SaveVideo answers under `images`, custom nodes under `gifs`."""
    clip = film(tmp_path / "made.mp4").read_bytes()
    served(stage, {"v_00001_.mp4": clip})
    into = tmp_path / "into"
    into.mkdir()
    for key in ("images", "gifs", "videos"):
        made = client.collect(
            entry({"9": {**shown("v_00001_.mp4", key=key), "animated": [True]}}),
            {"clip": spec(media="video")},
            into=into,
        )
        assert made == {"clip": into / "clip.mp4"}
        assert made["clip"].read_bytes() == clip


def test_previews_are_not_outputs(stage, client, tmp_path):
    """Files of type temp are wiped at the next start, and a preview is not what was asked for."""
    served(stage, {"a.png": png(), "t.png": b"preview"})
    both = {"images": shown("t.png", folder="temp")["images"] + shown("a.png")["images"]}
    assert client.collect(entry({"9": both, "5": shown("t.png", folder="temp")}), {"image": spec()}, into=tmp_path)
    with pytest.raises(OutputMissing):
        client.collect(entry({"9": shown("t.png", folder="temp")}), {"image": spec()}, into=tmp_path)


def test_the_file_of_the_right_kind_is_taken(stage, client, tmp_path):
    """A video node may also save its first frame."""
    clip = film(tmp_path / "made.mp4").read_bytes()
    asked = served(stage, {"v.mp4": clip, "v.png": png()})
    shown_by_node = {"images": shown("v.png")["images"], "gifs": shown("v.mp4")["images"]}
    client.collect(entry({"9": shown_by_node}), {"clip": spec(media="video")}, into=tmp_path)
    assert asked == ["v.mp4"]


def test_an_output_of_an_expanded_node_is_found_by_the_submitted_one(stage, client, tmp_path):
    """Its inner node has an id of its own."""
    served(stage, {"a.png": png()})
    made = client.collect(
        entry({"9.0.0.2": shown("a.png")}, display_nodes={"9.0.0.2": "9"}), {"image": spec()}, into=tmp_path
    )
    assert made["image"].is_file()


@pytest.mark.parametrize(
    ("outputs", "words"),
    [
        ({}, "it made nothing"),
        ({"9": {"text": ["x"]}}, "showed something else"),
        ({"5": shown("other.png")}, "it made other.png of node #5"),
        ({"9": {"images": []}}, "it made no files"),
    ],
)
def test_a_success_without_the_output_says_what_there_is(stage, client, tmp_path, outputs, words):
    """Success with empty outputs is normal for the server: a blocked branch, a cached prompt [d6, b3]."""
    with pytest.raises(OutputMissing, match=words) as caught:
        client.collect(entry(outputs), {"image": spec()}, into=tmp_path)
    assert "the output `image` (image of node `OUT`)" in str(caught.value)


def test_save_image_websocket_is_named_as_the_reason(client, tmp_path):
    """It sends its picture over the socket and leaves no trace in the history [j2]."""
    graph = {"9": {"class_type": "SaveImageWebsocket", "inputs": {}, "_meta": {"title": "OUT"}}}
    with pytest.raises(OutputMissing, match="use SaveImage"):
        client.collect(entry({}, graph=graph), {"image": spec()}, into=tmp_path)


def test_nothing_is_fetched_when_one_output_is_missing(stage, client, tmp_path):
    """Half a result is none."""
    served(stage, {"a.png": png()})
    with pytest.raises(OutputMissing):
        client.collect(entry({"9": shown("a.png")}), {"image": spec(), "b": spec(node="GONE")}, into=tmp_path)
    assert os.listdir(tmp_path) == []


def test_a_file_damaged_on_the_server_is_refused_after_three_looks(stage, client, tmp_path):
    """A crash of the server leaves a truncated file under its final name [8]; the length is then right."""
    asked = served(stage, {"a.png": png()[:-40]})
    with pytest.raises(BadDownload, match="damaged on the server") as caught:
        client.collect(entry({"9": shown("a.png")}), {"image": spec()}, into=tmp_path)
    assert not isinstance(caught.value, WrongMedia)
    assert len(asked) == 3
    assert os.listdir(tmp_path) == []


def test_a_file_that_was_still_being_written_is_fetched_again(stage, client, tmp_path):
    """Files are written in place."""
    served(stage, {})
    answers = iter([png()[:100], png()])

    async def grow(request: web.Request) -> web.StreamResponse:
        return web.Response(body=next(answers))

    stage.routes["GET /view"] = grow
    made = client.collect(entry({"9": shown("a.png")}), {"image": spec()}, into=tmp_path)
    assert made["image"].read_bytes() == png()


def test_a_picture_of_another_size_is_refused(stage, client, tmp_path):
    """It would break the joins of the film hours later."""
    served(stage, {"a.png": png(64, 48)})
    with pytest.raises(WrongMedia, match="width 64, expected 128"):
        client.collect(entry({"9": shown("a.png")}), {"image": spec(width=128)}, into=tmp_path)
    assert os.listdir(tmp_path) == []
    assert client.collect(entry({"9": shown("a.png")}), {"image": spec(width=64, height=48)}, into=tmp_path)


def test_a_strange_ending_is_left_out_of_the_name(stage, client, tmp_path):
    """The suffix is the server's text as well."""
    served(stage, {"a.p/n g": png()})
    made = client.collect(entry({"9": shown("a.p/n g")}), {"image": spec()}, into=tmp_path)
    assert made["image"] == tmp_path / "image"


# -- media ------------------------------------------------------------------------------------------------------------


def test_a_film_is_measured_by_decoding(tmp_path):
    """Frames are counted, not read from the header."""
    media = check_media(film(tmp_path / "a.mp4", frames=25, fps=24), "video")
    assert (media.width, media.height, media.frames, media.fps) == (64, 96, 25, 24.0)
    assert media.duration_s == pytest.approx(25 / 24)
    assert not media.has_audio


def test_a_film_whose_end_is_missing_is_refused(tmp_path):
    """With the index in front, a cut file still opens and tells its full length."""
    path = film(tmp_path / "a.mp4", frames=48, options={"movflags": "faststart"})
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(BadDownload, match=r"breaks off|cannot be decoded"):
        check_media(path, "video")


def test_a_sound_is_measured_by_decoding(tmp_path):
    """To the sample, give or take the codec's padding."""
    media = check_media(sound(tmp_path / "a.wav", 1.5), "audio")
    assert media.duration_s == pytest.approx(1.5)


def test_a_sound_whose_end_is_missing_is_refused(tmp_path):
    """A voice that stops in the middle of a word."""
    import subprocess

    import imageio_ffmpeg

    path, cut = sound(tmp_path / "a.wav", 4), tmp_path / "b.flac"
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", path, cut], check=True)
    flac = cut.read_bytes()
    cut.write_bytes(flac[: len(flac) // 2])
    with pytest.raises(BadDownload):
        check_media(cut, "audio")


@pytest.mark.parametrize("kind", ["image", "audio", "video"])
@pytest.mark.parametrize("content", [b"", b"hello", b"<html>404</html>", b"\x89PNG\r\n\x1a\n" + b"\0" * 50])
def test_what_is_no_media_is_refused(tmp_path, kind, content):
    """A proxy's error page under a film's name, a file of zero bytes."""
    path = tmp_path / "a.bin"
    path.write_bytes(content)
    with pytest.raises(BadDownload):
        check_media(path, kind)


def test_a_file_of_another_kind_is_refused(tmp_path):
    """A film without sound is no speech, a sound is no film."""
    with pytest.raises(BadDownload, match="no audio"):
        check_media(film(tmp_path / "a.mp4"), "audio")
    with pytest.raises(BadDownload):
        check_media(sound(tmp_path / "a.wav"), "video")


@pytest.mark.parametrize(
    ("expected", "words"),
    [
        (Expected(frames=25), "frames 24, expected 25"),
        (Expected(fps=16), "24.0 frames per second, expected 16"),
        (Expected(min_duration_s=2), "1.00 s long, expected at least 2 s"),
        (Expected(max_duration_s=0.5), "1.00 s long, expected at most 0.5 s"),
        (Expected(width=64, height=64), "height 96, expected 64"),
    ],
)
def test_what_differs_from_the_promise_is_named(tmp_path, expected, words):
    """Found, expected."""
    with pytest.raises(WrongMedia) as caught:
        check_media(film(tmp_path / "a.mp4"), "video", expected=expected)
    assert words in str(caught.value)
