"""How the sheet calls what was measured, and what it advises; the same in HTML and in the picture."""

from __future__ import annotations

from orchestrator.seeing.trial import Tried
from steps.judging import Finding

LABELS = {
    "file.size": "size of the file",
    "file.pixels": "pixels",
    "file.shorter_side": "shorter side",
    "file.lengths": "longer by shorter side",
    "file.animated": "animated",
    "file.decodes": "can be decoded",
    "file.opens": "can be opened",
    "face.score": "face score",
    "face.presence": "full face seen",
    "face.share": "face, share of side",
    "face.px": "face, px in the file",
    "face.sharpness": "sharpness",
    "face.turn": "head turned, °",
    "face.nod": "head bowed, °",
    "face.tilt": "head leaning, °",
    "face.eyes_open": "eyes open",
    "face.others": "other faces",
    "vision.persons": "people",
    "vision.portrait": "a portrait",
    "vision.facing": "head faces",
    "vision.nudity": "nudity",
    "vision.child": "a child, likely",
    "vision.age": "age",
    "vision.blur": "blurred",
    "vision.damage": "damaged",
    "vision.text": "lettering",
    "nudity.exposed": "exposed",
}
WITNESSES = {"file": "file", "cpu": "measured", "vision": "vision model", "nudity": "second opinion"}


def label(name: str) -> str:
    """Return what a finding is called on the sheet."""
    return LABELS.get(name, name)


def place_of(finding: Finding) -> float | None:
    """Return where a finding's mark stands on its bar, 0 to 1: the limit is in the middle, what passes on the right."""
    if finding.margin is None:
        return None
    half = min(1.0, finding.margin) / 2
    return 0.5 + half if finding.passed else 0.5 - half


def tip(one: Tried) -> str:
    """Return which threshold would change a narrow verdict; empty where none is near."""
    nearest = one.verdict.nearest
    if nearest is None or not nearest.is_near:
        return ""
    if one.verdict.accepted:
        return f"narrowly: {label(nearest.name)} is {shown(nearest.measured)}, and {nearest.expected} is needed"
    settings = [
        f"{finding.setting}={shown(finding.measured)}" for finding in one.verdict.findings if not finding.passed
    ]
    return f"would pass with {', '.join(settings)}"


def shown(value: float | str) -> str:
    """Return a measured value as people read it."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
