"""What the ComfyUI steps say to files that a card might send back: real pictures, sounds and clips."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import steps_comfy_scene as scene

from steps.audio import Audio, token_limit
from steps.base import Check, Context, Result
from steps.clean_pic import CleanPic
from steps.comfy import ManifestStep
from steps.errors import BadOutput, Remedy
from steps.external.ffmpeg import probe
from steps.footage import read_picture
from steps.outro import Outro
from steps.realistic_pic import RealisticPic
from steps.script_video import ScriptVideo, talking_frames
from steps.transition import Transition

Clip = Callable[[Iterator[scene.Picture]], Path]


def collect(step: ManifestStep, context: Context, **outputs: Path) -> Result:
    return step.collect(context, outputs)


def refusal(step: ManifestStep, context: Context, **outputs: Path) -> str:
    """Return what a refused output is told."""
    with pytest.raises(BadOutput) as caught:
        step.collect(context, outputs)
    assert caught.value.remedy is Remedy.RETRY_NEW_SEED
    return str(caught.value)


def by_name(checks: tuple[Check, ...]) -> dict[str, Check]:
    return {check.name: check for check in checks}


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return scene.context(tmp_path, scene.world(tmp_path))


class TestPictures:
    """Steps 3 and 4."""

    @pytest.mark.parametrize("step", [CleanPic(), RealisticPic()])
    def test_a_good_picture_is_kept_with_its_checks(self, step: ManifestStep, context: Context, tmp_path: Path) -> None:
        """The artifact has the step's name for it, and each check what was measured."""
        result = collect(step, context, image=scene.save(tmp_path / "ComfyUI_00001_.png", scene.sitter(light=1.1)))
        assert result.files == {"image": context.work / "image.png"}
        assert result.files["image"].is_file()
        assert all(check.passed for check in result.checks)
        assert {"image.size", "image.brightest", "image.variety", "image.face_shift"} <= set(by_name(result.checks))

    @pytest.mark.parametrize(
        ("picture", "told"),
        [
            (np.zeros((scene.HEIGHT, scene.WIDTH, 3), np.uint8), "image.brightest is 0.0 levels, not >= 14"),
            (np.full((scene.HEIGHT, scene.WIDTH, 3), 128, np.uint8), "image.variety is 0.0 levels"),
            (np.zeros((scene.HEIGHT, scene.WIDTH + 16, 3), np.uint8), "image.size is 208x320 px, not 192x320"),
            (scene.landscape(), "image.face is none"),
            (scene.sitter(shift=34), "image.face_shift is"),
            (scene.sitter(scale=0.65), "image.face_scale is"),
        ],
        ids=["black", "one colour", "size", "nobody", "moved", "zoomed out"],
    )
    def test_a_picture_nobody_would_accept_is_made_again(
        self, context: Context, tmp_path: Path, picture: scene.Picture, told: str
    ) -> None:
        """Each is a way in which picture editors really fail; a person should not find it in the morning."""
        assert told in refusal(CleanPic(), context, image=scene.save(tmp_path / "out.png", picture))

    def test_a_file_that_is_no_picture_is_told_so(self, context: Context, tmp_path: Path) -> None:
        """A truncated download has a good name and a good header."""
        whole = scene.save(tmp_path / "out.png", scene.sitter())
        whole.write_bytes(whole.read_bytes()[:-2000])
        assert "not a readable picture" in refusal(CleanPic(), context, image=whole)


class TestSpeech:
    """Step 2."""

    def test_a_good_take_is_kept(self, context: Context, tmp_path: Path) -> None:
        """Later steps take its length and who spoke from the data."""
        result = collect(Audio(), context, speech=scene.save_speech(tmp_path / "out.flac", scene.speech(7.5)))
        assert result.files["speech"].name == "speech.flac"
        assert result.data["duration_s"] == pytest.approx(7.5, abs=0.01)
        assert (result.data["speaker"], result.data["voice"]) == ("Serena", "en/Serena")
        assert "speech.pace" in by_name(result.checks)

    @pytest.mark.parametrize(
        ("samples", "told"),
        [
            (np.zeros(24_000 * 6, np.float32), "speech.level is -120.0 dBFS"),
            (scene.speech(1.5), "speech.pace is"),
            (scene.speech(0.5), "speech.duration is 0.5 s"),
            (scene.speech(35.0), "speech.pace is"),
            (scene.speech(14.0, trailing_s=5.0), "speech.trailing_silence is"),
        ],
        ids=["silent", "cut short", "a blip", "babble", "near-silent tail"],
    )
    def test_a_take_that_ran_away_or_was_cut_is_spoken_again(
        self, context: Context, tmp_path: Path, samples: np.ndarray, told: str
    ) -> None:
        """Speech models miss their end now and then; another seed finds it."""
        assert told in refusal(Audio(), context, speech=scene.save_speech(tmp_path / "out.flac", samples))

    def test_a_take_that_fills_its_limit_missed_its_end(self, context: Context, tmp_path: Path) -> None:
        """The pace may still look right when the text is long; the limit tells."""
        text = scene.TEXT * 5
        made = {**context.made, "script": type(context.made["script"])({}, {"text": text})}
        longer = scene.context(tmp_path, made)
        samples = scene.speech(token_limit(text) / 12.5)
        take = scene.save_speech(tmp_path / "out.flac", samples)
        assert "speech.limit is" in refusal(Audio(), longer, speech=take)


