"""A small world for the ComfyUI steps: a drawn sitter whom the face detector finds, her speech, her clips.

Everything is made here, small and quick, so that the tests need no picture and no card.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from steps import waveform
from steps.base import Context, Made, Subject
from steps.external.faces import default_models_dir
from steps.external.ffmpeg import write_frames
from steps.options import AudioOptions, StepOptions, TalkOptions, VideoOptions, VoiceOptions

WIDTH, HEIGHT = 192, 320
FACE = {"x": 57, "y": 92, "w": 79, "h": 79}
TEXT = "Good evening. I have been waiting in this frame for three hundred years, and nobody asked me how I am."
Picture = NDArray[np.uint8]


def sitter(*, shift: int = 0, scale: float = 1.0, mouth_px: float = 2.0, light: float = 1.0) -> Picture:
    """Draw a portrait, RGB: moved sideways by pixels, scaled, with an open mouth, under more or less light."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    image = np.stack([60 + 60 * y / HEIGHT, 50 + 40 * x / WIDTH, 45 + 30 * y / HEIGHT], -1)
    image += cv2.GaussianBlur(rng.normal(0, 25, (HEIGHT, WIDTH)).astype(np.float32), (0, 0), 6)[..., None] * 4
    cx, cy, r = WIDTH / 2 + shift, HEIGHT * 0.38, WIDTH * 0.24 * scale

    def spot(dx: float, dy: float, rx: float, ry: float, colour: tuple[int, int, int], soft: float = 1.0) -> None:
        mask = np.zeros((HEIGHT, WIDTH), np.float32)
        axes = (max(1, int(rx * r)), max(1, int(ry * r)))
        cv2.ellipse(mask, (int(cx + dx * r), int(cy + dy * r)), axes, 0, 0, 360, 1.0, -1)
        mask = cv2.GaussianBlur(mask, (0, 0), soft)
        image[:] = image * (1 - mask[..., None]) + np.array(colour, np.float32) * mask[..., None]

    spot(0, 2.6, 1.7, 1.5, (60, 40, 70), 4)  # dress
    spot(0, 1.3, 0.45, 0.8, (190, 145, 115), 3)  # neck
    spot(0, -0.25, 1.15, 1.35, (50, 32, 22), 3)  # hair
    spot(0, 0, 0.85, 1.15, (215, 172, 140), 3)  # face
    for side in (-1, 1):
        spot(side * 0.36, -0.15, 0.2, 0.1, (240, 235, 228))
        spot(side * 0.36, -0.15, 0.09, 0.1, (40, 25, 20))
        spot(side * 0.36, -0.36, 0.24, 0.045, (70, 45, 30))
        spot(side * 0.1, 0.33, 0.06, 0.03, (130, 85, 70))
    spot(0.1, 0.1, 0.06, 0.28, (190, 145, 118), 3)  # nose
    spot(0, 0.65, 0.32, 0.09, (170, 75, 70))  # lips
    spot(0, 0.65, 0.24, mouth_px / r, (70, 25, 25))  # mouth
    return np.clip(image * light, 0, 255).astype(np.uint8)


def landscape() -> Picture:
    """Draw another picture altogether."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    hills = 40 * np.sin(x / 20) + 30 * np.sin(x / 7)
    ground = (y > 200 + hills)[..., None]
    sky = np.stack([90 + y / 4, 150 + y / 8, np.full_like(y, 230)], -1)
    return np.where(ground, np.array([60.0, 110.0, 40.0], np.float32), sky).clip(0, 255).astype(np.uint8)


def save(path: Path, picture: Picture) -> Path:
    """Write a picture as PNG and return its path."""
    Pillow.fromarray(picture).save(path)
    return path


def speech(seconds: float = 6.0, *, rate_hz: int = 24_000, trailing_s: float = 0.2) -> NDArray[np.float32]:
    """Return sound that comes in words: bursts of a voice-like tone."""
    time = np.arange(round(seconds * rate_hz)) / rate_hz
    bursts = np.clip(np.sin(2 * np.pi * 2.1 * time + 0.7 * np.sin(2 * np.pi * 0.37 * time)), 0, 1) ** 0.5
    rng = np.random.default_rng(5)  # another pitch and another vowel every fifth of a second, or it would repeat itself
    marks = np.arange(0, seconds + 0.4, 0.2)
    pitch = np.cumsum(140 * np.interp(time, marks, rng.uniform(0.7, 1.5, marks.size))) / rate_hz
    vowel = [np.interp(time, marks, rng.uniform(0.05, 1.0, marks.size)) for _ in range(8)]
    tone = sum(np.sin(2 * np.pi * k * pitch) * vowel[k - 1] * 2 / k**0.5 for k in range(1, 9)) * 0.5
    voice = 0.12 * bursts * tone
    voice[time > seconds - trailing_s] = 0
    return voice.astype(np.float32)


def save_speech(path: Path, samples: NDArray[np.float32], rate_hz: int = 24_000) -> Path:
    """Write sound losslessly by FFmpeg's own writer, as a speech pack would, and return its path."""
    import av

    with av.open(str(path), "w") as out:
        stream = out.add_stream("flac", rate=rate_hz, layout="mono")
        data = (np.clip(samples, -1, 1) * 32767).astype(np.int16)[None, :]
        frame = av.AudioFrame.from_ndarray(data, format="s16", layout="mono")
        frame.rate = rate_hz
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            out.mux(packet)
    return path


