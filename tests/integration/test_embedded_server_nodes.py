"""Graphs of real node classes, run end to end: sizes, values and models, and what timed nodes cost."""

from __future__ import annotations

import io
import json
import time
from typing import Any

import av
import numpy as np
import pytest
import requests
from embedded_server_bench import LIMIT_S, Bench, look_at, node, video
from embedded_server_replay import embedded
from PIL import Image


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """One card for all graphs, with a few input files."""
    directory = tmp_path_factory.mktemp("card")
    with embedded(directory, "--timed", "KSampler=0", "--timed", "TimedRender=0") as ((url,), _):
        ramp = np.linspace(0, 255, 200 * 150 * 3).astype(np.uint8).reshape(200, 150, 3)
        Image.fromarray(ramp).save(directory / "input" / "a.png")
        Image.fromarray(ramp[::-1]).save(directory / "input" / "b.png")
        yield Bench(url, directory)


@pytest.mark.parametrize(
    ("scale", "size"),
    [
        (node("ImageScale", image=["i", 0], upscale_method="lanczos", width=48, height=64, crop="center"), (48, 64)),
        (node("ImageScale", image=["i", 0], upscale_method="area", width=75, height=0, crop="disabled"), (75, 100)),
        (node("ImageScaleBy", image=["i", 0], upscale_method="bicubic", scale_by=0.5), (75, 100)),
        (
            node(
                "ImageScaleToTotalPixels",
                image=["i", 0],
                upscale_method="bilinear",
                megapixels=0.01,
                resolution_steps=16,
            ),
            (96, 112),
        ),
        (
            node(
                "ResizeImageMaskNode",
                input=["i", 0],
                scale_method="lanczos",
                resize_type="scale dimensions",
                resize_type__width=64,
                resize_type__height=96,
                resize_type__crop="center",
            ),
            (64, 96),
        ),
        (
            node(
                "ResizeImageMaskNode",
                input=["i", 0],
                scale_method="area",
                resize_type="scale longer dimension",
                resize_type__longer_size=100,
            ),
            (75, 100),
        ),
        (node("ImageCrop", image=["i", 0], width=40, height=500, x=10, y=20), (40, 180)),
        (node("ImageRotate", image=["i", 0], rotation="90 degrees"), (200, 150)),
    ],
)
def test_pictures_get_the_real_sizes(bench, scale, size):
    """Sizes are rounded and cropped as the real nodes do it, for graphs are tuned by them."""
    graph = {
        "i": node("LoadImage", image="a.png"),
        "x": scale,
        "o": node("SaveImage", images=["x", 0], filename_prefix="s"),
    }
    with Image.open(bench.file(graph)) as image:
        assert image.size == size


@pytest.mark.parametrize(
    "broken",
    [
        {"bad": node("SaveImage", images=["nowhere", 0], filename_prefix="x")},
        {
            "bad": node("SaveImage", images=["no_inputs", 0], filename_prefix="x"),
            "no_inputs": {"class_type": "EmptyImage"},
        },
        {
            "bad": node("SaveImage", images=["bad2", 0], filename_prefix="x"),
            "bad2": node("ImageInvert", image=["bad2", 0]),
        },
        {
            "bad": node("SaveImage", images=["text", 0], filename_prefix="x"),
            "text": {"class_type": "EmptyImage", "inputs": "none"},
        },
    ],
)
def test_a_broken_branch_does_not_harm_the_others(bench, broken):
    """200 with node_errors: the good branch runs, and the worker survives whatever the broken one holds."""
    good = {"i": node("LoadImage", image="a.png"), "o": node("PreviewImage", images=["i", 0])}
    body = {"prompt": {**good, **broken}, "client_id": "me"}
    sent = requests.post(f"{bench.url}/prompt", json=body, timeout=LIMIT_S)
    assert sent.status_code == 200
    assert sent.json()["node_errors"]
    assert bench.run(good)["status"]["status_str"] == "success"
    done = requests.get(f"{bench.url}/history/{sent.json()['prompt_id']}", timeout=LIMIT_S).json()
    assert list(done[sent.json()["prompt_id"]]["outputs"]) == ["o"]


def test_a_nested_object_passes_validation_and_fails_at_execution(bench):
    """A known trap: the flat dotted keys are the only right form."""
    scale = node("ResizeImageMaskNode", input=["i", 0], scale_method="area", resize_type={"resize_type": "scale width"})
    graph = {"i": node("LoadImage", image="a.png"), "x": scale, "o": node("PreviewImage", images=["x", 0])}
    assert bench.run(graph)["status"]["status_str"] == "error"


def test_saved_pictures_carry_the_graph_and_the_clients_keys(bench):
    """After a total loss, the text chunks tell which job a file belongs to; and that it is a preview."""
    graph = {"i": node("LoadImage", image="a.png"), "o": node("SaveImage", images=["i", 0], filename_prefix="m")}
    with Image.open(bench.file(graph, extra_pnginfo={"job": {"item": 7}})) as image:
        texts = image.text
    assert json.loads(texts["job"]) == {"item": 7}
    assert set(json.loads(texts["prompt"])["i"]) == {"class_type", "inputs", "is_changed"}
    assert "preview" in texts["Comment"]


