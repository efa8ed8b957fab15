"""Counting a prompt's progress from its graph and its events."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.comfyui.progress import Meter, weight_of


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs, "_meta": {"title": f"the {class_type}"}}


GRAPH = {
    "load": node("UNETLoader", unet_name="x"),
    "plan": node("BasicScheduler", steps=18),
    "draw": node("SamplerCustomAdvanced", sigmas=["plan", 0], model=["load", 0]),
    "save": node("SaveImage", images=["draw", 0]),
}


def test_a_sampler_weighs_its_steps():
    """Twenty steps are nearly all of the time; counting nodes would show 75 % before they begin."""
    meter = Meter(GRAPH)
    meter.start("load", "load")
    meter.start("draw", "draw")
    meter.tick("draw", value=9, maximum=18)
    progress = meter.read()
    assert progress is not None
    assert progress.percent == pytest.approx((1 + 9) / 21 * 100, abs=0.1)
    assert (progress.node_title, progress.class_type) == ("the SamplerCustomAdvanced", "SamplerCustomAdvanced")
    assert (progress.value, progress.maximum) == (9, 18)


def test_cached_nodes_do_not_count():
    """With a warm model only the sampler and the saver run."""
    meter = Meter(GRAPH)
    meter.cache(["load", "plan"])
    meter.start("draw", "draw")
    meter.tick("draw", value=18, maximum=18)
    progress = meter.read()
    assert progress is not None
    assert progress.percent == pytest.approx(18 / 19 * 100, abs=0.1)


def test_percent_never_goes_back_and_never_says_done():
    """A node may begin again (tiles, second stage); 100 % is the history's to say."""
    meter = Meter(GRAPH)
    seen = []
    for value in (3, 18, 1, 9, 18):
        meter.start("draw", "draw")
        meter.tick("draw", value=value, maximum=18)
        progress = meter.read()
        assert progress is not None
        seen.append(progress.percent)
    for name in GRAPH:
        meter.finish(name)
    progress = meter.read()
    assert progress is not None
    assert seen == sorted(seen)
    assert progress.percent == 99.0


def test_there_is_no_progress_before_the_first_node():
    """A prompt that only waits has none to show."""
    assert Meter(GRAPH).read() is None


def test_inner_nodes_count_for_the_submitted_one():
    """An expanding node's inner samplers tick under ids of their own."""
    meter = Meter({"3": node("Expand", steps=2)})
    meter.start("3.0.0.1", "3")
    meter.tick("3.0.0.1", value=1, maximum=2)
    progress = meter.read()
    assert progress is not None
    assert (progress.node_id, progress.percent) == ("3", 50.0)
    stranger = Meter({"3": node("Expand", steps=2)})
    stranger.tick("3.0.0.1", value=1, maximum=2)  # the socket opened after the node began
    progress = stranger.read()
    assert progress is not None
    assert progress.node_id == "3"


@pytest.mark.parametrize(("value", "maximum"), [(5, 0), (-1, 4), (9, 4), (0, -1)])
def test_odd_ticks_stay_within_bounds(value, maximum):
    """Nodes tell what they like."""
    meter = Meter(GRAPH)
    meter.tick("draw", value=value, maximum=maximum)
    progress = meter.read()
    assert progress is not None
    assert 0 <= progress.percent <= 99
    assert 0 <= progress.value <= progress.maximum


def test_a_prompt_without_a_known_graph_has_a_node_and_no_title():
    """Re-attached before the queue was seen."""
    meter = Meter({})
    meter.start("7", "7")
    progress = meter.read()
    assert progress is not None
    assert (progress.node_title, progress.percent) == ("7", 0.0)


@pytest.mark.parametrize(
    ("class_type", "inputs", "weight"),
    [
        ("KSampler", {"steps": 20}, 20),
        ("KSamplerAdvanced", {"steps": 4, "start_at_step": 0, "end_at_step": 2}, 2),
        ("KSamplerAdvanced", {"steps": 4, "start_at_step": 2, "end_at_step": 10000}, 2),
        ("KSamplerSelect", {"sampler_name": "euler"}, 1),
        ("BasicScheduler", {"steps": 20}, 1),
        ("SamplerCustomAdvanced", {"sigmas": ["nowhere", 0]}, 8),
        ("SamplerCustomAdvanced", {"sigmas": ["written", 0]}, 3),
        ("SamplerCustomAdvanced", {"sigmas": ["split", 0]}, 6),
        ("KSampler", {"steps": ["number", 0]}, 30),
        ("SleepWithProgress", {"steps": 5}, 5),
        ("VAEDecode", {}, 1),
        ("KSampler", {"steps": "many"}, 8),
    ],
)
def test_weights(class_type, inputs, weight):
    """Schedules come as numbers, as written lists, and through one or two other nodes."""
    graph = {
        "it": node(class_type, **inputs),
        "written": node("ManualSigmas", sigmas="1.0, 0.9, 0.4, 0.0"),
        "plan": node("LTXVScheduler", steps=6),
        "split": node("SplitSigmas", sigmas=["plan", 0]),
        "number": node("PrimitiveInt", value=30),
    }
    assert weight_of(graph, "it") == weight


def test_a_circle_of_schedules_ends():
    """A broken graph must not hang the counting."""
    graph = {"it": node("SamplerCustomAdvanced", sigmas=["a", 0]), "a": node("X", sigmas=["a", 0])}
    assert weight_of(graph, "it") == 8
