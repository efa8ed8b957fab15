"""Which error a failed prompt's history amounts to. Pure.

Separate, because what counts as out of memory is knowledge of its own: four kinds were recorded, and only one of them
carries the server's own hint.
"""

from __future__ import annotations

import re

from orchestrator.comfyui.errors import (
    ComfyUIError,
    CudaPoisoned,
    ExecutionFailed,
    Interrupted,
    ModelBroken,
    OutOfMemory,
    StaleOutput,
)
from orchestrator.comfyui.graphs import inputs_of, title_of
from orchestrator.comfyui.replies import Failure, HistoryEntry, Outcome, OutputFile

_MAY_BE_MEMORY = frozenset({"MemoryError", "torch.AcceleratorError", "RuntimeError"})
_NO_MEMORY = re.compile(r"out of memory|allocat|STATUS_ALLOC_FAILED", re.IGNORECASE)
_MAY_BE_CUDA = frozenset({"RuntimeError", "torch.cuda.CudaError"})
_HARMLESS = re.compile(r"invalid (argument|configuration|device ordinal)|no kernel image|not supported", re.IGNORECASE)
_POISON = re.compile(
    r"CUDA error:|device-side assert|illegal memory access|unspecified launch failure"
    r"|CU(BLAS|DNN)_STATUS_(EXECUTION_FAILED|INTERNAL_ERROR|NOT_INITIALIZED|MAPPING_ERROR)",
    re.IGNORECASE,
)
_DAMAGED_FILE = frozenset({"EOFError", "UnpicklingError", "BadZipFile"})


def failure_of(entry: HistoryEntry) -> ComfyUIError:
    """Return the error of a prompt that did not succeed. Server paths and tracebacks stay out of it."""
    failure = entry.failure or Failure("", "", "", "the server does not say why")
    where = title_of(entry.graph, failure.node_id) or failure.node_type or "a node"
    if entry.outcome is Outcome.INTERRUPTED:
        return Interrupted(f"the prompt was interrupted at `{where}`", prompt_id=entry.prompt_id)
    first = failure.message.splitlines()[0].strip() if failure.message else "no message"
    kind: type[ExecutionFailed] = ExecutionFailed
    text = f"`{where}` ({failure.node_type}) failed with {failure.exception_type}: {first}"
    if is_out_of_memory(failure):
        kind, text = OutOfMemory, f"`{where}` ({failure.node_type}) ran out of memory: {first}"
    elif is_poisoned(failure):
        kind, text = CudaPoisoned, f"`{where}` ({failure.node_type}) broke the card's CUDA context: {first}"
    elif is_broken_model(failure):
        kind = ModelBroken
    return kind(
        text,
        prompt_id=entry.prompt_id,
        node_id=failure.node_id,
        node_type=failure.node_type,
        exception_type=failure.exception_type,
        exception_message=failure.message,
    )


def is_out_of_memory(failure: Failure) -> bool:
    """Tell whether a node ran out of the card's memory or of the host's."""
    if failure.exception_type.endswith("OutOfMemoryError"):
        return True
    text = failure.message.partition("\n")[0]
    return failure.exception_type in _MAY_BE_MEMORY and _NO_MEMORY.search(text) is not None


def is_poisoned(failure: Failure) -> bool:
    """Tell whether the process has lost its CUDA context: whatever it runs on the card from now on fails.

    Asked after `is_out_of_memory`, which has the same type of exception and heals.
    Source: CUDA's sticky errors (an illegal address, a failed assertion or launch, a lost device), as PyTorch reports
    them; those of cuBLAS and cuDNN mostly follow one of these.
    """
    first = failure.message.partition("\n")[0]  # what follows is the same advice after every error of CUDA
    if failure.exception_type not in _MAY_BE_CUDA and not failure.exception_type.endswith("AcceleratorError"):
        return False
    return _POISON.search(first) is not None and _HARMLESS.search(first) is None


def is_broken_model(failure: Failure) -> bool:
    """Tell whether a loader met a damaged model file, which no retry will heal."""
    name = failure.exception_type.rpartition(".")[2]
    return name == "SafetensorError" or (name in _DAMAGED_FILE and "Loader" in failure.node_type)


def refuse_stale(entry: HistoryEntry, file: OutputFile) -> None:
    """Make sure that a file was saved by this very prompt, and not by an earlier one whose result was cached.

    Only where the prompt told the node to put its own id into the name; every prompt of ours does.

    Raises:
        StaleOutput: the id is not in the name.
    """
    node_id = entry.display_nodes.get(file.node_id, file.node_id)
    told = any(
        isinstance(value, str) and entry.prompt_id in value for value in inputs_of(entry.graph, node_id).values()
    )
    if told and entry.prompt_id not in f"{file.subfolder}/{file.filename}":
        where = title_of(entry.graph, node_id) or node_id
        raise StaleOutput(f"`{where}` answers with a file of an earlier prompt out of the cache", output=file.filename)
