"""Workflows of one's own at the command line: the page's example to its end, a server that answers, and bad input.

The commands run in this process; servers, files, database and the night are real. Only the built-in steps are replaced,
by one that is quick: what is tested is a step that they know nothing of.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
import yaml
from comfyui_embedded import Embedded, embedded
from PIL import Image

from orchestrator import catalogue, cli, pipeline
from orchestrator.authoring.ask import ask
from orchestrator.authoring.guess import propose
from orchestrator.authoring.proposal import Around, Proposal
from orchestrator.errors import ExitCode, NightreelError
from orchestrator.home import Home
from orchestrator.night import NightRequest, run_night
from orchestrator.opening import open_store
from orchestrator.pipeline import offers
from orchestrator.settings import parse_settings
from steps.base import Context, LocalStep, Result
from steps.errors import ManifestError
from steps.registry import default_steps

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "own-workflows.md").read_text(encoding="utf-8")
GRAPH: dict[str, Any] = json.loads(PAGE.split("```json\n")[1].split("```")[0])
INFO = Path(__file__).resolve().parents[1] / "resources" / "object_info_subset.json.gz"
TIMED = "comfyui: {embedded: {cards: 1, timed: {ImageInvert: 0.05}}}\n"


@dataclass(frozen=True)
class Answer:
    """What a command answered."""

    code: int
    text: str  # stdout and the error


Run = Callable[..., Answer]


@pytest.fixture
def run(monkeypatch, capsys) -> Run:
    """Run a command in the current folder, as the shell would."""
    monkeypatch.delenv("NIGHTREEL_CONFIG", raising=False)
    monkeypatch.setenv("COLUMNS", "200")

    def call(*words: object) -> Answer:
        code: Any = 0
        try:
            code = cli.app([str(word) for word in words], standalone_mode=False)
        except NightreelError as error:
            code = error.exit_code
            print(error)
        except Exception as error:
            if not hasattr(error, "format_message"):
                raise
            code = getattr(error, "exit_code", 1)  # of a wrong command line
            print(error.format_message())
        out = capsys.readouterr()
        return Answer(int(code or 0), out.out + out.err)

    return call


@pytest.fixture
def home(tmp_path, monkeypatch, run) -> Path:
    """A home with an exported graph and a picture beside it; the current folder."""
    save_portrait(tmp_path / "portrait.png")
    (tmp_path / "negative.json").write_text(json.dumps(GRAPH), encoding="utf-8")
    run("init", tmp_path / "home")
    monkeypatch.chdir(tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Embedded]:
    with embedded(tmp_path_factory.mktemp("server")) as found:
        yield found


def save_portrait(path: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    noise = np.random.default_rng(1).integers(0, 255, (32, 18, 3), np.uint8)
    Image.fromarray(noise).resize((180, 320)).save(path)
    return path


class Prepare(LocalStep):
    """Step 0, without a look at the picture."""

    name, number, title, per_language, needs = "prepare", 0, "Prepared", False, ()

    def run(self, context: Context) -> Result:
        frame = context.work / "frame.png"
        with Image.open(context.subject.painting) as picture:
            picture.convert("RGB").save(frame)
        return Result(files={"frame": frame})


def commands_of_page() -> list[list[str]]:
    """Return what the page tells to type, in order."""
    blocks = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    return [shlex.split(line) for block in blocks for line in block.splitlines()]


def test_the_page_does_what_it_says(tmp_path, monkeypatch, run):
    """Every command of the page, from the export to a night on the embedded default, and every file that it shows."""
    monkeypatch.setattr(pipeline, "default_steps", lambda: (Prepare(),))
    save_portrait(tmp_path / "portrait.png")
    save_portrait(tmp_path / "paintings" / "lady.png")
    (tmp_path / "negative.json").write_text(json.dumps(GRAPH), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    said = {}
    for words in commands_of_page():
        if words[0] == "cd":
            monkeypatch.chdir(words[1])
            continue
        if words[1] == "run":
            with Path("config.yaml").open("a") as config:
                config.write(TIMED)
        answer = run(*words[1:])
        assert answer.code == ExitCode.OK, (words, answer.text)
        said[" ".join(words[1:3])] = answer.text
    shown = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
    assert yaml.safe_load(Path("workflows/negative.yaml").read_bytes()) == shown[0]
    assert yaml.safe_load(Path("config.yaml").read_bytes())["steps"] == shown[1]["steps"] | {}
    made = list(Home(Path.cwd()).artifacts.rglob("image.png"))
    assert [path.parent.name for path in made] == ["00-negative"]
    assert str(made[0]) in said["show 1"]
    assert "negative (own)" in said["workflow list"]
    with Image.open("trial/negative-image.png") as negative, Image.open("../portrait.png") as portrait:
        before = np.asarray(portrait.convert("RGB").resize((72, 128))).astype(int)
        assert np.abs(255 - before - np.asarray(negative.convert("RGB").resize((72, 128)))).mean() < 12


class Stuck(LocalStep):
    """A step that cannot be done tonight, for anybody."""

    name, number, title, per_language, needs = "negative", 0, "Negative", False, ("prepare",)

    def run(self, context: Context) -> Result:
        raise ManifestError("no ink is left")


def test_a_step_that_left_keeps_nothing_waiting(tmp_path, server):
    """The night after it was taken out finishes what lacked only that, and makes nothing of it."""
    nobody = {"url": "http://127.0.0.1:9/v1"}
    settings = parse_settings(
        {
            "home": str(tmp_path / "home"),
            "retry": {"attempts": 1, "uncounted": 0, "backoff_s": 0},
            "llm": {"text": nobody, "vision": nobody},
            "comfyui": {"instances": [{"name": "card", "url": server.url}]},
        },
        tmp_path / "config.yaml",
    )
    save_portrait(tmp_path / "paintings" / "lady.png")
    home, store = open_store(settings)
    catalogue.add(store, tmp_path / "paintings")
    first = run_night(settings, NightRequest(paintings=1), steps=(Prepare(), Stuck()))
    states = {run.step: str(run.state) for run in store.runs_of_item(1)}
    assert (states, first.outcome) == ({"prepare": "COMPLETE", "negative": "PENDING"}, "stopped")
    second = run_night(settings, NightRequest(resume=True), steps=(Prepare(),))
    assert (second.outcome, str(store.item(1).state)) == ("complete", "COMPLETE")
    assert [path.name for path in home.artifacts.rglob("*.png")] == ["frame.png"]


def node(class_type: str, title: str | None = None, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs, **({"_meta": {"title": title}} if title else {})}


# -- add --------------------------------------------------------------------------------------------------------------


def test_nothing_that_is_there_is_overwritten(home, run):
    """Neither files of the user's own, nor a line of the config."""
    assert run("workflow", "add", "../negative.json").code == ExitCode.OK
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    again = run("workflow", "add", "../negative.json")
    assert again.code == ExitCode.USAGE
    assert "--name negative_2" in again.text
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--name", "clean_pic"], "a bundled workflow is called clean_pic"),
        (["--name", "../x"], "--name is '../x'"),
        (["--step", "subtitles"], "--instead-of subtitles"),
        (["--instead-of", "clean_pics"], "did you mean `clean_pic`?"),
        (["--instead-of", "subtitles"], "runs on the CPU"),
        (["--step", "ink", "--instead-of", "clean_pic"], "not both"),
    ],
)
def test_a_name_that_cannot_be_is_refused_before_anything_is_written(home, run, words, expected):
    """With what would do."""
    answer = run("workflow", "add", "../negative.json", *words)
    assert answer.code == ExitCode.USAGE
    assert expected in answer.text
    assert not (home / "workflows").exists()


