"""Makes the sample material in a folder: pictures, their catalogue and two archives.

Called by the demo and by `nightreel init --samples`. What is there already, made by the same code with the same seed,
is kept; after an interruption the rest is made.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from orchestrator.artifacts import write_whole
from orchestrator.sample.archive import write_sample_archive
from orchestrator.sample.people import COLLECTION, LICENCE, Sample

LIST_NAME = "portraits"
CATALOGUE = "catalogue.jsonl"
STAMP = "samples.json"
ARCHIVES = {"fr": "sample_fr.zim", "en": "sample_en.zim"}
JPEG_QUALITY = 92
EXIF_ORIENTATION = 0x0112
_QUARTER_TURNS = {
    1: 0,
    3: 2,
    6: 1,
    8: 3,
}  # EXIF orientation -> how often the upright picture is turned left to store it


@dataclass(frozen=True)
class SampleSet:
    """Where the sample material lies. All paths are absolute when the folder was."""

    catalogue: Path  # JSONL, one row a picture, paths relative to it
    list_name: str  # the list that all of them are meant for
    paintings: tuple[Path, ...]  # all pictures, in the order of the catalogue
    archives: dict[str, Path]  # language -> ZIM file
    accept: tuple[Path, ...]  # portraits that step 0 should accept
    reject: tuple[Path, ...]  # pictures that it should turn down


def make_samples(directory: Path, *, seed: int = 1, only: Callable[[Sample], bool] | None = None) -> SampleSet:
    """Make what is missing of the sample material. Blocks: about a second a picture, nothing when all is there.

    Args:
        directory: Created when it is missing. Files of the same names are replaced if other code made them.
        seed: Of the brush strokes; the same seed, code and library versions give the same pictures.
        only: Which pictures to make, by default all.

    Raises:
        OSError: the folder cannot be written to, or the disk is full.
    """
    samples = [(number, sample) for number, sample in enumerate(COLLECTION) if only is None or only(sample)]
    directory.mkdir(parents=True, exist_ok=True)
    stamp = _Stamp(directory, seed)
    for number, sample in samples:
        stamp.ensure(_file_name(sample), partial(_paint, sample, 1000 * seed + number))
    chosen = [sample for _, sample in samples]
    stamp.ensure(CATALOGUE, partial(_list, chosen))
    for language, name in ARCHIVES.items():
        stamp.ensure(name, partial(_archive, language))
    return SampleSet(
        catalogue=directory / CATALOGUE,
        list_name=LIST_NAME,
        paintings=tuple(directory / _file_name(sample) for sample in chosen),
        archives={language: directory / name for language, name in ARCHIVES.items()},
        accept=tuple(directory / _file_name(sample) for sample in chosen if sample.accepted),
        reject=tuple(directory / _file_name(sample) for sample in chosen if not sample.accepted),
    )


def encode(sample: Sample, *, seed: int) -> bytes:
    """Paint a picture and return it as a JPEG file, turned as its EXIF orientation says."""
    picture = Image.fromarray(np.ascontiguousarray(np.rot90(sample.paint(seed), _QUARTER_TURNS[sample.orientation])))
    exif = Image.Exif()
    if sample.orientation != 1:
        exif[EXIF_ORIENTATION] = sample.orientation
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=JPEG_QUALITY, exif=exif)
    return buffer.getvalue()


def _paint(sample: Sample, seed: int, path: Path) -> None:
    write_whole(path, encode(sample, seed=seed))


def _list(samples: Sequence[Sample], path: Path) -> None:
    write_whole(path, _catalogue(samples))


def _archive(language: str, path: Path) -> None:
    write_sample_archive(path, language)


def _file_name(sample: Sample) -> str:
    return f"{sample.slug}.jpg"


def _catalogue(samples: Sequence[Sample]) -> bytes:
    rows = [
        {
            "path": _file_name(sample),
            "title": sample.title,
            "artist": sample.artist,
            "year": sample.year,
            "sitter": sample.sitter,
            "licence": LICENCE,
            "tags": list(sample.tags),
            "source": "sample",
        }
        for sample in samples
    ]
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


class _Stamp:
    """Remembers what was made by this code, so that it is not made again."""

    def __init__(self, directory: Path, seed: int) -> None:
        self._directory = directory
        self._path = directory / STAMP
        self._version = _version(seed)
        self._made = self._read()

    def ensure(self, name: str, make: Callable[[Path], object]) -> None:
        """Make a file unless it is there, whole and made by this code."""
        path = self._directory / name
        if name in self._made and path.is_file() and path.stat().st_size == self._made[name]:
            return
        make(path)
        self._made[name] = path.stat().st_size
        content = {"version": self._version, "bytes": self._made}
        write_whole(self._path, (json.dumps(content, indent=1) + "\n").encode())

    def _read(self) -> dict[str, int]:
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        known = isinstance(content, dict) and content.get("version") == self._version
        return dict(content["bytes"]) if known else {}


def _version(seed: int) -> str:
    """Return what tells one state of the code, the texts and the libraries from another."""
    digest = hashlib.sha256(f"{seed} {np.__version__} {cv2.__version__}".encode())
    for file in sorted(files("orchestrator.sample").iterdir(), key=lambda one: one.name):
        if file.name.endswith((".py", ".yaml")):
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
