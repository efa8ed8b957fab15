"""The sound track: levels, places, the music that makes way and goes round, and every kind of bad input."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest
import yaml

from steps import loop, music
from steps.errors import BadOutput, InvalidInput, ResourceMissing
from steps.external import ffmpeg, mixing
from steps.external.mixing import Levels, Track
from steps.options import FinalOptions
from steps.rotation import Request
from steps.soundtrack import OWN_LOOP, Places, make_soundtrack

RATE = 48_000
REQUEST = Request(1, "fr", 3, "cheeky")
LEVELS = Levels(-14.0, -30.0, -1.5)


def level_db(samples: ffmpeg.Samples) -> float:
    return float(20 * np.log10(np.sqrt(np.mean(samples**2)) + 1e-9))


def sound(path: Path, source: str, *options: str) -> Path:
    """Make a file with FFmpeg's own generators."""
    ffmpeg.run(["-f", "lavfi", "-i", source, *options, path.name], cwd=path.parent)
    return path


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    """Three seconds that rise and fall like syllables, with hard peaks, at a synthesizer's rate."""
    words = "aevalsrc='0.2*(sin(200*2*PI*t)+sin(417*2*PI*t)+0.8*sin(1650*2*PI*t))*abs(sin(5*PI*t))':d=3:s=24000"
    return sound(tmp_path / "speech.flac", words)


def made(speech: Path, work: Path, **options: object) -> tuple[ffmpeg.Samples, ffmpeg.Loudness]:
    """Return the finished sound, decoded, and its loudness."""
    work.mkdir(exist_ok=True)
    final = FinalOptions.model_validate(options)
    track = make_soundtrack(speech, Places(2.0, 8.0), work=work, options=final, request=REQUEST)
    return ffmpeg.read_samples(track.path, rate_hz=RATE), ffmpeg.measure_loudness(track.path)


def test_levels_are_met_in_the_encoded_file(speech: Path, tmp_path: Path) -> None:
    """Measured after AAC, which adds to peaks: what is uploaded counts."""
    _, loudness = made(speech, tmp_path / "w")
    assert loudness.integrated_lufs == pytest.approx(-14, abs=0.5)
    assert loudness.true_peak_dbtp <= -1.5


def test_other_levels_can_be_ordered(speech: Path, tmp_path: Path) -> None:
    """The settings are what is aimed at, not the constants of a platform."""
    _, loudness = made(speech, tmp_path / "w", loudness_lufs=-18, true_peak_dbtp=-3)
    assert loudness.integrated_lufs == pytest.approx(-18, abs=0.5)
    assert loudness.true_peak_dbtp <= -3


def test_music_makes_way_and_comes_back(speech: Path, tmp_path: Path) -> None:
    """Under the voice it falls by several dB, and is back before the video ends."""
    tone = sound(tmp_path / "tone.wav", "sine=3000:d=8:r=48000", "-ac", "2")
    mixed = mixing.mix(Track(speech, 2.0, tone, True, 8.0), LEVELS, work=tmp_path)
    samples = ffmpeg.read_samples(mixed, rate_hz=RATE)

    def tone_db(begin_s: float, end_s: float) -> float:
        part = samples[int(begin_s * RATE) : int(end_s * RATE)]
        spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part)))) / len(part)
        return float(20 * np.log10(spectrum[round(3000 * len(part) / RATE)] + 1e-9))

    assert tone_db(2.5, 4.8) < tone_db(0.5, 1.8) - 4
    assert tone_db(6.2, 7.8) == pytest.approx(tone_db(0.5, 1.8), abs=0.7)
    assert tone_db(0.5, 1.8) > -60


def test_speech_lies_where_it_belongs(speech: Path, tmp_path: Path) -> None:
    """To the sample: limiter, filters and encoder all delay, and all of it is taken out."""
    samples, _ = made(speech, tmp_path / "w", music_lufs=-60)
    given = ffmpeg.read_samples(speech, rate_hz=RATE)
    size = 1 << 20
    spectrum = np.fft.rfft(samples, size) * np.conj(np.fft.rfft(given, size))
    assert int(np.argmax(np.fft.irfft(spectrum, size))) == pytest.approx(2.0 * RATE, abs=12)


def test_sound_ends_with_the_pictures(speech: Path, tmp_path: Path) -> None:
    """Within one packet of AAC, and never after them."""
    samples, _ = made(speech, tmp_path / "w")
    assert 0 <= 8.0 - len(samples) / RATE < 1024 / RATE + 1e-6


def test_owners_music_goes_round_too(speech: Path, tmp_path: Path) -> None:
    """Its end flows into its beginning: as loud there as anywhere, and without a click, though it swells all along."""
    swelling = "aevalsrc='0.4*(0.05+0.95*t/9)*sin(330*2*PI*t)':d=10:s=44100"
    tune = sound(tmp_path / "tune.wav", swelling)
    bed = mixing._bed(Track(speech, 2.0, tune, False, 8.0), LEVELS, work=tmp_path)
    samples = ffmpeg.read_samples(tmp_path / bed, rate_hz=RATE)
    assert samples.size == 8 * RATE
    seam = loop.sound_seam(samples, video_s=8.0)
    assert [check for check in seam.checks() if not check.passed] == []
    assert seam.gap_s < 0.001


