"""The neural voice: where its files are it speaks, and says when; where they are not, the small synthesizer does."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from orchestrator.embedded.render import neural, speech
from steps.errors import ResourceMissing
from steps.external import kokoro
from steps.external.faces import default_models_dir

TEXT = "Bonsoir. Je vous regarde depuis mille cinq cent trois."
needs_files = pytest.mark.skipif(
    not kokoro.is_there(default_models_dir(), *neural.styles()), reason="scripts/get-voices was not run"
)


@needs_files
def test_it_speaks_the_same_each_time_and_says_when() -> None:
    """No random numbers; the words' times come from the network's own durations."""
    first, again = (speech.utter(TEXT, language="French", speaker="Serena", instruct="", seed=3) for _ in range(2))
    assert first.engine == "neural"
    assert np.array_equal(first.samples, again.samples)
    assert [word.text for word in first.words] == TEXT.split()
    starts = [word.start_s for word in first.words]
    assert starts == sorted(starts)
    assert first.words[-1].end_s <= len(first.samples) / speech.RATE_HZ


def test_without_its_files_the_small_synthesizer_speaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is optional."""
    monkeypatch.setenv("NIGHTREEL_MODELS", str(tmp_path))
    said = speech.utter(TEXT, language="French", speaker="Serena", instruct="", seed=3)
    assert said.engine == "espeak"
    assert [word.text for word in said.words] == TEXT.split()


def test_damaged_files_are_told_with_what_to_do(tmp_path: Path) -> None:
    """A network that was cut short must not end as a crash of ONNX Runtime."""
    folder = tmp_path / kokoro.FOLDER
    folder.mkdir()
    (folder / kokoro.VOCABULARY).write_text('{"vocab": {"a": 1}}')
    (folder / kokoro.MODEL).write_bytes(os.urandom(2000))
    with pytest.raises(ResourceMissing, match="scripts/get-voices places it again"):
        kokoro.Kokoro(tmp_path)


def test_every_speaker_has_a_style_in_both_languages() -> None:
    """Names are those of the real nodes, in any case; a stranger gets Serena's."""
    assert neural.style_of("Uncle_Fu", "fr") == "bm_george"
    assert neural.style_of("VIVIAN", "fr") == "ff_siwis"
    assert neural.style_of("nobody", "en") == neural.style_of("Serena", "en")
    assert set(neural.styles()) == {"ff_siwis", "af_heart", "af_bella", "bf_emma", "am_michael", "am_fenrir"} | {
        "bm_george", "bm_lewis",
    }  # fmt: skip
