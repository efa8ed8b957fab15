"""The six ComfyUI steps one after the other, through the real client, on the embedded server over a real socket."""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import steps_comfy_scene as scene

from orchestrator.clock import SystemClock
from orchestrator.comfyui.client import ComfyClient
from orchestrator.comfyui.replies import HistoryEntry
from orchestrator.comfyui.workflow import Workflow
from steps.base import ComfyStep, Made, Result
from steps.registry import step

ORDER = ("audio", "clean_pic", "realistic_pic", "transition", "script_video", "outro")


@pytest.fixture
def client(tmp_path: Path) -> Iterator[ComfyClient]:
    argv = [sys.executable, "-m", "orchestrator.embedded", "--port", "0", "--directory", str(tmp_path / "card")]
    server = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        url = server.stdout.readline().split()[1]
        yield ComfyClient(url, client_id="steps-test", clock=SystemClock())
    finally:
        server.terminate()
        server.wait(10)
        assert server.stdout is not None
        server.stdout.close()


def finished(client: ComfyClient, prompt_id: str, *, within_s: float = 60.0) -> HistoryEntry:
    give_up = time.monotonic() + within_s
    while time.monotonic() < give_up:
        entry = client.history(prompt_id)
        if entry is not None:
            return entry
        time.sleep(0.05)
    raise AssertionError(f"prompt {prompt_id} did not end within {within_s} s")


def test_every_step_runs_and_passes_its_own_checks(client: ComfyClient, tmp_path: Path) -> None:
    """The graphs that real cards get are the ones run here, and what the stand-ins make must pass the real checks."""
    made = {name: one for name, one in scene.world(tmp_path).items() if name in ("prepare", "script")}
    object_info = client.object_info()
    results: dict[str, Result] = {}
    for name in ORDER:
        one = step(name)
        assert isinstance(one, ComfyStep)
        folder = tmp_path / name
        folder.mkdir()
        context = scene.context(folder, {need: made[need] for need in one.needs})
        binding = one.bind(context)
        workflow = Workflow.load(binding.workflow)
        assert workflow.validate(object_info) == []
        uploads = {key: client.upload(path) for key, path in binding.uploads.items()}
        prompt_id = str(uuid.uuid4())
        client.submit(prompt_id, workflow.bind({**binding.values, **uploads}, prefix=f"nightreel/{prompt_id}"))
        entry = finished(client, prompt_id)
        results[name] = one.collect(context, client.collect(entry, workflow.manifest.outputs, into=context.work))
        made[name] = Made(results[name].files, results[name].data)
    assert all(check.passed for result in results.values() for check in result.checks)
    assert results["script_video"].data["duration_s"] > results["audio"].data["duration_s"]
    assert {name: sorted(result.files) for name, result in results.items()} == {
        "audio": ["speech", "words"],
        "clean_pic": ["image"],
        "realistic_pic": ["image"],
        "transition": ["clip"],
        "script_video": ["clip", "last_frame"],
        "outro": ["clip"],
    }
