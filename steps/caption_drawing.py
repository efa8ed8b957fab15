"""Captions as the renderer draws them (ASS), and as platforms take them (SubRip).

Three layers: a panel behind a line, a box behind the spoken word, the letters. Outside text passes `ass.escape`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from steps import ass
from steps.captions import PANEL_PAD, Cue, Layout, Placed, place
from steps.words import TimedWord

_LINGER_S = 0.35  # a word stays lit for so long in a pause
_STYLE, _SHAPE = "Caption", "Shape"
_CURVE = 0.5523  # how far a Bezier curve's handles reach to draw a quarter of a circle


def to_ass(cues: Sequence[Cue], layout: Layout) -> str:
    """Return the captions as an ASS script for a picture of the layout's size.

    Raises:
        GlyphMissing: no font has a letter.
    """
    layout.fonts.require("".join(layout.shown(cue.text) for cue in cues))
    style = layout.style
    letters = ass.Style(
        _STYLE,
        layout.fonts.first.name,
        round(layout.size, 2),
        round(style.outline * layout.width, 2),
        round(style.shadow * layout.width, 2),
        colour=style.colour,
        outline_colour=style.outline_colour,
    )
    shapes = ass.Style(_SHAPE, layout.fonts.first.name, round(layout.size, 2))
    return ass.document([letters, shapes], _events(cues, layout), width=layout.width, height=layout.height)


def to_srt(cues: Sequence[Cue]) -> str:
    """Return the captions as SubRip text, for platforms that take a caption file."""
    blocks = (f"{n}\n{_srt_clock(c.start_s)} --> {_srt_clock(c.end_s)}\n{c.text}\n" for n, c in enumerate(cues, 1))
    return "\n".join(blocks)


def _events(cues: Sequence[Cue], layout: Layout) -> Iterator[ass.Event]:
    for cue in cues:
        placed = place(cue, layout)
        if layout.style.panel_opacity:
            yield from _panels(cue, placed, layout)
        for one in placed:
            if layout.style.mode == "boxed":
                yield _box(cue, one, layout)
            drop = layout.fonts.drop(layout.shown(one.word.text), size=one.size)
            where = f"\\pos({one.x:.1f},{one.y + drop:.1f})"
            tags = f"{{{where}{_size_tag(one, layout)}{_spoken_tags(cue, one, layout)}}}"
            yield ass.Event(cue.start_s, cue.end_s, _STYLE, tags + _letters(one, layout), layer=2)


def _letters(placed: Placed, layout: Layout) -> str:
    """Return a word's text, with a change of font before letters that the first one lacks."""
    runs = layout.fonts.runs(layout.shown(placed.word.text))
    if len(runs) == 1 and runs[0].font == layout.fonts.first:
        return ass.escape(runs[0].text)
    return "".join(
        f"{{\\fn{run.font.name}\\fs{layout.fonts.size(run.font, placed.size):.1f}}}{ass.escape(run.text)}"
        for run in runs
    )


def _size_tag(placed: Placed, layout: Layout) -> str:
    return "" if math.isclose(placed.size, layout.size) else f"\\fs{placed.size:.1f}"


def _spoken_tags(cue: Cue, placed: Placed, layout: Layout) -> str:
    """Return the tags that light a word up and let it go; times in them count from the cue's start."""
    style = layout.style
    if style.mode == "plain":
        return ""
    grown = round(100 * style.spoken_scale)
    on_ms, off_ms = _lit_ms(cue, placed.word)
    rise_ms, fall_ms = (60, 90) if style.mode == "highlight" else (1, 1)  # dark letters must not outlast their box
    edge = f"\\3c{ass.colour(style.box_colour)}" if style.mode == "boxed" else ""
    back = f"\\3c{ass.colour(style.outline_colour)}" if style.mode == "boxed" else ""
    lit = f"\\1c{ass.colour(style.spoken_colour)}{edge}\\fscx{grown}\\fscy{grown}"
    rest = f"\\1c{ass.colour(style.colour)}{back}\\fscx100\\fscy100"
    return f"\\t({on_ms},{on_ms + rise_ms},{lit})\\t({off_ms},{off_ms + fall_ms},{rest})"


