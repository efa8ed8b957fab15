"""In which version's manner a card answers.

The client must work with servers of several ages, and a stand-in that knows only the newest one would hide half of
its mistakes. Only differences that a client can see, and that recordings of the old versions show, are listed.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Dialect:
    """What a version does differently from its neighbours."""

    version: str
    has_jobs: bool = True  # GET /api/jobs…, since 0.6.0
    has_cancel: bool = True  # POST /api/jobs…/cancel, since 0.26.0
    strict_prompt_ids: bool = True  # only canonical UUIDs, since 0.25.0; before, anything becomes text
    unknown_class_error: str = "missing_node_type"  # "invalid_prompt" before 0.12.0
    audio_underscore: bool = False  # PREFIX_00001_.flac before 0.25.0
    reports_cycles: bool = True  # dependency_cycle in node_errors, since 0.20.0
    cancelled_status: str = "cancelled"  # "failed" before 0.9.0
    lists_cached_outputs: bool = False  # history lists outputs of cached nodes without a client_id, before 0.3.68
    stamps_create_time: bool = True  # extra_data.create_time, since 0.3.69
    checks_fetch_site: bool = True  # 403 for cross-site requests, since 0.19.0
    throttles_progress: bool = True  # at most ten progress messages a second, since 0.9.2
    absent: frozenset[str] = frozenset()  # stock node classes that the version does not have yet


CURRENT = Dialect("0.27.0")
_LATER = frozenset({"SaveAudioAdvanced"})

DIALECTS: dict[str, Dialect] = {
    "0.27.0": CURRENT,
    "0.8.0": Dialect(
        "0.8.0",
        has_cancel=False,
        strict_prompt_ids=False,
        unknown_class_error="invalid_prompt",
        audio_underscore=True,
        reports_cycles=False,
        cancelled_status="failed",
        checks_fetch_site=False,
        throttles_progress=False,
        absent=_LATER,
    ),
    "0.3.64": Dialect(
        "0.3.64",
        has_jobs=False,
        has_cancel=False,
        strict_prompt_ids=False,
        unknown_class_error="invalid_prompt",
        audio_underscore=True,
        reports_cycles=False,
        cancelled_status="failed",
        lists_cached_outputs=True,
        stamps_create_time=False,
        checks_fetch_site=False,
        throttles_progress=False,
        absent=_LATER,
    ),
}
"""The versions that can be imitated, by their number."""
