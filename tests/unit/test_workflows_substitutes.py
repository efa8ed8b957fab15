"""Substitutes as drop-ins for their steps, what is refused before a prompt is sent, card classes and fallbacks."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.comfyui.errors import WorkflowError
from orchestrator.comfyui.graphs import phase_of
from orchestrator.comfyui.workflow import Workflow
from orchestrator.reference_workflows import base_of
from steps.demands import Timing
from steps.errors import ManifestError
from steps.manifest import BindingSpec, Limits, Lowered, Manifest, bundled_names, load_manifest

SUPPLIED = {
    "audio": {"text", "speaker", "voice", "language", "instruct", "max_new_tokens"},
    "script_video": {"driving", "speech", "frames", "half_width", "half_height"},
}


@cache
def workflow_of(name: str) -> Workflow:
    return Workflow.load(name)


SUBSTITUTES = [name for name in bundled_names() if workflow_of(name).manifest.extends is not None]


def open_bindings(manifest: Manifest) -> set[str]:
    """Return the bindings that only a step can fill."""
    return {name for name, spec in manifest.bindings.items() if spec.source is None and spec.value is None}


def filled(name: str, **values: Any) -> dict[str, Any]:
    """Return values that a workflow takes as they are: placeholders of its own graph, and files."""
    workflow = workflow_of(name)
    found: dict[str, Any] = {}
    for key, spec in workflow.manifest.bindings.items():
        if spec.source != "prefix" and spec.value is None:
            node = next(one for one in workflow.graph.values() if one["_meta"]["title"] == spec.targets[0].node)
            found[key] = node["inputs"][spec.targets[0].input]
    return {**found, **values}


def bound(name: str, *, fallback: str | None = None, **values: Any) -> dict[str, Any]:
    return workflow_of(name).bind(filled(name, **values), prefix="nightreel/1", fallback=fallback)


# -- drop-ins ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SUBSTITUTES)
def test_a_substitute_makes_what_its_step_makes(name: str) -> None:
    """Later steps and the review read the outputs; a clip of another size would not join."""
    manifest = workflow_of(name).manifest
    base = load_manifest(base_of(manifest))
    for key, output in base.outputs.items():
        expected = output.model_copy(update={"fps": 24}) if name == "image_to_video_5b" else output
        assert manifest.outputs[key] == expected
    assert set(manifest.outputs) == set(base.outputs)
    assert manifest.title != base.title


@pytest.mark.parametrize("name", bundled_names())
def test_a_step_supplies_what_its_workflow_leaves_open(name: str) -> None:
    """A binding that gets nothing stops the step for every item."""
    manifest = workflow_of(name).manifest
    assert open_bindings(manifest) <= SUPPLIED.get(base_of(manifest), set())


@pytest.mark.parametrize("name", [name for name in SUBSTITUTES if not name.startswith("image_to_video")])
def test_a_substitute_reads_the_same_of_its_item(name: str) -> None:
    """Another node pack changes how things are called, not what the clip shows."""
    manifest = workflow_of(name).manifest
    base = load_manifest(base_of(manifest))
    sources = {spec.source for spec in manifest.bindings.values()}
    missing = {spec.source for spec in base.bindings.values()} - sources
    assert missing <= {"options.audio.unload"}
    for key in ("prompt", "negative"):
        if key in base.bindings:
            assert manifest.bindings[key].value == base.bindings[key].value


# -- refused before anything is sent ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "values", "told"),
    [
        ("script_video", {"width": 720}, "`width` gets 720; expected a multiple of 64, such as 704 or 768"),
        ("script_video", {"frames": 100}, "`frames` gets 100; expected 8n+1, such as 97 or 105"),
        ("script_video_distilled", {"height": 1080}, "a multiple of 64, such as 1024 or 1088"),
        ("script_video_single", {"width": 720}, "a multiple of 32, such as 704 or 736"),
        ("transition", {"frames": 82}, "`frames` gets 82; expected at most 81"),
        ("transition_4step", {"frames": 50}, "4n+1, such as 49 or 53"),
        ("outro", {"width": 568}, "a multiple of 16, such as 560 or 576"),
        ("image_to_video_5b", {"width": 720}, "a multiple of 32, such as 704 or 736"),
        ("image_to_video_5b", {"frames": 122}, "at most 121"),
        ("clean_pic_4b", {"seed": -1}, "`seed` gets -1; expected at least 0"),
        ("audio_dario", {"seed": 0}, "`seed` gets 0; expected at least 1"),
        ("audio_dario", {"seed": -1}, "`seed` gets -1; expected at least 1"),
        ("audio_1038lab", {"seed": -1}, "`seed` gets -1; expected at least 0"),
        ("audio", {"seed": 2**64}, "expected at most 18446744073709551615"),
        ("audio", {"max_new_tokens": 511}, "expected at least 512"),
        ("audio_1038lab", {"max_new_tokens": 4097}, "expected at most 4096"),
        ("audio_dario_design", {"max_new_tokens": 8193}, "expected at most 8192"),
        ("audio", {"speaker": "Bob"}, "`speaker` gets 'Bob'; expected one of Serena, Ryan, Aiden"),
        ("audio_1038lab", {"language": "Dutch"}, "`language` gets 'Dutch'; expected one of Auto, Chinese, English"),
        ("audio", {"text": "long " * 1000}, "gets a text of 5000 characters; expected at most 4000 characters"),
    ],
)
def test_what_a_server_would_round_is_refused(name: str, values: dict[str, Any], told: str) -> None:
    """Servers floor wrong sizes and lengths without a word, and the clip loses its end in the night."""
    with pytest.raises(WorkflowError) as caught:
        bound(name, **values)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("name", "given", "spelt"),
    [
        ("audio", "Ono_Anna", "Ono_anna"),
        ("audio", "uncle_fu", "Uncle_fu"),
        ("audio", "Uncle_fu", "Uncle_fu"),
        ("audio_dario", "Uncle_fu", "Uncle_Fu"),
        ("audio_1038lab", "ONO_ANNA", "Ono_Anna"),
    ],
)
def test_one_name_of_a_speaker_holds_for_every_pack(name: str, given: str, spelt: str) -> None:
    """Packs spell two speakers differently, and a server refuses the other spelling."""
    assert bound(name, speaker=given)["speech"]["inputs"]["speaker"] == spelt


@pytest.mark.parametrize("name", ["audio", "audio_design", "audio_1038lab", "audio_1038lab_design"])
def test_packs_that_can_give_memory_back_are_told(name: str) -> None:
    """The packs hold their model where the server's own clearing does not reach."""
    switches = ("unload_model_after_generate", "unload_models")
    for wanted in (True, False):
        inputs = bound(name, unload=wanted)["speech"]["inputs"]
        assert [inputs[key] for key in switches if key in inputs] == [wanted]


