"""Which encoder is used: a card's only when its probe went well, and libx264 whenever it breaks at work."""

from __future__ import annotations

import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from steps import final_video
from steps.external import encoders, ffmpeg, ffmpeg_program
from steps.external.cut import Clip, Picture, Version

STAND_IN = """#!{python}
import os, sys
# An FFmpeg whose NVENC is libx264 underneath; it breaks where a file says so, as a card that was taken away.
argv = sys.argv[1:]
if "h264_nvenc" in argv:
    if os.path.exists({broken!r}) and "clip0.mp4" in argv:
        sys.exit("OpenEncodeSessionEx failed: out of memory (10)")
    own = {{"-preset": "ultrafast", "-tune": None, "-rc": None, "-cq": None, "-b:v": None, "-spatial-aq": None}}
    found = []
    for name, value in zip(argv[0::1], argv[1:] + [""]):
        found.append((name, value))
    kept, skip = [], False
    for name, value in found:
        if skip:
            skip = False
        elif name in own:
            skip = True
            kept += [name, own[name]] if own[name] else []
        else:
            kept.append("libx264" if name == "h264_nvenc" else name)
    argv = [*kept[:-1], "-x264-params", "8x8dct=1", kept[-1]]
os.execv({ffmpeg!r}, [{ffmpeg!r}, *argv])
"""


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Put the stand-in where FFmpeg is; return the file that breaks its card."""
    sign = tmp_path / "broken"
    program = tmp_path / "ffmpeg"
    real = ffmpeg_program.executable()
    program.write_text(STAND_IN.format(python=sys.executable, broken=str(sign), ffmpeg=real))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(program))
    monkeypatch.setattr(encoders, "_failed", {})
    for cached in (ffmpeg_program.version, encoders.trial):
        cached.cache_clear()
    yield sign
    monkeypatch.undo()
    for cached in (ffmpeg_program.version, encoders.trial):
        cached.cache_clear()


def cut_small(folder: Path, encoder: str) -> tuple[Picture, tuple[str, ...]]:
    """Cut three tiny clips as the step does; return what was used."""
    grey = np.full((64, 64, 3), 90, np.uint8)
    for name in ("a", "b", "c"):
        ffmpeg.write_frames(folder / f"{name}.mp4", (grey for _ in range(12)), fps=24, size=(64, 64))
    clips = [Clip(folder / f"{name}.mp4", 12) for name in ("a", "b", "c")]
    (folder / "none.ass").write_text("[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\n\n[Events]\n")
    (folder / "fonts").mkdir()
    picture = Picture(128, 128, 24, "ultrafast", 20)
    versions = [Version("none.ass", folder / "out.mp4")]
    return final_video.encode(clips, versions, picture, wanted=encoder, fonts="fonts")


def test_an_encoder_that_works_is_used(broken: Path, tmp_path: Path) -> None:
    """It is probed, told our quality and limits, and named with them."""
    used, passed_over = cut_small(tmp_path, "h264_nvenc")
    assert (used.encoder, passed_over) == ("h264_nvenc", ())
    assert used.described == "h264_nvenc quality 20, at most 12 Mbit/s"
    video = ffmpeg.probe(tmp_path / "out.mp4").video
    assert video is not None
    assert (video.frames, video.profile, video.colours) == (36, "High", ("bt709", "bt709", "bt709", "tv"))


def test_an_encoder_that_breaks_at_work_costs_no_video(broken: Path, tmp_path: Path) -> None:
    """libx264 takes over at once, and for the rest of the night; why is said."""
    broken.touch()
    used, passed_over = cut_small(tmp_path, "auto")
    assert used.encoder == "libx264"
    assert "h264_nvenc: it broke at work" in passed_over[0]
    assert "out of memory" in passed_over[0]
    again = encoders.choose("h264_nvenc", width=128, height=128, fps=24)
    assert again.name == "libx264"
    assert ffmpeg.probe(tmp_path / "out.mp4").video is not None


def test_software_is_not_probed() -> None:
    """Whoever orders libx264 gets it, without a second of trial."""
    assert encoders.choose("libx264", width=64, height=64, fps=24) == encoders.Choice("libx264", ())


def test_a_trial_says_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """No node, no driver, another profile: one line of why."""
    monkeypatch.setattr(encoders, "_render_nodes", list)
    assert encoders.trial.__wrapped__("h264_vaapi", 128, 128, 24) == "there is no /dev/dri/renderD*"
    reason = encoders.trial.__wrapped__("no_such_encoder", 128, 128, 24)
    assert reason is not None
    assert "no_such_encoder" in reason
    assert "\n" not in reason
    assert encoders.trial.__wrapped__("libx264", 128, 128, 24) is None
