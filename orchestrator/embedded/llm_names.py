"""What the embedded writer may name, and how: the painting's data, made fit to be spoken."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.embedded.llm_folding import folded, is_elided
from orchestrator.embedded.llm_hints import FEMALE_NAMES, MALE_NAMES, words_of


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_LONGEST = 60
_UNSPEAKABLE = re.compile(r"[\[\](){}<>«»\"“”;:*_#@|/\\…=+~^`!?]|https?|www|\d[\d ]*[.,]\d")
_BRACKETED = re.compile(r"\s*[(\[][^)\]]*[)\]]")
_UNNAMED = _words("unknown unidentified anonymous unnamed inconnu inconnue anonyme")
_FOREIGN_TO = {
    "fr": _words("the of with and an her his from woman holding man lady girl young old"),
    "en": _words("le la les du des et une un avec dans au aux sur femme homme jeune dame"),
}
PARTICLES = _words("de da di del della des du d van von der den ter the le la l dit el")


def names_for(painting: Mapping[str, Any], language: str) -> dict[str, str]:
    """Return what may be named, by the placeholder's name; and `painter_sex`, where the first name tells it."""
    names: dict[str, str] = {}
    for key in ("title", "artist", "sitter"):
        value = painting.get(key)
        spoken = " ".join(_BRACKETED.sub("", value).split()) if isinstance(value, str) else ""
        is_name = not _UNNAMED.intersection(folded(spoken).split()) or key == "title"
        if 0 < len(spoken) <= _LONGEST and is_name and not _UNSPEAKABLE.search(spoken):
            names[key] = spoken
    if "title" in names and _FOREIGN_TO[language].intersection(folded(names["title"]).split()):
        del names["title"]
    if "artist" in names:
        artist = names["artist"]
        names["of_artist"] = "of " + artist if language == "en" else ("d'" if is_elided(artist) else "de ") + artist
        names["que_artist"] = ("qu'" if is_elided(artist) else "que ") + artist
        painter = names["painter"] = short_name(artist)
        names["of_painter"] = ("d'" if is_elided(painter) else "de ") + painter
        names["que_painter"] = ("qu'" if is_elided(painter) else "que ") + painter
        names["painter_sex"] = _sex_of(artist)
    if isinstance(painting.get("year"), int):
        names["year"] = str(painting["year"])
    if painting.get("sex") in ("female", "male"):
        is_female = painting["sex"] == "female"
        names |= {"e": "e" if is_female else "", "tout": "toute" if is_female else "tout"}
    return names


def short_name(name: str) -> str:
    """Return what one calls a painter: "Vermeer", "Léonard" (of Vinci), "Joost" (van der Meulebeek)."""
    words = name.split()
    plain = [folded(word).split("'")[0] for word in words]
    if any(word in PARTICLES for word in plain[1:]):
        return words[0]
    return words[-1] if len(words) > 1 else name


def names_of_sitter(painting: Mapping[str, Any], facts: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return how the facts about the sitter may call the sitter."""
    return _known(painting.get("sitter"), facts, "sitter")


def titles_of(painting: Mapping[str, Any], facts: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return how the facts about the picture may call the picture."""
    return _known(painting.get("title"), facts, "work")


def _known(own: Any, facts: Sequence[Mapping[str, Any]], about: str) -> tuple[str, ...]:
    called = [own, *(fact.get("article") for fact in facts if fact.get("about") == about)]
    spelled = (_BRACKETED.sub("", one).replace("’", "'").strip() for one in called if isinstance(one, str))
    return tuple(dict.fromkeys(one for one in spelled if len(one) > 2))


def _sex_of(name: str) -> str:
    first = words_of(name)[:1]
    if not first:
        return "unknown"
    return "female" if first[0] in FEMALE_NAMES else "male" if first[0] in MALE_NAMES else "unknown"
