"""Putting a workflow of the user's own beside config.yaml: two files in `workflows/`, and a line under `steps:`.

Nothing that is there is overwritten. The new files are checked where they will lie before they get their names, and
config.yaml is changed only when the changed text means exactly the old settings and the new line.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from orchestrator.artifacts import write_whole
from orchestrator.authoring.guess import propose
from orchestrator.authoring.nodes import SAVES_NOTHING
from orchestrator.authoring.proposal import Around, Proposal, name_from
from orchestrator.authoring.reading import read_export, unusable
from orchestrator.authoring.write import config_key, config_lines, manifest_text
from orchestrator.comfyui.errors import WorkflowError
from orchestrator.comfyui.graphs import Graph, class_of, title_of
from orchestrator.comfyui.workflow import Workflow
from orchestrator.errors import ConfigError, StorageError, WorkflowFileError
from orchestrator.pipeline import near_steps, offers, pipeline_of
from orchestrator.settings import Settings, parse_settings
from orchestrator.wording import one_line
from steps.base import Step
from steps.comfy import ManifestStep
from steps.errors import ManifestError
from steps.manifest import Manifest, bundled_names, load_manifest
from steps.registry import NEEDS, default_steps

FOLDER = "workflows"


@dataclass(frozen=True)
class Added:
    """What was made, and what is left to do."""

    manifest: Path
    graph: Path
    lines: tuple[str, ...]  # what config.yaml needs to say
    config_changed: bool
    why_not: str  # why it was left as it is; empty when it was changed
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Wish:
    """What the command line asks for."""

    file: Path
    name: str = ""  # of the files; empty: after the exported file
    step: str = ""  # name of a step of its own; empty: that of the files
    instead_of: str = ""  # a built-in step; empty: a step of its own


def around_of(settings: Settings) -> Around:
    """Return what a new workflow can build on.

    Raises:
        ConfigError: the pipeline that there is cannot be used.
    """
    steps = pipeline_of(settings)
    numbers = {step.name: step.number for step in steps}
    return Around(tuple(offers(steps)), numbers, settings.video.width, settings.video.height)


def draft(wish: Wish, settings: Settings, config: Path) -> tuple[Proposal, dict[str, Any]]:
    """Read an exported file and guess its manifest; nothing is written.

    Returns:
        The proposal, and the graph.

    Raises:
        WorkflowFileError: the file cannot be used, or a name is taken or unknown.
    """
    graph = read_export(wish.file)
    name = wish.name or name_from(wish.file.stem)
    replaced = _replaced(wish.instead_of) if wish.instead_of else None
    _require_free_name(name, config.parent, given=bool(wish.name))
    if replaced is None:
        _require_free_step(wish.step or name, settings)
    around = around_of(settings)
    proposal = propose(graph, name=name, around=around, instead_of=replaced, step=wish.step or None)
    if not proposal.outputs:
        raise unusable(wish.file, _no_output_words(graph))
    return proposal, graph


def add(proposal: Proposal, graph: Graph, *, exported: Path, settings: Settings, config: Path) -> Added:
    """Write a workflow's two files, and name it in config.yaml where that is safe.

    Args:
        proposal: The manifest.
        graph: API format.
        exported: The file that it came from.
        settings: As they are now.
        config: The config file; the workflow goes into `workflows/` beside it.

    Raises:
        WorkflowFileError: it would not make a usable workflow.
        StorageError: the folder cannot be written to.
    """
    folder = config.parent / FOLDER
    text = manifest_text(proposal, graph=f"{proposal.name}.json", exported=exported.name)
    content = {
        f"{proposal.name}.json": json.dumps(graph, indent=2).encode(),
        f"{proposal.name}.yaml": text.encode("utf-8", "replace"),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _rehearse(proposal, content, folder, exported=exported)
        for name, data in content.items():
            write_whole(folder / name, data)
    except OSError as error:
        raise StorageError(f"cannot write into {folder}: {error.strerror or error}") from error
    manifest = folder / f"{proposal.name}.yaml"
    lines = config_lines(proposal, f"{FOLDER}/{proposal.name}.yaml")
    why_not = _name_in_config(proposal, lines, settings=settings, config=config)
    return Added(
        manifest, folder / f"{proposal.name}.json", tuple(lines), not why_not, why_not, notes=tuple(proposal.notes)
    )


def _replaced(step: str) -> Manifest:
    """Return the manifest of a built-in step. Raises WorkflowFileError where there is none."""
    steps: Mapping[str, Step] = {one.name: one for one in default_steps()}
    if step not in steps:
        raise WorkflowFileError(f"--instead-of: {near_steps(step, steps)}")
    found = steps[step]
    if not isinstance(found, ManifestStep):
        usable = ", ".join(name for name, one in steps.items() if isinstance(one, ManifestStep))
        raise WorkflowFileError(f"--instead-of: {step} runs on the CPU and has no workflow; those that have: {usable}")
    return load_manifest(step)


def _require_free_name(name: str, base: Path, *, given: bool) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name):
        found = f"--name is {one_line(name, longest=40)!r}" if given else "no name can be made of the file's"
        raise WorkflowFileError(
            f"{found}; expected lower-case letters, digits and _, beginning with a letter: --name sparkle"
        )
    taken = [path for path in (base / FOLDER / f"{name}.yaml", base / FOLDER / f"{name}.json") if path.exists()]
    if taken:
        raise WorkflowFileError(f"{taken[0]} is there already; choose another name: --name {name}_2")
    if name in bundled_names():
        raise WorkflowFileError(f"a bundled workflow is called {name}; choose another name: --name my_{name}")


def _require_free_step(name: str, settings: Settings) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name):
        raise WorkflowFileError(f"--step is {one_line(name, longest=40)!r}; expected a name such as sparkle")
    if name in NEEDS:
        raise WorkflowFileError(
            f"a built-in step is called {name}: use --instead-of {name} to replace its workflow, or --step for "
            "another name"
        )
    if name in settings.steps:
        raise WorkflowFileError(f"config.yaml has a step {name} already; choose another name: --step {name}_2")


def _no_output_words(graph: Graph) -> str:
    for node_id in graph:
        why = SAVES_NOTHING.get(class_of(graph, node_id))
        if why:
            return f"it saves nothing. {one_line(title_of(graph, node_id), longest=60)} (#{node_id}): {why}"
    return "it saves nothing: end it in SaveImage, SaveVideo or SaveAudio"


def _rehearse(proposal: Proposal, content: Mapping[str, bytes], folder: Path, *, exported: Path) -> None:
    """Load the two files from a folder beside their own, as a night would.

    Raises:
        WorkflowFileError: they do not make a usable workflow.
    """
    with tempfile.TemporaryDirectory(prefix=".new-", dir=folder) as trial:
        for name, data in content.items():
            (Path(trial) / name).write_bytes(data)
        manifest = Path(trial) / f"{proposal.name}.yaml"
        try:
            Workflow.load(manifest)
            if proposal.step is not None:
                ManifestStep(load_manifest(manifest))
        except (WorkflowError, ManifestError) as error:
            words = str(error).replace(trial, str(folder))
            raise unusable(exported, f"what can be guessed of it does not fit together: {words}") from error


def _name_in_config(proposal: Proposal, lines: list[str], *, settings: Settings, config: Path) -> str:
    """Add the step to config.yaml; return why that was not done, or nothing."""
    key = config_key(proposal)
    if key in settings.steps:
        return f"config.yaml names another workflow under steps.{key}"
    try:
        old = config.read_bytes().decode("utf-8")
        new = _with_step(old, lines)
        before, after = yaml.safe_load(old) or {}, yaml.safe_load(new) if new is not None else None
        wanted = {**before, "steps": {**(before.get("steps") or {}), **yaml.safe_load("\n".join(lines))["steps"]}}
        if new is None or after != wanted:
            return "config.yaml is written in a way that cannot be added to safely"
        pipeline_of(parse_settings(after, config))
        write_whole(config, new.encode())
    except ConfigError as error:
        return f"the pipeline would not fit together: {error}"
    except (OSError, ValueError, yaml.YAMLError, AttributeError, TypeError) as error:
        return f"config.yaml cannot be changed: {error}"
    return ""


def _with_step(text: str, lines: list[str]) -> str | None:
    """Return the config file with the new lines; None where it is not clear how."""
    found = re.search(r"^steps:[ \t]*(\{\}|null|~)?[ \t]*(#[^\n]*)?\r?$", text, re.MULTILINE)
    if found is None:
        if re.search(r"^[\"']?steps[\"']?\s*:", text, re.MULTILINE):
            return None
        return text.rstrip("\n") + ("\n\n" if text.strip() else "") + "\n".join(lines) + "\n"
    rest = text[found.end() :]
    following = re.search(r"^([ ]+)[^\s#]", rest, re.MULTILINE) if found.group(1) is None else None
    indent = following.group(1) if following is not None else "  "
    comment = f"  {found.group(2)}" if found.group(2) else ""
    return f"{text[: found.start()]}steps:{comment}\n{indent}{lines[1].strip()}{rest if rest else chr(10)}"