def test_own_loop_goes_round_without_a_seam(speech: Path, tmp_path: Path) -> None:
    """Played twice, the step from end to beginning is no larger than steps within; it has the length that was asked."""
    for duration_s in (1.0, 7.3, 24.04):
        loop = music.compose(duration_s, seed=5)
        assert loop.shape == (round(duration_s * music.RATE_HZ), 2)
        assert np.abs(loop).max() == pytest.approx(0.5, abs=0.01)
        steps = np.abs(np.diff(loop, axis=0))
        assert np.abs(loop[0] - loop[-1]).max() <= np.percentile(steps, 99.9)
    path = music.write_loop(tmp_path / "loop.wav", duration_s=7.3, seed=5)
    again = music.write_loop(tmp_path / "again.wav", duration_s=7.3, seed=5)
    assert path.read_bytes() == again.read_bytes()
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getframerate()) == (2, music.RATE_HZ)


def test_seeds_give_other_music() -> None:
    """A pool of twenty videos must not hum the same tune."""
    first, *others = (music.compose(6.0, seed=seed) for seed in range(4))
    for other in others:
        assert abs(np.corrcoef(first[:, 0], other[:, 0])[0, 1]) < 0.7


@pytest.mark.parametrize("name", ["a 'b': 50%, [x].mp3", "-y.ogg", "l'Été.flac", "x.wav"])
def test_owners_music_of_any_kind_is_taken(speech: Path, tmp_path: Path, name: str) -> None:
    """Mono, 8 kHz, shorter than the video, with a name that means something to shells and filters."""
    folder = tmp_path / "music"
    folder.mkdir()
    suffix = Path(name).suffix
    sound(folder / f"made{suffix}", "sine=500:d=1.5:r=8000", "-ac", "1").rename(folder / name)
    (folder / "tracks.yaml").write_text(yaml.safe_dump({name: {"licence": "CC0"}}, allow_unicode=True))
    work = tmp_path / "w"
    work.mkdir()
    options = FinalOptions(music=folder)
    track = make_soundtrack(speech, Places(2.0, 8.0), work=work, options=options, request=REQUEST)
    assert track.music == name
    samples = ffmpeg.read_samples(track.path, rate_hz=RATE)
    assert level_db(samples[5 * RATE + RATE // 2 : 6 * RATE]) > -45  # repeated: it lasts 1.5 s


def test_folder_without_usable_music_costs_no_video(speech: Path, tmp_path: Path) -> None:
    """Our own loop is played instead, and each file is named with what is wrong with it."""
    folder = tmp_path / "music"
    folder.mkdir()
    (folder / "broken.mp3").write_bytes(b"ID3" + bytes(400))
    (folder / "unlicensed.ogg").write_bytes(b"OggS")
    sound(folder / "silent.wav", "anullsrc=d=2:r=8000")
    (folder / "tracks.csv").write_text("file,licence\nbroken.mp3,CC0\nsilent.wav,CC0\n")
    options = FinalOptions(music=folder)
    track = make_soundtrack(speech, Places(2.0, 8.0), work=tmp_path, options=options, request=REQUEST)
    assert track.music == OWN_LOOP
    named = {reason.split(":")[0] for reason in track.chosen.passed_over}
    assert named == {"broken.mp3", "unlicensed.ogg", "silent.wav"}
    failed = {check.name for check in track.checks(options) if not check.passed}
    assert failed == {"final.music_files", "final.music_turn"}


def test_missing_folder_of_music_stops_the_step(speech: Path, tmp_path: Path) -> None:
    """The same for every item: the message names the setting and what would do."""
    options = FinalOptions(music=tmp_path / "absent")
    with pytest.raises(ResourceMissing, match=r"final\.music.*cannot be read"):
        make_soundtrack(speech, Places(2.0, 8.0), work=tmp_path, options=options, request=REQUEST)


@pytest.mark.parametrize("seconds", ["0", "2"])
def test_speech_without_sound_is_refused(tmp_path: Path, seconds: str) -> None:
    """Nought seconds or silence: no gain makes it heard."""
    source = sound(tmp_path / "speech.wav", "anullsrc=r=24000", "-t", seconds)
    with pytest.raises((InvalidInput, BadOutput), match=r"silent or empty|neither pictures nor sound|has no sound"):
        make_soundtrack(source, Places(2.0, 8.0), work=tmp_path, options=FinalOptions(), request=REQUEST)
    assert not (tmp_path / "sound.m4a").exists()


def test_very_short_speech_is_heard(tmp_path: Path) -> None:
    """Shorter than the meter's window of 0.4 s, it still gets a level."""
    source = sound(tmp_path / "speech.wav", "sine=400:d=0.2:r=24000")
    track = make_soundtrack(source, Places(0.5, 3.0), work=tmp_path, options=FinalOptions(), request=REQUEST)
    assert track.music == OWN_LOOP
    samples = ffmpeg.read_samples(track.path, rate_hz=RATE)
    assert level_db(samples[int(0.55 * RATE) : int(0.65 * RATE)]) > level_db(samples[2 * RATE :]) + 6
