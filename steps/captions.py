"""Captions: which words are shown together, where, and when each lights up.

Words are gathered into short cues that end where the sentence breathes. Each word is laid out by itself, so that the
one being spoken can grow without pushing the others about, and so that everything provably stays inside the box that
the platforms' buttons leave free.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from steps import ass
from steps.fonts import Font
from steps.words import TimedWord

SAFE_BOX = (60 / 1080, 220 / 1920, 900 / 1080, 1400 / 1920)
"""Left, top, right, bottom as shares of the picture: clear of buttons and titles on all three platforms."""

_SIZE = 96 / 1080  # of the picture's width; spans ascent and descent
_LINE = 97 / 1080  # from line to line
_MIDDLE = 1262 / 1920  # of the picture's height: where the lines are centred
_SPOKEN_SCALE = 1.07
_OUTLINE = 6.5 / 1080
_CLITIC_LETTERS = 3  # "et", "la", "the", "of": words this short belong to the one after them
_LONG_PAUSE_S = 0.45  # in a pause like this the next words would give the sentence away
_LINGER_S = 0.35  # how long a cue stays when nobody speaks
_LEAD_S = 0.06  # a cue comes a moment before its first word, as the eye needs it
_SENTENCE = frozenset(".!?…")
_BREATH = frozenset(",;:—–»”)")


@dataclass(frozen=True)
class Cue:
    """Words shown together."""

    words: tuple[TimedWord, ...]
    start_s: float
    end_s: float

    @property
    def text(self) -> str:
        """Return its words as one line."""
        return " ".join(word.text for word in self.words)

    @property
    def letters_per_s(self) -> float:
        """Return how fast it has to be read."""
        return len(self.text) / (self.end_s - self.start_s)


@dataclass(frozen=True)
class Placed:
    """A word with its place: centre and width in pixels of the picture, before it grows."""

    word: TimedWord
    x: float
    y: float
    width: float
    size: float


@dataclass(frozen=True)
class Layout:
    """What the captions are drawn with."""

    font: Font
    width: int  # of the picture, pixels
    height: int
    words_per_cue: int
    highlight: str  # "#RRGGBB"

    @property
    def line_width(self) -> float:
        """Return the longest line: centred in the picture, clear of the buttons even with its word grown."""
        return (2 * (SAFE_BOX[2] - 0.5) - 2 * _OUTLINE) * self.width / _SPOKEN_SCALE


def make_cues(words: Sequence[TimedWord], layout: Layout, *, duration_s: float) -> tuple[Cue, ...]:
    """Gather timed words into cues: in order, not overlapping, inside the sound, two lines at most.

    Args:
        words: As `words.settle` gives them.
        layout: Decides how many words fit.
        duration_s: Length of the picture that carries them, seconds.
    """
    groups = [group for phrase in _phrases(words) for group in _even_groups(phrase, layout)]
    cues: list[Cue] = []
    for index, group in enumerate(groups):
        before_s = cues[-1].end_s if cues else 0.0
        start_s = max(before_s, group[0].start_s - _LEAD_S)
        # The next cue must find its own lead free.
        next_s = groups[index + 1][0].start_s - _LEAD_S if index + 1 < len(groups) else duration_s
        end_s = min(group[-1].end_s + _LINGER_S, max(next_s, group[-1].end_s), duration_s)
        cues.append(Cue(tuple(group), round(start_s, 2), round(max(end_s, start_s + 0.02), 2)))
    return tuple(cues)


def place(cue: Cue, layout: Layout) -> tuple[Placed, ...]:
    """Lay out the words of a cue on one or two centred lines, smaller if a word is too long for a line."""
    lines = _lines([word.text for word in cue.words], layout, size=_SIZE * layout.width)
    widest = max(_line_width(line, layout, size=_SIZE * layout.width) for line in lines)
    shrink = min(1.0, layout.line_width / widest)
    size = _SIZE * layout.width * shrink
    gap = _gap(layout, size)
    placed: list[Placed] = []
    words = iter(cue.words)
    for row, line in enumerate(lines):
        y = _MIDDLE * layout.height + (row - (len(lines) - 1) / 2) * _LINE * layout.width
        x = layout.width / 2 - _line_width(line, layout, size=size) / 2
        for text in line:
            width = layout.font.width(text, size=size)
            placed.append(Placed(next(words), x + width / 2, y, width, size))
            x += width + gap
    return tuple(placed)


def to_ass(cues: Sequence[Cue], layout: Layout) -> str:
    """Return the captions as an ASS script for a picture of the layout's size.

    Raises:
        GlyphMissing: the font lacks a letter.
    """
    layout.font.require("".join(cue.text for cue in cues))
    style = ass.Style("Caption", layout.font.name, round(_SIZE * layout.width, 2), round(_OUTLINE * layout.width, 2), 0)
    return ass.document([style], _events(cues, layout), width=layout.width, height=layout.height)


def to_srt(cues: Sequence[Cue]) -> str:
    """Return the captions as SubRip text, for platforms that take a caption file."""
    blocks = (f"{n}\n{_srt_clock(c.start_s)} --> {_srt_clock(c.end_s)}\n{c.text}\n" for n, c in enumerate(cues, 1))
    return "\n".join(blocks)


def _events(cues: Sequence[Cue], layout: Layout) -> Iterator[ass.Event]:
    for cue in cues:
        for placed in place(cue, layout):
            where = f"\\pos({placed.x:.1f},{placed.y:.1f})"
            tags = f"{{{where}{_size_tag(placed, layout)}{_spoken_tags(cue, placed, layout)}}}"
            yield ass.Event(cue.start_s, cue.end_s, "Caption", tags + ass.escape(placed.word.text))


def _size_tag(placed: Placed, layout: Layout) -> str:
    return "" if math.isclose(placed.size, _SIZE * layout.width) else f"\\fs{placed.size:.1f}"


def _spoken_tags(cue: Cue, placed: Placed, layout: Layout) -> str:
    """Return the tags that light a word up and let it go; times in them count from the cue's start."""
    grown = round(100 * _SPOKEN_SCALE)
    on_ms = max(0, round((placed.word.start_s - cue.start_s) * 1000) - 30)
    off_ms = max(on_ms + 40, round((_silent_from(cue, placed.word) - cue.start_s) * 1000))
    lit = f"\\1c{ass.colour(layout.highlight)}\\fscx{grown}\\fscy{grown}"
    rest = f"\\1c{ass.colour('#FFFFFF')}\\fscx100\\fscy100"
    return f"\\t({on_ms},{on_ms + 60},{lit})\\t({off_ms},{off_ms + 90},{rest})"


