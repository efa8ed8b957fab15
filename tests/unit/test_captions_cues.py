"""Cues: what is shown together, where it stands, and how it is written down."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steps import ass, captions, fonts
from steps.caption_drawing import to_ass, to_srt
from steps.caption_styles import CaptionStyle, presets
from steps.captions import PANEL_PAD, Layout, make_cues
from steps.font_stack import FontStack
from steps.safe_zones import ZONES, Platform
from steps.words import TimedWord, script_words

LATO = fonts.find("Lato", weight="Black")
SCRIPT = (
    "Bonsoir, mon ami. Voilà cinq cents ans que je souris à ce mur, et personne ne m'a demandé pourquoi. « L'Été » ? "
    "Aujourd'hui, l'hiver est là : venez !"
)


def layout(
    *,
    width: int = 1080,
    height: int = 1920,
    words_per_cue: int = 5,
    style: str = "highlight",
    platform: Platform = "all",
) -> Layout:
    look = presets()[style].model_copy(update={"words_per_cue": words_per_cue})
    return Layout(FontStack((LATO,)), look, width, height, ZONES[platform])


def spoken(text: str, *, word_s: float = 0.3, pause_s: float = 0.05) -> list[TimedWord]:
    step = word_s + pause_s
    return [TimedWord(w, k * step, k * step + word_s) for k, w in enumerate(script_words(text))]


def cues_of(text: str, given_layout: Layout) -> tuple[captions.Cue, ...]:
    words = spoken(text)
    return make_cues(words, given_layout, duration_s=words[-1].end_s + 0.5)


def test_cues_hold_the_script_and_nothing_else() -> None:
    """The text on screen is the text that was written, in order, with every accent and mark."""
    assert " ".join(c.text for c in cues_of(SCRIPT, layout())).replace("\xa0", " ") == SCRIPT


def test_sentences_end_cues() -> None:
    """A cue that runs over a full stop is hard to read."""
    for cue in cues_of(SCRIPT, layout()):
        assert not any(w.text.endswith((".", "!", "?")) for w in cue.words[:-1])


def test_no_word_is_left_alone() -> None:
    """Seven words at most five at a time make four and three, not five and two, nor six and one."""
    sizes = [len(c.words) for c in cues_of("one1 two2 three four five5 six66 seven", layout())]
    assert sorted(sizes) == [3, 4]


def test_cue_does_not_end_in_an_article() -> None:
    """'the window and the | ships' reads worse than 'the window and | the ships'."""
    for cue in cues_of("I counted slowly behind the ships that were leaving harbour", layout(words_per_cue=4)):
        assert cue.words[-1].text not in ("the", "I")


def test_long_pause_ends_a_cue() -> None:
    """What is said after a silence must not be read before it."""
    words = [TimedWord("wait", 0, 0.4), TimedWord("for", 0.5, 0.7), TimedWord("it", 2.0, 2.2)]
    assert [c.text for c in make_cues(words, layout(), duration_s=3)] == ["wait for", "it"]


texts = st.lists(st.text(alphabet="abcdefghijéœ'W,.!?-", min_size=1, max_size=28), min_size=1, max_size=40)


@settings(deadline=None, max_examples=60)
@given(
    texts,
    st.integers(1, 12),
    st.sampled_from([(1080, 1920), (576, 1024), (270, 480)]),
    st.sampled_from(sorted(presets())),
    st.sampled_from(sorted(ZONES)),
    st.sampled_from(["upper", "middle", "lower"]),
)
def test_every_word_stays_in_the_safe_zone(
    parts: list[str], most: int, size: tuple[int, int], name: str, platform: Platform, position: str
) -> None:
    """Also the longest one, and grown, with its outline or box, in every preset: buttons lie beside the zone."""
    words = spoken(" ".join(f"a{p}" for p in parts))
    drawn = layout(width=size[0], height=size[1], words_per_cue=most, style=name, platform=platform)
    style: CaptionStyle = drawn.style.model_copy(update={"position": position})
    drawn = replace(drawn, style=style)
    zone = drawn.zone
    cues = make_cues(words, drawn, duration_s=words[-1].end_s + 1)
    assert sum(len(c.words) for c in cues) == len(words)
    for cue in cues:
        assert len(cue.words) <= most
        placed = captions.place(cue, drawn)
        assert len({p.y for p in placed}) <= 2
        for p in placed:
            beside = max(style.outline, PANEL_PAD if style.panel_opacity or style.mode == "boxed" else 0) * size[0]
            reach = p.width / 2 * style.spoken_scale + beside
            assert zone.left * size[0] <= p.x - reach + 0.01
            assert p.x + reach <= zone.right * size[0] + 0.01
            assert zone.top * size[1] <= p.y - p.size / 2
            assert p.y + p.size / 2 <= zone.bottom * size[1]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.floats(0.04, 0.6), st.floats(0, 1.2)), min_size=1, max_size=40))
def test_cues_follow_each_other(gaps: list[tuple[float, float]]) -> None:
    """Two cues at once would be drawn over each other."""
    words, now = [], 0.0
    for k, (length, pause) in enumerate(gaps):
        words.append(TimedWord(f"word{k}", now, now + length))
        now += length + pause
    cues = make_cues(words, layout(), duration_s=now + 0.1)
    assert all(c.start_s < c.end_s for c in cues)
    assert all(a.end_s <= b.start_s + 1e-9 for a, b in pairwise(cues))
    assert all(c.start_s <= c.words[0].start_s + 0.011 for c in cues)


def test_spoken_word_lights_up_while_it_is_heard() -> None:
    """The highlight follows the voice: on at the word's start, off at the next one's."""
    words = [TimedWord("one", 1.0, 1.4), TimedWord("two", 1.5, 2.0)]
    text = to_ass(make_cues(words, layout(), duration_s=3), layout())
    events = [line for line in text.splitlines() if line.startswith("Dialogue")]
    assert len(events) == 2
    start = float(events[0].split(",")[1].rsplit(":", 1)[1])
    for event, (on_s, off_s) in zip(events, [(1.0, 1.5), (1.5, 2.15)], strict=True):
        found = re.search(r"\\t\((\d+),\d+,\\1c&H4AD2FF&.*\\t\((\d+),", event)
        assert found is not None
        assert start + int(found[1]) / 1000 == pytest.approx(on_s, abs=0.04)
        assert start + int(found[2]) / 1000 == pytest.approx(off_s, abs=0.04)


def test_srt_has_plain_cues() -> None:
    """Platforms take this file; its clock has commas."""
    text = to_srt(make_cues([TimedWord("«\xa0l'Été\xa0»", 61.5, 62.0)], layout(), duration_s=63))
    assert text == "1\n00:01:01,440 --> 00:01:02,350\n«\xa0l'Été\xa0»\n"


def test_missing_letter_is_named() -> None:
    """A box in place of a letter must not reach anybody's phone."""
    with pytest.raises(fonts.GlyphMissing, match="富"):
        to_ass(make_cues([TimedWord("富士", 0, 1)], layout(), duration_s=1), layout())


def test_lato_writes_french_and_english() -> None:
    """The bundled font covers both languages with all their marks."""
    assert (
        LATO.missing("ÀÂÆÇÉÈÊËÎÏÔŒÙÛÜŸàâæçéèêëîïôœùûüÿ«»‹›“”‘’„—–…€·°ªº½ñß¿¡abcXYZ0123456789!?;:.,%&@#'\"()[]{}/\\")
        == ""
    )


def test_unknown_family_lists_what_there_is() -> None:
    """The message names the setting and the fonts that would do."""
    with pytest.raises(fonts.ResourceMissing, match=r"captions\.font.*'Comic'.*Lato"):
        fonts.find("Comic")


@pytest.mark.parametrize(("time_s", "text"), [(0, "0:00:00.00"), (59.999, "0:01:00.00"), (3723.456, "1:02:03.46")])
def test_ass_clock(time_s: float, text: str) -> None:
    """Rounding carries over into minutes and hours."""
    assert ass.clock(time_s) == text
