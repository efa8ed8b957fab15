"""The embedded writer: a first-person monologue out of phrases and facts.

It chooses, with a seeded random generator, a mood that the facts suit, a hook that nobody has heard lately, who is
speaking, two or three facts as the portrait would tell them, a joke about the painter and a way back to the picture,
until about 30 seconds of speech are full. It invents nothing that could be checked: names and years come from the
painting's data, facts are told as they stand, and every sentence says which it used. Whoever asked still checks all of
it, as with any model.
"""

from __future__ import annotations

import hashlib
import random
import re
import string
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from orchestrator.embedded.llm_english import ENGLISH
from orchestrator.embedded.llm_firsthand import Speaker, told_firsthand
from orchestrator.embedded.llm_folding import folded, is_elided
from orchestrator.embedded.llm_french import FRENCH
from orchestrator.embedded.llm_names import names_for, names_of_sitter, titles_of
from orchestrator.embedded.llm_phrases import MOODS, TOPICS_OF, Phrases
from steps.hooks import heard_before, hook_of

OWN_DATA = 0  # id of the painting's own data among the facts
AIM_WORDS = (66, 80)
BY_LANGUAGE: Mapping[str, Phrases] = {"fr": FRENCH, "en": ENGLISH}
_DRAFTS = 16  # the best of so many is handed out
_FACT_WORDS = (5, 24)
_HOOK_WORDS = (5, 16)  # of a fact that may open the script
_FACT_HOOKS = 0.4  # share of the scripts that open with one, where there is one
_LONG_FACT_WORDS = 14  # after which a frame may not go on
_FEW_OPENINGS = 8  # left of a mood; from then on those of the others are taken too
_ENOUGH_FIRSTHAND = 2  # facts that the portrait tells of itself; then one of hearsay will do
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
_DULL = re.compile(  # what a caption says anyway
    r"\b(nee?|born) (en|in|a|le|on)\b|\b(le modele|the sitter|the model) (est|is|was)\b|"
    r"\b(est|is|was|etait) (une?|an?) (\w+ )?(tableau|peint\w+|portrait|paint\w+|picture)\b"
)
_NAMES_PAINTER = re.compile(r"peintre|artiste|painter|artist")
_UNSPEAKABLE = re.compile(r"[\[\](){}<>«»\"“”;:*_#@|/\\…=+~^`!?]|https?|www|\d[\d ]*[.,]\d")
_INITIAL = re.compile(r"\b[A-Z]\.")


def write_script(told: Mapping[str, Any], *, seed: int) -> dict[str, Any]:
    """Return a mood and sentences, each with its text and the ids of the facts it used.

    Args:
        told: `language` ("fr" or "en"), `painting` (title, artist, year, sitter, sex), `facts` (id, about, text),
            `max_words`, `used_up` (hooks) and `place` (of the painting in its night). What is missing or of another
            kind counts as unknown.
        seed: The same seed and data give the same script.
    """
    return _Writer(told, seed=seed).write()


