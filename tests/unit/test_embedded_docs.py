"""The page about the embedded server names everything that it can be asked for."""

from __future__ import annotations

import contextlib
import io
import re
from dataclasses import fields
from pathlib import Path

import pytest

from orchestrator.embedded.__main__ import main
from orchestrator.embedded.faults import KINDS, Fault
from orchestrator.embedded.nodes import NODES

PAGE = (Path(__file__).parents[2] / "docs" / "embedded.md").read_text(encoding="utf-8")


def test_every_class_is_on_the_page_and_every_class_on_the_page_exists():
    """Who writes a workflow looks here whether a preview can run it."""
    listed = PAGE[PAGE.index("## Node classes") : PAGE.index("Models are satisfied by name")]
    named = set(re.findall(r"`([^`]+)`", listed)) - {"missing_node_type"}
    assert named == set(NODES)


def test_every_fault_and_each_of_its_keys_is_on_the_page():
    """A fault that nobody can find is never used."""
    for name in [*KINDS, *(field.name for field in fields(Fault))]:
        assert name == "kind" or f"`{name}" in PAGE, name


def test_every_option_is_on_the_page():
    """The command's own help and the page must not drift apart."""
    with contextlib.redirect_stdout(io.StringIO()) as shown, pytest.raises(SystemExit):
        main(["--help"])
    options = set(re.findall(r"--[a-z-]+", shown.getvalue())) - {"--help"}
    assert options
    assert {option for option in options if f"`{option}" not in PAGE} == set()
