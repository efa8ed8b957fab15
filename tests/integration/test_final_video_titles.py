"""Titles of every kind, drawn by the renderer and compared with the same letters drawn another way."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from steps import ass, fonts, titles
from steps.captions import SAFE_BOX
from steps.external import ffmpeg
from steps.titles import Lettering, Wording
from steps.workfiles import write_text

LATO = fonts.find("Lato", weight="Bold")
SIZE = 60.0
CANVAS = (1900, 120)
HOSTILE = [
    "L'Été à 50%: \"a\\b\", [x]; d'Arc",
    "{\\an8}Title{\\b1}",
    "a\\Nb\\nc\\hd",
    "\\",
    "back\\\\slash\\",
    "{",
    "}{",
    "\\{x\\}",
    "100%{expr}%%{n}",
    "%{pts}",
    "a,b;c:d=e'f",
    "[in][out];[v]",
    "Comma, \"quoted\", 'single'",
    "«\xa0Où\xa0? Là\xa0!\xa0» – œuvre d’Œdipe",
    "Dialogue: 0,0:00:00.00,0:00:05.00,Default",
    "$(reboot) `id` | & > < #",
    "/etc/passwd ../../x ~user",
    "&amp;<b>x</b>",
    "AV To. fi ffl",
    "!?¿¡ €£$ @# *_~^",
]


def drawn_by_renderer(texts: list[str], work: Path) -> list[np.ndarray]:
    """Draw every text with libass, each in its own frame of one run; return the grey pictures."""
    fonts.place([LATO], work=work)
    events = [ass.Event(n, n + 1, "plain", rf"{{\an7\pos(20,20)}}{ass.escape(text)}") for n, text in enumerate(texts)]
    style = ass.Style("plain", LATO.name, SIZE)
    write_text(work / "t.ass", ass.document([style], events, width=CANVAS[0], height=CANVAS[1]))
    canvas = f"color=black:s={CANVAS[0]}x{CANVAS[1]}:r=1:d={len(texts)}"
    drawing = ["-vf", f"ass=t.ass:fontsdir={fonts.FOLDER}", "-pix_fmt", "gray", "-f", "rawvideo", "pipe:1"]
    raw = ffmpeg.run(["-f", "lavfi", "-i", canvas, *drawing], cwd=work).stdout
    return list(np.frombuffer(raw, np.uint8).reshape(len(texts), CANVAS[1], CANVAS[0]))


def drawn_by_pillow(text: str) -> np.ndarray:
    """Draw a text with another library at the same size of its em."""
    image = Pillow.new("L", CANVAS)
    font = ImageFont.truetype(str(LATO.path), SIZE * LATO.em_share)
    ImageDraw.Draw(image).text((20, 20), text, font=font, fill=255)
    return np.asarray(image)


def ink(image: np.ndarray) -> np.ndarray:
    """Cut a picture down to what is drawn on it, at a common size."""
    rows, columns = np.flatnonzero(image.max(axis=1) > 60), np.flatnonzero(image.max(axis=0) > 60)
    assert len(rows), "nothing was drawn"
    part = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return cv2.GaussianBlur(cv2.resize(part, (1200, 64), interpolation=cv2.INTER_AREA), (0, 0), 2).astype(float)


def width_of(image: np.ndarray) -> int:
    columns = np.flatnonzero(image.max(axis=0) > 60)
    return int(columns[-1] - columns[0]) + 1


def test_titles_come_out_letter_for_letter(tmp_path: Path) -> None:
    """Braces, backslashes, quotes and percent signs mean something to ASS and to filters; here they are letters."""
    for text, rendered in zip(HOSTILE, drawn_by_renderer(HOSTILE, tmp_path), strict=True):
        wanted = drawn_by_pillow(text)
        assert width_of(rendered) == pytest.approx(width_of(wanted), abs=3 + 0.004 * width_of(wanted)), text
        assert np.corrcoef(ink(rendered).ravel(), ink(wanted).ravel())[0, 1] > 0.9, text


def test_comparison_sees_a_lost_letter(tmp_path: Path) -> None:
    """The test above can fail: one missing backslash is enough."""
    rendered = drawn_by_renderer(["a\\b"], tmp_path)[0]
    assert abs(width_of(rendered) - width_of(drawn_by_pillow("ab"))) > 5


letters = st.characters(blacklist_categories=["Cs"])
wordings = st.builds(
    Wording, st.text(letters, max_size=120), st.text(letters, max_size=60), st.just("Portrait animé par IA")
)


def lettering(width: int = 1080, height: int = 1920) -> Lettering:
    return Lettering(fonts.find("Lato", weight="Black"), LATO, width, height)


@settings(deadline=None, max_examples=80)
@given(wordings, st.text(letters, max_size=20), st.floats(0.1, 6))
def test_no_title_breaks_the_script(wording: Wording, mark: str, talk_at_s: float) -> None:
    """Whatever a catalogue holds: each event stays one line, and no brace or backslash of a title is left bare."""
    document = titles.card(wording, mark, lettering(), talk_at_s=talk_at_s, total_s=30)
    head, events = document.split("[Events]\n")
    assert head.count("\nStyle:") == 4
    for line in events.splitlines()[1:]:
        assert line.startswith("Dialogue: ")
        tags, _, text = line.split(",", 9)[9].partition("}")
        assert tags.startswith("{\\an7\\pos(")
        bare = text.replace("\\\u2060", "").replace("\\{", "").replace("\\}", "")
        assert not set("{}\\") & set(bare)


def test_hostile_cards_render(tmp_path: Path) -> None:
    """The renderer takes them all: the same script that the final video draws, drawn once each."""
    fonts.place([lettering().title, lettering().small], work=tmp_path)
    nasty = ["\u202eevil\u200b\ufeff", "a" * 400, "\x00\x07\t\n\r", "😀 x 😀", "é" * 90, "नमस्ते", *HOSTILE[:6]]
    for number, title in enumerate(nasty):
        card = titles.card(Wording(title, title, "IA"), title[:40], lettering(270, 480), talk_at_s=3, total_s=5)
        write_text(tmp_path / f"{number}.ass", card)
    chain = ",".join(f"ass={number}.ass:fontsdir=fonts" for number in range(len(nasty)))
    source = ["-f", "lavfi", "-i", "color=gray:s=270x480:r=4:d=4"]
    done = ffmpeg.run([*source, "-vf", chain, "-f", "null", "-"], cwd=tmp_path)
    assert "rror" not in done.stderr


@pytest.mark.parametrize("words", [1, 6, 20, 60])
@pytest.mark.parametrize("talk_at_s", [1.0, 3.0])
def test_card_stays_in_the_safe_box(words: int, talk_at_s: float) -> None:
    """Every line, however long the title; and clear of the captions if they come while it stands."""
    wording = Wording(" ".join(["Portrait"] * words), "Jean-Auguste-Dominique Ingres, 1806", "Portrait animé par IA")
    events = list(
        titles._card_events(
            wording,
            lettering(),
            low=titles._LOW if talk_at_s > 2 else titles._ABOVE_CAPTIONS,
            title_size=titles._TITLE,
            span_s=(0.25, 3.3),
        )
    )
    lines, top, bottom = titles._block(
        wording, lettering(), low=1350 if talk_at_s > 2 else 1120, title_size=titles._TITLE
    )
    assert len(events) == len(lines) + 2
    assert top >= SAFE_BOX[1] * 1920
    assert bottom <= (SAFE_BOX[3] * 1920 if talk_at_s > 2 else 1150)
    for line in lines:
        font = lettering().title if line.style == "title" else LATO
        assert titles._LEFT + titles._INDENT + font.width(line.text, size=line.size) <= SAFE_BOX[2] * 1080 + 1
    shown = "".join(line.text for line in lines if line.style == "title")
    assert shown.endswith("…") or shown.replace(" ", "") == "Portrait" * words


@pytest.mark.parametrize(
    ("text", "written", "lost"),
    [
        ("L'Été", "L'Été", ""),
        ("Müşfik Đ", "Müsfik", "şĐ"),
        ("富嶽 Fuji", "Fuji", "富嶽"),
        ("a\u200bb\n c", "ab c", ""),
    ],
)
def test_letters_that_the_font_lacks(text: str, written: str, lost: str) -> None:
    """A title loses as little as possible, and what it loses is reported; it never fails a finished night's work."""
    assert titles.writable(text, LATO) == written
    assert titles.unwritable(Wording(text), Lettering(LATO, LATO, 270, 480)) == lost


def test_card_is_gone_before_the_first_caption() -> None:
    """Two texts at one place cannot be read."""
    document = titles.card(Wording("La Dame"), "", lettering(), talk_at_s=2.5, total_s=30)
    ends = {line.split(",")[2] for line in document.splitlines() if line.startswith("Dialogue")}
    assert ends == {"0:00:02.50"}
