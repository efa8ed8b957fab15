"""FFmpeg found and run, files read back, pictures encoded: with the real programs on tiny files."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from steps.errors import BadOutput, InvalidInput, ProgramFailed, ProgramMissing, StepError
from steps.external import ffmpeg, ffmpeg_program

SIZE = (96, 160)


def stripes(shift: int = 0) -> ffmpeg.Image:
    """A picture of three flat colours, far apart in every channel."""
    image = np.empty((SIZE[1], SIZE[0], 3), np.uint8)
    image[:60], image[60:110], image[110:] = (200, 40, 30), (20, 180, 60), (30, 60, 220)
    return np.roll(image, shift, axis=0)


@pytest.fixture
def forget_version() -> Iterator[None]:
    """The version is asked once a process; these tests ask again, and leave no wrong answer behind."""
    ffmpeg_program.version.cache_clear()
    yield
    ffmpeg_program.version.cache_clear()


def program(path: Path, body: str) -> Path:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_found_ffmpeg_fits() -> None:
    """Everything below rests on it."""
    assert ffmpeg.version().fits
    assert ffmpeg.executable() == ffmpeg.version().path


def test_old_ffmpeg_on_path_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forget_version: None
) -> None:
    """A distribution's 4.4 must not break the night when the wheel's binary is there."""
    program(tmp_path / "ffmpeg", 'echo "ffmpeg version 4.4.2-0ubuntu0.22.04.1 Copyright"')
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert ffmpeg.version().path != str(tmp_path / "ffmpeg")


def test_no_usable_ffmpeg_lists_what_was_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forget_version: None
) -> None:
    """The operator must see which binary was refused and for what."""
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(program(tmp_path / "mine", 'echo "ffmpeg version 6.0 Copyright"')))
    with pytest.raises(ProgramMissing, match=r"mine: version 6\.0, lacks ass"):
        ffmpeg.version()


@pytest.mark.parametrize(
    ("text", "banner", "number"),
    [
        ("5.1.9-0+deb12u1", "", (5, 1)),
        ("n9.0.2-17-g2a571b6068", "", (9, 0)),
        ("N-121000-gabc", "libavfilter    10.  4.100 / 10.", (5, 1)),
        ("N-99000-gabc", "libavfilter     7.110.100", (0, 0)),
    ],
)
def test_version_numbers_are_understood(text: str, banner: str, number: tuple[int, int]) -> None:
    """Debian, static builds and nightlies write their versions differently."""
    assert ffmpeg_program._number(text, banner) == number


def test_staged_files_are_links_and_originals_survive(tmp_path: Path) -> None:
    """A job's folder knows its inputs by plain names; making one known must never cost the input."""
    (tmp_path / "job").mkdir()
    for name in ("a 'b'.txt", "c.txt"):
        (tmp_path / name).write_text(name)
        assert ffmpeg.stage(tmp_path / name, into=tmp_path / "job", name="in.txt") == "in.txt"
        assert (tmp_path / "job" / "in.txt").read_text() == name
    own = tmp_path / "job" / "own.txt"
    own.write_text("mine")
    ffmpeg.stage(own, into=tmp_path / "job", name="own.txt")
    with pytest.raises(StepError, match=r"own\.txt"):
        ffmpeg.stage(tmp_path / "c.txt", into=tmp_path / "job", name="own.txt")
    assert own.read_text() == "mine"


def test_failed_call_says_why(tmp_path: Path) -> None:
    """FFmpeg's own words reach the message."""
    with pytest.raises(ProgramFailed, match="No such file"):
        ffmpeg.run(["-i", "absent.mp4", "out.mp4"], cwd=tmp_path)


def test_written_pictures_come_back(tmp_path: Path) -> None:
    """Frames, rate, marks and colours survive; a wrong YUV matrix would shift them by ten or more."""
    path = tmp_path / "clip.mp4"
    assert ffmpeg.write_frames(path, (stripes(k) for k in range(17)), fps=16, size=SIZE) == 17
    media = ffmpeg.probe(path)
    assert media.video is not None
    assert media.audio is None
    assert (media.video.width, media.video.height, media.video.frames, media.video.fps) == (*SIZE, 17, 16.0)
    assert (media.video.codec, media.video.pixel_format, media.video.sar) == ("h264", "yuv420p", Fraction(1))
    assert media.duration_s == pytest.approx(17 / 16)
    for time_s, shift in ((0.0, 0), (8 / 16, 8), (99.0, 16)):
        difference = ffmpeg.frame_at(path, time_s).astype(int) - stripes(shift)
        assert np.abs(np.median(difference, axis=(0, 1))).max() <= 3
    assert [t for t, _ in ffmpeg.read_frames(path, every=8)] == [0.0, 0.5, 1.0]


def test_sound_is_muxed_and_read_back(tmp_path: Path) -> None:
    """The embedded talking clip carries the original speech."""
    ffmpeg.run(["-f", "lavfi", "-i", "sine=440:duration=1", "-ar", "24000", "tone.flac"], cwd=tmp_path)
    path = tmp_path / "clip.mp4"
    ffmpeg.write_frames(path, (stripes() for _ in range(25)), fps=24, size=SIZE, audio=tmp_path / "tone.flac")
    audio = ffmpeg.probe(path).audio
    assert audio is not None
    assert audio.codec == "aac"
    samples = ffmpeg.read_samples(path, rate_hz=16000)
    spectrum = np.abs(np.fft.rfft(samples[1600:14400]))
    assert np.argmax(spectrum) * 16000 / 12800 == pytest.approx(440, abs=2)


