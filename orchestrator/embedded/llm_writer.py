"""The embedded writer: a first-person monologue out of phrases and facts.

It chooses, with a seeded random generator, an opening, who is speaking, one or two facts inside a frame, a joke about
the painter and a way back to the picture, until about 25 seconds of speech are full. It invents nothing that could be
checked: names and years come from the painting's data, facts are quoted as they stand, and every sentence says which
it used. Whoever asked still checks all of it, as with any model.
"""

from __future__ import annotations

import random
import re
import string
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from orchestrator.embedded.llm_phrases import BY_LANGUAGE, Phrases

OWN_DATA = 0  # id of the painting's own data among the facts
AIM_WORDS = (64, 80)
_DRAFTS = 16  # the best of so many is handed out
_FACT_WORDS = (5, 24)
_OLD_BEFORE = 1820  # a painting from before this may speak of centuries


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_LOWERED = {  # words that lose their capital when a fact becomes a subordinate clause; all others may be names
    "fr": _words(
        "a apres au aujourd'hui aussi autour aux avant avec ce ces cet cette chez comme d' dans de des depuis "
        "cinq deux dix douze du durant elle elles en encore enfin entre grace il ils jusqu'a l' la le les leur leurs "
        "huit lors lorsque malgre neuf on par parmi pendant peu plus plusieurs pour pres puis quand quatre quelques sa "
        "sans selon sept ses si six son sous sur tous tout toute tres trois un une vers"
    ),
    "en": _words(
        "a according after all although an and around as at because before besides both by despite during each early "
        "eight five for four from he her his in into it its late later many most nearly nine no not of on one only "
        "originally our over seven several she since six some soon ten that the their there these they this those "
        "though three through throughout to today together two under until upon we what when where while with"
    ),
}
_PRONOUNS = _words("il elle ils elles he she they it this these ce cela ces celui celle cette cet its")
_NAMES_PAINTER = re.compile(r"peintre|artiste|painter|artist")
_MUTE_H = ("henri", "helene", "honore", "hippolyte", "hortense", "henriette", "hubert", "hugues", "hermine", "heloise")
_UNSPEAKABLE = re.compile(r"[\[\](){}<>«»\"“”;:*_#@|/\\…=+~^`!?]|https?|www|\d[\d ]*[.,]\d")
_INITIAL = re.compile(r"\b[A-Z]\.")
_BRACKETED = re.compile(r"\s*[(\[][^)\]]*[)\]]")
_UNNAMED = _words("unknown unidentified anonymous unnamed inconnu inconnue anonyme")
_FOREIGN_TO = {
    "fr": _words("the of with and an her his from woman holding man lady girl young old"),
    "en": _words("le la les du des et une un avec dans au aux sur femme homme jeune dame"),
}


def write_script(told: Mapping[str, Any], *, seed: int) -> list[dict[str, Any]]:
    """Return sentences, each with its text and the ids of the facts it used.

    Args:
        told: `language` ("fr" or "en"), `painting` (title, artist, year, sitter, sex), `facts` (id, about, text) and
            `max_words`. What is missing or of another kind counts as unknown.
        seed: The same seed and data give the same script.
    """
    language = "fr" if told.get("language") == "fr" else "en"
    painting = told.get("painting")
    writer = _Writer(language, painting if isinstance(painting, Mapping) else {}, seed=seed)
    asked = told.get("max_words")
    limit = int(asked * 0.95) if isinstance(asked, int) and asked > 0 else AIM_WORDS[1]
    facts = told.get("facts")
    return writer.write(facts if isinstance(facts, Sequence) else [], limit=limit)


