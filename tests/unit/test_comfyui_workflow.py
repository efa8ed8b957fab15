"""Loading, binding and checking workflows: the bundled ones, and every way in which a user's own can be wrong."""

from __future__ import annotations

import copy
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.comfyui.errors import WorkflowError
from orchestrator.comfyui.schemas import check_graph
from orchestrator.comfyui.workflow import Workflow, read_graph
from steps.manifest import bundled_names

OBJECT_INFO: dict[str, Any] = json.loads(
    gzip.decompress((Path(__file__).parent.parent / "resources" / "object_info_subset.json.gz").read_bytes())
)
OBJECT_INFO["PrimitiveInt"] = {"input": {"required": {"value": ["INT", {}]}}, "output": ["INT"]}

GRAPH: dict[str, Any] = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "x.png"}, "_meta": {"title": "IN_IMAGE"}},
    "2": {
        "class_type": "ImageScale",
        "inputs": {"image": ["1", 0], "upscale_method": "lanczos", "width": 64, "height": ["4", 0], "crop": "disabled"},
        "_meta": {"title": "SIZE"},
    },
    "4": {"class_type": "PrimitiveInt", "inputs": {"value": 48}, "_meta": {"title": "HEIGHT"}},
    "9": {
        "class_type": "SaveImage",
        "inputs": {"images": ["2", 0], "filename_prefix": "x"},
        "_meta": {"title": "OUT_IMAGE"},
    },
}
MANIFEST: dict[str, Any] = {
    "title": "Make it small",
    "graph": "small.json",
    "bindings": {
        "image": {"node": "IN_IMAGE", "input": "image", "kind": "upload"},
        "width": {"node": "SIZE", "input": "width", "value": 32},
        "prefix": {"node": "OUT_IMAGE", "input": "filename_prefix", "from": "prefix"},
    },
    "outputs": {"image": {"node": "OUT_IMAGE", "media": "image"}},
}


def written(folder: Path, *, graph: Any = GRAPH, manifest: dict[str, Any] = MANIFEST) -> Path:
    text = graph if isinstance(graph, str) else json.dumps(graph)
    (folder / "small.json").write_text(text, encoding="utf-8")
    (folder / "small.yaml").write_text(yaml.safe_dump(manifest), encoding="utf-8")
    return folder / "small.yaml"


def changed(base: dict[str, Any], *path: str, to: Any) -> dict[str, Any]:
    result = copy.deepcopy(base)
    here = result
    for part in path[:-1]:
        here = here[part]
    here[path[-1]] = to
    return result


@pytest.mark.parametrize("name", bundled_names())
def test_bundled_workflows_load(name):
    """They fit their graphs: every binding and output has its node."""
    workflow = Workflow.load(name)
    assert workflow.manifest.name == name
    used = {node["class_type"] for node in workflow.graph.values()}
    assert workflow.node_classes() | workflow.alternative_classes() >= used


def test_values_go_where_the_manifest_says(tmp_path):
    """Everything else of the graph stays as it was, and so does the workflow itself."""
    workflow = Workflow.load(written(tmp_path))
    before = copy.deepcopy(workflow.graph)
    title = "L'Été à 50%: \"a\\b\", [x]; d'Arc\n"
    graph = workflow.bind({"image": title, "width": 48}, prefix="nightreel/7")
    assert graph["1"]["inputs"]["image"] == title
    assert graph["2"]["inputs"] == {**GRAPH["2"]["inputs"], "width": 48}
    assert graph["9"]["inputs"]["filename_prefix"] == "nightreel/7"
    assert workflow.graph == before
    graph["2"]["inputs"]["width"] = 1
    assert workflow.bind({"image": "y"}, prefix="z")["2"]["inputs"]["width"] == 32


