"""Settings of the speech: who speaks, how it should sound, and which takes are kept."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from steps.option_base import Options

SpeechLanguage = Literal["fr", "en"]
Mood = Literal["cheeky", "solemn", "tender", "proud", "melancholic"]
Age = Literal["child", "young", "adult", "old"]


class MoodOptions(Options):
    """How the voice should sound, one sentence for each mood of a script."""

    cheeky: str = Field(
        "Speak warmly and a little mischievously, at a natural pace, like someone telling a secret to a friend.",
        max_length=400,
        description="For a cheeky script, and one without a mood",
    )
    solemn: str = Field(
        "Speak calmly and gravely, with dignity, a little slower than usual.",
        max_length=400,
        description="For a solemn script",
    )
    tender: str = Field(
        "Speak gently and close, with affection, softly but clearly.",
        max_length=400,
        description="For a tender script",
    )
    proud: str = Field(
        "Speak with confidence and a lifted chin, clearly and with relish.",
        max_length=400,
        description="For a proud script",
    )
    melancholic: str = Field(
        "Speak quietly and thoughtfully, with a trace of sadness, unhurried.",
        max_length=400,
        description="For a melancholic script",
    )


class AgeOptions(Options):
    """What is added to that sentence by the sitter's age."""

    child: str = Field("The voice is light and young.", max_length=200, description="For a child")
    young: str = Field("The voice is young and fresh.", max_length=200, description="For a young sitter")
    adult: str = Field("", max_length=200, description="For an adult, and where nobody could tell")
    old: str = Field(
        "The voice is that of an elderly person, a little worn.", max_length=200, description="For an old sitter"
    )


class VoiceOptions(Options):
    """Who speaks, for one language: a preset speaker and a description for each kind of sitter."""

    female: str = Field("Serena", min_length=1, description="Preset speaker for a woman")
    male: str = Field("Ryan", min_length=1, description="Preset speaker for a man")
    female_young: str = Field("Vivian", description="For a young woman or a girl; empty: as for a woman")
    female_old: str = Field("", description="For an old woman; empty: as for a woman")
    male_young: str = Field("Aiden", description="For a young man or a boy; empty: as for a man")
    male_old: str = Field("Uncle_Fu", description="For an old man; empty: as for a man")
    unknown: Literal["female", "male"] = Field("female", description="Whose voice it is when nobody could tell the sex")
    instruct: str = Field(
        "",
        max_length=400,
        description="How the voice should sound, as one sentence; empty: by the mood of the script (`audio.moods`)",
    )
    describe_female: str = Field(
        "The warm, clear voice of a woman in her forties, with a smile in it.",
        max_length=400,
        description="A woman's voice in words, for workflows that make a voice by description",
    )
    describe_male: str = Field(
        "The warm, low voice of a man in his fifties, with a smile in it.",
        max_length=400,
        description="A man's voice in words, for workflows that make a voice by description",
    )
    describe_female_young: str = Field(
        "The bright, light voice of a woman of twenty.", max_length=400, description="The same, for a young woman"
    )
    describe_female_old: str = Field(
        "The soft, slightly worn voice of a woman of seventy-five.",
        max_length=400,
        description="The same, for an old woman",
    )
    describe_male_young: str = Field(
        "The bright, easy voice of a man of twenty-five.", max_length=400, description="The same, for a young man"
    )
    describe_male_old: str = Field(
        "The low, slightly rough voice of a man of seventy-five.",
        max_length=400,
        description="The same, for an old man",
    )


class VoicesOptions(Options):
    """Who speaks, by language."""

    fr: VoiceOptions = Field(VoiceOptions(), description="French")
    en: VoiceOptions = Field(VoiceOptions(), description="English")


class EarOptions(Options):
    """How much of what a ComfyUI instance says may differ from the script, as shares of its letters."""

    good_en: float = Field(0.1, gt=0, le=1, description="English: up to this, a take is good")
    worst_en: float = Field(0.25, gt=0, le=1, description="English: above this, a take is refused")
    good_fr: float = Field(0.12, gt=0, le=1, description="French: up to this, a take is good")
    worst_fr: float = Field(0.3, gt=0, le=1, description="French: above this, a take is refused")


