"""The guesses: what is found in a graph, and that the manifest written about it means the same when it is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.authoring.findings import look_into, reference
from orchestrator.authoring.guess import propose
from orchestrator.authoring.proposal import Around, Bound, Proposal, name_from
from orchestrator.authoring.write import manifest_text, scalar
from orchestrator.comfyui.workflow import Workflow, read_graph
from orchestrator.pipeline import offers
from steps.comfy import ManifestStep
from steps.manifest import BUNDLED, Manifest, load_manifest
from steps.registry import default_steps

STEPS = default_steps()
AROUND = Around(tuple(offers(STEPS)), {step.name: step.number for step in STEPS}, 576, 1024)
CARD_STEPS = [step.name for step in STEPS if isinstance(step, ManifestStep)]


def node(class_type: str, title: str | None = None, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs, **({"_meta": {"title": title}} if title is not None else {})}


def simple(**changes: Any) -> dict[str, Any]:
    """Return a small edit: load, two prompts, sample, save."""
    graph = {
        "1": node("LoadImage", "Load Image", image="x.png"),
        "2": node("CLIPTextEncode", "CLIP Text Encode (Prompt)", text="a fox", clip=["9", 1]),
        "3": node("CLIPTextEncode", "CLIP Text Encode (Prompt)", text="ugly", clip=["9", 1]),
        "4": node("VAEEncode", "VAE Encode", pixels=["1", 0], vae=["9", 2]),
        "5": node(
            "KSampler", "KSampler", seed=5, steps=20, model=["9", 0], positive=["2", 0], negative=["3", 0],
            latent_image=["4", 0],
        ),
        "6": node("VAEDecode", "VAE Decode", samples=["5", 0], vae=["9", 2]),
        "7": node("SaveImage", "Save Image", images=["6", 0], filename_prefix="ComfyUI"),
        "9": node("CheckpointLoaderSimple", "Load Checkpoint", ckpt_name="sd15.safetensors"),
    }  # fmt: skip
    return {**graph, **changes}


def guess(graph: dict[str, Any], **options: Any) -> Proposal:
    return propose(graph, name="mine", around=AROUND, **options)


def bound(proposal: Proposal, name: str) -> Bound:
    found = proposal.bound(name)
    assert found is not None, [one.name for one in proposal.bindings]
    return found


@pytest.mark.parametrize("name", CARD_STEPS)
def test_the_bundled_graphs_give_their_own_manifests(name, tmp_path):
    """Whoever exports a bundled graph again gets the same bindings, at the same nodes, from the same places."""
    real = load_manifest(name)
    proposal = guess(read_graph(real.graph_path), instead_of=real)
    (tmp_path / real.graph).write_bytes(real.graph_path.read_bytes())
    (tmp_path / "mine.yaml").write_text(manifest_text(proposal, graph=real.graph, exported="x"), encoding="utf-8")
    mine = Workflow.load(tmp_path / "mine.yaml").manifest
    seed, of_mine = mine.bindings["seed"], facts_of(mine)
    assert set(real.bindings["seed"].targets) <= set(seed.targets), "a second sampler may get the seed as well"
    assert seed.source == "seed"
    assert of_mine == facts_of(real)
    assert {key: (one.node, one.media) for key, one in mine.outputs.items()} == {
        key: (one.node, one.media) for key, one in real.outputs.items()
    }


def facts_of(manifest: Manifest) -> dict[str, Any]:
    """Return what the bindings say, but for the seed."""
    return {
        key: (set(spec.targets), spec.source, spec.kind, spec.limits, spec.choices)
        for key, spec in manifest.bindings.items()
        if key != "seed"
    }


@pytest.mark.parametrize("path", sorted(BUNDLED.glob("*.json")), ids=lambda path: path.stem)
def test_the_models_of_every_bundled_graph_are_found(path):
    """Each file with its folder, as the manifests that people wrote name them."""
    manifests = [one for one in map(load_manifest, sorted(BUNDLED.glob("*.yaml"))) if one.graph_path == path]
    found = {(model.folder, model.file) for model in look_into(read_graph(path)).models}
    for manifest in manifests:
        named = {(one.folder, one.file) for one in manifest.needs.models if one.kind == "file"}
        assert found <= named


def test_a_plain_export_without_titles_of_its_own_is_understood():
    """Two prompts, told apart by the sampler's wires; their titles are the same, so their ids name them."""
    proposal = guess(simple())
    assert bound(proposal, "image").targets == (("Load Image", "image"),)
    assert bound(proposal, "prompt") == Bound("prompt", (("#2", "text"),), value="a fox")
    assert bound(proposal, "negative") == Bound("negative", (("#3", "text"),), value="ugly")
    assert bound(proposal, "seed").targets == (("KSampler", "seed"),)
    assert bound(proposal, "prefix").targets == (("Save Image", "filename_prefix"),)
    assert [(one.name, one.node, one.media) for one in proposal.outputs] == [("image", "Save Image", "image")]
    assert [(one.folder, one.file) for one in proposal.models] == [("checkpoints", "sd15.safetensors")]
    assert proposal.step is not None
    assert proposal.step.needs == ("prepare",)


