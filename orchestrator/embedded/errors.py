"""What ends a node, and what a card refuses at its start.

    EmbeddedError
    ├── Interrupted         the prompt was interrupted; not a failure of the node
    ├── Abandoned           the prompt was forgotten while it ran, by a fault that plays a restart
    ├── BadFault            a fault was described in a way that nobody understands
    └── BadModelFile        a model file exists and cannot be one

A client sees exceptions of nodes by their full type name, so those that stand for a library's own (torch, safetensors)
carry that library's module name.
"""

from __future__ import annotations


class EmbeddedError(Exception):
    """The embedded ComfyUI could not do something."""


class Interrupted(EmbeddedError):
    """The running prompt was interrupted."""


class Abandoned(EmbeddedError):
    """The running prompt was forgotten."""


class BadFault(EmbeddedError):
    """A fault was described in a way that nobody understands."""


class BadModelFile(EmbeddedError):
    """Error while deserializing header: header too small."""


class OutOfMemoryError(Exception):
    """What torch raises when a card has no room left."""


class AcceleratorError(RuntimeError):
    """What torch raises when an operation on the card failed."""


BadModelFile.__module__ = "safetensors._safetensors_rust"
BadModelFile.__qualname__ = "SafetensorError"
OutOfMemoryError.__module__ = "torch"
AcceleratorError.__module__ = "torch"


def type_name(error: BaseException) -> str:
    """Name the type of an error as the server reports it: with its module, unless it is a builtin."""
    kind = type(error)
    if kind.__module__ == "builtins":
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"
