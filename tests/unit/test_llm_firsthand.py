"""Facts as the portrait tells them of itself, and those it had better leave alone."""

from __future__ import annotations

import pytest

from orchestrator.embedded.llm_firsthand import Speaker, french_first_person, told_firsthand

ENGLISH = [
    ("Jan Bol never took off his hat, not even for the mayor.", "I never took off my hat, not even for the mayor."),
    ("The secret recipe of Jan Bol was stolen three times.", "My secret recipe was stolen three times."),
    ("When Jan Bol died, a herring was found under his hat.", "When I died, a herring was found under my hat."),
    ("In 1611 the town passed a fine, and Jan Bol paid it.", "In 1611 the town passed a fine, and I paid it."),
    ("Two debtors paid under the painted stare of Jan Bol.", "Two debtors paid under my painted stare."),
    ("Jan Bol is the only man who has refused a duke.", "I am the only man who has refused a duke."),
]
FRENCH = [
    ("Lise Bol ne retirait jamais son chapeau.", "Je ne retirais jamais mon chapeau."),
    (
        "À la mort de Lise Bol, on trouva sous son chapeau un hareng.",
        "À ma mort, on trouva sous mon chapeau un hareng.",
    ),
    ("Le chapeau de Lise Bol fut vendu en 1630.", "Mon chapeau fut vendu en 1630."),
    ("Lise Bol joua devant la reine et s'endormit.", "Je jouai devant la reine et m'endormis."),
    ("En 1645, Lise Bol épousa un facteur de clavecins.", "En 1645, j'épousai un facteur de clavecins."),
    ("L'île imaginaire de Lise Bol figura sur les cartes.", "Mon île imaginaire figura sur les cartes."),
    ("La ville vota une amende, que Lise Bol paya d'avance.", "La ville vota une amende, que je payai d'avance."),
]
LEFT_ALONE = [
    ("en", "Jan Bol, born in 1568 in Ghent, was a merchant."),
    ("en", "Anna Vos painted Jan Bol and kept his hat."),  # whose hat?
    ("en", "Jan Bol lives in a shop."),  # "I lives"
    ("en", "The queen thought the nap of Jan Bol so natural that he was given a collar."),
    ("fr", "Lise Bol, née en 1568 à Gand, est une marchande."),
    ("fr", "La reine trouva la sieste de Lise Bol si belle qu'elle lui offrit un collier."),
    ("fr", "Anna Vos peignit Lise Bol."),
    ("fr", "Le tableau fut volé, puis il servit de porte."),
]


@pytest.mark.parametrize(("fact", "told"), ENGLISH)
def test_english_facts_become_memories(fact, told):
    """The name becomes I or me, and what belongs to it mine."""
    assert told_firsthand(fact, "sitter", Speaker("en", "male", ["Jan Bol"], [])) == told


@pytest.mark.parametrize(("fact", "told"), FRENCH)
def test_french_facts_become_memories(fact, told):
    """The verb follows, also the second one, and possessives elide."""
    assert told_firsthand(fact, "sitter", Speaker("fr", "female", ["Lise Bol"], [])) == told


@pytest.mark.parametrize(("language", "fact"), LEFT_ALONE)
def test_what_is_not_surely_understood_is_left_alone(language, fact):
    """A portrait that speaks of itself by name is better than one that speaks nonsense."""
    about = "work" if "tableau" in fact else "sitter"
    sex = "male" if language == "en" else "female"
    assert told_firsthand(fact, about, Speaker(language, sex, ["Jan Bol", "Lise Bol"], ["Dame"])) is None


@pytest.mark.parametrize(
    ("sex", "fact", "told"),
    [
        ("female", "Le tableau est volé au Louvre en 1911.", "Je suis volée au Louvre en 1911."),
        ("male", "Le tableau fut vendu en 1720 pour un chat.", "Je fus vendu en 1720 pour un chat."),
        ("male", "La toile fut oubliée dans une cave.", "Je fus oublié dans une cave."),
        ("unknown", "Le tableau appartient à la ville.", "J'appartiens à la ville."),
        ("unknown", "Le tableau fut volé en 1911.", None),  # volé or volée?
    ],
)
def test_the_picture_speaks_of_itself_and_agrees_with_its_sitter(sex, fact, told):
    """A lady is not "volé"."""
    assert told_firsthand(fact, "work", Speaker("fr", sex, [], ["Dame"])) == told


def test_the_picture_speaks_of_itself_in_english():
    """By its kind, its year or its title."""
    speaker = Speaker("en", "female", [], ["The Lady in Green"])
    assert told_firsthand("The painting was stolen in 1911.", "work", speaker) == "I was stolen in 1911."
    assert told_firsthand("The portrait of 1609 cost 11 florins.", "work", speaker) == "I cost 11 florins."
    assert told_firsthand("The Lady in Green has lost its frame.", "work", speaker) == "I have lost my frame."
    assert told_firsthand("The painting shows a lady.", "work", speaker) is None
    assert told_firsthand("The painting was stolen.", "artist", speaker) is None


def test_unknown_french_forms_are_not_guessed():
    """A plural, an infinitive, a noun."""
    assert [french_first_person(one) for one in ("peignirent", "aller", "chapeau")] == [None] * 3
    assert [french_first_person(one) for one in ("est", "posa", "dormait", "finit", "épouse")] == [
        "suis",
        "posai",
        "dormais",
        "finis",
        "épouse",
    ]
