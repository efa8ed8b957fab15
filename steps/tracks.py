"""The owner's music files and what is known of each: title, author, licence, moods.

What is stated may stand in `tracks.yaml` or `tracks.csv` of the folder, in a file beside the track (`song.yaml` for
`song.mp3`), or in the track's own tags; the nearer one wins, field by field. A track for which nobody states a licence
is not used: a claim on one video can block a whole channel.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from steps.errors import ResourceMissing, StepError
from steps.external.media import sound_tags

SUFFIXES = frozenset({".mp3", ".wav", ".flac", ".ogg", ".opus", ".m4a", ".aac"})
MOODS = ("cheeky", "solemn", "tender", "proud", "melancholic")
"""The moods that a script may have; a folder of one of these names gives its tracks that mood."""

LISTS = ("tracks.yaml", "tracks.yml", "tracks.csv")

_MOST_BYTES = 1_000_000  # of a list; a line a track makes a thousand times less
_LONGEST = 200  # characters of a field
_NO_LICENCE = frozenset({"", "none", "no", "unknown", "unclear", "n/a", "na", "-", "?", "todo", "tbd"})
_KEYS = {
    "title": ("title",),
    "author": ("author", "artist", "composer", "by"),
    "licence": ("licence", "license"),
    "moods": ("moods", "mood"),
}

# The tag `copyright` mostly names an owner ("© 2019 X"), which allows nothing; it counts when it names a licence.
_NAMES_A_LICENCE = re.compile(r"\bCC[ -]?(0|BY)\b|creative ?commons|public domain|licen[cs]ed? |royalty[- ]free", re.I)

Stated = Mapping[str, str]


@dataclass(frozen=True)
class Track:
    """One music file that may be used."""

    path: Path
    title: str
    author: str  # "" when nobody says
    licence: str
    moods: frozenset[str]  # of MOODS; empty: suits any

    @property
    def credit(self) -> str:
        """Return how it is named beside a video: "Title", Author (Licence)."""
        by = f", {self.author}" if self.author else ""
        return f"“{self.title}”{by} ({self.licence})"


@dataclass(frozen=True)
class Library:
    """A folder of music."""

    tracks: tuple[Track, ...]  # those with a licence, by file name
    passed_over: tuple[str, ...]  # "FILE: why it is not used", for files and for lists


def read_library(folder: Path) -> Library:
    """Read what a folder of music, its sub-folders, or a single file holds. Decodes nothing.

    Raises:
        ResourceMissing: there is no such folder.
    """
    try:
        found = [folder] if folder.is_file() else sorted(_music_files(folder))
    except OSError as error:
        raise ResourceMissing(
            f"final.music: {folder} cannot be read: {error.strerror or error}. Name a folder of music files, or leave "
            "the setting empty for our own loop",
            folder=str(folder),
        ) from error
    problems: list[str] = []
    lists: dict[Path, Mapping[str, Stated]] = {}
    tracks = []
    for path in found:
        if path.parent not in lists:
            lists[path.parent] = _lists_in(path.parent, problems)
        stated = _all_stated(path, lists[path.parent], problems)
        if "licence" in stated:
            tracks.append(_track(path, stated))
        else:
            problems.append(f"{path.name}: nobody states its licence")
    return Library(tuple(tracks), tuple(problems))


def _music_files(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.is_dir() and not path.name.startswith("."):
            yield from (inner for inner in path.iterdir() if _is_music(inner))
        elif _is_music(path):
            yield path


def _is_music(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()


def _track(path: Path, stated: Stated) -> Track:
    moods = {word for word in re.split(r"[\s,;/]+", stated.get("moods", "").lower()) if word in MOODS}
    if path.parent.name.lower() in MOODS:
        moods.add(path.parent.name.lower())
    title = stated.get("title") or path.stem
    return Track(path, title, stated.get("author", ""), stated["licence"], frozenset(moods))


def _all_stated(path: Path, listed: Mapping[str, Stated], problems: list[str]) -> dict[str, str]:
    """Gather what the tags, the folder's list and the file beside a track say; the last one to speak wins."""
    stated = dict(_from_tags(path))
    stated.update(listed.get(path.name.casefold(), {}))
    for beside in (path.with_suffix(".yaml"), path.with_name(f"{path.name}.yaml")):
        if beside.is_file() and beside.name not in LISTS:
            said = _load(beside, problems)
            stated.update(_fields(said) if isinstance(said, dict) else {})
    return stated


def _from_tags(path: Path) -> Stated:
    try:
        tags = {name.lower(): value for name, value in sound_tags(path).items()}
    except StepError:
        return {}  # damaged: said when it is chosen, with what is wrong
    copyright_tag = tags.pop("copyright", "")
    stated = _fields(tags)
    if "licence" not in stated and _NAMES_A_LICENCE.search(copyright_tag):
        stated["licence"] = _line(copyright_tag)
    return stated


def _lists_in(folder: Path, problems: list[str]) -> dict[str, Stated]:
    """Read a folder's lists: file name, in one case -> what is stated about it."""
    listed: dict[str, Stated] = {}
    for name in LISTS:
        path = folder / name
        if path.is_file():
            for file, said in _rows(path, problems):
                listed[file.strip().casefold()] = _fields(said)
    return listed


def _rows(path: Path, problems: list[str]) -> Iterator[tuple[str, Mapping[Any, Any]]]:
    """Yield file name and fields from a mapping by file name, a list of mappings with `file`, or a table."""
    loaded = _load(path, problems)
    rows = loaded.get("tracks", loaded) if isinstance(loaded, dict) else loaded
    if isinstance(rows, dict):
        rows = [{"file": file, **said} for file, said in rows.items() if isinstance(said, dict)]
    for row in rows if isinstance(rows, list) else []:
        if isinstance(row, dict) and row.get("file"):
            yield str(row["file"]), row


def _load(path: Path, problems: list[str]) -> Any:
    """Return what a list holds; None, and a problem more, if it cannot be read."""
    try:
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
        if len(raw) > _MOST_BYTES:
            raise ValueError(f"more than {_MOST_BYTES} bytes")
        text = raw.decode("utf-8-sig")
        if path.suffix == ".csv":
            # Spreadsheets of many countries write semicolons.
            delimiter = ";" if text.split("\n", 1)[0].count(";") > text.split("\n", 1)[0].count(",") else ","
            rows = csv.DictReader(io.StringIO(text), delimiter=delimiter)
            return [{str(key).strip().lower(): value for key, value in row.items()} for row in rows]
        return yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError, csv.Error, RecursionError) as error:
        problems.append(f"{path.name}: it cannot be read: {_line(str(error))}")
        return None


def _fields(said: Mapping[Any, Any]) -> dict[str, str]:
    """Return the fields that we know, each as one line of text; empty ones and licences that say nothing left out."""
    lower = {str(key).strip().lower(): value for key, value in said.items()}
    fields = {}
    for name, keys in _KEYS.items():
        value = next((lower[key] for key in keys if lower.get(key) not in (None, "")), "")
        text = _line(", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value))
        if text and not (name == "licence" and text.lower() in _NO_LICENCE):
            fields[name] = text
    return fields


def _line(text: str) -> str:
    shown = "".join(letter if letter.isprintable() else " " for letter in text[: 4 * _LONGEST])
    return " ".join(shown.split())[:_LONGEST]
