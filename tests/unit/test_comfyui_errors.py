"""The tree of errors: what each leads to, and that none is left out of the picture."""

from __future__ import annotations

import pickle
from collections.abc import Iterator

import pytest

from orchestrator.comfyui import errors, failures
from orchestrator.comfyui.errors import ComfyUIError, ExecutionFailed, ModelBroken, NodeProblem, OutOfMemory, Refused
from orchestrator.comfyui.replies import Failure, HistoryEntry, Outcome
from steps.errors import Remedy


def tree(root: type[ComfyUIError]) -> Iterator[type[ComfyUIError]]:
    yield root
    for child in root.__subclasses__():
        yield from tree(child)


ALL = sorted(tree(ComfyUIError), key=lambda kind: kind.__name__)


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_every_error_is_drawn_explained_and_treated(kind):
    """The module's docstring draws the tree; the first line of a class is its default message."""
    assert f" {kind.__name__} " in f" {errors.__doc__} ".replace("\n", " ")
    assert str(kind()).startswith((kind.__doc__ or "").strip().splitlines()[0].rstrip("."))
    assert isinstance(kind.remedy, Remedy)


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_every_error_crosses_a_process_border(kind):
    """A step may run in another process or on another host."""
    error = kind("words", instance="card0", prompt_id="p", output="clip")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert str(copy) == str(error)
    assert (copy.instance, copy.prompt_id, copy.facts) == ("card0", "p", {"output": "clip"})


def test_the_advice_follows_the_message_once():
    """However often an error is filled in on its way up."""
    error = errors.ConnectionRefused("nothing listens").about(instance="card0").about(instance="other", prompt_id="p")
    assert str(error) == f"card0: nothing listens. {errors.InstanceDown.advice}"
    assert (error.instance, error.prompt_id) == ("card0", "p")


@pytest.mark.parametrize(
    ("kind", "remedy", "counted"),
    [
        (errors.InstanceDown, Remedy.WAIT_AND_RETRY, False),
        (errors.NotComfyUI, Remedy.STOP_STEP, False),
        (errors.Refused, Remedy.STOP_STEP, False),
        (errors.MissingInput, Remedy.RETRY, True),
        (errors.ExecutionFailed, Remedy.RETRY, True),
        (errors.OutOfMemory, Remedy.FREE_AND_RETRY, True),
        (errors.ModelBroken, Remedy.STOP_STEP, False),
        (errors.Hung, Remedy.RESTART_AND_RETRY, True),
        (errors.PromptLost, Remedy.RETRY, False),
        (errors.OutputMissing, Remedy.RETRY_NEW_SEED, True),
        (errors.BadDownload, Remedy.RETRY, True),
        (errors.WrongMedia, Remedy.RETRY_NEW_SEED, True),
    ],
)
def test_what_an_error_leads_to(kind, remedy, counted):
    """The runner reads these and nothing else."""
    assert (kind.remedy, kind.counted) == (remedy, counted)


def test_a_problem_names_the_node_as_people_call_it():
    """Title first, id and class for looking it up."""
    assert str(NodeProblem("5", "KSampler", "Draw", "x", "no")) == "`Draw` (#5, KSampler): no"
    assert str(NodeProblem("5", "KSampler", "KSampler", "x", "no")) == "`KSampler` (#5): no"
    assert str(NodeProblem("5", "", "", "x", "no")) == "`a node` (#5): no"
    assert str(NodeProblem("", "", "", "x", "no")) == "no"
    assert Refused("x", problems=(1,)).problems == (1,)
    assert Refused("x").problems == ()


MEMORY = [
    ("torch.OutOfMemoryError", "CUDA out of memory. Tried to allocate 20.00 GiB."),
    ("torch.OutOfMemoryError", "Allocation on device "),
    ("torch.cuda.OutOfMemoryError", ""),
    ("MemoryError", "Unable to allocate 8.00 GiB"),
    ("RuntimeError", "CUDA error: out of memory"),
    ("torch.AcceleratorError", "CUDA error: out of memory"),
]


@pytest.mark.parametrize(("exception_type", "message"), MEMORY)
def test_all_kinds_of_out_of_memory_are_known(exception_type, message):
    """Only one of them carries the server's own hint [d2]."""
    assert failures.is_out_of_memory(Failure("3", "KSampler", exception_type, message))


@pytest.mark.parametrize(
    ("exception_type", "message"),
    [("RuntimeError", "shapes cannot be multiplied"), ("ValueError", "out of memory cards"), ("", "")],
)
def test_other_failures_are_not_taken_for_it(exception_type, message):
    """Freeing memory would not heal them, and hides the reason."""
    assert not failures.is_out_of_memory(Failure("3", "KSampler", exception_type, message))


@pytest.mark.parametrize(
    ("node_type", "exception_type", "kind"),
    [
        ("CheckpointLoaderSimple", "safetensors._safetensors_rust.SafetensorError", ModelBroken),
        ("UpscaleModelLoader", "EOFError", ModelBroken),
        ("VHS_VideoCombine", "EOFError", ExecutionFailed),
        ("KSampler", "torch.OutOfMemoryError", OutOfMemory),
        ("KSampler", "ValueError", ExecutionFailed),
    ],
)
def test_a_failure_becomes_the_right_error(node_type, exception_type, kind):
    """A damaged model stops the step, since every prompt will meet it [c3]."""
    failure = Failure("4", node_type, exception_type, "header too small\nsecond line\n")
    graph = {"4": {"class_type": node_type, "inputs": {}, "_meta": {"title": "The model"}}}
    error = failures.failure_of(HistoryEntry("p", Outcome.ERROR, "error", outputs={}, graph=graph, failure=failure))
    assert type(error) is kind
    assert f"`The model` ({node_type})" in str(error)
    assert "second line" not in str(error)


def test_a_failure_without_details_still_says_something():
    """Versions and forks leave things out."""
    error = failures.failure_of(HistoryEntry("p", Outcome.ERROR, "error", outputs={}, graph={}))
    assert "the server does not say why" in str(error)
