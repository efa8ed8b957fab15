"""Hearing the voices of the settings outside any night: one sentence in each, measured as step 2 measures a take.

The real step runs, with a sitter and a script made up for the purpose, on whatever server a night would use; nothing
of it reaches the database.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from orchestrator.clock import SystemClock
from orchestrator.comfyui.session import InstanceSession
from orchestrator.comfyui.workflow import Workflow
from orchestrator.engines.base import Task, Tick
from orchestrator.engines.local import PromptEngine
from steps import voices
from steps.audio import Audio
from steps.base import Check, Context, Made, Subject
from steps.errors import BadOutput, StepError
from steps.external import spectrogram
from steps.options import StepOptions
from steps.sitter import Sitter
from steps.speech_options import Age, Mood
from steps.voices import Voice

SENTENCES: Mapping[str, str] = {
    "en": "Good evening. I have been hanging here since 1789, and you are the first to ask me how I am. "
    "Come closer: what the painter never knew, I will tell you now.",
    "fr": "Bonsoir. Je suis accrochée ici depuis 1789, et vous êtes le premier à me demander comment je vais. "
    "Approchez : ce que le peintre n'a jamais su, je vais vous le dire.",
}
_SUFFIXES: Mapping[Age, str] = {"adult": "", "young": "_young", "old": "_old"}


@dataclass(frozen=True)
class Part:
    """One voice of the table."""

    language: str
    key: str  # of the table, such as "female_old"
    voice: Voice


@dataclass(frozen=True)
class Heard:
    """What came of one voice."""

    part: Part
    path: Path | None  # the speech, levelled; of a refused take as it came; None when nothing came
    problem: str = ""  # why a night would not take it
    data: Mapping[str, Any] = field(default_factory=dict)  # as step 2 keeps it
    checks: tuple[Check, ...] = ()

    def measured(self, name: str) -> float | None:
        """Return what a check measured; None where it was not made."""
        found = (check.measured for check in self.checks if check.name == name)
        return next((value for value in found if isinstance(value, int | float)), None)

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "language": self.part.language,
            "key": self.part.key,
            "speaker": self.part.voice.speaker,
            "file": None if self.path is None else str(self.path),
            "problem": self.problem,
            "data": dict(self.data),
            "checks": [asdict(check) for check in self.checks],
        }


def parts_of(options: StepOptions, *, mood: Mood = "cheeky") -> tuple[Part, ...]:
    """Return the voices of the table: of each language, those that differ from the adult's."""
    found: list[Part] = []
    for language in options.languages:
        table = voices.table_of(options.audio, language)
        for sex in ("female", "male"):
            for age, suffix in _SUFFIXES.items():
                key = f"{sex}{suffix}"
                if getattr(table, key) or getattr(table, f"describe_{key}"):
                    sitter = Sitter("female" if sex == "female" else "male", age)
                    voice = voices.voice_of(sitter, mood=mood, language=language, options=options.audio)
                    found.append(Part(language, key, voice))
    return tuple(found)


def audition(
    parts: Sequence[Part],
    *,
    step: Audio,
    workflow: Workflow,
    url: str,
    out: Path,
    options: StepOptions,
    texts: Mapping[str, str] = SENTENCES,
    seed: int = 1,
    heard: Callable[[Heard], None] = lambda one: None,
) -> list[Heard]:
    """Let each voice say a sentence on a server, and keep the sound and its picture in a folder. Blocks.

    Args:
        parts: The voices.
        step: Step 2 with the workflow of a night.
        workflow: That workflow.
        url: The server.
        out: The folder; made if need be, and what has the same name in it is overwritten.
        options: The settings; one take is made of each voice.
        texts: What is said, by language.
        seed: Of every take.
        heard: Told of each voice when it is done.

    Raises:
        ComfyUIError: the server cannot be used. A voice that fails by itself is in the answer.
    """
    single = options.model_copy(update={"audio": options.audio.model_copy(update={"takes": 1}), "state_dir": None})
    out.mkdir(parents=True, exist_ok=True)
    results: list[Heard] = []
    with InstanceSession("audition", url, clock=SystemClock()) as session:
        engine = PromptEngine(step, workflow, session, _Deaf())
        for part in parts:
            with tempfile.TemporaryDirectory(prefix="nightreel-") as folder:
                context = _context(part, single, texts[part.language], Path(folder), seed)
                results.append(_hear(part, engine, context, out))
            heard(results[-1])
    return results


def _hear(part: Part, engine: PromptEngine, context: Context, out: Path) -> Heard:
    task = Task(0, 0, "audio", context, "audition", instance="audition", prompt_id=str(uuid4()))
    stop = threading.Event()
    name = f"{part.language}-{part.key}"
    try:
        engine.submit(task, stop=stop)
        result = engine.collect(task, engine.wait(task, stop=stop)).result
    except BadOutput as bad:
        came = next(iter(sorted(context.work.glob("speech.*"))), None)
        return Heard(part, None if came is None else _keep(came, out, name), str(bad))
    except StepError as error:
        return Heard(part, None, str(error))
    return Heard(part, _keep(result.files["speech"], out, name), "", result.data, result.checks)


def _keep(path: Path, out: Path, name: str) -> Path:
    kept = out / f"{name}{path.suffix}"
    shutil.copyfile(path, kept)
    spectrogram.draw(kept, out / f"{name}.png")
    return kept


def _context(part: Part, options: StepOptions, text: str, work: Path, seed: int) -> Context:
    sitter = part.voice.sitter
    made = {
        "prepare": Made({}, {"sex": sitter.sex, "age": sitter.age}),
        "script": Made({}, {"text": text, "mood": part.voice.mood}),
    }
    subject = Subject(item_id=0, title="audition", painting=work / "nothing")
    return Context(
        subject=subject, variant=part.language, seed=seed, work=work, made=made, options=options, last_try=True
    )


@dataclass(frozen=True)
class _Deaf:
    """Nobody watches the progress."""

    def sent(self, task: Task, at: datetime) -> None:
        """Nothing to note."""

    def started(self, task: Task, at: datetime) -> None:
        """Nothing to note."""

    def progress(self, task: Task, tick: Tick) -> None:
        """Nothing to note."""
