"""The one sound track of a video: the speech at its place, and music under it that makes way.

Which music is decided by `rotation.py` from what `tracks.py` finds, or made by `music.py`; how sounds are mixed,
levelled and encoded is `external/mixing.py`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steps import music, rotation
from steps.base import Check
from steps.external import mixing
from steps.external.mixing import Levels, Master
from steps.options import FinalOptions
from steps.rotation import Chosen, Request
from steps.tracks import Track, read_library

OWN_LOOP = "own loop"


@dataclass(frozen=True)
class Places:
    """Where the speech lies in the video, and how long the video is."""

    speech_at_s: float
    total_s: float


@dataclass(frozen=True)
class Soundtrack:
    """The finished sound."""

    master: Master
    track: Track | None  # None: our own loop
    mood: str
    chosen: Chosen

    @property
    def path(self) -> Path:
        """Return the file: AAC in MP4, in step with the pictures without an edit list."""
        return self.master.path

    @property
    def music(self) -> str:
        """Return the name of the music's file, or OWN_LOOP."""
        return self.track.path.name if self.track is not None else OWN_LOOP

    def data(self) -> dict[str, Any]:
        """Return what the report and the metadata say about it."""
        track = self.track
        stated = {} if track is None else {"title": track.title, "author": track.author, "licence": track.licence}
        return {
            "music": self.music,
            "music_mood": self.mood,
            "music_stated": stated,
            "loudness_mode": self.master.levelling,
            "peaks_held_db": self.master.held_db,
        }

    def checks(self, options: FinalOptions) -> list[Check]:
        """Return what was passed over, and what was done to reach the loudness; recorded, not refused."""
        passed_over, master = self.chosen.passed_over, self.master
        mode = "linear" if master.levelling == "linear" else f"highest peaks held down by {master.held_db:g} dB"
        found = [
            Check("final.music_files", "; ".join(passed_over) or "all usable", "all usable", passed=not passed_over),
            # Never `loudnorm`'s dynamic mode: its result is thrown away. A limiter that takes off more than this is
            # heard as hoarseness.
            Check("final.levelling", mode, "linear, or peaks held by <= 9 dB", passed=master.held_db <= 9),
        ]
        if options.music is not None:
            again = self.chosen.again
            own = self.track is None
            found.append(
                Check(
                    "final.music_turn",
                    "our own loop, as no track can be used" if own else "the same again" if again else "another",
                    "another than in the videos beside it",
                    passed=not (again or own),
                )
            )
        return found


def make_soundtrack(
    speech: Path, places: Places, *, work: Path, options: FinalOptions, request: Request, state_dir: Path | None = None
) -> Soundtrack:
    """Mix, level and encode the sound of one video. Blocks: about 3 s for half a minute.

    A folder of music in which nothing can be used leads to our own loop, and a check that says so: the night's videos
    are worth more than its music.

    Args:
        speech: What is said.
        places: Where it lies.
        work: The folder to work in.
        options: Folder of music, and levels.
        request: Whose music it is.
        state_dir: Where the choice is remembered.

    Raises:
        InvalidInput: the speech is silent or empty.
        BadOutput: the speech cannot be read, or the loudness cannot be reached.
        ResourceMissing: there is no such folder of music.
        ProgramFailed, ProgramTimedOut, DiskFull: FFmpeg did not get through.
    """
    chosen = Chosen(None, ())
    if options.music is not None:
        library = read_library(options.music)
        chosen = rotation.choose(library, request, heard_s=places.total_s, state_dir=state_dir)
    if chosen.track is None:
        # As long as the video, so that both begin again together.
        loop_s = min(max(places.total_s, music.SHORTEST_S), music.LONGEST_S)
        path = music.write_loop(work / "loop.wav", duration_s=loop_s, seed=request.seed, mood=request.mood)
    else:
        path = chosen.track.path
    levels = Levels(options.loudness_lufs, options.music_lufs, options.true_peak_dbtp)
    is_circle = chosen.track is None and places.total_s <= music.LONGEST_S
    track = mixing.Track(speech, places.speech_at_s, path, is_circle, places.total_s, chosen.loudness)
    mixed = mixing.mix(track, levels, work=work)
    master = mixing.master(mixed, levels, duration_s=places.total_s, work=work)
    return Soundtrack(master, chosen.track, request.mood, chosen)
