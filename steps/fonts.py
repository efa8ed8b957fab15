"""The font of captions and overlays: which file it is, how wide its words are, and what it cannot write.

The renderer (libass, inside FFmpeg) is given a folder with just the files that are used, so that the same letters come
out on every machine. Widths are computed here in the renderer's own units, because captions are laid out word by word.
"""

from __future__ import annotations

import functools
import shutil
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steps.errors import Remedy, ResourceMissing
from steps.external.process import write_failure

FOLDER = "fonts"
"""Name of the folder inside a job's folder that the renderer reads."""

_WEIGHTS = {
    "Black": ("Black", "Heavy", "ExtraBold", "Extra Bold", "Bold", "SemiBold", "Medium", "Regular"),
    "Bold": ("Bold", "SemiBold", "ExtraBold", "Black", "Medium", "Regular"),
    "Regular": ("Regular", "Book", "Medium", "Light", "Bold"),
}
_UNLIKE = ("Serif", "Math", "Mono", "Condensed", "Narrow", "Light")  # unlike a caption's letters beside it
_MEASURED_AT = 256  # pixels; widths scale linearly from here


class GlyphMissing(ResourceMissing):
    """The font cannot write a letter of this text."""

    remedy = Remedy.FAIL  # the next script may do without that letter


@dataclass(frozen=True)
class Font:
    """One font file."""

    path: Path
    family: str
    style: str
    name: str  # what the renderer finds it by
    em_share: float  # an em in the renderer's font size, which spans ascent and descent
    ascent_share: float = 0.8  # of that size, above the base line

    def width(self, text: str, *, size: float) -> float:
        """Return how wide a text is at a size of the renderer, in its pixels."""
        return float(_measure(self.path).getlength(text)) / _MEASURED_AT * size * self.em_share

    def missing(self, text: str) -> str:
        """Return the letters that this font has no picture of, each once, in order."""
        return "".join(c for c in dict.fromkeys(text) if not c.isspace() and not _has(self.path, c))


def find(family: str, *, folder: Path | None = None, weight: str = "Bold") -> Font:
    """Return the file of a font family whose weight comes nearest.

    Args:
        family: Such as "Lato".
        folder: Where its files are; the Lato that is installed with us if None.
        weight: "Black", "Bold" or "Regular".

    Raises:
        ResourceMissing: no such folder, no such family in it, or a damaged file.
    """
    searched = folder if folder is not None else bundled_folder()
    upright = [f for f in _fonts_in(searched) if f.family.lower() == family.lower() and "Italic" not in f.style]
    for style in _WEIGHTS[weight]:
        for font in upright:
            if font.style == style:
                return font
    if upright:
        return upright[0]
    known = sorted({f.family for f in _fonts_in(searched)})
    raise ResourceMissing(
        f"captions.font: there is no font {family!r} in {searched}; it has {', '.join(known) or 'no font files'}",
        folder=str(searched),
    )


def families(folder: Path) -> tuple[str, ...]:
    """Return the families of a folder, plain ones before those with serifs, for mathematics, narrow or of one width.

    Raises:
        ResourceMissing: no such folder, or a damaged file in it.
    """
    found = dict.fromkeys(font.family for font in _fonts_in(folder))
    return tuple(sorted(found, key=lambda family: any(kind in family for kind in _UNLIKE)))


def read(path: Path) -> Font:
    """Return the font of one file.

    Raises:
        ResourceMissing: the file is damaged.
    """
    try:
        return _read(path)
    except (OSError, ValueError, KeyError, struct.error) as error:
        raise ResourceMissing(f"the font file {path} is damaged: {error}", path=str(path)) from error


def bundled_folder() -> Path:
    """Return the folder of the Lato files that are installed with us."""
    try:
        import font_lato
    except ImportError as error:
        raise ResourceMissing("the Lato font is not installed: pip install font-lato") from error
    return Path(font_lato.__file__).parent / "files"


def place(fonts: Iterable[Font], *, work: Path) -> str:
    """Copy font files into a job's folder and return the plain name of the folder that holds them.

    Raises:
        DiskFull: no room for them.
    """
    target = work / FOLDER
    try:
        target.mkdir(exist_ok=True)
        for font in fonts:
            shutil.copyfile(font.path, target / font.path.name)
    except OSError as error:
        raise write_failure(error, path=target) from error
    return FOLDER


@functools.lru_cache(maxsize=8)
def _fonts_in(folder: Path) -> Sequence[Font]:
    if not folder.is_dir():
        raise ResourceMissing(f"captions.fonts_dir: {folder} is not a folder", folder=str(folder))
    found = []
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in (".ttf", ".otf"):
            found.append(read(path))
    return tuple(found)


def _read(path: Path) -> Font:
    tables = _tables(path.read_bytes())
    (units_per_em,) = struct.unpack_from(">H", tables["head"], 18)
    ascent, descent = struct.unpack_from(">HH", tables["OS/2"], 74)
    if not units_per_em or not ascent + descent:
        raise ValueError("its letters have no height")
    names = _names(tables["name"])
    # 16 and 17 name family and style where 1 and 2 had to split "Lato Black" off into a family of its own.
    family, style = names.get(16) or names[1], names.get(17) or names.get(2, "Regular")
    full = names.get(4) or f"{family} {style}"
    if family.endswith(" " + full.rsplit(" ", 1)[-1]):  # an old file with the weight in its family's name
        family, style = family.rsplit(" ", 1)
    if set(full) & set("{}\\,"):
        raise ValueError(f"its name {full!r} cannot be written into a caption script")
    return Font(
        path=path,
        family=family,
        style=style,
        name=full,
        em_share=units_per_em / (ascent + descent),
        ascent_share=ascent / (ascent + descent),
    )


def _tables(data: bytes) -> dict[str, bytes]:
    """Return the tables of a TrueType or OpenType file by name."""
    if data[:4] not in (b"\x00\x01\x00\x00", b"OTTO", b"true"):
        raise ValueError("not a TrueType or OpenType file")
    (count,) = struct.unpack_from(">H", data, 4)
    tables = {}
    for index in range(count):
        tag, _, offset, length = struct.unpack_from(">4sLLL", data, 12 + 16 * index)
        tables[tag.decode("latin-1")] = data[offset : offset + length]
    return tables


def _names(table: bytes) -> dict[int, str]:
    """Return the English names of a font by their numbers (OpenType, table "name")."""
    _, count, strings = struct.unpack_from(">HHH", table)
    names: dict[int, str] = {}
    for index in range(count):
        platform, _, language, number, length, offset = struct.unpack_from(">6H", table, 6 + 12 * index)
        raw = table[strings + offset : strings + offset + length]
        if platform == 3 and language == 0x409:
            names[number] = raw.decode("utf-16-be")
        elif platform == 1:
            names.setdefault(number, raw.decode("mac-roman"))
    return names


@functools.lru_cache(maxsize=8)
def _measure(path: Path) -> Any:
    from PIL import ImageFont

    return ImageFont.truetype(str(path), _MEASURED_AT)


@functools.lru_cache(maxsize=4096)
def _has(path: Path, letter: str) -> bool:
    """Tell whether a letter has a picture: not the box for unknown ones, and not nothing."""
    font = _measure(path)
    drawn = font.getmask(letter)
    return bool(drawn.getbbox()) and bytes(drawn) != bytes(font.getmask("\U0010ffff"))
