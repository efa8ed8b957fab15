"""Joins: what is measured there, what brings the clips together, and what is seen and heard where the video loops."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from final_video_scene import Scene, make_scene, painting

from steps import ass, deliverable, joins, loop
from steps.base import Made, Result
from steps.external import cut, ffmpeg
from steps.external.cut import Picture
from steps.final_options import VersionOptions
from steps.final_video import FinalVideo
from steps.options import FinalOptions

RATE = loop.RATE_HZ


def textured() -> ffmpeg.Image:
    """The scene's painting, large, with strokes that a shift can be told by."""
    return np.asarray(cv2.resize(painting(), (216, 432), interpolation=cv2.INTER_CUBIC)[24:408], dtype=np.uint8)


def changed(image: ffmpeg.Image, *, zoom: float = 1.0, warm: float = 0.0, gain: float = 1.0) -> ffmpeg.Image:
    """A picture as another model gives it back: a little nearer, warmer, of more contrast."""
    height, width = image.shape[:2]
    warp = cv2.getRotationMatrix2D((width / 2 - 0.5, height / 2 - 0.5), 0, zoom)
    moved = cv2.warpAffine(image, warp, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    shown = 128 + (moved.astype(float) - 128) * gain + [warm, 0, -warm]
    return np.asarray(np.clip(shown, 0, 255), dtype=np.uint8)


def test_a_match_undoes_what_a_model_changed() -> None:
    """Nearer by 3 %, warmer by 8 levels, harder by 6 %: hardly anything of it is left."""
    join = joins.measure("x", textured(), changed(textured(), zoom=1.03, warm=8, gain=1.06), frames=24)
    assert join.match is not None
    assert join.match.scale == pytest.approx((1.03, 1.03), abs=0.003)
    assert join.match.shift == pytest.approx((0, 0), abs=0.002)
    assert join.colour > 6
    assert join.left < 0.4 * join.apart


def test_what_fits_is_left_alone() -> None:
    """Equal pictures, and pictures that do not show the same: there is nothing to match."""
    assert joins.measure("x", textured(), textured(), frames=24).match is None
    other = np.random.default_rng(1).integers(0, 255, (384, 216, 3)).astype(np.uint8)
    assert joins.measure("x", textured(), other, frames=24).match is None
    assert joins.measure("x", textured(), changed(textured(), warm=20), frames=1).match is None


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return make_scene(tmp_path_factory.mktemp("scene"))


@pytest.fixture(scope="module")
def finished(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Result:
    """A video whose way back is warmer, larger, of another size and range, and carries its graph; in three versions."""
    folder = tmp_path_factory.mktemp("clips")
    (folder / "in.mp4").symlink_to(scene.made["outro"].files["clip"])
    look = "scale=256:512,crop=248:496,eq=contrast=1.05,colorchannelmixer=rr=1.08:bb=0.92,scale=160:320:out_range=pc"
    graph = ["-metadata", 'prompt={"3": "KSampler"}', "-metadata", "workflow=/home/o/ComfyUI/x.json"]
    kept = ["-movflags", "use_metadata_tags", "-pix_fmt", "yuvj420p"]
    ffmpeg.run(["-i", "in.mp4", "-vf", look, *graph, *kept, "outro.mp4"], cwd=folder)
    assert b"KSampler" in (folder / "outro.mp4").read_bytes()
    versions = {"tiktok": VersionOptions(watermark=""), "plain": VersionOptions(title_card=False, disclosure="always")}
    final = FinalOptions(preset="ultrafast", versions=versions)
    made = {"outro": Made({"clip": folder / "outro.mp4"}, {})}
    return FinalVideo().run(scene.context(tmp_path_factory.mktemp("final"), made=made, final=final))


def test_clips_of_other_looks_join_without_a_jump(finished: Result) -> None:
    """Full range, 5 % larger, warmer: what is left at the join is what compression leaves."""
    measured = {check.name: check for check in finished.checks}
    data = finished.data["joins"]["to_outro"]
    assert data["apart"] > 4
    assert data["left"] < 0.5 * data["apart"]
    assert measured["final.step_to_outro"].passed, measured["final.step_to_outro"]
    assert measured["final.loop_seam"].passed


def test_nothing_of_a_clip_s_graph_is_told(finished: Result) -> None:
    """ComfyUI writes graph and prompt into what it saves; none of it, and no folder, leaves the house."""
    for name in ("video", "video_tiktok", "video_plain", "thumbnail", "metadata"):
        content = finished.files[name].read_bytes()
        for word in (b"KSampler", b"workflow", b"ComfyUI", b"/home/", b"/tmp/"):
            assert word not in content, (name, word)


def test_a_file_that_tells_more_is_refused(finished: Result, tmp_path: Path) -> None:
    """The check can fail."""
    (tmp_path / "in.mp4").symlink_to(finished.files["video"])
    extra = ["-c", "copy", "-metadata", "prompt=x", "-movflags", "use_metadata_tags+faststart"]
    ffmpeg.run(["-i", "in.mp4", *extra, "out.mp4"], cwd=tmp_path)
    picture = Picture(270, 480, 24, "ultrafast", 20)
    told = next(c for c in deliverable.file_checks(tmp_path / "out.mp4", picture) if c.name == "final.told")
    assert (told.measured, told.passed) == ("prompt", False)


def test_versions_differ_in_what_was_ordered(finished: Result) -> None:
    """No mark for one, no card but a line that stays for the other; all else is the same, to the sample."""
    frames = {
        name: ffmpeg.frame_at(finished.files[name], 1.2).astype(int) for name in finished.files if "video" in name
    }
    sounds = [ffmpeg.read_samples(finished.files[name], rate_hz=RATE) for name in frames]
    assert all(np.array_equal(sounds[0], other) for other in sounds[1:])
    corner, card, rest = (
        (slice(50, 66), slice(10, 80)),
        (slice(270, 350), slice(18, 225)),
        (slice(370, 480), slice(None)),
    )
    first = frames["video"]
    assert np.abs(first[corner] - frames["video_tiktok"][corner]).max() > 40
    assert np.abs(first[card] - frames["video_tiktok"][card]).mean() < 3
    assert np.abs(first[card] - frames["video_plain"][card]).max() > 100
    for other in ("video_tiktok", "video_plain"):
        assert np.abs(first[rest] - frames[other][rest]).mean() < 3


def test_colour_steps_are_seen(tmp_path: Path) -> None:
    """A clip that turns warmer from one frame to the next is told from one that does not."""
    frames = [painting(warmth=0 if number < 12 else 60) for number in range(40)]
    ffmpeg.write_frames(tmp_path / "x.mp4", frames, fps=24, size=(128, 256))
    step, beside = joins.steps_at(tmp_path / "x.mp4", 12, fps=24)
    assert step > 5
    assert beside < 1
    assert joins.steps_at(tmp_path / "x.mp4", 30, fps=24)[0] < 1


@pytest.mark.parametrize(
    ("begin", "end", "failed"),
    [
        (1.0, 1.0, set()),
        (0.05, 1.0, {"final.sound_seam_jump"}),
    ],
)
def test_sound_seams_are_measured(begin: float, end: float, failed: set[str]) -> None:
    """A tone that goes round, and one that begins far quieter than it ends."""
    time = np.arange(2 * RATE) / RATE
    tone = 0.1 * np.sin(2 * np.pi * 100 * time) * np.linspace(begin, end, time.size)
    seam = loop.sound_seam(tone.astype(np.float32), video_s=2.0)
    assert {check.name for check in seam.checks() if not check.passed} == failed


def test_clicks_and_gaps_are_heard() -> None:
    """A tone cut off at its crest clicks; one that ends early leaves a hole."""
    time = np.arange(2 * RATE) / RATE
    click = loop.sound_seam((0.1 * np.cos(2 * np.pi * 100.25 * time)).astype(np.float32), video_s=2.0)
    assert "final.sound_seam_click" in {check.name for check in click.checks() if not check.passed}
    gap = loop.sound_seam((0.1 * np.sin(2 * np.pi * 100 * time[: int(1.9 * RATE)])).astype(np.float32), video_s=2.0)
    assert gap.gap_s == pytest.approx(0.1, abs=0.005)
    silent = loop.sound_seam(np.zeros(RATE, np.float32), video_s=1.0)
    assert all(check.passed for check in silent.checks())


def test_a_match_wears_off(tmp_path: Path) -> None:
    """Colours and size of the first frame fit the clip before; after `frames` the clip is as it was."""
    ffmpeg.write_frames(tmp_path / "a.mp4", (textured() for _ in range(20)), fps=24, size=(216, 384), crf=6)
    other = changed(textured(), zoom=1.04, warm=10)
    ffmpeg.write_frames(tmp_path / "b.mp4", (other for _ in range(34)), fps=24, size=(216, 384), crf=6)
    clips = [cut.Clip(tmp_path / "a.mp4", 20), cut.Clip(tmp_path / "b.mp4", 34), cut.Clip(tmp_path / "a.mp4", 20)]
    matched, _ = joins.matched(clips, fps=24, last={})
    picture = Picture(216, 384, 24, "ultrafast", 10)
    nothing = ass.document([ass.Style("plain", "Lato", 20)], [], width=216, height=384)
    (tmp_path / "none.ass").write_text(nothing, encoding="utf-8")
    (tmp_path / "fonts").mkdir()
    cut.join(matched, [cut.Version("none.ass", tmp_path / "out.mp4")], picture, fonts="fonts")
    made = [image.astype(int) for _, image in ffmpeg.read_frames(tmp_path / "out.mp4")]
    assert len(made) == 74
    assert np.abs(made[24] - textured()).mean() < 4
    assert np.abs(made[50] - other).mean() < 2
    apart = np.abs(textured() - other.astype(int)).mean()
    assert apart > 6
    assert max(np.abs(b - a).mean() for a, b in pairwise(made[16:52])) < apart / 4
