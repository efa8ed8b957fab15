"""A tiny painting's clips, speech and captions: what step 9 is handed, a few seconds at 180 x 320."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from steps.base import Context, Made, Subject
from steps.external import ffmpeg
from steps.external.espeak import speak
from steps.external.ffmpeg import Image
from steps.options import CaptionOptions, FinalOptions, StepOptions, VideoOptions
from steps.subtitles import Subtitles

SCRIPT = {
    "fr": "L'Été, c'est moi ! On m'a peinte à 50 %, aujourd'hui.",
    "en": "It's me, the summer! They painted me at 50%, today.",
}
WIDTH, HEIGHT = 128, 256  # of the clips; multiples of 64
OUT = (180, 320)


def painting(warmth: float = 0.0) -> Image:
    """A face-like blob on a textured ground; warmer for the living one."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    ground = 70 + 35 * np.sin(x / 9) * np.cos(y / 13)
    oval = np.exp(-((((x - 64) / 30) ** 2 + ((y - 90) / 42) ** 2) ** 2))
    image = np.stack([ground + (140 + warmth) * oval, ground + 90 * oval, ground * 0.8 + 70 * oval], axis=2)
    return np.clip(image, 0, 255).astype(np.uint8)


def fade(begin: Image, end: Image, frames: int) -> Iterator[Image]:
    """A slow change that starts on one picture and ends on the other."""
    for share in (1 - np.cos(np.linspace(0, np.pi, frames))) / 2:
        yield np.clip(begin * (1 - share) + end * share, 0, 255).astype(np.uint8)


def talking(portrait: Image, frames: int) -> Iterator[Image]:
    """A head that sways a little."""
    for number in range(frames):
        shift = 1.5 * np.sin(number / 9)
        move = np.array([[1, 0, shift], [0, 1, 0]], np.float32)
        yield cv2.warpAffine(portrait, move, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT).astype(np.uint8)


@dataclass(frozen=True)
class Scene:
    """Everything that step 9 needs."""

    made: dict[str, Made]
    folder: Path
    speech_s: float

    def context(self, work: Path, **changes: Any) -> Context:
        """Return a context; `final`, `captions`, `video` change options, other names change the subject."""
        work.mkdir(parents=True, exist_ok=True)
        video = VideoOptions(width=WIDTH, height=HEIGHT, output_width=OUT[0] + 90, output_height=480)
        options = StepOptions(
            video=changes.pop("video", video),
            final=changes.pop("final", FinalOptions(preset="ultrafast")),
            captions=changes.pop("captions", CaptionOptions()),
            models_dir=self.folder / "no-models",
            preview=changes.pop("preview", False),
        )
        made = {**self.made, **changes.pop("made", {})}
        variant = changes.pop("variant", "fr")
        subject = Subject(1, "La Dame", self.folder / "a.jpg", artist="Berthe", year=1879, licence="CC0")
        return Context(replace(subject, **changes), variant, 7, work, made, options)


def make_scene(folder: Path, *, language: str = "fr") -> Scene:
    """Make the clips, the speech and, by the real step 7, the captions."""
    painted, living = painting(), painting(warmth=25)
    speech = speak(SCRIPT[language], voice=language, words_per_minute=190)
    pcm = speech.samples.astype("<i2").tobytes()
    rate = ["-f", "s16le", "-ar", str(speech.rate_hz), "-ac", "1", "-i", "pipe:0"]
    ffmpeg.run([*rate, "-ar", "24000", "speech.flac"], cwd=folder, stdin=pcm)
    frames = 8 * int(np.ceil(speech.duration_s * 24 / 8)) + 9
    size = (WIDTH, HEIGHT)
    talk = folder / "talk.mp4"
    ffmpeg.write_frames(talk, talking(living, frames), fps=24, size=size, audio=folder / "speech.flac")
    last = ffmpeg.last_frame(talk)
    ffmpeg.extract_last_frame(talk, folder / "last.png")
    ffmpeg.write_frames(folder / "transition.mp4", fade(painted, living, 33), fps=16, size=size)
    ffmpeg.write_frames(folder / "outro.mp4", fade(last, painted, 17), fps=16, size=size)
    cited = [{"article": "Berthe Morisot", "archive": "wikipedia_fr.zim", "paragraph": 2}]
    made = {
        "prepare": Made({}, {}),
        "script": Made({}, {"text": SCRIPT[language], "sentences": [{"text": SCRIPT[language], "sources": cited}]}),
        "audio": Made({"speech": folder / "speech.flac"}, {"duration_s": speech.duration_s}),
        "clean_pic": Made({}, {}),
        "transition": Made({"clip": folder / "transition.mp4"}, {}),
        "script_video": Made({"clip": talk, "last_frame": folder / "last.png"}, {}),
        "outro": Made({"clip": folder / "outro.mp4"}, {}),
    }
    scene = Scene(made, folder, speech.duration_s)
    captioned = Subtitles().run(scene.context(folder / "subtitles", variant=language))
    return replace(scene, made={**made, "subtitles": Made(captioned.files, captioned.data)})
