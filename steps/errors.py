"""What can go wrong inside a step, and what should happen next.

    StepError
    ├── InvalidInput          the item's own input cannot be used: no try will change that
    ├── BadOutput             something was made, but it is not what it claims to be
    │   └── BadAnswer         a language model answered, but not what it was asked for
    ├── ProgramFailed         an outside program exited non-zero
    │   └── ProgramTimedOut   it ran past its limit and was stopped
    ├── WorkStopped           the night was stopped at once, and the work with it
    ├── ProgramMissing        an outside program is not installed
    ├── ManifestError         a workflow's manifest cannot be used, or asks for what there is not
    ├── ResourceMissing       a font, a model, an archive that the step needs is absent or damaged
    ├── ServiceUnavailable    an outside server does not answer now
    ├── ServiceRefused        an outside server answers, and will refuse the next one too
    │   └── QuestionRefused   a language model's server refuses this question, perhaps no other
    ├── ItemTokensSpent       the language models have cost as many tokens as an item may cost
    ├── NightTokensSpent      they have cost as many as a night may cost
    └── DiskFull              no room for what the step makes

An error carries its facts and its remedy, so that the runner needs no list of types.
"""

from __future__ import annotations

import errno
from enum import StrEnum


class Remedy(StrEnum):
    """What an error leads to. The rungs of each are the table in `orchestrator/ladder.py`."""

    RETRY = "RETRY"  # again, with the same seed
    RETRY_NEW_SEED = "RETRY_NEW_SEED"  # again, with another seed
    REFRESH_AND_RETRY = "REFRESH_AND_RETRY"  # again under another file name, then with another seed
    FREE_AND_RETRY = "FREE_AND_RETRY"  # give the card's memory back, then again, then on a larger card or with less
    RESTART_AND_RETRY = "RESTART_AND_RETRY"  # restart the instance at once, then again
    INTERRUPT_AND_RETRY = "INTERRUPT_AND_RETRY"  # end the prompt, restart the instance if that is not heard, then again
    WAIT_AND_RETRY = "WAIT_AND_RETRY"  # wait until the instance answers, then again
    FAIL = "FAIL"  # no use trying this item again
    STOP_STEP = "STOP_STEP"  # the same for every item: no use trying the next one
    STOP_NIGHT = "STOP_NIGHT"  # nothing more can be made until a person acts


class StepError(Exception):
    """A step could not do its work."""

    remedy: Remedy = Remedy.RETRY

    def __init__(self, message: str = "", **facts: object) -> None:
        """Keep the facts beside the sentence; without a sentence the class's first line is used."""
        self.facts = facts
        super().__init__(message or (type(self).__doc__ or "").strip().splitlines()[0])


class InvalidInput(StepError):
    """The input of this item cannot be used."""

    remedy = Remedy.FAIL


class BadOutput(StepError):
    """The file that was made is not what it should be."""

    remedy = Remedy.RETRY_NEW_SEED


class BadAnswer(BadOutput):
    """The language model's answer is not what it was asked for."""


class ProgramFailed(StepError):
    """An outside program failed."""

    remedy = Remedy.RETRY


class ProgramTimedOut(ProgramFailed):
    """An outside program ran past its time limit and was stopped."""


class WorkStopped(StepError):
    """The night was asked to stop at once, and the work on this machine with it."""

    remedy = Remedy.RETRY
    counted = False


class ProgramMissing(StepError):
    """An outside program is not installed."""

    remedy = Remedy.STOP_STEP


class ResourceMissing(StepError):
    """A file that the step needs (font, model, archive) is absent or damaged."""

    remedy = Remedy.STOP_STEP


class ManifestError(StepError):
    """The manifest of a workflow cannot be used."""

    remedy = Remedy.STOP_STEP


class ServiceUnavailable(StepError):
    """An outside server does not answer."""

    remedy = Remedy.RETRY


class ServiceRefused(StepError):
    """An outside server refuses the request, and would refuse the next one too."""

    remedy = Remedy.STOP_STEP


class QuestionRefused(ServiceRefused):
    """The language model's server refuses this question: too long for it, or of a form that it does not know."""

    remedy = Remedy.RETRY  # one item's question fails alone in the end; the same reason for several stops the step


class ItemTokensSpent(StepError):
    """The language models have cost as many tokens as one item may cost."""

    remedy = Remedy.FAIL


class NightTokensSpent(StepError):
    """The language models have cost as many tokens as a night may cost."""

    remedy = Remedy.STOP_STEP


class DiskFull(StepError):
    """There is no room left on the disk."""

    remedy = Remedy.STOP_NIGHT


def is_disk_full(error: BaseException) -> bool:
    """Tell whether an error, or one that caused it, says that the disk or its quota is full."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, DiskFull):
            return True
        if isinstance(seen, OSError) and seen.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        seen = seen.__cause__ or seen.__context__
    return False
