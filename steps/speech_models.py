"""Which speech model hears a language, out of the settings and of what set-up placed; and why none does.

A wrong folder costs no night: captions fall back to timing without a model, takes go unheard, and the reason is said in
the review, the report and by `nightreel doctor`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from steps.caption_options import CaptionOptions
from steps.errors import ResourceMissing
from steps.external import whisper
from steps.external.whisper import SpeechModel

PLACED = "whisper-base"
"""Folder below models/ of the multilingual model that set-up joins from its parts."""


@dataclass(frozen=True)
class Found:
    """A model, or what is in its way."""

    model: SpeechModel | None
    problem: str = ""  # for people; not empty: a model is set, and cannot be used


def find(options: CaptionOptions, language: str, *, models_dir: Path) -> Found:
    """Return the model that hears a language. Loads it the first time: a second or so.

    Args:
        options: Name the folder, or None for what set-up placed.
        language: "fr" or "en".
        models_dir: Where set-up places models.
    """
    folder = options.model or models_dir / PLACED
    if options.model is None and not folder.is_dir():
        return Found(None)
    model = SpeechModel(folder, options.device, options.compute_type, options.threads)
    try:
        heard = whisper.knows(model, language=language)
    except ResourceMissing as error:
        return Found(None, str(error))
    if not heard:
        return Found(None, f"captions.model: {folder.name} hears only English, not {language!r}")
    return Found(model)
