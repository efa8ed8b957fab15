"""The rules that a script must keep, whoever wrote it.

A model is asked for sentences with the facts that each one uses. Here, in code, is what makes them fit to be spoken and
believed: length, language, plain text, first person, every number in a fact. A broken rule is a sentence that the model
is shown when it is asked again.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from steps.base import Subject
from steps.options import Language, ScriptOptions

OWN_DATA = 0
"""Id of the painting's own data, among the facts."""

MAX_SENTENCE_WORDS = 45
UNKNOWN_ARTISTS = frozenset(
    {"", "anonymous", "anonyme", "unknown", "unknown artist", "artiste inconnu", "inconnu", "anonymous artist", "n/a"}
)
LANGUAGE_NAMES: Mapping[Language, str] = {"fr": "French", "en": "English"}

_THOUSANDS = re.compile(r"(?<=\d)[\u00a0\u202f .,](?=\d{3}(?!\d))")
_NUMBER = re.compile(r"(?<![\d.,])\d{1,3}(?:[\u00a0\u202f .,]\d{3})+(?!\d)|\d+(?:[.,]\d+)?")
_ROMAN = re.compile(r"\b[IVXLC]{2,}(?=(?:e|er|ème|ᵉ)?\b)")
_MARKUP = re.compile(r"[*_#`~|<>{}\\^=\[\]()]|https?:|www\.|\b\w+\.(?:com|org|net|fr)\b|--|^\s*[-•–]\s", re.IGNORECASE)
_QUOTED = re.compile(r"«\s*([^«»]*?)\s*»|“([^“”]*)”|\"([^\"]*)\"")
_WORD = re.compile(r"[^\W\d_]+(?:['’](?=\W|$))?")
_APOSTROPHES = str.maketrans({"’": "'", "‘": "'", "ʼ": "'"})

_ONLY: Mapping[Language, frozenset[str]] = {  # frequent words that the other language does not have
    "fr": frozenset(
        {"le", "la", "les", "un", "une", "des", "du", "de", "et", "est", "je", "il", "elle", "nous", "vous", "que"}
        | {"qui", "qu", "dans", "en", "pas", "ne", "ce", "cette", "mon", "ma", "mes", "sur", "avec", "au", "aux"}
        | {"mais", "ou", "où", "moi", "se", "sa", "ses", "leur", "lui", "même", "si", "été", "ai", "suis", "ça", "j"}
        | {"c", "l", "n", "tu", "toi", "ton", "ta", "rien", "tout", "bien", "sans", "votre", "vos", "notre", "ces"}
        | {"pour", "par", "ils", "elles", "comme", "quand", "ont", "était", "être", "avoir", "fait", "très", "voilà"}
    ),
    "en": frozenset(
        {"the", "of", "and", "to", "in", "is", "was", "it", "that", "i", "you", "he", "she", "my", "his", "her", "with"}
        | {"for", "not", "but", "at", "by", "from", "be", "been", "had", "have", "this", "they", "we", "are", "were"}
        | {"what", "who", "your", "so", "am", "do", "don", "did", "when", "all", "there", "which", "these", "those"}
        | {"one", "has", "him", "their", "them", "will", "would", "can", "could", "just", "up", "out", "no", "yes"}
        | {"now", "come", "look", "about", "into", "than", "then", "some", "only", "never", "ever", "re", "ve", "how"}
    ),
}
_FIRST_PERSON: Mapping[Language, frozenset[str]] = {
    "fr": frozenset({"je", "j", "me", "m", "moi", "mon", "ma", "mes", "mien", "mienne"}),
    "en": frozenset({"i", "me", "my", "mine", "myself"}),
}
_CLICHES: Mapping[Language, tuple[str, ...]] = {
    "fr": (
        "avez-vous deja", "saviez-vous", "imaginez", "bienvenue", "bonjour a tous", "salut tout le monde",
        "dans cette video", "aujourd'hui, nous", "aujourd'hui nous", "il etait une fois", "preparez-vous",
        "plongez", "et si je vous disais", "attention, vous", "bonjour, je m'appelle", "bonjour je m'appelle",
    ),
    "en": (
        "have you ever", "did you know", "imagine", "welcome", "hello everyone", "hey guys", "hi everyone",
        "in this video", "today we", "today, we", "once upon a time", "get ready", "let's dive", "picture this",
        "what if i told you", "in a world", "hello, my name is", "hi, i'm", "hello, i am",
    ),
}  # fmt: skip


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

    def check(self, draft: ScriptDraft) -> list[Broken]:
        """Return every rule that the draft breaks, sentence by sentence and then the whole."""
        broken: list[Broken] = []
        for index, sentence in enumerate(draft.sentences):
            reasons = (*self._plain(sentence), *self._founded(sentence), *self._in_language(sentence.text))
            broken += [Broken(index, f'Sentence {index + 1} ("{_start(sentence.text)}"): {one}') for one in reasons]
        return broken + [Broken(None, reason) for reason in self._whole(draft)]

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
        ground = self.own + " " + " ".join(self.facts.get(one, "") for one in sentence.facts)
        known = set(_numbers(ground))
        for number in _numbers(sentence.text):
            if number not in known:
                yield f"the number {number} stands in none of the facts it names"
        for roman in _ROMAN.findall(sentence.text):
            if roman not in ground:
                yield f"the numeral {roman} stands in none of the facts it names"
        for quoted in _quotations(sentence.text):
            if _folded(quoted) not in _folded(ground):
                yield f"it quotes {_start(quoted)!r}, which stands in none of the facts it names"

    def _in_language(self, text: str) -> Iterator[str]:
        if not is_in_language(_QUOTED.sub(" ", text), self.language):
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
        start = _folded(text).lstrip(" «\"'¡¿")
        cliche = next((one for one in _CLICHES[self.language] if start.startswith(one)), None)
        if cliche:
            yield f'It opens with a cliché ("{cliche}"); begin in another way.'
        if self.artist and not any(_names(text, name) for name in self.artist):
            yield f"It never names its painter, {self.artist[-1]}."