# -- alternatives -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in bundled_names() if name.startswith("audio")])
def test_sound_is_saved_by_what_the_server_has(name: str) -> None:
    """SaveAudioAdvanced came late; the node that it replaces will go one day."""
    workflow = workflow_of(name)
    assert workflow.alternative_classes() == {"SaveAudioAdvanced", "SaveAudio"}
    assert "SaveAudioAdvanced" not in workflow.node_classes()
    for has, expected in (
        ({"SaveAudioAdvanced", "SaveAudio"}, "SaveAudioAdvanced"),
        ({"SaveAudio"}, "SaveAudio"),
        (set(), "SaveAudioAdvanced"),  # neither: the message should name the one of the file
    ):
        fitted = workflow.fitted_to({key: {} for key in has})
        save = fitted.graph["save"]
        assert save["class_type"] == expected
        assert ("format" in save["inputs"]) == (expected == "SaveAudioAdvanced")
        assert fitted.bind(filled(name), prefix="p/1")["save"]["inputs"]["filename_prefix"] == "p/1"
    assert workflow.graph["save"]["class_type"] == "SaveAudioAdvanced"


# -- fallbacks --------------------------------------------------------------------------------------------------------


def test_a_fallback_changes_nodes_and_numbers_of_one_prompt() -> None:
    """The next item gets the whole clip again."""
    usual, less = bound("transition", frames=49), bound("transition", frames=49, fallback="smaller")
    assert (usual["decode"]["class_type"], less["decode"]["class_type"]) == ("VAEDecode", "VAEDecodeTiled")
    assert less["decode"]["inputs"]["samples"] == usual["decode"]["inputs"]["samples"]
    sizes = [less["frames"]["inputs"][key] for key in ("width", "height", "length")]
    assert sizes == [432, 768, 33]
    assert bound("transition", frames=49) == usual


