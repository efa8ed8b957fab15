"""How the shape of an answer is asked for and read, without a server."""

from __future__ import annotations

import base64
import io
from typing import Literal

import pytest
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from steps.errors import BadAnswer, InvalidInput, ItemTokensSpent, NightTokensSpent, Remedy, ServiceRefused
from steps.external.llm_budget import Purse, Tokens, purse_of, tokens_of
from steps.external.llm_images import data_uri
from steps.external.llm_shape import Format, formats_from, parsed, response_format, said, schema_of
from steps.options import LlmOptions, StepOptions


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid")

    minimum: int = Field(3, ge=0, le=9)
    note: str = Field("", max_length=20)


class Whole(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: Literal["portrait", "landscape"]
    parts: list[Part] = Field(default_factory=list, max_length=4)


GOOD = '{"kind": "portrait", "parts": [{"minimum": 1, "note": "a {brace} inside"}]}'


def test_every_property_is_required_of_the_model():
    """A small model leaves out what it may leave out, and OpenAI's strict mode knows nothing else."""
    schema = schema_of(Whole)
    assert schema["required"] == ["kind", "parts"]
    assert schema["$defs"]["Part"]["required"] == ["minimum", "note"]
    assert schema["$defs"]["Part"]["properties"]["minimum"]["maximum"] == 9


def test_a_plain_schema_has_no_bounds_and_keeps_properties_that_are_called_so():
    """Some grammar compilers refuse every bound; a property may still be called "minimum"."""
    told = response_format(Format.PLAIN_SCHEMA, name="whole", schema=schema_of(Whole))
    assert told is not None
    schema = told["json_schema"]["schema"]
    assert "maxItems" not in schema["properties"]["parts"]
    assert schema["$defs"]["Part"]["properties"]["minimum"] == {"type": "integer"}
    assert schema["properties"]["kind"]["enum"] == ["portrait", "landscape"]


def test_a_form_that_is_set_is_the_only_one():
    """`auto` goes down from what is known to work; a person's word is final."""
    assert formats_from(Format.OBJECT, "auto") == (Format.OBJECT, Format.TEXT)
    assert formats_from(Format.OBJECT, "text") == (Format.TEXT,)
    assert formats_from(Format.OBJECT, "json_schema") == (Format.SCHEMA, Format.PLAIN_SCHEMA)


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        f"```json\n{GOOD}\n```",
        f"Sure! Here you are:\n{GOOD}\nShall I go on?",
        f'<think>{{"kind": "landscape"}} or not?</think>{GOOD}',
        f'They want {{"kind": "…"}}, so: {{"kind": "landscape"}} No, wrong: {GOOD}',
        f"{{not json}} {GOOD}",
    ],
)
def test_the_object_is_found_wherever_it_stands(text):
    """Of several that fit, the last: a model corrects itself."""
    assert parsed(Whole, text).parts[0].note == "a {brace} inside"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("A fine portrait of a lady.", "no JSON object in it; it begins: 'A fine"),
        ("", "no JSON object"),
        ('{"kind": "portr', "no whole JSON object"),
        ('{"kind": "portrait", "parts": "many"}', "parts: Input should be a valid array"),
        ('{"kind": "statue", "parts": []}', "kind: Input should be 'portrait' or 'landscape'"),
        ('{"type": "object"} {"kind": "portrait", "parts": [{"minimum": 10}]}', "parts.0.minimum"),
        ('{"kind":' * 20_000, "nested without end"),
        ('{"kind": "portrait", "parts": [{"minimum": NaN}]}', "a finite number"),
    ],
)
def test_what_is_wrong_is_said_so_that_a_model_can_mend_it(text, reason):
    """The reasons go back to it word for word."""
    with pytest.raises(BadAnswer) as caught:
        parsed(Whole, text)
    assert reason in caught.value.facts["reasons"][0]
    assert caught.value.remedy is Remedy.RETRY_NEW_SEED


def test_the_envelope_is_opened_in_all_its_forms():
    """Content in parts, a refusal in OpenAI's own field, an answer that is cut off."""
    parts = b'{"choices": [{"message": {"content": [{"type": "text", "text": "a"}, {"text": "b"}]}}]}'
    assert said(parts, url="u", model="m").text == "ab"
    refusal = b'{"choices": [{"message": {"content": null, "refusal": "I must not."}, "finish_reason": "stop"}]}'
    assert said(refusal, url="u", model="m").problem == "the model declined: I must not."
    with pytest.raises(ServiceRefused, match="does not answer as a language model"):
        said(b"[" * 100_000, url="u", model="m")


def test_tokens_are_the_servers_or_an_estimate_that_says_so():
    """llama.cpp, vLLM and SGLang all tell; an odd proxy may not."""
    assert tokens_of({"prompt_tokens": 7, "completion_tokens": 2}, asked="", answered="") == Tokens(7, 2)
    guessed = tokens_of({"prompt_tokens": None}, asked="x" * 300, answered="y" * 30)
    assert guessed.estimated
    assert guessed.total > 100
    assert (Tokens(1, 1) + guessed).estimated


def test_a_budget_that_is_spent_is_noticed_for_the_item_and_for_the_night():
    """One item that runs away fails; a night that costs too much stops the step, and keeps what is left."""
    options = StepOptions(night="a night", llm=LlmOptions(tokens_per_item=1000, tokens_per_night=1500))
    first, second = purse_of(options, item_id=1), purse_of(options, item_id=2)
    first.require()
    first.spend(Tokens(900, 100))
    with pytest.raises(ItemTokensSpent, match="1,000 tokens for this item") as item:
        first.require()
    second.require()
    second.spend(Tokens(400, 100))
    with pytest.raises(NightTokensSpent, match="1,500 tokens tonight") as night:
        second.require()
    assert (item.value.remedy, night.value.remedy) == (Remedy.FAIL, Remedy.STOP_STEP)
    Purse("another night", 1, per_item=1000, per_night=1500).require()


def test_outside_a_night_nothing_is_counted():
    """A trial of a workflow, or of a folder of pictures, has no budget to spend."""
    purse = purse_of(StepOptions(), item_id=1)
    purse.spend(Tokens(10**9, 0))
    purse.require()
    assert purse.spent() == (0, 0)


def test_a_picture_is_sent_as_it_is_or_smaller():
    """A scan of 100 megapixels would cost more tokens than the whole night."""
    small, large = io.BytesIO(), io.BytesIO()
    Image.new("RGB", (60, 40), "red").save(small, "PNG")
    Image.new("RGBA", (3000, 1000), "red").save(large, "PNG")
    kept = data_uri(small.getvalue(), side=100)
    assert kept == "data:image/png;base64," + base64.b64encode(small.getvalue()).decode()
    head, _, body = data_uri(large.getvalue(), side=300).partition(",")
    assert head == "data:image/jpeg;base64"
    with Image.open(io.BytesIO(base64.b64decode(body))) as sent:
        assert sent.size == (300, 100)
    with pytest.raises(InvalidInput, match="cannot be read"):
        data_uri(b"no picture", side=300)
