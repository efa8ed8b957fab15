"""Runs graphs on an embedded server and looks at the files that come out."""

from __future__ import annotations

import time
import wave
from pathlib import Path
from typing import Any

import av
import numpy as np
import requests

LIMIT_S = 20.0


class Bench:
    """A card with placeholders instead of renderers: graphs, sizes and files are what counts here."""

    def __init__(self, url: str, directory: Path) -> None:
        self.url = url
        self.directory = directory

    def run(self, graph: dict[str, Any], **extra: Any) -> dict[str, Any]:
        """Run a graph and return its history entry."""
        body = {"prompt": graph, "client_id": "bench", "extra_data": extra}
        answer = requests.post(f"{self.url}/prompt", json=body, timeout=LIMIT_S)
        assert answer.status_code == 200, answer.text
        assert answer.json()["node_errors"] == {}
        prompt_id = answer.json()["prompt_id"]
        gives_up_at = time.monotonic() + LIMIT_S
        while time.monotonic() < gives_up_at:
            entry = requests.get(f"{self.url}/history/{prompt_id}", timeout=LIMIT_S).json()
            if entry:
                return entry[prompt_id]
            time.sleep(0.01)
        raise AssertionError("did not finish")

    def file(self, graph: dict[str, Any], **extra: Any) -> Path:
        """Run a graph and return the one file it saved."""
        entry = self.run(graph, **extra)
        assert entry["status"]["status_str"] == "success", entry["status"]["messages"][-1][1]["exception_message"]
        found = [
            item
            for shown in entry["outputs"].values()
            for items in shown.values()
            for item in items
            if isinstance(item, dict)
        ]
        return self.directory / found[0]["type"] / found[0]["subfolder"] / found[0]["filename"]

    def text(self, source: list[Any], **nodes: Any) -> str:
        """Run nodes and return a value of theirs as text."""
        graph = {**nodes, "out": node("PreviewAny", source=source)}
        return self.run(graph)["outputs"]["out"]["text"][0]


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": {name.replace("__", "."): value for name, value in inputs.items()}}


def video(images: list[Any], fps: float, audio: list[Any] | None = None) -> dict[str, Any]:
    sound = {"audio": audio} if audio else {}
    return {
        "v": node("CreateVideo", images=images, fps=fps, **sound),
        "o": node("SaveVideo", video=["v", 0], filename_prefix="clip", format="auto", codec="auto"),
    }


def write_wav(path: Path, *, seconds: float) -> None:
    tone = (9000 * np.sin(np.arange(int(seconds * 24_000)) / 20)).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(24_000)
        file.writeframes(tone.tobytes())


def look_at(path: Path) -> dict[str, Any]:
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        frames = sum(1 for _ in container.decode(video))
        sound = container.streams.audio
        return {
            "size": (video.codec_context.width, video.codec_context.height),
            "fps": float(video.average_rate),
            "frames": frames,
            "sound_s": float(sound[0].duration * sound[0].time_base) if sound else None,
        }
