"""The bundled graphs against the schemas of a ComfyUI 0.27.0 with the official model files, and how they are wired.

The schemas are facts of that server without its texts; those of the speech nodes are made by hand after their packs.
The check here is on purpose stricter than the server's: it also refuses inputs that the server would ignore.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from object_info_subset import schemas

from orchestrator.comfyui.graphs import changed
from steps.manifest import bundled_names, load_manifest

UPLOADS = ("image_upload", "audio_upload")
TALKING = ("script_video", "script_video_distilled", "script_video_single")
EXPERTS = {  # steps, split, cfg, shift
    "transition": (20, 10, 4.0, 8.0),
    "outro": (20, 10, 4.0, 8.0),
    "transition_4step": (4, 2, 1.0, 5.0),
    "outro_4step": (4, 2, 1.0, 5.0),
    "image_to_video": (20, 10, 3.5, 5.0),
    "image_to_video_4step": (4, 2, 1.0, 5.0),
}


@cache
def text_of(name: str) -> str:
    return load_manifest(name).graph_path.read_text(encoding="utf-8")


def graph_of(name: str) -> dict[str, Any]:
    graph: dict[str, Any] = json.loads(text_of(name))
    return graph


def options_of(spec: list[Any]) -> list[Any] | None:
    """Return what a combo offers, in both of its spellings; None for another kind of input."""
    if isinstance(spec[0], list):
        return spec[0]
    return spec[1]["options"] if spec[0] == "COMBO" else None


def inputs_of(node: dict[str, Any]) -> tuple[dict[str, Any], set[str]]:
    """Return every input a node may have, dotted ones of the chosen option included, and those it must have."""
    declared = schemas()[node["class_type"]]["input"]
    known = {**declared.get("required", {}), **declared.get("optional", {})}
    required = set(declared.get("required", {}))
    for name, spec in list(known.items()):
        if spec[0] != "COMFY_DYNAMICCOMBO_V3":
            continue
        chosen = next(option for option in spec[1]["options"] if option["key"] == node["inputs"][name])
        for sub, sub_spec in chosen["inputs"].get("required", {}).items():
            known[f"{name}.{sub}"] = sub_spec
            required.add(f"{name}.{sub}")
    return known, required


def problems_of(graph: dict[str, Any]) -> Iterator[str]:
    """Yield what a server would refuse, and what it would silently ignore."""
    for node_id, node in graph.items():
        if node["class_type"] not in schemas():
            yield f"{node_id}: unknown class {node['class_type']}"
            continue
        known, required = inputs_of(node)
        yield from (f"{node_id}: {name} is missing" for name in required - set(node["inputs"]))
        for name, value in node["inputs"].items():
            if name not in known:
                yield f"{node_id}: no input {name}"
            elif isinstance(value, list):
                yield from (f"{node_id}.{name}: {text}" for text in link_problems(graph, value, known[name]))
            else:
                yield from (f"{node_id}.{name}: {text}" for text in value_problems(value, known[name]))


def link_problems(graph: dict[str, Any], link: list[Any], spec: list[Any]) -> Iterator[str]:
    source, slot = link
    if source not in graph:
        yield f"no node {source}"
        return
    made = schemas().get(graph[source]["class_type"], {"output": [spec[0]]})["output"]
    if slot >= len(made):
        yield f"{source} has no output {slot}"
    elif "COMFY_MATCHTYPE_V3" not in (made[slot], spec[0]) and made[slot] != spec[0]:
        yield f"{source} makes {made[slot]}, not {spec[0]}"


def value_problems(value: Any, spec: list[Any]) -> Iterator[str]:
    kind, extra = spec[0], spec[1] if len(spec) > 1 else {}
    options = options_of(spec)
    if any(extra.get(upload) for upload in UPLOADS):
        return  # the name of a file that is uploaded first
    if options is not None:
        if value not in options:
            yield f"{value!r} is not offered"
    elif kind in ("INT", "FLOAT"):
        if isinstance(value, bool) or not isinstance(value, int if kind == "INT" else int | float):
            yield f"{value!r} is no {kind}"
        elif not extra.get("min", value) <= value <= extra.get("max", value):
            yield f"{value!r} is out of range"
    elif kind == "STRING" and not isinstance(value, str):
        yield f"{value!r} is no text"
    elif kind == "BOOLEAN" and not isinstance(value, bool):
        yield f"{value!r} is not yes or no"
    elif kind not in ("STRING", "BOOLEAN", "COMFY_DYNAMICCOMBO_V3"):
        yield f"needs a link of {kind}"


def upstream(graph: dict[str, Any], node_id: str) -> set[str]:
    """Return a node and everything it is made from."""
    found = {node_id}
    for value in graph[node_id]["inputs"].values():
        if isinstance(value, list):
            found |= upstream(graph, value[0])
    return found


@pytest.mark.parametrize("name", bundled_names())
def test_graph_is_accepted_by_the_schemas(name: str) -> None:
    """A graph that a server refuses stops the step for a whole night."""
    assert list(problems_of(graph_of(name))) == []


@pytest.mark.parametrize("name", bundled_names())
def test_changed_graphs_are_accepted_by_the_schemas(name: str) -> None:
    """A fallback that the server refuses is no help to a card that has just run out of memory."""
    manifest, graph = load_manifest(name), graph_of(name)
    for nodes in [[one] for one in manifest.alternatives] + [rung.nodes for rung in manifest.fallbacks]:
        assert nodes
        assert changed(graph, nodes) != graph
        assert list(problems_of(dict(changed(graph, nodes)))) == []


def test_the_check_itself_refuses() -> None:
    """A check that accepts everything would make the test above worthless."""
    graph = graph_of("clean_pic")
    graph["model"]["inputs"]["unet_name"] = "Flux-2-klein-9b-fp8.safetensors"
    graph["canvas"]["inputs"]["width"] = 8
    graph["guider"]["inputs"]["positive"] = ["vae", 0]
    graph["decode"]["inputs"].pop("vae")
    graph["noise"]["inputs"]["seed"] = 1
    graph["clip"]["class_type"] = "ClipLoader"
    assert len(list(problems_of(graph))) == 6


@pytest.mark.parametrize("name", bundled_names())
def test_every_node_leads_to_the_one_output(name: str) -> None:
    """A node that nothing uses is a wire that was forgotten; two outputs may fail one without the other."""
    graph = graph_of(name)
    outputs = [node_id for node_id, node in graph.items() if schemas()[node["class_type"]]["output_node"]]
    assert len(outputs) == 1
    assert upstream(graph, outputs[0]) == set(graph)


@pytest.mark.parametrize("name", TALKING)
def test_talking_clip_sounds_like_the_given_speech(name: str) -> None:
    """The model's own decoder would return a dull copy; and what drives the lips carries noise nobody should hear."""
    graph = graph_of(name)
    assert graph["video"]["inputs"]["audio"] == ["speech", 0]
    assert "LTXVAudioVAEDecode" not in {node["class_type"] for node in graph.values()}
    assert upstream(graph, "audio_encode") >= {"driving"}
    assert "speech" not in upstream(graph, "audio_encode")


