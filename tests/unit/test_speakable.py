"""Numbers and abbreviations as they are said, and back to how they are written."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steps.options import Language
from steps.speakable import Piece, speakable
from steps.spoken_numbers import roman, western

FRENCH = [
    ("1789", "mille sept cent quatre-vingt-neuf"),
    ("Louis XIV", "Louis quatorze"),
    ("Louis\u00a0XIV\u00a0!", "Louis quatorze!"),
    ("le XIXᵉ siècle", "le dix-neuvième siècle"),
    ("au XIXe s. déjà", "au dix-neuvième siècle déjà"),
    ("la Vᵉ République", "la cinquième République"),
    ("François Iᵉʳ et Charles X", "François premier et Charles dix"),
    ("De Me Le Ce", "De Me Le Ce"),
    ("vers 44 av. J.-C.", "vers quarante-quatre avant Jésus-Christ."),
    ("c. 1503, v. 1506", "vers mille cinq cent trois, vers mille cinq cent six"),
    ("le 1er mai", "le premier mai"),
    ("le 1 mai 1804", "le premier mai mille huit cent quatre"),
    ("M. Ingres et Mme Récamier", "Monsieur Ingres et Madame Récamier"),
    ("M. C. Escher", "M. C. Escher"),
    ("rue St-Denis", "rue Saint-Denis"),
    ("1 200 000 €", "un million deux cent mille euros"),
    ("1\u202f200\u00a0€", "mille deux cents euros"),
    ("20\u00a0% de moi", "vingt pour cent de moi"),
    ("5 millions d'euros", "cinq millions d'euros"),
    ("77 × 53 cm", "soixante-dix-sept sur cinquante-trois centimètres"),
    ("d'1,5 m", "d'un virgule cinq mètres"),
    ("21 toiles, 1 fois", "vingt et une toiles, une fois"),
    ("80e, 200e, 1re", "quatre-vingtième, deux centième, première"),
    ("1503-06", "mille cinq cent trois à mille cinq cent six"),
    ("10h30, 1h", "dix heures trente, une heure"),
    ("l'an 1503", "l'an mille cinq cent trois"),
    ("12/05/1503", "douze mai mille cinq cent trois"),
    ("n° 5", "numéro cinq"),
    ("50 m², ½", "cinquante mètres carrés, un demi"),
]
ENGLISH = [
    ("1789", "seventeen eighty-nine"),
    ("1503, 1900, 2005, 2024", "fifteen oh-three, nineteen hundred, two thousand and five, twenty twenty-four"),
    ("1789 km", "one thousand seven hundred and eighty-nine kilometres"),
    ("Henry VIII's wives", "Henry the eighth's wives"),
    ("Louis XIV", "Louis the fourteenth"),
    ("the 19th century", "the nineteenth century"),
    ("Queen Elizabeth I reigned", "Queen Elizabeth the first reigned"),
    ("to Elizabeth I was a light", "to Elizabeth I was a light"),
    ("Madame X", "Madame X"),
    ("Composition VIII", "Composition eight"),
    ("St. John in Baker St. today", "Saint John in Baker Street today"),
    ("On 12 May 1503", "On the twelfth of May fifteen oh-three"),
    ("the 12 May", "the twelfth of May"),
    ("May 12, 1503", "May the twelfth, fifteen oh-three"),
    ("c. 1503–06", "around fifteen oh-three to fifteen oh-six"),
    ("the 1880s and '90s", "the eighteen eighties and nineties"),
    ("44 BC", "forty-four B C"),
    ("$5 million", "five million dollars"),
    ("£1,200 and $5.50", "one thousand two hundred pounds and five dollars fifty"),
    ("20% of 1,000,000", "twenty percent of one million"),
    ("10:30 p.m., 5 am", "ten thirty P M, five A M"),
    ("3.14", "three point one four"),
    ("-5 °C", "minus five degrees Celsius"),
    ("a 19-year-old", "a nineteen-year-old"),
    ("R&B, B2B", "R and B, B two B"),
    ("MDCCLXXXIX", "seventeen eighty-nine"),
    ("Mr. and Mrs. Andrews", "Mister and Missus Andrews"),
]
LANGUAGES = st.sampled_from(["fr", "en"])
TEXTS = st.text(max_size=60) | st.lists(
    st.sampled_from(
        [
            *("1", "12", "503", "1503", "000", "XIV", "Ier", "XIXe", "c.", "St.", "M.", "av.", "J.-C.", "%", "€"),
            *("$5", "million", "mai", "May", "1,5", "1.5", "-", "–", "/", "x", "cm"),
        ]
    )
    | st.text(alphabet="19IVX.,'’-–/% \u00a0«»!$€²½①٣Ⅻ🙂e", max_size=8),
    max_size=10,
).map(" ".join)


@pytest.mark.parametrize(("text", "spoken"), FRENCH)
def test_french_is_said_as_in_france(text, spoken):
    assert speakable(text, "fr").spoken == spoken


@pytest.mark.parametrize(("text", "spoken"), ENGLISH)
def test_english_is_said_as_in_england(text, spoken):
    assert speakable(text, "en").spoken == spoken


@given(TEXTS, LANGUAGES)
@settings(max_examples=150, deadline=None)
def test_the_written_form_comes_back(text, language):
    """Captions show it; only runs of plain spaces are one space afterwards."""
    said = speakable(text, language)
    assert " ".join(piece.written for piece in said.pieces) == re.sub(r"[ \t\n\r\f\v]+", " ", text).strip(" ")


@given(TEXTS, LANGUAGES)
@settings(max_examples=150, deadline=None)
def test_no_digit_is_left_to_the_voice(text, language):
    """A voice reads digits in whatever language it likes, and recognised words could not be compared with them."""
    said = speakable(text, language)
    assert not [c for c in said.spoken if unicodedata.category(c)[0] == "N" or c.isdigit()]
    assert said.spoken == " ".join(said.spoken.split())
    assert all(piece.spoken for piece in said.pieces) or len(said.pieces) == 1


@given(st.lists(st.sampled_from(["la", "Mona", "m'a", "peinte", "aujourd'hui", "the", "où"]), min_size=1))
def test_words_without_numbers_are_said_as_written(words):
    """What needs no help gets none: every word is a piece of its own."""
    said = speakable(" ".join(words), "fr")
    assert said.pieces == tuple(Piece(word, word) for word in words)


def test_marks_that_nobody_says_go_with_their_word():
    """A caption that shows a dash alone, or a guillemet, would be timed by nothing."""
    said = speakable("« Oui » — dit-il 🙂 !", "fr")
    assert [piece.written for piece in said.pieces] == ["« Oui » —", "dit-il 🙂 !"]
    assert said.spoken == "Oui, dit-il!"


@pytest.mark.parametrize("language", ["fr", "en"])
def test_an_endless_number_is_said_digit_by_digit(language: Language):
    """Names end somewhere, and a name with twenty words is no help to anybody."""
    assert len(speakable("7" * 400, language).spoken.split()) == 400


@given(st.integers(1, 2999))
@settings(max_examples=60)
def test_roman_numerals_are_read_in_their_usual_spelling_only(value):
    """What is spelled in another way, such as VX, is letters; so is an empty text."""
    digits = [("M", 1000), ("CM", 900), ("D", 500), ("CD", 400), ("C", 100), ("XC", 90), ("L", 50)]
    digits += [("XL", 40), ("X", 10), ("IX", 9), ("V", 5), ("IV", 4), ("I", 1)]
    text, rest = "", value
    for sign, worth in digits:
        text, rest = text + sign * (rest // worth), rest % worth
    assert roman(text) == value
    assert roman("") is roman("IIII") is roman("VX") is None


def test_digits_of_every_script_are_read():
    """A catalogue may write them in any."""
    assert western("٣ Ⅻ ① ½ ²") == "3 XII 1 1/2 ²"


def test_an_opening_quote_goes_with_the_word_behind_it():
    """A caption must not end with it, and a sentence before it must end."""
    found = speakable("Je suis à vous. «\u00a0Mona Lisa\u00a0», c'est moi.", "fr")
    written = [piece.written for piece in found.pieces]
    assert written == ["Je", "suis", "à", "vous.", "«\u00a0Mona", "Lisa\u00a0»,", "c'est", "moi."]
    assert speakable("Oui «", "fr").written == "Oui «"
