"""What a script says and what each sentence of it rests on, for those who look at a video in the morning.

Read from the data that the step of the script left, which may be of an older version, or somebody's own step: whatever
is not there is left out. All text is data from outside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Source:
    """One sentence of an article."""

    article: str
    paragraph: int  # 0-based
    text: str  # as it stands there; empty where only the place is known

    @property
    def place(self) -> str:
        """The place, for people."""
        return f"{self.article}, paragraph {self.paragraph + 1}"


@dataclass(frozen=True)
class Spoken:
    """One sentence of a script."""

    text: str
    marks: tuple[int, ...]  # numbers of its sources, from 1
    own_data: bool  # whether it also rests on what the catalogue says


@dataclass(frozen=True)
class Told:
    """A script with its sources."""

    sentences: tuple[Spoken, ...] = ()
    sources: tuple[Source, ...] = ()

    @property
    def marked(self) -> str:
        """The script with the numbers of the sources behind each sentence."""
        return " ".join(one.text + "".join(f" [{mark}]" for mark in one.marks) for one in self.sentences)

    def as_json(self) -> list[dict[str, Any]]:
        """Return the sentences with their sources as plain values."""
        return [
            {
                "text": one.text,
                "own_data": one.own_data,
                "sources": [
                    {"article": found.article, "paragraph": found.paragraph, "text": found.text}
                    for found in (self.sources[mark - 1] for mark in one.marks)
                ],
            }
            for one in self.sentences
        ]


def told_by(data: Mapping[str, Any]) -> Told:
    """Return the script in the data of the step that wrote it, each source once."""
    sources: list[Source] = []
    sentences: list[Spoken] = []
    for one in _mappings(data.get("sentences")):
        found = [_source(source) for source in _mappings(one.get("sources"))]
        for source in found:
            if source not in sources:
                sources.append(source)
        marks = tuple(dict.fromkeys(sources.index(source) + 1 for source in found))
        sentences.append(Spoken(str(one.get("text", "")), marks, own_data=bool(one.get("own_data"))))
    return Told(tuple(sentences), tuple(sources))


def _mappings(value: Any) -> Sequence[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list | tuple) else []


def _source(value: Mapping[str, Any]) -> Source:
    paragraph = value.get("paragraph")
    number = paragraph if isinstance(paragraph, int) else 0
    return Source(str(value.get("article", "")), number, str(value.get("text", "")))
