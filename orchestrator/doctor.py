"""What is reachable, missing, too old or too full: looked at before any card's time is spent.

Every probe answers with findings and never raises, so that all problems are reported at once. `nightreel doctor` shows
all of them; a night asks for the quick ones first and refuses to start when one of them is fatal.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from orchestrator.errors import NightreelError
from orchestrator.home import Home
from orchestrator.settings import InstanceSettings, Settings, models_dir

MIN_FREE_BYTES_PER_PAINTING = 120_000_000
OLDEST_COMFYUI = (0, 3, 60)


class Grade(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"  # the night runs, with less
    PROBLEM = "problem"  # the night cannot succeed


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    grade: Grade
    found: str
    remedy: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)


def examine(settings: Settings) -> list[Finding]:
    """Look at everything that a night with these settings needs. Blocks for a few seconds at most."""
    findings: list[Finding] = []
    for probe in (_python, _programs, _voice, _fonts, _face_models, _captions_model, _music, _home):
        findings += _guarded(probe, settings)
    for language, archive in sorted(settings.zim.items()):
        findings += _guarded(lambda _, one=archive, name=language: _zim(name, one), settings)  # type: ignore[misc]
    for endpoint in ("text", "vision"):
        findings += _guarded(lambda one, name=endpoint: _llm(one, name), settings)  # type: ignore[misc]
    if not settings.comfyui.instances:
        cards = settings.comfyui.embedded.cards
        findings.append(
            Finding(
                "ComfyUI",
                Grade.OK,
                f"no instance is listed: {cards} embedded cards make previews on the CPU",
                "list your cards under `comfyui.instances` for the real thing",
            )
        )
    for instance in settings.comfyui.instances:
        findings += _guarded(lambda _, one=instance: _instance(one), settings)  # type: ignore[misc]
    return findings


def fatal(findings: list[Finding]) -> list[Finding]:
    """Return the findings with which a night cannot succeed.

    One ComfyUI instance that is down does not stop a night while another one answers.
    """
    problems = [finding for finding in findings if finding.grade is Grade.PROBLEM]
    cards = [finding for finding in findings if finding.subject.startswith("instance ")]
    if any(card.grade is not Grade.PROBLEM for card in cards):
        problems = [finding for finding in problems if finding not in cards]
    return problems


def _guarded(probe: Callable[[Settings], Iterator[Finding]], settings: Settings) -> list[Finding]:
    try:
        return list(probe(settings))
    except Exception as error:  # a probe that breaks is a finding too, and must not hide the others
        name = getattr(probe, "__name__", "probe").strip("_<>")
        return [Finding(name, Grade.PROBLEM, f"{type(error).__name__}: {error}", "this is a defect; please report it")]


def _python(_: Settings) -> Iterator[Finding]:
    version = ".".join(str(part) for part in sys.version_info[:3])
    yield Finding("Python", Grade.OK, version)


def _programs(_: Settings) -> Iterator[Finding]:
    from steps.errors import StepError
    from steps.external import ffmpeg

    try:
        yield Finding("FFmpeg", Grade.OK, f"{ffmpeg.version().text} ({ffmpeg.executable()})")
    except StepError as error:
        yield Finding("FFmpeg", Grade.PROBLEM, str(error), "run ./scripts/setup again, or install FFmpeg 5.1 or newer")


def _voice(settings: Settings) -> Iterator[Finding]:
    if settings.comfyui.instances:
        return
    from steps.errors import StepError
    from steps.external.espeak import speak

    try:
        speech = speak("bonjour", voice="fr")
        yield Finding("embedded voice", Grade.OK, f"espeak-ng speaks ({speech.rate_hz} Hz)")
    except StepError as error:
        yield Finding("embedded voice", Grade.PROBLEM, str(error), "run ./scripts/setup again")


def _fonts(settings: Settings) -> Iterator[Finding]:
    folder = settings.captions.fonts_dir
    if folder is None:
        yield Finding("fonts", Grade.OK, "the bundled Lato")
    elif any(folder.glob("*.[ot]tf")):
        yield Finding("fonts", Grade.OK, str(folder))
    else:
        yield Finding(
            "fonts",
            Grade.PROBLEM,
            f"no .ttf or .otf file in {folder}",
            "put the font there, or drop captions.fonts_dir",
        )


def _face_models(_: Settings) -> Iterator[Finding]:
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


def _captions_model(settings: Settings) -> Iterator[Finding]:
    folder = settings.captions.model
    if folder is None:
        yield Finding("caption timing", Grade.OK, "without a model, by the speech itself")
    elif (folder / "model.bin").is_file():
        yield Finding("caption timing", Grade.OK, f"faster-whisper, {folder}")
    else:
        yield Finding(
            "caption timing",
            Grade.PROBLEM,
            f"no model.bin in {folder}",
            "name a folder with a faster-whisper (CTranslate2) model under captions.model, or drop the key",
        )


def _music(settings: Settings) -> Iterator[Finding]:
    folder = settings.final.music
    if folder is not None and not folder.is_dir():
        yield Finding("music", Grade.PROBLEM, f"{folder} is no folder", "correct final.music, or drop the key")


def _home(settings: Settings) -> Iterator[Finding]:
    home = Home(settings.home)
    try:
        home.create()
    except NightreelError as error:
        yield Finding("home", Grade.PROBLEM, str(error), "correct `home` in config.yaml, or its permissions")
        return
    free = shutil.disk_usage(home.root).free
    wanted = settings.night.paintings * MIN_FREE_BYTES_PER_PAINTING
    words = f"{home.root}, {free / 1e9:.1f} GB free; a night may need {wanted / 1e9:.1f} GB"
    if free < wanted / 10:
        yield Finding("home", Grade.PROBLEM, words, "make room, or take fewer paintings a night")
    elif free < wanted:
        yield Finding("home", Grade.WARNING, words, "make room before long")
    else:
        yield Finding("home", Grade.OK, words)


def _zim(language: str, path: Path) -> Iterator[Finding]:
    from zim.archive import Archive
    from zim.errors import ZimError

    try:
        Archive(path)
    except ZimError as error:
        yield Finding(f"ZIM {language}", Grade.PROBLEM, str(error), f"correct zim.{language}, or drop the key")
    else:
        yield Finding(f"ZIM {language}", Grade.OK, str(path))


def _llm(settings: Settings, which: str) -> Iterator[Finding]:
    import requests

    endpoint = getattr(settings.llm, which)
    if endpoint.url is None:
        yield Finding(f"LLM {which}", Grade.OK, "the embedded one: previews")
        return
    url = f"{endpoint.url.rstrip('/')}/models"
    headers = {"Authorization": f"Bearer {endpoint.api_key}"} if endpoint.api_key else {}
    remedy = f"start the server, or correct llm.{which}.url"
    try:
        reply = requests.get(url, headers=headers, timeout=10)
        served = [str(one.get("id")) for one in reply.json().get("data", [])]
    except (requests.RequestException, ValueError, AttributeError) as error:
        yield Finding(f"LLM {which}", Grade.PROBLEM, f"{url}: {type(error).__name__}", remedy)
        return
    if endpoint.model not in served and endpoint.model != "default":
        yield Finding(
            f"LLM {which}",
            Grade.WARNING,
            f"{url} serves {', '.join(served) or 'nothing'}; llm.{which}.model is {endpoint.model}",
            "a server that loads models on demand may still have it",
        )
    else:
        yield Finding(f"LLM {which}", Grade.OK, f"{endpoint.url} ({endpoint.model})")


def _instance(instance: InstanceSettings) -> Iterator[Finding]:
    from orchestrator.clock import SystemClock
    from orchestrator.comfyui.client import ComfyClient
    from orchestrator.comfyui.errors import ComfyUIError
    from orchestrator.comfyui.workflow import Workflow
    from steps.base import ComfyStep
    from steps.registry import default_steps

    subject = f"instance {instance.name}"
    if instance.role == "reserved" or instance.url is None:
        yield Finding(subject, Grade.OK, "reserved: never touched")
        return
    client = ComfyClient(instance.url, client_id="nightreel-doctor", clock=SystemClock())
    try:
        stats = client.system_stats()
        known = client.object_info()
    except ComfyUIError as error:
        yield Finding(subject, Grade.PROBLEM, str(error), "start it, or correct its url")
        return
    problems = []
    for step in default_steps():
        if isinstance(step, ComfyStep):
            problems += [f"{step.workflow}: {problem}" for problem in Workflow.load(step.workflow).validate(known)]
    version = tuple(int(part) for part in stats.comfyui_version.split(".") if part.isdigit())
    words = f"ComfyUI {stats.comfyui_version} at {instance.url}"
    if problems:
        yield Finding(
            subject, Grade.PROBLEM, f"{words}; {'; '.join(problems[:5])}", "install the nodes and models that are named"
        )
    elif version and version < OLDEST_COMFYUI:
        oldest = ".".join(str(part) for part in OLDEST_COMFYUI)
        yield Finding(subject, Grade.WARNING, words, f"update it: Nightreel is made for {oldest} and newer")
    else:
        yield Finding(subject, Grade.OK, words)
    if instance.restart is None:
        yield Finding(
            subject, Grade.WARNING, "has no `restart`", "memory may creep over a long night; see docs/configuration.md"
        )
