"""Step 2: the script, spoken.

Speech models now and then miss their end and babble until their limit, or stop early. So the limit is set from the
text, and the take is measured against it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from steps import checks, waveform
from steps.base import Context
from steps.checks import Looked
from steps.comfy import Inspection, ManifestStep
from steps.options import StepOptions, VoiceOptions

LANGUAGES = {"fr": "French", "en": "English"}
TOKENS_PER_S = 12.5
SLACK = 1.6  # how much slower than expected a good take may be
WORDS_PER_S = 2.4
CHARACTERS_PER_S = 14.0
SECONDS_PER_DIGIT = 0.35
FEWEST_TOKENS, MOST_TOKENS = 512, 4096  # where the workflow's manifest states no limits of its pack
MOST_TRAILING_SILENCE_S = 3.0


def expected_seconds(text: str) -> float:
    """Return how long a text takes to say at an easy pace, in seconds; at least 1."""
    words = text.split()
    digits = len(re.findall(r"\d", text))  # "1889" is one short word to the eye, and five to the tongue
    return max(1.0, max(len(words) / WORDS_PER_S, len(text) / CHARACTERS_PER_S) + digits * SECONDS_PER_DIGIT)


def token_limit(text: str, *, fewest: int = FEWEST_TOKENS, most: int = MOST_TOKENS) -> int:
    """Return how many tokens a take of the text may have, within what the node pack accepts."""
    return max(fewest, min(most, math.ceil(expected_seconds(text) * TOKENS_PER_S * SLACK)))


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
            voice = options.audio.voices.get(language, VoiceOptions())
            for key, speaker in (("female", voice.female), ("male", voice.male)):
                if spec is not None and (wanted := spec.broken_by(spec.spelled(speaker))):
                    where = f"audio.voices.{language}.{key}"
                    problems.append(f"{where}: found {speaker!r}; the workflow {self.manifest.name} needs {wanted}")
        return tuple(problems)

    def supply(self, context: Context) -> Mapping[str, Any]:
        """Choose the voice by the sitter's sex and the language, and the limit by the text."""
        return {
            "speaker": _speaker(context),
            "voice": f"{_description(context)} {_voice(context).instruct}".strip(),
            "language": LANGUAGES.get(context.variant, "Auto"),
            "instruct": _voice(context).instruct,
            "max_new_tokens": self._token_limit(context),
        }

    def inspect(self, context: Context, files: Mapping[str, Path], looked: Mapping[str, Looked]) -> Inspection:
        """Check that the take is whole and did not run away."""
        samples = looked["speech"].samples
        assert samples is not None
        options, text = context.options.audio, _text(context)
        sounding = waveform.measure(samples, checks.MEASURING_RATE_HZ)
        pace = len(text.split()) / max(0.1, sounding.sounding_s)
        cap_s = self._token_limit(context) / TOKENS_PER_S
        found = (
            checks.between("speech.pace", pace, options.min_words_per_s, options.max_words_per_s, unit="words/s"),
            checks.at_most("speech.trailing_silence", sounding.trailing_s, MOST_TRAILING_SILENCE_S, unit="s"),
            # A take that fills its limit missed its end, whatever it sounds like.
            checks.at_most("speech.limit", sounding.duration_s, cap_s - 0.25, unit="s"),
        )
        return Inspection(found, data={"speaker": self._heard(context)})

    def _token_limit(self, context: Context) -> int:
        """Return the limit within what the node pack of this workflow accepts."""
        spec = self.manifest.bindings.get("max_new_tokens")
        fewest, most = (spec.limits.min, spec.limits.max) if spec is not None else (None, None)
        return token_limit(
            _text(context),
            fewest=FEWEST_TOKENS if fewest is None else math.ceil(fewest),
            most=MOST_TOKENS if most is None else math.floor(most),
        )

    def _heard(self, context: Context) -> str:
        """Return whose voice it is: a preset speaker, or the description of one."""
        return _speaker(context) if "speaker" in self.manifest.bindings else _description(context)


def _text(context: Context) -> str:
    return str(context.made["script"].data["text"])


def _voice(context: Context) -> VoiceOptions:
    voices: Mapping[str, VoiceOptions] = {
        str(language): voice for language, voice in context.options.audio.voices.items()
    }
    return voices.get(context.variant, VoiceOptions())


def _is_male(context: Context) -> bool:
    """Tell which voice it is; one whose sex nobody could tell gets the woman's, in every language."""
    return bool(context.made["prepare"].data.get("sex") == "male")


def _speaker(context: Context) -> str:
    voice = _voice(context)
    return voice.male if _is_male(context) else voice.female


def _description(context: Context) -> str:
    voice = _voice(context)
    return voice.describe_male if _is_male(context) else voice.describe_female
