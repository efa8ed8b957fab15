"""Who looks at the pictures of a trial: the configured vision model, or the embedded one inside this process.

Nothing is started for a trial. A server that does not answer is asked once; the rest is then judged without it, and
the sheet says so.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from PIL import Image

from steps.base import Subject
from steps.errors import StepError
from steps.options import LlmEndpoint
from steps.sight import Seen, as_sent, ask, known

PATIENCE_S = 5.0  # a person waits for the sheet


class Eyes:
    """The vision model of a trial. Thread-safe."""

    def __init__(self, endpoint: LlmEndpoint, *, wanted: bool = True) -> None:
        """Keep who is to be asked; nothing is sent yet.

        Args:
            endpoint: Of config.yaml; without an address, the embedded model answers in this process.
            wanted: False for a trial by the CPU checks alone.
        """
        self._endpoint = endpoint.model_copy(update={"patience_s": min(PATIENCE_S, endpoint.patience_s)})
        self._wanted = wanted
        self._trouble: str | None = None
        self._lock = threading.Lock()

    @property
    def words(self) -> str:
        """Who answered, for the head of the sheet."""
        if not self._wanted:
            return "CPU checks alone; no vision model was asked"
        if self._trouble is not None:
            return f"CPU checks alone: the vision model did not answer ({self._trouble})"
        if self._endpoint.url is None:
            return (
                "CPU checks and the embedded preview judge, which reads the titles and is no match for a vision model"
            )
        return f"CPU checks and the vision model {self._endpoint.model}"

    def for_subject(self, subject: Subject) -> Callable[[Image.Image], Seen | None] | None:
        """Return what looks at one painting's picture; None when nobody is to be asked."""
        if not self._wanted or self._trouble is not None:
            return None
        if self._endpoint.url is None:
            return lambda picture: embedded_sight(picture, subject)
        return lambda picture: self._ask(picture, subject)

    def _ask(self, picture: Image.Image, subject: Subject) -> Seen | None:
        try:
            return ask(self._endpoint, picture, subject=subject, seed=0)
        except StepError as error:
            with self._lock:
                self._trouble = self._trouble or str(error)
            return None


def embedded_sight(picture: Image.Image, subject: Subject) -> Seen:
    """Return what the embedded vision model says, from the same JPEG that it would be sent."""
    from orchestrator.embedded.llm_judge import decoded, look

    return Seen.model_validate(look(decoded(as_sent(picture)), told=known(subject)))
