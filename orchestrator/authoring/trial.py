"""Running a workflow once, on one picture, outside any night: nothing of it reaches the database.

Earlier steps have made nothing here. So every picture that the workflow takes is the one that was given, and a value
that only a night knows is what stands in the graph, unless the command line says otherwise.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from orchestrator.authoring import nodes
from orchestrator.authoring.findings import look_into
from orchestrator.children import Child, module_program
from orchestrator.clock import SystemClock
from orchestrator.comfyui.errors import ComfyUIError
from orchestrator.comfyui.graphs import class_of, find_nodes, inputs_of
from orchestrator.comfyui.session import InstanceSession
from orchestrator.comfyui.workflow import Workflow
from orchestrator.engines.base import Task, Tick
from orchestrator.engines.local import PromptEngine
from orchestrator.errors import WorkflowFileError
from orchestrator.settings import Settings
from orchestrator.wording import one_line
from steps import checks
from steps.base import Binding, Check, ComfyStep, Context, Result, Subject
from steps.checks import Expected
from steps.manifest import BindingSpec, OutputSpec
from steps.options import StepOptions
from steps.sources import Source, read_option

IDLE_EXIT_S = 60.0


@dataclass(frozen=True)
class Given:
    """What the command line gives."""

    image: Path | None = None
    values: Mapping[str, str] = field(default_factory=dict)  # binding -> text, or the path of a file
    seed: int = 0


@dataclass(frozen=True)
class Tried:
    """What came of it."""

    files: Mapping[str, Path]
    checks: tuple[Check, ...]
    seconds: float | None  # on the card, by the server's clock


def try_once(
    workflow: Workflow,
    given: Given,
    *,
    url: str,
    out: Path,
    options: StepOptions,
    progress: Callable[[Tick], None] = lambda tick: None,
) -> Tried:
    """Run a workflow once and save what it makes. Blocks.

    Args:
        workflow: The workflow.
        given: The picture, and what else is set by hand.
        url: The server.
        out: Folder of the results; made if need be. Nothing in it is overwritten.
        options: The settings that its bindings may read.
        progress: Told how far it is.

    Raises:
        WorkflowFileError: a file that it takes was not given, or a value cannot be used.
        ComfyUIError, StepError: the server failed, or what it made cannot be read.
    """
    step = _Trial(workflow, given, options)
    with tempfile.TemporaryDirectory(prefix="nightreel-") as folder:
        task = _task(step, given, options, Path(folder))
        with InstanceSession("trial", url, clock=SystemClock()) as session:
            engine = PromptEngine(step, workflow, session, _Listener(progress))
            try:
                engine.submit(task, stop=threading.Event())
                entry = engine.wait(task, stop=threading.Event())
            except BaseException:
                _withdraw(session, task.prompt_id)
                raise
            execution = engine.collect(task, entry)
        files = _keep(execution.result.files, out, workflow.manifest.name)
    seconds = None
    if execution.started_at is not None and execution.finished_at is not None:
        seconds = (execution.finished_at - execution.started_at).total_seconds()
    return Tried(files, execution.result.checks, seconds)


@contextmanager
def embedded_server(settings: Settings, workflow: Workflow) -> Iterator[str]:
    """Run an embedded server for one trial, which claims to have the workflow's models. Yields its address.

    Raises:
        NotReadyError: it did not start.
    """
    with tempfile.TemporaryDirectory(prefix="nightreel-") as folder:
        card = Path(folder) / "card"
        for model in (*look_into(workflow.graph).models, *workflow.manifest.needs.models):
            path = card / "models" / model.folder / model.file
            if model.kind == "file" and path.resolve().is_relative_to(card.resolve()) and not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b"a stand-in")
        arguments = ["--directory", str(card), "--idle-exit-s", str(IDLE_EXIT_S)]
        for class_name, seconds in settings.comfyui.embedded.timed.items():
            arguments += ["--timed", f"{class_name}={seconds}"]
        child = Child("trial", module_program("orchestrator.embedded", arguments, probe="/system_stats"), folder=card)
        try:
            child.start()
            yield child.address
        finally:
            child.stop()


class _Trial(ComfyStep):
    """The workflow as a step that nothing comes before."""

    name = "trial"
    number = 0
    title = "Trial"
    per_language = False
    needs = ()

    def __init__(self, workflow: Workflow, given: Given, options: StepOptions) -> None:
        self.workflow = workflow.manifest.name
        self._workflow = workflow
        self._given = given
        self._options = options
        unknown = sorted(set(given.values) - set(workflow.manifest.bindings))
        if unknown:
            known = ", ".join(workflow.manifest.bindings) or "none"
            raise WorkflowFileError(f"--set {unknown[0]}: there is no such binding; there are: {known}")
        self._binding = Binding(self.workflow, dict(self._values()), dict(self._uploads()))

    def bind(self, context: Context) -> Binding:
        """Return what was given, and what the graph has."""
        return self._binding

    def collect(self, context: Context, outputs: Mapping[str, Path]) -> Result:
        """Measure what came, and keep it whatever was measured."""
        found: list[Check] = []
        for name, spec in self._workflow.manifest.outputs.items():
            expected = self._expected(spec)
            found += checks.look(spec.media, outputs[name], expected, name=name, regions={}).checks
        return Result(files=outputs, checks=tuple(found))

    def _values(self) -> Iterator[tuple[str, Any]]:
        for name, spec in self._workflow.manifest.bindings.items():
            if spec.kind == "value" and spec.source != "prefix":
                there = self._literal(spec)
                value = self._of_night(spec)
                if name in self._given.values:
                    value = _like(there if there is not None else value, name, self._given.values[name])
                value = there if value is None else value
                if value is not None:
                    yield name, value

    def _of_night(self, spec: BindingSpec) -> Any:
        """Return what a night would bind, as far as it does not depend on earlier steps."""
        source = spec.source
        found: Any = None
        if source == "seed":
            return self._given.seed
        if source == "variant":
            found = self._options.languages[0]
        elif source is not None and source.startswith("options."):
            found = read_option(source, self._options)
        elif source == "subject.title" and self._given.image is not None:
            found = self._given.image.stem
        return spec.value if found is None else found

    def _uploads(self) -> Iterator[tuple[str, Path]]:
        for name, spec in self._workflow.manifest.bindings.items():
            if spec.kind != "upload":
                continue
            media = self._media(spec)
            path = Path(self._given.values[name]) if name in self._given.values else None
            if path is None and media == "image":
                path = self._given.image
            if path is None:
                how = "--image PATH" if media == "image" else f"--set {name}=PATH"
                raise WorkflowFileError(f"{self.workflow} takes a file for `{name}` ({media}); give it with {how}")
            if not path.is_file():
                raise WorkflowFileError(f"there is no file {path}")
            yield name, path.absolute()

    def _node(self, spec: BindingSpec) -> str:
        return find_nodes(self._workflow.graph, spec.targets[0].node)[0]

    def _literal(self, spec: BindingSpec) -> Any:
        value = inputs_of(self._workflow.graph, self._node(spec)).get(spec.targets[0].input)
        return value if isinstance(value, str | int | float) else None

    def _media(self, spec: BindingSpec) -> str:
        known = nodes.FILE_INPUTS.get(class_of(self._workflow.graph, self._node(spec)), {})
        return known.get(spec.targets[0].input, "image")

    def _expected(self, spec: OutputSpec) -> Expected:
        numbers: dict[str, Any] = {}
        for one in fields(Expected):
            stated = getattr(spec, one.name)
            if isinstance(stated, Source):
                stated = read_option(stated, self._options) if stated.startswith("options.") else None
            numbers[one.name] = stated
        return Expected(**numbers)


def _like(there: Any, name: str, text: str) -> Any:
    """Return a text from the command line as the kind of value that the graph has there."""
    try:
        if isinstance(there, bool):
            return {"true": True, "yes": True, "false": False, "no": False}[text.lower()]
        if isinstance(there, int):
            return int(text)
        return float(text) if isinstance(there, float) else text
    except (ValueError, KeyError) as error:
        wanted = "yes or no" if isinstance(there, bool) else "a number"
        raise WorkflowFileError(f"--set {name}: found {one_line(text, longest=40)!r}; expected {wanted}") from error


def _task(step: ComfyStep, given: Given, options: StepOptions, work: Path) -> Task:
    painting = (given.image or Path("nothing")).absolute()
    subject = Subject(item_id=0, title=painting.stem, painting=painting)
    context = Context(subject=subject, variant="", seed=given.seed, work=work, made={}, options=options)
    return Task(0, 0, step.name, context, "trial", instance="trial", prompt_id=str(uuid4()))


@dataclass(frozen=True)
class _Listener:
    """Hands on how far the prompt is."""

    on_tick: Callable[[Tick], None]

    def sent(self, task: Task, at: datetime) -> None:
        """Nothing to note."""

    def started(self, task: Task, at: datetime) -> None:
        """Nothing to note."""

    def progress(self, task: Task, tick: Tick) -> None:
        """Tell it."""
        self.on_tick(tick)


def _withdraw(session: InstanceSession, prompt_id: str | None) -> None:
    """Take a prompt off the server that nobody waits for any more; one that is gone is fine."""
    try:
        session.withdraw(str(prompt_id))
    except ComfyUIError:
        return  # the first error is the one to tell


def _keep(files: Mapping[str, Path], out: Path, name: str) -> dict[str, Path]:
    """Move the results into a folder under names that are free there."""
    out.mkdir(parents=True, exist_ok=True)
    kept: dict[str, Path] = {}
    for output, path in files.items():
        number = 1
        while True:
            target = out / f"{name}-{output}{'' if number == 1 else f'-{number}'}{path.suffix.lower()}"
            try:
                os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
                break
            except FileExistsError:
                number += 1
        shutil.copyfile(path, target)
        kept[output] = target
    return kept
