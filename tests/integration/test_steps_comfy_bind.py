"""What the ComfyUI steps put into their graphs, as the client binds it, and what a user's own workflow may do."""

from __future__ import annotations

import gzip
import json
import wave
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import steps_comfy_scene as scene
import yaml

from orchestrator.comfyui.workflow import Workflow
from steps.audio import Audio
from steps.base import Binding, ComfyStep, Context, Made
from steps.clean_pic import CleanPic
from steps.comfy import ManifestStep
from steps.errors import InvalidInput, ManifestError, Remedy
from steps.external.ffmpeg import read_samples
from steps.manifest import load_manifest
from steps.options import AudioOptions, StepOptions, TalkOptions, VideoOptions, VoiceOptions
from steps.outro import Outro
from steps.realistic_pic import RealisticPic
from steps.script_video import ScriptVideo
from steps.transition import Transition
from steps.waveform import BLOCK

SCHEMAS = Path(__file__).parents[1] / "resources" / "object_info_subset.json.gz"
STEPS: tuple[ComfyStep, ...] = (Audio(), CleanPic(), RealisticPic(), Transition(), ScriptVideo(), Outro())
OWN = {
    "title": "Slow zoom",
    "graph": "zoom.json",
    "bindings": {
        "image": {"node": "IN_IMAGE", "input": "image", "kind": "upload", "from": "made.clean_pic.image"},
        "note": {"node": "IN_PROMPT", "input": "text", "from": "subject.artist", "value": "unknown"},
        "seed": {"node": "#noise", "input": "noise_seed", "from": "seed"},
        "prefix": {"node": "class:SaveImage", "input": "filename_prefix", "from": "prefix"},
    },
    "outputs": {"image": {"node": "OUT_IMAGE", "media": "image"}},
    "step": {"name": "zoom", "number": 4, "per_language": False, "needs": ["clean_pic"]},
}


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return scene.context(tmp_path, scene.world(tmp_path))


@pytest.fixture(scope="module")
def object_info() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(gzip.decompress(SCHEMAS.read_bytes()))
    return loaded


def graph_for(binding: Binding) -> dict[str, Any]:
    """Bind as the client does, with names that a server might give to the uploads."""
    names = {name: f"nightreel/{path.name}" for name, path in binding.uploads.items()}
    return Workflow.load(binding.workflow).bind({**binding.values, **names}, prefix="nightreel/attempt-1")


def own_step(tmp_path: Path, **changes: Any) -> ManifestStep:
    folder = tmp_path / "own"
    folder.mkdir(exist_ok=True)
    (folder / "zoom.json").write_text(load_manifest("clean_pic").graph_path.read_text())
    (folder / "zoom.yaml").write_text(yaml.safe_dump({**OWN, **changes}))
    return ManifestStep(load_manifest(folder / "zoom.yaml"))


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_a_bound_graph_is_accepted_by_the_schemas(
    step: ComfyStep, context: Context, object_info: Mapping[str, Any]
) -> None:
    """From the step's values to the very prompt: nothing is left out, no value is out of the server's range."""
    binding = step.bind(context)
    workflow = Workflow.load(binding.workflow)
    bound = replace(workflow, graph=graph_for(binding))
    assert bound.validate(object_info) == []
    assert all(path.is_file() for path in binding.uploads.values())
    assert "prefix" not in binding.values
    assert set(binding.values) | set(binding.uploads) | {"prefix"} == set(workflow.manifest.bindings)


