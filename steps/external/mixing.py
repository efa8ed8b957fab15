"""Speech and music become the one sound track of a video, encoded once.

Loudness is set in two passes: it is measured, and `loudnorm` applies one gain to all of it (its linear mode). When that
gain would push peaks over the limit, `loudnorm` rides the volume instead (dynamic mode), which lifts the music in every
pause again, and says so only in its report. So that report is read, its result is thrown away then, and a limiter holds
the few peaks; which of the two made a sound track is part of what is returned. The limiter works on four times the
rate, where true peaks are seen. The encoder adds some, so the encoded file is measured, and made again if needed.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from steps.errors import BadOutput, InvalidInput
from steps.external import ffmpeg_program
from steps.external.loudness import SILENCE_LUFS, Loudness, measure_loudness
from steps.external.media import probe
from steps.workfiles import partial

RATE_HZ = 48_000
PACKET = 1024  # samples in an AAC packet
BIT_RATE = "160k"
_EDGE = 384  # samples, 8 ms

# Music falls by 5 to 8 dB within 20 ms of a word, and is back half a second after the last one.
_DUCKING = {"threshold": 0.02, "ratio": 8, "attack": 20, "release": 400}
_TRIES = 4
_PUSH = 1.6  # gain for each LU that is missing: the limiter takes some of it back
_FIRST_MARGIN_DB = 0.6  # what the encoder usually adds to peaks


@dataclass(frozen=True)
class Track:
    """What is heard, and when."""

    speech: Path
    speech_at_s: float  # in the video
    music: Path
    music_loops: bool  # it is a circle of exactly this length: neither repeated nor faded into itself
    duration_s: float  # of the video
    music_level: Loudness | None = None  # of the part that is heard; measured if None


@dataclass(frozen=True)
class Levels:
    """How loud it is meant to be."""

    speech_lufs: float  # also of the whole
    music_lufs: float  # where nobody speaks
    true_peak_dbtp: float


Levelling = Literal["linear", "limited"]
"""How a sound track came to its loudness: by one gain, or by one gain with its highest peaks held down."""


@dataclass(frozen=True)
class Master:
    """The finished sound track."""

    path: Path  # AAC in MP4, without an edit list
    loudness: Loudness  # of that file
    duration_s: float
    levelling: Levelling
    held_db: float  # by how much the highest peak was held down; 0 for linear


def mix(track: Track, levels: Levels, *, work: Path) -> Path:
    """Lay music under speech and return a WAV of the video's length. Blocks; a second for half a minute.

    Raises:
        InvalidInput: the speech is silent or empty.
        BadOutput: speech or music cannot be read.
        ProgramFailed, ProgramTimedOut, DiskFull: FFmpeg did not get through.
    """
    import ffmpeg

    out = work / "mix.wav"
    total = round(track.duration_s * RATE_HZ)
    bed = ffmpeg.input(_bed(track, levels, work=work)).audio
    gain_db = levels.speech_lufs - _loudness_of(track.speech).integrated_lufs
    speech = ffmpeg.input(ffmpeg_program.stage(track.speech, into=work, name="speech" + track.speech.suffix)).audio
    voice = _normal(speech, gain_db).filter("afade", t="in", d=0.01)  # a cut sample clicks
    voice = voice.filter("adelay", f"{round(track.speech_at_s * RATE_HZ)}S", all=1)
    voice = voice.filter("apad", whole_len=total).filter("atrim", end_sample=total)
    parts = voice.filter_multi_output("asplit")
    ducked = ffmpeg.filter([bed, parts[1]], "sidechaincompress", **_DUCKING)
    joined = ffmpeg.filter([parts[0], ducked], "amix", inputs=2, normalize=0, duration="longest")
    with partial(out) as beside:
        _run(ffmpeg.output(joined, beside.name, acodec="pcm_f32le", ar=RATE_HZ), track.duration_s, work=work)
    return out


def _bed(track: Track, levels: Levels, *, work: Path) -> str:
    """Write the music at its level and exactly as long as the video; return the file's plain name.

    Music that is no circle becomes one: what would come after the video's end fades out over its beginning. A run of
    its own: where a repeated input is cut off inside the graph that ducks it, FFmpeg 6 waits for ever.
    """
    import ffmpeg

    out = work / "bed.wav"
    heard = track.music_level or measure_loudness(track.music, first_s=track.duration_s)
    gain_db = levels.music_lufs - heard.integrated_lufs
    total = round(track.duration_s * RATE_HZ)
    over = 0 if track.music_loops else min(RATE_HZ, total // 4)
    needed_s = (total + over) / RATE_HZ
    more = 0 if track.music_loops else int(needed_s / max(0.05, probe(track.music).duration_s)) + 1
    name = ffmpeg_program.stage(track.music, into=work, name=f"music{track.music.suffix}")
    music = _normal(ffmpeg.input(name, stream_loop=more).audio, gain_db)
    music = music.filter("apad", whole_len=total + over).filter("atrim", end_sample=total + over)
    if over:
        parts = music.filter_multi_output("asplit")
        shape = {"curve": "qsin", "d": over / RATE_HZ}  # two sounds that know nothing of each other keep their power
        begun = parts[0].filter("atrim", end_sample=total).filter("afade", t="in", **shape)
        after = parts[1].filter("atrim", start_sample=total).filter("asetpts", "PTS-STARTPTS")
        after = after.filter("afade", t="out", **shape)
        music = ffmpeg.filter([begun, after], "amix", inputs=2, normalize=0, duration="first")
    with partial(out) as beside:
        _run(ffmpeg.output(music, beside.name, acodec="pcm_f32le", ar=RATE_HZ), track.duration_s, work=work)
    return out.name


def master(mixed: Path, levels: Levels, *, duration_s: float, work: Path) -> Master:
    """Bring a mix to its loudness and encode it. Blocks; about a second a try for half a minute.

    The file begins with the encoder's own 1,024 samples of lead-in in place of the first 1,024 of the mix, so that it
    needs no edit list to be in step with the pictures, and ends within one packet (21 ms) before them.

    Raises:
        InvalidInput: there is nothing to hear in the mix.
        BadOutput: the levels cannot be reached.
        ProgramFailed, ProgramTimedOut, DiskFull: FFmpeg did not get through.
    """
    packets = int(duration_s * RATE_HZ // PACKET)
    samples = (packets - 1) * PACKET
    duration_s = packets * PACKET / RATE_HZ
    given = _loudness_of(mixed)
    out = work / "sound.m4a"
    gain_db = levels.speech_lufs - given.integrated_lufs
    ceiling_db = levels.true_peak_dbtp - _FIRST_MARGIN_DB
    over_db = given.true_peak_dbtp + gain_db - ceiling_db
    if over_db <= 0 and given.threshold_lufs > SILENCE_LUFS and _linear(mixed, out, given, levels, samples=samples):
        heard = measure_loudness(out)
        if _fits(heard, levels):
            return Master(out, heard, duration_s, "linear", 0.0)
    # What the limiter will take off is guessed, which usually saves a try: a twelfth of what stands too high.
    gain_db += max(0.0, over_db) / 12
    for _ in range(_TRIES):
        _encode(mixed, out, gain_db=gain_db, ceiling_db=ceiling_db, samples=samples)
        heard = measure_loudness(out)
        if _fits(heard, levels):
            break
        excess_db = heard.true_peak_dbtp - levels.true_peak_dbtp
        ceiling_db -= excess_db + 0.1 if excess_db > 0 else 0.0
        gain_db += _PUSH * (levels.speech_lufs - heard.integrated_lufs)
    if not _fits(heard, levels, slack_lu=1.0):
        raise BadOutput(
            f"the sound came out at {heard.integrated_lufs} LUFS and {heard.true_peak_dbtp} dBTP, "
            f"not {levels.speech_lufs:g} ±1 and <= {levels.true_peak_dbtp:g}"
        )
    held_db = max(0.0, given.true_peak_dbtp + gain_db - ceiling_db)
    return Master(out, heard, duration_s, "limited" if held_db > 0 else "linear", round(held_db, 1))


def _fits(heard: Loudness, levels: Levels, *, slack_lu: float = 0.4) -> bool:
    is_low_enough = heard.true_peak_dbtp <= levels.true_peak_dbtp
    return is_low_enough and abs(levels.speech_lufs - heard.integrated_lufs) <= slack_lu


def _linear(mixed: Path, out: Path, given: Loudness, levels: Levels, *, samples: int) -> bool:
    """Apply the measured gain with `loudnorm` and encode. Returns whether it kept to its linear mode."""
    import ffmpeg

    measured = {
        "measured_I": given.integrated_lufs,
        "measured_TP": given.true_peak_dbtp,
        "measured_LRA": given.range_lu,
        "measured_thresh": given.threshold_lufs,
    }
    sound = ffmpeg.input(mixed.name).audio.filter("atrim", start_sample=PACKET, end_sample=PACKET + samples)
    sound = sound.filter("asetpts", "PTS-STARTPTS")
    # A wide LRA as the target: it may be what it is, and is no reason to ride the volume.
    sound = sound.filter(
        "loudnorm",
        i=levels.speech_lufs,
        tp=levels.true_peak_dbtp,
        lra=50,
        linear="true",
        print_format="json",
        **measured,
    )
    sound = _evened(sound, samples)
    with partial(out) as beside:
        coded = ffmpeg.output(sound, beside.name, **_aac(), map_metadata=-1, use_editlist=0)
        said = _run(coded, samples / RATE_HZ, work=out.parent, say="info")
    kind = re.search(r'"normalization_type"\s*:\s*"(\w+)"', said)
    return kind is not None and kind[1] == "linear"


def _encode(mixed: Path, out: Path, *, gain_db: float, ceiling_db: float, samples: int) -> None:
    import ffmpeg

    sound = ffmpeg.input(mixed.name).audio.filter("atrim", start_sample=PACKET, end_sample=PACKET + samples)
    sound = sound.filter("asetpts", "PTS-STARTPTS").filter("volume", f"{gain_db:.2f}dB")
    sound = sound.filter("aresample", RATE_HZ * 4)
    # `level` would raise the result to full scale again; `latency` takes the look-ahead's delay back out.
    sound = sound.filter(
        "alimiter", limit=f"{10 ** (ceiling_db / 20):.5f}", attack=4, release=60, level="disabled", latency=1
    )
    sound = _evened(sound, samples)
    with partial(out) as beside:
        coded = ffmpeg.output(sound, beside.name, **_aac(), map_metadata=-1, use_editlist=0)
        _run(coded, samples / RATE_HZ, work=out.parent)


def _evened(sound: Any, samples: int) -> Any:
    """Bring what was levelled to whole packets, and let its edges meet the encoder's silence without a click."""
    # The rate's conversion may leave a few samples more or less; the packets must come out even.
    sound = sound.filter("aresample", RATE_HZ).filter("apad", whole_len=samples).filter("atrim", end_sample=samples)
    edge = min(_EDGE, samples // 4)
    sound = sound.filter("afade", t="in", start_sample=0, nb_samples=edge)
    return sound.filter("afade", t="out", start_sample=samples - edge, nb_samples=edge)


def _aac() -> dict[str, Any]:
    return {"acodec": "aac", "ar": RATE_HZ, "ac": 2, "audio_bitrate": BIT_RATE}


def _normal(stream: Any, gain_db: float) -> Any:
    """Bring any sound to stereo at our rate, with a gain."""
    shaped = stream.filter("aresample", RATE_HZ).filter("aformat", sample_fmts="fltp", channel_layouts="stereo")
    return shaped.filter("volume", f"{gain_db:.2f}dB")


def _loudness_of(path: Path) -> Loudness:
    """Measure something that must be heard; what is too short for the meter is judged by its peak.

    Raises:
        InvalidInput: it is silent or empty.
    """
    sound = probe(path)
    heard = measure_loudness(path) if sound.duration_s > 0 else None
    if heard is None or not math.isfinite(heard.true_peak_dbtp) or heard.true_peak_dbtp < -60:
        raise InvalidInput(f"{path.name} is silent or empty ({sound.duration_s:.1f} s)", path=str(path))
    if heard.is_silent:  # shorter than the meter's 0.4 s window: speech peaks about 12 dB above its loudness
        return Loudness(heard.true_peak_dbtp - 12, heard.true_peak_dbtp, 0.0)
    return heard


def _run(output: Any, duration_s: float, *, work: Path, say: str = "warning") -> str:
    """Run a graph and return what FFmpeg said."""
    arguments = ffmpeg_program.arguments_of(output)
    limit_s = 120 + 10 * duration_s
    return ffmpeg_program.run(
        arguments, cwd=work, timeout_s=limit_s, log=work / "ffmpeg.log", say=say, length_s=duration_s
    ).stderr
