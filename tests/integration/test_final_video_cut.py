"""Step 9 on tiny clips: what comes out is measured on the file, as a platform would."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from final_video_scene import SCRIPT, Scene, fade, make_scene, painting

from steps import deliverable, loop
from steps.base import Made, Result
from steps.errors import BadOutput, InvalidInput, ResourceMissing
from steps.external import ffmpeg, mp4
from steps.external.cut import Picture, frames_at
from steps.final_video import FinalVideo
from steps.options import CaptionOptions, FinalOptions, VideoOptions

HOSTILE = "L'Été à 50%: \"a\\b\", [x]; d'Arc {\\an8}\\N #= ’«é»"


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return make_scene(tmp_path_factory.mktemp("scene"))


@pytest.fixture(scope="module")
def finished(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Result:
    """One video for all tests that only look; its title is as hostile as titles get."""
    work = tmp_path_factory.mktemp("final")
    return FinalVideo().run(scene.context(work, title=HOSTILE, preview=True, artist="O'Neil: 5%"))


def test_every_check_passes(finished: Result) -> None:
    """Codec, size, rate, index, edit list, loudness, peak, ends, seam, captions, joins: all of them are measured."""
    names = {check.name.removeprefix("final.") for check in finished.checks}
    assert names >= {"codec", "size", "rate", "index_first", "edit_list", "loudness", "true_peak", "ends_together"}
    assert names >= {"loop_seam", "captions", "join_to_talk", "join_to_outro", "join_to_start", "pixel_shape", "sound"}
    assert [check for check in finished.checks if not check.passed] == []
    assert finished.data["loudness_lufs"] == pytest.approx(-14, abs=1)


def test_no_frame_is_added_or_lost(finished: Result, scene: Scene) -> None:
    """33 frames at 16/s less the last, all talking ones, 17 at 16/s less first and last; their speed is kept."""
    talk = ffmpeg.probe(scene.made["script_video"].files["clip"]).video
    made = ffmpeg.probe(finished.files["video"]).video
    assert talk is not None
    assert made is not None
    assert made.frames == 48 + talk.frames + 23
    assert made.fps == 24


def test_beginning_and_end_are_the_painting(finished: Result) -> None:
    """The video is a loop: it starts bare on the painting and comes back to it."""
    video = finished.files["video"]
    size = (270, 480)
    shown = loop.grey(painting()[14:242])  # what is left of the clip's 128 x 256 in the picture's shape
    assert ffmpeg.frame_at(video, 0).shape == (size[1], size[0], 3)
    for image in (ffmpeg.frame_at(video, 0.0), ffmpeg.last_frame(video)):
        assert np.abs(loop.grey(image)[150:] - shown[150:]).mean() < 6


def test_sound_and_pictures_stay_together(scene: Scene, tmp_path: Path) -> None:
    """A flash and a beep at the same moment of the talking clip: lips that are 40 ms off are seen."""
    living = painting(warmth=25)
    frames = [living if number != 40 else np.full_like(living, 255) for number in range(73)]
    talk = tmp_path / "talk.mp4"
    ffmpeg.write_frames(talk, frames, fps=24, size=(128, 256))
    beep = "aevalsrc='0.5*sin(880*2*PI*t)*between(t,40/24,40/24+0.2)':d=3:s=24000"
    ffmpeg.run(["-f", "lavfi", "-i", beep, "speech.flac"], cwd=tmp_path)
    made = {
        "script_video": Made({"clip": talk}, {}),
        "audio": Made({"speech": tmp_path / "speech.flac"}, {}),
        "subtitles": Made({"ass": scene.made["subtitles"].files["ass"]}, {"words": []}),
    }
    hardly_music = FinalOptions(preset="ultrafast", music_lufs=-60)
    video = FinalVideo().run(scene.context(tmp_path / "work", made=made, final=hardly_music)).files["video"]
    samples = np.abs(ffmpeg.read_samples(video, rate_hz=48_000))
    heard_s = int(np.argmax(samples > 0.3 * samples.max())) / 48_000
    seen_s = next(t for t, image in ffmpeg.read_frames(video) if image[300:].mean() > 200)
    assert seen_s == pytest.approx(2.0 + 40 / 24, abs=0.001)
    assert heard_s - seen_s == pytest.approx(0, abs=0.012)


def test_file_says_what_it_is_and_nothing_else(finished: Result, scene: Scene) -> None:
    """Title, artist, licence and how it was made travel with the file; folders of this machine do not."""
    tags = dict(ffmpeg.probe(finished.files["video"]).tags)
    assert tags["title"] == HOSTILE
    assert tags["artist"] == "O'Neil: 5%"
    assert tags["copyright"] == "CC0"
    assert "IA" in tags["comment"]
    assert "Aperçu" in tags["comment"]
    described = json.loads(finished.files["metadata"].read_text(encoding="utf-8"))
    assert described["title"] == HOSTILE
    assert described["preview"] is True
    assert described["ai_generated"] is True
    assert described["script"] == SCRIPT["fr"]
    assert described["sources"] == [{"article": "Berthe Morisot", "archive": "wikipedia_fr.zim"}]
    for path in (finished.files["video"], finished.files["metadata"]):
        assert str(scene.folder).encode() not in path.read_bytes()
        assert b"/tmp/" not in path.read_bytes()


def test_thumbnail_has_the_video_s_size(finished: Result) -> None:
    """And carries the title: the lower left differs from the clip's own picture."""
    image = ffmpeg.frame_at(finished.files["thumbnail"], 0)
    assert finished.files["thumbnail"].read_bytes()[:3] == b"\xff\xd8\xff"
    assert image.shape == (480, 270, 3)
    assert (image[300:390, 18:225].min(axis=2) > 225).mean() > 0.02


