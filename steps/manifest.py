"""What `workflows/NAME.yaml` may say about the graph beside it, as frozen models, and the one reader of such files.

A manifest is the only place that knows where in a graph an input goes, where an output comes from and what the graph
needs of a card. It is separate from the steps, because a user's own workflow has a manifest and no Python, and
separate from the client that binds graphs, because steps know nothing of the orchestrator.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BeforeValidator, Field, StrictBool, StrictFloat, StrictInt, ValidationError, model_validator

from steps.changes import Alternative, Fallback, Lowered, NodeChange
from steps.demands import ModelFile, Needs, Phase, Timing
from steps.errors import ManifestError
from steps.inheritance import merged
from steps.sections import NAME, FromList, Name, Number, Scalar, Section
from steps.sources import Source

__all__ = [
    "BUNDLED",
    "Alternative",
    "BindingSpec",
    "Fallback",
    "Limits",
    "Lowered",
    "Manifest",
    "Media",
    "ModelFile",
    "Name",
    "Needs",
    "NodeChange",
    "Number",
    "OutputSpec",
    "Phase",
    "Scalar",
    "Section",
    "StepSection",
    "Target",
    "Timing",
    "bundled_names",
    "load_manifest",
]

Media = Literal["image", "audio", "video"]
BUNDLED = Path(__file__).resolve().parent.parent / "workflows"
"""The folder of the workflows that come with the project."""


class Target(Section):
    """One input of one node."""

    node: str = Field(min_length=1, description='The node: its title, "#ID" or "class:CLASS"')
    input: str = Field(min_length=1, description="Name of the node's input, dotted for dynamic ones")


class Limits(Section):
    """What a value must keep to. Servers enforce less: a length that is off by one is floored there without a word."""

    min: StrictInt | StrictFloat | None = Field(None, description="Smallest number")
    max: StrictInt | StrictFloat | None = Field(None, description="Largest number")
    multiple_of: StrictInt | None = Field(None, gt=0, description="The number, less `plus`, divides by this")
    plus: StrictInt = Field(0, ge=0, description="What is left over: 1 for lengths of 4n+1")
    max_chars: StrictInt | None = Field(None, gt=0, description="Longest text, characters")

    def broken_by(self, value: Scalar) -> str | None:
        """Return what would do instead, as text, or None: the value keeps to the limits."""
        if isinstance(value, str):
            too_long = self.max_chars is not None and len(value) > self.max_chars
            return f"at most {self.max_chars} characters" if too_long else None
        if self.min is not None and value < self.min:
            return f"at least {self.min}"
        if self.max is not None and value > self.max:
            return f"at most {self.max}"
        if self.multiple_of is not None and (value - self.plus) % self.multiple_of:
            lower = int(self._stepped(value))
            rule = f"{self.multiple_of}n+{self.plus}" if self.plus else f"a multiple of {self.multiple_of}"
            return f"{rule}, such as {lower} or {lower + self.multiple_of}"
        return None

    def lowered(self, value: float, by: Lowered) -> int | float:
        """Return the smaller number that a fallback asks for; it keeps to the limits if `value` does."""
        wanted = value * by.times if by.times is not None else min(value, by.at_most or value)
        if isinstance(value, int):
            wanted = int(wanted)
        wanted = wanted if wanted == value else self._stepped(wanted)
        return max(wanted, self.min) if self.min is not None else wanted

    def _stepped(self, value: float) -> int | float:
        """Return the largest number of the form n * `multiple_of` + `plus` that is no larger."""
        if self.multiple_of is None:
            return value
        return int(value - self.plus) // self.multiple_of * self.multiple_of + self.plus


def _as_choices(value: Any) -> Any:
    if isinstance(value, list | tuple) and all(isinstance(one, str) for one in value):
        return {one: one for one in value}
    return value


class BindingSpec(Section):
    """One thing that changes from prompt to prompt, and where in the graph it goes."""

    targets: Annotated[tuple[Target, ...], FromList] = Field(
        min_length=1, description="Where it goes; `node` and `input` beside it are short for a single target"
    )
    kind: Literal["value", "upload"] = Field("value", description="`upload`: a file, whose server-side name is put in")
    value: Scalar | None = Field(None, description="The literal; beside `from`, what is used where that has nothing")
    source: Source | None = Field(None, alias="from", description="Where the value comes from")
    limits: Limits = Field(Limits(), description="What the value must keep to")
    choices: Annotated[Mapping[str, str], BeforeValidator(_as_choices)] = Field(
        {}, description="All texts it may be: a list, or a mapping of our spelling to the node's; case does not matter"
    )

    def spelled(self, value: Scalar) -> Scalar:
        """Return a value as the node spells it; one that is not among the choices comes back as it is."""
        if not isinstance(value, str) or not self.choices:
            return value
        spelt = {theirs.casefold(): theirs for theirs in self.choices.values()}
        spelt |= {ours.casefold(): theirs for ours, theirs in self.choices.items()}
        return spelt.get(value.casefold(), value)

    def broken_by(self, value: Scalar) -> str | None:
        """Return what would do instead, as text, or None: the value, spelled as the node does, will do."""
        if self.choices and value not in self.choices.values():
            return "one of " + ", ".join(self.choices)
        return self.limits.broken_by(value)

    @model_validator(mode="before")
    @classmethod
    def _fold_single_target(cls, data: Any) -> Any:
        """Turn `{node, input, …}` into `{targets: [{node, input}], …}`."""
        if not isinstance(data, Mapping) or not ({"node", "input"} & set(data)):
            return data
        rest = {key: value for key, value in data.items() if key not in ("node", "input")}
        if "targets" in rest:
            raise ValueError("either `node` and `input`, or `targets`, not both")
        return {**rest, "targets": [{key: data[key] for key in ("node", "input") if key in data}]}

    @model_validator(mode="after")
    def _source_fits_kind(self) -> Self:
        if self.kind == "upload" and self.value is not None:
            raise ValueError("a binding of kind upload has no `value`: it gets a file, by `from` or from the step")
        if self.value is not None and self.broken_by(self.spelled(self.value)):
            raise ValueError(f"`value: {self.value}` breaks its own limits: {self.broken_by(self.spelled(self.value))}")
        if self.source is not None and self.source.is_file != (self.kind == "upload"):
            wanted = "upload" if self.source.is_file else "value"
            raise ValueError(f"`from: {self.source}` needs `kind: {wanted}`")
        return self


class OutputSpec(Section):
    """One file that the graph makes, and what it must be like."""

    node: str = Field(min_length=1, description='The node that saves it: its title, "#ID" or "class:CLASS"')
    media: Media = Field(description="What the file is")
    key: str = Field("", description="Key in the history; by default `audio` for audio, `images` for the others")
    width: Number | None = Field(None, description="Exact width, pixels")
    height: Number | None = Field(None, description="Exact height, pixels")
    frames: Number | None = Field(None, description="Exact number of frames")
    fps: Number | None = Field(None, description="Exact frames per second")
    min_duration_s: Number | None = Field(None, description="Shortest duration, seconds")
    max_duration_s: Number | None = Field(None, description="Longest duration, seconds")
    moving: StrictBool = Field(True, description="Whether a video without motion is a failure")

    @model_validator(mode="before")
    @classmethod
    def _default_key(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and not data.get("key"):
            return {**data, "key": "audio" if data.get("media") == "audio" else "images"}
        return data

    def fixed(self, field: Literal["width", "height", "frames", "fps", "min_duration_s", "max_duration_s"]) -> Any:
        """Return the number the manifest states for a field, or None: it states none, or one that only a step knows."""
        value = getattr(self, field)
        return None if isinstance(value, Source) else value


class StepSection(Section):
    """What makes a workflow a step of its own, without Python."""

    name: Name = Field(description="Name of the step")
    number: StrictInt = Field(ge=0, description="Place in the pipeline; 4 lies right after the built-in step 4")
    title: str = Field("", max_length=80, description="For people; by default the manifest's title")
    per_language: StrictBool = Field(False, description="Whether it runs once for each language")
    needs: Annotated[tuple[Name, ...], FromList] = Field((), description="Steps it builds on")


class Manifest(Section):
    """One workflow: a graph, what goes into it, what comes out, what it needs."""

    name: str = Field(description="File name without its ending; not a key of the file")
    path: Path = Field(description="Absolute path of the manifest; not a key of the file")
    title: str = Field(min_length=1, max_length=80, description="For people")
    extends: str | None = Field(None, description="Name or path of another manifest; this one states what differs")
    graph: str = Field(min_length=1, description="File of the graph in API format, seen from the manifest's folder")
    bindings: dict[Name, BindingSpec] = Field(description="What changes from prompt to prompt")
    outputs: dict[Name, OutputSpec] = Field(min_length=1, description="The files it makes")
    needs: Needs = Field(Needs(), description="What it asks of an instance")
    timing: Timing = Field(Timing(), description="How long it takes")
    alternatives: Annotated[tuple[Alternative, ...], FromList] = Field(
        (), description="What nodes become on a server that lacks their class"
    )
    fallbacks: Annotated[tuple[Fallback, ...], FromList] = Field(
        (), description="Ways to make do with less memory, in the order in which they are tried"
    )
    step: StepSection | None = Field(None, description="Makes it a step without Python")

    @property
    def graph_path(self) -> Path:
        """Return where the graph should be."""
        return self.path.parent / self.graph

    def fallback(self, name: str) -> Fallback:
        """Return a rung by its name.

        Raises:
            ManifestError: there is none of that name.
        """
        for rung in self.fallbacks:
            if rung.name == name:
                return rung
        known = ", ".join(rung.name for rung in self.fallbacks) or "none"
        raise _error(self.path, [f"fallbacks: there is no `{name}`; there are: {known}"])

    def on_fallback(self, name: str, binding: str, value: Scalar) -> Scalar:
        """Return what a binding gets on a rung, from what it would get without."""
        wanted = self.fallback(name).values.get(binding, value)
        if not isinstance(wanted, Lowered):
            return wanted
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _error(self.path, [f"fallbacks.{name}.set.{binding}: a number is lowered; the binding has {value!r}"])
        return self.bindings[binding].limits.lowered(value, wanted)

    @model_validator(mode="after")
    def _fallbacks_fit(self) -> Self:
        names = [rung.name for rung in self.fallbacks]
        if len(set(names)) < len(names):
            raise ValueError("two `fallbacks` share a name")
        for rung in self.fallbacks:
            for binding, wanted in rung.values.items():
                if binding not in self.bindings:
                    raise ValueError(f"fallbacks.{rung.name}.set: there is no binding `{binding}`")
                spec = self.bindings[binding]
                broken = None if isinstance(wanted, Lowered) else spec.broken_by(spec.spelled(wanted))
                if broken:
                    raise ValueError(f"fallbacks.{rung.name}.set.{binding}: found {wanted!r}; expected {broken}")
        return self


MAX_BYTES = 1_000_000


def load_manifest(name_or_path: str | Path) -> Manifest:
    """Read and check one manifest.

    Args:
        name_or_path: The bare name of a bundled workflow, such as `clean_pic`, or the path of a `.yaml` file.

    Raises:
        ManifestError: with the file and, for each problem, its key, what was found and what would do.
    """
    path = _find(name_or_path)
    data = _read(path, seen=())
    try:
        return Manifest.model_validate({**data, "name": path.stem, "path": path})
    except ValidationError as error:
        raise _error(path, list(_problems(error))) from error


def bundled_names() -> tuple[str, ...]:
    """Return the names of the workflows that come with the project, sorted."""
    return tuple(sorted(path.stem for path in BUNDLED.glob("*.yaml")))


def _find(name_or_path: str | Path) -> Path:
    text = str(name_or_path)
    if isinstance(name_or_path, str) and NAME.fullmatch(text):
        if (BUNDLED / f"{text}.yaml").is_file():
            return BUNDLED / f"{text}.yaml"
        known = ", ".join(bundled_names())
        raise ManifestError(f"there is no workflow `{text}`; there are: {known}; or give the path of a .yaml file")
    path = Path(text).expanduser().absolute()
    if path.suffix.lower() not in (".yaml", ".yml"):
        raise _error(path, ["not a manifest: a .yaml file is expected, which names its graph (.json) under `graph`"])
    if not path.is_file():
        raise _error(path, ["no such file"])
    return path


def _read(path: Path, *, seen: tuple[Path, ...]) -> dict[str, Any]:
    """Return a file's data together with what it takes from the manifest that it extends."""
    data = _parse(path)
    own = {"name", "path"} & set(data)
    if own:
        raise _error(path, [f"{key}: unknown key; a manifest is named after its file" for key in sorted(own)])
    base = data.get("extends")
    if base is None:
        return data
    if not isinstance(base, str):
        raise _error(path, [f"extends: found {_describe(base)}; expected the name or the path of another manifest"])
    base_path = _find(base if NAME.fullmatch(base) else path.parent / base).resolve()
    seen = (*seen, path.resolve())
    if base_path in seen:
        raise _error(path, [f"extends: {base} leads back to this file"])
    taken = _read(base_path, seen=seen)
    if isinstance(taken.get("graph"), str):
        taken["graph"] = str(base_path.parent / taken["graph"])
    return merged(taken, data)


