"""What is written over the final video besides captions: the card with title and artist, and the mark in the corner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from steps import ass
from steps.fonts import Font

CARD_S = 3.4  # how long the card stays
FADE_MS = 450
_LEFT, _WIDTH = 0.075, 0.76  # shares of the picture's width that titles may use
_TOP = 0.135  # of the height: below what the apps show at the top
_COVER_TOP = 0.66  # of the height: a thumbnail has no captions, and the face should be free
_MOST_LINES = 3


@dataclass(frozen=True)
class Lettering:
    """The fonts and the picture that is written on."""

    title: Font
    small: Font
    width: int
    height: int


@dataclass(frozen=True)
class Laid:
    """A text broken into lines at a size."""

    lines: tuple[str, ...]
    size: float  # of the renderer, pixels


def card(title: str, byline: str, watermark: str, lettering: Lettering, *, total_s: float) -> str:
    """Return the ASS script of a whole video: the card at its start, and the mark as long as it lasts.

    Letters that the font lacks are left out, rather than failing a video at its last step over a title.
    """
    events = _card_events(title, byline, lettering)
    events = [
        ass.Event(0.0, CARD_S, event.style, rf"{{\fad({FADE_MS},{FADE_MS})}}{event.text}", event.layer)
        for event in events
    ]
    mark = writable(watermark, lettering.small)
    if mark:
        x, y = round(lettering.width * 0.93), round(lettering.height * 0.105)
        events.append(ass.Event(0.0, total_s + 1, "mark", rf"{{\an9\pos({x},{y})}}{ass.escape(mark)}"))
    return ass.document(_styles(lettering), events, width=lettering.width, height=lettering.height)


def cover(title: str, byline: str, lettering: Lettering) -> str:
    """Return the ASS script of a thumbnail: the card, without fading."""
    events = [
        ass.Event(0.0, 10.0, event.style, event.text, event.layer)
        for event in _card_events(title, byline, lettering, top=_COVER_TOP)
    ]
    return ass.document(_styles(lettering), events, width=lettering.width, height=lettering.height)


def writable(text: str, font: Font) -> str:
    """Return a text without the letters that a font has no picture of."""
    missing = set(font.missing(text))
    return " ".join("".join(letter for letter in text if letter not in missing).split())


def lay_out(text: str, font: Font, *, width: float, largest: float) -> Laid:
    """Break a text into the fewest lines, as large as fits: at most three lines, smaller when that is not enough."""
    size = largest
    while True:
        lines = _wrapped(text, font, size=size, width=width)
        fits = len(lines) <= _MOST_LINES and all(font.width(line, size=size) <= width for line in lines)
        if fits or size < largest * 0.3:
            return Laid(tuple(lines[:_MOST_LINES]), size)
        size *= 0.92


def _wrapped(text: str, font: Font, *, size: float, width: float) -> list[str]:
    lines: list[str] = []
    for word in text.split():
        if lines and font.width(f"{lines[-1]} {word}", size=size) <= width:
            lines[-1] = f"{lines[-1]} {word}"
        else:
            lines.append(word)
    return lines


def _styles(lettering: Lettering) -> Sequence[ass.Style]:
    scale = lettering.width / 1080
    return (
        ass.Style("title", lettering.title.name, 1.0, outline=3.2 * scale, shadow=2.5 * scale, colour="#FFF6E0"),
        ass.Style("byline", lettering.small.name, 1.0, outline=2.4 * scale, shadow=2 * scale, colour="#F4D58A"),
        ass.Style("mark", lettering.small.name, 38 * scale, outline=1.2 * scale, opacity=0.55, outline_opacity=0.45),
    )


def _card_events(title: str, byline: str, lettering: Lettering, *, top: float = _TOP) -> list[ass.Event]:
    scale = lettering.width / 1080
    x, y = round(lettering.width * _LEFT), lettering.height * top
    events = []
    for style, text, font, largest in (
        ("title", title, lettering.title, 104 * scale),
        ("byline", byline, lettering.small, 56 * scale),
    ):
        shown = writable(text, font)
        if not shown:
            continue
        laid = lay_out(shown, font, width=lettering.width * _WIDTH, largest=largest)
        for line in laid.lines:
            tags = rf"{{\an7\pos({x},{round(y)})\fs{laid.size:.1f}}}"
            events.append(ass.Event(0.0, CARD_S, style, tags + ass.escape(line)))
            y += laid.size * 1.02
        y += 10 * scale
    return events
