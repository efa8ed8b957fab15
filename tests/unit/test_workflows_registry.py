"""The pipeline's shape: order, names, and what has to be made again after a change."""

from __future__ import annotations

import pickle
import subprocess
import sys

import pytest

from steps.base import ComfyStep, EngineKind, Step
from steps.registry import NEEDS, default_steps, needs_of, step, steps_after

ORDER = (
    "prepare",
    "script",
    "audio",
    "clean_pic",
    "realistic_pic",
    "transition",
    "script_video",
    "subtitles",
    "outro",
    "final_video",
)
PER_LANGUAGE = {"script", "audio", "script_video", "subtitles", "outro", "final_video"}


class Named(Step):
    """A step with a name and needs only."""

    number = 0
    title = ""
    engine = EngineKind.LOCAL
    per_language = False

    def __init__(self, name: str, *needs: str) -> None:
        self.name, self.needs = name, needs


def test_ten_steps_in_the_order_of_their_numbers() -> None:
    """The numbers are in the tables of the reports; the order is that of the night."""
    assert tuple(one.name for one in default_steps()) == ORDER
    assert [one.number for one in default_steps()] == list(range(10))


def test_each_step_says_what_the_table_says() -> None:
    """Redo goes by the table, the context of a step by its class: they may not differ."""
    assert {one.name: one.needs for one in default_steps()} == dict(NEEDS)
    assert {one.name for one in default_steps() if one.per_language} == PER_LANGUAGE
    assert all(isinstance(one, ComfyStep) == (one.engine is EngineKind.COMFYUI) for one in default_steps())


def test_a_step_only_reads_earlier_ones() -> None:
    """Step-major order makes every need before it is needed."""
    for name, needs in NEEDS.items():
        assert all(ORDER.index(need) < ORDER.index(name) for need in needs)


@pytest.mark.parametrize(
    ("name", "after"),
    [
        ("prepare", ORDER),
        ("script", ("script", "audio", "script_video", "subtitles", "outro", "final_video")),
        ("realistic_pic", ("realistic_pic", "transition", "script_video", "subtitles", "outro", "final_video")),
        ("transition", ("transition", "final_video")),
        ("subtitles", ("subtitles", "final_video")),
        ("final_video", ("final_video",)),
    ],
)
def test_redo_reaches_all_that_depends_on_a_step(name: str, after: tuple[str, ...]) -> None:
    """What is left out would keep a result that no longer fits; what is too much wastes a card's night."""
    assert steps_after(name) == after


def test_an_unknown_step_is_told_the_names() -> None:
    """`nightreel redo 7 --from transitoin` should say what would do."""
    with pytest.raises(KeyError, match="transition"):
        steps_after("transitoin")
    with pytest.raises(KeyError, match="transition"):
        step("transitoin")
    assert step("transition") is step("transition")


def test_the_table_of_some_steps_is_refused_when_it_cannot_run() -> None:
    """A user's own step joins the pipeline; two of a name or a need that nobody makes must not wait for the night."""
    assert needs_of(default_steps()) == dict(NEEDS)
    with pytest.raises(ValueError, match="two steps are called 'a'"):
        needs_of([Named("a"), Named("a")])
    with pytest.raises(ValueError, match="'b' needs c"):
        needs_of([Named("a"), Named("b", "a", "c")])


def test_steps_travel_to_another_process() -> None:
    """A step may run on another host; it is plain data and functions."""
    for one in default_steps():
        assert pickle.loads(pickle.dumps(one)).name == one.name


def test_asking_for_names_loads_no_heavy_library() -> None:
    """`nightreel --help` imports the registry, and should not wait for OpenCV."""
    code = "import sys, steps.registry; print([m for m in ('cv2', 'av', 'libzim', 'yaml') if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