def _parse(path: Path) -> dict[str, Any]:
    """Return the file's mapping. The size is limited and keys may not repeat: YAML itself would take the last one."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise _error(path, [f"{path.stat().st_size} bytes; a manifest has at most {MAX_BYTES}"])
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # a SafeLoader by descent
    except UnicodeDecodeError as error:
        raise _error(path, [f"not UTF-8 text (byte {error.start})"]) from error
    except OSError as error:
        raise _error(path, [f"cannot be read: {error.strerror}"]) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise _error(path, ["not valid YAML: " + " ".join(str(error).split())]) from error
    if not isinstance(data, dict):
        raise _error(path, [f"found {_describe(data)}; a mapping with title, graph, bindings and outputs is expected"])
    return data


class _Loader(yaml.SafeLoader):
    """YAML without repeated keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"the key `{key.value}` is there twice", problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _error(path: Path, problems: list[str]) -> ManifestError:
    shown = "\n".join(f"  {problem}" for problem in problems)
    return ManifestError(f"workflow manifest {path} cannot be used:\n{shown}", path=str(path), problems=tuple(problems))


def _problems(error: ValidationError) -> Iterator[str]:
    """Yield one line for each problem: key, what was found, what would do."""
    told: set[str] = set()
    for detail in error.errors(include_url=False):
        key = ".".join(str(part) for part in detail["loc"] if part not in _UNION_MEMBERS) or "the file"
        if key in told:  # the members of a union complain one by one
            continue
        told.add(key)
        yield f"{key}: {_explain(detail['type'], detail['msg'], detail['input'], key)}"


