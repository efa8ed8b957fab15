"""What stops a command, and with which exit code.

    NightreelError               exit code
    ├── ConfigError              3   config.yaml is missing, unreadable or wrong
    ├── CatalogueError           7   nothing to draw from
    ├── NotFoundError            2   the item, batch or step that was named does not exist
    ├── WorkflowFileError        2   the workflow file that was named cannot be used, or its name is taken
    ├── NightRunningError        6   another night holds the lock
    ├── NotReadyError            8   something that the night needs is missing
    └── StorageError             9   the home folder or the database cannot be used, or the disk is full

Errors of a single step run are in `steps/errors.py` and `orchestrator/comfyui/errors.py`: they never end a command.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What the commands answer to the shell. Stable: scripts and systemd units rely on it."""

    OK = 0  # done; every item that was not turned down is COMPLETE
    UNEXPECTED = 1  # a defect: the traceback is in the log
    USAGE = 2  # the command line is wrong, or names something that does not exist
    CONFIG = 3  # config.yaml is wrong
    SOME_FAILED = 4  # the night ended; at least one item FAILED or a step was stopped
    STOPPED = 5  # the night was stopped (SIGINT, SIGTERM or --stop-by) before its end: resume it
    NIGHT_RUNNING = 6  # another night holds the lock
    NOTHING_TO_DO = 7  # no painting left to draw and nothing to go on with
    NOT_READY = 8  # doctor, or the check before a night, found a problem
    STORAGE = 9  # the home folder or the database cannot be used, or the disk is full
    STOPPED_NOW = 130  # stopped at once by a second SIGINT


class NightreelError(Exception):
    """A command cannot go on. The message says what was found, what was expected and what to do."""

    exit_code = ExitCode.UNEXPECTED


class ConfigError(NightreelError):
    """config.yaml cannot be used."""

    exit_code = ExitCode.CONFIG


class CatalogueError(NightreelError):
    """There is nothing to draw from."""

    exit_code = ExitCode.NOTHING_TO_DO


class NotFoundError(NightreelError):
    """What the command names does not exist."""

    exit_code = ExitCode.USAGE


class WorkflowFileError(NightreelError):
    """The workflow file that the command names cannot be used."""

    exit_code = ExitCode.USAGE


class NightRunningError(NightreelError):
    """Another night is running."""

    exit_code = ExitCode.NIGHT_RUNNING


class NotReadyError(NightreelError):
    """Something that the night needs is missing."""

    exit_code = ExitCode.NOT_READY


class StorageError(NightreelError):
    """The home folder or the database cannot be used."""

    exit_code = ExitCode.STORAGE
