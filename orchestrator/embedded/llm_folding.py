"""Text for comparison, and the little French that the writer must know: what elides."""

from __future__ import annotations

import unicodedata

_MUTE_H = ("henri", "helene", "honore", "hippolyte", "hortense", "henriette", "hubert", "hugues", "hermine", "heloise")


def folded(text: str) -> str:
    """Return the text in lower case without accents, with straight apostrophes and open ligatures."""
    opened = text.lower().replace("’", "'").replace("œ", "oe").replace("æ", "ae")
    return "".join(c for c in unicodedata.normalize("NFKD", opened) if not unicodedata.combining(c))


def is_elided(text: str) -> bool:
    """Tell whether "de" and "que" lose their vowel before this text."""
    plain = folded(text)
    return plain[:1] in tuple("aeiou") or plain.startswith(_MUTE_H) or plain.startswith(("yves", "yvonne"))