def test_a_fallback_never_makes_more() -> None:
    """An owner who asked for 17 frames has less than the rung's 33 already."""
    assert bound("outro", frames=17, fallback="fewer_frames")["frames"]["inputs"]["length"] == 17
    manifest = load_manifest("transition")
    assert manifest.on_fallback("fewer_frames", "frames", 33) == 33
    assert manifest.on_fallback("tiled_decode", "frames", 49) == 49


@pytest.mark.parametrize("name", bundled_names())
def test_what_a_fallback_makes_keeps_to_the_limits(name: str) -> None:
    """A rung that a limit refuses is a rung too few."""
    manifest = workflow_of(name).manifest
    for rung in manifest.fallbacks:
        for width in (128, 192, 576, 704, 1024):
            if {"width", "height"} <= set(manifest.bindings):
                bound(name, width=width, height=width * 2, fallback=rung.name)


@pytest.mark.parametrize("name", [name for name in bundled_names() if name.startswith("script_video")])
def test_the_talk_is_never_shortened(name: str) -> None:
    """Fewer frames would cut the last words."""
    assert [rung.name for rung in workflow_of(name).manifest.fallbacks] == ["small_tiles", "encoder_on_cpu"]
    for rung in workflow_of(name).manifest.fallbacks:
        assert rung.values == {}
        assert bound(name, frames=201, fallback=rung.name)["canvas"]["inputs"]["length"] == 201


def test_an_unknown_fallback_is_told_with_those_there_are() -> None:
    """It may come from an older database."""
    with pytest.raises(WorkflowError, match="no `half`; there are: tiled_decode, fewer_frames, smaller"):
        bound("transition", fallback="half")
    with pytest.raises(WorkflowError, match="there are: none"):
        bound("audio", fallback="half")


@pytest.mark.parametrize(
    ("limits", "by", "value", "expected"),
    [
        (Limits(multiple_of=16), Lowered(times=0.75), 576, 432),
        (Limits(multiple_of=64), Lowered(times=0.75), 576, 384),
        (Limits(multiple_of=4, plus=1, min=5), Lowered(times=0.5), 49, 21),
        (Limits(multiple_of=4, plus=1, min=5), Lowered(times=0.1), 9, 5),
        (Limits(multiple_of=4, plus=1), Lowered(at_most=34), 49, 33),
        (Limits(multiple_of=4, plus=1), Lowered(at_most=34), 17, 17),
        (Limits(), Lowered(times=0.5), 0.7, 0.35),
    ],
)
def test_smaller_numbers_keep_to_their_limits(limits: Limits, by: Lowered, value: float, expected: float) -> None:
    """Whatever the owner's number was."""
    assert limits.lowered(value, by) == expected


# -- time -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("vram_gb", "seconds"),
    [(None, 90), (0, 450), (16, 450), (23.6, 450), (28, 450), (31.4, 260), (47.5, 260), (94.9, 90), (140, 90)],
)
def test_seconds_are_those_of_the_card(vram_gb: float | None, seconds: float) -> None:
    """A card sold with 32 GB reports 31.4, and counts as what it was sold as."""
    assert load_manifest("transition").timing.expected_s_on(vram_gb) == seconds


