"""Outputs of a prompt that the server has forgotten: found again by the name that only that prompt gave them.

A restart empties queue and history; the files in the output folder survive it. Their prefix holds the prompt's id, so
whatever bears it was made by that prompt and by no other. Nothing tells whether the last of them was written to its
end: a salvaged set counts only when all of it decodes and passes the step's checks.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from orchestrator.comfyui.graphs import Graph, class_of, find_nodes, inputs_of, link_of
from orchestrator.comfyui.replies import HistoryEntry, Outcome
from orchestrator.comfyui.transport import Transport
from orchestrator.comfyui.workflow import Workflow

FOLDER = "nightreel"
"""Below a server's output folder: where every prompt of ours puts its files."""

ENDINGS = {"image": ("png", "webp", "jpg"), "audio": ("flac", "mp3", "opus", "wav"), "video": ("mp4", "webm", "mkv")}
"""What the files of nodes that are not listed below may end with, by medium; the likeliest first."""


class Saver(NamedTuple):
    """How a node class names its files: `PREFIX_00001` + tail + `.` + ending."""

    media: str
    ending: str
    tails: tuple[str, ...]


SAVERS = {
    "SaveImage": Saver("image", "png", ("_",)),
    "SaveVideo": Saver("video", "mp4", ("_",)),
    "SaveWEBM": Saver("video", "webm", ("_",)),
    "SaveAudio": Saver("audio", "flac", ("", "_")),  # newer versions leave the underscore out
    "SaveAudioMP3": Saver("audio", "mp3", ("", "_")),
    "SaveAudioOpus": Saver("audio", "opus", ("", "_")),
    "VHS_VideoCombine": Saver("video", "mp4", ("",)),
}

Exists = Callable[[str], bool]


def output_prefix(prompt_id: str) -> str:
    """Return the `filename_prefix` of a prompt: no other prompt's files begin with it."""
    return f"{FOLDER}/{prompt_id}"


def find_on_server(http: Transport, prompt_id: str, *, workflow: Workflow) -> HistoryEntry | None:
    """Ask a server for the files of a prompt that it has forgotten, by the names that its nodes give.

    Returns:
        An entry as its history would have had it, marked as salvaged; None when an output is not there, or cannot be
        told from another one by its name.

    Raises:
        ComfyUIError: the server does not answer.
    """

    def exists(name: str) -> bool:
        params = {"filename": name, "subfolder": FOLDER, "type": "output"}
        response = http.send("HEAD", "/view", params=params)
        if response.status_code == 404:
            return False
        http.check_status(response, "HEAD /view")
        return response.headers.get("Content-Length") != "0"

    return _entry(prompt_id, workflow, exists)


def find_on_disk(output_dir: Path, prompt_id: str, *, workflow: Workflow) -> HistoryEntry | None:
    """Look for the files of a prompt in the output folder of an instance on this machine.

    Returns:
        As `find_on_server`; its files are to be read from the folder, which works while the server is down, too.
    """
    try:
        names = [one.name for one in os.scandir(output_dir / FOLDER) if one.is_file() and one.stat().st_size > 0]
    except OSError:
        return None
    mine = {name for name in names if name.startswith(f"{prompt_id}_")}
    return _entry(prompt_id, workflow, mine.__contains__, on_disk=output_dir)


def _entry(prompt_id: str, workflow: Workflow, exists: Exists, *, on_disk: Path | None = None) -> HistoryEntry | None:
    """Return what the history would have said; None unless there is a file for every output."""
    savers = _savers(workflow)
    if savers is None:
        return None
    outputs: dict[str, dict[str, list[dict[str, str]]]] = {}
    for node_id, media in savers.items():
        found = next(filter(exists, _names(prompt_id, workflow.graph, node_id, media=media, savers=len(savers))), None)
        if found is None:
            return None
        outputs[node_id] = {media: [{"filename": found, "subfolder": FOLDER, "type": "output"}]}
    return HistoryEntry(
        prompt_id=prompt_id,
        outcome=Outcome.SUCCESS,
        status="salvaged",
        outputs=outputs,
        graph=workflow.graph,
        is_salvaged=True,
        on_disk=on_disk,
    )


def _savers(workflow: Workflow) -> dict[str, str] | None:
    """Return node id -> medium of the nodes that save the outputs; None where names cannot tell two of them apart."""
    manifest = workflow.manifest
    prefixed = {
        node_id
        for spec in manifest.bindings.values()
        if spec.source == "prefix"
        for target in spec.targets
        for node_id in find_nodes(workflow.graph, target.node)
    }
    wanted = {find_nodes(workflow.graph, spec.node)[0]: str(spec.media) for spec in manifest.outputs.values()}
    others = [SAVERS.get(class_of(workflow.graph, node_id)) for node_id in prefixed - set(wanted)]
    are_told_apart = len(set(wanted.values())) == len(manifest.outputs)
    are_told_apart = are_told_apart and all(one is not None and one.media not in wanted.values() for one in others)
    return wanted if are_told_apart and set(wanted) <= prefixed else None


def _names(prompt_id: str, graph: Graph, node_id: str, *, media: str, savers: int) -> Iterator[str]:
    """Yield the names that a node may have given its first file, the likeliest first.

    Nodes that share a prefix share its numbers, too.
    """
    saver = SAVERS.get(class_of(graph, node_id))
    endings = (saver.ending,) if saver is not None else ENDINGS[media]
    tails = saver.tails if saver is not None else ("_", "")
    if link_of(inputs_of(graph, node_id).get("audio")) is not None and class_of(graph, node_id) == "VHS_VideoCombine":
        tails = ("-audio",)  # the file without sound is an intermediate one
    for number in range(1, savers + 1):
        for ending in endings:
            for tail in tails:
                yield f"{prompt_id}_{number:05}{tail}.{ending}"
