"""What the reasons of placement are called in sentences for people. Apart, so that the rules hold no prose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.placement import Why

_WORDS: dict[Why, str] = {
    Why.LACKS: "lacks what the step needs: {missing}",
    Why.TOO_SMALL: "its card has {vram_gb:g} GB, and the step needs {needs_gb:g} GB",
    Why.AWAY: "it was being restarted, or did not answer",
    Why.KEPT: "the run was kept for {other}, after it failed",
    Why.COOLING: "cooling down: {temperature_c:g} °C, goes on at {cool_to_c:g} °C",
    Why.TOO_HOT: "too hot ({what}, {celsius:g} °C): at most {at_most} at once",
    Why.CARD_TAKEN: "{other} was generating on the same card",
    Why.SHORT_OF_VRAM: "other programs left {free_gb:g} GB of its card's memory, and {needs_gb:g} GB are needed",
    Why.LOADING: "{other} was loading models, and the host had not the memory for both ({free_gb:g} GB free)",
    Why.SPREAD: "it had {in_flight} in its queue already, and another had fewer",
    Why.FASTER: "{other} would end it sooner, although it was busy",
    Why.FAILED_HERE: "the run had failed on it, and {other} had not tried it yet",
    Why.UNKNOWN: "it was not, or no longer, in use",
}


def words_of(why: str, facts: Mapping[str, Any]) -> str:
    """Return a reason as a clause about an instance, such as `cooling down: 86 °C, goes on at 78 °C`.

    Args:
        why: A value of `Why`; another one, as of a later version, is returned as it is.
        facts: What was found, as `Hold.facts` has it.
    """
    try:
        return _WORDS[Why(why)].format(**facts)
    except (ValueError, KeyError, TypeError, IndexError):
        return str(why)