def test_a_negative_made_of_the_positive_is_no_second_prompt():
    """Distilled models zero it out; a binding of its own would set the same input twice."""
    graph = simple(**{"3": node("ConditioningZeroOut", conditioning=["2", 0])})
    proposal = guess(graph)
    assert bound(proposal, "prompt").value == "a fox"
    assert proposal.bound("negative") is None


def test_both_sides_are_followed_through_a_node_that_passes_them_on():
    """By its outputs: the first is for, the second against."""
    graph = simple()
    graph["8"] = node("ControlNetApplyAdvanced", positive=["2", 0], negative=["3", 0])
    graph["5"]["inputs"] |= {"positive": ["8", 0], "negative": ["8", 1]}
    proposal = guess(graph)
    assert (bound(proposal, "prompt").value, bound(proposal, "negative").value) == ("a fox", "ugly")


def test_a_value_that_a_wire_brings_is_bound_at_its_source():
    """Binding the linked input itself would be refused."""
    graph = simple(**{"20": node("PrimitiveStringMultiline", "Words", value="a hare")})
    graph["2"]["inputs"]["text"] = ["20", 0]
    graph["5"]["inputs"]["seed"] = ["21", 0]
    graph["21"] = node("PrimitiveInt", "Number", value=3)
    proposal = guess(graph)
    assert bound(proposal, "prompt").targets == (("Words", "value"),)
    assert bound(proposal, "seed").targets == (("Number", "value"),)


def test_titles_in_and_out_are_taken_at_their_word():
    """They name the bindings, choose the outputs, and bind what nothing else would find."""
    graph = simple(**{"10": node("SaveImage", "OUT_FINAL", images=["6", 0], filename_prefix="b")})
    graph["1"]["_meta"]["title"] = "IN_CLEAN_PIC"
    graph["11"] = node("PrimitiveFloat", "IN_STRENGTH", value=0.5)
    proposal = guess(graph)
    assert bound(proposal, "clean_pic").source == "made.clean_pic.image"
    assert bound(proposal, "strength").value == 0.5
    assert [(one.name, one.node) for one in proposal.outputs] == [("final", "OUT_FINAL")]
    assert proposal.step is not None
    assert (proposal.step.number, proposal.step.needs) == (3, ("clean_pic",))


def test_a_second_sampler_that_adds_no_noise_keeps_its_seed():
    """The two experts of one video model: only the first one's seed means anything."""
    graph = simple(**{"12": node("KSamplerAdvanced", "Second", noise_seed=0, add_noise="disable")})
    assert bound(guess(graph), "seed").targets == (("KSampler", "seed"),)