@pytest.mark.parametrize("name", TALKING)
def test_given_speech_is_masked_in_every_stage(name: str) -> None:
    """Without the mask of zero the sampler invents another sound, and the lips follow that one."""
    graph = graph_of(name)
    assert graph["keep"]["inputs"]["value"] == 0.0
    joins = [node for node in graph.values() if node["class_type"] == "LTXVConcatAVLatent"]
    assert len(joins) == (1 if name == "script_video_single" else 2)
    for join in joins:
        assert {"audio_latent", "keep"} <= upstream(graph, join["inputs"]["audio_latent"][0])


@pytest.mark.parametrize("name", TALKING)
def test_rate_is_the_same_wherever_it_is_stated(name: str) -> None:
    """The model hears by one rate and the file plays by another otherwise: the lips would drift."""
    targets = {(target.node, target.input) for target in load_manifest(name).bindings["fps"].targets}
    assert targets == {("RATE", "frame_rate"), ("VIDEO", "fps")}


@pytest.mark.parametrize("name", TALKING)
def test_one_checkpoint_serves_all_loaders_of_the_talking_clip(name: str) -> None:
    """Text encoder and sound encoder come out of the checkpoint; another one's would not fit."""
    names = [node["inputs"]["ckpt_name"] for node in graph_of(name).values() if "ckpt_name" in node["inputs"]]
    assert len(names) == 3
    assert len(set(names)) == 1


@pytest.mark.parametrize("name", TALKING)
def test_few_steps_come_by_lora_or_by_checkpoint(name: str) -> None:
    """Both at once distil twice: the picture burns. Neither leaves noise after eight steps."""
    graph = graph_of(name)
    has_lora = any(node["class_type"] == "LoraLoaderModelOnly" for node in graph.values())
    assert has_lora != ("distilled" in graph["checkpoint"]["inputs"]["ckpt_name"])
    guiders = [node["inputs"] for node in graph.values() if node["class_type"] == "CFGGuider"]
    assert {guider["cfg"] for guider in guiders} == {1.0}
    assert {guider["model"][0] for guider in guiders} == {"model" if has_lora else "checkpoint"}