class TestClipsBetweenPictures:
    """Steps 5 and 8."""

    @pytest.mark.parametrize(("step", "ends"), [(Transition(), (1.0, 1.15)), (Outro(), (1.15, 1.0))])
    def test_a_good_clip_is_kept(
        self, step: ManifestStep, ends: tuple[float, float], context: Context, tmp_path: Path
    ) -> None:
        """Its ends are the pictures that were given."""
        start, end = (scene.sitter(light=light, mouth_px=4 * light) for light in ends)
        middle = scene.sitter(shift=6)
        frames = [*scene.morph(9, start, middle), *list(scene.morph(9, middle, end))[1:]]
        result = collect(step, context, clip=scene.clip(tmp_path / "out.mp4", iter(frames), fps=16))
        assert result.data == {"frames": 17, "fps": 16.0, "duration_s": pytest.approx(17 / 16, abs=0.001)}
        assert {"clip.first_frame", "clip.last_frame", "clip.motion"} <= set(by_name(result.checks))

    @pytest.mark.parametrize(
        ("frames", "fps", "told"),
        [
            (lambda a, b: scene.morph(13, a, b), 16, "clip.frames is 13, not 17"),
            (lambda a, b: scene.morph(17, a, b), 24, "clip.fps is 24.0, not 16"),
            (lambda a, b: scene.morph(17, a, scene.landscape()), 16, "clip.last_frame is"),
            (lambda a, b: scene.morph(17, scene.landscape(), b), 16, "clip.first_frame is"),
            (lambda a, b: iter([a] * 17), 16, "clip.motion is"),
            (lambda a, b: iter([a] * 8 + [np.zeros_like(a)] * 3 + [b] * 6), 16, "clip.brightest is 0.0"),
        ],
        ids=["short", "rate", "lost end", "lost start", "frozen", "black in the middle"],
    )
    def test_a_clip_nobody_would_accept_is_made_again(
        self,
        context: Context,
        tmp_path: Path,
        frames: Callable[[scene.Picture, scene.Picture], Iterator[scene.Picture]],
        fps: int,
        told: str,
    ) -> None:
        """The lost end above all: the video model drops it without any error when the length is wrong."""
        pictures = frames(scene.sitter(), scene.sitter(light=1.15))
        assert told in refusal(Transition(), context, clip=scene.clip(tmp_path / "out.mp4", pictures, fps=fps))


class TestTalkingClip:
    """Step 6."""

    FRAMES = talking_frames(6.0, tail_s=0.4, fps=24)

    @pytest.fixture
    def sound(self, tmp_path: Path) -> Path:
        return scene.padded_wav(tmp_path / "padded.wav", self.FRAMES / 24)

    def test_a_good_clip_gives_its_last_frame_to_the_outro(self, context: Context, tmp_path: Path, sound: Path) -> None:
        """The outro starts on that very frame, so that nobody sees the join."""
        made = scene.clip(tmp_path / "out.mp4", scene.talking(self.FRAMES), fps=24, audio=sound)
        result = collect(ScriptVideo(), context, clip=made)
        assert set(result.files) == {"clip", "last_frame"}
        assert read_picture(result.files["last_frame"]).shape == (scene.HEIGHT, scene.WIDTH, 3)
        assert result.data["frames"] == self.FRAMES
        assert result.data["duration_s"] > 6.0
        found = by_name(result.checks)
        assert {"clip.sound", "clip.sound_offset", "clip.sound_likeness", "clip.mouth_motion"} <= set(found)
        assert probe(result.files["clip"]).audio is not None

    @pytest.mark.parametrize("camera", ["sways", "zooms"])
    def test_a_shut_mouth_is_refused(self, context: Context, tmp_path: Path, sound: Path, camera: str) -> None:
        """The best-known failure of the talking model: the whole picture drifts, the mouth does not open."""
        frames = scene.drifting(self.FRAMES, zoom=camera == "zooms")
        made = scene.clip(tmp_path / "out.mp4", frames, fps=24, audio=sound)
        assert "clip.mouth_motion is" in refusal(ScriptVideo(), context, clip=made)

    def test_a_frozen_clip_is_refused(self, context: Context, tmp_path: Path, sound: Path) -> None:
        """Nothing moves at all."""
        made = scene.clip(tmp_path / "out.mp4", scene.talking(self.FRAMES, still=True), fps=24, audio=sound)
        assert "clip.motion is" in refusal(ScriptVideo(), context, clip=made)

    def test_a_clip_without_sound_is_refused(self, context: Context, tmp_path: Path) -> None:
        """The graph has the sound wired; a server that lost it made a silent film."""
        made = scene.clip(tmp_path / "out.mp4", scene.talking(self.FRAMES), fps=24)
        assert "clip.sound is none" in refusal(ScriptVideo(), context, clip=made)

    def test_speech_that_ends_early_or_comes_late_is_refused(self, context: Context, tmp_path: Path) -> None:
        """The last word is what people wait for, and lips are judged by a frame."""
        cut = scene.save_speech(tmp_path / "cut.flac", scene.speech()[: 24_000 * 4])
        made = scene.clip(tmp_path / "cut.mp4", scene.talking(self.FRAMES), fps=24, audio=cut)
        assert "clip.sound is" in refusal(ScriptVideo(), context, clip=made)
        late = scene.save_speech(tmp_path / "late.flac", np.pad(scene.speech(), (24_000 // 5, 0)))
        made = scene.clip(tmp_path / "late.mp4", scene.talking(self.FRAMES), fps=24, audio=late)
        assert "clip.sound_offset is 0.2 s" in refusal(ScriptVideo(), context, clip=made)

    def test_another_scene_is_refused(self, context: Context, tmp_path: Path, sound: Path) -> None:
        """Prompt rewriters are known to invent one."""
        frames = scene.morph(self.FRAMES, scene.landscape(), scene.sitter())
        made = scene.clip(tmp_path / "out.mp4", frames, fps=24, audio=sound)
        assert "clip.first_frame is" in refusal(ScriptVideo(), context, clip=made)
