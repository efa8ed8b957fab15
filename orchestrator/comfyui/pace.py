"""How often an instance is asked, and how long its silences are borne: every interval of the client in one value.

One value, because the numbers belong together (a second look must lie within a poll, a poll within the patience) and
because a test wants all of them shorter at once.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Pace:
    """Intervals in seconds."""

    recheck_s: float = 0.6
    """Between two looks before a prompt counts as unknown: two GETs are not one moment, so the first may fall between
    the queue and the history."""

    hurry_s: tuple[float, ...] = (0.002, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25)
    """Before each question for the history of a prompt that an event called ended; the last one repeats. It is written
    right after; asking at once would only hold the server up while it starts the next prompt."""

    hurry_for_s: float = 3.0  # an end without a history by then: look everywhere
    silent_poll_s: tuple[float, float] = (0.25, 2.0)  # while no socket can be relied on: from, growing up to
    live_poll_s: float = 2.0  # while one can, after its last event
    flowing_poll_s: float = 5.0  # while events flow
    poll_timeout_s: float = 10.0  # for the answer to a poll
    down_after_s: float = 10.0  # without a connection, after which those who wait are told that the instance is down
    missing_after_s: float = 2.0  # without a socket: longer than it takes to open a new one
    socket_check_s: float = 1.0  # how soon the reading thread hears that the socket is to be renewed
    hello_timeout_s: float = 10.0  # for the answer to our first message: a node may hold the server up


STEADY = Pace()
