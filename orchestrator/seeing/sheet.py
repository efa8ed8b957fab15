"""The contact sheet as a picture, for those who would rather pass a file around than open a page."""

from __future__ import annotations

import functools
import io
from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from orchestrator.seeing.trial import Trial, Tried
from orchestrator.seeing.words import label, place_of, shown, tip
from orchestrator.wording import counted, one_line
from steps import fonts
from steps.judging import NEAR, Finding

COLUMNS, CARDS_A_SHEET = 3, 45  # a picture of more would be refused by some viewers
CARD_W, GAP, PAD, EDGE = 620, 24, 20, 40  # pixels
_PICTURE_W, _PICTURE_H = 200, 300
_ROW_H, _LINE_H = 23, 24
_PAPER, _CARD, _INK, _SOFT, _LINE = "#f6f1e6", "#fffdf8", "#2a241c", "#7d7263", "#e2d9c8"
_GOLD, _GOOD, _BAD, _NEAR = "#96690f", "#2f8f52", "#c2492d", "#f0dfb4"
_BAR_X, _BAR_W = 168, 160
_MOST_LINES = 11  # beside the picture


def draw_sheets(trial: Trial, *, changed: Mapping[str, tuple[Any, Any]]) -> list[Image.Image]:
    """Return the sheets, each with at most 45 pictures, mode RGB."""
    groups = [trial.tried[start : start + CARDS_A_SHEET] for start in range(0, len(trial.tried), CARDS_A_SHEET)] or [()]
    return [_sheet(trial, group, changed, page=(number, len(groups))) for number, group in enumerate(groups, 1)]


def as_png(sheet: Image.Image) -> bytes:
    """Return a sheet as a PNG file's bytes."""
    saved = io.BytesIO()
    sheet.save(saved, "PNG", optimize=False, compress_level=6)
    return saved.getvalue()


def _sheet(
    trial: Trial, group: Sequence[Tried], changed: Mapping[str, tuple[Any, Any]], *, page: tuple[int, int]
) -> Image.Image:
    head = _head_lines(trial, changed, page)
    top = EDGE + 58 + len(head) * 28 + 16
    places, bottom = _places([_height(one) for one in group], top)
    size = (2 * EDGE + COLUMNS * CARD_W + (COLUMNS - 1) * GAP, bottom + EDGE)
    sheet = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((EDGE, EDGE), "What step 0 would do", font=_font("Bold", 40), fill=_INK)
    for number, line in enumerate(head):
        draw.text((EDGE, EDGE + 58 + 28 * number), line, font=_font("Regular", 20), fill=_SOFT)
    for one, (x, y, height) in zip(group, places, strict=True):
        _draw_card(sheet, one, x=x, y=y, height=height)
    return sheet


def _places(heights: Sequence[int], top: int) -> tuple[list[tuple[int, int, int]], int]:
    """Put each card into the column that is shortest so far. Returns x, y, height of each, and where the last ends."""
    ends = [top] * COLUMNS
    places = []
    for height in heights:
        column = ends.index(min(ends))
        places.append((EDGE + column * (CARD_W + GAP), ends[column], height))
        ends[column] += height + GAP
    return places, max(ends)


def _head_lines(trial: Trial, changed: Mapping[str, tuple[Any, Any]], page: tuple[int, int]) -> list[str]:
    count = len(trial.tried)
    lines = [
        f"{counted(count, 'picture')} in {one_line(str(trial.folder), longest=90)}: {trial.accepted} accepted, "
        f"{count - trial.accepted} turned down, {counted(trial.close, 'close call')}"
        + (f"; sheet {page[0]} of {page[1]}" if page[1] > 1 else ""),
        f"Judged by: {one_line(trial.witnesses, longest=160)}",
    ]
    if changed:
        tried = ", ".join(f"{key} = {new} instead of {old}" for key, (old, new) in changed.items())
        lines.append(f"Tried with {one_line(tried, longest=170)}")
    lines.append("The middle of each bar is the limit: right of it passes; shaded is near.")
    return lines


def _words(one: Tried) -> list[tuple[str, str, str]]:
    """Return the lines beside the picture: text, weight and colour."""
    width = CARD_W - 3 * PAD - _PICTURE_W
    size = f"{one.size[0]} × {one.size[1]}" if one.size else ""
    facts = " · ".join(part for part in (size, one.person) if part)
    lines = [(line, "Regular", _SOFT) for line in _wrapped(facts, width)] if facts else []
    for reason in one.verdict.reasons:
        lines += [(line, "Regular", _INK) for line in _wrapped(f"– {one_line(reason)}", width)]
    if advice := tip(one):
        lines += [(line, "Bold", _GOLD) for line in _wrapped(one_line(advice), width)]
    for words in one.verdict.disagreements:
        lines += [(line, "Regular", _SOFT) for line in _wrapped(f"≠ {one_line(words)}", width)]
    if len(lines) > _MOST_LINES:
        lines = [*lines[: _MOST_LINES - 1], ("…", "Regular", _SOFT)]
    return lines


def _height(one: Tried) -> int:
    words = 62 + len(_words(one)) * _LINE_H
    picture = min(_PICTURE_H, _picture(one).height)
    return PAD + 34 + max(words - 24, picture) + 14 + _ROW_H * len(one.verdict.findings) + PAD


