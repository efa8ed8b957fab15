"""The manifests that come with the project, and what a broken one is told."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.reference_workflows import PAGE, page
from steps.errors import ManifestError, Remedy
from steps.manifest import (
    BUNDLED,
    BindingSpec,
    Fallback,
    Limits,
    Lowered,
    Manifest,
    ModelFile,
    Needs,
    OutputSpec,
    StepSection,
    Timing,
    bundled_names,
    load_manifest,
)

SIX = ("audio", "clean_pic", "outro", "realistic_pic", "script_video", "transition")
SUBSTITUTES = {
    "audio": ("audio_1038lab", "audio_1038lab_design", "audio_dario", "audio_dario_design", "audio_design"),
    "clean_pic": ("clean_pic_4b",),
    "image_to_video": ("image_to_video_4step", "image_to_video_5b"),
    "outro": ("outro_4step",),
    "realistic_pic": ("realistic_pic_4b",),
    "script_video": ("script_video_distilled", "script_video_single"),
    "transition": ("transition_4step",),
}
NAMES = tuple(sorted({*SUBSTITUTES, *(name for names in SUBSTITUTES.values() for name in names)}))
LOADERS = {
    "UNETLoader": ("diffusion_models", "unet_name"),
    "CLIPLoader": ("text_encoders", "clip_name"),
    "VAELoader": ("vae", "vae_name"),
    "CheckpointLoaderSimple": ("checkpoints", "ckpt_name"),
    "LTXAVTextEncoderLoader": ("text_encoders", "text_encoder"),
    "LTXVAudioVAELoader": ("checkpoints", "ckpt_name"),
    "LoraLoaderModelOnly": ("loras", "lora_name"),
    "LatentUpscaleModelLoader": ("latent_upscale_models", "model_name"),
}

VALID: dict[str, Any] = {
    "title": "Mine",
    "graph": "mine.json",
    "bindings": {
        "image": {"node": "IN_IMAGE", "input": "image", "kind": "upload", "from": "made.prepare.frame"},
        "prefix": {"node": "OUT", "input": "filename_prefix", "from": "prefix"},
    },
    "outputs": {"image": {"node": "OUT", "media": "image"}},
}


def graph_of(manifest: Manifest) -> dict[str, Any]:
    graph: dict[str, Any] = json.loads(manifest.graph_path.read_text(encoding="utf-8"))
    return graph


def titles_of(graph: dict[str, Any]) -> list[str]:
    return [node["_meta"]["title"] for node in graph.values()]


def write(folder: Path, data: Any, name: str = "mine.yaml") -> Path:
    path = folder / name
    path.write_text(data if isinstance(data, str) else yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    return path


def with_change(*keys: str, value: Any) -> dict[str, Any]:
    """Return the valid manifest with one value replaced, deep down."""
    changed: dict[str, Any] = json.loads(json.dumps(VALID))
    here = changed
    for key in keys[:-1]:
        here = here.setdefault(key, {})
    here[keys[-1]] = value
    return changed


def test_the_workflows_of_the_pipeline_are_bundled() -> None:
    """The pipeline has six ComfyUI steps; a manifest that gets lost would show only when its step starts."""
    assert bundled_names() == NAMES
    assert set(SIX) < set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_target_and_output_is_in_its_graph(name: str) -> None:
    """A title that was changed on one side only would leave a prompt with the graph's placeholder."""
    manifest = load_manifest(name)
    graph = graph_of(manifest)
    by_title = {node["_meta"]["title"]: node for node in graph.values()}
    for binding in manifest.bindings.values():
        for target in binding.targets:
            assert target.input in by_title[target.node]["inputs"], target
            assert not isinstance(by_title[target.node]["inputs"][target.input], list), f"{target} is a link"
    for output in manifest.outputs.values():
        assert output.node in by_title


@pytest.mark.parametrize("name", NAMES)
def test_titles_name_one_node_each(name: str) -> None:
    """Bindings go by title, and progress shows it: two nodes of one title would be one too many for both."""
    titles = titles_of(graph_of(load_manifest(name)))
    assert len(titles) == len(set(titles))


@pytest.mark.parametrize("name", NAMES)
def test_seed_and_prefix_are_bound(name: str) -> None:
    """Without its own prefix an attempt may be served another's file from the cache; without a seed a retry is vain."""
    sources = {binding.source: binding for binding in load_manifest(name).bindings.values()}
    assert "seed" in sources
    assert sources["prefix"].targets[0].input == "filename_prefix"


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("audio")])
def test_models_of_the_manifest_are_those_of_the_graph(name: str) -> None:
    """The night is refused beforehand when a file is missing; one that only the graph names is found at 3 a.m."""
    manifest = load_manifest(name)
    loaded = {
        (LOADERS[node["class_type"]][0], node["inputs"][LOADERS[node["class_type"]][1]])
        for node in graph_of(manifest).values()
        if node["class_type"] in LOADERS
    }
    assert {(model.folder, model.file) for model in manifest.needs.models} == loaded