def test_a_graph_that_saves_nothing_is_refused(home, run):
    """A preview looks like an output in the editor, and leaves no file."""
    graph = {**GRAPH, "4": node("PreviewImage", images=["3", 0])}
    (home / "look.json").write_text(json.dumps(graph), encoding="utf-8")
    answer = run("workflow", "add", "look.json")
    assert answer.code == ExitCode.USAGE
    assert "use SaveImage" in answer.text
    assert not (home / "workflows").exists()


def test_a_graph_without_a_picture_is_taken_with_a_word(home, run):
    """It is odd, and may be meant."""
    graph = {"1": node("EmptyImage", width=64, height=64), "2": node("SaveImage", images=["1", 0], filename_prefix="x")}
    (home / "blank.json").write_text(json.dumps(graph), encoding="utf-8")
    answer = run("workflow", "add", "blank.json")
    assert answer.code == ExitCode.OK
    assert "every item gets the same" in answer.text


@pytest.mark.parametrize(
    ("config", "changed"),
    [
        ("home: .\n", True),
        ("home: .\nsteps: {}  # none yet\nlanguages: [fr]\n", True),
        ("home: .\nsteps:\n    # mine\n    clean_pic: clean_pic_4b\nlanguages: [fr]\n", True),
        ("home: .\nsteps: {clean_pic: clean_pic_4b}\n", False),
        ("{home: ., languages: [fr]}\n", False),
        ("home: .\n'steps': {}\n", False),
        ("home: .\nsteps:\n  negative: {workflow: other.yaml}\n", False),
    ],
)
def test_the_config_is_added_to_where_that_is_safe(home, run, config, changed):
    """What it said before, it says afterwards; comments stay; else the lines are printed."""
    (home / "config.yaml").write_text(config, encoding="utf-8")
    name = ["--step", "other"] if "negative:" in config else []
    before = yaml.safe_load(config)
    answer = run("workflow", "add", "../negative.json", *name)
    text = (home / "config.yaml").read_text(encoding="utf-8")
    if not changed:
        assert text == config
        assert "it needs these lines" in answer.text or answer.code == ExitCode.CONFIG
        return
    steps = {**(before.get("steps") or {}), "negative": {"workflow": "workflows/negative.yaml"}}
    assert yaml.safe_load(text) == {**before, "steps": steps}
    assert [comment in text for comment in re.findall(r"# \w+", config)] == [True] * config.count("#")


