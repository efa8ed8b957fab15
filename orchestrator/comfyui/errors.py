"""What can go wrong between us and a ComfyUI instance, and what should happen next.

    ComfyUIError
    ├── InstanceDown             it does not answer now: wait, then go on
    │   ├── ConnectionRefused    nothing listens on its port
    │   ├── AddressUnknown       its host name or network cannot be reached
    │   ├── AnswerTimedOut       it took the request and did not answer in time
    │   ├── ConnectionBroken     the connection ended in the middle
    │   └── GatewayDown          the proxy in front of it answers in its place
    ├── NotComfyUI               something else answers at that address
    │   └── AccessDenied         it wants a login or turns us away
    ├── UnsupportedServer        it is a ComfyUI too old for us
    ├── ServerFault              it failed on the request itself (HTTP 5xx)
    ├── WorkflowError            the graph or its manifest cannot be used: found before it is sent
    ├── Refused                  it turned the prompt down
    │   ├── MissingNodeClass     a node class is not installed on it
    │   ├── MissingModel         a file or choice that the graph names is not on it
    │   ├── MissingInput         an uploaded input is gone, or a node refuses it
    │   └── TooLarge             the upload or graph is over its size limit
    ├── ExecutionFailed          a node raised an error
    │   ├── OutOfMemory          the card or the host ran out of memory
    │   ├── CudaPoisoned         the card's context is broken: every later prompt fails too
    │   └── ModelBroken          a model file on the instance is damaged
    ├── Interrupted              somebody interrupted the prompt
    ├── Hung                     it runs and nothing comes
    ├── PromptLost               it is neither queued nor finished: forgotten
    ├── OutputMissing            it succeeded without the wanted file
    │   ├── FileGone             it names the file, and does not have it (any more)
    │   └── StaleOutput          it names the file of another prompt: served from its cache
    ├── BadDownload              the file did not arrive whole
    │   ├── Undecodable          it arrived whole, and nothing can read it
    │   └── WrongMedia           it arrived, and is not what was asked for
    ├── RestartFailed            the instance did not come back as it should
    └── Stopped                  we were told to stop waiting; not an error of the prompt

Each error carries its facts, its `Remedy` and whether the try counts against the item, so that the runner needs no
list of types. Exceptions of requests, websockets, PyAV and paramiko end in this package.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from steps.errors import Remedy


class ComfyUIError(Exception):
    """Something went wrong with a ComfyUI instance."""

    remedy: Remedy = Remedy.RETRY
    counted: bool = True  # whether the try speaks against the item
    advice: str = ""  # what the operator can do, appended to the message

    def __init__(self, message: str = "", *, instance: str = "", prompt_id: str = "", **facts: Any) -> None:
        """Keep the facts beside the sentence; without a sentence the class's first line is used."""
        self.instance = instance
        self.prompt_id = prompt_id
        self.facts = facts
        text = message or (type(self).__doc__ or "").strip().splitlines()[0]
        self.reason = text
        if self.advice and self.advice not in text:
            text = f"{text.rstrip('.')}. {self.advice}"
        super().__init__(f"{instance}: {text}" if instance else text)

    def __reduce__(self) -> tuple[Any, ...]:
        """Let an error cross a process border with its facts."""
        return (_rebuild, (type(self), self.reason, self.instance, self.prompt_id, self.facts))

    def about(self, *, instance: str = "", prompt_id: str = "") -> Self:
        """Return the same error with its instance and prompt filled in where they are not known yet."""
        same = type(self)(
            self.reason, instance=self.instance or instance, prompt_id=self.prompt_id or prompt_id, **self.facts
        )
        same.__cause__ = self.__cause__
        return same


def _rebuild(kind: type[ComfyUIError], reason: str, instance: str, prompt_id: str, facts: dict[str, Any]) -> Any:
    return kind(reason, instance=instance, prompt_id=prompt_id, **facts)


class InstanceDown(ComfyUIError):
    """The instance does not answer."""

    remedy = Remedy.WAIT_AND_RETRY
    counted = False
    advice = "Check that ComfyUI runs there; it is tried again by itself"


class ConnectionRefused(InstanceDown):
    """Nothing listens at the instance's address."""


class AddressUnknown(InstanceDown):
    """The instance's host cannot be reached."""

    advice = "Check the host name and port of `url`, and the network"


class AnswerTimedOut(InstanceDown):
    """The instance did not answer in time."""

    advice = "It may be busy in a long node; it is asked again by itself"


class ConnectionBroken(InstanceDown):
    """The connection to the instance ended in the middle."""


class GatewayDown(InstanceDown):
    """A proxy answers in the instance's place."""

    advice = "Check the ComfyUI behind that proxy"


