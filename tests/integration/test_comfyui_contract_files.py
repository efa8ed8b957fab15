"""What the client relies on, against any ComfyUI: files that go there, and pictures, films and sounds that come back.

See `test_comfyui_contract.py`.
"""

from __future__ import annotations

import json
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from comfyui_graphs import FILM, PICTURE, SOUND, Graph, empty, film, new_id, picture, run, saver, scale, sound, unique
from comfyui_proxy import wire
from PIL import Image

from orchestrator.clock import SystemClock
from orchestrator.comfyui.client import ComfyClient
from orchestrator.comfyui.errors import OutputMissing, WrongMedia
from orchestrator.comfyui.media import check_media
from orchestrator.comfyui.replies import Outcome, OutputFile, Place
from orchestrator.comfyui.salvage import output_prefix
from orchestrator.comfyui.workflow import Workflow
from steps.manifest import OutputSpec

pytestmark = pytest.mark.comfyui

RATE_HZ = 16000


def speech(path: Path, seconds: float = 1.0) -> Path:
    """Write a sound that no other test writes."""
    noise = np.random.default_rng(unique()).integers(-3000, 3000, int(RATE_HZ * seconds), np.int16)
    with wave.open(str(path), "wb") as sink:
        sink.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
        sink.writeframes(noise.tobytes())
    return path


def noise(path: Path, width: int = 64, height: int = 48) -> np.ndarray:
    """Write a picture that no other test writes, and return its pixels."""
    pixels = np.random.default_rng(unique()).integers(0, 255, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return pixels


def loading(name: str) -> Graph:
    return {"class_type": "LoadImage", "inputs": {"image": name}}


# -- going there ------------------------------------------------------------------------------------------------------


def test_an_uploaded_picture_is_what_the_graph_loads(comfy, tmp_path):
    """Content-addressed: the second upload gives the same name."""
    path = tmp_path / "L'Été 50%.png"
    pixels = noise(path)
    name = comfy.client.upload(path)
    assert comfy.client.upload(path) == name
    made = comfy.collect(run(comfy, picture(source=loading(name))), PICTURE, into=tmp_path)
    assert np.array_equal(np.asarray(Image.open(made["image"]).convert("RGB")), pixels)


def test_two_uploads_of_other_bytes_have_other_names(comfy, tmp_path):
    """A crash in the middle of an upload must not poison the name for ever."""
    names = set()
    for _ in range(2):
        noise(tmp_path / "same name.png", 8, 8)
        names.add(comfy.client.upload(tmp_path / "same name.png"))
    assert len(names) == 2


# -- pictures ---------------------------------------------------------------------------------------------------------


def test_a_prompt_gives_its_picture(comfy, tmp_path):
    """The whole way: submit, wait, collect, checked."""
    made = comfy.collect(run(comfy, picture()), PICTURE, into=tmp_path)
    assert Image.open(made["image"]).size == (64, 48)


def test_a_picture_is_scaled_to_the_pixel(comfy, tmp_path):
    """Width and height as asked, with and without cropping."""
    noise(tmp_path / "in.png", 100, 60)
    name = comfy.client.upload(tmp_path / "in.png")
    for width, height, crop in ((37, 91, "disabled"), (128, 32, "center")):
        graph = picture(source=scale(width, height, crop=crop))
        graph["1"] = loading(name)
        wanted = {"image": OutputSpec.model_validate({"node": "OUT", "media": "image"})}
        made = comfy.collect(run(comfy, graph), wanted, into=tmp_path)
        assert Image.open(made["image"]).size == (width, height)


def test_temporary_previews_are_no_outputs(comfy, tmp_path):
    """PreviewImage answers under the same key as SaveImage."""
    graph = picture()
    graph["9"] = {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}, "_meta": {"title": "OUT"}}
    with pytest.raises(OutputMissing):
        comfy.collect(run(comfy, graph), PICTURE, into=tmp_path)


def test_a_batch_of_pictures_is_one_file_each(comfy):
    """Numbered from one; the first is the one that a manifest means."""
    graph = picture()
    graph["1"] = empty(count=3)
    names = [file.filename for file in run(comfy, graph).files()]
    assert len(names) == 3
    assert names == sorted(names)


# -- films ------------------------------------------------------------------------------------------------------------


def test_a_film_has_its_frames_and_its_rate(comfy, needs, tmp_path):
    """H.264 in MP4, under whatever key the version lists it."""
    needs("CreateVideo", "SaveVideo")
    made = comfy.collect(run(comfy, film(frames=9, fps=12)), FILM, into=tmp_path)
    media = check_media(made["clip"], "video")
    assert made["clip"].suffix == ".mp4"
    assert (media.frames, media.fps, media.has_audio) == (9, 12.0, False)


def test_a_film_carries_the_sound_that_it_was_given(comfy, needs, tmp_path):
    """As long as the pictures: what is longer is cut."""
    needs("CreateVideo", "SaveVideo", "LoadAudio")
    name = comfy.client.upload(speech(tmp_path / "in.wav", 1.0))
    made = comfy.collect(run(comfy, film(frames=8, fps=8, audio=name)), FILM, into=tmp_path)
    media = check_media(made["clip"], "video")
    assert media.has_audio
    assert check_media(made["clip"], "audio").duration_s == pytest.approx(1.0, abs=0.15)


def test_a_film_in_webm_is_a_film_as_well(comfy, needs, tmp_path):
    """Another ending, the same check."""
    needs("SaveWEBM")
    graph = {"1": empty(count=8), "9": saver("SaveWEBM", images=["1", 0], codec="vp9", fps=8.0, crf=32.0)}
    made = comfy.collect(run(comfy, graph), FILM, into=tmp_path)
    assert made["clip"].suffix == ".webm"
    assert check_media(made["clip"], "video").frames == 8


