"""Articles become paragraphs that can be read aloud; names are compared across spellings."""

from __future__ import annotations

import time

import pytest

from zim.extract import clean, extract
from zim.research import sentences
from zim.search import holds_name, is_same_name, queries, significant_words

ARTICLE = """
<html><head><title>X</title><style>p{color:red}</style></head>
<body class="skin-vector vector-toc-available mw-editable"><h1>La Joconde</h1>
<div class="homonymie">Pour les autres, voir <a href="Joconde_(homonymie)">Joconde</a>.</div>
<table class="infobox" title="L'infobox"><tbody><tr><td><p>Artiste : Léonard</p></td></tr></tbody></table>
<p>La&nbsp;Joconde<sup class="reference">[1]</sup> (prononcé /ʒɔkɔ̃d/) est un tableau
de <a href="./L%C3%A9onard">Léonard</a>.<!-- rien <p>de rien</p> -->
<p>Deuxième<br>paragraphe[2],  sans fin de balise &amp; avec « guillemets ».
<div class="thumb tright"><p>Une légende.</p></div>
<h2>Histoire</h2><section><p>Volée en 1911.</p><p></p><ul><li>une liste</li></ul></section>
<figure><figcaption>Légende</figcaption></figure>
<h2>Notes et références</h2><p>Ne doit pas être lu.</p><h3>Bibliographie</h3><p>Ni cela.</p></body></html>
"""


def test_only_the_running_text_is_kept():
    """Boxes, captions, lists, notes and the sections of references cannot be told as a story."""
    text = extract(ARTICLE)
    assert [(one.index, one.section, one.text) for one in text.paragraphs] == [
        (0, "", "La Joconde est un tableau de Léonard."),
        (1, "", "Deuxième paragraphe, sans fin de balise & avec « guillemets »."),
        (2, "Histoire", "Volée en 1911."),
    ]
    assert text.lead.startswith("La Joconde est")


def test_links_are_kept_for_lists_of_namesakes():
    """A disambiguation page is only its links."""
    assert extract(ARTICLE).links == ("Joconde_(homonymie)", "./L%C3%A9onard")


@pytest.mark.parametrize(
    "html",
    [
        "",
        "<",
        "<p",
        "<p>a<table><tr><td>",
        "</p></div></table>",
        "<p>" * 5000,
        "<div>" * 5000 + "x",
        "&#0;&bogus;<p>\x00",
    ],
)
def test_broken_html_never_raises(html):
    """Archives are data of others; one bad article must not end a night."""
    extract(html)


@pytest.mark.parametrize(
    "piece", ["<!--", "<![CDATA[", "<p <p ", "&", "<a href='", "</", "<p>x</p>", "<table>", "<!x "]
)
def test_a_megabyte_of_rubbish_takes_little_time(piece):
    """A hostile or broken article must not hold a step for minutes."""
    started = time.process_time()
    for paragraph in extract("<p>" + piece * (1_000_000 // len(piece))).paragraphs:
        sentences(paragraph.text)
    assert time.process_time() - started < 5


def test_an_article_of_tables_only_has_no_text():
    """Nothing is better than column headings read aloud."""
    assert extract("<table><tr><td><p>1503</p></td></tr></table>" * 50).paragraphs == ()


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("Il est né[3] à Vinci [réf. nécessaire].", "Il est né à Vinci."),
        ("Titian (/ˈtɪʃən/ TISH-ən) was a painter.", "Titian was a painter."),
        ("Soft\u00adhyphen and\u200b zero  width", "Softhyphen and zero width"),
        ("Lisa ( ; ) smiled .", "Lisa smiled."),
    ],
)
def test_marks_are_cleaned_away(raw, expected):
    """A synthesizer would read them out."""
    assert clean(raw) == expected


def test_sentences_end_where_they_end():
    """Initials and abbreviations are no ends; a closing quote belongs to its sentence."""
    text = 'J. M. W. Turner met Dr. Smith c. 1800. He said "no." Then M. Dupont came! « Oui. » Fin.'
    assert sentences(text) == [
        "J. M. W. Turner met Dr. Smith c. 1800.",
        'He said "no."',
        "Then M. Dupont came!",
        "« Oui. »",
        "Fin.",
    ]


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("Leonardo da Vinci", "Léonard de Vinci"),
        ("Titian", "Titien"),
        ("Michelangelo", "Michel-Ange"),
        ("Rembrandt van Rijn", "Rembrandt van Rijn"),
        ("John Smith", "John Smith (painter)"),
        ("L'Arlésienne", "L’Arlésienne"),
        ("Le Vœu", "Le Voeu"),
        ("Portrait d'Œhl", "Oehl"),
        ("Élisabeth Vigée Le Brun", "Elisabeth Vigee Le Brun"),
        ("The Lady in Green", "Lady in Green"),
    ],
)
def test_the_same_name_in_another_spelling(name, title):
    """Catalogues and encyclopaedias rarely agree on letters."""
    assert is_same_name(name, title)


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("Leonardo da Vinci", "Leonardo DiCaprio"),
        ("Vincent van Gogh", "Vincent"),
        ("Vincent van Gogh", "Musée Van Gogh"),
        ("John Smith", "John Smith Junior"),
        ("Mona Lisa", "Mona"),
        ("Jan Steen", "Jan Stern"),
        ("Louis 14", "Louis 15"),
        ("Paul", "Pauline"),
        ("", "Anything"),
    ],
)
def test_another_name_is_another_person(name, title):
    """Nothing rather than the wrong person."""
    assert not is_same_name(name, title)


def test_elisions_and_stop_words_are_no_part_of_a_name():
    """The index keeps l'œuvre as one word, and a search for it alone finds nothing else."""
    assert significant_words("L'Œuvre au Noir de l'artiste") == ("oeuvre", "noir", "artiste")
    assert significant_words("The The") == ("the", "the")  # better than nothing
    asked = queries("L'œuvre de Zola")
    assert "oeuvre zola" in asked
    assert "œuvre zola" in asked
    assert any("l'œuvre" in query for query in asked)


def test_a_lead_that_names_the_person_in_full():
    """It is what tells Rembrandt, the article, from any Rembrandt."""
    assert holds_name("Rembrandt Harmenszoon van Rijn est un peintre", "Rembrandt van Rijn")
    assert not holds_name("Rembrandt est une ville du Texas", "Rembrandt van Rijn")
