"""The text of a script: how it is tidied, counted, folded for comparison, and which language it is in.

Used by everything that looks at what a model wrote; nothing here knows of models or facts.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from steps.options import Language

_APOSTROPHES = str.maketrans({"’": "'", "‘": "'", "ʼ": "'"})
_WORD = re.compile(r"[^\W\d_]+(?:['’](?=\W|$))?")
_GAP = "\u00a0"

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


def tidy(text: str, language: Language) -> str:
    """Return a sentence as it is spoken and shown: one line, straight apostrophes, the language's own spacing.

    French gets its own quotes, and no-break spaces before `; : ! ? » % €`, after `«` and between thousands, so that
    captions never break there. Doing it twice changes nothing.
    """
    plain = straight(unicodedata.normalize("NFC", text))
    plain = re.sub(r"\s+", " ", plain.replace("\u00ad", "").replace("\u200b", "")).strip()
    plain = re.sub(r"\s+([,.…])", r"\1", plain)
    if language == "fr":
        plain = re.sub(r"\"([^\"]*)\"", r"«\1»", plain).replace("“", "«").replace("”", "»")
        plain = re.sub(r"\s*([;!?»])", rf"{_GAP}\1", plain)
        plain = re.sub(r"\s*:(?=[\s:]|$)", f"{_GAP}:", plain)
        plain = re.sub(r"«\s*", f"«{_GAP}", plain)
        plain = re.sub(rf"([!?]){_GAP}(?=[!?])", r"\1", plain)
        plain = re.sub(r"(?<=\d)\s*(?=[%€])", _GAP, plain)
        plain = re.sub(r"(?<=\d) (?=\d{3}(?!\d))", _GAP, plain)
    return plain


def straight(text: str) -> str:
    """Return a text with straight apostrophes."""
    return text.translate(_APOSTROPHES)


def count_words(text: str) -> int:
    """Count words as they are spoken: what stands between spaces and has a letter or a digit."""
    return sum(any(c.isalnum() for c in word) for word in text.split())


def folded(text: str) -> str:
    """Return a text for comparison: lower case, no accents, straight apostrophes, open ligatures, single spaces."""
    opened = straight(text.lower()).replace("œ", "oe").replace("æ", "ae")
    plain = "".join(c for c in unicodedata.normalize("NFKD", opened) if not unicodedata.combining(c))
    return " ".join(plain.split())


def lower_words(text: str) -> list[str]:
    """Return the words in lower case; what an elision leaves, such as "j", is a word."""
    return [word.strip("'") for word in _WORD.findall(straight(text.lower()))]


def start_of(text: str, length: int = 48) -> str:
    """Return the beginning of a text, to name it by."""
    flat = " ".join(text.split())
    return flat if len(flat) <= length else flat[: length - 1] + "…"


def is_in_language(text: str, language: Language) -> bool:
    """Tell whether a sentence may be in a language, by the frequent words that only one of the two has."""
    words = lower_words(text)
    other: Language = "en" if language == "fr" else "fr"
    ours = sum(word in _ONLY[language] for word in words)
    theirs = sum(word in _ONLY[other] for word in words)
    if len(words) < 4:
        return theirs <= ours or theirs == 0
    return ours > theirs and ours / len(words) >= 0.12
