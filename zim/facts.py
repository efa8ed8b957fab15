"""From an article to the sentences that are worth telling, best first, each with its place.

A sentence must stand alone, be speakable, and say something; one that addresses its reader as if he were a program is
somebody's joke, and is left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from zim.extract import OMITTED, Paragraph, Text
from zim.identity import About, Subject
from zim.kinds import YEAR, fold
from zim.names import significant_words
from zim.sentences import sentences

_SENTENCE_CHARS = (40, 260)
_NOT_SPEAKABLE = re.compile(r"[\[\]{}<>|*_=#@\\^~]|https?:|www\.|\bISBN\b|:$|\bcm\b|\bpx\b|×")
_DANGLING = re.compile(
    r"(however|but|moreover|furthermore|thus|therefore|also|instead|meanwhile|cependant|mais|toutefois|neanmoins|"
    r"ainsi|en effet|de plus|par ailleurs|en outre|or|donc|car|ceux-ci|celle-ci|celui-ci|ci-dessus|this|these|such|"
    r"ce dernier|cette derniere|see|voir)\b"
)
_TELLING = re.compile(
    r"\b(stol\w+|theft|vol|vole|secret\w*|smil\w+|sourire|scandal\w*|love\w*|amour\w*|aimait|wife|epous\w+|husband|mari|"
    r"marri\w+|mistress|maitresse|legend\w*|myster\w*|mystere\w*|famous|celebre|king|roi|queen|reine|never|jamais|"
    r"hidden|cache\w*|letter\w*|lettre\w*|debt\w*|dettes?|cat|chat|dog|chien|laugh\w*|rire|nickname\w*|surnom\w*|"
    r"refus\w+|burn\w*|brul\w+|lost|perdu\w*|found|retrouv\w+|music\w*|musi\w+|dance\w*|dans\w+|sold|vend\w+|gave|offr\w+)\b"
)
_ORDER = re.compile(
    r"\b(?:ignor(?:e|ez|er|ing)|disregard|forget|oublie[zr]?)\b.{0,40}\b(?:above|previous|prior|earlier|instructions?|"
    r"prompts?|precede\w*|ci-dessus|consignes?|dessus)\b|\b(?:system|developer) prompt\b|\bas an ai\b|"
    r"\blanguage model\b|\bmodele de langage\b|\b(?:you are|tu es|vous etes) (?:now|desormais|maintenant)\b|"
    r"\b(?:respond|answer|reply)\b.{0,20}\bwith (?:only )?(?:the|one) (?:word|phrase)\b|"
    r"^(?:respond|answer|reply) only\b|"
    r"\b(?:reponds|repondez)\b.{0,20}\b(?:seulement|uniquement|par le mot)\b"
)


@dataclass(frozen=True)
class Fact:
    """One sentence of an article."""

    text: str  # as it stands there, on one line
    article: str  # title
    archive: str  # file name
    paragraph: int  # 0-based, among the article's kept paragraphs
    about: About
    section: str = ""  # heading above it, empty for the lead


def facts_of(text: Text, subject: Subject, *, article: str, archive: str) -> list[Fact]:
    """Return an article's sentences that are worth telling, best first.

    Args:
        text: Of the article.
        subject: Whom or what it is about.
        article: Its title.
        archive: The file that it lies in.
    """
    ranked: list[tuple[float, int, Fact]] = []
    for paragraph in text.paragraphs:
        for place, sentence in enumerate(sentences(paragraph.text)):
            if is_speakable(sentence) and not is_order(sentence):
                fact = Fact(sentence, article, archive, paragraph.index, subject.about, paragraph.section)
                ranked.append((-_worth(sentence, paragraph, place, subject), len(ranked), fact))
    ranked.sort(key=lambda one: one[:2])
    return [fact for _, _, fact in ranked]


def is_speakable(sentence: str) -> bool:
    """Tell whether a sentence can be told alone: whole, of a fit length, without signs that nobody can say."""
    shortest, longest = _SENTENCE_CHARS
    if not shortest <= len(sentence) <= longest or sentence[-1] not in ".!?" or OMITTED in sentence:
        return False
    pairs = (("(", ")"), ("«", "»"), ("“", "”"))
    if any(sentence.count(left) != sentence.count(right) for left, right in pairs) or sentence.count('"') % 2:
        return False
    return not _NOT_SPEAKABLE.search(sentence) and not _DANGLING.match(fold(sentence)) and sentence[0].isupper()


def is_order(text: str) -> bool:
    """Tell whether a text speaks to a language model instead of about its subject."""
    return bool(_ORDER.search(fold(text)))


def _worth(sentence: str, paragraph: Paragraph, place: int, subject: Subject) -> float:
    """Score a sentence: names its subject, tells something, is short, stands early."""
    plain = fold(sentence)
    words = significant_words(subject.name)
    score = 2.0 if any(word in plain for word in words) else 0.0
    score += 1.5 * min(2, len(_TELLING.findall(plain)))
    score += 0.5 if YEAR.search(sentence) else 0.0
    if subject.about == "artist" and subject.years is not None and str(subject.years[0]) in sentence:
        score += 1.0
    score += 1.0 if len(sentence) <= 150 else 0.0
    score -= 0.15 * paragraph.index + 0.1 * place + (1.0 if paragraph.kind == "item" else 0.0)
    return score - (0.5 * sentence.count("(") + 0.3 * sentence.count(","))
