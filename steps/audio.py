"""Step 2: the script, spoken.

Speech models now and then miss their end and babble until their limit, stop early, lose a sentence or say one twice. So
the limit is set from the text, every take is measured, and what it says is recognised and compared with the script. A
bad take is made again with another seed; of middling ones the best is kept. What is kept leaves this step at one
loudness and one sample rate, mono.
"""

from __future__ import annotations

import math
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steps import checks, loops, recognition, takes, voice_events, voices
from steps.base import Context, Result
from steps.checks import Looked
from steps.comfy import Inspection, ManifestStep
from steps.errors import BadOutput, InvalidInput
from steps.external import levelling
from steps.external.ffmpeg import probe
from steps.kept_takes import KeptTakes
from steps.options import Language, StepOptions
from steps.speakable import speakable
from steps.voices import Voice

LANGUAGES = {"fr": "French", "en": "English"}
TOKENS_PER_S = 12.5
SLACK = 1.6  # how much slower than expected a good take may be
CHARACTERS_PER_S = 14.0
SECONDS_PER_DIGIT = 0.35
FEWEST_TOKENS, MOST_TOKENS = 512, 4096  # where the workflow's manifest states no limits of its pack
LONGEST_READ_S = 900.0
"""A file that says it is longer is refused unread: no limit of any pack lets a take grow to that."""


def expected_seconds(text: str) -> float:
    """Return how long a text takes to say at an easy pace, in seconds; at least 1."""
    words = text.split()
    digits = len(re.findall(r"\d", text))  # "1889" is one short word to the eye, and five to the tongue
    return max(1.0, max(len(words) / voices.WORDS_PER_S, len(text) / CHARACTERS_PER_S) + digits * SECONDS_PER_DIGIT)


def token_limit(text: str, *, fewest: int = FEWEST_TOKENS, most: int = MOST_TOKENS) -> int:
    """Return how many tokens a take of the text may have, within what the node pack accepts."""
    return max(fewest, min(most, math.ceil(expected_seconds(text) * TOKENS_PER_S * SLACK)))


@dataclass(frozen=True)
class _Examined:
    """What was found about one take."""

    take: takes.Take
    judged: takes.Judged
    events: voice_events.VoiceEvents | None
    heard: str | None  # what a speech model wrote down; None: nobody listened


