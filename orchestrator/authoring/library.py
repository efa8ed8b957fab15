"""Which workflows there are: the bundled ones, and those in `workflows/` beside config.yaml."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.comfyui.errors import WorkflowError
from orchestrator.comfyui.workflow import Workflow
from orchestrator.errors import WorkflowFileError
from orchestrator.pipeline import known_pipeline
from orchestrator.settings import Settings, place_of_workflow
from orchestrator.wording import one_line
from steps.base import ComfyStep
from steps.errors import ManifestError
from steps.manifest import Manifest, bundled_names, load_manifest

MANIFESTS = frozenset({".yaml", ".yml"})


@dataclass(frozen=True)
class Entry:
    """One workflow."""

    name: str
    path: Path
    own: bool
    title: str
    models: tuple[str, ...]
    licences: tuple[str, ...]  # as their makers state them; models of unknown licence are not told here
    unknown_licences: int  # how many models say nothing
    vram_gb: float
    used_by: tuple[str, ...]  # steps
    problem: str = ""  # why it cannot be used; empty: it can

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {**vars(self), "path": str(self.path)}


def entries(settings: Settings | None, base: Path | None) -> Iterator[Entry]:
    """Yield all workflows, the bundled ones first.

    Args:
        settings: Tell which steps use them; None for the built-in pipeline.
        base: Folder of the config file; None: there is none, and no workflow of one's own.
    """
    steps = known_pipeline(settings or Settings())
    users: dict[str, list[str]] = {}
    for step in steps:
        if isinstance(step, ComfyStep):
            users.setdefault(step.workflow, []).append(step.name)
    for name in bundled_names():
        yield _entry(name, own=False, users=users)
    for path in sorted((base / "workflows").glob("*.yaml")) if base is not None else ():
        yield _entry(path.absolute(), own=True, users=users)


def find_workflow(named: str, settings: Settings | None, base: Path) -> Workflow:
    """Return a workflow by the name of a step of config.yaml, of a workflow, or by the path of its manifest.

    Args:
        named: What the command line says.
        settings: Of config.yaml, if there is one.
        base: Folder of the config file, or the current one.

    Raises:
        WorkflowFileError: there is none, or it cannot be used.
    """
    meant = settings.steps[named].workflow if settings is not None and named in settings.steps else None
    if meant is None and Path(named).suffix.lower() in MANIFESTS:
        meant = str(Path(named).expanduser().absolute())
    try:
        return Workflow.load(_bundled_or_path(meant or place_of_workflow(named, base)))
    except WorkflowError as error:
        names = [*bundled_names(), *(path.stem for path in (base / "workflows").glob("*.yaml"))]
        if meant is None and named not in names:
            near = difflib.get_close_matches(named, names, n=1)
            hint = f"did you mean {near[0]}?" if near else "nightreel workflow list shows those there are"
            raise WorkflowFileError(f"there is no workflow {one_line(named, longest=60)!r}; {hint}") from error
        raise WorkflowFileError(str(error)) from error


def _bundled_or_path(place: str) -> str | Path:
    return place if place in bundled_names() else Path(place)


def _entry(place: str | Path, *, own: bool, users: Mapping[str, list[str]]) -> Entry:
    name = place if isinstance(place, str) else place.stem
    used_by = tuple(users.get(str(place), ()))
    try:
        manifest: Manifest = Workflow.load(place).manifest
    except WorkflowError as error:
        try:
            manifest = load_manifest(place)
        except ManifestError:
            return Entry(name, Path(place), own, "", (), (), 0, 0.0, used_by, str(error))
        return _of_manifest(manifest, name, own=own, used_by=used_by, problem=str(error))
    return _of_manifest(manifest, name, own=own, used_by=used_by)


def _of_manifest(manifest: Manifest, name: str, *, own: bool, used_by: tuple[str, ...], problem: str = "") -> Entry:
    models = manifest.needs.models
    return Entry(
        name,
        manifest.path,
        own,
        manifest.title,
        tuple(f"{model.folder}/{model.file}" for model in models),
        tuple(dict.fromkeys(model.licence for model in models if model.licence)),
        sum(1 for model in models if not model.licence),
        manifest.needs.vram_gb,
        used_by,
        problem,
    )