class _Writer:
    """The choices of one script."""

    def __init__(self, language: str, painting: Mapping[str, Any], *, seed: int) -> None:
        self._language = language
        self._random = random.Random(seed)
        self._phrases: Phrases = BY_LANGUAGE[language]
        self._sex = str(painting.get("sex"))
        self._names = _names(painting, language)
        year = painting.get("year")
        self._is_old = isinstance(year, int) and year <= _OLD_BEFORE

    def write(self, facts: Sequence[Any], *, limit: int) -> list[dict[str, Any]]:
        """Return the best of several drafts: naming the painter, using up to two facts, of about the right length."""
        aim = min(limit, self._random.randint(*AIM_WORDS))
        drafts = [self._draft(facts, aim=aim) for _ in range(_DRAFTS)]
        return max(drafts, key=lambda draft: self._rank(draft, aim))

    def _rank(self, draft: Sequence[Mapping[str, Any]], aim: int) -> tuple[bool, int, int]:
        artist = self._names.get("artist", "")
        named = any(artist in one["text"] for one in draft)
        return named, min(2, _facts_used(draft)), -abs(_length(draft) - aim)

    def _draft(self, facts: Sequence[Any], *, aim: int) -> list[dict[str, Any]]:
        opening, closing = self._one(self._phrases.openings), self._one(self._phrases.closings)
        identity = self._identity(aim)
        room = aim - _length([opening, identity, closing])
        middle: list[dict[str, Any]] = []
        for candidate in self._middle(facts):
            words = _count(candidate["text"])
            if words <= room:
                middle.append(candidate)
                room -= words
        whole = [opening, identity, *middle, closing]
        while len(whole) > 1 and _length(whole) > aim:
            whole.pop(0 if whole[0] is opening else -1)  # a very short limit: the name is worth more than the jokes
        return whole

    def _identity(self, aim: int) -> dict[str, Any]:
        """Choose among the phrases that use most of what is known, unless they take half of the time."""
        fitting = [one for one in self._fitting(self._phrases.identities) if _count(self._filled(one)) <= aim // 2]
        fitting = fitting or self._fitting(self._phrases.identities)
        weight = {one: 1 + 2 * len(_fields(one) & {"sitter", "artist", "que_artist", "year"}) for one in fitting}
        most = max(weight.values())
        return self._said(self._random.choice([one for one in fitting if weight[one] >= most - 2]))

    def _middle(self, facts: Sequence[Any]) -> Iterator[dict[str, Any]]:
        """Yield what may stand between the name and the farewell, best first."""
        framed = list(self._framed(facts))
        jokes, gossip = self._fitting(self._phrases.jokes), self._fitting(self._phrases.gossip)
        self._random.shuffle(jokes)
        self._random.shuffle(gossip)
        yield from framed[:1]
        yield from map(self._said, jokes[:1])
        yield from framed[1:2]
        yield from map(self._said, gossip[:1])
        yield from framed[2:4]
        yield from map(self._said, gossip[1:4])

    def _framed(self, facts: Sequence[Any]) -> Iterator[dict[str, Any]]:
        """Yield facts in frames, each about another subject than the one before where that is possible."""
        usable = [fact for fact in facts if isinstance(fact, Mapping) and self._is_usable(fact)]
        self._random.shuffle(usable)
        frames = {
            "artist": self._fitting(self._phrases.of_artist, also={"fact", "que_fact", "that_fact"}),
            "sitter": self._fitting(self._phrases.of_sitter, also={"fact", "que_fact", "that_fact"}),
            "work": self._fitting(self._phrases.of_work, also={"fact", "que_fact", "that_fact"}),
        }
        last = ""
        while usable:
            fact = next((one for one in usable if one["about"] != last), usable[0])
            usable.remove(fact)
            last = fact["about"]
            choices = [one for one in frames[last] if _NAMES_PAINTER.search(one) or not _is_vague(fact["text"])]
            if choices:
                frame = self._random.choice(choices)
                frames[last].remove(frame)
                text = _filled(frame, self._names | _clauses(str(fact["text"]), self._language))
                yield {"text": text, "facts": [fact["id"]]}

    def _is_usable(self, fact: Mapping[str, Any]) -> bool:
        """Tell whether a fact can be spoken inside a frame as it stands."""
        text, about = fact.get("text"), fact.get("about")
        if (
            not isinstance(text, str)
            or not isinstance(fact.get("id"), int)
            or about not in ("artist", "sitter", "work")
        ):
            return False
        few, many = _FACT_WORDS
        plain = not _UNSPEAKABLE.search(text) and not _INITIAL.search(text)
        return few <= _count(text) <= many and plain and (about == "artist" or not _is_vague(text))

    def _fitting(self, phrases: Sequence[str], *, also: frozenset[str] | set[str] = frozenset()) -> list[str]:
        """Return the phrases for which everything is known."""
        known = self._names.keys() | also
        return [one.partition("|")[0] for one in phrases if _fields(one) <= known and self._may_say(one)]

    def _may_say(self, phrase: str) -> bool:
        condition = phrase.partition("|")[2]
        return not condition or condition == self._sex or (condition == "old" and self._is_old)

    def _one(self, phrases: Sequence[str]) -> dict[str, Any]:
        return self._said(self._random.choice(self._fitting(phrases)))

    def _said(self, phrase: str) -> dict[str, Any]:
        used = _fields(phrase) & {"sitter", "title", "artist", "of_artist", "que_artist", "year"}
        return {"text": self._filled(phrase), "facts": [OWN_DATA] if used else []}

    def _filled(self, phrase: str) -> str:
        return _filled(phrase, self._names)


def _names(painting: Mapping[str, Any], language: str) -> dict[str, str]:
    """Return what may be named, by the placeholder's name."""
    names: dict[str, str] = {}
    for key in ("title", "artist", "sitter"):
        value = painting.get(key)
        spoken = " ".join(_BRACKETED.sub("", value).split()) if isinstance(value, str) else ""
        is_name = not _UNNAMED.intersection(_folded(spoken).split()) or key == "title"
        if 0 < len(spoken) <= 60 and is_name and not _UNSPEAKABLE.search(spoken):
            names[key] = spoken
    if "title" in names and _FOREIGN_TO[language].intersection(_folded(names["title"]).split()):
        del names["title"]
    if "artist" in names:
        names["of_artist"] = ("d'" if _is_elided(names["artist"]) else "de ") + names["artist"]
        names["que_artist"] = ("qu'" if _is_elided(names["artist"]) else "que ") + names["artist"]
        if language == "en":
            names["of_artist"] = "of " + names["artist"]
    if isinstance(painting.get("year"), int):
        names["year"] = str(painting["year"])
    if painting.get("sex") in ("female", "male"):
        names["e"] = "e" if painting["sex"] == "female" else ""
    return names


def _clauses(text: str, language: str) -> dict[str, str]:
    """Return a fact in the forms that the frames need, without its full stop."""
    fact = text.strip().rstrip(".").strip()
    first = re.split(r"[\s,]", fact, maxsplit=1)[0]
    plain = _folded(first)
    elided = plain.split("'")[0] + "'" if "'" in plain else plain
    if plain in _LOWERED[language] or elided in _LOWERED[language]:
        fact = fact[:1].lower() + fact[1:]
    que = "qu'" if _is_elided(fact) else "que "
    return {"fact": fact, "que_fact": que + fact, "that_fact": "that " + fact}


def _is_vague(text: str) -> bool:
    """Tell whether a fact begins with a word that points at something said before it."""
    first = _folded(text).split(maxsplit=1)
    return bool(first) and first[0].split("'")[0] in _PRONOUNS


def _is_elided(text: str) -> bool:
    """Tell whether "de" and "que" lose their vowel before this text."""
    plain = _folded(text)
    return plain[:1] in tuple("aeiou") or plain.startswith(_MUTE_H) or plain.startswith(("yves", "yvonne"))


def _folded(text: str) -> str:
    """Return the text in lower case without accents, with straight apostrophes and open ligatures."""
    opened = text.lower().replace("’", "'").replace("œ", "oe").replace("æ", "ae")
    return "".join(c for c in unicodedata.normalize("NFKD", opened) if not unicodedata.combining(c))


def _fields(phrase: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(phrase.partition("|")[0]) if name}


def _filled(phrase: str, names: Mapping[str, str]) -> str:
    """Fill a phrase; `format` is safe, because the values are never read as phrases themselves."""
    text = phrase.partition("|")[0].format_map(dict(names))
    return text[:1].upper() + text[1:]


def _facts_used(sentences: Sequence[Mapping[str, Any]]) -> int:
    return sum(any(fact != OWN_DATA for fact in one["facts"]) for one in sentences)


def _length(sentences: Sequence[Mapping[str, Any]]) -> int:
    return sum(_count(one["text"]) for one in sentences)


def _count(text: str) -> int:
    """Count words as they are spoken: what has a letter or a digit."""
    return sum(any(c.isalnum() for c in word) for word in text.split())
