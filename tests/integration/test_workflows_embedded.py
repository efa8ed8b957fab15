"""Every bundled workflow, and each of its fallbacks, bound by its step and run by a server over a real socket.

Nothing is rendered: the server makes placeholders of the right size, length and rate, which is what is looked at.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import steps_comfy_scene as scene

from orchestrator.clock import SystemClock
from orchestrator.comfyui.client import ComfyClient
from orchestrator.comfyui.errors import MissingNodeClass
from orchestrator.comfyui.workflow import Workflow
from orchestrator.reference_workflows import base_of
from steps.base import Context, Made
from steps.comfy import ManifestStep
from steps.errors import BadOutput
from steps.external.ffmpeg import probe
from steps.footage import read_picture
from steps.manifest import Manifest, bundled_names, load_manifest
from steps.options import VideoOptions
from steps.registry import NEEDS, step

LIMIT_S = 60.0
VIDEO = VideoOptions(width=192, height=320, transition_frames=37, outro_frames=37)


def serving(folder: Path, *arguments: str) -> Iterator[ComfyClient]:
    """Start a server with placeholders, and end it."""
    argv = [sys.executable, "-m", "orchestrator.embedded", "--port", "0", "--directory", str(folder)]
    server = subprocess.Popen([*argv, "--timed", "TimedRender=0", *arguments], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        yield ComfyClient(server.stdout.readline().split()[1], client_id="workflows", clock=SystemClock())
    finally:
        server.terminate()
        server.wait(10)
        server.stdout.close()


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComfyClient]:
    yield from serving(tmp_path_factory.mktemp("card"))


@pytest.fixture(scope="module")
def old_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComfyClient]:
    yield from serving(tmp_path_factory.mktemp("old"), "--emulate", "0.3.64")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Made]:
    """What the steps before have made; nothing here changes it."""
    return scene.world(tmp_path_factory.mktemp("world"))


def step_with(manifest: Manifest) -> ManifestStep:
    """Return the step that a workflow stands in for, with it."""
    base = base_of(manifest)
    if base not in NEEDS:
        return ManifestStep(manifest)
    kind = type(step(base))
    assert issubclass(kind, ManifestStep)
    return kind(manifest)


def context_for(one: ManifestStep, made: dict[str, Made], tmp_path: Path, **changes: Any) -> Context:
    options = scene.options().model_copy(update={"video": VIDEO})
    return scene.context(tmp_path, {need: made[need] for need in one.needs}, options=options, **changes)


def run(client: ComfyClient, workflow: Workflow, one: ManifestStep, context: Context) -> Path:
    """Bind, send and wait; return the one file that came out."""
    binding = one.bind(context)
    uploads = {name: client.upload(path) for name, path in binding.uploads.items()}
    prompt_id = str(uuid.uuid4())
    graph = workflow.bind({**binding.values, **uploads}, prefix=f"nightreel/{prompt_id}", fallback=context.fallback)
    client.submit(prompt_id, graph)
    gives_up_at = time.monotonic() + LIMIT_S
    while (entry := client.history(prompt_id)) is None:
        assert time.monotonic() < gives_up_at
        threading.Event().wait(0.02)
    into = context.work / "downloads"
    into.mkdir()
    (path,) = client.collect(entry, workflow.manifest.outputs, into=into).values()
    return path


CASES = [(name, None) for name in bundled_names()]
CASES += [(name, rung.name) for name in bundled_names() for rung in load_manifest(name).fallbacks]


@pytest.mark.parametrize(("name", "rung"), CASES, ids=lambda part: part or "as_it_is")
def test_every_workflow_and_fallback_makes_what_it_says(
    name: str, rung: str | None, client: ComfyClient, made: dict[str, Made], tmp_path: Path
) -> None:
    """A graph that a server takes may still lose its end picture, its sound or its size on the way."""
    workflow = Workflow.load(name)
    one = step_with(workflow.manifest)
    context = context_for(one, made, tmp_path, fallback=rung)
    found = probe(run(client, workflow, one, context))
    base = base_of(workflow.manifest)
    if base == "audio":
        assert found.audio is not None
        assert found.duration_s > 1
        return
    assert found.video is not None
    size = (128, 224) if name == "image_to_video_5b" else (144, 240)  # three quarters, in whole blocks of the model
    assert (found.video.width, found.video.height) == (size if rung == "smaller" else (VIDEO.width, VIDEO.height))
    frames = 33 if rung in ("fewer_frames", "smaller") else None
    if base in ("transition", "outro"):
        assert found.video.frames == (frames or 37)
        assert found.video.fps == 16
    if base == "image_to_video":
        assert found.video.frames == (frames or workflow.manifest.bindings["frames"].value)
        assert found.video.fps == workflow.manifest.outputs["clip"].fps
    if base == "script_video":
        assert found.audio is not None
        assert found.video.frames % 8 == 1
        assert found.duration_s >= context.made["audio"].data["duration_s"] + context.options.talk.tail_s


@pytest.mark.parametrize("name", [name for name in bundled_names() if name.startswith("audio")])
def test_an_old_server_saves_speech_too(
    name: str, old_client: ComfyClient, made: dict[str, Made], tmp_path: Path
) -> None:
    """It has no SaveAudioAdvanced, and refuses the whole prompt for a class that it does not know."""
    workflow = Workflow.load(name)
    one = step_with(workflow.manifest)
    info = old_client.object_info()
    assert "SaveAudioAdvanced" not in info
    assert workflow.validate(info) == []
    assert workflow.node_classes() <= set(info)
    context = context_for(one, made, tmp_path)
    with pytest.raises(MissingNodeClass):
        run(old_client, workflow, one, context)
    again = replace(context, work=tmp_path / "again")
    again.work.mkdir()
    found = run(old_client, workflow.fitted_to(info), one, again)
    assert found.suffix == ".flac"


def test_results_of_a_fallback_are_held_to_what_it_asks_for(made: dict[str, Made], tmp_path: Path) -> None:
    """Thirty-three frames are what this fallback makes, and a broken clip without it."""
    one = step_with(load_manifest("transition"))
    context = context_for(one, made, tmp_path, fallback="fewer_frames")
    ends = [read_picture(context.file(name, "image")) for name in ("clean_pic", "realistic_pic")]
    clip = scene.clip(tmp_path / "clip.mp4", scene.morph(33, ends[0], ends[1]), fps=16)
    result = one.collect(context, {"clip": Path(shutil.copy(clip, context.work / "download.mp4"))})
    assert result.data["frames"] == 33
    with pytest.raises(BadOutput, match="frames"):
        one.collect(replace(context, fallback=None), {"clip": clip})
