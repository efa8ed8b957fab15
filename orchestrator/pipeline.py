"""Which steps run tonight: the ten of the registry, and the workflows that `steps:` of config.yaml names.

A workflow of the user's own runs instead of a step's own workflow, when the key is the name of a ComfyUI step, or as a
step of its own, when its manifest says so. Everything that asks which steps there are asks here, so that a night, the
doctor, a redo and a report agree. All problems are told together, each with its key.
"""

from __future__ import annotations

import difflib
import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.errors import ConfigError
from steps.base import Step
from steps.errors import ManifestError
from steps.registry import NEEDS, default_steps

if TYPE_CHECKING:
    from orchestrator.settings import Settings, StepSettings
    from steps.comfy import ManifestStep
    from steps.manifest import Manifest


def pipeline_of(settings: Settings) -> tuple[Step, ...]:
    """Return the steps of a night with these settings, in the order in which they run.

    Every step comes after those that it builds on; where that leaves a choice, the smaller number comes first, and of
    equal numbers the built-in step, then config.yaml's own order.

    Raises:
        ConfigError: a workflow cannot be the step that it should be, or cannot take a setting; every problem is
            listed with its key.
    """
    if not settings.steps:
        return _suited(default_steps(), settings)
    built = {step.name: step for step in default_steps()}
    problems: list[str] = []
    own: dict[str, Step] = {}
    for name, wanted in settings.steps.items():
        try:
            if name in built:
                built[name] = _instead_of(built[name], wanted)
            else:
                own[name] = _of_its_own(name, wanted)
        except ManifestError as error:
            problems.append(f"steps.{name}.workflow: {error}")
    together = {**built, **own}
    if not problems:
        problems += _misfits(together, settings.steps)
    ordered: tuple[Step, ...] = ()
    if not problems:
        _move_behind(own, together, settings.steps)
        ordered = _in_order(list(together.values()), settings.steps)
        stuck = [f"steps.{name}" for name in own if all(step.name != name for step in ordered)]
        if stuck:
            problems.append(f"{', '.join(stuck)}: each waits for another one by `needs` or `after`, so none can begin")
    if problems:
        listed = "\n".join("  " + problem.replace("\n", "\n  ") for problem in problems)
        raise ConfigError(f"config.yaml names workflows that cannot be used like this:\n{listed}")
    return _suited(ordered, settings)


def known_pipeline(settings: Settings) -> tuple[Step, ...]:
    """Return the pipeline for a command that only shows something: the default one where config.yaml's is broken."""
    try:
        return pipeline_of(settings)
    except ConfigError:
        return default_steps()


def _suited(steps: tuple[Step, ...], settings: Settings) -> tuple[Step, ...]:
    """Return the steps once their workflows can take the settings; a server would round them without a word."""
    from steps.comfy import ManifestStep

    options = settings.step_options(preview=False)
    told = (problem for step in steps if isinstance(step, ManifestStep) for problem in step.setting_problems(options))
    problems = list(dict.fromkeys(told))
    if problems:
        listed = "\n".join("  " + problem for problem in problems)
        raise ConfigError(
            f"config.yaml has settings that a workflow cannot take; change them, or choose another workflow for its "
            f"step under `steps:` (docs/workflows.md lists what each takes):\n{listed}"
        )
    return steps


@dataclass(frozen=True)
class Offer:
    """A file that a step makes and that a later one may read."""

    step: str
    name: str
    media: str  # "image", "audio", "video", or "text" for anything else
    per_language: bool

    @property
    def source(self) -> str:
        """Return it as a manifest's `from:` names it."""
        return f"made.{self.step}.{self.name}"


_LOCAL_FILES: Mapping[str, Mapping[str, str]] = {
    "prepare": {"frame": "image", "image": "image"},
    "script": {"script": "text"},
    "subtitles": {"clip": "video", "ass": "text", "srt": "text"},
    "final_video": {"video": "video", "thumbnail": "image", "metadata": "text"},
}
_FOUND_BY_LOOKING: Mapping[str, Mapping[str, str]] = {"script_video": {"last_frame": "image"}}
"""Files that a ComfyUI step takes out of its outputs, beyond the outputs themselves."""


def offers(steps: Iterable[Step]) -> Iterator[Offer]:
    """Yield the files that steps make, as far as that is known before they ran."""
    for step in steps:
        files: dict[str, str] = dict(_LOCAL_FILES.get(step.name, {}))
        manifest: Manifest | None = getattr(step, "manifest", None)
        if manifest is not None:
            files = {name: output.media for name, output in manifest.outputs.items()}
            files |= _FOUND_BY_LOOKING.get(step.name, {})
        for name, media in files.items():
            yield Offer(step.name, name, media, step.per_language)


