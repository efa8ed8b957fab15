"""What a graph has that a manifest may speak of: inputs for files, prompts, seeds, sizes, lengths, saved files, models.

Pure: a graph goes in, places in it come out. Which of them become bindings, and where their values come from, is
decided in `guess.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from orchestrator.authoring import nodes
from orchestrator.comfyui.graphs import Graph, class_of, inputs_of, link_of, title_of
from steps.manifest import Media, ModelFile


@dataclass(frozen=True)
class Spot:
    """One input of one node that holds a literal."""

    node_id: str
    input: str


@dataclass(frozen=True)
class Save:
    """A node that saves a file."""

    node_id: str
    media: Media
    key: str  # in the history; empty for the usual one


@dataclass(frozen=True)
class Findings:
    """All of it, in the graph's order."""

    files: tuple[tuple[Spot, Media], ...]
    positive: tuple[Spot, ...]
    negative: tuple[Spot, ...]
    spoken: tuple[Spot, ...]  # texts that are said
    seeds: tuple[Spot, ...]
    sizes: tuple[tuple[Spot, Spot], ...]  # width, height
    lengths: tuple[Spot, ...]  # frames
    saves: tuple[Save, ...]
    models: tuple[ModelFile, ...]


def look_into(graph: Graph) -> Findings:
    """Return what a graph has."""
    positive, negative = _prompts(graph)
    return Findings(
        files=tuple(_files(graph)),
        positive=positive,
        negative=negative,
        spoken=tuple(_spoken(graph)),
        seeds=_distinct(_seeds(graph)),
        sizes=tuple(dict.fromkeys(_sizes(graph))),
        lengths=_distinct(_lengths(graph)),
        saves=tuple(_saves(graph)),
        models=tuple(_models(graph)),
    )


def literal(graph: Graph, spot: Spot) -> Any:
    """Return what stands at a place."""
    return inputs_of(graph, spot.node_id).get(spot.input)


def reference(graph: Graph, node_id: str) -> str:
    """Return how a manifest names a node: by its title where that is the only one, else by class, else by id."""
    meta = graph[node_id].get("_meta")
    title = meta.get("title") if isinstance(meta, dict) else None
    named = isinstance(title, str) and title.strip() and not title.startswith(("#", "class:"))
    if named and sum(1 for one in graph if title_of(graph, one) == title) == 1:
        return str(title)
    class_type = class_of(graph, node_id)
    alone = sum(1 for one in graph if class_of(graph, one) == class_type) == 1
    return f"class:{class_type}" if alone else f"#{node_id}"


def source_spot(graph: Graph, node_id: str, input_name: str, kind: type | tuple[type, ...]) -> Spot | None:
    """Return where the literal of an input stands: there, or at the primitive that a wire brings it from."""
    seen: set[str] = set()
    spot = Spot(node_id, input_name)
    while True:
        value = literal(graph, spot)
        link = link_of(value)
        if link is None:
            fits = isinstance(value, kind) and not (kind is not bool and isinstance(value, bool))
            return spot if fits else None
        if link[0] in seen or link[0] not in graph:
            return None
        seen.add(link[0])
        inputs = inputs_of(graph, link[0])
        name = next((one for one in nodes.VALUE_INPUTS if one in inputs), None)
        if name is None or len(inputs) > 2:
            return None
        spot = Spot(link[0], name)


def _distinct(spots: Iterator[Spot]) -> tuple[Spot, ...]:
    return tuple(dict.fromkeys(spots))


def _files(graph: Graph) -> Iterator[tuple[Spot, Media]]:
    for node_id in graph:
        for name, media in nodes.FILE_INPUTS.get(class_of(graph, node_id), {}).items():
            if isinstance(inputs_of(graph, node_id).get(name), str):
                yield Spot(node_id, name), media


