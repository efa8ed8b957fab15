"""What is said about a finished video: on its title card, inside the file, and beside it.

Nothing of the machine is in it: no path, no workflow, no address.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from steps.base import Context, Subject
from steps.options import FinalOptions
from steps.titles import Wording
from steps.tracks import Track

NOTICES = {
    "fr": "Réalisé avec une IA : la voix et le visage animé sont générés.",
    "en": "Made with AI: the voice and the moving face are generated.",
}
"""What has to be said of a person who is made to speak."""

CARD_NOTICES = {"fr": "Portrait animé par IA", "en": "Portrait brought to life by AI"}

MUSIC_WORDS = {"fr": "Musique :", "en": "Music:"}

PREVIEW_NOTICES = {
    "fr": "Aperçu : fabriqué sans carte graphique, par des remplaçants des modèles.",
    "en": "Preview: made without a graphics card, by stand-ins for the models.",
}


def wording(context: Context, options: FinalOptions) -> Wording:
    """Return what the title card of a version says; nothing where it has none."""
    subject, notice_line = context.subject, card_notice(context)
    if not options.title_card:
        return Wording("", "", notice_line if options.disclosure == "card" else "")
    return Wording(subject.title, byline(subject), notice_line if options.disclosure == "card" else "")


def card_notice(context: Context) -> str:
    """Return the short form of the notice, for the pictures."""
    return CARD_NOTICES.get(context.variant, CARD_NOTICES["en"])


def byline(subject: Subject) -> str:
    """Return artist and year as far as they are known: "Berthe Morisot, 1879"."""
    return ", ".join(str(part) for part in (subject.artist, subject.year) if part)


def notice(context: Context) -> str:
    """Return the sentences that say how the video was made, in its language."""
    said = [NOTICES.get(context.variant, NOTICES["en"])]
    if context.options.preview:
        said.append(PREVIEW_NOTICES.get(context.variant, PREVIEW_NOTICES["en"]))
    return " ".join(said)


def credits(context: Context, track: Track | None) -> list[str]:
    """Return who has to be named beside the video: the painting's and the music's authors and licences."""
    subject = context.subject
    painting = f"{subject.title} ({byline(subject)})" if byline(subject) else subject.title
    lines = [f"{painting}. {subject.licence}" if subject.licence else painting]
    if track is not None:
        lines.append(f"{MUSIC_WORDS.get(context.variant, MUSIC_WORDS['en'])} {track.credit}")
    return lines


def container_tags(context: Context, track: Track | None) -> dict[str, str]:
    """Return the metadata that goes into the file: what it shows, whose it is, how it was made."""
    subject = context.subject
    return {
        "title": subject.title,
        "artist": subject.artist or "",
        "date": str(subject.year or ""),
        "copyright": subject.licence or "",
        "comment": notice(context),
        "description": " – ".join(credits(context, track)),
        "genre": "preview" if context.options.preview else "",
    }


def as_json(context: Context, track: Track | None, measured: Mapping[str, Any]) -> str:
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
        "credits": credits(context, track),
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