def test_stages_of_the_talking_clip_work_at_their_sizes() -> None:
    """Half and then full size by the upscaler, or full size at once: half size without the upscaler is a small clip."""
    for name in TALKING:
        graph, bindings = graph_of(name), load_manifest(name).bindings
        is_single = "upscale" not in graph
        assert is_single == ("half_width" not in bindings) == (name == "script_video_single")
        assert graph["canvas"]["inputs"]["width"] == (576 if is_single else 288)
        assert bindings["width"].limits.multiple_of == (32 if is_single else 64)


@pytest.mark.parametrize(
    "pair",
    [
        ("clean_pic", "realistic_pic"),
        ("clean_pic_4b", "realistic_pic_4b"),
        ("transition", "outro"),
        ("transition_4step", "outro_4step"),
        ("transition", "image_to_video"),
        ("transition_4step", "image_to_video_4step"),
    ],
)
def test_workflows_of_one_family_load_the_same(pair: tuple[str, str]) -> None:
    """A server keeps what a loader made for as long as the next graph asks for exactly the same."""
    loaders = [
        {
            json.dumps([node["class_type"], node["inputs"]], sort_keys=True)
            for node in graph_of(name).values()
            if node["class_type"].endswith(("Loader", "LoaderModelOnly"))
        }
        for name in pair
    ]
    assert loaders[0] == loaders[1]


@pytest.mark.parametrize("name", EXPERTS)
def test_two_experts_share_the_steps(name: str) -> None:
    """High-noise expert first, low-noise one from where it stopped: anything else leaves noise or skips steps."""
    graph = graph_of(name)
    steps, split, cfg, shift = EXPERTS[name]
    high, low = graph["sample_high"]["inputs"], graph["sample_low"]["inputs"]
    assert (high["steps"], high["end_at_step"]) == (low["steps"], low["start_at_step"]) == (steps, split)
    assert high["cfg"] == low["cfg"] == cfg
    assert (high["add_noise"], high["return_with_leftover_noise"]) == ("enable", "enable")
    assert (low["add_noise"], low["return_with_leftover_noise"]) == ("disable", "disable")
    assert low["latent_image"] == ["sample_high", 0]
    for half in ("high", "low"):
        assert f"{half}_noise" in graph[f"model_{half}"]["inputs"]["unet_name"]
        assert graph[f"shift_{half}"]["inputs"]["shift"] == shift
        chain = {f"shift_{half}", f"model_{half}"} | ({f"lora_{half}"} if steps == 4 else set())
        assert upstream(graph, f"shift_{half}") == chain
        if steps == 4:
            assert f"{half}_noise" in graph[f"lora_{half}"]["inputs"]["lora_name"]
    assert graph["vae"]["inputs"]["vae_name"] == "wan_2.1_vae.safetensors"
    assert graph["video"]["inputs"]["fps"] == 16
    assert "audio" not in graph["video"]["inputs"]


def test_the_small_model_has_its_own_vae_and_rate() -> None:
    """With the VAE of the large one it fails at the first frame, after the load."""
    graph = graph_of("image_to_video_5b")
    assert graph["vae"]["inputs"]["vae_name"] == "wan2.2_vae.safetensors"
    assert graph["video"]["inputs"]["fps"] == 24
    sampler = graph["sample"]["inputs"]
    assert (sampler["steps"], sampler["cfg"], sampler["sampler_name"]) == (20, 5.0, "uni_pc")


@pytest.mark.parametrize("name", ["clean_pic", "clean_pic_4b", "realistic_pic", "realistic_pic_4b"])
def test_the_editor_has_the_encoder_of_its_own_size(name: str) -> None:
    """Another size of text encoder loads, and fails with a shape error only when it runs."""
    graph = graph_of(name)
    size = "4b" if name.endswith("4b") else "9b"
    assert f"-{size}-" in graph["model"]["inputs"]["unet_name"]
    assert ("_4b" if size == "4b" else "_8b") in graph["clip"]["inputs"]["clip_name"]
    assert (graph["clip"]["inputs"]["type"], graph["schedule"]["inputs"]["steps"]) == ("flux2", 4)
    assert graph["guider"]["inputs"]["cfg"] == 1.0


@pytest.mark.parametrize("name", [name for name in bundled_names() if name.startswith("audio")])
def test_speech_is_made_with_a_steady_kernel(name: str) -> None:
    """`auto` prefers kernels that were heard to crackle; 1038lab's pack has no choice of them."""
    graph = graph_of(name)
    settings = {**graph["speech"]["inputs"], **graph.get("model", {"inputs": {}})["inputs"]}
    assert settings.get("attention", "sdpa") == "sdpa"
    assert ("attention" in settings) == ("1038lab" not in name)
    assert ("VoiceDesign" in json.dumps(graph)) == name.endswith("design")