def test_failing_writer_leaves_no_file(tmp_path: Path) -> None:
    """A half-written clip must never be taken for a finished one."""
    path = tmp_path / "clip.mp4"

    def failing() -> Iterator[ffmpeg.Image]:
        yield stripes()
        raise RuntimeError("renderer")

    with pytest.raises(RuntimeError, match="renderer"):
        ffmpeg.write_frames(path, failing(), fps=16, size=SIZE)
    assert list(tmp_path.iterdir()) == []


def test_writer_without_pictures_fails(tmp_path: Path) -> None:
    """An empty renderer is an error, not an empty video."""
    with pytest.raises(ProgramFailed), ffmpeg.FrameWriter(tmp_path / "clip.mp4", fps=16, size=SIZE):
        pass
    assert list(tmp_path.iterdir()) == []


def test_writer_tells_ffmpegs_reason(tmp_path: Path) -> None:
    """A broken pipe alone would say nothing."""
    absent = tmp_path / "absent.flac"
    with pytest.raises(ProgramFailed, match=r"absent\.flac"):
        ffmpeg.write_frames(tmp_path / "clip.mp4", (stripes() for _ in range(200)), fps=16, size=SIZE, audio=absent)


def test_writer_refuses_other_shapes(tmp_path: Path) -> None:
    """A transposed array would encode as noise without an error."""
    with (
        pytest.raises(ValueError, match="expected uint8"),
        ffmpeg.FrameWriter(tmp_path / "clip.mp4", fps=16, size=SIZE) as writer,
    ):
        writer.write(np.zeros((SIZE[0], SIZE[1], 3), np.uint8))


def test_last_frame_is_the_last_one(tmp_path: Path) -> None:
    """The outro starts from it: one frame off is a visible jump."""
    path = tmp_path / "clip.mp4"
    ffmpeg.write_frames(path, (np.full((160, 96, 3), 10 * k, np.uint8) for k in range(25)), fps=24, size=SIZE)
    out = ffmpeg.extract_last_frame(path, tmp_path / "last.png")
    assert ffmpeg.mean_level(ffmpeg.frame_at(out, 0)) == pytest.approx(240, abs=2)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["clip.mp4", "last.png"]


def test_black_is_told_from_dark(tmp_path: Path) -> None:
    """A failed render is black; a Rembrandt is not."""
    dark = np.full((160, 96, 3), 9, np.uint8)
    dark[20:60, 30:60] = 70
    ffmpeg.write_frames(tmp_path / "dark.mp4", (dark for _ in range(9)), fps=16, size=SIZE)
    ffmpeg.write_frames(tmp_path / "black.mp4", (np.zeros_like(dark) for _ in range(9)), fps=16, size=SIZE)
    assert not ffmpeg.is_black(tmp_path / "dark.mp4")
    assert ffmpeg.is_black(tmp_path / "black.mp4")


@pytest.mark.parametrize("content", [b"", b"not media at all", b"\x00\x00\x00\x18ftypmp42"])
def test_damaged_files_are_bad_output(tmp_path: Path, content: bytes) -> None:
    """Whatever a server sent, the answer is one of our errors."""
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    with pytest.raises(BadOutput):
        ffmpeg.probe(path)
    with pytest.raises(BadOutput):
        ffmpeg.probe(tmp_path / "absent.mp4")


def test_truncated_video_is_bad_output(tmp_path: Path) -> None:
    """Cut off before its index, as a broken download is."""
    path = tmp_path / "clip.mp4"
    ffmpeg.write_frames(path, (stripes(k) for k in range(17)), fps=16, size=SIZE)
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(BadOutput):
        ffmpeg.frame_at(path, 0.5)


@pytest.mark.parametrize("name", ["a:b 'c', [d]; 50%.flac", "-i.flac", "l'Été.flac"])
def test_loudness_of_hostile_names(tmp_path: Path, name: str) -> None:
    """A music folder is the user's: colons, quotes and dashes are names, not protocols or switches."""
    ffmpeg.run(["-f", "lavfi", "-i", "sine=1000:duration=2", "-af", "volume=-2dB", "tone.flac"], cwd=tmp_path)
    (tmp_path / "tone.flac").rename(tmp_path / name)
    loudness = ffmpeg.measure_loudness(tmp_path / name)
    assert loudness.integrated_lufs == pytest.approx(-23.0, abs=0.5)
    assert loudness.true_peak_dbtp == pytest.approx(-20.0, abs=0.3)


def test_silence_is_silent(tmp_path: Path) -> None:
    """The meter prints -inf and nan for it; neither may reach a sum."""
    ffmpeg.run(["-f", "lavfi", "-i", "anullsrc=d=2", "none.wav"], cwd=tmp_path)
    assert ffmpeg.measure_loudness(tmp_path / "none.wav").is_silent


def test_loudness_needs_sound(tmp_path: Path) -> None:
    """A picture has none."""
    ffmpeg.write_frames(tmp_path / "clip.mp4", [stripes()], fps=16, size=SIZE)
    with pytest.raises(InvalidInput):
        ffmpeg.measure_loudness(tmp_path / "clip.mp4")
