"""What each node class takes and gives: the facts behind /object_info and behind validation.

`core.json.gz` was cut out of a real server's /object_info: only the classes that a card can run, without explanations
meant for people. `extra.json` holds what no stock server has: speech nodes, test nodes, timed nodes. Lists of files are
filled in when asked for. To refresh the first one after an update of ComfyUI, save its /object_info and run
`python -m orchestrator.embedded.schemas OBJECT_INFO.json`.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from orchestrator.embedded.files import Folders
from orchestrator.embedded.models import ModelFiles

Schema = dict[str, Any]

CORE = Path(__file__).with_name("core.json.gz")
EXTRA = Path(__file__).with_name("extra.json")

FOR_PEOPLE = frozenset(
    {"tooltip", "tooltips", "output_tooltips", "search_aliases", "essentials_category", "price_badge"}
)
"""Keys that explain something to a person; clients do not need them."""

MODEL_INPUTS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "CheckpointLoaderSimple": {"ckpt_name": "checkpoints"},
        "CLIPLoader": {"clip_name": "text_encoders"},
        "CLIPVisionLoader": {"clip_name": "clip_vision"},
        "DualCLIPLoader": {"clip_name1": "text_encoders", "clip_name2": "text_encoders"},
        "FrameInterpolationModelLoader": {"model_name": "frame_interpolation"},
        "LTXAVTextEncoderLoader": {"text_encoder": "text_encoders", "ckpt_name": "checkpoints"},
        "LTXVAudioVAELoader": {"ckpt_name": "checkpoints"},
        "LatentUpscaleModelLoader": {"model_name": "latent_upscale_models"},
        "LoraLoader": {"lora_name": "loras"},
        "LoraLoaderModelOnly": {"lora_name": "loras"},
        "UNETLoader": {"unet_name": "diffusion_models"},
        "UpscaleModelLoader": {"model_name": "upscale_models"},
        "VAELoader": {"vae_name": "vae"},
    }
)
"""Class -> input -> folder of models whose files it offers."""

FILE_INPUTS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "LoadAudio": {"audio": "input"},
        "LoadImage": {"image": "input"},
        "LoadImageMask": {"image": "input"},
        "LoadImageOutput": {"image": "output"},
        "LoadVideo": {"file": "input"},
    }
)
"""Class -> input -> folder whose files it offers."""


def read_core() -> dict[str, Schema]:
    """Read the schemas of stock nodes."""
    with gzip.open(CORE, "rt", encoding="utf-8") as file:
        schemas: dict[str, Schema] = json.load(file)
    return schemas


def read_extra() -> dict[str, Schema]:
    """Read the schemas of nodes that a stock server does not have, with the fields that all nodes share."""
    written: dict[str, Schema] = json.loads(EXTRA.read_text(encoding="utf-8"))
    return {name: _completed(name, schema) for name, schema in written.items()}


class Schemas:
    """The node classes of one card, with the lists of its own files."""

    def __init__(self, folders: Folders, models: ModelFiles, *, classes: frozenset[str]) -> None:
        """Keep the schemas of the given classes, which are those that the card has code for."""
        known = read_core() | read_extra()
        self._schemas = {name: known[name] for name in sorted(known) if name in classes}
        self._folders = folders
        self._models = models

    def __contains__(self, class_type: object) -> bool:
        return class_type in self._schemas

    def get(self, class_type: str) -> Schema | None:
        """Return a class's schema as it is on the disk now, or None for an unknown class."""
        schema = self._schemas.get(class_type)
        if schema is None or not (class_type in MODEL_INPUTS or class_type in FILE_INPUTS):
            return schema
        required = dict(schema["input"]["required"])
        for name, folder in MODEL_INPUTS.get(class_type, {}).items():
            required[name] = _with_options(required[name], self._model_names(class_type, folder))
        for name, folder in FILE_INPUTS.get(class_type, {}).items():
            required[name] = _with_options(required[name], self._folders.top_level(folder))
        return {**schema, "input": {**schema["input"], "required": required}}

    def all(self) -> dict[str, Schema]:
        """Return every class's schema, by name."""
        return {name: schema for name in self._schemas if (schema := self.get(name)) is not None}

    def outputs(self, class_type: str) -> tuple[Any, ...]:
        """Return the types of a class's outputs, by slot."""
        return tuple(self._schemas[class_type]["output"])

    def is_output(self, class_type: str) -> bool:
        """Whether a node of this class is a reason to run a graph."""
        return bool(self._schemas[class_type].get("output_node"))

    def _model_names(self, class_type: str, folder: str) -> list[str]:
        names = self._models.names(folder)
        return [*names, "pixel_space"] if class_type == "VAELoader" else names


def trim(object_info: Mapping[str, Schema], classes: frozenset[str]) -> dict[str, Schema]:
    """Cut the given classes out of a server's /object_info, without words for people and lists of files."""
    kept = {name: _without_words(object_info[name]) for name in sorted(classes) if name in object_info}
    for inputs in (MODEL_INPUTS, FILE_INPUTS):
        for class_type, names in inputs.items():
            for name in names if class_type in kept else ():
                required = kept[class_type]["input"]["required"]
                required[name] = _with_options(required[name], [])
    return kept


def write_core(schemas: Mapping[str, Schema]) -> None:
    """Replace the schemas of stock nodes; the same schemas give the same bytes."""
    text = json.dumps(schemas, ensure_ascii=False, separators=(",", ":"))
    CORE.write_bytes(gzip.compress(text.encode("utf-8"), mtime=0))


def _completed(name: str, schema: Schema) -> Schema:
    sections = schema["input"]
    outputs = schema.get("output", [])
    return {
        "input": sections,
        "input_order": {section: list(inputs) for section, inputs in sections.items()},
        "is_input_list": False,
        "output": outputs,
        "output_is_list": [False] * len(outputs),
        "output_name": schema.get("output_name", outputs),
        "name": name,
        "display_name": schema.get("display_name", name),
        "description": "",
        "python_module": schema.get("python_module", "custom_nodes.nightreel"),
        "category": schema.get("category", "nightreel"),
        "output_node": schema.get("output_node", False),
        "has_intermediate_output": False,
    }


def _with_options(spec: list[Any], options: list[str]) -> list[Any]:
    """Fill the list of a combo, in whichever of the two styles it is written."""
    if spec[0] == "COMBO":
        return ["COMBO", {**(spec[1] if len(spec) > 1 else {}), "options": options}]
    return [options, *spec[1:]]


def _without_words(value: Any) -> Any:
    if isinstance(value, dict):
        trimmed = {key: _without_words(item) for key, item in value.items() if key not in FOR_PEOPLE}
        return {**trimmed, "description": ""} if "description" in trimmed else trimmed
    if isinstance(value, list):
        return [_without_words(item) for item in value]
    return value