def test_a_manifest_can_replace_a_built_in_workflow(home, run):
    """It gets that step's bindings and output, and no place of its own."""
    answer = run("workflow", "add", "../negative.json", "--instead-of", "clean_pic")
    assert answer.code == ExitCode.OK
    manifest = yaml.safe_load((home / "workflows" / "negative.yaml").read_bytes())
    assert "step" not in manifest
    assert manifest["outputs"]["image"]["width"] == "options.video.width"
    assert yaml.safe_load((home / "config.yaml").read_bytes())["steps"] == {
        "clean_pic": {"workflow": "workflows/negative.yaml"}
    }


def test_hostile_titles_are_written_and_read_back(home, run):
    """Quotes, newlines and YAML's own signs in a title: the manifest is loaded, and its node is found."""
    graph = {**GRAPH, "1": node("LoadImage", "a: {b}\n'\"#- &x *y | > %", image="x.png")}
    (home / "odd.json").write_text(json.dumps(graph), encoding="utf-8")
    assert run("workflow", "add", "odd.json").code == ExitCode.OK
    assert run("workflow", "check", "odd").code == ExitCode.OK


def test_the_questions_take_what_a_person_answers():
    """A wrong answer is asked again; Enter takes the guess."""
    steps = default_steps()
    around = Around(tuple(offers(steps)), {step.name: step.number for step in steps}, 576, 1024)
    answers = iter(["Ink", "nonsense", "made.script.data.text", "made.realistic_pic.image", "lots", "12", "1", "7"])
    said: list[str] = []
    asked: Proposal = ask(
        propose(GRAPH, name="ink", around=around),
        around,
        answer=lambda question, default: next(answers),
        say=said.append,
    )
    assert (asked.title, asked.vram_gb) == ("Ink", 12)
    assert asked.step is not None
    assert (asked.step.number, asked.step.needs) == (7, ("realistic_pic",))
    assert [
        line for line in said if "nonsense" in line or "lots" in line or "is no file" in line or "4 or more" in line
    ]
    assert next(answers, None) is None


# -- check and run ----------------------------------------------------------------------------------------------------


def edited(home: Path, **changes: Any) -> None:
    """Change keys of the manifest of the example; a value of None takes one out."""
    path = home / "workflows" / "negative.yaml"
    manifest = {**yaml.safe_load(path.read_bytes()), **changes}
    path.write_text(yaml.safe_dump({key: one for key, one in manifest.items() if one is not None}), encoding="utf-8")


