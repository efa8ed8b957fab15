"""Which steps run, by `steps:` of config.yaml: order, places, and what is refused with its key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.errors import ConfigError
from orchestrator.pipeline import known_pipeline, offers, pipeline_of
from orchestrator.settings import Settings, parse_settings
from steps.manifest import BUNDLED
from steps.registry import default_steps, needs_of

BUILT_IN = [step.name for step in default_steps()]
GRAPH = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "x.png"}, "_meta": {"title": "IN_IMAGE"}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}},
}


class Folder:
    """A folder with a config file, and manifests beside it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "own.json").write_text(json.dumps(GRAPH), encoding="utf-8")

    def write(self, name: str, *, source: str = "made.prepare.frame", output: str = "image", **step: Any) -> str:
        """Write a manifest and return its name as config.yaml has it."""
        manifest: dict[str, Any] = {
            "title": name,
            "graph": "own.json",
            "bindings": {"image": {"node": "IN_IMAGE", "input": "image", "kind": "upload", "from": source}},
            "outputs": {output: {"node": "class:SaveImage", "media": "image"}},
        }
        if step:
            manifest["step"] = {"name": name, **step}
        (self.path / f"{name}.yaml").write_text(yaml.safe_dump(manifest), encoding="utf-8")
        return f"{name}.yaml"

    def settings(self, **steps: Any) -> Settings:
        return parse_settings({"steps": steps}, self.path / "config.yaml")

    def order(self, **steps: Any) -> list[str]:
        return [step.name for step in pipeline_of(self.settings(**steps))]

    def refusal(self, **steps: Any) -> str:
        with pytest.raises(ConfigError) as refused:
            pipeline_of(self.settings(**steps))
        return str(refused.value)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_without_steps_it_is_the_built_in_pipeline():
    """The same objects, so that their models are loaded once."""
    assert pipeline_of(Settings()) == default_steps()


def test_a_step_of_ones_own_follows_the_built_in_one_of_its_number(folder):
    """Numbers collide on purpose: 4 lies right after step 4."""
    order = folder.order(ink=folder.write("ink", number=4, needs=["prepare"]))
    assert order.index("ink") == order.index("realistic_pic") + 1
    assert [name for name in order if name != "ink"] == BUILT_IN


def test_equal_numbers_keep_the_order_of_the_config(folder):
    """A person can tell by the file which of two comes first."""
    later = folder.write("zebra", number=3, needs=["prepare"])
    sooner = folder.write("apple", number=3, needs=["prepare"])
    order = folder.order(zebra=later, apple=sooner)
    assert order[order.index("clean_pic") :][:3] == ["clean_pic", "zebra", "apple"]


def test_what_a_step_builds_on_comes_before_it_whatever_its_number(folder):
    """Topological first: a number is a wish, a need is not."""
    order = folder.order(ink=folder.write("ink", source="made.transition.clip", number=0, needs=["transition"]))
    assert order.index("ink") == order.index("transition") + 1
    steps = pipeline_of(folder.settings(ink="ink.yaml"))
    assert needs_of(steps)["ink"] == ("transition",)


def test_after_puts_a_step_behind_another_and_gives_it_its_number(folder):
    """Tables sort by number, so it has to follow."""
    written = folder.write("ink", number=0, needs=["prepare"])
    steps = pipeline_of(folder.settings(ink={"workflow": written, "after": "outro"}))
    names = [step.name for step in steps]
    assert names.index("ink") == names.index("outro") + 1
    assert next(step.number for step in steps if step.name == "ink") == 8


def test_steps_of_ones_own_may_build_on_each_other(folder):
    """Listed the wrong way round, with the wrong numbers, and still right."""
    second = folder.write("second", source="made.first.image", number=1, needs=["first"])
    first = folder.write("first", number=5, needs=["prepare"])
    order = folder.order(second=second, first=first)
    assert order.index("first") < order.index("second")


def test_a_workflow_instead_of_a_steps_own_keeps_the_step(folder):
    """Its place, its checks and what it supplies stay; only the graph changes."""
    written = folder.write("mine")
    replaced = next(step for step in pipeline_of(folder.settings(clean_pic=written)) if step.name == "clean_pic")
    built_in = next(step for step in default_steps() if step.name == "clean_pic")
    assert type(replaced) is type(built_in)
    assert replaced.workflow == str(folder.path / written)
    assert built_in.workflow == "clean_pic"