class NotComfyUI(ComfyUIError):
    """Something other than ComfyUI answers at that address."""

    remedy = Remedy.STOP_STEP
    counted = False
    advice = "Check `url` of this instance in config.yaml: host, port, http or https"


class AccessDenied(NotComfyUI):
    """The server at that address turns us away."""

    advice = "Nightreel talks to ComfyUI directly and sends no login: give the address behind the proxy"


class UnsupportedServer(ComfyUIError):
    """The ComfyUI on that instance is too old."""

    remedy = Remedy.STOP_STEP
    counted = False
    advice = "Update ComfyUI: 0.3.57 or newer is needed"


class ServerFault(ComfyUIError):
    """The instance failed on the request itself."""

    remedy = Remedy.WAIT_AND_RETRY

    advice = "See the instance's own log"


class WorkflowError(ComfyUIError):
    """The workflow cannot be used."""

    remedy = Remedy.STOP_STEP
    counted = False


@dataclass(frozen=True)
class NodeProblem:
    """One thing that the server, or our own check, does not like about one node."""

    node_id: str
    class_type: str
    title: str  # what people call the node; the class where it has no title
    kind: str  # the server's name for it, such as "value_not_in_list"
    message: str  # for people

    def __str__(self) -> str:
        """Return one line for people."""
        if not self.title and not self.node_id:
            return self.message
        class_type = self.class_type if self.class_type != self.title else ""
        details = ", ".join(part for part in (f"#{self.node_id}" if self.node_id else "", class_type) if part)
        return f"`{self.title or 'a node'}`{f' ({details})' if details else ''}: {self.message}"


class Refused(ComfyUIError):
    """The instance refused the prompt."""

    remedy = Remedy.STOP_STEP
    counted = False

    @property
    def problems(self) -> tuple[NodeProblem, ...]:
        """Return what the server said about each node."""
        return tuple(self.facts.get("problems", ()))


class MissingNodeClass(Refused):
    """A node class of the workflow is not installed on the instance."""

    advice = "Install the custom nodes that have it, or update ComfyUI, and restart the instance"


class MissingModel(Refused):
    """A file or choice that the workflow names is not on the instance."""

    advice = "Put that file on the instance, or name one that is there"


class MissingInput(Refused):
    """An input file of the prompt is not on the instance, or a node refuses it."""

    remedy = Remedy.RETRY  # the next try uploads it again
    counted = True


class TooLarge(Refused):
    """The upload or graph is larger than the instance accepts."""

    advice = "Start that ComfyUI with a larger --max-upload-size"


class ExecutionFailed(ComfyUIError):
    """A node of the prompt failed."""


class OutOfMemory(ExecutionFailed):
    """The card, or the host, ran out of memory."""

    remedy = Remedy.FREE_AND_RETRY
    counted = False


class CudaPoisoned(ExecutionFailed):
    """The CUDA context of the instance is broken: every later prompt of that process fails as well."""

    remedy = Remedy.RESTART_AND_RETRY


class ModelBroken(ExecutionFailed):
    """A model file on the instance is damaged."""

    remedy = Remedy.STOP_STEP
    counted = False
    advice = "Fetch that model file again: every prompt that needs it will fail"


class Interrupted(ComfyUIError):
    """The prompt was interrupted."""


class Hung(ComfyUIError):
    """The prompt is executing, and nothing came for longer than it ever took in this phase on this card."""

    remedy = Remedy.INTERRUPT_AND_RETRY


class PromptLost(ComfyUIError):
    """The instance knows nothing of the prompt: it restarted, or its queue was cleared."""

    counted = False


class OutputMissing(ComfyUIError):
    """The prompt succeeded without the wanted output."""

    remedy = Remedy.RETRY_NEW_SEED


class FileGone(OutputMissing):
    """The prompt names an output that is not on the instance (any more), as when it is served from its cache."""

    remedy = Remedy.REFRESH_AND_RETRY


class StaleOutput(OutputMissing):
    """The prompt names an output that an earlier prompt saved: it was served from the instance's cache."""

    remedy = Remedy.REFRESH_AND_RETRY


class BadDownload(ComfyUIError):
    """An output could not be fetched whole."""


class Undecodable(BadDownload):
    """An output is on the instance as it arrived here, and cannot be decoded."""

    remedy = Remedy.RETRY_NEW_SEED


class WrongMedia(BadDownload):
    """An output is not what the workflow promises."""

    remedy = Remedy.RETRY_NEW_SEED


class RestartFailed(ComfyUIError):
    """The instance did not come back from its restart."""

    remedy = Remedy.WAIT_AND_RETRY
    counted = False


class Stopped(ComfyUIError):
    """Waiting was stopped from our side; the prompt was left as it is."""

    counted = False
