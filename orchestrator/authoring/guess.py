"""A first manifest for a graph: which inputs change from item to item, where their values come from, what comes out.

Pure: a graph and what the pipeline offers go in, a proposal comes out. Titles that begin with IN_ and OUT_ are taken at
their word; the rest is judged by what the nodes are and how they are wired. A person may change all of it (`ask.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from orchestrator.authoring import nodes
from orchestrator.authoring.findings import Findings, Save, Spot, literal, look_into, reference
from orchestrator.authoring.proposal import Around, Bound, Proposal, Saved, free_name, name_from, placed
from orchestrator.comfyui.graphs import Graph, class_of, find_nodes, inputs_of, link_of, title_of
from orchestrator.wording import one_line
from steps.manifest import BindingSpec, Manifest, Media

DEFAULT_NAMES: Mapping[Media, str] = {"image": "image", "audio": "speech", "video": "clip"}
_PREFERRED: Mapping[str, tuple[str, ...]] = {
    "image": ("made.prepare.frame",),
    "audio": ("made.audio.speech",),
    "video": ("made.transition.clip",),
}


def propose(
    graph: Graph, *, name: str, around: Around, instead_of: Manifest | None = None, step: str | None = None
) -> Proposal:
    """Return a manifest for a graph, as far as it can be guessed.

    Args:
        graph: API format.
        name: Name of the files to be.
        around: The pipeline.
        instead_of: The manifest of the built-in step whose workflow it replaces; None for a step of its own.
        step: Name of a step of its own; by default that of the files.
    """
    guesser = _Guesser(graph, around, instead_of)
    bindings = tuple(guesser.bindings())
    outputs = tuple(guesser.outputs())
    proposal = Proposal(
        name=name,
        title=one_line(name.replace("_", " ").capitalize(), longest=80),
        bindings=bindings,
        outputs=outputs,
        models=guesser.found.models,
        vram_gb=instead_of.needs.vram_gb if instead_of is not None else 0.0,
        instead_of=instead_of.name if instead_of is not None else "",
        notes=tuple(guesser.notes),
    )
    return proposal if instead_of is not None else placed(proposal, around, name=step or name)


class _Guesser:
    """Makes one proposal. Every spot is bound at most once, every name given at most once."""

    def __init__(self, graph: Graph, around: Around, instead_of: Manifest | None) -> None:
        self.found: Findings = look_into(graph)
        self.notes: list[str] = []
        self._graph = graph
        self._around = around
        self._model = instead_of
        self._used: set[Spot] = set()
        self._names: set[str] = set()

    def bindings(self) -> Iterator[Bound]:
        """Yield the bindings, files first and the prefix last."""
        yield from self._as_bundled()
        yield from self._files()
        yield from self._texts()
        yield from self._sizes()
        yield from self._lengths()
        yield from self._titled()
        yield from self._joined("seed", [one for one in self.found.seeds if one not in self._used], "seed")
        prefixes = [
            Spot(save.node_id, "filename_prefix")
            for save in self._saves()
            if isinstance(inputs_of(self._graph, save.node_id).get("filename_prefix"), str)
        ]
        yield from self._joined("prefix", [one for one in prefixes if one not in self._used], "prefix")
        if not self.found.seeds:
            self.notes.append("no seed was found: a retry makes the same thing again")

    def outputs(self) -> Iterator[Saved]:
        """Yield the outputs; those of the replaced workflow by their own names."""
        names = {spec.media: name for name, spec in self._model.outputs.items()} if self._model else {}
        taken: set[str] = set()
        for save in self._saves():
            title = _titled_as(self._graph, save.node_id, "OUT_")
            wanted = names.get(save.media) or title or DEFAULT_NAMES[save.media]
            if wanted in taken:
                wanted = title or DEFAULT_NAMES[save.media]
            name = free_name(wanted, taken)
            taken.add(name)
            like = self._model.outputs.get(name) if self._model is not None else None
            yield Saved(
                name,
                reference(self._graph, save.node_id),
                save.media,
                save.key,
                str(like.width or "") if like is not None else "",
                str(like.height or "") if like is not None else "",
            )

    # -- inside -------------------------------------------------------------------------------------------------------

    def _saves(self) -> tuple[Save, ...]:
        """Return the saving nodes: those that are titled OUT_, if any are; else all."""
        titled = tuple(one for one in self.found.saves if title_of(self._graph, one.node_id).startswith("OUT_"))
        return titled or self.found.saves

    def _as_bundled(self) -> Iterator[Bound]:
        """Yield the bindings of the replaced workflow whose nodes the graph has by the same titles."""
        for name, spec in self._model.bindings.items() if self._model is not None else ():
            spots = [spot for target in spec.targets for spot in self._spots(target.node, target.input)]
            if spec.source in ("seed", "prefix") or len(spots) != len(spec.targets):
                continue
            media = self._media_at(spots[0]) if spec.kind == "upload" else None
            if spec.kind == "upload" and media is None:
                continue
            yield self._take(self._like(name, spec, media), spots)

    def _spots(self, node: str, input_name: str) -> Iterator[Spot]:
        found = find_nodes(self._graph, node)
        inputs = inputs_of(self._graph, found[0]) if len(found) == 1 else {}
        if input_name in inputs and link_of(inputs[input_name]) is None:
            yield Spot(found[0], input_name)

    def _media_at(self, spot: Spot) -> Media | None:
        return next((media for one, media in self.found.files if one == spot), None)

    def _like(self, name: str, spec: BindingSpec, media: Media | None) -> Bound:
        limits = spec.limits.model_dump(exclude_defaults=True)
        value = None if spec.source else spec.value
        return Bound(name, (), media, spec.source or "", value, limits, choices=dict(spec.choices))

    def _take(self, bound: Bound, spots: Sequence[Spot]) -> Bound:
        """Return a binding with its targets; its own literal, if it has one, becomes the graph's."""
        self._used.update(spots)
        self._names.add(bound.name)
        targets = tuple((reference(self._graph, spot.node_id), spot.input) for spot in spots)
        value = bound.value
        if value is not None:
            there = literal(self._graph, spots[0])
            value = there if isinstance(there, str | int | float) else value
        return replace(bound, targets=targets, value=value)

    def _joined(self, name: str, spots: Sequence[Spot], source: str) -> Iterator[Bound]:
        if spots:
            yield self._take(Bound(free_name(name, self._names), (), source=source), spots)

    def _files(self) -> Iterator[Bound]:
        """Yield the files that are uploaded, each with the likeliest earlier file."""
        left = [(spot, media) for spot, media in self.found.files if spot not in self._used]
        given = self._uploads_of_model()
        for media in ("image", "audio", "video"):
            mine = [spot for spot, kind in left if kind == media]
            waiting = [one for one in given if one.media == media and one.name not in self._names]
            waiting = waiting[-1:] if media == "audio" and len(mine) == 1 else waiting  # a single sound is the speech
            for spot in mine:
                title = _titled_as(self._graph, spot.node_id, "IN_")
                model = next((one for one in waiting if one.name == title), waiting[0] if waiting else None)
                if model is not None:
                    waiting.remove(model)
                    yield self._take(model, [spot])
                else:
                    yield self._take(self._of_offer(title, media), [spot])
        if not self.found.files and not self.found.spoken:
            self.notes.append("it takes no file: every item gets the same, but for its seed")

    def _uploads_of_model(self) -> list[Bound]:
        """Return the uploads of the replaced workflow; those that only the step knows (its sounds) have no source."""
        media_of = {offer.source: offer.media for offer in self._around.offers}
        found = []
        for name, spec in self._model.bindings.items() if self._model is not None else ():
            if spec.kind == "upload":
                media = media_of.get(str(spec.source), "image") if spec.source else "audio"
                found.append(self._like(name, spec, media))  # type: ignore[arg-type]
        return found

    def _of_offer(self, title: str, media: Media) -> Bound:
        """Return an upload that reads an earlier step: the one that its title names, else the usual one."""
        mine = [offer for offer in self._around.offers if offer.media == media]
        if self._model is not None:
            mine = [one for one in mine if one.step in _steps_read(self._model)] or mine
        named = [one for one in mine if title and (title in (one.step, f"{one.step}_{one.name}"))]
        usual = [one for one in mine if one.source in _PREFERRED[media]]
        source = next((one.source for one in (*named, *usual, *mine)), "subject.painting" if media == "image" else "")
        return Bound(free_name(title or DEFAULT_NAMES[media], self._names), (), media, source)

    def _texts(self) -> Iterator[Bound]:
        spoken = [spot for spot in self.found.spoken if spot not in self._used]
        if spoken:
            yield self._take(Bound(free_name("text", self._names), (), source="made.script.data.text"), spoken)
        for name, spots in (("prompt", self.found.positive), ("negative", self.found.negative)):
            for spot in spots:
                if spot not in self._used:
                    title = _titled_as(self._graph, spot.node_id, "IN_")
                    yield self._take(Bound(free_name(title or name, self._names), (), value=""), [spot])

    def _sizes(self) -> Iterator[Bound]:
        """Yield width and height where all nodes agree on them and the video has that shape."""
        pairs = [pair for pair in self.found.sizes if not self._used.intersection(pair)]
        sizes = {(literal(self._graph, width), literal(self._graph, height)) for width, height in pairs}
        if not pairs:
            return
        width_px, height_px = next(iter(sizes))
        shape = self._around.width / self._around.height
        if len(sizes) > 1 or not height_px or abs(width_px / height_px / shape - 1) > 0.02:
            listed = ", ".join(f"{width}×{height}" for width, height in sorted(sizes)[:4])
            self.notes.append(f"its sizes stay as they are in the graph ({listed})")
            return
        step = max(nodes.size_step(class_of(self._graph, width.node_id)) for width, _ in pairs)
        for name, index in (("width", 0), ("height", 1)):
            spots = tuple(dict.fromkeys(pair[index] for pair in pairs))
            bound = Bound(
                free_name(name, self._names), (), source=f"options.video.{name}", limits={"multiple_of": step}
            )
            yield self._take(bound, spots)

    def _lengths(self) -> Iterator[Bound]:
        spots = [spot for spot in self.found.lengths if spot not in self._used]
        counts = {literal(self._graph, spot) for spot in spots}
        model = self._model.bindings.get("frames") if self._model is not None else None
        if not spots or len(counts) > 1 or (counts == {1} and model is None):
            return  # different ones mean different things; a single frame is a picture
        step = max(nodes.length_step(class_of(self._graph, spot.node_id)) for spot in spots)
        limits = {"multiple_of": step, "plus": 1} if step and (next(iter(counts)) - 1) % step == 0 else {}
        name = free_name("frames", self._names)
        if model is not None:
            yield self._take(self._like(name, model, None), spots)
        else:
            yield self._take(Bound(name, (), value=0, limits=limits), spots)

    def _titled(self) -> Iterator[Bound]:
        """Yield what else is titled IN_ and has a single literal, and what only the replaced step can supply."""
        for node_id in self._graph:
            title = _titled_as(self._graph, node_id, "IN_")
            spots = [
                Spot(node_id, name)
                for name, value in inputs_of(self._graph, node_id).items()
                if isinstance(value, str | int | float)
            ]
            if title and len(spots) == 1 and spots[0] not in self._used:
                yield self._take(Bound(free_name(title, self._names), (), value=0), spots)
        for name, spec in self._model.bindings.items() if self._model is not None else ():
            if spec.source is None and spec.value is None and spec.kind == "value" and name not in self._names:
                inputs = {target.input for target in spec.targets}
                speaking = [one for one in self._graph if nodes.SPEECH.search(class_of(self._graph, one))]
                spots = [Spot(one, key) for one in speaking for key in inputs & set(inputs_of(self._graph, one))]
                spots = [spot for spot in spots if link_of(literal(self._graph, spot)) is None]
                if spots and not self._used.intersection(spots):
                    yield self._take(self._like(name, spec, None), spots)


def _steps_read(manifest: Manifest) -> set[str | None]:
    return {spec.source.step for spec in manifest.bindings.values() if spec.source is not None}


def _titled_as(graph: Graph, node_id: str, prefix: str) -> str:
    """Return the name that a title such as IN_FACE gives, here `face`; empty when it gives none."""
    title = title_of(graph, node_id)
    if not title.startswith(prefix):
        return ""
    return name_from(title[len(prefix) :])
