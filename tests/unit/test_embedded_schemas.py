"""The schemas of the embedded server's nodes, and the functions behind them."""

from __future__ import annotations

import inspect

import pytest

from orchestrator.embedded.nodes import NODES
from orchestrator.embedded.schemas import FILE_INPUTS, MODEL_INPUTS, read_core, read_extra, trim

KNOWN = read_core() | read_extra()


def test_every_class_has_a_schema_and_every_schema_a_class():
    """A class without a schema would be refused as unknown; a schema without code would break a prompt half-way."""
    assert set(NODES) == set(KNOWN)


@pytest.mark.parametrize("name", sorted(NODES))
def test_functions_take_what_schemas_offer(name):
    """What validation lets through must fit the function: no missing argument, no unexpected one."""
    parameters = dict(inspect.signature(NODES[name].run).parameters)
    del parameters["context"]
    takes_more = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values())
    named = {key for key, one in parameters.items() if one.kind is inspect.Parameter.KEYWORD_ONLY}
    sections = KNOWN[name]["input"]
    required, optional = set(sections.get("required", {})), set(sections.get("optional", {}))
    assert named <= required | optional
    assert takes_more or required | optional <= named
    without_default = {key for key in named if parameters[key].default is inspect.Parameter.empty}
    assert without_default <= required


@pytest.mark.parametrize("name", sorted(NODES))
def test_checks_and_combos_name_inputs_that_exist(name):
    """A check of a misspelt input would silently never run."""
    required = KNOWN[name]["input"].get("required", {})
    assert set(NODES[name].checks) <= set(required)
    assert set(MODEL_INPUTS.get(name, {})) | set(FILE_INPUTS.get(name, {})) <= set(required)


def test_schemas_have_the_fields_that_clients_read():
    """Other people's clients read these fields of /object_info."""
    fields = {"input", "input_order", "is_input_list", "output", "output_is_list", "output_name", "name"}
    fields |= {"display_name", "description", "python_module", "category", "output_node"}
    for name, schema in KNOWN.items():
        assert fields <= set(schema), name
        assert len(schema["output"]) == len(schema["output_is_list"]) == len(schema["output_name"]), name
        for section, names in schema["input_order"].items():
            assert set(names) == set(schema["input"][section]), name


def test_trimming_keeps_facts_and_drops_words():
    """Explanations are other people's text and do not belong into this repository; lists of files are made anew."""
    real = {
        "UNETLoader": {
            "input": {"required": {"unet_name": [["mine.safetensors"], {"tooltip": "words"}]}},
            "description": "more words",
            "output_tooltips": ["words"],
            "search_aliases": ["words"],
        },
        "Unknown": {},
    }
    kept = trim(real, frozenset({"UNETLoader"}))
    assert kept == {"UNETLoader": {"input": {"required": {"unet_name": [[], {}]}}, "description": ""}}
    assert "tooltip" not in str(read_core())
