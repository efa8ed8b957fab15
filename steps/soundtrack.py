"""The one sound track of a video: the speech at its place, music under it that makes way, loud as platforms want it.

Everything is measured: the music is brought to its level, the whole to its loudness by one gain and a limiter. That
gives what two passes of a loudness filter would, without that filter's silent change to a mode that pumps.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from steps.errors import BadOutput, ResourceMissing, StepError
from steps.external import ffmpeg
from steps.external.loudness import measure_loudness
from steps.music import choose, is_usable, write_loop
from steps.options import FinalOptions
from steps.workfiles import partial

RATE_HZ = 48_000
AAC_FRAME = 1024  # samples in one packet, and what the encoder puts before the first one
MUSIC_FADE_S = 0.6
ROUNDS = 3  # of measuring and correcting


@dataclass(frozen=True)
class Soundtrack:
    """The finished sound."""

    path: Path  # WAV, 48 kHz, stereo
    loudness_lufs: float
    true_peak_dbtp: float
    music: str  # name of the file, or "own loop"


@dataclass(frozen=True)
class Places:
    """Where the speech lies in the video, and how long the video is."""

    speech_at_s: float
    total_s: float

    @property
    def samples(self) -> int:
        """How many samples of sound end with the video, once the encoder has put its own before them."""
        packets = round(self.total_s * RATE_HZ / AAC_FRAME)
        return packets * AAC_FRAME - AAC_FRAME

    @property
    def speech_delay_ms(self) -> int:
        """How late the speech begins in the track: without an edit list, the encoder's first packet is heard too."""
        return max(0, round((self.speech_at_s - AAC_FRAME / RATE_HZ) * 1000))


def make_soundtrack(speech: Path, places: Places, *, work: Path, options: FinalOptions, seed: int) -> Soundtrack:
    """Mix and level the sound of one video.

    Raises:
        BadOutput: there is nothing to hear in the speech, or the loudness cannot be reached.
        ResourceMissing: the owner's music folder is empty, or the file in it is damaged or silent.
        ProgramFailed, ProgramTimedOut, DiskFull: FFmpeg did not get through.
    """
    if measure_loudness(speech).is_silent:
        raise BadOutput("there is nothing to hear in the speech", path=str(speech))
    music, name = _music(work, options, seed)
    mixed = _mix(speech, music, places, work=work, options=options)
    levelled = mixed
    gain_db = 0.0
    for number in range(ROUNDS):
        heard = measure_loudness(levelled)
        error = options.loudness_lufs - heard.integrated_lufs
        if abs(error) <= 0.3 and heard.true_peak_dbtp <= options.true_peak_dbtp:
            break
        gain_db += error
        levelled = _level(mixed, work / f"level{number}.wav", gain_db=gain_db, peak_dbtp=options.true_peak_dbtp)
    heard = measure_loudness(levelled)
    if abs(heard.integrated_lufs - options.loudness_lufs) > 1.0:
        raise BadOutput(
            f"the sound came out at {heard.integrated_lufs} LUFS; {options.loudness_lufs} ± 1 was wanted",
            loudness_lufs=heard.integrated_lufs,
        )
    return Soundtrack(levelled, heard.integrated_lufs, heard.true_peak_dbtp, name)


def _music(work: Path, options: FinalOptions, seed: int) -> tuple[Path, str]:
    if options.music is None:
        return write_loop(work / "loop.wav", seed=seed), "own loop"
    chosen = choose(options.music, seed=seed)
    try:
        usable = is_usable(chosen)
    except StepError as error:
        raise ResourceMissing(f"final.music: {chosen.name} cannot be read: {error}", path=str(chosen)) from error
    if not usable:
        raise ResourceMissing(f"final.music: {chosen.name} is silent or too short; remove it", path=str(chosen))
    return chosen, chosen.name


def _mix(speech: Path, music: Path, places: Places, *, work: Path, options: FinalOptions) -> Path:
    """Lay the speech over looped music that gives way while somebody speaks."""
    quieter_db = options.music_lufs - measure_loudness(music).integrated_lufs
    seconds = places.samples / RATE_HZ
    fade_out = max(0.0, seconds - MUSIC_FADE_S)
    to_stereo = f"aresample={RATE_HZ},aformat=sample_fmts=fltp:channel_layouts=stereo"
    graph = (
        f"[0:a]{to_stereo},adelay={places.speech_delay_ms}:all=1,apad,atrim=end_sample={places.samples},"
        "asplit[voice][key];"
        f"[1:a]{to_stereo},volume={quieter_db:.2f}dB,atrim=end_sample={places.samples},"
        f"afade=t=in:d={MUSIC_FADE_S},afade=t=out:st={fade_out:.3f}:d={MUSIC_FADE_S}[bed];"
        "[bed][key]sidechaincompress=threshold=0.02:ratio=8:attack=20:release=400[ducked];"
        "[voice][ducked]amix=inputs=2:normalize=0:duration=first[out]"
    )
    inputs = ["-i", ffmpeg.stage(speech, into=work, name=f"speech-in{speech.suffix}")]
    inputs += ["-stream_loop", "-1", "-i", ffmpeg.stage(music, into=work, name=f"music-in{music.suffix}")]
    return _render(inputs, graph, work / "mix.wav", seconds=seconds)


def _level(mixed: Path, out: Path, *, gain_db: float, peak_dbtp: float) -> Path:
    """Apply a gain, and limit what it lifts too high; four times the rate lets the limiter see between the samples."""
    ceiling = 10 ** ((peak_dbtp - 0.4) / 20)
    graph = (
        f"[0:a]volume={gain_db:.3f}dB,aresample={RATE_HZ * 4},"
        f"alimiter=limit={ceiling:.4f}:attack=3:release=80:level=disabled,aresample={RATE_HZ}[out]"
    )
    return _render(["-i", mixed.name], graph, out, seconds=60)


def _render(inputs: list[str], graph: str, out: Path, *, seconds: float) -> Path:
    with partial(out) as beside:
        arguments = [*inputs, "-filter_complex", graph, "-map", "[out]", "-c:a", "pcm_f32le", "-ar", str(RATE_HZ)]
        ffmpeg.run(
            [*arguments, beside.name], cwd=out.parent, timeout_s=120 + 5 * seconds, log=out.parent / "ffmpeg.log"
        )
    return out
