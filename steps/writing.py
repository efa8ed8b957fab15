"""The rules that a script must keep, whoever wrote it.

A model is asked for sentences with the facts that each one uses. Here, in code, is what makes them fit to be spoken and
believed: length, language, plain text, first person, every claim in a fact, a beginning that is not worn out. A broken
rule is a sentence that the model is shown when it is asked again.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from steps.base import Subject
from steps.grounding import Ground, is_like, unfounded, without_quotations
from steps.hooks import cliche_of, heard_before
from steps.options import Language, ScriptOptions
from steps.script_text import count_words, folded, is_in_language, lower_words, start_of
from steps.speech_options import Mood

OWN_DATA = 0
"""Id of the painting's own data, among the facts."""

MAX_SENTENCE_WORDS = 45
UNKNOWN_ARTISTS = frozenset(
    {"", "anonymous", "anonyme", "unknown", "unknown artist", "artiste inconnu", "inconnu", "anonymous artist", "n/a"}
)
LANGUAGE_NAMES: Mapping[Language, str] = {"fr": "French", "en": "English"}

_MARKUP = re.compile(r"[*_#`~|<>{}\\^=\[\]()]|https?:|www\.|\b\w+\.(?:com|org|net|fr)\b|--|^\s*[-•–]\s", re.IGNORECASE)
_SPOKEN_SIGNS = frozenset("°\u00ad")
_PARTICLES = frozenset({"van", "von", "der", "den", "del", "della", "dei", "the", "les"})
_FIRST_PERSON: Mapping[Language, frozenset[str]] = {
    "fr": frozenset({"je", "j", "me", "m", "moi", "mon", "ma", "mes", "mien", "mienne"}),
    "en": frozenset({"i", "me", "my", "mine", "myself"}),
}


