"""Step 9 beside one plain FFmpeg command that makes the same file: seconds of CPU for a second of video.

A painted sample portrait turns, speaks and turns back, at the sizes and rates of the real models; the video is 1,080 by
1,920. The plain command is what a person would write who knows all figures beforehand: the same joins, captions, title
card, music, levels, encoder and quality, in one run. What the step does beyond it is in its figure: it composes the
music, matches the clips, measures joins, loudness and seams, looks for captions and for the best frame, and makes the
thumbnail.

Both run at the same time, so that a noisy machine is equally noisy to them; a first cut, not counted, warms caches.
"""

from __future__ import annotations

import dataclasses
import importlib
import os
import pickle
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.plain_cut import plain_command
from orchestrator.embedded.render.morph import morph, return_to
from orchestrator.embedded.render.realism import make_real
from orchestrator.embedded.render.speech import synthesize
from orchestrator.embedded.render.talk import talk
from orchestrator.sample.people import COLLECTION
from orchestrator.settings import models_dir
from steps.base import Context, Made, Subject
from steps.external import ffmpeg
from steps.final_video import FinalVideo, clips_of
from steps.options import FinalOptions, StepOptions
from steps.script_video import talking_frames
from steps.subtitles import Subtitles

GOAL = 1.2
ROUNDS = 2
FPS, MODEL_FPS = 24, 16
SIZE = (576, 1024)
TEXT = (
    "Come a little closer, I do not bite. The painter kept me on this chair for eleven days, and he talked the whole "
    "time. He said that my nose was a triumph. I have thought about it ever since. They hung me above a fireplace, "
    "where I have heard every secret of the house for a hundred years. Shall I tell you one? The cook did it."
)


def scene(folder: Path) -> Context:
    """Make the clips, the speech and the captions of one video. Blocks for about a minute."""
    sample = next(one for one in COLLECTION if one.accepted)
    painted = sample.paint(1)
    height, width = painted.shape[:2]
    part = min(width, height * SIZE[0] // SIZE[1])
    left = (width - part) // 2
    start = np.asarray(cv2.resize(painted[:, left : left + part], SIZE, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    alive = make_real(start, seed=1)
    samples, rate_hz = synthesize(TEXT, language="English", speaker="Serena", instruct="", seed=1)
    raw = ["-f", "f32le", "-ar", str(rate_hz), "-ac", "1", "-i", "pipe:0", "speech.flac"]
    ffmpeg.run(raw, cwd=folder, stdin=samples.astype("<f4").tobytes())
    frames = talking_frames(len(samples) / rate_hz, tail_s=0.5, fps=FPS)
    speaking = talk(alive, samples, rate_hz, frames=frames, fps=FPS, prompt="", seed=1)
    ffmpeg.write_frames(folder / "talk.mp4", speaking, fps=FPS, size=SIZE, audio=folder / "speech.flac")
    ffmpeg.extract_last_frame(folder / "talk.mp4", folder / "last.png")
    last = ffmpeg.last_frame(folder / "talk.mp4")
    turning = morph(start, alive, frames=49, prompt="", seed=1)
    ffmpeg.write_frames(folder / "transition.mp4", turning, fps=MODEL_FPS, size=SIZE)
    returning = return_to(last, start, frames=49, prompt="", seed=1)
    ffmpeg.write_frames(folder / "outro.mp4", returning, fps=MODEL_FPS, size=SIZE)
    made = {
        "prepare": Made({}, {}),
        "script": Made({}, {"text": TEXT, "sentences": []}),
        "audio": Made({"speech": folder / "speech.flac"}, {"duration_s": len(samples) / rate_hz}),
        "clean_pic": Made({}, {}),
        "transition": Made({"clip": folder / "transition.mp4"}, {}),
        "script_video": Made({"clip": folder / "talk.mp4", "last_frame": folder / "last.png"}, {}),
        "outro": Made({"clip": folder / "outro.mp4"}, {}),
    }
    subject = Subject(1, sample.title, folder / "painting.jpg", artist=sample.artist, year=sample.year, licence="CC0")
    # The CPU's encoder on both sides, whatever card is at hand.
    options = StepOptions(models_dir=models_dir(), final=FinalOptions(encoder="libx264"))
    context = Context(subject, "en", 7, _folder(folder / "captions"), made, options)
    captioned = Subtitles().run(context)
    captions = Made(captioned.files, captioned.data)
    return dataclasses.replace(context, made={**made, "subtitles": captions}, work=_folder(folder / "first"))


def cut_once(pickled: Path, work: Path) -> None:
    """Cut the video in a process of its own, and print the seconds of CPU that this took, programs included."""
    context = dataclasses.replace(pickle.loads(pickled.read_bytes()), work=work)
    # What is loaded and asked once a process is not counted: a night's worker cuts many videos.
    ffmpeg.version()
    ffmpeg.frame_at(context.file("transition", "clip"), 0.0)
    importlib.import_module("ffmpeg")
    before_s = _own_cpu_s()
    FinalVideo().run(context)
    print(_own_cpu_s() - before_s)


def both(context: Context, folder: Path, number: int) -> tuple[float, float]:
    """Run the step and the plain command at the same time; return their seconds of CPU."""
    pickled = folder / "context"
    pickled.write_bytes(pickle.dumps(context))
    arguments = [str(pickled), str(_folder(folder / f"cut{number}"))]
    step = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.final_cut", *arguments], stdout=subprocess.PIPE, text=True
    )
    first = folder / "first"
    frames = [(clip.skip, clip.frames) for clip in clips_of(context)]
    plain = subprocess.Popen([ffmpeg.executable(), *plain_command(frames, fps=FPS, out="plain.mp4")], cwd=first)
    _, status, used = os.wait4(plain.pid, 0)
    plain.returncode = os.waitstatus_to_exitcode(status)
    said, _ = step.communicate()
    if plain.returncode or step.returncode:
        raise RuntimeError(f"the plain command ended with {plain.returncode}, the step with {step.returncode}")
    return float(said.split()[-1]), used.ru_utime + used.ru_stime


def measures() -> Iterator[dict[str, Any]]:
    """Cut side by side, print a table for people, and yield the record."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        context = scene(folder)
        FinalVideo().run(context)
        rounds = [both(context, folder, number) for number in range(ROUNDS)]
        ours, theirs = (ffmpeg.probe(folder / made).video for made in ("cut0/video.mp4", "first/plain.mp4"))
        sizes = [(folder / made).stat().st_size for made in ("cut0/video.mp4", "first/plain.mp4")]
    assert ours is not None
    assert theirs is not None
    assert (ours.frames, ours.width, ours.height) == (theirs.frames, theirs.width, theirs.height)
    video_s = ours.frames / FPS
    step_s, plain_s = (sum(one[side] for one in rounds) / len(rounds) for side in (0, 1))
    print(f"{video_s:.2f} s of video at {ours.width} x {ours.height}; seconds of CPU for a second of it:")
    for label, cpu_s, size in (("step 9", step_s, sizes[0]), ("plain FFmpeg", plain_s, sizes[1])):
        print(f"{label:14} {cpu_s / video_s:6.3f}   {size / 1e6:6.2f} MB")
    ratio = step_s / plain_s
    yield {
        "name": "final_cut_ratio",
        "value": round(ratio, 3),
        "unit": "ratio",
        "goal": f"<= {GOAL}",
        "holds": ratio <= GOAL,
    }


def _own_cpu_s() -> float:
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(used.ru_utime + used.ru_stime for used in map(resource.getrusage, kinds))


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


if __name__ == "__main__":
    cut_once(Path(sys.argv[1]), Path(sys.argv[2]))
