"""Text files for the renderer (ASS): how a script is written, and how any text comes out letter for letter.

ASS gives braces and backslashes a meaning; everything that comes from outside passes `escape`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

_WORD_JOINER = "\N{WORD JOINER}"  # has no width and no picture; ends what the backslash before it could begin
_STYLE_FIELDS = (
    "Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, "
    "StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, "
    "Encoding"
)
_EVENT_FIELDS = "Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text"


@dataclass(frozen=True)
class Style:
    """How a kind of text looks. Lengths are in the script's own pixels."""

    name: str
    font: str
    size: float  # spans ascent and descent, not an em
    outline: float = 0.0
    shadow: float = 0.0
    colour: str = "#FFFFFF"
    opacity: float = 1.0
    outline_colour: str = "#141210"
    outline_opacity: float = 1.0


@dataclass(frozen=True)
class Event:
    """One piece of text on screen."""

    start_s: float
    end_s: float
    style: str
    text: str  # with override tags; outside text escaped
    layer: int = 0  # higher ones are drawn later


def document(styles: Iterable[Style], events: Iterable[Event], *, width: int, height: int) -> str:
    """Return a whole script for a picture of some size; positions in it are pixels of that picture.

    Nothing is wrapped by the renderer: every line and position is ours.
    """
    lines = [
        "[Script Info]",
        "ScriptType: v4.00+",
        f"PlayResX: {width}",
        f"PlayResY: {height}",
        "WrapStyle: 2",
        "ScaledBorderAndShadow: yes",
        "Kerning: yes",  # off by default; widths are measured with it
        "YCbCr Matrix: None",  # colours are RGB; without this some renderers shift them as old ones did
        "",
        "[V4+ Styles]",
        f"Format: {_STYLE_FIELDS}",
        *map(_style_line, styles),
        "",
        "[Events]",
        f"Format: {_EVENT_FIELDS}",
        *map(_event_line, events),
    ]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """Return outside text so that it is drawn letter for letter, on one line."""
    flat = "".join(" " if c.isspace() else c for c in text if c.isspace() or unicodedata.category(c)[0] != "C")
    safe = flat.replace("\\", f"\\{_WORD_JOINER}").replace("{", "\\{").replace("}", "\\}")
    # Spaces at the edges would be trimmed, and with them the place where the text was laid out.
    return safe.strip()


def colour(rgb: str) -> str:
    """Return "#RRGGBB" in the order that ASS wants: &HBBGGRR&."""
    return f"&H{rgb[5:7]}{rgb[3:5]}{rgb[1:3]}&".upper()


def clock(time_s: float) -> str:
    """Return a time as H:MM:SS.cc."""
    hundredths = max(0, round(time_s * 100))
    return f"{hundredths // 360_000}:{hundredths // 6000 % 60:02d}:{hundredths // 100 % 60:02d}.{hundredths % 100:02d}"


def _style_line(style: Style) -> str:
    def full(rgb: str, opacity: float) -> str:
        return f"&H{round(255 * (1 - opacity)):02X}{rgb[5:7]}{rgb[3:5]}{rgb[1:3]}".upper()

    text = full(style.colour, style.opacity)
    edge = full(style.outline_colour, style.outline_opacity)
    shade = full("#000000", 0.55 * style.opacity)
    return (
        f"Style: {style.name},{style.font},{style.size:g},{text},{text},{edge},{shade},0,0,0,0,100,100,0,0,1,"
        f"{style.outline:g},{style.shadow:g},5,0,0,0,1"
    )


def _event_line(event: Event) -> str:
    times = f"{clock(event.start_s)},{clock(event.end_s)}"
    return f"Dialogue: {event.layer},{times},{event.style},,0,0,0,,{event.text}"