class DraftSentence(BaseModel):
    """One sentence and what it rests on."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(min_length=1, max_length=600, description="The sentence, plain text, to be spoken")
    facts: list[int] = Field(
        default_factory=list,
        max_length=12,
        description="Ids of the facts that it uses; 0 is the painting's own data; empty when it claims nothing",
    )


class ScriptDraft(BaseModel):
    """What the model is asked for."""

    model_config = ConfigDict(extra="forbid")

    mood: Mood = Field("cheeky", description="How the portrait feels: the voice and the music follow it")
    sentences: list[DraftSentence] = Field(min_length=1, max_length=40, description="In the order of speaking")


@dataclass(frozen=True)
class Broken:
    """A rule that a draft breaks."""

    sentence: int | None  # 0-based; None: the whole script
    reason: str  # for the model, and for people


@dataclass(frozen=True)
class Rules:
    """What a draft is held against."""

    language: Language
    options: ScriptOptions
    own: str  # the painting's own data as one text
    artist: tuple[str, ...]  # the painter's name, in each spelling that is known; empty: unknown
    facts: Mapping[int, str]  # id -> text, without the own data
    hooks: Sequence[str] = ()  # first sentences that are used up

    def check(self, draft: ScriptDraft) -> list[Broken]:
        """Return every rule that the draft breaks, sentence by sentence and then the whole."""
        broken: list[Broken] = []
        for index, sentence in enumerate(draft.sentences):
            reasons = (*self._plain(sentence), *self._founded(sentence), *self._in_language(sentence.text))
            if index == 0:
                reasons += tuple(self._opening(draft))
            if sentence.text in [one.text for one in draft.sentences[:index]]:
                reasons += ("it has been said before",)
            broken += [Broken(index, f'Sentence {index + 1} ("{start_of(sentence.text)}"): {one}') for one in reasons]
        return broken + [Broken(None, reason) for reason in self._whole(draft)]

    def _opening(self, draft: ScriptDraft) -> Iterator[str]:
        text = " ".join(one.text for one in draft.sentences)
        if cliche := cliche_of(text, self.language):
            yield f'it is a cliché ("{cliche}"); begin in another way'
        if heard := heard_before(text, self.hooks):
            yield f'a recent script begins like that ("{start_of(heard)}"); begin in another way'

    def _plain(self, sentence: DraftSentence) -> Iterator[str]:
        found = _MARKUP.search(sentence.text)
        if found:
            yield f"it has {found.group().strip()!r}; only plain sentences can be spoken"
        odd = next((c for c in sentence.text if _is_unspeakable(c)), None)
        if odd is not None:
            yield f"it has the character {odd!r}, which cannot be spoken"
        words = count_words(sentence.text)
        if words > MAX_SENTENCE_WORDS:
            yield f"it has {words} words; at most {MAX_SENTENCE_WORDS} can be said in one breath"
        if words == 0:
            yield "it has no words"

    def _founded(self, sentence: DraftSentence) -> Iterator[str]:
        unknown = [one for one in sentence.facts if one != OWN_DATA and one not in self.facts]
        if unknown:
            yield f"it names facts that do not exist: {', '.join(map(str, unknown))}"
        ground = self.own + " | " + " | ".join(self.facts.get(one, "") for one in sentence.facts)
        yield from unfounded(sentence.text, Ground(ground), self.language)

    def _in_language(self, text: str) -> Iterator[str]:
        if not is_in_language(without_quotations(text), self.language):
            yield f"it is not in {LANGUAGE_NAMES[self.language]}"

    def _whole(self, draft: ScriptDraft) -> Iterator[str]:
        text = " ".join(one.text for one in draft.sentences)
        words = count_words(text)
        if words > self.options.max_words:
            yield f"The script has {words} words; at most {self.options.max_words} are allowed."
        least = min(self.options.min_words, self.options.max_words // 2)
        if words < least:
            yield f"The script has {words} words; at least {least} are needed."
        if not _speaks_of_itself(draft, self.language):
            yield "The portrait must speak as itself, in the first person, from beginning to end."
        if self.artist and not any(names_artist(text, name) for name in self.artist):
            yield f"It never names its painter, {self.artist[-1]}."


def rules_for(
    subject: Subject,
    language: Language,
    *,
    facts: Mapping[int, str],
    local: Mapping[str, str],
    options: ScriptOptions,
    hooks: Sequence[str] = (),
) -> Rules:
    """Return the rules for one painting in one language.

    Args:
        subject: The painting.
        language: Of the script.
        facts: Id -> text.
        local: Names of the title, artist and sitter as they are spelled in that language, as far as they are known.
        options: The limits.
        hooks: First sentences of the scripts before.
    """
    own = " | ".join(str(one) for one in (*own_data(subject).values(), *local.values()) if one is not None)
    artist = tuple(name for name in (known_artist(subject), local.get("artist")) if name)
    return Rules(language, options, own=own, artist=artist, facts=facts, hooks=hooks)


def own_data(subject: Subject) -> dict[str, Any]:
    """Return what the catalogue knows about the painting, the placeholder of an unknown painter taken out."""
    return {
        "title": subject.title,
        "artist": known_artist(subject),
        "year": subject.year,
        "sitter": subject.sitter,
    }


def known_artist(subject: Subject) -> str | None:
    """Return the painter's name, or None when it is a word for nobody."""
    artist = " ".join((subject.artist or "").split())
    return None if folded(artist) in UNKNOWN_ARTISTS else artist


def _speaks_of_itself(draft: ScriptDraft, language: Language) -> bool:
    mine = _FIRST_PERSON[language]
    speaking = sum(bool(mine.intersection(lower_words(sentence.text))) for sentence in draft.sentences)
    return speaking >= max(1, round(len(draft.sentences) * 0.4))


def names_artist(text: str, artist: str) -> bool:
    """Tell whether a text names a painter, be it in another language's spelling."""
    words = re.findall(r"[^\W_]+", folded(text))
    parts = [part for part in re.findall(r"[^\W_]+", folded(artist)) if len(part) >= 3 and part not in _PARTICLES]
    parts = parts or [folded(artist)]
    return any(is_like(part, word) for part in parts for word in words)


def _is_unspeakable(character: str) -> bool:
    """Tell whether a character is an emoji, a control character or another thing without a sound."""
    silent = ("So", "Sk", "Sm", "Cc", "Cf", "Co", "Cn", "Cs")
    return unicodedata.category(character) in silent and character not in _SPOKEN_SIGNS


def without(draft: ScriptDraft, broken: Sequence[Broken]) -> ScriptDraft | None:
    """Return the draft without its broken sentences; None when nothing would be left."""
    bad = {one.sentence for one in broken}
    kept = [sentence for index, sentence in enumerate(draft.sentences) if index not in bad]
    return draft.model_copy(update={"sentences": kept}) if kept else None
