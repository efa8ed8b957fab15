"""The tree of errors: what each leads to, and that none is left out of the picture."""

from __future__ import annotations

import pickle
from collections.abc import Iterator

import pytest

from orchestrator.comfyui import errors, failures
from orchestrator.comfyui.errors import ComfyUIError, ExecutionFailed, ModelBroken, NodeProblem, OutOfMemory, Refused
from orchestrator.comfyui.replies import Failure, HistoryEntry, Outcome, OutputFile
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
        (errors.OutOfMemory, Remedy.FREE_AND_RETRY, False),
        (errors.ModelBroken, Remedy.STOP_STEP, False),
        (errors.CudaPoisoned, Remedy.RESTART_AND_RETRY, True),
        (errors.ServerFault, Remedy.WAIT_AND_RETRY, True),
        (errors.Hung, Remedy.INTERRUPT_AND_RETRY, True),
        (errors.PromptLost, Remedy.RETRY, False),
        (errors.OutputMissing, Remedy.RETRY_NEW_SEED, True),
        (errors.FileGone, Remedy.REFRESH_AND_RETRY, True),
        (errors.StaleOutput, Remedy.REFRESH_AND_RETRY, True),
        (errors.Undecodable, Remedy.RETRY_NEW_SEED, True),
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


ADVICE = (
    "\nFor debugging consider passing CUDA_LAUNCH_BLOCKING=1\nCompile with TORCH_USE_CUDA_DSA: device-side assertions."
)
POISON = [
    ("torch.AcceleratorError", "CUDA error: an illegal memory access was encountered"),
    ("RuntimeError", "CUDA error: device-side assert triggered"),
    ("RuntimeError", "CUDA error: unspecified launch failure"),
    ("RuntimeError", "CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm`"),
    ("RuntimeError", "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR"),
]
HARMLESS = [
    ("torch.AcceleratorError", "CUDA error: out of memory"),
    ("torch.AcceleratorError", "CUDA error: no kernel image is available for execution on the device"),
    ("RuntimeError", "CUDA error: invalid argument"),
    ("RuntimeError", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`"),
    ("RuntimeError", "shapes cannot be multiplied"),
    ("ValueError", "CUDA error: an illegal memory access was encountered"),
]


@pytest.mark.parametrize(("exception_type", "message"), POISON + HARMLESS)
def test_only_errors_that_stay_count_as_a_broken_context(exception_type, message):
    """The advice that CUDA adds to each of its errors speaks of assertions too, and must not decide."""
    failure = Failure("3", "KSampler", exception_type, message + ADVICE)
    kind = type(failures.failure_of(HistoryEntry("p", Outcome.ERROR, "error", outputs={}, graph={}, failure=failure)))
    assert (kind is errors.CudaPoisoned) == ((exception_type, message) in POISON)


def told_to_save(prefix: str) -> HistoryEntry:
    graph = {"9": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": prefix}}}
    return HistoryEntry("abc", Outcome.SUCCESS, "success", outputs={}, graph=graph)


def test_a_file_of_an_earlier_prompt_is_refused():
    """A cached node answers with the name that it saved under before; that file may be anything by now."""
    with pytest.raises(errors.StaleOutput, match="`SaveImage` answers with a file of an earlier prompt"):
        failures.refuse_stale(told_to_save("nightreel/abc"), OutputFile("9", "images", "x_00001_.png", "old", "output"))


@pytest.mark.parametrize("prefix", ["nightreel/abc", "fixed"])
def test_a_file_under_the_prompts_own_name_is_taken(prefix):
    """And any file where the workflow gives the node a name of its own: nothing could be told from it."""
    failures.refuse_stale(told_to_save(prefix), OutputFile("9", "images", "abc_00001_.png", "nightreel", "output"))


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
