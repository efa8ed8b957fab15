"""The doctor: planted faults, all found at once, each with its remedy."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from comfyui_embedded import embedded
from relay import card, relay, stranger

from orchestrator.doctor import Finding, Grade, examine, fatal, machine
from orchestrator.settings import Settings, parse_settings
from steps.errors import ResourceMissing
from steps.external import ffmpeg
from steps.registry import default_steps

STATS = "/system_stats"
NODES = "/object_info"


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with embedded(tmp_path_factory.mktemp("upstream")) as server:
        yield server.url


def settings_for(folder: Path, **config: object) -> Settings:
    return parse_settings({"home": str(folder / "home"), "languages": ["en"], **config}, folder / "config.yaml")


def find(findings: list[Finding], subject: str, words: str) -> Finding:
    for one in findings:
        if one.subject == subject and words in one.found:
            return one
    shown = "\n".join(f"{one.subject}: {one.found}" for one in findings)
    raise AssertionError(f"nothing about {subject!r} with {words!r} among:\n{shown}")


def without_class(name: str):
    def change(known):
        del known[name]
        return known

    return change


def without_model(class_type: str, name: str, file: str):
    def change(known):
        spec = known[class_type]["input"]["required"][name]
        options = spec[1]["options"] if spec[0] == "COMBO" else spec[0]
        options.remove(file)
        return known

    return change


def refusing(_answer):
    """What a server says whose own node does not like an input that its schema allows."""
    error = {
        "type": "custom_validation_failed",
        "message": "Custom validation failed for node",
        "details": "unet_name - this build cannot read fp8",
        "extra_info": {"input_name": "unet_name"},
    }
    body = {
        "error": {"type": "prompt_outputs_failed_validation", "message": "", "details": "", "extra_info": {}},
        "node_errors": {"unet": {"errors": [error], "dependent_outputs": ["save"], "class_type": "UNETLoader"}},
    }
    return 400, body


INSTANCES = [
    # name, what passes differently, more of its configuration, subject, words, grade
    ("down", None, {}, "instance down", "nothing listens", Grade.PROBLEM),
    ("stranger", "stranger", {}, "instance stranger", "answered GET /system_stats", Grade.PROBLEM),
    ("old", {STATS: card(version="0.3.44")}, {}, "instance old", "ComfyUI 0.3.44", Grade.WARNING),
    (
        "poor",
        {STATS: card(), NODES: without_class("WanFirstLastFrameToVideo")},
        {},
        "instance poor: transition",
        "WanFirstLastFrameToVideo is not installed there",
        Grade.PROBLEM,
    ),
    (
        "empty",
        {STATS: card(), NODES: without_model("UNETLoader", "unet_name", "flux-2-klein-9b-fp8.safetensors")},
        {},
        "instance empty: clean_pic",
        "flux-2-klein-9b-fp8.safetensors",
        Grade.PROBLEM,
    ),
    (
        "small",
        {STATS: card(vram_gib=8)},
        {"vram_gb": 24},
        "instance small: card",
        "config.yaml says 24 GB",
        Grade.PROBLEM,
    ),
    (
        "tight",
        {STATS: card(vram_gib=11.6)},
        {},
        "instance tight: clean_pic",
        "its card has 11.6 GiB, and clean_pic needs 20 GB",
        Grade.PROBLEM,
    ),
    (
        "particular",
        {STATS: card(), "/prompt": refusing},
        {},
        "instance particular: clean_pic",
        "this build cannot read fp8",
        Grade.PROBLEM,
    ),
    ("slow", {STATS: card(kind="cpu", name="cpu")}, {}, "instance slow: card", "computes on the CPU", Grade.WARNING),
    ("lean", {STATS: card(ram_gib=16)}, {}, "instance lean: memory", "16 GiB of memory", Grade.WARNING),
    (
        "gamer",
        {STATS: card(argv=["main.py", "--cuda-device", "7"])},
        {},
        "instance gamer: card",
        "that card is reserved as games",
        Grade.PROBLEM,
    ),
    (
        "own",
        None,
        {"url": None, "start": {"folder": "no-checkout"}, "gpu": 1},
        "instance own",
        "holds no main.py",
        Grade.PROBLEM,
    ),
    ("one", {STATS: card(boot_id=True)}, {}, "instance one", "ComfyUI 0.27.0", Grade.OK),
    ("twin", {STATS: card(boot_id=True)}, {}, "instance twin", "the same server as one", Grade.PROBLEM),
    ("forever", {STATS: card()}, {}, "instance forever: restart", "there is no `restart`", Grade.WARNING),
    (
        "nocommand",
        {STATS: card()},
        {"restart": {"command": "restart-my-comfyui 0"}},
        "instance nocommand: restart",
        "`restart-my-comfyui`, the program of the restart command, is not installed here",
        Grade.PROBLEM,
    ),
    (
        "asks",
        {STATS: card()},
        {"restart": {"command": "sudo systemctl restart comfyui@0"}},
        "instance asks: restart",
        "write `sudo -n`",
        Grade.PROBLEM,
    ),
    (
        "unreachable",
        {STATS: card()},
        {"restart": {"ssh": "comfy@127.0.0.1:1", "command": "sudo -n systemctl restart comfyui@0"}},
        "instance unreachable: restart",
        "comfy@127.0.0.1:1",
        Grade.PROBLEM,
    ),
]


@pytest.fixture(scope="module")
def sick_house(upstream, tmp_path_factory) -> Iterator[list[Finding]]:
    """Everything that can be wrong with instances, wrong at once."""
    folder = tmp_path_factory.mktemp("sick")
    known_hosts = folder / "known_hosts"
    known_hosts.write_text("")
    with ExitStack() as stack:
        listed = [{"name": "games", "gpu": 7, "role": "reserved"}]
        for name, changes, more, *_ in INSTANCES:
            if changes is None:
                url = "http://127.0.0.1:1"
            elif changes == "stranger":
                url = stack.enter_context(stranger())
            else:
                url = stack.enter_context(relay(upstream, changes))
            if "ssh" in more.get("restart", {}):
                more = {"restart": {**more["restart"], "known_hosts": str(known_hosts)}}
            listed.append({"name": name, "url": url, **more})
        settings = settings_for(folder, comfyui={"instances": listed, "canary": "audio"})
        yield examine(settings)


@pytest.mark.parametrize(("name", "subject", "words", "grade"), [(one[0], *one[3:]) for one in INSTANCES])
def test_every_fault_of_an_instance_is_found(sick_house, name, subject, words, grade):
    """An owner mends all of them in one evening, instead of one a night."""
    found = find(sick_house, subject, words)
    assert found.grade is grade
    assert found.instance == name
    assert found.remedy or found.grade is Grade.OK


def test_a_step_that_only_some_can_do_stops_nothing(sick_house):
    """Other cards do it: the night is told to leave the poor one out of that step, not to stay at home."""
    assert not [one for one in fatal(sick_house) if one.subject.startswith(("instance", "step"))]


def test_a_canary_that_makes_no_picture_is_refused(sick_house):
    """`audio` cannot be compared as a picture."""
    assert find(sick_house, "canary", "it makes no picture").grade is Grade.PROBLEM


def test_nothing_is_left_on_the_server(upstream, sick_house):
    """A rehearsal runs nothing: the queue is empty and no file was made."""
    import requests

    queue = requests.get(f"{upstream}/queue", timeout=5).json()
    assert queue == {"queue_running": [], "queue_pending": []}
    assert requests.get(f"{upstream}/history", timeout=5).json() == {}


def test_a_step_that_no_instance_can_do_stops_the_night(upstream, tmp_path):
    """It would fail at three in the morning, after the steps before it were paid for."""
    poor = {STATS: card(), NODES: without_class("WanFirstLastFrameToVideo")}
    with relay(upstream, poor) as url:
        findings = examine(settings_for(tmp_path, comfyui={"instances": [{"name": "poor", "url": url}]}))
    problems = fatal(findings)
    assert {one.subject for one in problems} == {"step transition", "step outro"}
    assert all(one.remedy for one in problems)


def test_a_house_whose_every_instance_is_down_cannot_have_a_night(tmp_path):
    """The only instance does not answer."""
    findings = examine(settings_for(tmp_path, comfyui={"instances": [{"name": "a", "url": "http://127.0.0.1:1"}]}))
    assert [one.subject for one in fatal(findings)] == ["instance a"]


@pytest.fixture(scope="module")
def sick_machine(tmp_path_factory) -> Iterator[list[Finding]]:
    """Everything that can be wrong on our side, wrong at once."""
    folder = tmp_path_factory.mktemp("machine")
    (folder / "fonts").mkdir()
    (folder / "models").mkdir()
    (folder / "en.zim").write_bytes(b"ZIM? no.")
    broken = folder / "klein.yaml"
    broken.write_text(yaml.safe_dump({"title": "Mine", "graph": "gone.json", "bindings": {}, "outputs": {}}))
    (folder / "meminfo").write_text("MemTotal: 4000000 kB\nMemAvailable: 900000 kB\n")
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("NIGHTREEL_MODELS", str(folder / "models"))
        patch.setattr(machine.shutil, "disk_usage", lambda _: SimpleNamespace(free=50_000_000))
        patch.setattr(machine.available_memory_bytes, "__defaults__", (folder / "meminfo",))

        def no_ffmpeg():
            raise ResourceMissing("there is no FFmpeg")

        patch.setattr(ffmpeg, "version", no_ffmpeg)
        locked = stack.enter_context(stranger("no", status=401))
        settings = settings_for(
            folder,
            zim={"fr": "gone.zim", "en": "en.zim"},
            captions={"model": "no-whisper", "fonts_dir": "fonts"},
            final={"music": "no-music"},
            llm={"text": {"url": "http://127.0.0.1:1/v1"}, "vision": {"url": f"{locked}/v1", "api_key": "wrong"}},
            comfyui={"instances": [{"name": "a", "url": "http://127.0.0.1:1"}]},
        )
        step = copy.copy(next(step for step in default_steps() if step.name == "clean_pic"))
        step.workflow = str(broken)
        yield examine(settings, [step])


@pytest.mark.parametrize(
    ("subject", "words", "grade"),
    [
        ("FFmpeg", "there is no FFmpeg", Grade.PROBLEM),
        ("fonts", "no .ttf or .otf file", Grade.PROBLEM),
        ("face models", "face_landmark.tflite missing", Grade.PROBLEM),
        ("caption timing", "lacks model.bin", Grade.WARNING),
        ("music", "/no-music", Grade.PROBLEM),
        ("home", "0.1 GB free", Grade.PROBLEM),
        ("memory", "0.9 GB available", Grade.WARNING),
        ("ZIM fr", "gone.zim", Grade.PROBLEM),
        ("ZIM en", "en.zim", Grade.PROBLEM),
        ("LLM text", "ConnectionError", Grade.PROBLEM),
        ("LLM vision", "our key is not accepted", Grade.PROBLEM),
        ("step clean_pic", "klein.yaml", Grade.PROBLEM),
    ],
)
def test_every_fault_of_this_machine_is_found(sick_machine, subject, words, grade):
    """One table, with everything in it, and what to do about each."""
    found = find(sick_machine, subject, words)
    assert found.grade is grade
    assert found.remedy
