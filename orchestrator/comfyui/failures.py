"""Which error a failed prompt's history amounts to. Pure.

Separate, because what counts as out of memory is knowledge of its own: four kinds were recorded, and only one of them
carries the server's own hint.
"""

from __future__ import annotations

from orchestrator.comfyui.errors import ComfyUIError, ExecutionFailed, Interrupted, ModelBroken, OutOfMemory
from orchestrator.comfyui.graphs import title_of
from orchestrator.comfyui.replies import Failure, HistoryEntry, Outcome

_MAY_BE_MEMORY = frozenset({"MemoryError", "torch.AcceleratorError", "RuntimeError"})
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
    text = failure.message.lower()
    return failure.exception_type in _MAY_BE_MEMORY and ("out of memory" in text or "allocat" in text)


def is_broken_model(failure: Failure) -> bool:
    """Tell whether a loader met a damaged model file, which no retry will heal."""
    name = failure.exception_type.rpartition(".")[2]
    return name == "SafetensorError" or (name in _DAMAGED_FILE and "Loader" in failure.node_type)