def _silent_from(cue: Cue, word: TimedWord) -> float:
    """A word stays lit until the next one, unless a pause comes first."""
    index = cue.words.index(word)
    if index + 1 < len(cue.words):
        return min(cue.words[index + 1].start_s, word.end_s + _LINGER_S)
    return min(cue.end_s, word.end_s + 0.15)


def _phrases(words: Sequence[TimedWord]) -> Iterator[list[TimedWord]]:
    """Split where the sentence or the speaker pauses."""
    phrase: list[TimedWord] = []
    for word in words:
        if phrase and (phrase[-1].text[-1] in _SENTENCE or word.start_s - phrase[-1].end_s > _LONG_PAUSE_S):
            yield phrase
            phrase = []
        phrase.append(word)
    if phrase:
        yield phrase


def _even_groups(phrase: list[TimedWord], layout: Layout) -> list[list[TimedWord]]:
    """Split a phrase into cues that fit: at its breaths if possible, and of even size, so that none is left alone.

    The cheapest of all splits, by dynamic programming; a phrase is a sentence at most.
    """
    best: list[tuple[float, int]] = [(0.0, 0)]  # per end, cost so far and where its last group begins
    ideal = len(phrase) / math.ceil(len(phrase) / layout.words_per_cue)
    for end in range(1, len(phrase) + 1):
        options = []
        for begin in range(max(0, end - layout.words_per_cue), end):
            group = phrase[begin:end]
            if len(group) > 1 and not _fits([w.text for w in group], layout):
                continue
            at_breath = end == len(phrase) or group[-1].text[-1] in _BREATH
            dangling = 0.0 if at_breath or len(group[-1].text) > _CLITIC_LETTERS else 0.6
            cost = 1.0 + 0.25 * (len(group) - ideal) ** 2 + (0.0 if at_breath else 0.8) + dangling
            options.append((best[begin][0] + cost, begin))
        best.append(min(options))
    groups: list[list[TimedWord]] = []
    end = len(phrase)
    while end:
        begin = best[end][1]
        groups.insert(0, phrase[begin:end])
        end = begin
    return groups


def _fits(texts: Sequence[str], layout: Layout) -> bool:
    size = _SIZE * layout.width
    return all(_line_width(line, layout, size=size) <= layout.line_width for line in _lines(texts, layout, size=size))


def _lines(texts: Sequence[str], layout: Layout, *, size: float) -> list[list[str]]:
    """Break words into one line, or into the two most even ones."""
    whole = list(texts)
    if len(whole) == 1 or _line_width(whole, layout, size=size) <= layout.line_width * 0.92:
        return [whole]
    splits = [[whole[:k], whole[k:]] for k in range(1, len(whole))]
    return min(splits, key=lambda two: max(_line_width(line, layout, size=size) for line in two))


def _line_width(texts: Sequence[str], layout: Layout, *, size: float) -> float:
    return sum(layout.font.width(t, size=size) for t in texts) + (len(texts) - 1) * _gap(layout, size)


def _gap(layout: Layout, size: float) -> float:
    """Return the space between words: a little more than the font's, as outlines and a grown word take some."""
    return layout.font.width(" ", size=size) + 2.2 * _OUTLINE * layout.width


def _srt_clock(time_s: float) -> str:
    ms = max(0, round(time_s * 1000))
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d},{ms % 1000:03d}"
