"""When an instance has drifted past its budget: the decisions alone."""

from __future__ import annotations

import pytest

from orchestrator.drift import Sample, growth_gb, reasons_to_restart, slowdown
from orchestrator.settings import DriftSettings

BUDGET = DriftSettings()


@pytest.mark.parametrize(
    ("sample", "reason"),
    [
        (Sample(ram_gb=41.0, is_process=True), "RSS 41.0 GB > 32 GB"),
        (Sample(ram_gb=41.0), "its host uses 41.0 GB more RAM > 32 GB"),
        (Sample(committed_share=0.97), "committed memory 97% > 95% of RAM and swap"),
        (Sample(vram_held_gb=3.1), "card memory not given back 3.1 GB > 2 GB"),
    ],
)
def test_what_is_past_its_budget_is_told_with_both_figures(sample, reason):
    """The log must say which rule fired, and by how much."""
    assert reasons_to_restart(sample, BUDGET) == (reason,)


@pytest.mark.parametrize("sample", [Sample(), Sample(ram_gb=32.0, committed_share=0.95, vram_held_gb=2.0)])
def test_what_is_within_its_budget_goes_on(sample):
    """On the limit is within it; what cannot be measured is no reason."""
    assert reasons_to_restart(sample, BUDGET) == ()


def test_everything_past_its_budget_is_told_together():
    """The owner raises one limit at a time otherwise."""
    slow = slowdown("clean_pic", [60.0, 34.0, 34.0, 34.0, 62.0, 62.0, 62.0])
    found = reasons_to_restart(Sample(ram_gb=50.0, is_process=True, committed_share=1.2), BUDGET, slow=slow)
    assert found == (
        "RSS 50.0 GB > 32 GB",
        "committed memory 120% > 95% of RAM and swap",
        "clean_pic takes 62.0 s a prompt instead of 34.0 s: 1.8 × > 1.5 ×",
    )


# -- growth -----------------------------------------------------------------------------------------------------------


def test_a_server_that_would_pass_the_limit_before_the_next_boundary_is_restarted_now():
    """In the middle of a step a restart would cost a load; now it costs none."""
    earlier, now = Sample(ram_gb=10.0, is_process=True), Sample(ram_gb=26.0, is_process=True)
    growth = growth_gb(earlier, now, prompts=20, coming=10)
    assert growth == pytest.approx(8.0)
    (reason,) = reasons_to_restart(now, BUDGET, growth=growth)
    assert reason == "RSS 26.0 GB, and 8.0 GB more by the end of the next step > 32 GB"
    assert reasons_to_restart(now, BUDGET, growth=growth_gb(earlier, now, prompts=20, coming=5)) == ()


@pytest.mark.parametrize(
    ("earlier", "now", "prompts"),
    [
        (None, Sample(ram_gb=26.0), 20),
        (Sample(), Sample(ram_gb=26.0), 20),
        (Sample(ram_gb=10.0), Sample(), 20),
        (Sample(ram_gb=10.0), Sample(ram_gb=26.0), 0),
        (Sample(ram_gb=26.0), Sample(ram_gb=10.0), 20),
    ],
)
def test_without_two_measurements_and_prompts_between_them_no_growth_is_known(earlier, now, prompts):
    """And a server that shrinks does not grow."""
    assert growth_gb(earlier, now, prompts=prompts, coming=100) == 0.0


# -- seconds ----------------------------------------------------------------------------------------------------------


def test_the_first_prompt_says_nothing():
    """It loads the models, which takes longer than the prompt itself."""
    slow = slowdown("audio", [300.0, 10, 10, 10, 10, 10, 10])
    assert slow is not None
    assert slow.factor == 1.0


def test_one_long_clip_is_no_slowdown():
    """The median of three bears one that is longer than the others."""
    slow = slowdown("audio", [30, 10, 10, 10, 10, 10, 95.0, 10])
    assert slow is not None
    assert slow.factor == 1.0
    assert slow.latest_s == 10


def test_too_few_prompts_are_held_against_earlier_nights_or_nothing():
    """With four, the latest three are known and the first ones of the night are the same."""
    assert slowdown("audio", [30, 20, 20, 20]) is None
    slow = slowdown("audio", [30, 20, 20, 20], learned_s=10)
    assert slow is not None
    assert slow.factor == 2.0
    assert slowdown("audio", [30, 20, 20], learned_s=10) is None
    assert slowdown("audio", [], learned_s=10) is None
    assert slowdown("audio", [0.0] * 9) is None, "a step that takes no time cannot become slower"
