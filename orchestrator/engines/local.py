"""Runs step runs here: local steps in the calling thread, ComfyUI steps by prompts on an instance."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.clock import Clock
from orchestrator.comfyui.errors import BadDownload, OutputMissing, PromptLost
from orchestrator.comfyui.progress import Progress, Started
from orchestrator.comfyui.replies import HistoryEntry
from orchestrator.comfyui.salvage import output_prefix
from orchestrator.comfyui.session import InstanceSession
from orchestrator.comfyui.watch import StallLimits
from orchestrator.comfyui.workflow import Workflow
from orchestrator.engines.base import Execution, Listener, Task, Tick
from orchestrator.engines.cpu import CpuShare, watching
from steps.base import ComfyStep, Context, LocalStep
from steps.errors import DiskFull, InvalidInput, StepError
from steps.llm_options import LlmOptions
from steps.waiting import working


class Desk:
    """How much of the work on this machine goes on at once. Thread-safe.

    As many step runs work as there are workers. A step that asks a language model's server has more of them under way:
    while one waits, another works, so that the server has enough questions at once to batch them.
    """

    def __init__(
        self,
        workers: int,
        llm: LlmOptions | None = None,
        *,
        share: CpuShare | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        """Take note of the limits.

        Args:
            workers: Step runs at work at once.
            llm: The servers; without them, no step is taken to wait for one.
            share: What the work may have of the CPU; all of it if absent.
            stop: When set, programs are ended at once.
        """
        self._share = share or CpuShare()
        self._stop = stop or threading.Event()
        self.workers = workers
        self._llm = llm
        self._places = threading.BoundedSemaphore(workers)

    def lanes(self, step: LocalStep) -> int:
        """Return how many runs of a step may be under way: the workers, or as many as its server takes at once."""
        if self._llm is None:
            return self.workers
        servers = {"text": self._llm.text, "vision": self._llm.vision}
        return max([self.workers, *(servers[which].concurrency for which in step.asks)])

    def run(self, step: LocalStep, task: Task, *, clock: Clock, listener: Listener) -> Execution:
        """Run a local step once there is a place for it. Blocks; raises StepError."""
        self._share.take()
        with working(self._places), watching(task, listener, self._share, self._stop):
            return run_local(step, task, clock=clock, listener=listener)


def run_local(step: LocalStep, task: Task, *, clock: Clock, listener: Listener) -> Execution:
    """Run a local step. Blocks; raises StepError."""
    require_inputs(task.context)
    started = clock.now()
    listener.started(task, started)
    result = step.run(task.context)
    return Execution(result, started_at=started, finished_at=clock.now())


def require_inputs(context: Context) -> None:
    """Make sure that what earlier steps made is still there.

    Raises:
        InvalidInput: a file is gone; says which step makes it again.
    """
    for step, made in context.made.items():
        for path in made.files.values():
            if not path.is_file():
                item_id = context.subject.item_id
                raise InvalidInput(
                    f"{path}, which {step} made, is gone; have it made again: nightreel redo {item_id} --from {step}",
                    path=str(path),
                    step=step,
                )


@dataclass(frozen=True)
class PromptEngine:
    """Runs the prompts of one step on one instance. Safe to use from several threads at once."""

    step: ComfyStep
    workflow: Workflow
    session: InstanceSession
    listener: Listener
    limits: Callable[[], StallLimits] | None = None  # how long each prompt may be silent; None: as the manifest says

    def submit(self, task: Task, *, stop: threading.Event) -> None:
        """Bind, upload the inputs, and put the prompt into the instance's queue.

        Raises:
            StepError, ComfyUIError: nothing runs, or the instance will not say.
            Stopped: `stop` was set while the instance would not say.
        """
        assert task.prompt_id is not None, "a prompt's id is chosen before it is sent"
        require_inputs(task.context)
        binding = self.step.bind(task.context)
        values = dict(binding.values)
        for name, path in binding.uploads.items():
            values[name] = self.session.client.upload(path)
        graph = self._fitted().bind(values, prefix=output_prefix(task.prompt_id), fallback=task.context.fallback)
        self.session.submit(
            task.prompt_id,
            graph,
            extra_data={"extra_pnginfo": {"nightreel": {"attempt": task.attempt_id, "step": task.step}}},
            stop=stop,
        )

    def wait(self, task: Task, *, stop: threading.Event) -> HistoryEntry:
        """Block until the prompt has ended, by the instance's own word, or by the files that outlived its memory.

        Raises:
            ComfyUIError: it failed, hung, or was lost.
            Stopped: `stop` was set first; the prompt may go on.
        """
        assert task.prompt_id is not None
        timing = self.workflow.manifest.timing
        try:
            return self.session.wait(
                task.prompt_id,
                idle_timeout_s=timing.idle_timeout_s if self.limits is None else self.limits(),
                total_timeout_s=timing.total_timeout_s,
                on_progress=lambda news: self._tell(task, news),
                stop=stop,
            )
        except PromptLost:
            entry = self.session.salvage(task.prompt_id, self.workflow)
            if entry is None:
                raise
            return entry

    def collect(self, task: Task, entry: HistoryEntry) -> Execution:
        """Download the outputs, check them, and let the step name its artifacts.

        Raises:
            ComfyUIError, StepError: an output is missing or not what it should be.
            PromptLost: it is salvaged, and half-written or not what it should be: as good as lost.
        """
        try:
            outputs = self.session.collect(entry, self.workflow.manifest.outputs, into=self._downloads(task))
            result = self.step.collect(task.context, outputs)
        except (BadDownload, OutputMissing, StepError) as error:
            if not entry.is_salvaged or isinstance(error, DiskFull):
                raise
            reason = f"{self.session.url} has forgotten the prompt, and the files that it left will not do: {error}"
            raise PromptLost(reason, instance=self.session.name, prompt_id=entry.prompt_id) from error
        return Execution(result, started_at=entry.started_at, finished_at=entry.finished_at)

    def _fitted(self) -> Workflow:
        """Return the workflow as this instance can run it; asks only where the manifest has alternatives.

        Asked each time: it is quick, and a restart may have brought another version.
        """
        known: dict[str, Any] = {}
        for class_type in sorted(self.workflow.alternative_classes()):
            known |= self.session.client.object_info(class_type)
        return self.workflow.fitted_to(known)

    def _downloads(self, task: Task) -> Path:
        folder = task.context.work / "downloads"
        folder.mkdir(exist_ok=True)
        return folder

    def _tell(self, task: Task, news: Progress | Started) -> None:
        if isinstance(news, Started):
            self.listener.started(task, news.at)
        else:
            self.listener.progress(task, Tick(news.node_title, news.value, news.maximum, news.percent))
