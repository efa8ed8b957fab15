"""Presets, fonts behind the font, and cues that can be read in time."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from steps import fonts
from steps.caption_drawing import to_ass
from steps.caption_options import CaptionOptions
from steps.caption_styles import presets, style_of
from steps.captions import Layout, make_cues, place
from steps.errors import ResourceMissing
from steps.font_stack import FontStack, stack_of
from steps.words import TimedWord, said_words

LATO = fonts.find("Lato", weight="Black")


def layout(style: str = "highlight", **options: object) -> Layout:
    look = style_of(CaptionOptions(style=style, **options))  # type: ignore[arg-type]
    return Layout(FontStack((LATO,)), look, 1080, 1920)


def words(*spans: tuple[str, float, float]) -> list[TimedWord]:
    return [TimedWord(*span) for span in spans]


def test_owner_s_presets_build_on_ours(tmp_path: Path) -> None:
    """Three lines make a look; the settings that hold for all presets win."""
    file = tmp_path / "own.yaml"
    file.write_text(
        "mine: {like: boxed, box_colour: '#7FE0C4', position: upper}\nloud: {like: mine, uppercase: true}\n"
    )
    found = presets(file)
    assert found["loud"].box_colour == "#7FE0C4"
    assert found["loud"].mode == "boxed"
    style = style_of(CaptionOptions(style="loud", presets=file, highlight="#FF0000", words_per_cue=2))
    assert (style.box_colour, style.words_per_cue, style.font) == ("#FF0000", 2, "Lato")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("mine: [1", "no YAML"),
        ("- a\n- b", "must hold presets by name"),
        ("mine: {sise: 0.1}", r"'mine'.*sise"),
        ("mine: {size: 9}", r"'mine'.*size"),
        ("mine: {colour: red}", r"'mine'.*colour"),
        ("mine: {like: yours}", "names no preset before it: 'yours'"),
        ("../../x: {}", "is no name"),
    ],
)
def test_wrong_presets_are_told_with_file_and_key(tmp_path: Path, text: str, told: str) -> None:
    """An owner's typing error is found before anything is drawn."""
    file = tmp_path / "own.yaml"
    file.write_text(text)
    with pytest.raises(ResourceMissing, match=rf"captions\.presets: .*own\.yaml.*{told}"):
        presets(file)


def test_unknown_preset_lists_what_there_is() -> None:
    """The message is the way out."""
    with pytest.raises(ResourceMissing, match=r"captions\.style.*'neon'.*highlight, boxed"):
        style_of(CaptionOptions(style="neon"))


def test_box_stands_behind_the_spoken_word_only() -> None:
    """One box at a time, from its word's start to the next one's, below the letters."""
    cues = make_cues(words(("one", 1.0, 1.4), ("two", 1.5, 2.0)), layout("boxed"), duration_s=3)
    events = [line.split(",", 9) for line in to_ass(cues, layout("boxed")).splitlines() if line.startswith("Dialogue")]
    boxes = [e for e in events if r"\p1" in e[9]]
    assert [e[0] for e in boxes] == ["Dialogue: 1", "Dialogue: 1"]
    assert boxes[0][2] <= boxes[1][1]
    assert {e[0] for e in events if r"\p1" not in e[9]} == {"Dialogue: 2"}


def test_capitals_are_for_the_picture_alone() -> None:
    """The caption file keeps the script's spelling."""
    cues = make_cues(words(("l'été", 0.5, 1.0)), layout("shout"), duration_s=2)
    assert "L'ÉTÉ" in to_ass(cues, layout("shout"))
    assert cues[0].text == "l'été"


def test_line_does_not_end_in_an_article() -> None:
    """'Le sourire de la | Joconde' makes the eye stumble."""
    script = said_words("Voilà mon sourire de la Renaissance", "fr")
    spoken = words(*((w.text, 0.3 * k, 0.3 * k + 0.25) for k, w in enumerate(script)))
    for style in set(presets()) - {"shout"}:  # two large words have no choice
        drawn = layout(style)
        for cue in make_cues(spoken, drawn, duration_s=3):
            placed = place(cue, drawn)
            for y in {one.y for one in placed}:
                last = [one.word.text for one in placed if one.y == y][-1]
                assert last not in ("de", "la", "mon")


def test_hurried_cue_takes_the_silence_beside_it() -> None:
    """Twenty letters in a third of a second cannot be read; seconds of silence lie after them."""
    spoken = words(("vraiment", 1.0, 1.15), ("incroyable.", 1.15, 1.3), ("Oui.", 3.5, 3.8))
    first, second = make_cues(spoken, layout(), duration_s=4.5)
    assert first.letters_per_s <= 22.5
    assert first.end_s <= second.start_s
    slow = replace(layout(), letters_per_s=10.0)
    assert make_cues(spoken, slow, duration_s=4.5)[0].end_s > first.end_s


def test_letters_that_lato_lacks_come_from_the_font_behind(tmp_path: Path) -> None:
    """A name with đ or ğ is written whole in one font; without one that has them, the letters are named."""
    assert LATO.missing("đşğ") == "đşğ"
    with pytest.raises(fonts.GlyphMissing, match=r"'đ' \(U\+0111\).*captions\.fallback_fonts"):
        layout().fonts.require("Đorđe đ")
    spare = replace(LATO, family="Spare", name="Spare Black", path=tmp_path / "spare.ttf")

    class Wide(fonts.Font):
        def missing(self, text: str) -> str:
            return ""

        def width(self, text: str, *, size: float) -> float:
            return len(text) * size / 2

    wide = Wide(spare.path, spare.family, spare.style, spare.name, spare.em_share * 2, 0.7)
    stack = FontStack((LATO, wide))
    stack.require("đşğ")
    assert stack.used_by("un Đorđe") == (LATO, wide)
    drawn = replace(layout(), fonts=stack)
    text = to_ass(make_cues(words(("un", 0.1, 0.3), ("Đorđe", 0.4, 0.9)), drawn, duration_s=2), drawn)
    found = re.search(r"\\fnSpare Black\\fs([\d.]+)\}Đorđe", text)
    assert found is not None
    assert float(found[1]) == pytest.approx(drawn.size / 2, abs=0.1)


def test_arabic_words_run_from_right_to_left() -> None:
    """Word order on the line is the reader's, and times stay with their words."""
    drawn = layout("plain")
    (cue,) = make_cues(words(("oui", 0.0, 0.2), ("مرحبا", 0.3, 0.5), ("يا", 0.6, 0.8)), drawn, duration_s=1)
    line = sorted(place(cue, drawn), key=lambda one: one.x)
    assert [one.word.text for one in line] == ["oui", "يا", "مرحبا"]


def test_font_whose_name_would_break_the_script_is_refused(tmp_path: Path) -> None:
    """A font's name comes from its file, and goes into a line full of commas and braces."""
    data = LATO.path.read_bytes().replace("Lato Black".encode("utf-16-be"), "Lato,Black".encode("utf-16-be"))
    (tmp_path / "Evil.ttf").write_bytes(data)
    with pytest.raises(ResourceMissing, match=r"Evil\.ttf is damaged"):
        stack_of(CaptionOptions(fonts_dir=tmp_path), family="Lato", weight="Black")