def test_negative_prompts_leave_paintings_alone() -> None:
    """The usual negative for this video model forbids paintings and stillness, which is what these clips are about."""
    for name in ("transition", "outro", "transition_4step", "outro_4step", "image_to_video", "image_to_video_5b"):
        text = str(load_manifest(name).bindings["negative"].value).lower()
        assert text.isascii()
        assert not re.search(r"paint|artwork|style|picture|static|still", text)


def test_prompts_say_what_tells_the_steps_apart() -> None:
    """Stand-ins and models alike go by the words: a restoration asks for no photograph, only the outro returns."""
    prompts = {name: str(load_manifest(name).bindings["prompt"].value).lower() for name in SIX if name != "audio"}
    assert "restore" in prompts["clean_pic"]
    assert "photograph" not in prompts["clean_pic"]
    assert "photograph" in prompts["realistic_pic"]
    assert "return" in prompts["outro"]
    assert "return" not in prompts["transition"]
    assert "sparkles" in prompts["transition"]
    assert "lips match" in prompts["script_video"]


def test_a_manifest_of_a_users_own_is_read_by_its_path(tmp_path: Path) -> None:
    """Ten lines of YAML are enough; the rest has defaults."""
    manifest = load_manifest(write(tmp_path, VALID))
    assert manifest.name == "mine"
    assert manifest.graph_path == tmp_path / "mine.json"
    assert manifest.outputs["image"].key == "images"
    assert manifest.bindings["image"].targets[0].node == "IN_IMAGE"
    assert manifest.timing.idle_timeout_s > 0


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (with_change("titel", value="x"), "titel: unknown key; did you mean `title`?"),
        (
            with_change("bindings", "image", "kind", value="uplod"),
            "bindings.image.kind: found 'uplod'; expected 'value'",
        ),
        (with_change("bindings", "image", "from", value="options.video.widht"), "options.video.widht does not"),
        (with_change("bindings", "image", "from", value="options.video"), "a single setting"),
        (with_change("bindings", "image", "from", value="made.prepare"), "made.STEP.NAME for a file"),
        (with_change("bindings", "image", "from", value="made.prepare.data.sex"), "needs `kind: value`"),
        (with_change("bindings", "image", "from", value="subject.password"), "expected subject.title"),
        (with_change("bindings", "image", "from", value="os.environ"), "one of seed, prefix, variant"),
        (with_change("bindings", "image", "from", value=7), "bindings.image.from: found 7"),
        (with_change("bindings", "Image!", value={"node": "A", "input": "b", "value": 1}), "bindings.Image!"),
        (with_change("bindings", "image", "targets", value=[]), "either `node` and `input`, or `targets`"),
        (with_change("bindings", "image", value={"input": "b", "value": 1}), "bindings.image.targets.0.node: missing"),
        (
            with_change("bindings", "x", value={"node": "A", "input": "b", "value": [1]}),
            "bindings.x.value: found a list",
        ),
        (with_change("outputs", value={}), "outputs: found a mapping; expected"),
        (with_change("outputs", "image", "media", value="picture"), "found 'picture'; expected 'image', 'audio' or"),
        (
            with_change("outputs", "image", "width", value=-1),
            "outputs.image.width: found -1; expected a number above 0",
        ),
        (with_change("outputs", "image", "width", value=True), "outputs.image.width: found True"),
        (with_change("timing", "expected_s", value=0), "timing.expected_s: found 0; expected seconds greater than 0"),
        (with_change("needs", "models", value=[{"folder": "vae"}]), "needs.models.0.file: missing"),
        (with_change("step", value={"name": "x", "number": 4.5}), "step.number: found 4.5"),
        (with_change("name", value="other"), "a manifest is named after its file"),
        ("", "found nothing; a mapping"),
        ("- a\n- b\n", "found a list; a mapping"),
        ("title: [", "not valid YAML"),
        ("title: a\ntitle: b\n", "the key `title` is there twice"),
        ("title: !!python/object/apply:os.system [ls]\n", "not valid YAML"),
    ],
)
def test_a_broken_manifest_names_the_key_and_what_would_do(tmp_path: Path, data: Any, told: str) -> None:
    """The one who wrote it has this sentence and nothing else to go by."""
    path = write(tmp_path, data)
    with pytest.raises(ManifestError) as caught:
        load_manifest(path)
    assert str(path) in str(caught.value)
    assert told in str(caught.value)
    assert caught.value.remedy is Remedy.STOP_STEP


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    """Mending a file one error at a time is a night each."""
    data = with_change("bindings", "image", "kind", value="uplod")
    data["graf"] = data.pop("graph")
    with pytest.raises(ManifestError) as caught:
        load_manifest(write(tmp_path, data))
    problems = caught.value.facts["problems"]
    assert isinstance(problems, tuple)
    assert len(problems) == 3  # the kind, the missing graph, the unknown graf