def image_at(node: str, name: str) -> dict[str, Any]:
    return {"bindings": {"image": {"node": node, "input": name, "kind": "upload"}}}


@pytest.fixture
def added(home, run) -> Path:
    run("workflow", "add", "../negative.json")
    return home


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"output": {}}, "did you mean `outputs`?"),
        (
            {"bindings": {"image": {"node": "IN_IMAGES", "input": "image", "kind": "upload"}}},
            "did you mean `IN_IMAGE`?",
        ),
        ({"bindings": {"image": {"node": "IN_IMAGE", "input": "imag", "kind": "upload"}}}, "did you mean `image`?"),
        ({"graph": "../../negative.txt"}, "there is no such file"),
    ],
)
def test_a_manifest_that_does_not_fit_its_graph_is_refused(added, run, changes, words):
    """Unknown keys, nodes and inputs, each with what was probably meant."""
    edited(added, **changes)
    answer = run("workflow", "check", "negative")
    assert answer.code == ExitCode.USAGE
    assert words in answer.text


def test_a_title_that_two_nodes_have_is_ambiguous(added, run):
    """As after a copy in the editor: the export of tomorrow has two of them."""
    graph = {**GRAPH, "5": GRAPH["1"]}
    (added / "workflows" / "negative.json").write_text(json.dumps(graph), encoding="utf-8")
    answer = run("workflow", "check", "negative")
    assert answer.code == ExitCode.USAGE
    assert "is 2 nodes of the graph (1, 5)" in answer.text


def problems_of(answer: Answer) -> list[tuple[str, str]]:
    return [(one["grade"], f"{one['subject']}: {one['found']}") for one in json.loads(answer.text)]


def test_a_saved_object_info_tells_what_a_server_lacks(added, run, tmp_path):
    """Classes, choices and files; a number that the node would take for another one."""
    (tmp_path / "info.json").write_text(
        json.dumps(
            {
                "LoadImage": {
                    "input": {"required": {"image": [["x.png"], {"image_upload": True}]}},
                    "output": ["IMAGE"],
                },
                "ImageScale": {
                    "input": {
                        "required": {
                            "image": ["IMAGE"],
                            "upscale_method": [["bicubic"]],
                            "width": ["INT", {"min": 0, "max": 512, "step": 1}],
                            "height": ["INT", {"min": 0, "max": 4096, "step": 100}],
                        }
                    },
                    "output": ["IMAGE"],
                },
                "SaveImage": {"input": {"required": {"images": ["IMAGE"]}}, "output": [], "output_node": False},
            }
        ),
        encoding="utf-8",
    )
    edited(added, needs={"models": [{"folder": "loras", "file": "ink.safetensors"}]})
    answer = run("workflow", "check", "negative", "--object-info", tmp_path / "info.json", "--json")
    assert answer.code == ExitCode.NOT_READY
    found = problems_of(answer)
    for words in (
        "ImageInvert is not installed",
        "`upscale_method` is 'lanczos', which is not there",
        "gets 576; the largest is 512",
        "gets 1024, which the node takes for 1000",
        "SaveImage saves nothing",
        "ink.safetensors is not offered",
    ):
        assert any(grade == "problem" and words in text for grade, text in found), words


@pytest.mark.parametrize("content", ["{}", "no json", '{"a": 1}'])
def test_something_else_than_an_object_info_is_refused(added, run, tmp_path, content):
    """And so is one that is not there."""
    (tmp_path / "info.json").write_text(content, encoding="utf-8")
    assert run("workflow", "check", "negative", "--object-info", tmp_path / "info.json").code == ExitCode.USAGE
    assert run("workflow", "check", "negative", "--object-info", tmp_path / "none.json").code == ExitCode.USAGE


def test_a_server_that_answers_checks_the_graph_itself(added, run, server):
    """Nothing is run for it."""
    answer = run("workflow", "check", "negative", "--url", server.url)
    assert (answer.code, "it fits" in answer.text) == (ExitCode.OK, True), answer.text
    assert requests.get(f"{server.url}/history", timeout=5).json() == {}
    assert run("workflow", "check", "../negative.json", "--url", server.url).code == ExitCode.OK
    assert run("workflow", "check", "negative", "--url", "http://127.0.0.1:9").code == ExitCode.NOT_READY


