"""The folders of one card: where inputs come from, how outputs are named, what may be read from outside.

A real server numbers its files by listing the folder at each save, keeps within its folders, and takes a folder's name
behind a file name (`a.png [output]`). The same rules are here, in one place, for the nodes and for the HTTP routes.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import string
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

FOLDER_TYPES = ("input", "output", "temp")

_ANNOTATED = re.compile(r"^(?P<name>.*?)\s*\[(?P<folder>input|output|temp)\]$", re.DOTALL)


class OutsideFolder(Exception):
    """A file name would leave the folder it belongs to."""


@dataclass(frozen=True)
class SavePlan:
    """Where the next file of an output node goes."""

    folder: Path  # absolute, exists
    stem: str  # the prefix's last part; may still hold %batch_num%
    counter: int  # 1-based number of the next file
    subfolder: str  # as reported to the client; empty for the folder itself
    type: str  # "output" or "temp"

    def name(self, index: int, extension: str, *, underscore: bool = True) -> str:
        """Name the file at an index of the batch (0-based), such as `PREFIX_00001_.png`."""
        stem = self.stem.replace("%batch_num%", str(index))
        return f"{stem}_{self.counter + index:05}{'_' if underscore else ''}.{extension}"

    def entry(self, name: str) -> dict[str, str]:
        """Describe a saved file the way history lists it."""
        return {"filename": name, "subfolder": self.subfolder, "type": self.type}


class Folders:
    """The input, output, temp and models folders of one card."""

    def __init__(self, directory: Path) -> None:
        """Make the folders; empty temp/, as a server does when it starts."""
        self.directory = directory.resolve()
        for name in (*FOLDER_TYPES, "models"):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        self.wipe_temp()

    def wipe_temp(self) -> None:
        """Remove what previews left behind."""
        shutil.rmtree(self.directory / "temp", ignore_errors=True)
        (self.directory / "temp").mkdir(parents=True, exist_ok=True)

    def of_type(self, folder_type: str) -> Path | None:
        """Return the folder called input, output or temp, or None."""
        return self.directory / folder_type if folder_type in FOLDER_TYPES else None

    def split_annotated(self, name: str) -> tuple[str, Path | None]:
        """Split `name [output]` into its name and folder; the folder is None where none is named."""
        match = _ANNOTATED.match(name)
        if match is None:
            return name, None
        return match["name"], self.directory / match["folder"]

    def input_file(self, name: str) -> Path:
        """Return the path that a loader's value names. The file need not exist."""
        bare, folder = self.split_annotated(name)
        return Path(os.path.normpath((folder or self.directory / "input") / bare))

    def has_input(self, name: str) -> bool:
        """Whether a loader's value names a file that exists."""
        return self.input_file(name).is_file()

    def top_level(self, folder_type: str) -> list[str]:
        """List the files lying directly in a folder, sorted."""
        folder = self.of_type(folder_type)
        if folder is None or not folder.is_dir():
            return []
        return sorted(entry.name for entry in os.scandir(folder) if entry.is_file() and not entry.name.startswith("."))

    def inside(self, base: Path, relative: str) -> Path:
        """Join a path to a folder.

        Raises:
            OutsideFolder: the result lies outside of the folder.
        """
        path = Path(os.path.normpath(os.path.join(base, relative)))
        if os.path.commonpath((base, path)) != str(base):
            raise OutsideFolder(relative)
        return path

    def plan(self, prefix: str, *, width: int = 0, height: int = 0) -> SavePlan:
        """Choose folder and number for an output node's next files.

        Raises:
            Exception: the prefix leaves the output folder; a plain one, as the client of a real server sees it.
        """
        return self._plan(prefix, "output", width=width, height=height)

    def plan_temp(self, prefix: str = "ComfyUI") -> SavePlan:
        """Choose folder and number for a preview's next files."""
        tag = "".join(secrets.choice(string.ascii_lowercase) for _ in range(5))
        return self._plan(f"{prefix}_temp_{tag}", "temp", width=0, height=0)

    def _plan(self, prefix: str, folder_type: str, *, width: int, height: int) -> SavePlan:
        base = self.directory / folder_type
        resolved = os.path.normpath(_fill_tokens(prefix, width=width, height=height))
        subfolder, stem = os.path.split(resolved)
        folder = Path(os.path.abspath(os.path.join(base, subfolder)))
        common = os.path.commonpath((base, folder))
        if common != str(base):
            raise Exception(
                "**** ERROR: Saving image outside the output folder is not allowed."
                f"\n full_output_folder: {folder}\n         output_dir: {base}\n         commonpath: {common}"
            )
        folder.mkdir(parents=True, exist_ok=True)
        return SavePlan(folder, stem, _next_counter(folder, stem), subfolder, folder_type)


def write_beside(path: Path, write: Callable[[Path], None]) -> Path:
    """Let `write` fill a temporary file, then give it its final name; nothing half-written is ever visible."""
    part = path.with_name(f".{secrets.token_hex(6)}.part{path.suffix}")
    try:
        write(part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


def _fill_tokens(prefix: str, *, width: int, height: int) -> str:
    """Replace the tokens that a server knows; those of the browser (`%date:…%`) stay as they are."""
    if "%" not in prefix:
        return prefix
    now = time.localtime()
    tokens = {
        "width": str(width),
        "height": str(height),
        "year": str(now.tm_year),
        "month": f"{now.tm_mon:02}",
        "day": f"{now.tm_mday:02}",
        "hour": f"{now.tm_hour:02}",
        "minute": f"{now.tm_min:02}",
        "second": f"{now.tm_sec:02}",
    }
    for token, value in tokens.items():
        prefix = prefix.replace(f"%{token}%", value)
    return prefix


def _next_counter(folder: Path, stem: str) -> int:
    """One more than the highest number after `STEM_` in a folder."""
    pattern = re.compile(re.escape(stem) + r"_(\d+)(?:[_.]|$)")
    numbers = (pattern.match(name) for name in os.listdir(folder))
    return max((int(match[1]) for match in numbers if match), default=0) + 1