def test_a_single_number_holds_for_every_card() -> None:
    """As manifests have said it all along."""
    timing = Timing.model_validate({"expected_s": 20})
    assert timing.expected_s == timing.expected_s_on(4) == timing.expected_s_on(None) == 20
    assert Timing().expected_s > 0


@pytest.mark.parametrize("name", bundled_names())
def test_every_phase_has_a_floor_and_larger_cards_are_no_slower(name: str) -> None:
    """What was learned on a good night must not end a slow load."""
    timing = workflow_of(name).manifest.timing
    table = list(timing.expected_by_memory.items())
    assert table == sorted(table)
    assert [seconds for _, seconds in table] == sorted((seconds for _, seconds in table), reverse=True)
    assert workflow_of(name).manifest.needs.vram_gb <= table[0][0]
    for phase in ("load", "encode", "sample", "decode", "save"):
        assert 60 <= timing.phase_floor_s(phase) <= timing.idle_timeout_s
    assert timing.total_timeout_s > timing.expected_s_on(0) * 2


@pytest.mark.parametrize(
    ("phases", "told"),
    [
        ({"lode": 3}, "phases are load, encode, sample, decode, save"),
        ({"load": 0}, "seconds greater than 0"),
        ({"load": True}, "seconds greater than 0"),
        (7, "seconds by phase"),
    ],
)
def test_phases_that_mean_nothing_are_refused(tmp_path: Path, phases: Any, told: str) -> None:
    """A misspelt phase would never be waited for."""
    with pytest.raises(ManifestError, match=f"timing.phases: .*{told}"):
        load_manifest(written(tmp_path, timing={"phases": phases}))


@pytest.mark.parametrize("table", [{}, {"24": 3}, {24: 0}, {-1: 3}, {24: "long"}, "long", float("inf")])
def test_tables_of_seconds_that_mean_nothing_are_refused(tmp_path: Path, table: Any) -> None:
    """An estimate decides whether an item still starts before the morning."""
    with pytest.raises(ManifestError, match=r"timing\.expected_s: .*seconds"):
        load_manifest(written(tmp_path, timing={"expected_s": table}))


@pytest.mark.parametrize(
    ("class_type", "phase"),
    [
        ("UNETLoader", "load"),
        ("LTXAVTextEncoderLoader", "load"),
        ("LoraLoaderModelOnly", "load"),
        ("CheckpointLoaderSimple", "load"),
        ("LoadImage", "load"),
        ("CLIPTextEncode", "encode"),
        ("VAEEncodeTiled", "encode"),
        ("LTXVAudioVAEEncode", "encode"),
        ("ImageScale", "encode"),
        ("KSamplerSelect", "encode"),
        ("Flux2Scheduler", "encode"),
        ("KSampler", "sample"),
        ("SamplerCustomAdvanced", "sample"),
        ("LTXVLatentUpsampler", "sample"),
        ("FB_Qwen3TTSCustomVoice", "sample"),
        ("SomebodysOwnNode", "sample"),
        ("VAEDecode", "decode"),
        ("VAEDecodeTiled", "decode"),
        ("CreateVideo", "save"),
        ("SaveVideo", "save"),
        ("VHS_VideoCombine", "save"),
        ("SaveAudioAdvanced", "save"),
    ],
)
def test_a_class_tells_what_a_prompt_is_doing(class_type: str, phase: str) -> None:
    """How long silence is normal differs by an order of magnitude between phases."""
    assert phase_of(class_type) == phase


# -- what a file may say ----------------------------------------------------------------------------------------------


def written(folder: Path, name: str = "mine.yaml", **keys: Any) -> Path:
    """Write a manifest that extends a bundled one."""
    path = folder / name
    path.write_text(yaml.safe_dump({"title": "Mine", "extends": "transition", **keys}, sort_keys=False), "utf-8")
    return path


