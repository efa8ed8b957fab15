"""What may be changed in a workflow's graph when a server or a card cannot take it as it is.

An *alternative* puts another node class in place of one that an older server does not have. A *fallback* is a declared
way to make do with less memory: other nodes, or smaller numbers in some bindings. Both are data of the manifest, so a
user's own workflow has them as well; they are applied by the client that binds graphs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import Field, StrictFloat, StrictInt, model_validator

from steps.sections import FromList, Name, Scalar, Section


class NodeChange(Section):
    """Another class, other values or fewer inputs for one node. Its links stay as they are."""

    node: str = Field(min_length=1, description='The node: its title, "#ID" or "class:CLASS"')
    class_type: str | None = Field(None, alias="class", min_length=1, description="The class it gets instead")
    inputs: Mapping[str, Scalar] = Field({}, description="Inputs that get another value, or are added")
    without: Annotated[tuple[str, ...], FromList] = Field((), description="Inputs that are left out")

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not (self.class_type or self.inputs or self.without):
            raise ValueError("at least one of `class`, `inputs` and `without`; as it is, nothing would change")
        return self


class Alternative(NodeChange):
    """What a node becomes on a server that lacks its class. Taken only where the other class is there."""

    class_type: str = Field(alias="class", min_length=1, description="The class it gets instead")


class Lowered(Section):
    """A smaller number than the one that was asked for."""

    at_most: StrictInt | StrictFloat | None = Field(None, gt=0, description="The number, or this where it is less")
    times: StrictFloat | None = Field(None, gt=0, lt=1, description="This share of it, rounded down to its `limits`")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.at_most is None) == (self.times is None):
            raise ValueError("either `at_most` or `times`")
        return self


class Fallback(Section):
    """One rung: what to do with less memory, and what it costs."""

    name: Name = Field(description="Name of the rung, unique in the manifest")
    why: str = Field(min_length=1, max_length=200, description="What it saves and what it costs, for people")
    nodes: Annotated[tuple[NodeChange, ...], FromList] = Field((), description="Nodes that change")
    values: Mapping[Name, Scalar | Lowered] = Field(
        {}, alias="set", description="Bindings that get another value: a literal, or `at_most` or `times`"
    )

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not (self.nodes or self.values):
            raise ValueError("at least one of `nodes` and `set`; as it is, nothing would change")
        return self
