"""What can go wrong with a language model server, and with handing a card over.

    ServerError               a server cannot be used now
    ├── CannotRest            it has no way to give its memory back, and is not ours to end
    ├── ServerBroken          it has died too often tonight
    └── CardHeld              the card's memory is not free: somebody holds it

They never end a command: a step that cannot start says why, and the night goes on with what it can.
"""

from __future__ import annotations

from steps.errors import Remedy


class ServerError(Exception):
    """A language model server cannot be used now."""

    remedy = Remedy.STOP_STEP

    def __init__(self, message: str = "", *, server: str = "") -> None:
        """Keep the server's name beside the sentence; without a sentence the class's first line is used."""
        self.server = server
        super().__init__(message or (type(self).__doc__ or "").strip().splitlines()[0])


class CannotRest(ServerError):
    """The server has no way to give its cards' memory back, and is not Nightreel's to end."""


class ServerBroken(ServerError):
    """The server has died more often tonight than it may be started again."""


class CardHeld(ServerError):
    """The memory of a card that is to change hands is not free in time."""