class NeuralEarOptions(EarOptions):
    """The same, for the embedded neural voice."""

    good_en: float = Field(0.12, gt=0, le=1, description="English: up to this, a take is good")
    worst_en: float = Field(0.3, gt=0, le=1, description="English: above this, a take is refused")
    good_fr: float = Field(0.18, gt=0, le=1, description="French: up to this, a take is good")
    worst_fr: float = Field(0.4, gt=0, le=1, description="French: above this, a take is refused")


class EspeakEarOptions(EarOptions):
    """The same, for the embedded small synthesizer, whose French is hardly understood."""

    good_en: float = Field(0.25, gt=0, le=1, description="English: up to this, a take is good")
    worst_en: float = Field(0.5, gt=0, le=1, description="English: above this, a take is refused")
    good_fr: float = Field(0.4, gt=0, le=1, description="French: up to this, a take is good")
    worst_fr: float = Field(0.7, gt=0, le=1, description="French: above this, a take is refused")


class RecognitionOptions(Options):
    """Whether the words that are heard are those of the script."""

    enabled: bool = Field(
        True, description="Compare what is heard with the script, where a speech model of the language is there"
    )
    real: EarOptions = Field(EarOptions(), description="For the voices of a ComfyUI instance")
    neural: NeuralEarOptions = Field(NeuralEarOptions(), description="For the embedded neural voice")
    espeak: EspeakEarOptions = Field(EspeakEarOptions(), description="For the embedded small synthesizer")


class AudioOptions(Options):
    """Speech."""

    voices: VoicesOptions = Field(VoicesOptions(), description="Voices by language")
    moods: MoodOptions = Field(MoodOptions(), description="How they sound, by the mood of the script")
    ages: AgeOptions = Field(AgeOptions(), description="What is added to that by the sitter's age")
    unload: bool = Field(
        False,
        description="Let the speech pack give back the card's memory after each text, and load again for the next. "
        "Wanted where the same ComfyUI makes pictures and is not restarted between steps: nothing else frees it",
    )
    takes: int = Field(
        2, ge=1, le=5, description="Takes after which the best one is kept, if none was good but one is acceptable"
    )
    loudness_lufs: float = Field(-16.0, ge=-30, le=-9, description="Loudness that every take is brought to, LUFS")
    true_peak_dbtp: float = Field(-2.0, ge=-9, le=0, description="Highest true peak of a take, dBTP")
    rate_hz: Literal[24000, 44100, 48000] = Field(48000, description="Sample rate that every take is brought to, Hz")
    min_rate_hz: int = Field(16000, ge=8000, le=48000, description="A take with a lower sample rate is refused, Hz")
    min_words_per_s: float = Field(0.8, gt=0, le=3, description="Slower speech than this is a runaway take")
    max_words_per_s: float = Field(5.5, ge=2, le=12, description="Faster speech than this was cut short")
    max_slowness: float = Field(
        1.6, ge=1.1, le=4, description="Longest take, against what its words usually take; longer ones ran away"
    )
    max_leading_s: float = Field(1.5, ge=0.1, le=10, description="Longest silence before the first word, seconds")
    max_trailing_s: float = Field(3.0, ge=0.1, le=10, description="Longest silence after the last word, seconds")
    max_inner_s: float = Field(2.5, ge=0.3, le=10, description="Longest silence inside, seconds")
    good_inner_s: float = Field(1.6, ge=0.3, le=10, description="Longest silence inside of a good take, seconds")
    max_clipped: float = Field(0.005, gt=0, le=1, description="Largest share of samples at full scale")
    good_clipped: float = Field(0.0005, gt=0, le=1, description="The same, of a good take")
    max_softness_lu: float = Field(
        6.0, ge=0, le=30, description="A take whose peaks keep it softer than the target by more is refused, LU"
    )
    min_liveliness_db: float = Field(
        4.0,
        ge=0,
        le=20,
        description="Least change of level from moment to moment; noise and tones have next to none, dB",
    )
    max_repeated_s: float = Field(
        1.2, ge=0.7, le=20, description="Longest stretch that comes twice without the script saying it twice, seconds"
    )
    recognition: RecognitionOptions = Field(RecognitionOptions(), description="Whether the words are understood")
