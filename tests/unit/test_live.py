"""A night on the terminal: whatever it is called and however narrow the window, it is drawn and never raises."""

from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from orchestrator.engines.base import Task, Tick
from orchestrator.live import LiveView, PlainLines, format_seconds, time_left, watch_night
from orchestrator.observer import StepOverview
from steps.base import Context, Subject
from steps.options import StepOptions

ROOT = Path(__file__).resolve().parents[2]
TITLES = [
    "La Joconde",
    "[red]x[/]",
    "[/]",
    "[bold",
    "ends with \\",
    "two\nlines\x1b[2J",
    "مرحبا \u202egnp.exe",
    "👩🏽\u200d🎨 " * 30,
    "x" * 500,
    "",
]


def task(number: int, title: str = "La Joconde", instance: str | None = "card0") -> Task:
    options = StepOptions.model_construct()
    context = Context(Subject(number, title, Path("/p")), "fr", 1, Path("/w"), {}, options)
    return Task(number, number, "script_video", context, f"{title} (fr)", instance, "prompt")


def overview(runs: int = 10, expected_s: float | None = 600.0) -> StepOverview:
    return StepOverview("script_video", 6, "Make the portrait speak", runs, 10, expected_s)


def console(width: int, *, terminal: bool = True) -> Console:
    return Console(file=io.StringIO(), width=width, height=40, force_terminal=terminal, color_system=None)


def drawn(view: LiveView) -> list[str]:
    with view.console.capture() as capture:
        view.console.print(view)
    return capture.get().splitlines()


def night_under_way(width: int) -> LiveView:
    view = LiveView(console(width))
    view.night_started(12, 20, resumed=True)
    view.step_started(overview())
    for number, title in enumerate(TITLES):
        running = task(number, title, None if number % 3 == 0 else f"card{number}")
        view.run_started(running)
        view.run_progress(running, Tick("KSampler [x]\n", 4, 20, 20.0))
    return view


@pytest.mark.parametrize("width", [40, 60, 79, 80, 100, 120, 200])
def test_every_run_has_one_line_at_every_width(width):
    """Neither more lines than runs (the view would jump) nor wider ones (the terminal would break them)."""
    lines = drawn(night_under_way(width))
    assert len(lines) == 1 + len(TITLES)
    assert all(cell_len(line) <= width for line in lines)
    assert "step 6 of 9: Make t" in lines[0]
    assert lines[0].rstrip().endswith("left")
    assert all("20 %" in line for line in lines[1:])


def test_a_wide_window_shows_everything():
    """Night, step, bar, count, time left; card, painting, percent, node, time."""
    lines = drawn(night_under_way(200))
    assert "night 12 · 20 paintings · resumed" in lines[0]
    assert "step 6 of 9" in lines[0]
    assert "0/10" in lines[0]
    assert "left" in lines[0]
    assert any("card1" in line and "[red]x[/]" in line and "KSampler [x] 4/20" in line for line in lines)


@pytest.mark.parametrize("title", TITLES)
@pytest.mark.parametrize("outcome", ["done", "turned down", "again", "failed", "put back"])
def test_odd_titles_are_printed_as_they_are(title, outcome):
    """They may look like rich's markup; a night must not end because of a title."""
    view = LiveView(console(120))
    view.step_started(overview())
    view.run_started(task(1, title))
    view.run_finished(task(1, title), outcome)
    view.note(f"step {title} is stopped: {title}")
    view.step_finished("script_video")
    printed = view.console.file.getvalue()
    assert "\x1b[2J" not in printed
    if title == "[red]x[/]":
        assert printed.count("[red]x[/]") >= 2


def test_more_runs_than_there_is_room_for_are_counted():
    """Sixteen cards with two prompts each would fill the window."""
    view = LiveView(console(100))
    view.step_started(overview(runs=40))
    for number in range(32):
        view.run_started(task(number))
    lines = drawn(view)
    assert len(lines) == 1 + 16 + 1
    assert "16 more" in lines[-1]


def test_it_is_drawn_before_and_between_steps():
    """At the first moment there is neither a night nor a step; a step may have nothing to do."""
    view = LiveView(console(80))
    assert drawn(view) == ["starting …"]
    view.night_started(1, 1, resumed=False)
    assert drawn(view) == ["night 1 · 1 painting"]
    view.step_started(overview(runs=0, expected_s=None))
    assert len(drawn(view)) == 1
    view.run_progress(task(9), Tick("late", 1, 1, 250.0))
    assert len(drawn(view)) == 1


def test_more_progress_than_there_is_to_do_is_not_more_than_all():
    """A server's percentages and adopted prompts are not always what they should be."""
    view = LiveView(console(120))
    view.step_started(overview(runs=1))
    for number in range(3):
        view.run_started(task(number))
        view.run_progress(task(number), Tick("n", 1, 1, 400.0))
    assert "left" in drawn(view)[0]
    assert "-" not in drawn(view)[0].split("about")[1]
    assert "400" not in "".join(drawn(view))