def test_one_value_may_go_to_several_nodes(tmp_path):
    """A width that three nodes must agree on."""
    targets = [{"node": "SIZE", "input": "width"}, {"node": "#4", "input": "value"}]
    manifest = changed(MANIFEST, "bindings", "width", to={"targets": targets, "value": 32})
    graph = Workflow.load(written(tmp_path, manifest=manifest)).bind({"image": "y", "width": 96}, prefix="z")
    assert (graph["2"]["inputs"]["width"], graph["4"]["inputs"]["value"]) == (96, 96)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "the binding `image` gets nothing"),
        ({"image": "y", "widht": 3}, "there is no binding `widht`; there are: image, prefix, width"),
        ({"image": ["1", 0]}, "the binding `image` gets list"),
        ({"image": 7}, "the name of an uploaded file is expected"),
        ({"image": "y", "width": {"a": 1}}, "the binding `width` gets dict"),
    ],
)
def test_a_binding_that_does_not_fit_is_refused(tmp_path, values, words):
    """Before anything is sent: a server would take a list for a link."""
    workflow = Workflow.load(written(tmp_path))
    with pytest.raises(WorkflowError) as caught:
        workflow.bind(values, prefix="z")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("graph", "words"),
    [
        ("", "it is not JSON"),
        ("{", "it is not JSON"),
        ("[" * 100_000, "it is not JSON"),
        ("[]", "it holds a list"),
        ("{}", "it has no nodes"),
        ({"last_node_id": 1, "nodes": [], "links": []}, "the editor's own format; the API format is expected"),
        ({"prompt": GRAPH, "client_id": "x"}, "only what is under `prompt` is expected"),
        ({"1": {"inputs": {}}}, "`1` has no class_type"),
        ({"1": {"class_type": "A"}}, "node `1` (A) has no inputs"),
        ({"1": 5}, "`1` has no class_type"),
        ({"1": {"class_type": "A", "inputs": {"x": ["7", 0]}}}, "is linked to node `7`, which is not there"),
    ],
)
def test_a_graph_that_cannot_be_used_says_why(tmp_path, graph, words):
    """What was found, what is expected, and where in the editor to get it."""
    with pytest.raises(WorkflowError) as caught:
        Workflow.load(written(tmp_path, graph=graph))
    assert words in str(caught.value)
    assert str(tmp_path / "small.json") in str(caught.value)


def test_a_missing_or_unreadable_graph_is_told(tmp_path):
    """The manifest names it."""
    path = written(tmp_path)
    (tmp_path / "small.json").unlink()
    with pytest.raises(WorkflowError, match="there is no such file"):
        Workflow.load(path)
    (tmp_path / "small.json").mkdir()
    with pytest.raises(WorkflowError, match="cannot be read"):
        read_graph(tmp_path / "small.json")
    with pytest.raises(WorkflowError, match="there is no workflow `nothing`"):
        Workflow.load("nothing")


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        (changed(MANIFEST, "bindings", "image", "node", to="IN_PICTURE"), "the graph has no node `IN_PICTURE`"),
        (changed(MANIFEST, "bindings", "image", "node", to="#77"), "the graph has no node `#77`"),
        (changed(MANIFEST, "bindings", "image", "node", to="class:Nope"), "the graph has no node `class:Nope`"),
        (changed(MANIFEST, "outputs", "image", "node", to="OUT"), "outputs.image: the graph has no node `OUT`"),
        (changed(MANIFEST, "bindings", "width", "input", to="wide"), "no input `wide`; did you mean `width`?; its "),
        (changed(MANIFEST, "bindings", "width", "input", to="height"), "is linked to `HEIGHT`: bind the value there"),
    ],
)
def test_a_manifest_that_does_not_fit_its_graph_is_refused(tmp_path, manifest, words):
    """When the workflow is loaded, not in the middle of the night."""
    with pytest.raises(WorkflowError) as caught:
        Workflow.load(written(tmp_path, manifest=manifest))
    assert words in str(caught.value)


def test_all_misfits_are_told_at_once(tmp_path):
    """An owner corrects a file once."""
    manifest = changed(MANIFEST, "bindings", "image", "node", to="A")
    manifest = changed(manifest, "outputs", "image", "node", to="B")
    with pytest.raises(WorkflowError) as caught:
        Workflow.load(written(tmp_path, manifest=manifest))
    assert "`A`" in str(caught.value)
    assert "`B`" in str(caught.value)


def test_a_title_that_two_nodes_have_is_refused(tmp_path):
    """Either could be meant."""
    graph = changed(GRAPH, "4", "_meta", "title", to="SIZE")
    with pytest.raises(WorkflowError, match="`SIZE` is 2 nodes of the graph"):
        Workflow.load(written(tmp_path, graph=graph))


# -- against a server's node classes ----------------------------------------------------------------------------------


def problems(graph: dict[str, Any], **options: Any) -> list[str]:
    return [f"{problem.kind}: {problem}" for problem in check_graph(graph, OBJECT_INFO, **options)]


@pytest.mark.parametrize("name", bundled_names())
def test_bundled_workflows_pass_a_server_that_has_their_models(name):
    """The schemas are a real server's, and those of speech packs; each fallback has to run there as well."""
    workflow = Workflow.load(name)
    for rung in (None, *(one.name for one in workflow.manifest.fallbacks)):
        assert [str(problem) for problem in workflow.validate(OBJECT_INFO, fallback=rung)] == []


