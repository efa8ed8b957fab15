"""The facts that a script may rest on: sentences of offline encyclopaedias, each with its article and paragraph.

They are looked up before anything is written, numbered, and cleaned of what is no fact: an article can be edited by
anyone, and a sentence that gives orders to whoever reads it is left out before a model sees it. (That is the second
wall: what a model reads is delimited as data, and what it writes is checked.)
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from steps.base import Context
from steps.errors import ResourceMissing
from steps.options import Language, StepOptions
from steps.script_text import folded
from steps.writing import known_artist
from zim.archive import Library
from zim.errors import ZimError
from zim.research import Fact, research

_BRACKETED = re.compile(r"\s*\([^()]*\)")
_ORDER = re.compile(
    r"\b(ignor\w+|disregard|forget|oublie[rz]?|ne tene?z pas compte)\b[^.]{0,40}"
    r"\b(above|previous|prior|instructions?|prompts?|rules|precede\w*|ci-dessus|consignes?|regles)\b|"
    r"\b(system prompt|as an ai|language model|modele de langage|you are (now )?an? (assistant|ai|chatbot)|"
    r"tu es (maintenant )?une? (assistant|ia))\b|data>>>|<<<data|"
    r"\b(answer|respond|reply|reponds|repondez)\b[^.]{0,20}\b(only|with|uniquement|seulement|avec)\b"
)
_libraries: dict[tuple[Any, ...], Library] = {}
_libraries_lock = threading.Lock()


def facts_for(context: Context, language: Language) -> dict[int, Fact]:
    """Return the facts about a painting by their ids, from 1; none where no archive is configured. Blocks.

    Raises:
        ResourceMissing: an archive is configured for the language, but it cannot be used.
    """
    options, subject = context.options, context.subject
    if language not in options.zim:
        return {}
    try:
        found = research(
            _library(options),
            language,
            artist=known_artist(subject),
            sitter=subject.sitter,
            title=subject.title,
            year=subject.year,
            limit=options.script.facts,
        )
    except ZimError as error:
        raise ResourceMissing(str(error), path=str(error.path)) from error
    return dict(enumerate((fact for fact in found if not gives_orders(fact.text)), start=1))


def gives_orders(text: str) -> bool:
    """Tell whether a sentence addresses the model that reads it, rather than telling something."""
    return bool(_ORDER.search(folded(text)))


def local_names(facts: Mapping[int, Fact]) -> dict[str, str]:
    """Return how title, artist and sitter are called in the encyclopaedia's language: as their articles are.

    "Leonardo da Vinci" is "Léonard de Vinci" in French; the search has already made sure that they are the same.
    """
    keys = {"work": "title", "artist": "artist", "sitter": "sitter"}
    return {keys[fact.about]: _BRACKETED.sub("", fact.article).strip() for fact in facts.values()}


def source_of(fact: Fact) -> dict[str, Any]:
    """Return where a fact stands, and its words."""
    return {
        "article": fact.article,
        "archive": fact.archive,
        "paragraph": fact.paragraph,
        "about": fact.about,
        "text": fact.text,
    }


def _library(options: StepOptions) -> Library:
    """Return the archives, kept open for the whole process: opening them for every script would cost seconds."""
    key = (tuple(sorted(options.zim.items())), options.state_dir)
    with _libraries_lock:
        if key not in _libraries:
            paths: dict[str, tuple[Path, ...]] = dict(options.zim.items())
            _libraries[key] = Library(paths, state_dir=options.state_dir)
        return _libraries[key]