def _draw_card(sheet: Image.Image, one: Tried, *, x: int, y: int, height: int) -> None:
    draw = ImageDraw.Draw(sheet)
    colour = _GOOD if one.verdict.accepted else _BAD
    draw.rounded_rectangle([x, y, x + CARD_W, y + height], 12, fill=_CARD, outline=_LINE)
    draw.rounded_rectangle([x, y, x + 8, y + height], 4, fill=colour)
    inner = x + PAD
    title = _fitted(one_line(one.title), CARD_W - 2 * PAD, size=22)
    draw.text((inner, y + PAD - 6), title, font=_font("Bold", 22), fill=_INK)
    picture = _picture(one)
    top = y + PAD + 34
    sheet.paste(picture, (inner, top))
    left = inner + _PICTURE_W + PAD
    right = _badge(draw, left, top, one.outcome, fill=colour, ink="#ffffff")
    if one.is_close:
        _badge(draw, right + 8, top, "close", fill=_NEAR, ink=_INK)
    words = _words(one)
    for number, (line, weight, ink) in enumerate(words):
        draw.text((left, top + 38 + number * _LINE_H), line, font=_font(weight, 17), fill=ink)
    bars = top + max(picture.height, 38 + len(words) * _LINE_H) + 14
    for number, finding in enumerate(one.verdict.findings):
        _draw_bar(draw, finding, inner, bars + number * _ROW_H, is_nearest=finding is one.verdict.nearest)


def _badge(draw: ImageDraw.ImageDraw, x: int, y: int, text: str, *, fill: str, ink: str) -> int:
    width = round(_font("Bold", 16).getlength(text)) + 22
    draw.rounded_rectangle([x, y, x + width, y + 27], 13, fill=fill)
    draw.text((x + 11, y + 3), text, font=_font("Bold", 16), fill=ink)
    return x + width


def _draw_bar(draw: ImageDraw.ImageDraw, finding: Finding, x: int, y: int, *, is_nearest: bool) -> None:
    plain, bold = _font("Regular", 16), _font("Bold", 16)
    if is_nearest:
        draw.rounded_rectangle([x - 6, y - 1, x + CARD_W - 2 * PAD + 6, y + _ROW_H - 2], 4, fill=_NEAR)
    ink = _INK if finding.passed else _BAD
    draw.text((x, y), label(finding.name), font=plain if finding.passed else bold, fill=ink)
    place, middle = place_of(finding), y + 10
    if place is not None:
        start = x + _BAR_X
        draw.rounded_rectangle([start, middle - 4, start + _BAR_W, middle + 4], 3, fill=_LINE)
        near = NEAR / 2 * _BAR_W
        draw.rectangle([start + _BAR_W / 2 - near, middle - 4, start + _BAR_W / 2 + near, middle + 4], fill="#e6cc86")
        draw.line([start + _BAR_W / 2, middle - 6, start + _BAR_W / 2, middle + 6], fill=_SOFT)
        at = start + place * _BAR_W
        draw.bitmap((round(at) - 7, middle - 7), _dot(), fill=_GOOD if finding.passed else _BAD)
    value = _fitted(one_line(shown(finding.measured)), 86, size=16)
    end = x + _BAR_X + _BAR_W + 98
    draw.text((end, y), value, font=plain if finding.passed else bold, fill=ink, anchor="ra")
    draw.text((end + 14, y), _fitted(one_line(finding.expected), 150, size=16), font=plain, fill=_SOFT)


def _picture(one: Tried) -> Image.Image:
    """Return the thumbnail as large as its place allows; an empty box where there is no picture."""
    if one.thumbnail is None:
        blank = Image.new("RGB", (_PICTURE_W, 120), _LINE)
        ImageDraw.Draw(blank).text(
            (_PICTURE_W / 2, 60), "no picture", font=_font("Regular", 17), fill=_SOFT, anchor="mm"
        )
        return blank
    with Image.open(io.BytesIO(one.thumbnail)) as opened:
        picture = opened.convert("RGB")
    picture.thumbnail((_PICTURE_W, _PICTURE_H), Image.Resampling.LANCZOS)
    return picture


def _wrapped(text: str, width: int) -> list[str]:
    """Break a text into lines of at most a width in pixels; a word that is longer is cut."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if _font("Regular", 17).getlength(longer) <= width:
            lines[-1] = longer
        elif lines[-1]:
            lines.append(_fitted(word, width, size=17))
        else:
            lines[-1] = _fitted(word, width, size=17)
    return lines


def _fitted(text: str, width: int, *, size: int) -> str:
    if _font("Bold", size).getlength(text) <= width:
        return text
    while text and _font("Bold", size).getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"


@functools.cache
def _dot() -> Image.Image:
    """Return a round mark of 14 pixels with smooth edges, as a mask."""
    large = Image.new("L", (56, 56), 0)
    ImageDraw.Draw(large).ellipse([2, 2, 53, 53], fill=255)
    return large.resize((14, 14), Image.Resampling.LANCZOS)


@functools.cache
def _font(weight: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(fonts.find("Lato", weight=weight).path), size)