def _instead_of(step: Step, wanted: StepSettings) -> Step:
    """Return a built-in step with another workflow. Raises ManifestError where that cannot be."""
    from steps.comfy import ManifestStep
    from steps.manifest import load_manifest

    if not isinstance(step, ManifestStep):
        raise ManifestError(
            f"the step {step.name} runs on the CPU and has no workflow to replace; choose another name for a step of "
            "its own"
        )
    if wanted.after is not None:
        raise ManifestError(f"`after` is for a step of its own; {step.name} keeps its place")
    manifest = load_manifest(wanted.workflow)
    if manifest.step is not None and manifest.step.name != step.name:
        raise ManifestError(
            f"{manifest.path} is a step of its own called {manifest.step.name}; name it under "
            f"`steps.{manifest.step.name}`, or take its `step:` section out to use it instead of {step.name}"
        )
    replaced = type(step)(manifest)
    for name, output in step.manifest.outputs.items():
        given = manifest.outputs.get(name)
        if given is None or given.media != output.media:
            found = ", ".join(f"{one} ({spec.media})" for one, spec in manifest.outputs.items())
            raise ManifestError(
                f"{manifest.path} makes {found}; instead of {step.name} it must make `{name}` ({output.media}), "
                "which later steps read"
            )
    return replaced


def _of_its_own(name: str, wanted: StepSettings) -> ManifestStep:
    """Return a step that only a manifest describes. Raises ManifestError where it does not."""
    from steps.comfy import ManifestStep
    from steps.manifest import load_manifest

    manifest = load_manifest(wanted.workflow)
    if manifest.step is None:
        meant = difflib.get_close_matches(name, NEEDS, n=1)
        hint = f"; did you mean `steps.{meant[0]}`, to use it instead of that step?" if meant else ""
        raise ManifestError(
            f"{name} is no built-in step, and {manifest.path} has no `step:` section with name and number{hint}"
        )
    if manifest.step.name != name:
        raise ManifestError(f"{manifest.path} calls itself {manifest.step.name} under `step.name`; expected {name}")
    return ManifestStep(manifest)


def _misfits(steps: Mapping[str, Step], wanted: Mapping[str, StepSettings]) -> Iterator[str]:
    """Yield what does not fit between steps: what they build on, what they read, where they should go."""
    files = {offer.source for offer in offers(steps.values())}
    for name in wanted:
        step, after = steps[name], wanted[name].after
        for need in step.needs:
            if need not in steps:
                yield f"steps.{name}: its `step.needs` names `{need}`; {near_steps(need, steps)}"
            elif steps[need].per_language and not step.per_language:
                yield (
                    f"steps.{name}: it builds on {need}, which runs once for each language; it needs "
                    "`per_language: true` in its `step:` section"
                )
        if after is not None and after not in steps:
            yield f"steps.{name}.after: {near_steps(after, steps)}"
        manifest: Manifest | None = getattr(step, "manifest", None)
        for binding, spec in manifest.bindings.items() if manifest is not None else ():
            source = spec.source
            if source is None or source.step is None or source.step not in steps:
                continue
            if source.is_file and source not in files:
                made = ", ".join(one.name for one in offers([steps[source.step]])) or "no file"
                yield f"steps.{name}: bindings.{binding}.from is {source}; {source.step} makes: {made}"


def near_steps(name: str, steps: Mapping[str, Step]) -> str:
    """Return that there is no such step, and which one may be meant."""
    meant = difflib.get_close_matches(name, steps, n=1)
    hint = f"; did you mean `{meant[0]}`?" if meant else ""
    return f"there is no step `{name}`{hint or '; there are: ' + ', '.join(steps)}"


def _move_behind(own: Mapping[str, Step], steps: Mapping[str, Step], wanted: Mapping[str, StepSettings]) -> None:
    """Give the steps with an `after` the number of the step that they follow, so that tables show them there."""
    for _ in own:  # a chain of them settles in as many rounds
        for name, step in own.items():
            after = wanted[name].after
            if after is not None and after in steps:
                step.number = steps[after].number


def _in_order(steps: Sequence[Step], wanted: Mapping[str, StepSettings]) -> tuple[Step, ...]:
    """Sort topologically, then by number; steps in a circle are left out."""
    waits_for = {step.name: set(step.needs) for step in steps}
    for name, one in wanted.items():
        if one.after is not None:
            waits_for[name].add(one.after)
    rank = {step.name: (step.number, place) for place, step in enumerate(steps)}  # built-in ones come first
    by_name = {step.name: step for step in steps}
    heap = [rank[name] for name, before in waits_for.items() if not before]
    names = {place: name for name, place in rank.items()}
    heapq.heapify(heap)
    ordered: list[Step] = []
    while heap:
        name = names[heapq.heappop(heap)]
        ordered.append(by_name[name])
        for other, before in waits_for.items():
            if name in before:
                before.discard(name)
                if not before:
                    heapq.heappush(heap, rank[other])
    return tuple(ordered)