def _prompts(graph: Graph) -> tuple[tuple[Spot, ...], tuple[Spot, ...]]:
    """Return where the words for and against stand: what leads into a sampler or guider, however far back."""
    positive: dict[Spot, None] = {}
    negative: dict[Spot, None] = {}
    for node_id in graph:
        inputs = inputs_of(graph, node_id)
        for name, found in (("positive", positive), ("negative", negative), ("conditioning", positive)):
            link = link_of(inputs.get(name))
            is_end = name != "conditioning" or "Guider" in class_of(graph, node_id)
            if link is not None and is_end:
                found |= dict.fromkeys(_texts_behind(graph, link))
        for name, found in (("positive_prompt", positive), ("negative_prompt", negative)):
            spot = source_spot(graph, node_id, name, str)
            if spot is not None:
                found[spot] = None
    if not positive:
        positive = dict.fromkeys(_likely_prompts(graph))
    return tuple(positive), tuple(spot for spot in negative if spot not in positive)


def _texts_behind(graph: Graph, link: tuple[str, int]) -> Iterator[Spot]:
    """Yield the literals that make up a conditioning."""
    waiting, seen = [link], {link}
    while waiting:
        node_id, slot = waiting.pop()
        inputs = inputs_of(graph, node_id)
        spots = [source_spot(graph, node_id, name, str) for name in nodes.TEXT_INPUTS if name in inputs]
        found = [spot for spot in spots if spot is not None]
        if found:
            yield found[0]
            continue
        for name, value in inputs.items():
            onward = link_of(value)
            if onward is not None and onward not in seen and _leads_on(name, slot, inputs):
                seen.add(onward)
                waiting.append(onward)


def _leads_on(name: str, slot: int, inputs: Any) -> bool:
    """Tell whether a conditioning comes in by an input; nodes with both sides keep them apart by their outputs."""
    if "positive" in inputs and "negative" in inputs:
        return name == ("positive" if slot == 0 else "negative")
    return name.startswith(("conditioning", "cond", "positive", "negative", "prompt", "text"))


def _likely_prompts(graph: Graph) -> Iterator[Spot]:
    for node_id in graph:
        class_type = class_of(graph, node_id)
        if "TextEncode" in class_type or "Prompt" in class_type:
            for name in nodes.TEXT_INPUTS:
                spot = source_spot(graph, node_id, name, str) if name in inputs_of(graph, node_id) else None
                if spot is not None:
                    yield spot
                    break


def _spoken(graph: Graph) -> Iterator[Spot]:
    for node_id in graph:
        if nodes.SPEECH.search(class_of(graph, node_id)):
            spot = source_spot(graph, node_id, "text", str)
            if spot is not None:
                yield spot


def _seeds(graph: Graph) -> Iterator[Spot]:
    for node_id in graph:
        inputs = inputs_of(graph, node_id)
        if inputs.get("add_noise") == "disable":
            continue  # the second half of a sampling: its seed changes nothing
        for name in nodes.SEED_INPUTS:
            spot = source_spot(graph, node_id, name, int) if name in inputs else None
            if spot is not None:
                yield spot


def _sizes(graph: Graph) -> Iterator[tuple[Spot, Spot]]:
    for node_id in graph:
        inputs = inputs_of(graph, node_id)
        for name in inputs:
            stem, _, last = name.rpartition(".")
            if last != "width":
                continue
            width = source_spot(graph, node_id, name, int)
            height = source_spot(graph, node_id, f"{stem}.height" if stem else "height", int)
            if width is not None and height is not None:
                yield width, height


def _lengths(graph: Graph) -> Iterator[Spot]:
    for node_id in graph:
        for name in nodes.LENGTH_INPUTS:
            spot = source_spot(graph, node_id, name, int) if name in inputs_of(graph, node_id) else None
            if spot is not None:
                yield spot


def _saves(graph: Graph) -> Iterator[Save]:
    for node_id in graph:
        class_type = class_of(graph, node_id)
        media = nodes.saved_media(class_type, inputs_of(graph, node_id))
        if media is not None:
            yield Save(node_id, media, nodes.HISTORY_KEYS.get(class_type, ""))


def _models(graph: Graph) -> Iterator[ModelFile]:
    told: set[tuple[str, str]] = set()
    for node_id in graph:
        class_type = class_of(graph, node_id)
        for name, value in inputs_of(graph, node_id).items():
            if nodes.is_model(class_type, name, value) and value not in ("None", "none"):
                folder = nodes.model_folder(class_type, name)
                if (folder, value) not in told:
                    told.add((folder, value))
                    yield ModelFile(folder=folder, file=value)
