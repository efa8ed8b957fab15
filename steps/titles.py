"""What is written over the final video besides captions: the card with title and artist, and the mark in the corner.

The card stands low and to the left, where a portrait has no face, and is gone before the first caption comes. Whatever
a title holds comes out letter for letter; only what the font has no picture of is replaced or left out, and said so.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from steps import ass
from steps.captions import SAFE_BOX
from steps.fonts import Font

CARD_FROM_S = 0.25  # the very first pictures stay bare, so that the loop has no jump
CARD_TO_S = 3.3
SHORTEST_CARD_S = 1.6  # time enough to read it; otherwise it stays while the portrait begins to talk
FADE_MS = 350

# Lengths at a picture 1,080 wide.
_LEFT, _BAR, _INDENT = 72, 7, 30
_LOW, _ABOVE_CAPTIONS, _COVER_LOW = 1392, 1120, 1500  # where the card's last line ends
_TITLE, _BYLINE, _NOTICE = 94, 54, 42
_COVER_TITLE = 118
_MARK, _STANDING = 38, 36
_LINE = 1.04
_MOST_LINES = 4
_SMALLEST = 0.5  # of a title's usual size; a longer one is cut

_GOLD, _CREAM = "#F2C14E", "#FFF4DC"


@dataclass(frozen=True)
class Lettering:
    """The fonts and the picture that is written on."""

    title: Font
    small: Font
    width: int
    height: int

    @property
    def scale(self) -> float:
        """Return the pixels of this picture for one at a width of 1,080."""
        return self.width / 1080


@dataclass(frozen=True)
class Wording:
    """What the card says; an empty line is left out."""

    title: str
    byline: str = ""
    notice: str = ""


@dataclass(frozen=True)
class _Line:
    """One line of text at its place."""

    text: str
    style: str
    size: float
    y: float  # top, pixels


def card(
    wording: Wording, watermark: str, lettering: Lettering, *, talk_at_s: float, total_s: float, standing: str = ""
) -> str:
    """Return the ASS script of a whole video: the card at its start, and what stands in the corner as long as it lasts.

    Args:
        wording: Data from outside.
        watermark: The mark; none if empty.
        lettering: Fonts and size.
        talk_at_s: When captions may come.
        total_s: Length of the video.
        standing: A line that stays below the mark; none if empty.
    """
    is_gone_before_captions = talk_at_s - CARD_FROM_S >= SHORTEST_CARD_S
    until_s = min(CARD_TO_S, talk_at_s) if is_gone_before_captions else CARD_TO_S
    low = _LOW if is_gone_before_captions else _ABOVE_CAPTIONS
    events = list(_card_events(wording, lettering, low=low, title_size=_TITLE, span_s=(CARD_FROM_S, until_s)))
    x, y = round(SAFE_BOX[0] * lettering.width), round(SAFE_BOX[1] * lettering.height)
    for text, size in ((watermark, _MARK), (standing, _STANDING)):
        shown = writable(text, lettering.small)
        if shown:
            tags = rf"{{\an7\pos({x},{y})\fs{size * lettering.scale:.1f}}}"
            events.append(ass.Event(0.0, total_s + 1, "mark", tags + ass.escape(shown), 2))
            y += round(size * lettering.scale * _LINE)
    return ass.document(_styles(lettering), events, width=lettering.width, height=lettering.height)


def cover(wording: Wording, lettering: Lettering) -> str:
    """Return the ASS script of a thumbnail: the card alone, larger, from the first moment."""
    events = _card_events(wording, lettering, low=_COVER_LOW, title_size=_COVER_TITLE, span_s=(0.0, 10.0))
    still = [ass.Event(e.start_s, e.end_s, e.style, e.text.replace(_fading(), ""), e.layer) for e in events]
    return ass.document(_styles(lettering), still, width=lettering.width, height=lettering.height)


def writable(text: str, font: Font) -> str:
    """Return a text as the font can write it: a letter that it lacks loses its accent, or is left out."""
    normal = " ".join(unicodedata.normalize("NFC", text).split())
    missing = set(font.missing(normal))
    plain = "".join(_plain(letter, font) if letter in missing else letter for letter in normal)
    return " ".join(plain.split())


def unwritable(wording: Wording, lettering: Lettering) -> str:
    """Return the letters of a card that its fonts lack; "" for none."""
    lines = ((wording.title, lettering.title), (wording.byline, lettering.small), (wording.notice, lettering.small))
    shown = [letter for text, font in lines for letter in font.missing(unicodedata.normalize("NFC", text))]
    return "".join(dict.fromkeys(letter for letter in shown if unicodedata.category(letter)[0] != "C"))


def lay_out(text: str, font: Font, *, width: float, largest: float) -> tuple[tuple[str, ...], float]:
    """Break a text into lines and return them with their size: the largest that needs few lines.

    A text that is too long even at half the size ends with an ellipsis.
    """
    size = largest
    while True:
        lines = _wrapped(text, font, size=size, width=width)
        allowed = 2 if size > 0.8 * largest else 3 if size > 0.65 * largest else _MOST_LINES
        if len(lines) <= allowed:
            return tuple(lines), size
        if size <= _SMALLEST * largest:
            kept = lines[:_MOST_LINES]
            while font.width(kept[-1] + "…", size=size) > width:
                kept[-1] = kept[-1][:-1].rstrip()
            return (*kept[:-1], kept[-1] + "…"), size
        size *= 0.94


def _wrapped(text: str, font: Font, *, size: float, width: float) -> list[str]:
    """Fill lines word by word; a word that is wider than a line is broken where it must be."""
    lines: list[str] = []
    for word in text.split():
        if lines and font.width(f"{lines[-1]} {word}", size=size) <= width:
            lines[-1] += f" {word}"
            continue
        lines.append("")
        for letter in word:
            if lines[-1] and font.width(lines[-1] + letter, size=size) > width:
                lines.append("")
            lines[-1] += letter
    return lines


def _card_events(
    wording: Wording, lettering: Lettering, *, low: float, title_size: float, span_s: tuple[float, float]
) -> Iterator[ass.Event]:
    lines, top, bottom = _block(wording, lettering, low=low * lettering.height / 1920, title_size=title_size)
    if not lines:
        return
    scale = lettering.scale
    left = _LEFT * scale
    widest = max(_font(line.style, lettering).width(line.text, size=line.size) for line in lines)
    right = left + (_INDENT + 20) * scale + widest
    # A soft shade under the card, so that it can be read on lace and on snow; then the bar, then the lines.
    shade = _box(left - 60 * scale, top - 30 * scale, right + 40 * scale, bottom + 30 * scale)
    blurred = rf"{{\an7\pos(0,0)\bord0\shad0\1c&H000000&\1a&H58&\blur{38 * scale:.0f}{_fading()}\p1}}{shade}"
    yield ass.Event(*span_s, "title", blurred, 0)
    bar = _box(left, top + 8 * scale, left + _BAR * scale, bottom - 4 * scale)
    gold = rf"{{\an7\pos(0,0)\bord0\shad0\1c{ass.colour(_GOLD)}{_fading()}\p1}}{bar}"
    yield ass.Event(*span_s, "title", gold, 1)
    for line in lines:
        tags = rf"{{\an7\pos({left + _INDENT * scale:.1f},{line.y:.1f})\fs{line.size:.1f}{_fading()}}}"
        yield ass.Event(*span_s, line.style, tags + ass.escape(line.text), 2)


def _block(
    wording: Wording, lettering: Lettering, *, low: float, title_size: float
) -> tuple[list[_Line], float, float]:
    """Stack the card's lines so that the last one ends at `low`; return them with the block's top and bottom."""
    scale = lettering.scale
    width = (SAFE_BOX[2] * 1080 - _LEFT - _INDENT) * scale
    lines: list[_Line] = []
    y = 0.0
    for style, text, size in (
        ("title", wording.title, title_size),
        ("byline", wording.byline, _BYLINE * title_size / _TITLE),
        ("notice", wording.notice, _NOTICE),
    ):
        font = _font(style, lettering)
        shown = writable(text, font)
        if shown:
            broken, chosen = lay_out(shown, font, width=width, largest=size * scale)
            y += 10 * scale if lines else 0
            for part in broken:
                lines.append(_Line(part, style, chosen, y))
                y += chosen * _LINE
    placed = [_Line(line.text, line.style, line.size, line.y + low - y) for line in lines]
    return placed, low - y, low


def _font(style: str, lettering: Lettering) -> Font:
    return lettering.title if style == "title" else lettering.small


def _fading() -> str:
    return rf"\fad({FADE_MS},{FADE_MS})"


def _box(left: float, top: float, right: float, bottom: float) -> str:
    a, b, c, d = (round(value) for value in (left, top, right, bottom))
    return f"m {a} {b} l {c} {b} {c} {d} {a} {d}"


def _plain(letter: str, font: Font) -> str:
    base = "".join(c for c in unicodedata.normalize("NFKD", letter) if not unicodedata.combining(c))
    return base if base and not font.missing(base) else ""


def _styles(lettering: Lettering) -> Sequence[ass.Style]:
    scale = lettering.scale
    title, small = lettering.title.name, lettering.small.name

    def written(name: str, font: str, colour: str, opacity: float = 1.0) -> ass.Style:
        return ass.Style(name, font, 10, 2.2 * scale, 1.5 * scale, colour, opacity, outline_opacity=0.75)

    return (
        written("title", title, "#FFFFFF"),
        written("byline", small, _CREAM),
        written("notice", small, _CREAM),
        ass.Style("mark", small, _MARK * scale, outline=1.6 * scale, opacity=0.6, outline_opacity=0.55),
    )
