"""How a script begins: no clichés, and not as another one has begun lately.

A hook is the first sentence. It is the only thing that most viewers hear, and those who follow a channel hear all of
them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher

from steps.options import Language
from steps.script_text import folded

SAME_START_WORDS = 4
"""Hooks whose first so many words agree are the same, whatever follows."""

_SAME_SHARE = 0.8  # of all words, in order
_LONGEST = 40  # words of a hook that are compared
_END = re.compile(r"[.!?…]+(?=\s|$)")
_CLICHES: Mapping[Language, tuple[str, ...]] = {
    "fr": (
        "avez-vous deja", "saviez-vous", "savez-vous que", "imaginez", "bienvenue", "bonjour a tous", "bonjour tout",
        "salut tout le monde", "dans cette video", "aujourd'hui, nous", "aujourd'hui nous", "aujourd'hui, on",
        "il etait une fois", "preparez-vous", "plongez", "et si je vous disais", "attention, vous", "accrochez-vous",
        "bonjour, je m'appelle", "bonjour je m'appelle", "bonjour, je suis", "salut, moi c'est", "vous ne devinerez",
        "vous n'allez pas croire", "dans un monde", "laissez-moi vous raconter l'histoire", "decouvrez",
    ),
    "en": (
        "have you ever", "did you know", "imagine", "welcome", "hello everyone", "hey guys", "hi everyone",
        "in this video", "today we", "today, we", "once upon a time", "get ready", "let's dive", "picture this",
        "what if i told you", "in a world", "hello, my name is", "hello, i'm", "hi, i'm", "hello, i am", "hi, i am",
        "you won't believe", "you will not believe", "let me tell you the story", "buckle up", "discover", "step into",
        "ever wondered", "greetings",
    ),
}  # fmt: skip

MANNERS = (  # how the first sentence may stop a stranger, for the prompt
    "a complaint about holding still",
    "a boast that the picture half deserves",
    "a confession, as if it slipped out",
    "an order to whoever is staring",
    "a piece of gossip about the painter",
    "the strangest of the facts, told as a personal insult",
    "a remark about how the viewer is looking at you",
    "something that you have been waiting to say for centuries",
    "a correction of what everybody believes about you",
    "a secret that you regret before the sentence is over",
    "a small physical misery of being painted",
    "a bet that you offer the viewer",
    "the day that changed everything for you",
    "a quarrel with your frame, your wall or your neighbours",
)


def manner_of(item: int, items: Sequence[int], *, seed: int) -> str:
    """Return how a script should begin: the items of a night take turns, so that no two neighbours begin alike.

    Args:
        item: Id of the item.
        items: Ids of the night's items, in order.
        seed: Decides where the item is not among them.
    """
    turn = items[0] + items.index(item) if item in items else seed
    return MANNERS[turn % len(MANNERS)]


def hook_of(text: str) -> str:
    """Return the first sentence of a script; a shout of one or two words takes the next one with it."""
    for end in _END.finditer(text):
        if len(text[: end.end()].split()) > 2:
            return text[: end.end()].strip()
    return text.strip()


def cliche_of(text: str, language: Language) -> str | None:
    """Return the cliché that a script opens with, if it does."""
    start = folded(text).lstrip(" «\"'¡¿")
    return next((one for one in _CLICHES[language] if start.startswith(one)), None)


def heard_before(text: str, hooks: Iterable[str]) -> str | None:
    """Return the hook among these that a script begins like, if there is one."""
    words = _words(hook_of(text))
    return next((hook for hook in hooks if _is_same(words, _words(hook))), None)


def _words(hook: str) -> list[str]:
    return re.findall(r"[^\W_]+", folded(hook))[:_LONGEST]


def _is_same(one: list[str], other: list[str]) -> bool:
    if not one or not other:
        return False
    if len(one) >= SAME_START_WORDS and one[:SAME_START_WORDS] == other[:SAME_START_WORDS]:
        return True
    shared = sum(min(one.count(word), other.count(word)) for word in set(one) & set(other))
    if 2 * shared < _SAME_SHARE * (len(one) + len(other)):
        return False  # cannot be as alike as that in any order
    return SequenceMatcher(None, one, other, autojunk=False).ratio() >= _SAME_SHARE