def _lit_ms(cue: Cue, word: TimedWord) -> tuple[int, int]:
    """Return from when to when a word is lit, in milliseconds from its cue's start."""
    on_ms = max(0, round((word.start_s - cue.start_s) * 1000) - 30)
    return on_ms, max(on_ms + 40, round((_silent_from(cue, word) - cue.start_s) * 1000))


def _silent_from(cue: Cue, word: TimedWord) -> float:
    """A word stays lit until the next one, unless a pause comes first."""
    index = cue.words.index(word)
    if index + 1 < len(cue.words):
        return min(cue.words[index + 1].start_s - 0.03, word.end_s + _LINGER_S)
    return min(cue.end_s, word.end_s + 0.15)


def _box(cue: Cue, placed: Placed, layout: Layout) -> ass.Event:
    """Return the box behind a word while it is spoken."""
    on_ms, off_ms = _lit_ms(cue, placed.word)
    half_width = placed.width / 2 * layout.style.spoken_scale + 0.8 * PANEL_PAD * layout.width
    half_height = 0.46 * placed.size
    shape = _rounded(placed.x, placed.y, half_width, half_height, radius=0.16 * placed.size)
    tags = f"{{\\an7\\pos(0,0)\\1c{ass.colour(layout.style.box_colour)}\\bord0\\shad0\\p1}}"
    return ass.Event(cue.start_s + on_ms / 1000, cue.start_s + off_ms / 1000, _SHAPE, tags + shape, layer=1)


def _panels(cue: Cue, placed: Sequence[Placed], layout: Layout) -> Iterator[ass.Event]:
    """Return the panel behind each line of a cue."""
    hidden = round(255 * (1 - layout.style.panel_opacity))
    tags = f"{{\\an7\\pos(0,0)\\1c{ass.colour(layout.style.panel_colour)}\\1a&H{hidden:02X}&\\bord0\\shad0\\p1}}"
    for y in sorted({one.y for one in placed}):
        line = [one for one in placed if one.y == y]
        left = min(one.x - one.width / 2 for one in line) - PANEL_PAD * layout.width
        right = max(one.x + one.width / 2 for one in line) + PANEL_PAD * layout.width
        half_height = layout.line_step / 2 - 0.5  # lines touch and do not overlap: that would be seen as a dark band
        shape = _rounded((left + right) / 2, y, (right - left) / 2, half_height, radius=0.18 * layout.size)
        yield ass.Event(cue.start_s, cue.end_s, _SHAPE, tags + shape, layer=0)


def _rounded(x: float, y: float, half_width: float, half_height: float, *, radius: float) -> str:
    """Return a rectangle with round corners as a drawing of the renderer's."""
    left, right, top, low = x - half_width, x + half_width, y - half_height, y + half_height
    r = min(radius, half_width, half_height)
    h = r * (1 - _CURVE)
    return " ".join(
        (
            f"m {left + r:.1f} {top:.1f} l {right - r:.1f} {top:.1f}",
            f"b {right - h:.1f} {top:.1f} {right:.1f} {top + h:.1f} {right:.1f} {top + r:.1f}",
            f"l {right:.1f} {low - r:.1f}",
            f"b {right:.1f} {low - h:.1f} {right - h:.1f} {low:.1f} {right - r:.1f} {low:.1f}",
            f"l {left + r:.1f} {low:.1f}",
            f"b {left + h:.1f} {low:.1f} {left:.1f} {low - h:.1f} {left:.1f} {low - r:.1f}",
            f"l {left:.1f} {top + r:.1f}",
            f"b {left:.1f} {top + h:.1f} {left + h:.1f} {top:.1f} {left + r:.1f} {top:.1f}",
        )
    )


def _srt_clock(time_s: float) -> str:
    ms = max(0, round(time_s * 1000))
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d},{ms % 1000:03d}"
