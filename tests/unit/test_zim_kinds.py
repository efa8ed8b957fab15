"""What an article is about is told by its first sentence, in both languages; names are compared across spellings."""

from __future__ import annotations

import pytest

from zim.archive import Page
from zim.extract import extract
from zim.identity import SUREST, Subject, judge
from zim.kinds import Life, kind_of, life_of
from zim.names import family_word, holds_word, is_longer_name, is_same_name
from zim.search import queries


@pytest.mark.parametrize(
    ("lead", "kind"),
    [
        ("Anna Holt (1850 – 1910) was an English painter and printmaker.", "artist"),
        ("Anna Holt (1452 – 1519) was a polymath of her time who was active as a painter and engineer.", "artist"),
        ("Anna Holt was a British portrait painter active between 1630 and 1650.", "artist"),
        ("Anna Holt, née en 1850 à Lille, est l'une des plus célèbres peintres de son temps.", "artist"),
        ("Anna Holt est une artiste peintre et graveuse française.", "artist"),
        ("Anna Holt (born 1984) is an English footballer, daughter of the painter Jack Holt.", "person"),
        ("Anna Holt is a recording artist and a singer.", "person"),
        ("Anna Holt, née en 1763, est l'épouse du peintre Jean Holt.", "person"),
        ("Anna Holt was a Roman noblewoman of the second century.", "person"),
        ("Anna Holt was a film director from Leeds.", "person"),
        ("Anna Holt est une noble italienne.", "person"),
        ("Anna Holt is a 1998 film about the painter Anna Holt.", "other"),
        ("Anna Holt est un roman de Victor Page, paru en 1901.", "other"),
        ("Anna Holt was a frigate of the Navy, named after the painter Anna Holt.", "other"),
        ("Anna Holt est une commune du Nord.", "other"),
        ("Holt est un patronyme porté par plusieurs peintres.", "other"),
        ("The Green Lady is an oil painting by the painter Anna Holt.", "artwork"),
        ("La Dame verte, ou Portrait d'une dame, est un tableau d'Anna Holt.", "artwork"),
        ("Something that nobody has words for happened.", None),
        ("", None),
    ],
)
def test_the_first_noun_says_what_it_is(lead, kind):
    """A film about a painter is a film, and a footballer's father does not make a painter of her."""
    assert kind_of(lead) == kind


@pytest.mark.parametrize(
    ("lead", "life"),
    [
        ("Titian (c. 1488/90 – 27 August 1576) was a painter.", Life(1488, 1576, sure=True)),
        ("Né le 15 juillet 1606 ou 1607 à Leyde et mort le 4 octobre 1669.", Life(1606, 1669, sure=True)),
        ("Anna Holt (born 12 May 1984) is a footballer.", Life(1984, 2084, sure=False)),
        ("Jan Holt (fl. 1630–1650) was a painter.", Life(1580, 1700, sure=False)),
        ("Jan Holt, actif vers 1630, est un peintre.", Life(1580, 1680, sure=False)),
        ("Jan Holt est un peintre du XVIIe siècle.", Life(1540, 1740, sure=False)),
        ("Jan Holt was a 19th-century painter.", Life(1740, 1940, sure=False)),
        ("Jan Holt was a painter.", None),
    ],
)
def test_when_somebody_lived(lead, life):
    """As wide as the words allow: it is only used to turn articles down."""
    assert life_of(lead) == life


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("Pieter Bruegel the Elder", "Pieter Brueghel l'Ancien"),
        ("Hans Holbein the Younger", "Hans Holbein le Jeune"),
        ("Le Caravage", "Caravaggio"),
        ("Louise Moillon", "Louisa Moillon"),
    ],
)
def test_the_same_person_in_two_languages(name, title):
    """Generations have words of their own in each."""
    assert is_same_name(name, title)
    assert is_same_name(title, name)


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("Pieter Bruegel the Elder", "Pieter Brueghel le Jeune"),
        ("Louis Dupont", "Louise Dupont"),
        ("Simon Martin", "Simone Martin"),
        ("Louis-Philippe I", "Louis-Philippe II"),
        ("Hans Holbein", "Hans Holbeck"),
    ],
)
def test_father_and_son_and_sister_are_three(name, title):
    """One letter may be another person."""
    assert not is_same_name(name, title)


