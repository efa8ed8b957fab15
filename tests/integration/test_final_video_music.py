"""The owner's music: what is known of a track, which one a video gets, and that neighbours never share one."""

from __future__ import annotations

import wave
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import yaml

from steps import rotation, tracks
from steps.errors import ResourceMissing
from steps.external import ffmpeg
from steps.rotation import Request, choose
from steps.tracks import Library, read_library


def tone(path: Path, *, hz: float = 440, level: float = 0.3) -> Path:
    """Write half a second of mono at 8 kHz: the least that is music to a meter."""
    samples = level * np.sin(2 * np.pi * hz * np.arange(4800) / 8000)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six tracks, two of them solemn, and one that nobody states a licence for."""
    place = tmp_path_factory.mktemp("music")
    for number in range(7):
        tone(place / f"t{number}.wav", hz=300 + 60 * number)
    stated = {
        f"t{number}.wav": {"title": f"Tune {number}", "author": "A", "licence": "CC BY 4.0"} for number in range(6)
    }
    stated["t1.wav"]["moods"] = stated["t4.wav"]["moods"] = "solemn"
    (place / "tracks.yaml").write_text(yaml.safe_dump(stated))
    return place


def request(item_id: int, *, variant: str = "fr", mood: str = "cheeky", seed: int | None = None) -> Request:
    return Request(item_id, variant, 1000 + item_id if seed is None else seed, mood)


def name_of(library: Library, wanted: Request, state: Path | None) -> str:
    chosen = choose(library, wanted, heard_s=0.5, state_dir=state)
    assert chosen.track is not None
    return chosen.track.path.name


def test_statements_are_found_wherever_they_stand(tmp_path: Path) -> None:
    """A list as YAML or as a table with semicolons, a file beside the track, a folder's name, the track's own tags."""
    solemn = tmp_path / "Solemn"
    solemn.mkdir()
    for path in (tmp_path / "a.wav", tmp_path / "B.WAV", tmp_path / "c.wav", solemn / "d.wav"):
        tone(path)
    (tmp_path / "tracks.yaml").write_text("tracks:\n- {file: a.wav, license: CC0, mood: [tender, odd], title: 12}\n")
    (tmp_path / "tracks.csv").write_text('\ufeffFile;Licence;Author\nb.wav;Bought from "X";Zoé\n', encoding="utf-8")
    (tmp_path / "c.yaml").write_text("licence: >\n  CC BY\n  4.0\nartist: 'x\x01y'\n".replace("\x01", "\\x01"))
    (solemn / "d.wav.yaml").write_text("{licence: Public domain, moods: 'proud; tender'}")
    tags = ["-metadata", "title=E", "-metadata", "copyright=CC BY-SA 3.0", "-metadata", "artist=Ann"]
    ffmpeg.run(["-i", "a.wav", *tags, "e.ogg"], cwd=tmp_path)
    ffmpeg.run(["-i", "a.wav", "-metadata", "copyright=(C) 2019 Big Label", "f.ogg"], cwd=tmp_path)
    library = read_library(tmp_path)
    found = {track.path.name: track for track in library.tracks}
    assert {name: track.licence for name, track in found.items()} == {
        "a.wav": "CC0",
        "B.WAV": 'Bought from "X"',
        "c.wav": "CC BY 4.0",
        "d.wav": "Public domain",
        "e.ogg": "CC BY-SA 3.0",
    }
    assert found["a.wav"].moods == {"tender"}
    assert found["d.wav"].moods == {"solemn", "proud", "tender"}
    assert found["e.ogg"].credit == "“E”, Ann (CC BY-SA 3.0)"
    assert (found["a.wav"].title, found["B.WAV"].title) == ("12", "B")
    assert library.passed_over == ("f.ogg: nobody states its licence",)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tracks.yaml", b"a.wav: {licence: CC0"),
        ("tracks.yaml", b"- 1\n- [a]\n- {file: }\n"),
        ("tracks.yaml", b"a.wav: {licence: unknown}"),
        ("tracks.csv", b"\xff\xfe\x00"),
        ("tracks.csv", b"licence\nCC0\n"),
        ("a.yaml", b"- a"),
    ],
)
def test_lists_of_any_content_are_survived(tmp_path: Path, name: str, content: bytes) -> None:
    """A list that says nothing useful leaves the track without a licence, and that is what is said."""
    tone(tmp_path / "a.wav")
    (tmp_path / name).write_bytes(content)
    library = read_library(tmp_path)
    assert library.tracks == ()
    assert "a.wav: nobody states its licence" in library.passed_over


def test_a_track_without_a_licence_is_never_chosen(folder: Path) -> None:
    """It is named instead, each time."""
    library = read_library(folder)
    chosen = choose(library, request(1), heard_s=0.5, state_dir=None)
    assert "t6.wav" not in {track.path.name for track in library.tracks}
    assert chosen.passed_over == ("t6.wav: nobody states its licence",)


def test_neighbours_never_share_a_track(folder: Path, tmp_path: Path) -> None:
    """Over two nights, with items turned down in between, cut in any order, in two languages."""
    library = read_library(folder)
    items = [1, 2, 4, 9]
    order = [(item, variant) for item in items for variant in ("fr", "en")]
    np.random.default_rng(5).shuffle(order)
    got = {(int(item), str(v)): name_of(library, request(int(item), variant=str(v)), tmp_path) for item, v in order}
    for variant in ("fr", "en"):
        assert all(got[one, variant] != got[other, variant] for one, other in pairwise(items))
    again = {item: name_of(library, request(item), tmp_path) for item in items}
    assert again == {item: got[item, "fr"] for item in items}


def test_mood_decides_unless_the_neighbour_has_it(folder: Path, tmp_path: Path) -> None:
    """Two tracks are solemn: three solemn videos in a row alternate, and a third one of another mood is free."""
    library = read_library(folder)
    names = [name_of(library, request(item, mood="solemn"), tmp_path) for item in (1, 2, 3)]
    assert set(names) == {"t1.wav", "t4.wav"}
    assert names[0] != names[1] != names[2]
    assert name_of(library, request(4), tmp_path) not in {"t1.wav", "t4.wav"}


def test_another_try_gets_another_track(folder: Path, tmp_path: Path) -> None:
    """Who sends a video back gets a new seed, and may have done so because of its music."""
    library = read_library(folder)
    first = name_of(library, request(1), tmp_path)
    assert name_of(library, request(1, seed=7), tmp_path) != first
    assert name_of(library, request(1, seed=7), tmp_path) != first


def test_a_damaged_memory_costs_nothing(folder: Path, tmp_path: Path) -> None:
    """It is written anew; without a folder for it the request alone decides, each time the same."""
    library = read_library(folder)
    (tmp_path / rotation.LEDGER).write_text('[{"item_id": "x"}, 3')
    first = name_of(library, request(1), tmp_path)
    assert name_of(library, request(1), tmp_path) == first
    assert name_of(library, request(1), None) == name_of(library, request(1), None)


def test_the_only_track_is_repeated_and_that_is_said(folder: Path, tmp_path: Path) -> None:
    """There is no other; the check that goes with it fails, so that a person sees it."""
    library = read_library(folder / "t0.wav")
    assert [track.title for track in library.tracks] == ["Tune 0"]
    assert not choose(library, request(1), heard_s=0.5, state_dir=tmp_path).again
    assert choose(library, request(2), heard_s=0.5, state_dir=tmp_path).again


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The setting too."""
    with pytest.raises(ResourceMissing, match=r"final\.music: .*absent cannot be read"):
        read_library(tmp_path / "absent")
    assert read_library(tmp_path) == Library((), ())
    assert tracks.MOODS[0] == "cheeky"
