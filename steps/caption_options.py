"""Settings of the captions: what times them, and how they look."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from steps.option_base import Options


class CaptionOptions(Options):
    """Captions."""

    model: Path | None = Field(
        None,
        description="Folder of a faster-whisper model that times words and checks takes. Without one, the model that "
        "set-up placed under models/ if it did, else timing needs no model",
    )
    device: Literal["cpu", "cuda", "auto"] = Field("cpu", description="Where that model runs")
    compute_type: Literal["auto", "int8", "int8_float16", "int8_float32", "float16", "bfloat16", "float32"] = Field(
        "auto", description="Its arithmetic; auto: int8 on the CPU, the model's own on a card"
    )
    threads: int = Field(2, ge=1, le=32, description="CPU threads that it may take")
    style: str = Field(
        "highlight",
        min_length=1,
        max_length=60,
        description="Preset of their look: highlight, boxed, panel, plain, shout, or one of your own; "
        "`nightreel captions --try` shows them",
    )
    presets: Path | None = Field(None, description="YAML file with presets of your own; relative to this file")
    platform: Literal["all", "tiktok", "reels", "shorts"] = Field("all", description="Whose buttons they stay clear of")
    font: str = Field("Lato", description="Font family of the captions and overlays")
    fonts_dir: Path | None = Field(None, description="Folder of that font's files; without one, the bundled Lato")
    fallback_fonts: tuple[Path, ...] = Field(
        (), description="Font files, or folders of them, for letters that the font lacks, in this order"
    )
    words_per_cue: int | None = Field(None, ge=1, le=12, description="Most words shown at once; none: as the preset")
    highlight: str | None = Field(
        None, pattern=r"^#[0-9A-Fa-f]{6}$", description="Colour of the spoken word or its box; none: as the preset"
    )
    letters_per_s: float = Field(
        22.0, ge=10, le=60, description="Cues that have to be read faster stay longer, as far as there is room"
    )
