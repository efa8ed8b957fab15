"""Step 7 on a tiny talking clip: our words, timed, drawn, with the sound and the frames left alone."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from final_video_scene import SCRIPT, Scene, make_scene

from steps.base import Made
from steps.captions import Cue
from steps.errors import BadOutput, InvalidInput, ResourceMissing
from steps.external import ffmpeg
from steps.external.media import opened, packet_times
from steps.fonts import GlyphMissing
from steps.options import CaptionOptions
from steps.subtitles import Subtitles, layout_for, look_for_captions
from steps.words import TimedWord


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return make_scene(tmp_path_factory.mktemp("scene"))


def audio_packets(path: Path) -> list[bytes]:
    with opened(path) as container:
        return [bytes(packet) for packet in container.demux(container.streams.audio[0]) if packet.size]


def test_clip_keeps_its_frames_and_its_sound(scene: Scene) -> None:
    """The sound is copied packet for packet, and no frame moves: lips stay with the voice."""
    before, after = scene.made["script_video"].files["clip"], scene.made["subtitles"].files["clip"]
    assert audio_packets(after) == audio_packets(before)
    assert list(packet_times(after)) == list(packet_times(before))
    assert ffmpeg.probe(after).video == ffmpeg.probe(before).video


def test_words_are_the_script_s(scene: Scene) -> None:
    """Every word, mark and accent; times in order and inside the speech."""
    words = scene.made["subtitles"].data["words"]
    assert " ".join(w["text"] for w in words).replace("\xa0", " ") == SCRIPT["fr"]
    assert all(w["start_s"] < w["end_s"] <= scene.speech_s + 0.001 for w in words)
    assert scene.made["subtitles"].data["timing"] == "voice"
    srt = scene.made["subtitles"].files["srt"].read_text(encoding="utf-8")
    shown = [line for line in srt.splitlines() if line and not re.match(r"\d+$|[\d:,]+ -->", line)]
    assert " ".join(shown).replace("\xa0", " ") == SCRIPT["fr"]
    assert scene.made["subtitles"].data["cues"] == len(shown)


def test_spoken_word_has_the_highlight_colour(scene: Scene) -> None:
    """In the middle of a word its colour is on screen, and before the first word there is none."""
    clip = scene.made["subtitles"].files["clip"]
    word = max(scene.made["subtitles"].data["words"], key=lambda w: w["end_s"] - w["start_s"])

    def golden(time_s: float) -> int:
        image = ffmpeg.frame_at(clip, time_s).astype(int)[140:190]
        return int(((image[..., 0] > 200) & (image[..., 1] > 160) & (image[..., 2] < 150)).sum())

    assert golden((word["start_s"] + word["end_s"]) / 2) > 10
    plain = ffmpeg.frame_at(scene.made["script_video"].files["clip"], 0.0).astype(int)
    assert np.abs(ffmpeg.frame_at(clip, 0.0) - plain).mean() < 4


def test_step_says_what_it_measured(scene: Scene, tmp_path: Path) -> None:
    """Reading speed, coverage and whether the captions were drawn at all."""
    result = Subtitles().run(scene.context(tmp_path / "work"))
    assert {check.name for check in result.checks} == {
        "captions.reading_speed",
        "captions.covered",
        "captions.drawn",
    }
    assert all(check.passed for check in result.checks)


@pytest.mark.parametrize(
    "text",
    ["\"Cent\" % 'quoted' {b} \\N: 100 %, l'été ; oui…", "«\u202fOù\u202f»\u202f?\n---\n— Là\xa0!\t50\u202f%"],
)
def test_script_full_of_marks_is_captioned(scene: Scene, tmp_path: Path, text: str) -> None:
    """Quotes, percent signs, braces, rules and narrow French spaces: captions.ass is the only place they go."""
    result = Subtitles().run(scene.context(tmp_path / "work", made={"script": Made({}, {"text": text})}))
    shown = " ".join(w["text"] for w in result.data["words"])
    assert "".join(shown.split()) == "".join(text.replace("---", "").split())


def test_letter_without_a_picture_fails_this_item(scene: Scene, tmp_path: Path) -> None:
    """A box on the screen is worse than an error that names the letter and the setting."""
    with pytest.raises(GlyphMissing, match=r"'富'.*captions\.font"):
        Subtitles().run(scene.context(tmp_path / "work", made={"script": Made({}, {"text": "Le mont 富"})}))


@pytest.mark.parametrize("text", ["", " --- ", "!"])
def test_script_without_words_is_refused(scene: Scene, tmp_path: Path, text: str) -> None:
    """Nothing to say is the item's fault, not the renderer's."""
    with pytest.raises(InvalidInput, match="no words"):
        Subtitles().run(scene.context(tmp_path / "work", made={"script": Made({}, {"text": text})}))


@pytest.mark.parametrize("folder", ["absent", "empty"])
def test_font_folder_without_the_font(scene: Scene, tmp_path: Path, folder: str) -> None:
    """The renderer would take some other font, or none, and say nothing."""
    (tmp_path / "empty").mkdir()
    options = CaptionOptions(fonts_dir=tmp_path / folder)
    with pytest.raises(ResourceMissing, match=r"captions\.font"):
        Subtitles().run(scene.context(tmp_path / "work", captions=options))


def test_damaged_font_is_named(scene: Scene, tmp_path: Path) -> None:
    """A half-copied file must not crash in the middle of a table."""
    (tmp_path / "Lato-Black.ttf").write_bytes(b"\x00\x01\x00\x00\x00\x09" + bytes(40))
    with pytest.raises(ResourceMissing, match=r"Lato-Black\.ttf is damaged"):
        Subtitles().run(scene.context(tmp_path / "work", captions=CaptionOptions(fonts_dir=tmp_path)))


@pytest.mark.parametrize("lacking", ["model.bin", "tokenizer.json"])
def test_folder_that_is_no_model_is_told_and_done_without(scene: Scene, tmp_path: Path, lacking: str) -> None:
    """Without its tokenizer a model would be looked up on the network; the night goes on, and the review says why."""
    for name in {"model.bin", "config.json", "tokenizer.json"} - {lacking}:
        (tmp_path / name).write_bytes(b"{}")
    result = Subtitles().run(scene.context(tmp_path / "work", captions=CaptionOptions(model=tmp_path)))
    assert result.data["timing"] == "voice"
    (told,) = [check for check in result.checks if check.name == "captions.model"]
    assert not told.passed
    assert f"lacks {lacking}" in str(told.measured)


def test_missing_captions_fail_the_step(scene: Scene) -> None:
    """What the renderer does when it finds nothing to draw: the clip, unchanged."""
    clip = scene.made["script_video"].files["clip"]
    word = TimedWord("mot", 0.5, 1.0)
    with pytest.raises(BadOutput, match="captions are missing"):
        look_for_captions(clip, clip, [Cue((word,), 0.5, 1.0)], layout=layout_for(clip, CaptionOptions()))
