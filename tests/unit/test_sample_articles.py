"""The sample articles hold together: links resolve, everybody has a page, and pages have what an extractor skips."""

from __future__ import annotations

import re

import pytest

from orchestrator.sample.archive import articles, page_html, pages
from orchestrator.sample.people import COLLECTION
from zim.extract import extract

LANGUAGES = ("fr", "en")
LINK = re.compile(r"\[\[([^\]|]+)\|[^\]]+\]\]")


def texts(article) -> list[str]:
    sections = [section["text"] for section in article.get("sections", ())]
    return [article["text"], *sections, *article.get("items", ())]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_link_leads_to_an_article(language):
    """A dead link would be the first thing a reader clicks."""
    written = articles(language)
    known = {article["path"] for article in written}
    for article in written:
        for text in texts(article):
            targets = set(LINK.findall(" ".join(text.split())))
            assert targets <= known, f"{article['path']}: {sorted(targets - known)}"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_painter_and_sitter_has_an_article(language):
    """Otherwise the script step would have nothing to tell about a sample."""
    titles = {article["title"] for article in articles(language)}
    assert {sample.artist for sample in COLLECTION} <= titles
    assert {sample.sitter for sample in COLLECTION if sample.sitter} <= titles


@pytest.mark.parametrize("language", LANGUAGES)
def test_paths_are_used_once(language):
    """An archive refuses a second entry of the same path, and a redirect is an entry."""
    paths = [page.path for page in pages(language)]
    assert len(paths) == len(set(paths))


def test_both_languages_tell_of_the_same_people_and_works():
    """One painting, two languages: neither may fall silent."""

    def subjects(language):
        return {article["title"] for article in articles(language) if article["kind"] in ("person", "work")}

    assert subjects("fr") == subjects("en")
    assert len(subjects("fr")) >= 24


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_person_has_a_lead_sections_and_years(language):
    """The extractor needs paragraphs, and the check of identity needs years in the first lines."""
    for article in articles(language):
        if article["kind"] != "person":
            continue
        kept = extract(page_html(article, language)).paragraphs
        assert 3 <= len(kept) <= 7, article["path"]
        assert re.search(r"\b1[5-9]\d\d\b", kept[0].text), article["path"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_no_prose_is_skipped_by_the_extractor(language):
    """Infobox, note marks, references and navigation are there, and none of them may be read aloud."""
    for article in articles(language):
        page = page_html(article, language)
        prose = " ".join(paragraph.text for paragraph in extract(page).paragraphs)
        assert "[1]" not in prose
        assert "{1}" not in page
        for note in article.get("notes", ()):
            assert note not in prose
        for value in article.get("box", {}).values():
            assert f"<td>{value}".split("'")[0] in page.replace("&#x27;", "'")


def test_hostile_text_is_escaped():
    """A title with markup in it must stay text."""
    article = {
        "path": "X",
        "title": 'L\'Été à 50 % : "a" <b>',
        "kind": "page",
        "text": "Un & un <script>alert(1)</script> [[A_B|a < b]].{1}",
        "notes": ["<i>note</i>"],
    }
    page = page_html(article, "fr")
    assert "<script>" not in page
    assert "<i>" not in page
    assert '<a href="A_B">a &lt; b</a>' in page
    assert extract(page).paragraphs[0].text == "Un & un <script>alert(1)</script> a < b."