class Audio(ManifestStep):
    """Speak the script."""

    name = "audio"
    number = 2
    title = "Speech"
    per_language = True
    needs = ("prepare", "script")

    def setting_problems(self, options: StepOptions) -> tuple[str, ...]:
        """Return what of the settings the workflow cannot take, speakers that its node pack does not have included."""
        problems = list(super().setting_problems(options))
        spec = self.manifest.bindings.get("speaker")
        for language in options.languages if spec is not None else ():
            for key, speaker in voices.speakers(voices.table_of(options.audio, language)):
                if spec is not None and (wanted := spec.broken_by(spec.spelled(speaker))):
                    where = f"audio.voices.{language}.{key}"
                    problems.append(f"{where}: found {speaker!r}; the workflow {self.manifest.name} needs {wanted}")
        return tuple(problems)

    def supply(self, context: Context) -> Mapping[str, Any]:
        """Choose the voice by the sitter, the language and the mood, and the limit by the text.

        Raises:
            InvalidInput: the script has nothing to say.
        """
        voice = _voice(context)
        return {
            "text": _spoken(context),
            "speaker": voice.speaker,
            "voice": f"{voice.description} {voice.instruct}".strip(),
            "language": LANGUAGES.get(context.variant, "Auto"),
            "instruct": voice.instruct,
            "max_new_tokens": self._token_limit(context),
        }

    def collect(self, context: Context, outputs: Mapping[str, Path]) -> Result:
        """Keep a good take, or the best one once there are enough; see `ComfyStep.collect`.

        Raises:
            BadOutput: the take is refused, or another seed may make a better one.
        """
        try:
            return super().collect(context, outputs)
        except BadOutput as bad:
            kept = self._kept(context)
            if kept is None:
                raise
            if "middling" not in bad.facts:
                kept.add(context.seed, score=None, take=None)
            best = kept.best()
            enough = context.last_try or len(kept.all()) >= context.options.audio.takes
            if best is None or best.path is None or not enough:
                raise
            kept.choose(context.seed)
            return self._result_of(context, best.path)

    def look_at(self, context: Context, name: str, path: Path) -> Looked:
        """Refuse an endless file unread and one that holds more than numbers, then look as always."""
        media = probe(path)
        if media.duration_s > LONGEST_READ_S:
            raise BadOutput(
                f"{self.title} is not good enough: {name}.length is {media.duration_s:.0f} s, and speech is never "
                f"longer than {LONGEST_READ_S:.0f} s",
                duration_s=media.duration_s,
            )
        # Said first: the level of a sound that is not made of numbers is none either.
        checks.refuse_failed(
            (checks.at_most(f"{name}.broken_samples", takes.broken_samples(path), 0),), what=self.title
        )
        return super().look_at(context, name, path)

    def inspect(self, context: Context, files: Mapping[str, Path], looked: Mapping[str, Looked]) -> Inspection:
        """Measure the take, listen to it, and level it.

        Raises:
            BadOutput: nobody would accept it; or, with `facts["middling"]`, another one may be better.
        """
        found = self._examine(context, files["speech"])
        checks.refuse_failed(found.judged.checks, what=self.title)
        kept = self._kept(context)
        if not found.judged.is_good and kept is not None:
            kept.add(context.seed, score=found.judged.score, take=files["speech"])
            told = takes.told(found.judged.shortfalls)
            raise BadOutput(f"{self.title} could be better: {told}", middling=found.judged.score)
        if kept is not None:
            kept.choose(context.seed)
        return self._accept(context, files["speech"], found)

    def _result_of(self, context: Context, path: Path) -> Result:
        """Return the result of an earlier take as if it had come just now."""
        take = context.work / f"take{path.suffix}"
        shutil.copyfile(path, take)
        looked = self.look_at(context, "speech", take)
        closer = self._accept(context, take, self._examine(context, take))
        return Result(files=closer.files, data={**looked.data, **closer.data}, checks=(*looked.checks, *closer.checks))

    def _examine(self, context: Context, path: Path) -> _Examined:
        """Measure a take; listen to it only if it passes otherwise, because that takes seconds."""
        events = voice_events.read(path)
        wanted = self._wanted(context, events)
        take = takes.measure(path)
        judged = takes.judge(take, wanted, context.options.audio)
        # A rehearsal's tone has no engine to speak of, and no words.
        if judged.is_refused or (context.options.preview and events is None):
            return _Examined(take, judged, events, None)
        heard = recognition.listen(
            path, _text(context), language=_language(context), options=context.options, names=_names(context)
        )
        if heard is None:
            return _Examined(take, judged, events, None)
        take = take.understood(heard.error)
        return _Examined(take, takes.judge(take, wanted, context.options.audio), events, heard.text)

    def _wanted(self, context: Context, events: voice_events.VoiceEvents | None) -> takes.Wanted:
        spoken = _spoken(context)
        ears = getattr(context.options.audio.recognition, events.engine if events is not None else "real")
        return takes.Wanted(
            words=len(spoken.split()),
            expected_s=expected_seconds(spoken),
            repeated_words=loops.repeated_words(spoken),
            limit_s=self._token_limit(context) / TOKENS_PER_S,
            good_error=float(getattr(ears, f"good_{_language(context)}")),
            worst_error=float(getattr(ears, f"worst_{_language(context)}")),
        )

    def _accept(self, context: Context, path: Path, found: _Examined) -> Inspection:
        """Level a take and tell what it is."""
        options, take = context.options.audio, found.take
        speech = levelling.level(
            path,
            context.work / "levelled.flac",
            work=context.work,
            lufs=options.loudness_lufs,
            peak_dbtp=options.true_peak_dbtp,
            rate_hz=options.rate_hz,
        )
        files = {"speech": speech.path.rename(context.work / "speech.flac")}
        if found.events is not None and found.events.words:
            files["words"] = voice_events.write(context.work / "words.json", found.events)
        spoken, heard_as = _spoken(context), self._heard(context)
        data = {
            "duration_s": round(probe(files["speech"]).duration_s, 4),
            "speaker": heard_as,
            "mood": _voice(context).mood,
            "voice": voices.pace_key(context.variant, heard_as),
            "engine": "real" if found.events is None else found.events.engine,
            "words": len(_text(context).split()),
            "spoken": spoken,
            "sounding_s": round(take.sounding_s, 3),
            "gain_db": speech.gain_db,
            "limited_db": speech.limited_db,
            "loudness_lufs": speech.loudness_lufs,
        }
        if found.heard is not None:
            data |= {"heard": found.heard, "error": take.error}
        softest = options.loudness_lufs - options.max_softness_lu
        level = checks.at_least("speech.loudness", speech.loudness_lufs, softest, unit="LUFS")
        checks.refuse_failed((level,), what=self.title)
        return Inspection((*found.judged.checks, *found.judged.shortfalls, level), files=files, data=data)

    def _kept(self, context: Context) -> KeptTakes | None:
        """Return the tries so far; None where nothing can be remembered, or one take is all that is wanted."""
        state_dir = context.options.state_dir
        if state_dir is None or context.options.audio.takes == 1:
            return None
        voice = _voice(context)
        return KeptTakes(
            state_dir, context.subject.item_id, context.variant, self.workflow, voice.speaker, _spoken(context)
        )

    def _token_limit(self, context: Context) -> int:
        """Return the limit within what the node pack of this workflow accepts."""
        spec = self.manifest.bindings.get("max_new_tokens")
        fewest, most = (spec.limits.min, spec.limits.max) if spec is not None else (None, None)
        return token_limit(
            _spoken(context),
            fewest=FEWEST_TOKENS if fewest is None else math.ceil(fewest),
            most=MOST_TOKENS if most is None else math.floor(most),
        )

    def _heard(self, context: Context) -> str:
        """Return whose voice it is: a preset speaker, or the description of one."""
        voice = _voice(context)
        return voice.speaker if "speaker" in self.manifest.bindings else voice.description


def _text(context: Context) -> str:
    return str(context.made["script"].data["text"])


def _spoken(context: Context) -> str:
    """Return what the voice is to say: numbers and abbreviations as words."""
    spoken = speakable(_text(context), _language(context)).spoken
    if not spoken:
        raise InvalidInput("the script has nothing that can be said")
    return spoken


def _language(context: Context) -> Language:
    return "fr" if context.variant == "fr" else "en"


def _voice(context: Context) -> Voice:
    return voices.choose(
        context.subject,
        context.made["prepare"].data,
        mood=str(context.made["script"].data.get("mood", "")),
        language=context.variant,
        options=context.options.audio,
    )


def _names(context: Context) -> tuple[str, ...]:
    subject = context.subject
    return tuple(name for name in (subject.title, subject.artist, subject.sitter) if name)