def test_nested_yaml_bombs_are_described_not_unfolded(tmp_path: Path) -> None:
    """A file whose aliases unfold to gigabytes is refused in the time of any other."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 10)}]" for k in range(1, 10)]
    with pytest.raises(ManifestError) as caught:
        load_manifest(write(tmp_path, "\n".join(lines)))
    assert len(str(caught.value)) < 5000


def test_files_that_are_no_manifests_are_told_apart(tmp_path: Path) -> None:
    """A graph, a folder, a picture, a typing error: each is an easy slip in `config.yaml`."""
    (tmp_path / "graph.json").write_text("{}", encoding="utf-8")
    (tmp_path / "picture.yaml").write_bytes(b"\x89PNG\xff\xfe\x00")
    (tmp_path / "huge.yaml").write_bytes(b"#" * 2_000_000)
    (tmp_path / "folder.yaml").mkdir()
    expectations = {
        "graph.json": "a .yaml file is expected",
        "picture.yaml": "not UTF-8 text",
        "huge.yaml": "at most 1000000",
        "folder.yaml": "no such file",
        "absent.yaml": "no such file",
    }
    for name, told in expectations.items():
        with pytest.raises(ManifestError, match=re.escape(told)):
            load_manifest(tmp_path / name)
    with pytest.raises(ManifestError, match="there are: audio, audio_1038lab"):
        load_manifest("clean_picture")


def test_limits_tell_the_nearest_lengths_that_would_do() -> None:
    """The server floors a wrong length without a word, so the message has to have the right ones."""
    limits = Limits(min=5, max=81, multiple_of=4, plus=1)
    assert limits.broken_by(49) is None
    assert limits.broken_by(50) == "4n+1, such as 49 or 53"
    assert limits.broken_by(1) == "at least 5"
    assert limits.broken_by(85) == "at most 81"
    assert Limits(max_chars=3).broken_by("four") == "at most 3 characters"
    assert Limits(multiple_of=64).broken_by(720) == "a multiple of 64, such as 704 or 768"


def test_bundled_graphs_lie_beside_their_manifests() -> None:
    """Both are installed as package data; a graph elsewhere would be left behind."""
    for name in NAMES:
        assert load_manifest(name).graph_path.parent == BUNDLED
        assert load_manifest(name).graph_path.is_file()


def test_the_docs_know_every_key() -> None:
    """The page is what a user writes a manifest by."""
    text = PAGE.read_text(encoding="utf-8").split("## Every key of a manifest", 1)[1]
    sections = (Manifest, BindingSpec, Limits, OutputSpec, Needs, ModelFile, Timing, StepSection, Fallback, Lowered)
    keys = {one.alias or name for section in sections for name, one in section.model_fields.items()} - {"path"}
    assert [key for key in sorted(keys) if not re.search(rf"\b{key}\b", text)] == []


def test_the_tables_of_the_docs_are_those_of_the_manifests() -> None:
    """Licences, limits and memory are read there; run `python -m orchestrator.reference` after a change."""
    text = PAGE.read_text(encoding="utf-8")
    assert page(text) == text
    for name in NAMES:
        assert [model.file for model in load_manifest(name).needs.models if f"`{model.file}`" not in text] == []
    assert "`flux-2-klein-9b-fp8.safetensors` | **FLUX Non-Commercial** |" in text
    assert "`flux-2-klein-4b-fp8.safetensors` | Apache-2.0 |" in text
    with pytest.raises(ValueError, match="must be there once each"):
        page(text.replace("<!-- end: models -->", ""))


def test_the_manifests_in_the_docs_are_valid(tmp_path: Path) -> None:
    """An example that is refused teaches distrust."""
    blocks = [block.split("```", 1)[0] for block in PAGE.read_text(encoding="utf-8").split("```yaml\n")[1:]]
    found = [load_manifest(write(tmp_path, block)) for block in blocks if block.startswith("title:")]
    assert [manifest.title for manifest in found] == ["A colder restoration", "Ink drawing"]
    assert found[0].bindings["prompt"].targets == load_manifest("clean_pic").bindings["prompt"].targets
    assert found[1].step is not None
    assert found[1].step.name == "ink"
