"""Every refusal that was recorded, on three versions, as the owner of a workflow reads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.comfyui.errors import MissingInput, MissingModel, MissingNodeClass, Refused
from orchestrator.comfyui.refusals import refusal

RECORDED: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent.parent / "resources" / "comfyui" / "refusals.json").read_text()
)
JSON_ANSWERS = [one for one in RECORDED if one["status"] in (200, 400)]


def read(note: str, version: str) -> Refused:
    case = next(one for one in JSON_ANSWERS if one["note"].startswith(note) and one["version"] == version)
    return refusal(case["response"], graph=case["graph"], prompt_id="p")


@pytest.mark.parametrize("case", JSON_ANSWERS, ids=lambda case: f"{case['version']} {case['note'][:50]}")
def test_every_recorded_refusal_says_something(case):
    """A refusal without a reason costs the owner an evening."""
    error = refusal(case["response"], graph=case["graph"], prompt_id="p")
    assert error.problems
    assert all(problem.message.strip() for problem in error.problems)
    assert "None" not in str(error)
    assert ".." not in str(error).replace("../no-such-dir", "")


@pytest.mark.parametrize("version", ["0.27.0", "0.8.0", "0.3.64"])
def test_a_missing_class_is_named_in_all_versions(version):
    """The type of this error was renamed, and older servers tell node and class only in the text."""
    error = read("unknown class_type", version)
    assert type(error) is MissingNodeClass
    (problem,) = error.problems
    assert (problem.node_id, problem.class_type, problem.title) == ("5", "NoSuchNode", "My custom thing")
    assert "`My custom thing` (#5, NoSuchNode): the node class NoSuchNode is not installed there" in str(error)


@pytest.mark.parametrize("version", ["0.27.0", "0.8.0", "0.3.64"])
def test_a_branch_that_200_drops_is_a_refusal(version):
    """HTTP 200 is not proof that everything will run [c2]."""
    error = read("two output branches", version)
    assert error.facts["kind"] == "node_errors"
    assert [problem.class_type for problem in error.problems] == ["ImageScale"]
    assert "`upscale_method` is 'magic'" in str(error)
    assert "bilinear" in str(error)


@pytest.mark.parametrize("version", ["0.27.0", "0.8.0", "0.3.64"])
def test_a_missing_model_file_is_told_as_such(version):
    """The remedy is to fetch a file, not to repair the graph."""
    error = read("value not in combo list", version)
    assert type(error) is MissingModel
    assert "missing.safetensors" in str(error)


@pytest.mark.parametrize("version", ["0.27.0", "0.8.0", "0.3.64"])
def test_a_missing_input_file_may_be_uploaded_again(version):
    """An upload can be lost between two restarts; that must not stop the step for all."""
    error = read("LoadImage with missing file", version)
    assert type(error) is MissingInput
    assert "nope.png" in str(error)


@pytest.mark.parametrize(
    ("note", "words"),
    [
        ("missing required input", "the input `width` is missing"),
        ("out-of-range numbers", "`batch_size` is 99999: Value 99999 bigger than max of 4096"),
        ("number given as non-numeric", "`width` is 'abc', which cannot be turned"),
        ("link with wrong type", "received_type(IMAGE) mismatch input_type(MASK)"),
        ("no output node", "Prompt has no outputs"),
        ("dependency cycle", "the graph runs in a circle"),
        ("client_prompt_id not a uuid", "prompt_id must be a valid UUID"),
    ],
)
def test_problems_are_told_in_words(note, words):
    """Found, and where the server says it, expected."""
    assert words in str(read(note, "0.27.0"))


def test_a_flood_of_problems_is_shortened():
    """A graph made for another set of nodes can have hundreds; a message is for people."""
    errors = {"errors": [{"type": "required_input_missing", "extra_info": {"input_name": "x"}}], "class_type": "A"}
    reply = {"error": {"type": "t"}, "node_errors": {str(number): errors for number in range(50)}}
    error = refusal(reply, graph={})
    assert len(error.problems) == 50
    assert str(error).endswith("and 44 more")


@pytest.mark.parametrize(
    "reply",
    [
        {"error": "plain text"},
        {"error": None, "node_errors": None},
        {"error": {"type": None, "extra_info": 3}, "node_errors": []},
        {"error": {}, "node_errors": {"1": None, "2": {"errors": [None, {"extra_info": []}]}}},
    ],
)
def test_an_odd_body_is_still_a_refusal(reply):
    """Forks answer what they like."""
    assert isinstance(refusal(reply, graph={"1": None}), Refused)