def test_an_uploaded_film_is_taken_apart(comfy, needs, tmp_path):
    """Its pictures come out again, as many as went in."""
    needs("CreateVideo", "SaveVideo", "LoadVideo", "GetVideoComponents")
    made = comfy.collect(run(comfy, film(frames=5)), FILM, into=tmp_path)
    graph = {
        "1": {"class_type": "LoadVideo", "inputs": {"file": comfy.client.upload(made["clip"])}},
        "2": {"class_type": "GetVideoComponents", "inputs": {"video": ["1", 0]}},
        "9": saver("SaveImage", images=["2", 0]),
    }
    assert len(list(run(comfy, graph).files())) == 5


# -- sounds -----------------------------------------------------------------------------------------------------------


def test_a_sound_comes_back_to_the_sample(comfy, needs, tmp_path):
    """FLAC, as long as what went in."""
    needs("LoadAudio", "SaveAudio")
    name = comfy.client.upload(speech(tmp_path / "in.wav", 0.8))
    made = comfy.collect(run(comfy, sound(name)), SOUND, into=tmp_path)
    assert made["sound"].suffix == ".flac"
    assert check_media(made["sound"], "audio").duration_s == pytest.approx(0.8, abs=0.01)


def test_a_sound_in_mp3_is_a_sound_as_well(comfy, needs, tmp_path):
    """With a setting of its own."""
    needs("LoadAudio", "SaveAudioMP3")
    name = comfy.client.upload(speech(tmp_path / "in.wav", 0.8))
    made = comfy.collect(run(comfy, sound(name, class_type="SaveAudioMP3", quality="128k")), SOUND, into=tmp_path)
    assert made["sound"].suffix == ".mp3"
    assert check_media(made["sound"], "audio").duration_s == pytest.approx(0.8, abs=0.15)


# -- coming here ------------------------------------------------------------------------------------------------------


def test_a_download_is_checked_against_the_manifest(comfy, tmp_path):
    """64 x 48 came, another size was promised."""
    wanted = {"image": OutputSpec.model_validate({"node": "OUT", "media": "image", "width": 65})}
    entry = run(comfy, picture())
    with pytest.raises(WrongMedia, match="width 64, expected 65"):
        comfy.collect(entry, wanted, into=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_download_that_breaks_off_goes_on_where_it_ended(comfyui_url, comfy, tmp_path):
    """The wire passes a third of the file at a time: without going on it would never arrive."""
    pixels = noise(tmp_path / "large.png", 512, 512)
    (file,) = run(comfy, picture(source=loading(comfy.client.upload(tmp_path / "large.png")))).files()
    whole = comfy.client.download(file, tmp_path, name="whole.png").read_bytes()
    with wire(comfyui_url) as line:
        line.cut_after = len(whole) // 3
        client = ComfyClient(line.url, client_id="x", clock=SystemClock())
        assert client.download(file, tmp_path, name="parts.png").read_bytes() == whole
        client.close()
        assert line.connections >= 4
    assert np.array_equal(np.asarray(Image.open(tmp_path / "parts.png").convert("RGB")), pixels)


def test_a_file_that_is_not_there_is_missing(comfy, tmp_path):
    """404, and no page in its place."""
    with pytest.raises(OutputMissing):
        comfy.client.download(OutputFile("9", "images", "gone.png", "contract", "output"), tmp_path)


@pytest.mark.parametrize("kind", ["picture", "film", "sound"])
def test_outputs_outlive_the_history_under_their_prompts_own_name(comfy, needs, tmp_path, kind):
    """A restart loses queue and history. Names are guessed then, by node class: they differ between versions."""
    prompt_id = new_id()
    prefix = output_prefix(prompt_id)
    name = comfy.client.upload(speech(tmp_path / "in.wav"))
    makers: dict[str, Callable[[], Graph]] = {
        "picture": lambda: picture(prefix=prefix),
        "film": lambda: film(prefix=prefix),
        "sound": lambda: sound(name, prefix=prefix),
    }
    graph = makers[kind]()
    needs(*(one["class_type"] for one in graph.values()))
    wanted = {"picture": PICTURE, "film": FILM, "sound": SOUND}[kind]
    entry = run(comfy, graph, prompt_id=prompt_id)
    comfy.client.http.post("/history", {"delete": [prompt_id]})
    assert comfy.client.locate(prompt_id).place is Place.UNKNOWN
    found = comfy.salvage(prompt_id, workflow_of(graph, wanted, tmp_path))
    assert found is not None
    assert found.outcome is Outcome.SUCCESS
    assert [file.filename for file in found.files()] == [file.filename for file in entry.files()]
    assert comfy.collect(found, wanted, into=tmp_path)
    assert comfy.salvage(new_id(), workflow_of(graph, wanted, tmp_path)) is None


def workflow_of(graph: Graph, outputs: dict[str, OutputSpec], folder: Path) -> Workflow:
    """Return a graph as a workflow whose saver is given the prefix."""
    (name, spec), *_ = outputs.items()
    manifest: dict[str, Any] = {
        "title": "A contract",
        "graph": "graph.json",
        "bindings": {"prefix": {"node": "OUT", "input": "filename_prefix", "from": "prefix"}},
        "outputs": {name: {"node": "OUT", "media": spec.media}},
        "timing": {"expected_s": 1, "idle_timeout_s": 60, "total_timeout_s": 600},
    }
    (folder / "graph.json").write_text(json.dumps(graph), encoding="utf-8")
    (folder / "contract.yaml").write_text(yaml.safe_dump(manifest), encoding="utf-8")
    return Workflow.load(folder / "contract.yaml")