@pytest.mark.parametrize("width", [40, 80, 120, 200])
def test_steps_that_overlap_have_a_line_each(width):
    """In the pipeline's order whichever began first, each with its own count; what runs says what it belongs to."""
    view = LiveView(console(width))
    view.night_started(12, 20, resumed=False)
    view.step_started(overview())
    view.step_started(StepOverview("script", 1, "Script", 30, 10, 60.0))
    view.run_started(task(1))
    writing = replace(task(2, instance=None), step="script")
    view.run_started(writing)
    lines = drawn(view)
    assert len(lines) == 4
    assert all(cell_len(line) <= width for line in lines)
    assert ["step 1 of 9" in lines[0], "step 6 of 9" in lines[1]] == [True, True]
    assert ("script_video" in lines[2] or "script_video" in lines[3]) is (width >= 80)
    view.run_finished(writing, "done")
    assert "1/30" in drawn(view)[0]
    assert "0/10" in drawn(view)[1]


def test_a_step_that_is_over_leaves_the_others_alone():
    """And what was running goes on being shown."""
    view = LiveView(console(120))
    view.step_started(StepOverview("script", 1, "Script", 1, 10, None))
    view.step_started(overview())
    view.run_started(task(1))
    view.step_finished("script")
    lines = drawn(view)
    assert len(lines) == 2
    assert "step 6 of 9" in lines[0]
    view.step_started(StepOverview("subtitles", 7, "Subtitles", 1, 10, None))
    assert len(drawn(view)) == 3


@pytest.mark.parametrize(
    ("share", "elapsed_s", "expected_s", "left"),
    [
        (0.5, 100, None, 100),
        (0.25, 100, 10_000, 300),
        (1.0, 100, 50, 0),
        (0.0, 10, None, None),
        (0.0, 10, 60, 50),
        (0.0, 90, 60, 0),
        (0.01, 1, None, None),
    ],
)
def test_the_time_left_comes_from_the_steps_own_pace(share, elapsed_s, expected_s, left):
    """From earlier nights only while there is none, and never below nothing."""
    assert time_left(share, elapsed_s, expected_s) == left


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (3599.6, "1 h 00 min"),
        (17760, "4 h 56 min"),
    ],
)
def test_durations_for_people(seconds, text):
    """Never 60 s or 60 min."""
    assert format_seconds(seconds) == text


def test_without_a_terminal_there_is_a_line_an_event():
    """For cron and systemd: no bars, no colours, no control characters, and each line whole."""
    plain = console(40, terminal=False)
    with watch_night(plain) as observer:
        assert isinstance(observer, PlainLines)
        observer.night_started(3, 1, resumed=False)
        observer.step_started(overview(runs=len(TITLES)))
        for number, title in enumerate(TITLES):
            observer.run_started(task(number, title))
            observer.run_progress(task(number, title), Tick("n", 1, 2, 50.0))
            observer.run_finished(task(number, title), "done")
        observer.run_finished(task(99), "again")
        observer.step_finished("script_video")
        observer.note("card0 is\nset aside")
    lines = plain.file.getvalue().splitlines()
    assert lines[0] == "night 3 begins: 1 painting"
    assert lines[1] == "step 6 of 9, Make the portrait speak: 10 to do, about 10 min 00 s"
    assert lines[2] == "  1/10 script_video: La Joconde (fr) on card0: done"
    assert lines[3] == "  2/10 script_video: [red]x[/] (fr) on card0: done"
    assert lines[-2].startswith("  10/10 script_video")
    assert lines[-1] == "  ! card0 is set aside"
    assert len(lines) == 2 + len(TITLES) + 2
    assert all(line.isprintable() or "\u200d" in line for line in lines)


def test_plain_lines_count_each_step_for_itself():
    """Lines of several steps come mixed."""
    plain = console(80, terminal=False)
    with watch_night(plain) as observer:
        observer.step_started(StepOverview("script", 1, "Script", 3, 10, None))
        observer.step_started(overview(runs=2))
        observer.run_finished(task(1), "done")
        observer.run_finished(replace(task(2, instance=None), step="script"), "done")
        observer.run_finished(task(3), "done")
    assert [line.split()[0] for line in plain.file.getvalue().splitlines()[2:]] == ["1/2", "1/3", "2/2"]


def test_on_a_terminal_there_is_the_live_view():
    """And it leaves nothing behind but what was printed above it."""
    screen = console(100)
    with watch_night(screen) as observer:
        assert isinstance(observer, LiveView)
        observer.night_started(1, 2, resumed=False)
        observer.step_started(overview())
        observer.note("look here")
    assert "look here" in screen.file.getvalue()


PROGRAM = """
import sys
from rich.console import Console
from orchestrator.live import {observer}
from tests.unit.test_live import overview, task
view = {observer}(Console(width=80, force_terminal=True))
for _ in range(2000):
    view.night_started(1, 1, resumed=False)
    view.step_started(overview())
    view.run_started(task(1))
    view.run_finished(task(1), "failed")
    view.note("x")
    view.step_finished("script_video")
sys.stderr.write("the night is over")
"""


@pytest.mark.parametrize("observer", ["PlainLines", "LiveView"])
def test_a_reader_that_went_away_does_not_end_the_night(observer):
    """`nightreel run | head` closes the pipe after ten lines; rich would leave the program, or one of its threads."""
    command = [sys.executable, "-c", PROGRAM.format(observer=observer)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        process.stdout.close()
        _, told = process.communicate(timeout=60)
    assert b"the night is over" in told, told