def test_what_only_the_embedded_server_lacks_is_a_warning(home, run):
    """It stands in for the usual nodes; a pack of one's own is not its business."""
    (home / "packed.json").write_text(json.dumps({**GRAPH, "3": node("MyPack_Ink", image=["2", 0])}), encoding="utf-8")
    run("workflow", "add", "packed.json")
    answer = run("workflow", "check", "packed", "--json")
    assert answer.code == ExitCode.OK
    assert [grade for grade, text in problems_of(answer) if "MyPack_Ink" in text] == ["warning"]
    known = run("workflow", "check", "packed", "--object-info", INFO, "--json")
    assert known.code == ExitCode.NOT_READY


def test_a_trial_keeps_what_it_makes_and_overwrites_nothing(added, run, server):
    """Twice into the same folder gives two files."""
    for _ in range(2):
        answer = run("workflow", "run", "negative", "--image", "../portrait.png", "--out", "out", "--url", server.url)
        assert answer.code == ExitCode.OK, answer.text
    assert sorted(path.name for path in (added / "out").iterdir()) == ["negative-image-2.png", "negative-image.png"]


def test_a_trial_takes_values_by_hand(added, run, server):
    """Numbers as numbers; a wrong name or a wrong number is told."""
    words = ["workflow", "run", "negative", "--image", "../portrait.png", "--url", server.url, "--out", "out"]
    assert run(*words, "--set", "width=64", "--set", "height=96").code == ExitCode.OK
    with Image.open(added / "out" / "negative-image.png") as made:
        assert made.size == (64, 96)
    assert "there are: image, width, height, prefix" in run(*words, "--prompt", "x").text
    assert "expected a number" in run(*words, "--set", "width=wide").text
    assert run(*words, "--set", "width").code == ExitCode.USAGE
    assert "--image PATH" in run(*words[:3], "--url", server.url).text
    assert run(*words[:3], "--image", "nothing.png").code == ExitCode.USAGE


def test_a_trial_that_fails_says_so(home, run, server):
    """A node that raises, an output that is black, a server that is not there: each with its own code."""
    for name, broken in (("raises", node("RaiseError", image=["2", 0])), ("black", None)):
        graph = {**GRAPH, "3": broken or node("ImageScaleBy", image=["9", 0], upscale_method="bilinear", scale_by=1.0)}
        graph["9"] = node("EmptyImage", width=64, height=64, batch_size=1, color=0)
        (home / f"{name}.json").write_text(json.dumps(graph), encoding="utf-8")
        assert run("workflow", "add", f"{name}.json").code == ExitCode.OK
        answer = run("workflow", "run", name, "--image", "../portrait.png", "--url", server.url)
        assert answer.code == ExitCode.SOME_FAILED, answer.text
    gone = run("workflow", "run", "black", "--image", "../portrait.png", "--url", "http://127.0.0.1:9")
    assert gone.code == ExitCode.NOT_READY


def test_the_list_shows_models_licences_and_what_is_broken(added, run):
    """A workflow that cannot be used is listed with the reason, and hides no other."""
    (added / "workflows" / "broken.yaml").write_text("title: 1", encoding="utf-8")
    listed = {one["name"]: one for one in json.loads(run("workflow", "list", "--json").text)}
    assert listed["negative"]["used_by"] == ["negative"]
    assert "FLUX Non-Commercial" in listed["clean_pic"]["licences"]
    assert "cannot be used" in listed["broken"]["problem"]
    assert "broken" in run("workflow", "list").text


def test_without_a_config_the_bundled_ones_are_there(tmp_path, monkeypatch, run):
    """A look does not need a home; adding does."""
    monkeypatch.chdir(tmp_path)
    assert run("workflow", "check", "clean_pic").code == ExitCode.OK
    assert "did you mean clean_pic" in run("workflow", "check", "clean_pik").text
    assert run("workflow", "add", "x.json").code == ExitCode.CONFIG