def rules_for(
    subject: Subject, language: Language, *, facts: Mapping[int, str], local: Mapping[str, str], options: ScriptOptions
) -> Rules:
    """Return the rules for one painting in one language.

    Args:
        subject: The painting.
        language: Of the script.
        facts: Id -> text.
        local: Names of the title, artist and sitter as they are spelled in that language, as far as they are known.
        options: The limits.
    """
    own = " | ".join(str(one) for one in (*own_data(subject).values(), *local.values()) if one is not None)
    artist = tuple(name for name in (known_artist(subject), local.get("artist")) if name)
    return Rules(language, options, own=own, artist=artist, facts=facts)


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
    return None if _folded(artist) in UNKNOWN_ARTISTS else artist


def tidy(text: str, language: Language) -> str:
    """Return a sentence as it is spoken and shown: one line, straight apostrophes, the language's own spacing.

    French gets no-break spaces before `; : ! ? »` and after `«`, so that captions never break there.
    """
    plain = unicodedata.normalize("NFC", text).translate(_APOSTROPHES)
    plain = re.sub(r"\s+", " ", plain.replace("\u00ad", "").replace("\u200b", "")).strip()
    plain = re.sub(r"\s+([,.…])", r"\1", plain)
    if language == "fr":
        plain = re.sub(r"\s*([;!?»])", "\u00a0\\1", plain)
        plain = re.sub(r"\s*:(?=\s)", "\u00a0:", plain)
        plain = re.sub(r"«\s*", "«\u00a0", plain)
        plain = re.sub(r"([!?])\u00a0(?=[!?])", r"\1", plain)
    return plain


def count_words(text: str) -> int:
    """Count words as they are spoken: what stands between spaces and has a letter or a digit."""
    return sum(any(c.isalnum() for c in word) for word in text.split())


def is_in_language(text: str, language: Language) -> bool:
    """Tell whether a sentence may be in a language, by the frequent words that only one of the two has."""
    words = [word.strip("'") for word in _WORD.findall(text.lower().translate(_APOSTROPHES))]
    other: Language = "en" if language == "fr" else "fr"
    ours = sum(word in _ONLY[language] for word in words)
    theirs = sum(word in _ONLY[other] for word in words)
    if len(words) < 4:
        return theirs <= ours or theirs == 0
    return ours > theirs and ours / len(words) >= 0.12


def _speaks_of_itself(draft: ScriptDraft, language: Language) -> bool:
    mine = _FIRST_PERSON[language]
    speaking = 0
    for sentence in draft.sentences:
        words = {word.strip("'") for word in _WORD.findall(sentence.text.lower().translate(_APOSTROPHES))}
        speaking += bool(words & mine)
    return speaking >= max(1, round(len(draft.sentences) * 0.4))


def _names(text: str, artist: str) -> bool:
    """Tell whether a text names a painter, be it in another language's spelling."""
    words = re.findall(r"[^\W_]+", _folded(text))
    parts = [part for part in re.findall(r"[^\W_]+", _folded(artist)) if len(part) >= 3] or [_folded(artist)]
    return any(_is_like(part, word) for part in parts for word in words)


def _is_like(one: str, other: str) -> bool:
    return one == other or (len(one) > 4 and one[0] == other[:1] and SequenceMatcher(None, one, other).ratio() >= 0.8)


def _numbers(text: str) -> list[str]:
    """Return the numbers of a text, without the separators of thousands."""
    return [_THOUSANDS.sub("", one) for one in _NUMBER.findall(text)]


def _quotations(text: str) -> list[str]:
    return [part for groups in _QUOTED.findall(text) for part in groups if count_words(part) > 0]


def _is_unspeakable(character: str) -> bool:
    """Tell whether a character is an emoji, a control character or another thing without a sound."""
    return unicodedata.category(character) in ("So", "Sk", "Sm", "Cc", "Cf", "Co", "Cn", "Cs") and character != "\u00ad"


def _folded(text: str) -> str:
    opened = text.lower().translate(_APOSTROPHES).replace("œ", "oe").replace("æ", "ae")
    plain = "".join(c for c in unicodedata.normalize("NFKD", opened) if not unicodedata.combining(c))
    return " ".join(plain.split())


def _start(text: str, length: int = 48) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= length else flat[: length - 1] + "…"


def without(draft: ScriptDraft, broken: Sequence[Broken]) -> ScriptDraft | None:
    """Return the draft without its broken sentences; None when nothing would be left."""
    bad = {one.sentence for one in broken}
    kept = [sentence for index, sentence in enumerate(draft.sentences) if index not in bad]
    return ScriptDraft(sentences=kept) if kept else None