class _Writer:
    """The choices of one script."""

    def __init__(self, told: Mapping[str, Any], *, seed: int) -> None:
        self._language = "fr" if told.get("language") == "fr" else "en"
        painting = told.get("painting") if isinstance(told.get("painting"), Mapping) else {}
        assert isinstance(painting, Mapping)
        self._random = random.Random(seed)
        self._phrases = BY_LANGUAGE[self._language]
        self._sex = str(painting.get("sex"))
        self._names = names_for(painting, self._language)
        self._painter_sex = self._names.pop("painter_sex", "unknown")
        year = painting.get("year")
        self._is_old = isinstance(year, int) and year <= _OLD_BEFORE
        facts = told.get("facts")
        usable = [one for one in facts if self._is_usable(one)] if isinstance(facts, Sequence) else []
        self._facts = [one for one in usable if not _DULL.search(folded(one["text"]))] or usable
        sitters, titles = names_of_sitter(painting, self._facts), titles_of(painting, self._facts)
        self._speaker = Speaker(self._language, self._sex, sitters, titles)
        self._firsthand = {one["id"]: told_firsthand(one["text"], one["about"], self._speaker) for one in self._facts}
        self._fresh: dict[str, list[str]] = {}  # openings that are not used up, by moods
        asked = told.get("max_words")
        self._limit = int(asked * 0.95) if isinstance(asked, int) and asked > 0 else AIM_WORDS[1]
        used = told.get("used_up")
        self._used = [str(one) for one in used] if isinstance(used, list) else []
        self._opens_with_fact = False
        place = told.get("place")
        self._place = place if isinstance(place, int) else self._random.randrange(1000)

    def write(self) -> dict[str, Any]:
        """Return the best of several drafts: naming the painter, using several facts, of about the right length."""
        aim = min(self._limit, self._random.randint(*AIM_WORDS))
        mood = self._mood()
        self._opens_with_fact = self._random.random() < _FACT_HOOKS
        drafts = [self._draft(mood, aim=aim) for _ in range(_DRAFTS)]
        best = max(drafts, key=lambda draft: self._rank(draft, aim))
        return {"mood": mood, "sentences": [{"text": one["text"], "facts": one["facts"]} for one in best]}

    def _mood(self) -> str:
        """Choose among the moods that the facts suit; cheeky is what the series is known for."""
        topics = [self._topic(str(fact["text"])) for fact in self._facts]
        weight = {mood: sum(topic in TOPICS_OF[mood] for topic in topics) for mood in MOODS}
        weight["cheeky"] += 2
        moods = [mood for mood in MOODS if weight[mood]]
        return self._random.choices(moods, [weight[mood] for mood in moods])[0]

    def _rank(self, draft: Sequence[Mapping[str, Any]], aim: int) -> tuple[bool, int, int]:
        named = any(self._names.get(key, "") in one["text"] for one in draft for key in ("artist", "painter"))
        told = _facts_used(draft) + sum(bool(one.get("firsthand")) for one in draft)
        return named, min(5, told), -abs(_length(draft) - aim)

    def _draft(self, mood: str, *, aim: int) -> list[dict[str, Any]]:
        closing, identity = self._one(self._phrases.closings[mood]), self._identity(aim)
        told = list(self._told())
        opening = self._opening(mood, told)
        room = aim - _length([opening, identity, closing])
        middle: list[dict[str, Any]] = []
        for group in self._middle(mood, told):
            words = _length(group)
            if words <= room:
                middle += group
                room -= words
            elif len(group) > 1 and _length(group[:1]) <= room:
                middle += group[:1]
                room -= _length(group[:1])
        whole = [opening, identity, *middle, closing]
        while len(whole) > 1 and _length(whole) > aim:
            whole.pop(0 if whole[0] is opening else -1)  # a very short limit: the name is worth more than the jokes
        return whole

    def _opening(self, mood: str, told: list[list[dict[str, Any]]]) -> dict[str, Any]:
        """Take a fact that stops a stranger, or a phrase of the mood that is not used up; take it off the list."""
        for index, group in enumerate(told):
            text = group[0]["text"]
            may_open = _HOOK_WORDS[0] <= _count(text) <= _HOOK_WORDS[1] and group[0]["firsthand"]
            if self._opens_with_fact and may_open and not self._is_used(text):
                return told.pop(index)[0]
        openings = self._openings(mood)
        if len(openings) < _FEW_OPENINGS:
            openings = self._openings(*MOODS)
        return self._said(openings[0]) if openings else self._one(self._phrases.openings[mood])

    def _openings(self, *moods: str) -> list[str]:
        """Return the hooks of moods that are not used up, beginning with the one for this place in the night.

        The order is the same for all paintings of a night, so that those of one mood take different ones.
        """
        key = " ".join(moods)
        if key not in self._fresh:
            self._fresh[key] = self._fresh_openings(moods)
        return self._fresh[key]

    def _fresh_openings(self, moods: Sequence[str]) -> list[str]:
        known = [phrase for mood in moods for phrase in self._fitting(self._phrases.openings[mood])]
        digest = hashlib.sha256("\n".join(self._used).encode()).digest()
        random.Random(int.from_bytes(digest[:8], "big")).shuffle(known)
        fresh = [one for one in known if not self._is_used(self._filled(one))]
        turn = self._place % len(fresh) if fresh else 0
        return fresh[turn:] + fresh[:turn]

    def _is_used(self, text: str) -> bool:
        return heard_before(hook_of(text), self._used) is not None

    def _identity(self, aim: int) -> dict[str, Any]:
        """Choose among the phrases that use most of what is known, unless they take half of the time."""
        known = self._fitting(self._phrases.identities)
        if "sitter" in self._names:
            known = [one for one in known if "title" not in _fields(one)]
        fitting = [one for one in known if _count(self._filled(one)) <= aim // 2] or known
        weight = {one: 1 + 2 * len(_fields(one) & {"sitter", "artist", "que_artist", "year"}) for one in fitting}
        most = max(weight.values())
        best = [one for one in fitting if weight[one] >= most - 2]
        return self._said(self._random.choices(best, [3 if weight[one] == most else 1 for one in best])[0])

    def _middle(self, mood: str, told: Sequence[list[dict[str, Any]]]) -> Iterator[list[dict[str, Any]]]:
        """Yield what may stand between the name and the farewell, best first, in the order of speaking."""
        jokes, gossip = self._fitting(self._phrases.jokes[mood]), self._fitting(self._phrases.gossip)
        self._random.shuffle(jokes)
        self._random.shuffle(gossip)
        yield from told[:1]
        yield from ([self._said(one)] for one in jokes[:1])
        yield from told[1:4]
        yield from ([self._said(one)] for one in gossip[:3])

    def _told(self) -> Iterator[list[dict[str, Any]]]:
        """Yield facts, each about another subject than the one before where that is possible, some with a remark."""
        left = list(self._facts)
        self._random.shuffle(left)
        framed = 0
        frames = {
            about: self._fitting(phrases, also={"fact", "que_fact", "that_fact"})
            for about, phrases in (
                ("artist", self._phrases.of_artist),
                ("sitter", self._phrases.of_sitter),
                ("work", self._phrases.of_work),
            )
        }
        remarks: set[str] = set()
        last = ""
        while left:
            fact = next((one for one in left if one["about"] != last), left[0])
            left.remove(fact)
            last = fact["about"]
            text, about = str(fact["text"]), str(fact["about"])
            own = self._firsthand[fact["id"]]
            choices = [one for one in frames[about] if _may_hold(one, text)]
            if own is None and self._names_the_sitter(text) and about == "artist":
                continue
            if own is None and (not choices or (framed and self._has_enough_firsthand())):
                continue
            if own is None:
                framed += 1
                frame = self._random.choice(choices)
                frames[about].remove(frame)
                own = _filled(frame, self._names | _clauses(text, self._language))
                yield [{"text": own, "facts": [fact["id"]], "firsthand": False}]
            else:
                remark = self._remark(text, remarks)
                yield [{"text": own, "facts": [fact["id"]], "firsthand": True}, *remark]

    def _remark(self, fact: str, said: set[str]) -> list[dict[str, Any]]:
        topic = self._topic(fact)
        fitting = [one for one in self._fitting(self._phrases.reactions[topic]) if one not in said]
        if not fitting or self._random.random() < 0.3:
            return []
        chosen = self._random.choice(fitting)
        said |= set(self._phrases.reactions[topic])  # one remark of a kind is enough
        return [self._said(chosen)]

    def _topic(self, fact: str) -> str:
        plain = folded(fact)
        return next((topic for topic, words in self._phrases.topics.items() if re.search(words, plain)), "any")

    def _is_usable(self, fact: Any) -> bool:
        """Tell whether a fact can be spoken as it stands."""
        if not isinstance(fact, Mapping):
            return False
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

    def _has_enough_firsthand(self) -> bool:
        return sum(own is not None for own in self._firsthand.values()) >= _ENOUGH_FIRSTHAND

    def _names_the_sitter(self, text: str) -> bool:
        """Tell whether a fact about the painter speaks of the sitter, who cannot be somebody else to itself."""
        return any(name in text.replace("’", "'") for name in self._speaker.names)

    def _fitting(self, phrases: Sequence[str], *, also: frozenset[str] | set[str] = frozenset()) -> list[str]:
        """Return the phrases for which everything is known."""
        known = self._names.keys() | also
        return [one.partition("|")[0] for one in phrases if _fields(one) <= known and self._may_say(one)]

    def _may_say(self, phrase: str) -> bool:
        condition = phrase.partition("|")[2]
        if condition.startswith("painter_"):
            return condition == f"painter_{self._painter_sex}"
        return not condition or condition == self._sex or (condition == "old" and self._is_old)

    def _one(self, phrases: Sequence[str]) -> dict[str, Any]:
        return self._said(self._random.choice(self._fitting(phrases)))

    def _said(self, phrase: str) -> dict[str, Any]:
        used = _fields(phrase) & (self._names.keys() - {"e", "tout"})
        return {"text": self._filled(phrase), "facts": [OWN_DATA] if used else []}

    def _filled(self, phrase: str) -> str:
        return _filled(phrase, self._names)


def _clauses(text: str, language: str) -> dict[str, str]:
    """Return a fact in the forms that the frames need, without its full stop."""
    fact = text.strip().rstrip(".").strip()
    first = re.split(r"[\s,]", fact, maxsplit=1)[0]
    plain = folded(first)
    elided = plain.split("'")[0] + "'" if "'" in plain else plain
    if plain in _LOWERED[language] or elided in _LOWERED[language]:
        fact = fact[:1].lower() + fact[1:]
    que = "qu'" if is_elided(fact) else "que "
    return {"fact": fact, "que_fact": que + fact, "that_fact": "that " + fact}


def _may_hold(frame: str, fact: str) -> bool:
    """Tell whether a fact fits a frame: what goes on behind it needs a short one, and a vague one its painter."""
    goes_on = not frame.rstrip(".").endswith("}")
    too_long = _count(fact) > _LONG_FACT_WORDS or re.search(r", (et|and|mais|but|car|because)\b", fact) is not None
    return not (goes_on and too_long) and (bool(_NAMES_PAINTER.search(frame)) or not _is_vague(fact))


def _is_vague(text: str) -> bool:
    """Tell whether a fact begins with a word that points at something said before it."""
    first = folded(text).split(maxsplit=1)
    return bool(first) and first[0].split("'")[0] in _PRONOUNS


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


@lru_cache(maxsize=4096)
def _count(text: str) -> int:
    """Count words as they are spoken: what has a letter or a digit."""
    return sum(word.isalnum() or any(map(str.isalnum, word)) for word in text.split())
