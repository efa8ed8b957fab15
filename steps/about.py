"""What is said about a finished video: on its title card, inside the file, and beside it.

Nothing of the machine is in it: no path, no workflow, no address.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from steps.base import Context, Subject
from steps.titles import Wording

NOTICES = {
    "fr": "Réalisé avec une IA : la voix et le visage animé sont générés.",
    "en": "Made with AI: the voice and the moving face are generated.",
}
"""What has to be said of a person who is made to speak."""

CARD_NOTICES = {"fr": "Portrait animé par IA", "en": "Portrait brought to life by AI"}

PREVIEW_NOTICES = {
    "fr": "Aperçu : fabriqué sans carte graphique, par des remplaçants des modèles.",
    "en": "Preview: made without a graphics card, by stand-ins for the models.",
}


def wording(context: Context) -> Wording:
    """Return what the title card says."""
    subject = context.subject
    return Wording(subject.title, byline(subject), CARD_NOTICES.get(context.variant, CARD_NOTICES["en"]))


def byline(subject: Subject) -> str:
    """Return artist and year as far as they are known: "Berthe Morisot, 1879"."""
    return ", ".join(str(part) for part in (subject.artist, subject.year) if part)


def notice(context: Context) -> str:
    """Return the sentences that say how the video was made, in its language."""
    said = [NOTICES.get(context.variant, NOTICES["en"])]
    if context.options.preview:
        said.append(PREVIEW_NOTICES.get(context.variant, PREVIEW_NOTICES["en"]))
    return " ".join(said)


def container_tags(context: Context) -> dict[str, str]:
    """Return the metadata that goes into the file: what it shows, whose it is, how it was made."""
    subject = context.subject
    credit = byline(subject)
    return {
        "title": subject.title,
        "artist": subject.artist or "",
        "date": str(subject.year or ""),
        "copyright": subject.licence or "",
        "comment": notice(context),
        "description": f"{subject.title} ({credit})" if credit else subject.title,
        "genre": "preview" if context.options.preview else "",
    }


def as_json(context: Context, measured: Mapping[str, Any]) -> str:
    """Return the file that travels with the video."""
    subject = context.subject
    script = context.made["script"].data
    described = {
        "title": subject.title,
        "artist": subject.artist,
        "year": subject.year,
        "sitter": subject.sitter,
        "licence": subject.licence,
        "tags": list(subject.tags),
        "language": context.variant,
        "ai_generated": True,
        "preview": context.options.preview,
        "notice": notice(context),
        "script": script.get("text", ""),
        "sources": _articles(script),
        "captions": {"timing": context.made["subtitles"].data.get("timing", "")},
        "measured": dict(measured),
    }
    return json.dumps(described, ensure_ascii=False, indent=2) + "\n"


def _articles(script: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the articles that the script's sentences rest on, each once, by title and archive."""
    cited = [source for sentence in script.get("sentences", []) for source in sentence.get("sources", [])]
    unique = {(str(s.get("article", "")), str(s.get("archive", ""))) for s in cited}
    return [{"article": article, "archive": archive} for article, archive in sorted(unique)]