def test_sizes_that_disagree_are_left_alone_and_said():
    """One of them may be a crop, a mask or a thumbnail: no guess is better than a wrong one."""
    graph = simple()
    graph["30"] = node("EmptyLatentImage", "Small", width=288, height=512, batch_size=1)
    graph["31"] = node("ImageScale", "Large", image=["1", 0], width=576, height=1024)
    proposal = guess(graph)
    assert proposal.bound("width") is None
    assert any("288×512" in note for note in proposal.notes)


def test_speech_is_read_from_the_script_once_for_each_language():
    """A voice node in a step of one's own says what the portrait says."""
    graph = {
        "1": node("SomePack_TTS", "Voice", text="hello", seed=1),
        "2": node("SaveAudio", "Save", audio=["1", 0], filename_prefix="x"),
    }
    proposal = guess(graph)
    assert bound(proposal, "text").source == "made.script.data.text"
    assert [(one.name, one.media) for one in proposal.outputs] == [("speech", "audio")]
    assert proposal.step is not None
    assert proposal.step.per_language


def test_nodes_are_named_by_title_else_class_else_number():
    """A title that begins like another kind of reference is no use as one."""
    graph = {
        "1": node("A", "Mine"),
        "2": node("B", "Twice"),
        "3": node("C", "Twice"),
        "4": node("D", "#1"),
        "5": node("D", "class:A"),
        "6": node("E"),
    }
    assert [reference(graph, one) for one in graph] == ["Mine", "class:B", "class:C", "#4", "#5", "class:E"]


TITLES = st.text(st.characters(codec=None), max_size=60)


@settings(max_examples=60, deadline=None)
@given(title=TITLES, words=TITLES)
def test_no_title_and_no_prompt_can_break_out_of_the_text(title, words):
    """Quotes, newlines, braces, YAML's own words, halves of characters: what is read is what was there."""
    graph = simple()
    graph["1"]["_meta"]["title"] = title
    graph["2"]["inputs"]["text"] = words
    text = manifest_text(guess(graph), graph="mine.json", exported=title)
    loaded = yaml.safe_load(text.encode())
    assert loaded["bindings"]["prompt"] == {"node": "#2", "input": "text", "value": words}
    image = next(one for one in loaded["bindings"].values() if one.get("kind") == "upload")
    assert image["node"] == reference(graph, "1")
    assert set(loaded) == {"title", "graph", "bindings", "outputs", "needs", "step"}


@given(st.one_of(st.text(st.characters(codec=None), max_size=30), st.integers(), st.booleans(), st.floats(-1e9, 1e9)))
@settings(max_examples=100, deadline=None)
def test_every_single_value_is_read_back_between_braces(value):
    """Flow style has more special characters than the rest of YAML."""
    assert yaml.safe_load("{a: " + scalar(value) + ", b: 1}") == {"a": value, "b": 1}


def test_a_manifest_has_about_ten_lines():
    """The issue of writing one by hand is its length; comments and needs not counted."""
    lines = manifest_text(guess(simple()), graph="mine.json", exported="x.json").splitlines()
    before_needs = [line for line in lines[: lines.index("needs:")] if line and not line.startswith("#")]
    assert len(before_needs) <= 10


def test_a_name_is_made_of_any_file_name():
    """Files are called anything; names of steps are not."""
    assert [name_from(text) for text in ("My Ink (2)", "4x", "ÉTÉ", "a" * 60)] == ["my_ink_2", "w_4x", "t", "a" * 40]


def test_the_graph_is_not_changed_by_guessing():
    """It is written out as it came."""
    graph = simple()
    before = json.dumps(graph)
    guess(graph)
    assert json.dumps(graph) == before


def test_the_written_example_of_the_docs_is_what_is_written():
    """The page shows the very text; its graph is on the page as well."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "own-workflows.md").read_text(encoding="utf-8")
    graph = json.loads(page.split("```json\n")[1].split("```")[0])
    shown = page.split("```yaml\n")[1].split("```")[0]
    proposal = propose(graph, name="negative", around=AROUND)
    assert manifest_text(proposal, graph="negative.json", exported="negative.json") == shown