def test_captions_and_card_are_drawn_at_the_final_size(finished: Result) -> None:
    """White letters with sharp edges where the card is in the first second, and none at the very start."""
    video = finished.files["video"]
    at_start, with_card = ffmpeg.frame_at(video, 0.0), ffmpeg.frame_at(video, 1.2)
    assert (at_start[250:345, 18:225].min(axis=2) > 225).mean() < 0.001
    assert (with_card[250:345, 18:225].min(axis=2) > 225).mean() > 0.02


def test_clips_of_another_size_and_rate_are_joined(scene: Scene, tmp_path: Path) -> None:
    """Models round sizes; an unequal clip must neither fail the join nor squeeze the face."""
    small = tmp_path / "outro.mp4"
    pictures = fade(painting(warmth=25), painting(), 25)
    ffmpeg.write_frames(small, (image[:, 8:120] for image in pictures), fps=25, size=(112, 256))
    made = {"outro": Made({"clip": small}, {})}
    video = VideoOptions(width=128, height=256, output_width=270, output_height=480, fps=30)
    result = FinalVideo().run(scene.context(tmp_path / "work", made=made, video=video))
    assert {c.name: c.measured for c in result.checks}["final.rate"] == "30 constant"


@pytest.mark.parametrize(
    ("frames", "rate", "fps", "expected"), [(49, 16, 24, 73), (49, 16, 30, 91), (121, 24, 24, 121)]
)
def test_frames_at_another_rate(tmp_path: Path, frames: int, rate: int, fps: int, expected: int) -> None:
    """The last picture keeps its moment: 48/16 s is frame 72 at 24/s."""
    path = tmp_path / "clip.mp4"
    ffmpeg.write_frames(path, (np.zeros((16, 16, 3), np.uint8) for _ in range(frames)), fps=rate, size=(16, 16))
    assert frames_at(path, fps) == expected


def test_watermark_and_card_can_be_absent(scene: Scene, tmp_path: Path) -> None:
    """No mark, no artist, and a title without a single letter that the font has."""
    final = FinalOptions(watermark="", preset="ultrafast")
    result = FinalVideo().run(scene.context(tmp_path, title="\u5bcc\u5dbd", artist=None, year=None, final=final))
    lost = next(check for check in result.checks if check.name == "final.title_letters")
    assert not lost.passed
    assert lost.measured == "\u5bcc\u5dbd"
    assert "\u5bcc\u5dbd" in result.files["metadata"].read_text(encoding="utf-8")


def test_silent_speech_is_the_items_fault(scene: Scene, tmp_path: Path) -> None:
    """No try of this step can mend it, and nothing is left under a final name."""
    ffmpeg.run(["-f", "lavfi", "-i", "anullsrc=d=2:r=24000", "speech.flac"], cwd=tmp_path)
    made = {"audio": Made({"speech": tmp_path / "speech.flac"}, {})}
    with pytest.raises(InvalidInput, match="silent or empty"):
        FinalVideo().run(scene.context(tmp_path / "work", made=made))
    assert not (tmp_path / "work" / "video.mp4").exists()


def test_missing_font_stops_the_step(scene: Scene, tmp_path: Path) -> None:
    """The same for every item: the message names the setting."""
    with pytest.raises(ResourceMissing, match=r"captions\.font"):
        FinalVideo().run(scene.context(tmp_path / "work", captions=CaptionOptions(font="Garamond")))


def test_damaged_clip_is_named(scene: Scene, tmp_path: Path) -> None:
    """A cut-off download is bad output of the step that made it, not a crash here."""
    broken = tmp_path / "outro.mp4"
    broken.write_bytes(scene.made["outro"].files["clip"].read_bytes()[:900])
    with pytest.raises(BadOutput, match=r"outro\.mp4"):
        FinalVideo().run(scene.context(tmp_path / "work", made={"outro": Made({"clip": broken}, {})}))


def test_wrong_file_is_refused(finished: Result, tmp_path: Path) -> None:
    """Index last, an edit list and quiet sound: each is named, with what was found and expected."""
    source = finished.files["video"]
    (tmp_path / "in.mp4").symlink_to(source)
    ffmpeg.run(["-i", "in.mp4", "-c:v", "copy", "-af", "volume=-9dB", "wrong.mp4"], cwd=tmp_path)
    assert mp4.has_edit_list(tmp_path / "wrong.mp4")
    assert not mp4.is_index_first(tmp_path / "wrong.mp4")
    picture = Picture(270, 480, 24, "ultrafast", 20)
    with pytest.raises(BadOutput) as caught:
        deliverable.inspect(tmp_path / "wrong.mp4", picture, options=FinalOptions())
    for name in ("final.index_first", "final.edit_list", "final.loudness"):
        assert name in str(caught.value)
    with pytest.raises(BadOutput, match=r"final\.size is 270x480, not 1080x1920"):
        deliverable.inspect(source, Picture(1080, 1920, 24, "ultrafast", 20), options=FinalOptions())


def test_bare_video_has_no_caption_ink(finished: Result, scene: Scene) -> None:
    """The check that looks for captions can fail: before the first word there are none."""
    clip = scene.made["script_video"].files["clip"]
    with pytest.raises(BadOutput, match=r"final\.captions"):
        deliverable.caption_ink(clip, clip, [(1.0, 1.0)])