def test_a_substitute_of_ones_own_states_what_differs(tmp_path: Path) -> None:
    """Another prompt is three lines, and keeps the graph, the limits and the models."""
    path = written(tmp_path, bindings={"prompt": {"value": "Blue sparkles."}, "negative": None}, needs={"vram_gb": 40})
    manifest, base = load_manifest(path), load_manifest("transition")
    assert manifest.graph_path == base.graph_path
    assert (manifest.bindings["prompt"].value, "negative" in manifest.bindings) == ("Blue sparkles.", False)
    assert manifest.bindings["prompt"].targets == base.bindings["prompt"].targets
    assert (manifest.needs.vram_gb, manifest.needs.models) == (40, base.needs.models)
    again = written(tmp_path, "again.yaml", extends="mine.yaml", title="Again")
    assert load_manifest(again).bindings == manifest.bindings


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"extends": "tranistion"}, "there is no workflow `tranistion`; there are: audio"),
        ({"extends": "mine.yaml"}, "extends: mine.yaml leads back to this file"),
        ({"extends": "sub/../mine.yaml"}, "leads back to this file"),
        ({"extends": ["transition"]}, "extends: found a list"),
        ({"extends": "absent.yaml"}, "no such file"),
        ({"bindings": {"frames": {"value": 50, "from": None}}}, "`value: 50` breaks its own limits: 4n+1"),
        ({"bindings": {"prompt": {"choices": [1]}}}, "bindings.prompt.choices"),
        ({"fallbacks": [{"name": "x", "why": "y"}]}, "at least one of `nodes` and `set`"),
        ({"fallbacks": [{"name": "x", "why": "y", "set": {"frams": 33}}]}, "there is no binding `frams`"),
        ({"fallbacks": [{"name": "x", "why": "y", "set": {"frames": 34}}]}, "found 34; expected 4n+1"),
        ({"fallbacks": [{"name": "x", "why": "y", "set": {"frames": {"times": 1.5}}}]}, "less than 1"),
        ({"fallbacks": [{"name": "x", "why": "y", "set": {"frames": {}}}]}, "either `at_most` or `times`"),
        ({"fallbacks": [{"name": "x", "why": "y", "set": {"frames": 33}}] * 2}, "share a name"),
        ({"fallbacks": [{"name": "x", "why": "y", "nodes": [{"node": "Decode"}]}]}, "nothing would change"),
        ({"alternatives": [{"node": "Decode"}]}, "alternatives.0.class: missing"),
    ],
)
def test_what_a_manifest_gets_wrong_is_told(tmp_path: Path, keys: dict[str, Any], told: str) -> None:
    """When it is read, not when a card runs out of memory at three."""
    (tmp_path / "sub").mkdir()
    with pytest.raises(ManifestError) as caught:
        load_manifest(written(tmp_path, **keys))
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("node", "told"),
    [
        ({"node": "Dekode", "class": "VAEDecodeTiled"}, "fallbacks.x.nodes: the graph has no node `Dekode`"),
        ({"node": "FRAMES", "without": ["length"]}, "fallbacks.x.nodes: bindings.frames: the node `FRAMES` has no"),
    ],
)
def test_a_fallback_that_does_not_fit_the_graph_is_told(tmp_path: Path, node: dict[str, Any], told: str) -> None:
    """A binding of the rung's graph must have its input, too."""
    path = written(tmp_path, fallbacks=[{"name": "x", "why": "y", "nodes": [node]}])
    with pytest.raises(WorkflowError) as caught:
        Workflow.load(path)
    assert told in str(caught.value)


def test_choices_are_a_list_or_a_mapping() -> None:
    """A list where the node spells as we do."""
    place = {"node": "A", "input": "b"}
    listed = BindingSpec.model_validate({**place, "choices": ["One", "Two"]})
    mapped = BindingSpec.model_validate({**place, "choices": {"One": "1", "Two": "2"}})
    assert (listed.spelled("two"), mapped.spelled("two"), mapped.spelled("2")) == ("Two", "2", "2")
    assert (listed.broken_by("Two"), mapped.broken_by("Three")) == (None, "one of One, Two")