def morph(frames: int, start: Picture, end: Picture) -> Iterator[Picture]:
    """Yield a cross-fade from one picture to another."""
    for index in range(frames):
        share = index / (frames - 1)
        yield (start * (1 - share) + end * share).astype(np.uint8)


def talking(frames: int, *, still: bool = False) -> Iterator[Picture]:
    """Yield the sitter with a mouth that opens and closes, or not."""
    poses = [sitter(mouth_px=size) for size in (2.0, 4.0, 7.0, 5.0, 3.0)]
    for index in range(frames):
        yield poses[0 if still else index * 2 % len(poses)]


def drifting(frames: int, *, zoom: bool) -> Iterator[Picture]:
    """Yield the sitter with her mouth shut while the camera sways by two pixels, or zooms in by a tenth."""
    still = sitter()
    for index in range(frames):
        matrix = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT * 0.4), 0, 1 + 0.1 * index / frames if zoom else 1.0)
        matrix[:, 2] += (0, 0) if zoom else (2 * np.sin(index / 15), np.sin(index / 9))
        moved = cv2.warpAffine(still, matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT)
        yield np.asarray(moved, dtype=np.uint8)


def clip(path: Path, frames: Iterator[Picture], *, fps: int, audio: Path | None = None) -> Path:
    """Encode a clip and return its path."""
    write_frames(path, frames, fps=fps, size=(WIDTH, HEIGHT), audio=audio, crf=23, preset="ultrafast")
    return path


def options() -> StepOptions:
    """Return settings for small pictures."""
    voices = {"fr": VoiceOptions(female="Vivian"), "en": VoiceOptions(female="Serena", male="Aiden")}
    return StepOptions(
        video=VideoOptions(width=WIDTH, height=HEIGHT, transition_frames=17, outro_frames=17),
        audio=AudioOptions(voices=voices),
        talk=TalkOptions(tail_s=0.4),
        models_dir=default_models_dir(),
    )


def context(tmp_path: Path, made: Mapping[str, Made], *, variant: str = "en", **changes: Any) -> Context:
    """Return what a step is handed, with an empty work folder of its own."""
    work = tmp_path / "work"
    work.mkdir(exist_ok=True)
    subject = Subject(item_id=7, title='L\'Été à 50%: "a\\b"', painting=tmp_path / "painting.jpg")
    given = {"subject": subject, "variant": variant, "seed": 123456789, "work": work, "made": made}
    return Context(**{"options": options(), **given, **changes})


def world(tmp_path: Path) -> dict[str, Made]:
    """Return what the steps before would have made."""
    folder = tmp_path / "made"
    folder.mkdir(exist_ok=True)
    portrait = save(folder / "portrait.png", sitter())
    bright = save(folder / "bright.png", sitter(light=1.15))
    said = speech()
    heard = save_speech(folder / "speech.flac", said)
    return {
        "prepare": Made({"frame": portrait, "image": portrait}, {"sex": "female", "face": FACE}),
        "script": Made({}, {"text": TEXT, "words": len(TEXT.split())}),
        "audio": Made({"speech": heard}, {"duration_s": said.size / 24_000, "speaker": "Serena"}),
        "clean_pic": Made({"image": portrait}, {}),
        "realistic_pic": Made({"image": bright}, {}),
        "script_video": Made({"last_frame": bright}, {"frames": 161}),
    }


def padded_wav(path: Path, seconds: float) -> Path:
    """Write the scene's speech as the talking step would for a clip of some seconds."""
    return waveform.write_wav(path, waveform.padded(speech(rate_hz=waveform.RATE_HZ), seconds))
