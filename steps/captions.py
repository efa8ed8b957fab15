"""Captions: which words are shown together, and where each stands.

Words are gathered into short cues that end where the sentence breathes. Each word is laid out by itself, so that the
one being spoken can grow without pushing the others about, and so that everything provably stays inside the box that
the platforms' buttons leave free. How they are drawn is in `caption_drawing.py`.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from steps.caption_styles import CaptionStyle
from steps.font_stack import FontStack
from steps.safe_zones import ZONES, SafeZone
from steps.words import TimedWord

SAFE_BOX = (ZONES["all"].left, ZONES["all"].top, ZONES["all"].right, ZONES["all"].bottom)
"""Left, top, right, bottom as shares of the picture: clear of buttons and titles on all three platforms."""

PANEL_PAD = 24 / 1080  # of the picture's width; between the letters and the edge of a panel or box

_LINE = 1.01  # from line to line, of the letters' size
_PANEL_LINE = 1.22
_EDGE = 41 / 1080  # between two lines and the end of the safe zone
_BELOW_MARK = 130 / 1080  # at the top of the zone stand the watermark and the disclosure
_LONG_PAUSE_S = 0.45  # in a pause like this the next words would give the sentence away
_LINGER_S = 0.35  # how long a cue stays when nobody speaks
_LEAD_S = 0.06  # a cue comes a moment before its first word, as the eye needs it
_MOST_LEAD_S = 0.4  # and so much before it when it is long to read
_EASY = 0.92  # of the longest line: what is no longer than that is not broken
_SHRINKS = 1.06  # a line that is longer by no more than that is drawn a little smaller; nobody sees it
_SENTENCE = frozenset(".!?…")
_BREATH = frozenset(",;:—–»”)")
_LEANING_WORDS = """
le la les un une des du de au aux et ou où à en dans par pour sur sans sous avec chez qui que dont ce cet cette ces
mon ma mes ton ta tes son sa ses notre nos votre vos leur leurs je tu il elle on nous vous ils elles ne se si très
the a an of to in on at by for with from and or but as my your his her its our their this that i you he she we they
is are was not no so very
"""
_LEANING = frozenset(_LEANING_WORDS.split())
"""Words that lean on the next one: a line that ends with one makes the eye stumble."""


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
    """What the captions are laid out with."""

    fonts: FontStack
    style: CaptionStyle
    width: int  # of the picture, pixels
    height: int
    zone: SafeZone = ZONES["all"]
    letters_per_s: float = 22.0  # slower reading than this is not asked for more time

    @property
    def size(self) -> float:
        """Return the renderer's size of the letters."""
        return self.style.size * self.width

    @property
    def line_step(self) -> float:
        """Return the pixels from line to line."""
        return self.size * (_PANEL_LINE if self.style.panel_opacity else _LINE)

    @property
    def line_width(self) -> float:
        """Return the longest line: centred in the picture, clear of the buttons even with its word grown."""
        has_box = self.style.panel_opacity or self.style.mode == "boxed"
        beside = max(self.style.outline + self.style.shadow, PANEL_PAD if has_box else 0.0)
        return (self.zone.centred_width - 2 * beside) * self.width / self.style.spoken_scale

    @property
    def middle(self) -> float:
        """Return the height in pixels around which the lines are centred."""
        around = self.line_step + _EDGE * self.width
        if self.style.position == "upper":
            return self.zone.top * self.height + _BELOW_MARK * self.width + around
        if self.style.position == "middle":
            return self.height / 2
        return self.zone.bottom * self.height - around

    @property
    def rows(self) -> tuple[float, float]:
        """Return where two lines would begin and end, pixels from the top."""
        return self.middle - self.line_step, self.middle + self.line_step

    def shown(self, text: str) -> str:
        """Return a word as this style writes it."""
        return text.upper() if self.style.uppercase else text


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
    return tuple(_unhurried(cues, layout, duration_s=duration_s))