_UNION_MEMBERS = ("int", "float", "str", "bool", "function-after[Source(), str]")


def _explain(kind: str, message: str, found: Any, key: str) -> str:
    if kind == "missing":
        return "missing"
    if kind == "extra_forbidden":
        near = difflib.get_close_matches(key.rsplit(".", 1)[-1], _KEYS, n=1)
        return "unknown key" + (f"; did you mean `{near[0]}`?" if near else f"; known keys: {', '.join(_KEYS)}")
    wanted = message.removeprefix("Value error, ").removeprefix("Input should be ")
    if kind == "value_error" and isinstance(found, Mapping):  # about how several keys go together
        return wanted
    return f"found {_describe(found)}; expected {wanted}"


def _describe(found: Any) -> str:
    """Return a short text for a value; never the inside of a collection, which may be huge."""
    if found is None:
        return "nothing"
    if isinstance(found, Mapping):
        return "a mapping"
    if isinstance(found, list | tuple):
        return "a list"
    text = repr(found)
    return text if len(text) <= 60 else text[:57] + "…"


_SECTIONS: tuple[type[Section], ...] = (
    Manifest,
    Target,
    BindingSpec,
    OutputSpec,
    Needs,
    ModelFile,
    Timing,
    Alternative,
    Fallback,
    Lowered,
    StepSection,
)
_KEYS = sorted(
    {field.alias or name for section in _SECTIONS for name, field in section.model_fields.items()} - {"path"}
)
