"""Decide whether a picture can become a talking portrait.

Witnesses measure independently: the CPU (`steps/measuring.py`), a vision model (`steps/sight.py`) and, where an owner
wants it, a second opinion on nudity. None of them decides. The thresholds of the settings do, here, in one table of
findings, each with its limit, the setting that moves it and how near it came. Where witnesses disagree, their answers
are kept for the person who reviews.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from steps.base import Check
from steps.external.nudity import Exposed
from steps.measuring import Measured, MeasuredFace, is_clear, measure
from steps.options import PrepareOptions
from steps.seeing_options import Facing
from steps.sight import Seen

__all__ = ["Exposed", "Finding", "Measured", "MeasuredFace", "Seen", "Verdict", "decide", "is_clear", "measure"]

Witness = Literal["file", "cpu", "vision", "nudity"]

NEAR = 0.12  # a finding this near to its limit is a close call
_LARGE_SHARE, _NO_PORTRAIT = 0.2, 0.3  # here and below: for noting a disagreement only
_TIMES = 2.0  # sizes of the face that differ by more
_ASIDE, _TOWARDS = 40.0, 15.0  # degrees
_SHARP_TIMES = 3.0  # as many times the least sharpness is sharp beyond doubt


@dataclass(frozen=True)
class Finding:
    """One thing that a witness measured, beside its limit."""

    name: str  # dotted, such as "face.share"
    witness: Witness
    measured: float | str
    expected: str  # for people, such as ">= 0.14"
    sentence: str  # why it turns the picture down, when it does
    passed: bool
    setting: str | None = None  # the key that holds the limit, such as "prepare.min_face_share"
    limit: float | None = None
    margin: float | None = None  # 0 on the limit, 1 at the end of the scale; sizes and angles: in parts of the limit

    @property
    def check(self) -> Check:
        """Return it as the review shows it."""
        return Check(self.name, self.measured, self.expected, passed=self.passed)

    @property
    def is_near(self) -> bool:
        """Whether a slightly different limit or picture would have changed it."""
        return self.margin is not None and self.margin < NEAR


@dataclass(frozen=True)
class Verdict:
    """What was decided."""

    findings: tuple[Finding, ...]
    disagreements: tuple[str, ...] = ()  # between the witnesses

    @property
    def accepted(self) -> bool:
        """Whether nothing turned the picture down."""
        return all(finding.passed for finding in self.findings)

    @property
    def checks(self) -> tuple[Check, ...]:
        """All findings, as the review shows them."""
        return tuple(finding.check for finding in self.findings)

    @property
    def reasons(self) -> tuple[str, ...]:
        """One plain sentence for each finding that turned the picture down."""
        return tuple(finding.sentence for finding in self.findings if not finding.passed)

    @property
    def nearest(self) -> Finding | None:
        """The finding on which the verdict hangs most: of those that failed the last to give way, else the tightest."""
        failed = [one for one in self.findings if not one.passed]
        if any(one.margin is None for one in failed):
            return None
        if failed:
            return max(failed, key=lambda one: one.margin or 0.0)
        return min(
            (one for one in self.findings if one.margin is not None), key=lambda one: one.margin or 0.0, default=None
        )


def decide(
    measured: Measured, seen: Seen | None, options: PrepareOptions, *, exposed: Exposed | None = None
) -> Verdict:
    """Apply the thresholds to what the witnesses say.

    Args:
        measured: By the CPU.
        seen: By the vision model; None where none was asked, which only a trial does.
        options: The thresholds.
        exposed: The second opinion on nudity; None where it was not asked for.
    """
    table = list(_by_measure(measured, options))
    if seen is not None:
        table += _by_sight(seen, options)
    if exposed is not None:
        table.append(_by_second_opinion(exposed, options))
    return Verdict(tuple(table), tuple(_disagreements(measured, seen, exposed, options)))


def _by_measure(measured: Measured, options: PrepareOptions) -> Iterator[Finding]:
    main = measured.main
    yield _floor(
        "face.score",
        round(main.face.score, 2) if main else 0.0,
        options.min_face_score,
        "No clear face was found: the best one scores {measured} of 1",
    )
    if main is None:
        return
    yield _floor(
        "face.presence",
        round(main.presence, 2),
        options.min_face_presence,
        "What looks like a face is probably none, or in full profile: {measured} of 1 sure",
    )
    if not is_clear(main, options):
        return  # the size and sharpness of what is no face say nothing
    yield _floor(
        "face.share",
        round(measured.share, 3),
        options.min_face_share,
        "The face is too small: its width is {measured} of the picture's shorter side",
        by_ratio=True,
    )
    px = "The face has too few pixels: it is {measured} wide in the file"
    yield _floor("face.px", measured.face_px, options.min_face_px, px, by_ratio=True)
    blurred = "The face is blurred: its sharpness is {measured}"
    yield _floor("face.sharpness", round(main.sharpness, 1), options.min_sharpness, blurred, by_ratio=True)
    yield from _by_pose(main, options)
    others = len(measured.others)
    yield Finding(
        "face.others",
        "cpu",
        others,
        "0",
        f"There is more than one face: {others} besides the main one, and there must be 0.",
        passed=others == 0,
    )


def _by_pose(main: MeasuredFace, options: PrepareOptions) -> Iterator[Finding]:
    """Judge how the head is held. Eyes in a head that is turned away or bowed say nothing, and are not asked."""
    pose = main.pose
    turned = "The head is turned aside by {measured} degrees"
    yield _ceiling("face.turn", round(abs(pose.turn)), options.max_turn, turned, by_ratio=True)
    bowed = "The head is bowed or thrown back by {measured} degrees"
    yield _ceiling("face.nod", round(abs(pose.nod)), options.max_nod, bowed, by_ratio=True)
    leaning = "The head leans to a shoulder by {measured} degrees"
    yield _ceiling("face.tilt", round(abs(pose.tilt)), options.max_tilt, leaning, by_ratio=True)
    shut = "The eyes look shut: {measured} of their width are open"
    yield _floor("face.eyes_open", round(main.eyes_open, 2), options.min_eyes_open, shut, by_ratio=True)


def _by_sight(seen: Seen, options: PrepareOptions) -> Iterator[Finding]:
    counted = f"The vision model counts {seen.persons} people, and there must be exactly 1."
    yield Finding("vision.persons", "vision", seen.persons, "1", counted, passed=seen.persons == 1)
    yield _floor(
        "vision.portrait", seen.portrait, options.min_portrait, "It is probably no portrait: likelihood {measured}"
    )
    yield Finding(
        "vision.facing",
        "vision",
        seen.facing,
        _facings_words(options.facings),
        f"The vision model sees the head as {_words(seen.facing)}, and {_listed(options.facings)} is accepted.",
        passed=seen.facing in options.facings,
        setting="prepare.facings",
    )
    nudity = 1.0 if options.allow_nudity else options.max_nudity
    yield _ceiling("vision.nudity", seen.nudity, nudity, "The picture shows nudity: {measured} of 1")
    child = 1.0 if options.allow_child else options.max_child
    yield _ceiling("vision.child", seen.child, child, "The person may be a child: likelihood {measured}")
    is_child = seen.age == "child" and not options.allow_child
    yield Finding(
        "vision.age",
        "vision",
        seen.age,
        "any" if options.allow_child else "not child",
        "The vision model sees a child.",
        passed=not is_child,
        setting="prepare.allow_child",
    )
    yield _ceiling("vision.blur", seen.blur, options.max_blur, "The face looks blurred: {measured} of 1")
    yield _ceiling("vision.damage", seen.damage, options.max_damage, "The face looks damaged: {measured} of 1")
    yield _ceiling("vision.text", seen.text, options.max_text, "Lettering covers too much of it: {measured} of 1")


def _by_second_opinion(exposed: Exposed, options: PrepareOptions) -> Finding:
    if exposed.failed is not None:
        sentence = f"The second opinion on nudity could not be had, and without it nothing passes: {exposed.failed}"
        return Finding("nudity.exposed", "nudity", "none", "an answer", sentence, passed=False)
    limit = 1.0 if options.allow_nudity else options.max_exposed
    what = f"The second opinion sees nudity ({exposed.part or 'nothing'}): {{measured}} of 1"
    return _ceiling("nudity.exposed", round(exposed.score, 2), limit, what)


_SETTINGS = {
    "face.score": "min_face_score",
    "face.presence": "min_face_presence",
    "face.share": "min_face_share",
    "face.px": "min_face_px",
    "face.sharpness": "min_sharpness",
    "face.turn": "max_turn",
    "face.nod": "max_nod",
    "face.tilt": "max_tilt",
    "face.eyes_open": "min_eyes_open",
    "vision.portrait": "min_portrait",
    "vision.nudity": "max_nudity",
    "vision.child": "max_child",
    "vision.blur": "max_blur",
    "vision.damage": "max_damage",
    "vision.text": "max_text",
    "nudity.exposed": "max_exposed",
}
_WITNESSES: dict[str, Witness] = {"face": "cpu", "vision": "vision", "nudity": "nudity"}


def _floor(name: str, measured: float, limit: float, sentence: str, *, by_ratio: bool = False) -> Finding:
    ending = f", and at least {limit:g} is needed."
    return _limited(name, measured, limit, f">= {limit:g}", sentence, ending, measured >= limit, by_ratio)


def _ceiling(name: str, measured: float, limit: float, sentence: str, *, by_ratio: bool = False) -> Finding:
    ending = f", and at most {limit:g} is accepted."
    return _limited(name, measured, limit, f"<= {limit:g}", sentence, ending, measured <= limit, by_ratio)


def _limited(
    name: str, measured: float, limit: float, expected: str, sentence: str, ending: str, passed: bool, by_ratio: bool
) -> Finding:
    scale = limit if by_ratio or measured < limit else 1.0 - limit
    return Finding(
        name,
        _WITNESSES[name.split(".")[0]],
        measured,
        expected,
        sentence.format(measured=f"{measured:g}") + ending,
        passed=passed,
        setting=f"prepare.{_SETTINGS[name]}",
        limit=limit,
        margin=abs(measured - limit) / max(scale, 1e-6),
    )


def _disagreements(
    measured: Measured, seen: Seen | None, exposed: Exposed | None, options: PrepareOptions
) -> Iterator[str]:
    if seen is None:
        return
    if measured.persons != seen.persons:
        yield f"people: {measured.persons} by the face detector, {seen.persons} by the vision model"
    main = measured.main
    if main is not None and is_clear(main, options):
        yield from _disagreements_on_face(measured, main, seen, options)
    if exposed is not None and exposed.failed is None:
        bare = exposed.score > options.max_exposed
        if bare != (seen.nudity > options.max_nudity):
            yield f"nudity: {exposed.score:.2f} by the second opinion, {seen.nudity:g} by the vision model"


def _disagreements_on_face(
    measured: Measured, main: MeasuredFace, seen: Seen, options: PrepareOptions
) -> Iterator[str]:
    share, turn = measured.share, abs(main.pose.turn)
    if measured.persons == 1 and share >= _LARGE_SHARE and seen.portrait < _NO_PORTRAIT:
        yield f"one face fills {share:.0%} of the width, but the vision model sees no portrait"
    if seen.face_share > 0 and not 1 / _TIMES <= seen.face_share / share <= _TIMES:
        yield f"size of the face: {share:.0%} measured, {seen.face_share:.0%} by the vision model"
    if (turn > _ASIDE and seen.facing == "front") or (turn < _TOWARDS and seen.facing in ("profile", "away")):
        yield f"direction: turned by {turn:.0f} degrees by the mesh, {_words(seen.facing)} by the vision model"
    sharp = main.sharpness / max(options.min_sharpness, 1e-6)
    if (sharp > _SHARP_TIMES and seen.blur > options.max_blur) or (sharp < 1 and seen.blur < options.max_blur / 3):
        yield f"blur: sharpness {main.sharpness:.0f} measured, blur {seen.blur:g} by the vision model"


def _facings_words(accepted: Sequence[str]) -> str:
    refused = [_words(name) for name in get_args(Facing) if name not in accepted]
    return f"not {' or '.join(refused)}" if refused else "any"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _listed(names: Sequence[str]) -> str:
    return " or ".join(_words(name) for name in names)
