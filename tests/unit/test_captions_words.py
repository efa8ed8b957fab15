"""The script's words: split as they are written, and timed so that every cue can be shown."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steps.words import TimedWord, script_words, settle


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("« l'Été » d'aujourd'hui !", ["«\xa0l'Été\xa0»", "d'aujourd'hui\xa0!"]),
        ("Voyez-vous ?\u202fOui : non ;", ["Voyez-vous\xa0?", "Oui\xa0:", "non\xa0;"]),
        ('It\'s 50% of "a\\b", [x]; {y}', ["It's", "50%", "of", '"a\\b",', "[x];", "{y}"]),
        ("before\n---\n*** after…", ["before", "after…"]),
        ("E\u0301lisabeth\x00 \u200bhere", ["Élisabeth", "here"]),
        ("— Venez ! — Non.", ["—\xa0Venez\xa0!", "—\xa0Non."]),
        ("...", []),
    ],
)
def test_words_are_spelled_as_written(text: str, words: list[str]) -> None:
    """French marks stay with their word, apostrophes never split one, and rules drawn with dashes are not spoken."""
    assert list(script_words(text)) == words


times = st.floats(min_value=-5, max_value=80, allow_nan=False)


@given(st.lists(st.tuples(times, times), min_size=1, max_size=60), st.floats(min_value=0.2, max_value=60))
def test_settled_times_always_hold(spans: list[tuple[float, float]], duration_s: float) -> None:
    """Whatever an aligner answers, no caption is empty, backwards, overlapping or outside the sound."""
    settled = settle([TimedWord(str(k), a, b) for k, (a, b) in enumerate(spans)], duration_s=duration_s)
    assert [w.text for w in settled] == [str(k) for k in range(len(spans))]
    assert settled[0].start_s >= 0
    assert settled[-1].end_s <= duration_s + 0.001
    assert all(w.start_s < w.end_s for w in settled)
    assert all(a.end_s <= b.start_s for a, b in pairwise(settled))


def test_good_times_are_left_alone() -> None:
    """Settling repairs; it does not blur."""
    words = [TimedWord("a", 0.5, 0.9), TimedWord("b", 1.0, 1.25), TimedWord("c", 2.0, 2.5)]
    assert settle(words, duration_s=3.0) == tuple(words)
