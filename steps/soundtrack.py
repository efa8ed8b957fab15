"""The one sound track of a video: the speech at its place, and music under it that makes way.

Which music is a decision of this module; how sounds are mixed, levelled and encoded is `external/mixing.py`'s.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from steps import music
from steps.errors import ResourceMissing, StepError
from steps.external import mixing
from steps.external.loudness import measure_loudness
from steps.external.mixing import Levels, Track
from steps.options import FinalOptions

SUFFIXES = frozenset({".mp3", ".wav", ".flac", ".ogg", ".opus", ".m4a", ".aac"})
OWN_LOOP = "own loop"


@dataclass(frozen=True)
class Soundtrack:
    """The finished sound."""

    path: Path  # AAC in MP4; in step with the pictures without an edit list
    loudness_lufs: float  # of that file; likewise the peak
    true_peak_dbtp: float
    music: str  # name of the file, or OWN_LOOP
    passed_over: tuple[str, ...] = ()  # music files that could not be used, with the reason


@dataclass(frozen=True)
class Places:
    """Where the speech lies in the video, and how long the video is."""

    speech_at_s: float
    total_s: float


def make_soundtrack(speech: Path, places: Places, *, work: Path, options: FinalOptions, seed: int) -> Soundtrack:
    """Mix, level and encode the sound of one video. Blocks: about 5 s for half a minute.

    Raises:
        InvalidInput: the speech is silent or empty.
        BadOutput: the speech cannot be read, or the loudness cannot be reached.
        ResourceMissing: there is no usable file in the owner's music folder.
        ProgramFailed, ProgramTimedOut, DiskFull: FFmpeg did not get through.
    """
    passed_over: tuple[str, ...] = ()
    if options.music is None:
        # As long as the video, so that both begin again together.
        shortest_s = max(places.total_s, music.SHORTEST_S)
        chosen = music.write_loop(work / "loop.wav", duration_s=min(shortest_s, music.LONGEST_S), seed=seed)
        name = OWN_LOOP
    else:
        chosen, passed_over = choose(options.music, seed=seed)
        name = chosen.name
    levels = Levels(options.loudness_lufs, options.music_lufs, options.true_peak_dbtp)
    is_circle = name == OWN_LOOP and places.total_s <= music.LONGEST_S
    track = Track(speech, places.speech_at_s, chosen, is_circle, places.total_s)
    mixed = mixing.mix(track, levels, work=work)
    master = mixing.master(mixed, levels, duration_s=places.total_s, work=work)
    return Soundtrack(master.path, master.loudness.integrated_lufs, master.loudness.true_peak_dbtp, name, passed_over)


def choose(folder: Path, *, seed: int) -> tuple[Path, tuple[str, ...]]:
    """Return one usable music file of the owner's, by the seed, and what was passed over on the way to it.

    One damaged file among many must not cost a night its videos.

    Args:
        folder: A folder of music files, or one file.
        seed: The same seed and folder give the same file.

    Raises:
        ResourceMissing: nothing there can be used; the message says why for each file.
    """
    names = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES) if folder.is_dir() else [folder]
    passed_over: list[str] = []
    for path in _in_turn(names, seed):
        reason = _unusable(path)
        if reason is None:
            return path, tuple(passed_over)
        passed_over.append(f"{path.name}: {reason}")
    raise ResourceMissing(
        f"final.music: no usable music in {folder}: {'; '.join(passed_over[:6]) or 'it has no music files'}. Put "
        f"files there ({', '.join(sorted(SUFFIXES))}), or leave the setting empty for our own loop",
        folder=str(folder),
    )


def _in_turn(paths: list[Path], seed: int) -> Iterator[Path]:
    order = np.random.default_rng(seed).permutation(len(paths))
    return (paths[int(index)] for index in order)


def _unusable(path: Path) -> str | None:
    """Return why a music file cannot be used, or None."""
    try:
        heard = measure_loudness(path)
    except StepError as error:
        return str(error)
    return f"it is silent ({heard.integrated_lufs} LUFS)" if heard.is_silent else None
