"""Probes of this machine: programs, fonts, model files, memory, and room on the disk."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from orchestrator.doctor.findings import Finding, Grade
from orchestrator.errors import NightreelError
from orchestrator.home import Home
from orchestrator.settings import Settings, models_dir

MIN_FREE_BYTES_PER_PAINTING = 120_000_000
LEAST_RAM_BYTES = 2_000_000_000  # FFmpeg and Whisper at work, beside ourselves
MEMORY_FILE = Path("/proc/meminfo")


def python(_: Settings) -> Iterator[Finding]:
    """Say which Python runs."""
    yield Finding("Python", Grade.OK, ".".join(str(part) for part in sys.version_info[:3]))


def programs(_: Settings) -> Iterator[Finding]:
    """Look for FFmpeg."""
    from steps.errors import StepError
    from steps.external import ffmpeg

    try:
        yield Finding("FFmpeg", Grade.OK, f"{ffmpeg.version().text} ({ffmpeg.executable()})")
    except StepError as error:
        yield Finding("FFmpeg", Grade.PROBLEM, str(error), "run ./scripts/setup again, or install FFmpeg 5.1 or newer")


def voice(settings: Settings) -> Iterator[Finding]:
    """Let the embedded voice say a word, where it is used."""
    if settings.comfyui.instances:
        return
    from steps.errors import StepError
    from steps.external.espeak import speak

    try:
        speech = speak("bonjour", voice="fr")
        yield Finding("embedded voice", Grade.OK, f"espeak-ng speaks ({speech.rate_hz} Hz)")
    except StepError as error:
        yield Finding("embedded voice", Grade.PROBLEM, str(error), "run ./scripts/setup again")


def fonts(settings: Settings) -> Iterator[Finding]:
    """Look for the captions' font."""
    folder = settings.captions.fonts_dir
    if folder is None:
        yield Finding("fonts", Grade.OK, "the bundled Lato")
    elif any(folder.glob("*.[ot]tf")):
        yield Finding("fonts", Grade.OK, str(folder))
    else:
        found = f"no .ttf or .otf file in {folder}"
        yield Finding("fonts", Grade.PROBLEM, found, "put the font there, or drop captions.fonts_dir")


def face_models(_: Settings) -> Iterator[Finding]:
    """Look for the two model files of faces."""
    folder = models_dir()
    missing = [
        name
        for name in ("face_detection_short_range.tflite", "face_landmark.tflite")
        if not (folder / name).is_file() or (folder / name).stat().st_size < 10_000
    ]
    if missing:
        yield Finding("face models", Grade.PROBLEM, f"{', '.join(missing)} missing in {folder}", "run ./scripts/models")
    else:
        yield Finding("face models", Grade.OK, str(folder))


def captions_model(settings: Settings) -> Iterator[Finding]:
    """Look for the model that times captions; a night does without, and says so."""
    from steps.external.whisper import SpeechModel
    from steps.speech_models import PLACED

    placed = models_dir() / PLACED
    folder = settings.captions.model or placed
    if settings.captions.model is None and not placed.is_dir():
        yield Finding("caption timing", Grade.OK, "without a model, by the speech itself")
        return
    lacking = SpeechModel(folder).lacking()
    if lacking:
        yield Finding(
            "caption timing",
            Grade.WARNING,
            f"{folder} lacks {', '.join(lacking)}; captions are timed without a model",
            "run ./scripts/get-whisper"
            if folder == placed
            else "name a folder with a faster-whisper (CTranslate2) model under captions.model, or drop the key",
        )
    else:
        yield Finding("caption timing", Grade.OK, f"faster-whisper, {folder}")


def captions_style(settings: Settings) -> Iterator[Finding]:
    """Look for the preset of the captions, and for its font."""
    from steps.caption_styles import style_of
    from steps.errors import StepError
    from steps.font_stack import stack_of

    try:
        style = style_of(settings.captions)
        stack = stack_of(settings.captions, family=style.font or settings.captions.font, weight=style.weight)
    except StepError as error:
        yield Finding("captions", Grade.PROBLEM, str(error), "see it with `nightreel captions --try`")
        return
    behind = f", {len(stack.fonts) - 1} behind it" if len(stack.fonts) > 1 else ""
    yield Finding("captions", Grade.OK, f"{settings.captions.style}, {stack.first.family} {stack.first.style}{behind}")


def music(settings: Settings) -> Iterator[Finding]:
    """Look for the folder of music."""
    folder = settings.final.music
    if folder is None:
        return
    if not folder.exists():
        yield Finding("music", Grade.PROBLEM, f"there is no {folder}", "correct final.music, or drop the key")
        return
    from steps.tracks import read_library  # loads PyAV, which most commands do without

    library = read_library(folder)
    words = f"{len(library.tracks)} licensed tracks in {folder}"
    state = "state their licences in tracks.yaml: without one a track is not used"
    if not library.tracks:
        yield Finding("music", Grade.PROBLEM, f"{words}: our own loop will be played", state)
    elif library.passed_over:
        yield Finding("music", Grade.WARNING, f"{words}; left out: {'; '.join(library.passed_over[:6])}", state)
    elif len(library.tracks) == 1 and folder.is_dir():
        yield Finding("music", Grade.WARNING, words, "add a second one, or each video has the same")
    else:
        yield Finding("music", Grade.OK, words)


def home(settings: Settings) -> Iterator[Finding]:
    """Make the home's folders, and compare the room there with what a night may take."""
    place = Home(settings.home)
    try:
        place.create()
    except NightreelError as error:
        yield Finding("home", Grade.PROBLEM, str(error), "correct `home` in config.yaml, or its permissions")
        return
    free = shutil.disk_usage(place.root).free
    wanted = settings.night.paintings * MIN_FREE_BYTES_PER_PAINTING
    words = f"{place.root}, {free / 1e9:.1f} GB free; a night may need {wanted / 1e9:.1f} GB"
    if free < wanted / 10:
        yield Finding("home", Grade.PROBLEM, words, "make room, or take fewer paintings a night")
    elif free < wanted:
        yield Finding("home", Grade.WARNING, words, "make room before long")
    else:
        yield Finding("home", Grade.OK, words)


def memory(_: Settings) -> Iterator[Finding]:
    """Compare the memory that is free here with what our own programs take."""
    free = available_memory_bytes()
    if free is None:
        return
    words = f"{free / 1e9:.1f} GB available"
    if free < LEAST_RAM_BYTES:
        wanted = f"{LEAST_RAM_BYTES / 1e9:.0f} GB"
        yield Finding("memory", Grade.WARNING, words, f"end other programs: FFmpeg and Whisper want about {wanted}")
    else:
        yield Finding("memory", Grade.OK, words)


def available_memory_bytes(file: Path = MEMORY_FILE) -> int | None:
    """Return how much memory programs may still take, in bytes; None where the system does not tell."""
    try:
        lines = file.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        name, _, rest = line.partition(":")
        if name == "MemAvailable" and rest.split():
            return int(rest.split()[0]) * 1024
    return None


ALL = (python, programs, voice, fonts, face_models, captions_model, captions_style, music, home, memory)