def place(cue: Cue, layout: Layout) -> tuple[Placed, ...]:
    """Lay out the words of a cue on one or two centred lines, smaller if a word is too long for a line."""
    lines = _lines([layout.shown(word.text) for word in cue.words], layout)
    widest = max(_line_width(line, layout, size=layout.size) for line in lines)
    size = layout.size * min(1.0, layout.line_width / widest)
    gap = _gap(layout, size)
    placed: list[Placed] = []
    words = iter(cue.words)
    for row, line in enumerate(lines):
        y = layout.middle + (row - (len(lines) - 1) / 2) * layout.line_step
        x = layout.width / 2 - _line_width(line, layout, size=size) / 2
        for word, text in _from_left([(next(words), text) for text in line]):
            width = layout.fonts.width(text, size=size)
            placed.append(Placed(word, x + width / 2, y, width, size))
            x += width + gap
    return tuple(placed)


def _from_left(line: list[tuple[TimedWord, str]]) -> Iterator[tuple[TimedWord, str]]:
    """Return the words of a line from left to right: a run of Arabic or Hebrew words reads the other way."""
    for backwards, run in groupby(line, key=lambda one: _reads_backwards(one[1])):
        words = list(run)
        yield from reversed(words) if backwards else words


def _reads_backwards(text: str) -> bool:
    return any(unicodedata.bidirectional(c) in ("R", "AL") for c in text)


def _unhurried(cues: Sequence[Cue], layout: Layout, *, duration_s: float) -> Iterator[Cue]:
    """Give cues that have to be read too fast the silence after them, then some of that before."""
    before_s = 0.0
    for index, cue in enumerate(cues):
        wanted_s = len(cue.text) / layout.letters_per_s
        # What the next cue needs itself is left to it.
        next_s = cues[index + 1].start_s if index + 1 < len(cues) else duration_s
        end_s = min(max(cue.end_s, cue.start_s + wanted_s), max(next_s, cue.end_s))
        start_s = min(cue.start_s, max(before_s, end_s - wanted_s, cue.start_s - _MOST_LEAD_S))
        before_s = round(end_s, 2)
        yield replace(cue, start_s=round(start_s, 2), end_s=before_s)


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
    most = layout.style.words_per_cue
    ideal = len(phrase) / math.ceil(len(phrase) / most)
    for end in range(1, len(phrase) + 1):
        options = []
        for begin in range(max(0, end - most), end):
            group = phrase[begin:end]
            if len(group) > 1 and not _fits([layout.shown(w.text) for w in group], layout):
                continue
            at_breath = end == len(phrase) or group[-1].text[-1] in _BREATH
            dangling = 0.8 if not at_breath and _leans(group[-1].text) else 0.0
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


def _leans(text: str) -> bool:
    """Tell whether a word should not end a line: an article, a short preposition, a number before its unit."""
    last = text[-1]
    return text.casefold() in _LEANING or (last.isdigit() and len(text) < 8) or last in "'’"


def _fits(texts: Sequence[str], layout: Layout) -> bool:
    widest = max(_line_width(line, layout, size=layout.size) for line in _lines(texts, layout))
    return widest <= layout.line_width * _SHRINKS


def _lines(texts: Sequence[str], layout: Layout) -> list[list[str]]:
    """Break words into one line, or into two: even ones, the first not ending in a word that leans on the next."""
    whole = list(texts)
    in_one = _line_width(whole, layout, size=layout.size) / layout.line_width
    if len(whole) == 1 or in_one <= _EASY:
        return [whole]

    def cost(two: list[list[str]]) -> float:
        widest = max(_line_width(line, layout, size=layout.size) for line in two)
        too_wide = 10 * max(0.0, widest - layout.line_width)
        return widest + too_wide + (0.3 * layout.line_width if _leans(two[0][-1]) else 0.0)

    two = min(([whole[:k], whole[k:]] for k in range(1, len(whole))), key=cost)
    return [whole] if _leans(two[0][-1]) and in_one <= _SHRINKS else two


def _line_width(texts: Sequence[str], layout: Layout, *, size: float) -> float:
    return sum(layout.fonts.width(t, size=size) for t in texts) + (len(texts) - 1) * _gap(layout, size)


def _gap(layout: Layout, size: float) -> float:
    """Return the space between words: a little more than the font's, as outlines and a grown word take some."""
    boxed = 0.35 * PANEL_PAD if layout.style.mode == "boxed" else 0.0
    # In proportion to the letters, so that a line that is drawn smaller is as much shorter.
    return layout.fonts.width(" ", size=size) + (2.2 * layout.style.outline + boxed) * layout.width * size / layout.size
