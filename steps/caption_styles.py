"""How captions look: presets by name, ours and the owner's.

A preset is a few lines of YAML; what it does not say is as in the class below, or as in another preset that it names
with `like`. Files of the owner's come from outside: what is wrong in one is said with the file, the preset and the key.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError

from steps.caption_options import CaptionOptions
from steps.errors import ResourceMissing
from steps.option_base import Options

_MOST_BYTES = 100_000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}")
_COLOUR = r"^#[0-9A-Fa-f]{6}$"


class CaptionStyle(Options):
    """One preset. Lengths are shares of the picture's width."""

    mode: Literal["highlight", "boxed", "plain"] = Field("highlight", description="What happens to the spoken word")
    font: str | None = Field(None, min_length=1, max_length=80, description="Font family; without one, captions.font")
    weight: Literal["Black", "Bold", "Regular"] = Field("Black", description="How heavy the letters are")
    size: float = Field(96 / 1080, ge=0.03, le=0.16, description="Height of the letters, from highest to lowest")
    colour: str = Field("#FFFFFF", pattern=_COLOUR, description="Of the words")
    spoken_colour: str = Field("#FFD24A", pattern=_COLOUR, description="Of the spoken word")
    spoken_scale: float = Field(1.07, ge=1.0, le=1.2, description="How much the spoken word grows")
    box_colour: str = Field("#FFD24A", pattern=_COLOUR, description="Of the box behind the spoken word")
    outline: float = Field(6.5 / 1080, ge=0.0, le=0.02, description="Thickness of the edge around the letters")
    outline_colour: str = Field("#141210", pattern=_COLOUR, description="Of that edge")
    shadow: float = Field(0.0, ge=0.0, le=0.02, description="How far a soft shadow falls")
    panel_opacity: float = Field(0.0, ge=0.0, le=1.0, description="Of the panel behind each line; 0 for none")
    panel_colour: str = Field("#14110E", pattern=_COLOUR, description="Of that panel")
    position: Literal["upper", "middle", "lower"] = Field("lower", description="Where in the safe zone the lines stand")
    words_per_cue: int = Field(5, ge=1, le=12, description="Most words shown at once")
    uppercase: bool = Field(False, description="Whether all letters are capitals")


def presets(file: Path | None = None) -> dict[str, CaptionStyle]:
    """Return all presets by name: ours, and those of the owner's file, which may replace ours.

    Raises:
        ResourceMissing: the file cannot be read, or a preset in it is wrong.
    """
    own = _built_in()
    return own | (_parsed(_text_of(file), str(file), own) if file is not None else {})


def style_of(options: CaptionOptions) -> CaptionStyle:
    """Return the preset that the settings name, with what they say about all presets put in.

    Raises:
        ResourceMissing: no such preset, or the owner's file is wrong.
    """
    known = presets(options.presets)
    style = known.get(options.style)
    if style is None:
        raise ResourceMissing(f"captions.style: there is no preset {options.style!r}; there are {', '.join(known)}")
    return with_settings(style, options)


def with_settings(style: CaptionStyle, options: CaptionOptions) -> CaptionStyle:
    """Return a preset with the settings that hold for all of them: font, colour, number of words."""
    said: dict[str, Any] = {"font": style.font or options.font}
    if options.words_per_cue is not None:
        said["words_per_cue"] = options.words_per_cue
    if options.highlight is not None:
        said["box_colour" if style.mode == "boxed" else "spoken_colour"] = options.highlight
    return style.model_copy(update=said)


@functools.lru_cache(maxsize=1)
def _built_in() -> dict[str, CaptionStyle]:
    text = resources.files("steps").joinpath("caption_presets.yaml").read_text(encoding="utf-8")
    return _parsed(text, "caption_presets.yaml", {})


def _text_of(file: Path) -> str:
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise ResourceMissing(f"captions.presets: {file} is larger than {_MOST_BYTES} bytes")
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ResourceMissing(f"captions.presets: {file} cannot be read: {error}", path=str(file)) from error


def _parsed(text: str, where: str, known: Mapping[str, CaptionStyle]) -> dict[str, CaptionStyle]:
    try:
        found = yaml.safe_load(text) or {}
    except (yaml.YAMLError, RecursionError) as error:
        raise ResourceMissing(f"captions.presets: {where} is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(found, dict) or not all(isinstance(one, dict) for one in found.values()):
        raise ResourceMissing(f"captions.presets: {where} must hold presets by name, each with its settings")
    styles: dict[str, CaptionStyle] = {}
    for name, said in found.items():
        if not _NAME.fullmatch(str(name)):  # it becomes a file's name
            shown = str(name)[:60]
            raise ResourceMissing(f"captions.presets: {where}: {shown!r} is no name: only letters, digits, - and _")
        own = dict(said)
        model = own.pop("like", None)
        if model is not None and model not in styles and model not in known:
            raise ResourceMissing(f"captions.presets: {where}: {name}.like names no preset before it: {model!r}")
        base = (styles.get(model) or known[model]).model_dump() if model is not None else {}
        try:
            styles[str(name)] = CaptionStyle.model_validate(base | own)
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:5])
            raise ResourceMissing(f"captions.presets: {where}: preset {name!r}: {wrong}") from error
    return styles
