"""Turns the sample articles into archives: from YAML to HTML as a small encyclopaedia would have it, then to ZIM.

The pages have what an extractor has to skip: an infobox, note marks, a list of references, navigation. Articles have
redirects; one page lists namesakes.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from zim.writer import Article, write_archive

TITLES = {"fr": "Petite encyclopédie des visages peints", "en": "The Little Encyclopaedia of Painted Faces"}
_REFERENCES = {"fr": "Notes et références", "en": "References"}
_PORTAL = {"fr": "Portail de la peinture inventée", "en": "Portal of invented painting"}

_LINK = re.compile(r"\[\[([^\]|]+)\|([^\]]+)\]\]")
_NOTE = re.compile(r"\{(\d+)\}")
_BLANK_LINE = re.compile(r"\n\s*\n")


def articles(language: str) -> list[Mapping[str, Any]]:
    """Return the sample articles of a language ("fr" or "en") as they are written, the main page first."""
    text = files("orchestrator.sample").joinpath(f"articles_{language}.yaml").read_text(encoding="utf-8")
    return list(yaml.safe_load(text))


def write_sample_archive(path: Path, language: str) -> Path:
    """Write the sample archive of a language, whole or not at all; returns its path."""
    return write_archive(path, language, list(pages(language)), title=TITLES[language])


def pages(language: str) -> Iterator[Article]:
    """Yield the pages of a language, each followed by its redirects."""
    for article in articles(language):
        yield Article(article["path"], article["title"], page_html(article, language))
        for other in article.get("also", ()):
            yield Article(_path_of(other), other, redirect_to=article["path"])


def _path_of(title: str) -> str:
    return title.replace(" ", "_").replace("'", "_")


def page_html(article: Mapping[str, Any], language: str) -> str:
    """Return one article as a page."""
    title = html.escape(article["title"])
    body = [
        f'<h1 id="firstHeading">{title}</h1>',
        _infobox(article),
        *_paragraphs(article["text"]),
        _items(article.get("items", ())),
    ]
    for section in article.get("sections", ()):
        body += [f"<h2>{html.escape(section['heading'])}</h2>", *_paragraphs(section["text"])]
    body += [_references(article.get("notes", ()), language), f'<div class="navbox">{_PORTAL[language]}</div>']
    head = f'<meta charset="utf-8"><title>{title}</title>'
    return f'<!DOCTYPE html><html lang="{language}"><head>{head}</head><body>{"".join(body)}</body></html>'


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in _BLANK_LINE.split(text.strip()):
        yield f"<p>{_inline(' '.join(paragraph.split()))}</p>"


def _inline(text: str) -> str:
    """Escape a text, then make its links and note marks."""
    escaped = html.escape(text, quote=False)
    linked = _LINK.sub(lambda found: f'<a href="{html.escape(found[1])}">{found[2]}</a>', escaped)
    return _NOTE.sub(r'<sup class="reference"><a href="#cite_note-\1">[\1]</a></sup>', linked)


def _infobox(article: Mapping[str, Any]) -> str:
    box: Mapping[str, str] = article.get("box", {})
    if not box:
        return ""
    rows = "".join(f"<tr><th>{html.escape(key)}</th><td>{html.escape(value)}</td></tr>" for key, value in box.items())
    return f'<table class="infobox"><caption>{html.escape(article["title"])}</caption>{rows}</table>'


def _items(items: Sequence[str]) -> str:
    return "<ul>" + "".join(f"<li>{_inline(item)}</li>" for item in items) + "</ul>" if items else ""


def _references(notes: Sequence[str], language: str) -> str:
    if not notes:
        return ""
    rows = "".join(
        f'<li id="cite_note-{number}">{html.escape(note)}</li>' for number, note in enumerate(notes, start=1)
    )
    return f'<h2>{_REFERENCES[language]}</h2><div class="reflist"><ol class="references">{rows}</ol></div>'