def test_inputs_may_come_from_other_folders(bench):
    """`name [output]` chains prompts without another upload."""
    graph = {"i": node("LoadImage", image="a.png"), "o": node("SaveImage", images=["i", 0], filename_prefix="sub/c")}
    saved = bench.file(graph)
    again = {"i": node("LoadImage", image=f"sub/{saved.name} [output]"), "g": node("GetImageSize", image=["i", 0])}
    assert bench.text(["g", 0], **again) == "150"


def test_a_switch_runs_only_the_branch_it_takes(bench):
    """The other branch is validated, and never run: here it would fail."""
    broken = node("RaiseError", image=["i", 0], message="ran", seed=0)
    switch = node("ComfySwitchNode", switch=False, on_false=["i", 0], on_true=["bad", 0])
    graph = {
        "i": node("EmptyImage", width=8, height=8, batch_size=1, color=1),
        "bad": broken,
        "w": switch,
        "o": node("PreviewImage", images=["w", 0]),
    }
    assert bench.run(graph)["status"]["status_str"] == "success"
    graph["w"]["inputs"]["switch"] = True
    assert bench.run(graph)["status"]["status_str"] == "error"


def test_an_expression_gives_frames_for_a_duration(bench):
    """Length arithmetic inside of a graph: the first output is a float, the second a whole number."""
    nodes = {"m": node("ComfyMathExpression", expression="ceil(a*24/8)*8+1", values__a=7.3)}
    assert bench.text(["m", 1], **nodes) == "177"
    assert bench.text(["m", 0], **nodes) == "177.0"


def _wan(width: int, height: int, length: int) -> dict[str, Any]:
    told = {"positive": ["p", 0], "negative": ["n", 0]}
    return {
        "a": node("LoadImage", image="a.png"),
        "b": node("LoadImage", image="b.png"),
        "u": node("UNETLoader", unet_name="wan2.2_i2v_high_noise_14B_fp8_scaled.safetensors", weight_dtype="default"),
        "m": node("ModelSamplingSD3", model=["u", 0], shift=8.0),
        "c": node("CLIPLoader", clip_name="umt5_xxl_fp8_e4m3fn_scaled.safetensors", type="wan"),
        "vae": node("VAELoader", vae_name="wan_2.1_vae.safetensors"),
        "p": node("CLIPTextEncode", text="sparkles", clip=["c", 0]),
        "n": node("CLIPTextEncode", text="blur", clip=["c", 0]),
        "w": node(
            "WanFirstLastFrameToVideo",
            **told,
            vae=["vae", 0],
            width=width,
            height=height,
            length=length,
            batch_size=1,
            start_image=["a", 0],
            end_image=["b", 0],
        ),
        "k": node(
            "KSampler",
            model=["m", 0],
            seed=1,
            steps=4,
            cfg=1.0,
            sampler_name="euler",
            scheduler="simple",
            positive=["w", 0],
            negative=["w", 1],
            latent_image=["w", 2],
            denoise=1.0,
        ),
        "d": node("VAEDecode", samples=["k", 0], vae=["vae", 0]),
        "g": node("GetImageSize", image=["d", 0]),
    }


@pytest.mark.parametrize(
    ("given", "made"),
    [((64, 96, 17), "64 96 17"), ((70, 100, 20), "64 96 17")],
)
def test_wan_rounds_down_without_a_word(bench, given, made):
    """Multiples of 16 and 4n+1 frames: anything else passes validation and comes out smaller."""
    nodes = _wan(*given)
    assert " ".join(bench.text(["g", slot], **nodes) for slot in range(3)) == made


def test_wan_loses_the_end_picture_with_a_wrong_length(bench):
    """A known trap: the last frame lies outside of what is encoded, and no error says so."""
    ends = {}
    for length in (17, 18):
        last = node("ImageFromBatch", image=["d", 0], batch_index=-1, length=1)
        save = node("SaveImage", images=["l", 0], filename_prefix=f"end{length}")
        with Image.open(bench.file({**_wan(64, 96, length), "l": last, "o": save})) as image:
            ends[length] = np.asarray(image).astype(int)
    assert np.abs(ends[17] - ends[18]).mean() > 20


def test_speech_is_cut_at_the_last_token(bench):
    """12.5 tokens are a second: what the model may not say is missing."""
    speech = node(
        "FB_Qwen3TTSCustomVoice",
        text="word " * 200,
        speaker="Serena",
        model_choice="1.7B",
        device="auto",
        precision="bf16",
        language="English",
        seed=1,
        max_new_tokens=512,
    )
    save = node("SaveAudioAdvanced", audio=["s", 0], filename_prefix="x", format="flac")
    with av.open(str(bench.file({"s": speech, "o": save}))) as container:
        assert container.duration / 1e6 == pytest.approx(512 / 12.5, abs=0.05)


