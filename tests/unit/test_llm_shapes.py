"""Any schema gets an object that validates; captions say what little they say."""

from __future__ import annotations

from typing import Literal

import pytest
from pydantic import BaseModel, Field

from orchestrator.embedded.llm_hints import child_of, nudity_of, sex_of
from orchestrator.embedded.llm_shapes import Unfillable, fill
from steps.judging import Seen


class Inner(BaseModel):
    score: float = Field(gt=0, le=1)
    kind: Literal["a", "b"]


class Outer(BaseModel):
    name: str = Field(min_length=3)
    count: int = Field(ge=2, lt=9)
    below: int = Field(lt=-3)
    flag: bool
    inner: Inner
    many: list[Inner] = Field(min_length=2)
    maybe: str | None
    optional: int = 7


def test_a_nested_schema_is_filled_with_legal_values():
    """References, bounds, choices and lengths, as Pydantic writes them."""
    made = Outer.model_validate(fill(Outer.model_json_schema()))
    assert (made.count, made.inner.kind, len(made.many), made.optional) == (2, "a", 2, 7)


def test_what_is_known_is_used_where_it_fits():
    """By the name of the property, and only when its kind and range allow it."""
    known = {"count": 5, "name": "Lisa", "flag": True, "score": 0.5, "kind": "z", "below": 4}
    made = Outer.model_validate(fill(Outer.model_json_schema(), known))
    assert (made.count, made.name, made.flag, made.inner.score, made.inner.kind) == (5, "Lisa", True, 0.5, "a")
    assert made.below < -3


def test_the_schema_of_step_0_is_filled():
    """The one schema that is asked for every night."""
    assert Seen.model_validate(fill(Seen.model_json_schema())).persons == 0


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/nowhere"},
        {"$ref": "other.json"},
        {"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"},
    ],
)
def test_a_schema_that_leads_nowhere_is_refused(schema):
    """A circle must end as an error, not as a stack overflow."""
    with pytest.raises(Unfillable):
        fill(schema)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (("", "", "Mona Lisa"), "female"),
        (("", "", "Woman Holding a Fan"), "female"),
        (("", "", "Portrait of a Gentleman"), "male"),
        (("Henri IV", "", "La Dame"), "female"),  # a role is surer than a name
        (("", "", "La Femme à l'ombrelle"), "female"),
        (("Élisabeth Brun", "", "Portrait"), "female"),
        (("", "['man', 'beard']", "Étude"), "male"),
        (("", "", "Composition VIII"), "unknown"),
    ],
)
def test_captions_name_a_sex(texts, expected):
    """It chooses the voice of the demo."""
    assert sex_of(*texts) == expected


def test_captions_name_children_and_nudity():
    """The embedded model sees neither; the title often says it."""
    assert child_of("Portrait of a Little Girl") > 0.5 > child_of("Girl with a Pearl Earring") > child_of("A Lady")
    assert child_of("L'Enfant au toton") > 0.5
    assert nudity_of("Grande baigneuse") > 0.5 > nudity_of("La Joconde")