@pytest.mark.parametrize("size", [(576, 1024), (704, 1280), (1152, 2048), (64, 64)])
@pytest.mark.parametrize("step", STEPS[1:], ids=lambda step: step.name)
def test_every_size_in_a_graph_is_the_one_that_was_set(step: ComfyStep, size: tuple[int, int], tmp_path: Path) -> None:
    """One node that keeps its own size gives a clip that does not join, or heads that are cut differently."""
    width, height = size
    options = scene.options().model_copy(update={"video": VideoOptions(width=width, height=height)})
    context = scene.context(tmp_path, scene.world(tmp_path), options=options)
    if step.name == "script_video" and size == (64, 64):
        with pytest.raises(ManifestError, match="width: found 64"):  # half of it is less than a block
            step.bind(context)
        return
    found = {
        (node["class_type"], key.rsplit(".", 1)[-1]): value
        for node in graph_for(step.bind(context)).values()
        for key, value in node["inputs"].items()
        if key.rsplit(".", 1)[-1] in ("width", "height") and node["class_type"] != "SolidMask"
    }
    for (class_type, key), value in found.items():
        whole = width if key == "width" else height
        assert value == (whole // 2 if class_type == "EmptyLTXVLatentVideo" else whole), class_type
    assert found


def test_two_items_never_share_a_graph(context: Context) -> None:
    """Seed and prefix make the try; the placeholder of the graph file must not be among what is sent."""
    first = graph_for(CleanPic().bind(context))
    second = graph_for(CleanPic().bind(replace(context, seed=5)))
    assert (first["noise"]["inputs"]["noise_seed"], second["noise"]["inputs"]["noise_seed"]) == (123456789, 5)
    assert first["save"]["inputs"]["filename_prefix"] == "nightreel/attempt-1"
    assert first["prompt"]["inputs"]["text"].startswith("Restore this old painting")


class TestVoices:
    """What step 2 chooses."""

    @pytest.mark.parametrize(
        ("sex", "variant", "speaker", "language"),
        [
            ("female", "en", "Serena", "English"),
            ("male", "en", "Aiden", "English"),
            ("female", "fr", "Vivian", "French"),
            ("unknown", "fr", "Vivian", "French"),
        ],
    )
    def test_the_voice_fits_the_sitter_and_the_language(
        self, tmp_path: Path, sex: str, variant: str, speaker: str, language: str
    ) -> None:
        """A duke who speaks with a girl's voice is a redo in the morning."""
        made = scene.world(tmp_path)
        made["prepare"] = Made(made["prepare"].files, {**made["prepare"].data, "sex": sex})
        values = Audio().bind(scene.context(tmp_path, made, variant=variant)).values
        assert (values["speaker"], values["language"]) == (speaker, language)
        assert values["text"] == scene.TEXT
        assert values["instruct"]

    @pytest.mark.parametrize(("sex", "word"), [("male", " man "), ("female", " woman "), ("unknown", " woman ")])
    @pytest.mark.parametrize("name", ["audio_design", "audio_dario_design", "audio_1038lab_design"])
    def test_a_described_voice_is_of_the_sitters_sex(self, tmp_path: Path, name: str, sex: str, word: str) -> None:
        """Description first, then how it should sound: all that such a model has to go by."""
        made = scene.world(tmp_path)
        made["prepare"] = Made(made["prepare"].files, {**made["prepare"].data, "sex": sex})
        binding = Audio(load_manifest(name)).bind(scene.context(tmp_path, made))
        assert "speaker" not in binding.values
        assert word in str(binding.values["voice"])
        assert "telling a secret" in str(binding.values["voice"])
        assert graph_for(binding)["speech"]["inputs"]["instruct"] == binding.values["voice"]

    @pytest.mark.parametrize(("name", "fewest"), [("audio", 512), ("audio_dario", 64), ("audio_1038lab", 256)])
    def test_the_limit_of_tokens_is_within_the_packs(self, tmp_path: Path, name: str, fewest: int) -> None:
        """Runaway speech costs up to the limit: a pack that takes a lower one gets it."""
        made = {**scene.world(tmp_path), "script": Made({}, {"text": "Good evening."})}
        assert Audio(load_manifest(name)).bind(scene.context(tmp_path, made)).values["max_new_tokens"] == fewest

    def test_a_seed_that_the_pack_has_not_fails_the_item(self, tmp_path: Path) -> None:
        """Another item has another seed."""
        context = scene.context(tmp_path, scene.world(tmp_path), seed=0)
        with pytest.raises(InvalidInput, match="seed: found 0; expected at least 1"):
            Audio(load_manifest("audio_dario")).bind(context)
        assert Audio().bind(context).values["seed"] == 0

    def test_a_speaker_that_the_pack_has_not_stops_the_step(self, tmp_path: Path) -> None:
        """It is a setting, so every item would fail; and it is told before the night as well."""
        voices = AudioOptions(voices={"en": VoiceOptions(female="Bob")})
        options = scene.options().model_copy(update={"audio": voices})
        step = Audio(load_manifest("audio_1038lab"))
        with pytest.raises(ManifestError, match="speaker: found 'Bob'; expected one of Serena, Ryan") as caught:
            step.bind(scene.context(tmp_path, scene.world(tmp_path), options=options))
        assert caught.value.remedy is Remedy.STOP_STEP
        (problem,) = step.setting_problems(options)
        assert problem.startswith("audio.voices.en.female: found 'Bob'; the workflow audio_1038lab needs one of Serena")

    def test_a_text_of_no_end_fails_alone(self, tmp_path: Path) -> None:
        """It is this item's script that is at fault: the others go on."""
        made = {**scene.world(tmp_path), "script": Made({}, {"text": "long " * 1000})}
        with pytest.raises(InvalidInput, match="at most 4000 characters") as caught:
            Audio().bind(scene.context(tmp_path, made))
        assert caught.value.remedy is Remedy.FAIL


class TestTalking:
    """What step 6 makes for its graph."""

    def test_sound_is_longer_than_the_clip_and_the_clip_than_the_speech(self, context: Context) -> None:
        """Whatever ends first is what is cut."""
        binding = ScriptVideo().bind(context)
        frames = binding.values["frames"]
        with wave.open(str(binding.uploads["speech"])) as sound:
            assert (sound.getframerate(), sound.getnchannels()) == (44_100, 2)
            assert sound.getnframes() % BLOCK == 0
            assert sound.getnframes() / 44_100 >= frames / 24 >= 6.0 + 0.4

    def test_only_what_drives_the_lips_has_room_tone(self, context: Context) -> None:
        """The viewer hears the clean speech; its padding is silent, the other's is not."""
        uploads = ScriptVideo().bind(context).uploads
        clean, driving = (read_samples(uploads[name], rate_hz=44_100) for name in ("speech", "driving"))
        assert not clean[-4000:].any()
        tail_dbfs = 20 * np.log10(np.sqrt(np.mean(driving[-4000:] ** 2)))
        assert -60 < tail_dbfs < -48
        assert np.abs(driving - clean).max() < 0.02

    def test_room_tone_can_be_turned_off(self, tmp_path: Path) -> None:
        """The makers of the model advise against it; then both files are the same, and uploaded once."""
        options = scene.options().model_copy(update={"talk": TalkOptions(room_tone_dbfs=None)})
        uploads = ScriptVideo().bind(scene.context(tmp_path, scene.world(tmp_path), options=options)).uploads
        assert uploads["speech"].read_bytes() == uploads["driving"].read_bytes()

    def test_the_same_try_uploads_the_same_bytes(self, context: Context) -> None:
        """Uploads are named by their content; a try that is bound again must not upload again."""
        once = ScriptVideo().bind(context).uploads["driving"].read_bytes()
        assert ScriptVideo().bind(context).uploads["driving"].read_bytes() == once


class TestUsersOwn:
    """A workflow with a manifest and no Python."""

    def test_a_manifest_alone_is_a_step(self, context: Context, tmp_path: Path) -> None:
        """Ten lines of YAML: bound by title, class and id, with a literal where the item has nothing."""
        step = own_step(tmp_path)
        assert (step.name, step.number, step.title, step.needs) == ("zoom", 4, "Slow zoom", ("clean_pic",))
        graph = graph_for(step.bind(context))
        assert graph["prompt"]["inputs"]["text"] == "unknown"
        result = step.collect(context, {"image": scene.save(tmp_path / "x.png", scene.landscape())})
        assert result.data == {"width": scene.WIDTH, "height": scene.HEIGHT}

    def test_it_may_take_the_place_of_a_bundled_one(self, context: Context, tmp_path: Path) -> None:
        """The step keeps its name and its checks; what its workflow does not bind is not asked for."""
        own = own_step(tmp_path).manifest.model_copy(update={"step": None})
        spec = own.bindings["image"].model_copy(update={"source": None})
        step = CleanPic(own.model_copy(update={"bindings": {**own.bindings, "image": spec}}))
        assert step.name == "clean_pic"
        assert step.workflow.endswith("zoom.yaml")
        with pytest.raises(ManifestError, match=r"bindings\.image: neither `from` nor `value`"):
            step.bind(context)

    @pytest.mark.parametrize(
        ("changes", "told"),
        [
            ({"step": None}, "has no `step:` section"),
            ({"step": {"name": "zoom", "number": 4}}, "but zoom builds on no other step"),
        ],
    )
    def test_a_manifest_that_cannot_be_a_step_says_why(
        self, tmp_path: Path, changes: dict[str, Any], told: str
    ) -> None:
        """Found when the settings are read, not when the step's turn comes."""
        with pytest.raises(ManifestError, match=told):
            own_step(tmp_path, **changes)

    @pytest.mark.parametrize(
        ("binding", "error", "told"),
        [
            ({"from": "subject.year"}, ManifestError, "`from: subject.year` has nothing for this item"),
            ({"from": "made.clean_pic.data.mood"}, ManifestError, "step clean_pic has no `mood` in its data"),
            ({"from": "options.languages"}, ManifestError, "found tuple; expected a text"),
            ({"value": 50, "limits": {"multiple_of": 4, "plus": 1}}, ManifestError, "4n+1, such as 49 or 53"),
            ({"from": "options.video.width", "limits": {"max": 64}}, ManifestError, "192 in options.video.width"),
            ({"from": "subject.title", "limits": {"max_chars": 3}}, InvalidInput, "at most 3 characters"),
        ],
    )
    def test_a_value_that_will_not_do_is_told_with_its_key(
        self, context: Context, tmp_path: Path, binding: dict[str, Any], error: type[Exception], told: str
    ) -> None:
        """The key says where to mend it; what is wrong with the item is told apart from what is wrong with the file."""
        note = {"node": "IN_PROMPT", "input": "text", **binding}
        with pytest.raises(error) as caught:
            own_step(tmp_path, bindings={**OWN["bindings"], "note": note}).bind(context)  # type: ignore[dict-item]
        assert told in str(caught.value)
        assert "note" in str(caught.value)

    def test_an_artifact_that_is_not_made_is_named(self, context: Context, tmp_path: Path) -> None:
        """A slip in a file name is answered with the names there are."""
        image = {"node": "IN_IMAGE", "input": "image", "kind": "upload", "from": "made.clean_pic.picture"}
        step = own_step(tmp_path, bindings={**OWN["bindings"], "image": image})  # type: ignore[dict-item]
        with pytest.raises(ManifestError, match="made no file `picture`; its files are: image"):
            step.bind(context)


@pytest.mark.parametrize(
    ("size", "refused"),
    [
        ((576, 1024), set()),
        ((1152, 2048), set()),
        ((704, 1280), set()),
        ((864, 1536), {"script_video"}),
        ((720, 1280), {"script_video"}),
    ],
)
def test_sizes_that_a_workflow_cannot_make_are_told_before_the_night(size: tuple[int, int], refused: set[str]) -> None:
    """The talk comes after hours of other steps; the server would make another size of it without a word."""
    options = StepOptions(video=VideoOptions(width=size[0], height=size[1]))
    comfy = [step for step in STEPS if isinstance(step, ManifestStep)]
    problems = {step.name: step.setting_problems(options) for step in comfy}
    assert {name for name, found in problems.items() if found} == refused
    single = ScriptVideo(load_manifest("script_video_single"))
    assert bool(single.setting_problems(options)) == (size == (720, 1280))
    if size == (720, 1280):
        assert problems["script_video"] == (
            "video.width: found 720; the workflow script_video needs a multiple of 64, such as 704 or 768",
        )


def test_settings_of_the_default_suit_every_workflow(tmp_path: Path) -> None:
    """The defaults are what most nights run with."""
    context = scene.context(tmp_path, scene.world(tmp_path), options=StepOptions())
    for step in STEPS:
        assert step.bind(context).workflow == step.name
