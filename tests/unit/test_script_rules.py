"""What a script must keep, whoever wrote it: each rule is broken once, and the reason says how."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steps.base import Subject
from steps.options import ScriptOptions
from steps.script_text import count_words, is_in_language, tidy
from steps.speakable import speakable
from steps.writing import DraftSentence, Rules, ScriptDraft, rules_for, without

SUBJECT = Subject(1, "La Dame en vert", Path("x.png"), artist="Léonard Holt", year=1503, sitter="Lisa Brun")
FACTS = {1: "Le tableau est volé en 1911 à 2 300 francs.", 2: "Louis XIV l'appelait « ma voisine »."}


def rules(language: str = "fr", **options: int) -> Rules:
    told = ScriptOptions(**({"min_words": 5} | options))
    return rules_for(SUBJECT, language, facts=FACTS, local={"artist": "Leonardo Holt"}, options=told)


def draft(*sentences: str | tuple[str, list[int]]) -> ScriptDraft:
    pairs = [(one, []) if isinstance(one, str) else one for one in sentences]
    return ScriptDraft(sentences=[DraftSentence(text=text, facts=facts) for text, facts in pairs])


GOOD = draft(
    "Approchez, je ne mords pas.",
    ("Je suis Lisa Brun, et Léonard Holt m'a peinte en 1503.", [0]),
    ("On m'a volée en 1911, et je vaux 2300 francs.", [1]),
    ("Pour Louis XIV, j'étais « ma voisine ».", [2]),
    "Et maintenant, je me tais.",
)


def reasons(*sentences: str | tuple[str, list[int]], language: str = "fr", **options: int) -> str:
    whole = (
        draft(*sentences, ("Je suis Léonard Holt.", [0]), ("Je me tais.", []))
        if language == "fr"
        else draft(*sentences)
    )
    return " ".join(one.reason for one in rules(language, **options).check(whole))


def test_a_good_script_breaks_nothing():
    """Otherwise every model would be asked in vain."""
    assert rules().check(GOOD) == []


@pytest.mark.parametrize(
    ("sentence", "reason"),
    [
        (("On m'a volée en 1912, je crois.", [1]), "1912"),
        ("On m'a volée en 1911, je crois.", "1911"),  # true, but no fact is named
        (("Je dis ceci de lui, et de Louis XVI.", [2]), "XVI"),
        (("Je le sais de la source.", [9]), "do not exist: 9"),
        (("Il m'a dit « jamais de la vie » un soir.", [1, 2]), "quotes"),
        ("Je suis **vraiment** belle.", "only plain"),
        ("Voyez https://exemple.fr pour me lire.", "https:"),
        ("Je souris (un peu) pour vous.", "'('"),
        ("Je souris [rire] pour vous.", "'['"),
        ("- Je souris pour vous.", "only plain"),
        ("Je vous aime 😀 beaucoup.", "😀"),
        ("Je vous\u0007 aime beaucoup.", "\\x07"),
        ("The painting is mine and I know it.", "not in French"),
        ("Je parle, " + "et je parle, " * 25 + "voilà.", "one breath"),
        ("…", "no words"),
    ],
)
def test_each_rule_of_a_sentence(sentence, reason):
    """The model must learn which sentence it was and what was wrong."""
    found = reasons(sentence)
    assert reason in found
    assert "Sentence 1" in found


@pytest.mark.parametrize("start", ["Bienvenue dans mon cadre.", "Saviez-vous que je parle ?", "Imaginez que je bouge."])
def test_a_cliche_opens_nothing(start):
    """Viewers leave within a second of 'welcome to this video'."""
    assert "cliché" in reasons(start)


def test_length_person_and_painter_are_rules_of_the_whole():
    """They have no sentence of their own, so that leaving one out cannot heal them."""
    short = rules(min_words=30).check(draft("Je suis Léonard Holt."))
    assert [one.sentence for one in short] == [None]
    assert "at least 30" in short[0].reason
    assert "at most 20" in " ".join(one.reason for one in rules(max_words=20).check(GOOD))
    third = draft("Elle est dans le cadre depuis des siècles.", "Léonard Holt est le peintre de cette dame.")
    assert any("first person" in one.reason for one in rules().check(third))
    nobody = draft("Je suis dans ce cadre et je vous regarde.", "Je me tais pour la nuit.")
    assert any("Léonard Holt" in one.reason or "Leonardo Holt" in one.reason for one in rules().check(nobody))


def test_the_painter_may_be_spelled_the_local_way():
    """Leonardo is Léonard in French; both name him."""
    for name in ("Leonardo", "Léonard", "Holt"):
        assert rules().check(draft(f"Je suis l'œuvre de {name}, et je le sais bien.")) == []


def test_an_unknown_painter_need_not_be_named():
    """There is nobody to tease."""
    subject = Subject(1, "Dame", Path("x"), artist="Anonymous")
    lenient = rules_for(subject, "fr", facts={}, local={}, options=ScriptOptions(min_words=5))
    assert lenient.check(draft("Je suis là, dans ce cadre, et je vous vois.")) == []


def test_numbers_match_whatever_separates_their_thousands():
    """2 300, 2,300 and 2300 are one number; 23 is another."""
    for written in ("2300", "2 300", "2\u202f300", "2.300", "2,300"):
        assert reasons((f"Je vaux {written} francs.", [1])) == ""
    assert "23 " in reasons(("Je vaux 23 francs.", [1]))


def test_sentences_that_break_rules_can_be_left_out():
    """The last resort before the item fails."""
    bad = draft("Je suis Léonard Holt.", ("Je vaux 99 francs.", [1]), "Je me tais.")
    rest = without(bad, rules().check(bad))
    assert [one.text for one in rest.sentences] == ["Je suis Léonard Holt.", "Je me tais."]
    assert without(draft("Je vaux 99."), rules().check(draft("Je vaux 99."))) is None


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("Je ne bouge pas, mais je vous vois.", "fr", True),
        ("I am not moving, but I can see you.", "en", True),
        ("I am not moving, but I can see you.", "fr", False),
        ("Je ne bouge pas, mais je vous vois.", "en", False),
        ("C'est Hieronymus van Aken qui m'a peint.", "fr", True),
        ("Chut !", "fr", True),
        ("Psst.", "en", True),
        ("Lorem ipsum dolor sit amet consectetur.", "fr", False),
    ],
)
def test_the_language_of_a_sentence(text, language, expected):
    """A sentence in the wrong language in the middle is what models do when a fact is foreign."""
    assert is_in_language(text, language) is expected


def test_text_is_tidied_per_language():
    """French puts no-break spaces before high punctuation, or captions break there; English has none."""
    assert tidy("Quoi ?!  Je  dis : « L’été »; oui!", "fr") == (
        "Quoi\u00a0?! Je dis\u00a0: «\u00a0L'été\u00a0»\u00a0; oui\u00a0!"
    )
    assert tidy("It’s 10:30 , you\nknow !", "en") == "It's 10:30, you know !"
    assert tidy("À 10:30, l\u00adà.", "fr") == "À 10:30, là."
    assert tidy('Il dit "non" à 20 % et 1 000 000 €', "fr") == (
        "Il dit «\u00a0non\u00a0» à 20\u00a0% et 1\u00a0000\u00a0000\u00a0€"
    )
    assert count_words("Oui\u00a0! C'est « moi » — 1503.") == 4


@given(st.text(alphabet="abé 10%€«»\"'“”!?;:,.\u00a0\u202f-–", max_size=40), st.sampled_from(["fr", "en"]))
@settings(max_examples=150, deadline=None)
def test_tidying_twice_changes_nothing(text, language):
    """The text goes through it more than once on its way to captions and metadata."""
    once = tidy(text, language)
    assert tidy(once, language) == once


def test_a_script_full_of_quotes_and_percent_signs_survives_to_speech_and_captions():
    """What is heard has words for all of it, what is shown is what was written."""
    text = tidy('"50 %" ? « Non » : 1 200 € ; l’Été à 100 % !', "fr")
    said = speakable(text, "fr")
    assert said.written == text
    assert said.spoken == "cinquante pour cent? Non: mille deux cents euros; l'Été à cent pour cent!"


def test_a_hook_of_a_recent_script_is_used_up():
    """Also with another name in it; removing the sentence is enough to heal it."""
    heard = "Approchez, je ne mords jamais personne !"
    used = rules_for(SUBJECT, "fr", facts=FACTS, local={}, options=ScriptOptions(min_words=5), hooks=[heard])
    again = draft("Approchez, je ne mords pas, moi.", *[(one.text, one.facts) for one in GOOD.sentences[1:]])
    broken = used.check(again)
    assert [one.sentence for one in broken] == [0]
    assert "a recent script begins like that" in broken[0].reason
    rest = without(again, broken)
    assert rest is not None
    assert used.check(rest) == []
    assert used.check(GOOD) != []
    fresh = draft("Mon nez me gratte.", *[(one.text, one.facts) for one in GOOD.sentences[1:]])
    assert used.check(fresh) == []


def test_nothing_is_said_twice():
    """Small models repeat themselves."""
    assert "said before" in reasons("Je vous vois bien d'ici.", "Je vous vois bien d'ici.")