def test_a_missing_class_is_named_with_its_node(tmp_path):
    """The doctor says it in the evening."""
    graph = changed(GRAPH, "4", "class_type", to="SomePackInt")
    (problem,) = Workflow.load(written(tmp_path, graph=graph)).validate(OBJECT_INFO)
    assert str(problem) == "`HEIGHT` (#4, SomePackInt): the node class SomePackInt is not installed there"


def test_classes_that_only_the_manifest_names_are_looked_for(tmp_path):
    """Classes that a node needs without being in the graph."""
    manifest = {**MANIFEST, "needs": {"node_classes": ["Ghost"]}}
    (problem,) = Workflow.load(written(tmp_path, manifest=manifest)).validate(OBJECT_INFO)
    assert problem.class_type == "Ghost"


def test_placeholders_and_uploads_are_not_looked_for(tmp_path):
    """The file of a LoadImage is uploaded later, and sub-folders are never listed."""
    assert Workflow.load(written(tmp_path)).validate(OBJECT_INFO) == []
    graph = changed(GRAPH, "2", "inputs", "width", to=-5)
    assert problems(graph) == ["value_smaller_than_min: `SIZE` (#2, ImageScale): `width` is -5; the smallest is 0"]
    assert problems(graph, bound=frozenset({("2", "width")})) == []


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("2", "inputs", "upscale_method"), "magic", "value_not_in_list"),
        (("2", "inputs", "width"), 10**9, "value_bigger_than_max"),
        (("2", "inputs", "width"), "wide", "invalid_input_type"),
        (("2", "inputs", "image"), ["4", 0], "return_type_mismatch"),
        (("2", "inputs", "image"), ["1", 5], "bad_linked_input"),
    ],
)
def test_what_the_server_would_refuse_is_found(path, value, words):
    """The same kinds of problem, under the server's own names."""
    (problem,) = problems(changed(GRAPH, *path, to=value))
    assert problem.startswith(words)


def test_a_missing_input_is_found():
    """Missing inputs are not filled from defaults."""
    graph = copy.deepcopy(GRAPH)
    del graph["2"]["inputs"]["crop"]
    assert problems(graph) == ["required_input_missing: `SIZE` (#2, ImageScale): the input `crop` is missing"]


def test_numbers_may_be_text():
    """The server coerces them [c2]; being stricter would refuse graphs that run."""
    assert problems(changed(GRAPH, "2", "inputs", "width", to="64")) == []


def test_inputs_of_a_dynamic_choice_are_looked_for():
    """They are dotted keys, and all of the chosen option are required."""
    inputs = {"audio": ["1", 0], "filename_prefix": "x", "format": "mp3"}
    schema = {
        "input": {
            "required": {
                "audio": ["AUDIO", {}],
                "filename_prefix": ["STRING", {}],
                "format": [
                    "COMFY_DYNAMICCOMBO_V3",
                    {
                        "options": [
                            {"key": "flac", "inputs": {"required": {}}},
                            {"key": "mp3", "inputs": {"required": {"quality": ["COMBO", {"options": ["V0", "128k"]}]}}},
                        ]
                    },
                ],
            }
        },
        "output": ["AUDIO"],
    }
    info = {"Save": schema, "Load": {"input": {}, "output": ["AUDIO"]}}

    def kinds(**more: Any) -> list[str]:
        graph = {"1": {"class_type": "Load", "inputs": {}}, "2": {"class_type": "Save", "inputs": {**inputs, **more}}}
        return [f"{problem.kind} {problem.message}" for problem in check_graph(graph, info)]

    assert kinds() == ["required_input_missing the input `format.quality` is missing"]
    assert kinds(**{"format.quality": "V0"}) == []
    assert kinds(format="flac") == []
    assert kinds(format="wav")[0].startswith("value_not_in_list")
    assert kinds(**{"format.quality": "V9"})[0].startswith("value_not_in_list")


@pytest.mark.parametrize("schema", [{}, {"input": None}, {"input": {"required": {"a": None, "b": [], "c": ["INT"]}}}])
def test_an_odd_schema_breaks_nothing(schema):
    """Custom packs write what they like."""
    graph = {"1": {"class_type": "Odd", "inputs": {"c": 3, "a": ["1", 0]}}}
    assert list(check_graph(graph, {"Odd": schema})) == []
