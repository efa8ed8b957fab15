"""A font with others behind it, for the letters that it lacks.

Lato writes French and English, but no "đ", "ş" or "ğ" of a name, and nothing of Greek, Arabic or Chinese. A word that
the first font cannot write is written by the first one behind it that can; if none can alone, letter by letter. What no
font can write is an error that names the letters: a box on the screen would be worse.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from steps import fonts
from steps.caption_options import CaptionOptions
from steps.caption_styles import style_of
from steps.errors import ResourceMissing
from steps.fonts import Font, GlyphMissing


@dataclass(frozen=True)
class Run:
    """Letters that one font writes."""

    font: Font
    text: str


@dataclass(frozen=True)
class FontStack:
    """Fonts in the order in which they are asked."""

    fonts: tuple[Font, ...]  # at least one

    @property
    def first(self) -> Font:
        """Return the font that writes what it can."""
        return self.fonts[0]

    def runs(self, text: str) -> tuple[Run, ...]:
        """Split a word by the fonts that write it; what none can write stays with the first."""
        whole = next((font for font in self.fonts if not font.missing(text)), None)
        if whole is not None or not text:
            return (Run(whole or self.first, text),)
        runs: list[Run] = []
        for letter in text:
            font = next((one for one in self.fonts if not one.missing(letter)), self.first)
            if runs and runs[-1].font == font:
                runs[-1] = Run(font, runs[-1].text + letter)
            else:
                runs.append(Run(font, letter))
        return tuple(runs)

    def size(self, font: Font, size: float) -> float:
        """Return the renderer's size at which a font's letters are as large as the first one's."""
        return size * self.first.em_share / font.em_share

    def drop(self, text: str, *, size: float) -> float:
        """Return how far a text's middle must be moved down so that it stands on the first font's base line, pixels."""
        runs = self.runs(text)
        if len(runs) > 1:
            return 0.0  # the renderer puts them on one line
        own = (runs[0].font.ascent_share - 0.5) * self.size(runs[0].font, size)
        return (self.first.ascent_share - 0.5) * size - own

    def width(self, text: str, *, size: float) -> float:
        """Return how wide a text is at a size of the first font, in the renderer's pixels."""
        return sum(run.font.width(run.text, size=self.size(run.font, size)) for run in self.runs(text))

    def used_by(self, text: str) -> tuple[Font, ...]:
        """Return the fonts that write a text, each once; the first one always."""
        found = (run.font for word in text.split() for run in self.runs(word))
        return tuple(dict.fromkeys((self.first, *found)))

    def require(self, text: str) -> None:
        """Check that a text can be written.

        Raises:
            GlyphMissing: naming the letters, and what to set.
        """
        missing = "".join(c for c in dict.fromkeys(text) if all(font.missing(c) for font in self.fonts))
        if missing:
            shown = ", ".join(f"{c!r} (U+{ord(c):04X})" for c in missing[:8])
            names = " and ".join(dict.fromkeys(font.family for font in self.fonts))
            raise GlyphMissing(
                f"no font has the letter {shown}: asked {names}; add one to captions.fallback_fonts, or set "
                "captions.font and captions.fonts_dir to another",
                missing=missing,
                font=str(self.first.path),
            )


def stack_of(options: CaptionOptions, *, family: str, weight: str) -> FontStack:
    """Return a family's font with the settings' fallbacks behind it, the other fonts of its folder, and our Lato.

    Raises:
        ResourceMissing: the family, or a font file that the settings name, is not there or is damaged.
    """
    first = fonts.find(family, folder=options.fonts_dir, weight=weight)
    return FontStack(tuple(dict.fromkeys((first, *_behind(options, weight)))))


def caption_fonts(options: CaptionOptions, text: str) -> tuple[Font, ...]:
    """Return the fonts that the captions of a text are drawn with.

    Raises:
        ResourceMissing: no such preset or font.
    """
    style = style_of(options)
    stack = stack_of(options, family=style.font or options.font, weight=style.weight)
    return stack.used_by(text.upper() if style.uppercase else text)


def _behind(options: CaptionOptions, weight: str) -> Iterator[Font]:
    for path in options.fallback_fonts:
        yield from [fonts.read(path)] if path.is_file() else _one_a_family(path, weight)
    if options.fonts_dir is not None:
        yield from _one_a_family(options.fonts_dir, weight)
        try:
            yield from _one_a_family(fonts.bundled_folder(), weight)
        except ResourceMissing:
            return  # the owner's fonts may do alone


def _one_a_family(folder: Path, weight: str) -> Iterator[Font]:
    for family in fonts.families(folder):
        yield fonts.find(family, folder=folder, weight=weight)
