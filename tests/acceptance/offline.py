"""Runs a command where there is no network: in a network namespace that has nothing but its own loopback.

usage: python -m tests.acceptance.offline COMMAND [ARGUMENT …]

Needs user namespaces, or root; exits with 77 where neither is to be had, so that a test can say that it was skipped.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import sys

CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
SIOCSIFFLAGS = 0x8914
IFF_UP_RUNNING = 0x1 | 0x40
CANNOT = 77


def leave_the_network() -> bool:
    """Move this process into a namespace of its own and bring its loopback up; False where that is not allowed."""
    libc = ctypes.CDLL(None, use_errno=True)
    flags = CLONE_NEWNET if os.geteuid() == 0 else CLONE_NEWNET | CLONE_NEWUSER
    if libc.unshare(flags) != 0:
        return False
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh", b"lo", IFF_UP_RUNNING)
        try:
            fcntl.ioctl(control, SIOCSIFFLAGS, request)
        except OSError:
            return False
    return not reaches_out()


def reaches_out() -> bool:
    """Tell whether a packet could leave: there is a route to an address that is not this machine's."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # TEST-NET-1; a datagram socket sends nothing on connect
        except OSError:
            return False
        return True


if __name__ == "__main__":
    if not leave_the_network():
        sys.exit(CANNOT)
    os.execvp(sys.argv[1], sys.argv[1:])