def test_a_longer_name_needs_three_words():
    """Two given names more are the same lady; one is the cousin."""
    assert is_longer_name("Élisabeth-Louise Vigée Le Brun", "Élisabeth Vigée Le Brun")
    assert not is_longer_name("John Raphael Smith", "John Smith")


def test_texts_mention_people_by_the_right_word():
    """Never by "the Elder", nor by a number; a hyphen is no border."""
    assert family_word("Pieter Bruegel the Elder") == "bruegel"
    assert family_word("Leonardo da Vinci") == "vinci"
    assert family_word("Louis XIV") == "louis"
    assert holds_word("un tableau de Michel-Ange", "michelangelo")


@pytest.mark.parametrize("name", ["L'Œuvre au noir", "L’Oeuvre au noir", "l'œuvre au Noir"])
def test_ligatures_and_elisions_are_asked_for_in_both_forms(name):
    """The index keeps l'œuvre as one word, and knows œ and oe as two letters."""
    asked = queries(name)
    assert {"oeuvre noir", "œuvre noir"} <= set(asked)
    assert any(query in ("l'œuvre", "l’oeuvre") for query in asked)


SITTER = Subject("sitter", "Anna Holt", artist="Jan Vogel", title="The Green Lady", years=(1790, 1790))
ARTIST = Subject("artist", "Anna Holt", artist="Anna Holt", title="The Green Lady", years=(1790, 1790))
WORK = Subject("work", "The Green Lady", artist="Jan Vogel", title="The Green Lady", years=(1790, 1790))


@pytest.mark.parametrize(
    ("subject", "title", "lead", "fits", "reason"),
    [
        (SITTER, "Anna Holt", "Anna Holt (1760–1820) was a baker.", True, "lived then"),
        (SITTER, "Anna Holt", "Anna Holt (born 1984) is a footballer.", False, "not born in 1790"),
        (SITTER, "Anna Holt", "Anna Holt was a ship of 1780.", False, "neither a person nor a work"),
        (SITTER, "Anna Holt", "Anna Holt (1500–1560) was a baker.", False, "dead for 230 years"),
        (SITTER, "Anna Holt", "Anna Holt (1500–1560) was a queen, painted by Jan Vogel.", True, "dead by then"),
        (SITTER, "Anna Holt (saint)", "Anna Holt (1700–1760) was a nun.", True, "dead by then"),
        (SITTER, "Berta Holt", "Berta Holt (1760–1820) was a baker.", False, "another name"),
        (ARTIST, "Anna Holt", "Anna Holt (1760–1820) was a painter.", True, "lived then"),
        (ARTIST, "Anna Holt", "Anna Holt (1700–1760) was a painter.", False, "dead by 1790"),
        (ARTIST, "Anna Holt", "Anna Holt (1785–1860) was a painter.", False, "not grown up"),
        (ARTIST, "Anna Holt", "Anna Holt (1760–1820) was a banker.", False, "no artist"),
        (ARTIST, "Anna Holt", "Anna Holt lived in Leeds.", False, "not said to be an artist"),
        (WORK, "The Green Lady", "The Green Lady is a painting by Jan Vogel of 1790.", True, "painter and year"),
        (WORK, "The Green Lady (film)", "The Green Lady is a film about Jan Vogel.", False, "neither"),
        (WORK, "The Green Lady", "The Green Lady is a painting by Paul Pot of 1790.", False, "does not name"),
        (WORK, "The Green Lady", "The Green Lady is a painting by Jan Vogel of 1740.", False, "50 years"),
        (WORK, "Portraits", "Jan Vogel's picture The Green Lady is a painting.", True, "by Jan Vogel"),
    ],
)
def test_articles_are_judged_with_a_reason(subject, title, lead, fits, reason):
    """The owner reads the reason in `zim search`; the writer gets nothing from whom it turns down."""
    verdict = judge(Page(title, title, ""), extract(f"<p>{lead}</p>"), subject, known_as=title)
    assert (verdict.fits, reason in verdict.reason) == (fits, True), verdict
    assert 0 <= verdict.strength <= SUREST
