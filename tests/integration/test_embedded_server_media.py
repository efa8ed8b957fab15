"""Clips and sounds that graphs make: lengths, rates, what is cut, what a file says about itself."""

from __future__ import annotations

import json

import av
import numpy as np
import pytest
from embedded_server_bench import Bench, look_at, node, video, write_wav
from embedded_server_replay import embedded
from PIL import Image


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """A card that encodes what it is given, with two input files."""
    directory = tmp_path_factory.mktemp("card")
    with embedded(directory) as ((url,), _):
        Image.new("RGB", (150, 200), (90, 120, 150)).save(directory / "input" / "a.png")
        write_wav(directory / "input" / "s.wav", seconds=1.3)
        yield Bench(url, directory)


def test_sound_is_cut_to_the_length_of_the_pictures(bench):
    """1.3 s of sound under one second of pictures: the rest of the speech is gone, as with the real node."""
    graph = {
        "i": node("EmptyImage", width=64, height=48, batch_size=24, color=255),
        "s": node("LoadAudio", audio="s.wav"),
        **video(["i", 0], 24.0, ["s", 0]),
    }
    clip = look_at(bench.file(graph))
    assert (clip["size"], clip["fps"], clip["frames"]) == ((64, 48), 24.0, 24)
    assert clip["sound_s"] == pytest.approx(1.0, abs=0.05)


def test_shorter_sound_is_kept(bench):
    """The pictures run on in silence."""
    graph = {
        "i": node("EmptyImage", width=64, height=48, batch_size=48, color=255),
        "s": node("LoadAudio", audio="s.wav"),
        **video(["i", 0], 24.0, ["s", 0]),
    }
    clip = look_at(bench.file(graph))
    assert clip["frames"] == 48
    assert clip["sound_s"] == pytest.approx(1.3, abs=0.06)


def test_an_odd_side_fails_at_the_save_node(bench):
    """After all the work, with an encoder's error: the size must be checked before."""
    graph = {"i": node("EmptyImage", width=65, height=48, batch_size=2, color=255), **video(["i", 0], 8.0)}
    entry = bench.run(graph)
    kind, told = entry["status"]["messages"][-1]
    assert (kind, told["node_type"]) == ("execution_error", "SaveVideo")
    assert not list((bench.directory / "output").glob(".*")), "nothing half-written is left"


def test_clips_say_that_they_are_previews(bench):
    """The container's comment survives a copy; nobody takes a stand-in for a model's work."""
    graph = {"i": node("EmptyImage", width=64, height=48, batch_size=4, color=9), **video(["i", 0], 8.0)}
    with av.open(str(bench.file(graph))) as container:
        assert "preview" in container.metadata["comment"]
        assert json.loads(container.metadata["prompt"])["o"]["class_type"] == "SaveVideo"


def test_the_last_frame_of_a_clip_can_be_taken_out(bench):
    """How the outro gets its start picture."""
    frames = {
        "a": node("EmptyImage", width=64, height=48, batch_size=3, color=0xFF0000),
        "b": node("EmptyImage", width=64, height=48, batch_size=1, color=0x0000FF),
        "i": node("ImageBatch", image1=["a", 0], image2=["b", 0]),
    }
    clip = bench.file({**frames, **video(["i", 0], 8.0)})
    graph = {
        "l": node("LoadVideo", file=f"{clip.name} [output]"),
        "c": node("GetVideoComponents", video=["l", 0]),
        "f": node("ImageFromBatch", image=["c", 0], batch_index=-1, length=1),
        "o": node("SaveImage", images=["f", 0], filename_prefix="last"),
    }
    with Image.open(bench.file(graph)) as image:
        red, _, blue = np.asarray(image).reshape(-1, 3).mean(axis=0)
    assert blue > 200
    assert red < 60


def test_frames_are_put_between_frames(bench):
    """(n - 1) x m + 1 of them."""
    nodes = {
        "i": node("EmptyImage", width=16, height=16, batch_size=5, color=1),
        "m": node("FrameInterpolationModelLoader", model_name="film_net_fp16.safetensors"),
        "f": node("FrameInterpolate", interp_model=["m", 0], images=["i", 0], multiplier=3),
        "g": node("GetImageSize", image=["f", 0]),
    }
    assert bench.text(["g", 2], **nodes) == "13"


@pytest.mark.parametrize(
    ("save", "ending", "rate_hz"),
    [
        (node("SaveAudioAdvanced", audio=["t", 0], filename_prefix="x", format="flac"), ".flac", 24_000),
        (
            node("SaveAudioAdvanced", audio=["t", 0], filename_prefix="x", format="mp3", format__quality="128k"),
            ".mp3",
            24_000,
        ),
        (node("SaveAudioOpus", audio=["t", 0], filename_prefix="x", quality="96k"), ".opus", 48_000),
    ],
)
def test_sound_is_saved_in_each_format(bench, save, ending, rate_hz):
    """Names count on across formats and have no trailing underscore."""
    trimmed = node("TrimAudioDuration", audio=["s", 0], start_index=0.3, duration=60.0)
    path = bench.file({"s": node("LoadAudio", audio="s.wav"), "t": trimmed, "o": save})
    assert path.suffix == ending
    assert not path.stem.endswith("_")
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        samples = sum(frame.samples for frame in container.decode(stream))
        assert stream.codec_context.sample_rate == rate_hz
    assert samples / rate_hz == pytest.approx(1.0, abs=0.08)


def test_a_trim_beyond_the_end_is_an_error(bench):
    """The real node raises, too, and only at execution."""
    graph = {
        "s": node("LoadAudio", audio="s.wav"),
        "t": node("TrimAudioDuration", audio=["s", 0], start_index=5.0, duration=1.0),
        "o": node("PreviewAudio", audio=["t", 0]),
    }
    assert bench.run(graph)["status"]["status_str"] == "error"