def test_a_bundled_variant_is_named_without_a_path(folder):
    """As docs/workflows.md lists them; a path of that name is another thing."""
    steps = pipeline_of(folder.settings(clean_pic={"workflow": "clean_pic_4b"}))
    assert next(step.workflow for step in steps if step.name == "clean_pic") == "clean_pic_4b"


def test_a_bare_name_is_also_one_in_the_folder_of_workflows(folder):
    """That is where `workflow add` puts them; a bundled one of the same name goes first."""
    (folder.path / "workflows").mkdir()
    for name in ("mine", "clean_pic"):
        (folder.path / "workflows" / f"{name}.yaml").write_text("", encoding="utf-8")
    settings = folder.settings(clean_pic="mine", realistic_pic="clean_pic")
    assert settings.steps["clean_pic"].workflow == str(folder.path / "workflows" / "mine.yaml")
    assert settings.steps["realistic_pic"].workflow == "clean_pic"
    assert (BUNDLED / "clean_pic.yaml").is_file()


def test_settings_can_be_dumped_and_read_again(folder):
    """Batches keep the settings that they were made with."""
    settings = folder.settings(ink={"workflow": "ink.yaml", "after": "outro"}, clean_pic="clean_pic_4b")
    assert parse_settings(settings.model_dump(mode="json"), folder.path / "config.yaml") == settings


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ({"number": 1, "needs": ["prepare", "clean_pics"]}, "there is no step `clean_pics`; did you mean `clean_pic`?"),
        ({"number": 1, "needs": ["prepare", "audio"]}, "`per_language: true`"),
        ({"number": 1, "need": ["prepare"]}, "did you mean `needs`?"),
        ({}, "has no `step:` section"),
    ],
)
def test_a_step_that_does_not_fit_is_refused_with_its_key(folder, step, words):
    """The key is what a person looks for in the file."""
    text = folder.refusal(ink=folder.write("ink", **step))
    assert "steps.ink" in text
    assert words in text


def test_a_step_is_listed_under_its_own_name(folder):
    """Or the report would speak of a step that the config does not know."""
    assert "steps.inc.workflow" in folder.refusal(inc=folder.write("ink", number=1, needs=["prepare"]))
    assert "calls itself ink" in folder.refusal(inc="ink.yaml")


def test_a_file_that_no_step_makes_is_refused(folder):
    """Otherwise it would be found at three in the morning."""
    written = folder.write("ink", source="made.clean_pic.picture", number=4, needs=["clean_pic"])
    assert "steps.ink: bindings.image.from is made.clean_pic.picture; clean_pic makes: image" in folder.refusal(
        ink=written
    )


def test_two_steps_that_wait_for_each_other_are_refused(folder):
    """By needs and by `after` alike."""
    one = folder.write("one", source="made.two.image", number=1, needs=["two"])
    two = folder.write("two", source="made.one.image", number=1, needs=["one"])
    assert "steps.one, steps.two: each waits" in folder.refusal(one=one, two=two)
    alone = folder.write("alone", source="made.clean_pic.image", number=1, needs=["clean_pic"])
    assert "steps.alone" in folder.refusal(alone={"workflow": alone, "after": "alone"})


def test_a_workflow_that_makes_something_else_cannot_stand_in(folder):
    """Later steps read the output by its name."""
    text = folder.refusal(clean_pic=folder.write("mine", output="picture"))
    assert "steps.clean_pic.workflow" in text
    assert "it must make `image` (image)" in text


def test_a_step_of_the_cpu_has_no_workflow_to_replace(folder):
    """Subtitles are text and pixels, not a prompt."""
    assert "steps.subtitles.workflow" in folder.refusal(subtitles=folder.write("mine"))


def test_all_problems_are_told_at_once(folder):
    """Mending one after the other costs an evening."""
    text = folder.refusal(ink="nothing.yaml", clean_pic="clean_pic_5b", subtitles="clean_pic")
    assert [key in text for key in ("steps.ink", "steps.clean_pic", "steps.subtitles")] == [True, True, True]
    assert known_pipeline(folder.settings(ink="nothing.yaml")) == default_steps()


def test_what_steps_offer_is_what_the_other_steps_read():
    """Every file that a bundled workflow reads is on the list, or a person would be refused what works."""
    offered = {offer.source for offer in offers(default_steps())}
    read = {
        str(spec.source)
        for step in default_steps()
        for spec in getattr(getattr(step, "manifest", None), "bindings", {}).values()
        if spec.source is not None and spec.source.is_file
    }
    assert read
    assert read <= offered
