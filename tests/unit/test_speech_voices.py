"""Who speaks for whom, how many words fit, and how far what was heard is from the script."""

from __future__ import annotations

from pathlib import Path

import pytest

from steps import loops, voices
from steps.base import Subject
from steps.options import AudioOptions, StepOptions, TalkOptions
from steps.recognition import error_rate
from steps.sitter import Sitter, sitter_of

SCRIPT = "Good evening. I have hung here since 1665, and Johannes Vermeer never asked me how I am."


def subject(*, title: str = "Portrait", sitter: str | None = None, tags: tuple[str, ...] = ()) -> Subject:
    return Subject(1, title, Path("/nowhere.jpg"), sitter=sitter, tags=tags)


@pytest.mark.parametrize(
    ("prepared", "catalogue", "expected"),
    [
        ({"sex": "male", "age": "old"}, {"title": "A young lady"}, Sitter("male", "old")),
        ({"sex": "woman"}, {}, Sitter("female", "adult")),
        ({"sex": "unknown", "age": "unknown"}, {"sitter": "An old fisherman's wife"}, Sitter("female", "old")),
        ({}, {"tags": ("baroque", "portrait d'homme")}, Sitter("male", "adult")),
        ({}, {"title": "Jeune fille au turban"}, Sitter("female", "young")),
        ({}, {"title": "The King's Daughter"}, Sitter("unknown", "adult")),
        ({}, {"sitter": "Camille", "title": "Manchester"}, Sitter("unknown", "adult")),
        ({"sex": 7, "age": None}, {"title": "x" * 10_000}, Sitter("unknown", "adult")),
    ],
)
def test_the_picture_counts_before_the_catalogue_and_names_never(prepared, catalogue, expected) -> None:
    """A word inside another one ("Manchester"), a first name and two sexes in one line settle nothing."""
    assert sitter_of(subject(**catalogue), prepared) == expected


def test_each_kind_of_sitter_gets_its_own_voice_mood_and_age() -> None:
    """The table leads from the sitter to a speaker; what it leaves empty is the adult's."""
    options = AudioOptions(voices={"fr": {"female_old": "Sohee", "male": "Eric", "unknown": "male"}})

    def speaker(sex, age, language="fr") -> str:
        return voices.voice_of(Sitter(sex, age), mood="tender", language=language, options=options).speaker

    assert [speaker("female", age) for age in ("child", "young", "adult", "old")] == [
        "Vivian", "Vivian", "Serena", "Sohee",
    ]  # fmt: skip
    assert speaker("unknown", "adult") == speaker("male", "adult") == "Eric"
    assert speaker("female", "old", "en") == "Serena"
    voice = voices.voice_of(Sitter("male", "old"), mood="tender", language="en", options=options)
    assert voice.instruct.startswith(options.moods.tender)
    assert voice.instruct.endswith(options.ages.old)
    assert "seventy" in voice.description


def test_a_mood_nobody_knows_is_cheeky_and_a_language_can_have_its_own_sentence() -> None:
    """The script comes from a model; its mood is data."""
    options = AudioOptions(voices={"en": {"instruct": "Whisper."}})
    assert voices.voice_of(Sitter("male", "adult"), mood="<b>", language="fr", options=options).mood == "cheeky"
    assert voices.voice_of(Sitter("male", "adult"), mood="proud", language="en", options=options).instruct == "Whisper."


def test_words_fit_by_what_the_voice_took_before() -> None:
    """A slow voice gets a shorter script; one that was never heard is taken to be like its language's others."""
    talk = TalkOptions(max_s=30)
    prepared = {"sex": "female"}

    def fitting(pace: dict[str, float], language: str = "en") -> int:
        options = StepOptions(talk=talk, voice_pace=pace)
        return voices.words_that_fit(options, subject(), prepared, language=language)

    assert fitting({}) == int(30 * 0.92 * voices.WORDS_PER_S)
    assert fitting({"en/Serena": 0.6}) == 46
    assert fitting({"en/Ryan": 0.6}) == 46
    assert fitting({"fr/Serena": 0.6}) == fitting({})
    assert fitting({"en/Serena": 0.0001}) == 150
    assert fitting({"en/Serena": 1e9}) == 1


@pytest.mark.parametrize(
    ("heard", "least", "most"),
    [
        (SCRIPT, 0.0, 0.0),
        (
            "good evening i have hung here since sixteen sixty five and Yohanis fur mere never asked me how i am",
            0,
            0.06,
        ),
        ("Good evening, have hung here since 1665, and Johan's Vermeer never asked me how am.", 0.01, 0.08),
        ("Good evening. I have hung here since 1665.", 0.3, 0.8),
        (SCRIPT + " " + SCRIPT, 0.5, 1.0),
        ("", 1.0, 1.0),
        ("Thank you for watching. Please subscribe.", 0.6, 1.0),
    ],
    ids=["same", "names and numbers", "small slips", "half", "twice", "nothing", "something else"],
)
def test_what_was_heard_is_compared_by_its_letters(heard: str, least: float, most: float) -> None:
    """Names and numbers are forgiven; a lost or doubled half is not."""
    assert least <= error_rate(SCRIPT, heard, language="en") <= most


def test_a_script_of_names_alone_cannot_be_misheard() -> None:
    """There is nothing left to compare, and that is no error of the voice."""
    assert error_rate("1503.", "Fifteen oh three", language="en") == 0.0
    assert error_rate("Léonard", "les honnards", language="fr", names=("Léonard de Vinci",)) == 0.0


def test_what_the_script_says_twice_is_known() -> None:
    """A refrain must not count as a loop."""
    assert loops.repeated_words("Come closer, come closer. And now come closer still!") == 2
    assert loops.repeated_words("All words differ here.") == 0