def test_models_are_known_by_name_only(bench):
    """An official name needs no file; an empty file is a broken model; another name is not in the list."""
    assert "wan_2.1_vae.safetensors" in requests.get(f"{bench.url}/models/vae", timeout=LIMIT_S).json()
    folder = bench.directory / "models" / "vae"
    folder.mkdir(parents=True)
    (folder / "broken.safetensors").touch()
    (folder / "mine.safetensors").write_bytes(b"weights")
    listed = requests.get(f"{bench.url}/object_info/VAELoader", timeout=LIMIT_S).json()["VAELoader"]["input"]
    assert {"broken.safetensors", "mine.safetensors", "pixel_space"} <= set(listed["required"]["vae_name"][0])

    def loaded(name: str) -> dict[str, Any]:
        return {"v": node("VAELoader", vae_name=name), "o": node("PreviewAny", source=["v", 0])}

    assert bench.run(loaded("mine.safetensors"))["status"]["status_str"] == "success"
    told = bench.run(loaded("broken.safetensors"))["status"]["messages"][-1][1]
    assert told["exception_type"] == "safetensors._safetensors_rust.SafetensorError"
    refused = requests.post(f"{bench.url}/prompt", json={"prompt": loaded("none.safetensors")}, timeout=LIMIT_S)
    assert refused.status_code == 400


def test_a_timed_node_takes_its_time_and_passes_things_on(bench):
    """What the replay of a night is made of."""
    graph = {
        "i": node("EmptyImage", width=32, height=16, batch_size=1, color=1),
        "t": node("TimedRender", seconds=0.3, ticks=3, image=["i", 0]),
        "o": node("SaveImage", images=["t", 0], filename_prefix="t"),
    }
    times = {kind: told["timestamp"] for kind, told in bench.run(graph)["status"]["messages"]}
    assert 300 <= times["execution_success"] - times["execution_start"] < 900


def test_classes_take_the_time_that_the_card_was_given(tmp_path):
    """`--timed CLASS=SECONDS`: the same workflows as ever, with the durations of a real night."""
    with embedded(tmp_path, "--timed", "KSampler=0.4", "--timed", "VAEDecode=0.1") as ((url,), _):
        for name in ("a", "b"):
            Image.new("RGB", (64, 96), (90, 90, 90)).save(tmp_path / "input" / f"{name}.png")
        graph = {key: node for key, node in _wan(64, 96, 17).items() if key != "g"}
        bench = Bench(url, tmp_path)
        path = bench.file({**graph, **video(["d", 0], 16.0)})
        assert look_at(path) == {"size": (64, 96), "fps": 16.0, "frames": 17, "sound_s": None}
        graph["k"]["inputs"]["seed"] = 2
        entry = bench.run({**graph, **video(["d", 0], 16.0)})
    times = {kind: told["timestamp"] for kind, told in entry["status"]["messages"]}
    assert 500 <= times["execution_success"] - times["execution_start"] < 900


def test_an_older_server_knows_less(tmp_path):
    """0.3.64: no jobs, any text as prompt id, another error for an unknown class, names with an underscore."""
    with embedded(tmp_path, "--emulate", "0.3.64") as ((url,), _):
        bench = Bench(url, tmp_path)
        assert requests.get(f"{url}/api/jobs", timeout=LIMIT_S).status_code == 404
        silence = node("EmptyAudio", duration=0.2, sample_rate=24_000, channels=1)
        graph = {"s": silence, "o": node("SaveAudio", audio=["s", 0], filename_prefix="x")}
        assert bench.file(graph).name == "x_00001_.flac"
        sent = requests.post(f"{url}/prompt", json={"prompt": graph, "prompt_id": "job-1"}, timeout=LIMIT_S)
        assert sent.json()["prompt_id"] == "job-1"
        unknown = requests.post(f"{url}/prompt", json={"prompt": {"1": node("Nope")}}, timeout=LIMIT_S).json()
        assert unknown["error"]["type"] == "invalid_prompt"
        gives_up_at = time.monotonic() + LIMIT_S
        while not (entry := requests.get(f"{url}/history/job-1", timeout=LIMIT_S).json()):
            assert time.monotonic() < gives_up_at
        assert entry["job-1"]["outputs"]["o"]["audio"], "cached outputs are listed without a client, too"


def test_uploaded_files_are_used_as_they_are(bench):
    """An upload goes into the input folder under the name of the reply."""
    buffer = io.BytesIO()
    Image.new("RGB", (20, 10)).save(buffer, "PNG")
    form = {"subfolder": "night/7"}
    reply = requests.post(
        f"{bench.url}/upload/image", files={"image": ("up.png", buffer.getvalue())}, data=form, timeout=LIMIT_S
    ).json()
    nodes = {
        "i": node("LoadImage", image=f"{reply['subfolder']}/{reply['name']}"),
        "g": node("GetImageSize", image=["i", 0]),
    }
    assert bench.text(["g", 1], **nodes) == "10"
