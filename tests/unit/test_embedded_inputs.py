"""What the embedded server says of single inputs: the part of validation that needs no graph."""

from __future__ import annotations

import pytest

from orchestrator.embedded import inputs
from orchestrator.embedded.inputs import InputSpec
from orchestrator.embedded.values import Choice

RESIZE = {
    "input": {
        "required": {
            "image": ["IMAGE"],
            "rule": [
                "COMFY_DYNAMICCOMBO_V3",
                {
                    "options": [
                        {"key": "size", "inputs": {"required": {"width": ["INT", {"min": 0}]}}},
                        {"key": "factor", "inputs": {"required": {"by": ["FLOAT", {}]}, "optional": {"on": ["INT"]}}},
                    ]
                },
            ],
            "values": [
                "COMFY_AUTOGROW_V3",
                {"template": {"input": {"required": {"value": ["INT"]}}, "names": ["a", "b"], "min": 1}},
            ],
        }
    }
}


def _spec(kind, **options) -> InputSpec:
    return InputSpec("x", kind, options, is_required=True)


def test_a_choice_brings_its_own_inputs():
    """Only the inputs of the chosen option are required, under dotted names."""
    names = inputs.declared(RESIZE, {"rule": "factor"})
    assert list(names) == ["image", "rule", "rule.by", "rule.on", "values.a", "values.b"]
    assert [name for name, spec in names.items() if not spec.is_required] == ["rule.on", "values.b"]


@pytest.mark.parametrize("value", ["unknown", {"rule": "size"}, None])
def test_an_unknown_choice_requires_nothing_more(value):
    """A real server lets it through and fails at execution; so must the stand-in."""
    assert "rule.width" not in inputs.declared(RESIZE, {"rule": value})


def test_dotted_values_arrive_nested():
    """Functions get one value for a choice and one mapping for what grew."""
    values = {"image": "picture", "rule": "size", "rule.width": 3, "values.a": 1, "values.b": 2}
    assert inputs.nested(RESIZE, values) == {
        "image": "picture",
        "rule": Choice("size", {"width": 3}),
        "values": {"a": 1, "b": 2},
    }


@pytest.mark.parametrize(
    ("wanted", "received", "fits"),
    [
        ("IMAGE", "IMAGE", True),
        ("MASK", "IMAGE", False),
        ("*", "IMAGE", True),
        ("IMAGE", "*", True),
        ("IMAGE,MASK", "MASK", True),
        ("FLOAT,INT", "STRING", False),
        (["a", "b"], ["a", "b"], True),
        (["a", "b"], "STRING", False),
    ],
)
def test_links_need_a_common_type(wanted, received, fits):
    """Several types, any type and lists of choices: each is told apart as by a real server."""
    assert (inputs.type_mismatch(_spec(wanted), received, ["1", 0]) is None) is fits


def test_a_matching_type_looks_at_what_is_allowed():
    """A node for pictures or masks refuses a sound."""
    spec = _spec("COMFY_MATCHTYPE_V3", template={"template_id": "t", "allowed_types": "IMAGE,MASK"})
    assert inputs.type_mismatch(spec, "IMAGE", ["1", 0]) is None
    assert inputs.type_mismatch(spec, "AUDIO", ["1", 0]) is not None


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [("INT", "64", 64), ("INT", 48.9, 48), ("INT", True, 1), ("FLOAT", "1.5", 1.5), ("STRING", 7, "7")],
)
def test_values_are_converted(kind, given, expected):
    """Clients send numbers as text; a real server reads them."""
    assert inputs.coerce(_spec(kind), given) == expected


def test_a_wrapped_list_is_a_value():
    """A list would be read as a link, so it comes wrapped."""
    assert inputs.coerce(_spec("CURVE"), {"__value__": [1, 2, 3]}) == [1, 2, 3]


@pytest.mark.parametrize(
    ("spec", "value", "kind"),
    [
        (_spec("INT", min=1), 0, "value_smaller_than_min"),
        (_spec("INT", max=9), 10, "value_bigger_than_max"),
        (_spec(["a", "b"]), "c", "value_not_in_list"),
        (_spec("COMBO", options=["a"]), "c", "value_not_in_list"),
    ],
)
def test_values_outside_are_named(spec, value, kind):
    """The type of the error is what clients decide by."""
    problem = inputs.out_of_range(spec, value)
    assert problem is not None
    assert problem["type"] == kind
    assert problem["extra_info"]["received_value"] == value


@pytest.mark.parametrize(("count", "is_shown"), [(20, True), (21, False)])
def test_long_lists_are_left_out(count, is_shown):
    """A list of more than twenty choices would swell the answer; the configuration is null then."""
    problem = inputs.out_of_range(_spec([str(number) for number in range(count)]), "no")
    assert problem is not None
    assert (problem["extra_info"]["input_config"] is not None) is is_shown
    assert ("(list of length 21)" in problem["details"]) is not is_shown
