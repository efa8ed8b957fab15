"""The step that a workflow's manifest defines: what goes into the graph, and whether what comes out will do.

Most ComfyUI steps are this class with a few lines, and a user's own workflow is it without any. A subclass adds only
what data cannot say: values that have to be computed (`supply`), requirements that depend on the item (`require`), and
a closer look at the results (`inspect`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from steps import checks, sources
from steps.base import Binding, Check, ComfyStep, Context, Result
from steps.checks import Expected, Looked
from steps.errors import InvalidInput, ManifestError
from steps.footage import Box
from steps.manifest import BUNDLED, BindingSpec, Manifest, OutputSpec, load_manifest
from steps.options import StepOptions
from steps.sources import Source


@dataclass(frozen=True)
class Inspection:
    """What a closer look at the results adds."""

    checks: tuple[Check, ...] = ()
    files: Mapping[str, Path] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)


class ManifestStep(ComfyStep):
    """A step that runs the workflow of a manifest."""

    manifest: Manifest

    def __init__(self, manifest: Manifest | None = None) -> None:
        """Take the step's shape from its class, or from the manifest's `step:` section where the class has none.

        Args:
            manifest: The workflow; by default the bundled one that is called like the step. A user's own is given
                here, for a step of its own or in place of the bundled one.

        Raises:
            ManifestError: the manifest cannot be used, has no `step:` section where one is needed, or reads a step
                that this one does not build on.
        """
        self.manifest = manifest if manifest is not None else load_manifest(self.name)
        is_bundled = self.manifest.path.parent == BUNDLED
        self.workflow = self.manifest.name if is_bundled else str(self.manifest.path)
        if not hasattr(type(self), "name"):
            self._take_shape()
        self._refuse_strangers()

    def bind(self, context: Context) -> Binding:
        """Return what each binding of the manifest gets; see `ComfyStep.bind`. `prefix` is left to the orchestrator.

        Raises:
            ManifestError: a binding gets nothing, or a setting breaks its limits.
            InvalidInput: what this item gives a binding breaks its limits.
        """
        is_open = any(spec.source is None and spec.value is None for spec in self.manifest.bindings.values())
        supplied = self.supply(context) if is_open else {}
        values: dict[str, Any] = {}
        uploads: dict[str, Path] = {}
        for name, spec in self.manifest.bindings.items():
            if spec.source == "prefix":
                continue
            value = self._value(name, spec, context, supplied)
            if spec.kind == "upload":
                uploads[name] = value
            else:
                values[name] = value
        return Binding(workflow=self.workflow, values=values, uploads=uploads)

    def collect(self, context: Context, outputs: Mapping[str, Path]) -> Result:
        """Check the outputs and name the artifacts after them; see `ComfyStep.collect`."""
        files: dict[str, Path] = {}
        looked: dict[str, Looked] = {}
        for name in self.manifest.outputs:
            files[name] = _settle(outputs[name], context.work, name)
            looked[name] = self.look_at(context, name, files[name])
        found = [check for one in looked.values() for check in one.checks]
        checks.refuse_failed(found, what=self.title)
        closer = self.inspect(context, files, looked)
        checks.refuse_failed(closer.checks, what=self.title)
        data = {**_joined(looked), **closer.data}
        return Result(files={**files, **closer.files}, data=data, checks=(*found, *closer.checks))

    def setting_problems(self, options: StepOptions) -> tuple[str, ...]:
        """Return what of the settings the workflow cannot take: key, what was found, what would do.

        Asked before a night: `bind` would say the same, after the hours of the steps before.
        """
        problems = []
        for spec in self.manifest.bindings.values():
            if spec.source is None or spec.source.parts[0] != "options":
                continue
            value = sources.read_option(spec.source, options)
            if isinstance(value, str | int | float) and (wanted := spec.broken_by(spec.spelled(value))):
                key = spec.source.removeprefix("options.")
                problems.append(f"{key}: found {value!r}; the workflow {self.manifest.name} needs {wanted}")
        return tuple(problems)

    def supply(self, context: Context) -> Mapping[str, Any]:
        """Return values and files for the bindings that the manifest leaves open. May write below `context.work`."""
        return {}

    def require(self, context: Context) -> Mapping[str, Mapping[str, float]]:
        """Return what outputs must be like beyond the manifest: output name -> field of `Expected` -> number."""
        return {}

    def regions(self, context: Context) -> Mapping[str, Box]:
        """Return the parts of a video that `inspect` wants to see."""
        return {}

    def look_at(self, context: Context, name: str, path: Path) -> Looked:
        """Measure one output as its kind is measured. Raises BadOutput for what is not a readable file of that kind."""
        spec = self.manifest.outputs[name]
        expected = self._expected(name, spec, context)
        return checks.look(spec.media, path, expected, name=name, regions=self.regions(context))

    def inspect(self, context: Context, files: Mapping[str, Path], looked: Mapping[str, Looked]) -> Inspection:
        """Look closer at results that have passed the checks of their kind. May write below `context.work`."""
        return Inspection()

    def _take_shape(self) -> None:
        section = self.manifest.step
        if section is None:
            raise ManifestError(
                f"workflow manifest {self.manifest.path} has no `step:` section; a workflow that is a step of its own "
                "needs one with name and number",
                path=str(self.manifest.path),
            )
        self.name, self.number = section.name, section.number
        self.title = section.title or self.manifest.title
        self.per_language, self.needs = section.per_language, section.needs

    def _refuse_strangers(self) -> None:
        """Refuse a manifest that reads a step which is not among those this one builds on."""
        for name, spec in self.manifest.bindings.items():
            step = spec.source.step if spec.source is not None else None
            if step is not None and step not in self.needs:
                builds_on = ", ".join(self.needs) or "no other step"
                raise self._unusable(
                    f"bindings.{name}.from", f"found {str(spec.source)!r}, but {self.name} builds on {builds_on}"
                )

    def _value(self, name: str, spec: BindingSpec, context: Context, supplied: Mapping[str, Any]) -> Any:
        """Return a binding's value: by `from`, else the literal, else what the step supplies."""
        value = self._read(spec.source, context, key=f"bindings.{name}") if spec.source is not None else None
        if value is None:
            value = spec.value if spec.value is not None else supplied.get(name)
        if value is None:
            came = f"`from: {spec.source}` has nothing for this item" if spec.source else "neither `from` nor `value`"
            raise self._unusable(
                f"bindings.{name}", f"{came}, and the step {self.name} supplies nothing; give it a `value`"
            )
        if spec.kind == "upload":
            return Path(str(value))
        if not isinstance(value, str | int | float):
            raise self._unusable(
                f"bindings.{name}", f"found {type(value).__name__}; expected a text, a number or yes/no"
            )
        value = spec.spelled(value)
        wanted = spec.broken_by(value)
        if wanted is None:
            return value
        found = repr(value) if spec.choices or not isinstance(value, str) else f"a text of {len(value)} characters"
        if _is_of_item(spec):
            raise InvalidInput(f"{name}: found {found}; expected {wanted}", binding=name, expected=wanted)
        where = f" in {spec.source}" if spec.source else ""
        raise self._unusable(f"bindings.{name}", f"found {found}{where}; expected {wanted}")

    def _read(self, source: Source, context: Context, *, key: str) -> Any:
        try:
            return sources.read(source, context)
        except ManifestError as error:
            raise self._unusable(key, str(error)) from error

    def _unusable(self, key: str, problem: str) -> ManifestError:
        path = str(self.manifest.path)
        return ManifestError(f"workflow manifest {path}: {key}: {problem}", path=path, key=key)

    def _expected(self, name: str, spec: OutputSpec, context: Context) -> Expected:
        required = self.require(context).get(name, {})
        numbers: dict[str, Any] = {}
        for one in fields(Expected):
            stated = getattr(spec, one.name)
            if isinstance(stated, Source):
                source, stated = stated, self._read(stated, context, key=f"outputs.{name}.{one.name}")
                stated = self._lowered(source, stated, context)
            numbers[one.name] = stated
        return Expected(**{**numbers, **required})

    def _lowered(self, source: Source, stated: Any, context: Context) -> Any:
        """Return what an output must have on a fallback: as much as the binding that reads the same setting gets."""
        if context.fallback is None:
            return stated
        same = [name for name, spec in self.manifest.bindings.items() if spec.source == source]
        return self.manifest.on_fallback(context.fallback, same[0], stated) if same else stated


def _is_of_item(spec: BindingSpec) -> bool:
    """Tell whether a value differs from item to item: another item may well keep to the limits.

    What is chosen from a list comes from the settings in the end: each item would be refused for the same reason.
    """
    if spec.choices:
        return False
    if spec.source is None:
        return spec.value is None
    return spec.source.parts[0] in ("made", "subject", "seed")


def _settle(path: Path, work: Path, name: str) -> Path:
    """Give a downloaded output its name in the work folder and return its path."""
    target = work / f"{name}{path.suffix.lower()}"
    if path != target:
        os.replace(path, target)
    return target


def _joined(looked: Mapping[str, Looked]) -> dict[str, Any]:
    """Return the data of the outputs: flat for one output, by output name for several."""
    if len(looked) == 1:
        return dict(next(iter(looked.values())).data)
    return {name: dict(one.data) for name, one in looked.items()}
