"""Thresholds decide, not witnesses: each one alone turns a picture down and says so in a sentence."""

from __future__ import annotations

import numpy as np
import pytest

from steps.external.faces import Face
from steps.judging import Exposed, Measured, MeasuredFace, Seen, decide
from steps.options import PrepareOptions
from steps.pose import Pose

OPTIONS = PrepareOptions()


def measured(
    *,
    score: float = 0.9,
    presence: float = 1.0,
    sharp: float = 200.0,
    share: float = 0.3,
    others: int = 0,
    px: int = 120,
    pose: Pose | None = None,
    eyes: float = 0.3,
) -> Measured:
    face = Face(100, 100, 120, 120, score=score, points=np.zeros((6, 2)))
    one = MeasuredFace(face, presence, sharpness=sharp, pose=pose or Pose(5.0, 5.0, 2.0), eyes_open=eyes)
    return Measured(one, (face,) * others, share=share, persons=1 + others, face_px=px)


def seen(**changes: object) -> Seen:
    usual: dict[str, object] = {"note": "A woman.", "persons": 1, "sex": "woman", "age": "adult", "facing": "front"}
    usual |= {"nudity": 0.0, "child": 0.1, "portrait": 0.9, "face_share": 0.3, "blur": 0.1, "damage": 0.1, "text": 0.0}
    return Seen.model_validate(usual | changes)


def test_a_clear_portrait_is_accepted():
    """The whole point."""
    verdict = decide(measured(), seen(), OPTIONS)
    assert verdict.accepted
    assert all(check.passed for check in verdict.checks)


@pytest.mark.parametrize(
    ("cpu", "vision", "check", "word"),
    [
        ({"score": 0.6}, {}, "face.score", "0.6"),
        ({"presence": 0.5}, {}, "face.presence", "0.5"),
        ({"share": 0.05}, {}, "face.share", "0.05"),
        ({"sharp": 3.0}, {}, "face.sharpness", "blurred"),
        ({"others": 2}, {}, "face.others", "2 besides"),
        ({}, {"persons": 2}, "vision.persons", "2 people"),
        ({}, {"persons": 0}, "vision.persons", "0 people"),
        ({}, {"nudity": 0.8}, "vision.nudity", "nudity"),
        ({}, {"child": 0.8}, "vision.child", "child"),
        ({}, {"portrait": 0.2}, "vision.portrait", "portrait"),
        ({"px": 40}, {}, "face.px", "40 wide in the file"),
        ({"pose": Pose(70.0, 0.0, 0.0)}, {}, "face.turn", "70 degrees"),
        ({"pose": Pose(0.0, -50.0, 0.0)}, {}, "face.nod", "50 degrees"),
        ({"pose": Pose(0.0, 0.0, 80.0)}, {}, "face.tilt", "80 degrees"),
        ({"eyes": 0.1}, {}, "face.eyes_open", "shut"),
        ({}, {"age": "child"}, "vision.age", "child"),
        ({}, {"facing": "profile"}, "vision.facing", "as profile"),
        ({}, {"damage": 0.9}, "vision.damage", "damaged"),
        ({}, {"blur": 0.9}, "vision.blur", "blurred"),
        ({}, {"text": 0.9}, "vision.text", "Lettering"),
    ],
)
def test_each_measure_alone_turns_down(cpu, vision, check, word):
    """One reason is enough, and it names what was measured and what would do."""
    verdict = decide(measured(**cpu), seen(**vision), OPTIONS)
    assert [one.name for one in verdict.checks if not one.passed] == [check]
    assert len(verdict.reasons) == 1
    assert word in verdict.reasons[0]
    assert verdict.reasons[0].endswith(".")


def test_no_face_is_one_reason_and_not_a_crash():
    """A landscape has nothing to measure the size of."""
    verdict = decide(Measured(None, (), share=0.0, persons=0), seen(persons=0, portrait=0.0), OPTIONS)
    assert not verdict.accepted
    assert verdict.checks[0].name == "face.score"
    assert "face.share" not in [check.name for check in verdict.checks]


@pytest.mark.parametrize(
    ("flag", "vision"), [("allow_child", {"child": 1.0, "age": "child"}), ("allow_nudity", {"nudity": 1.0})]
)
def test_an_owner_may_allow(flag, vision):
    """A museum of children's portraits is a legitimate wish."""
    assert not decide(measured(), seen(**vision), OPTIONS).accepted
    assert decide(measured(), seen(**vision), PrepareOptions(**{flag: True})).accepted


@pytest.mark.parametrize(
    ("cpu", "vision", "words"),
    [
        ({}, {"persons": 3}, "people: 1 by the face detector, 3 by the vision model"),
        ({}, {"portrait": 0.1}, "one face fills 30% of the width, but the vision model sees no portrait"),
        ({}, {"face_share": 0.05}, "size of the face: 30% measured, 5% by the vision model"),
        ({"pose": Pose(48.0, 0.0, 0.0)}, {}, "turned by 48 degrees by the mesh, front by the vision model"),
        ({}, {"facing": "profile"}, "turned by 5 degrees by the mesh, profile by the vision model"),
        ({}, {"blur": 0.9}, "blur: sharpness 200 measured, blur 0.9 by the vision model"),
    ],
)
def test_witnesses_who_disagree_are_both_kept(cpu, vision, words):
    """The review shows where the model and the detector saw different things."""
    verdict = decide(measured(**cpu), seen(**vision), OPTIONS)
    assert len(verdict.disagreements) == 1
    assert words in verdict.disagreements[0]


def test_witnesses_who_agree_leave_nothing_to_note():
    """A note on every painting would be read on none."""
    assert decide(measured(), seen(), OPTIONS).disagreements == ()


def test_each_limit_names_the_setting_that_moves_it():
    """Whoever tunes must not look for the key: and it must be one that there is."""
    verdict = decide(measured(), seen(), OPTIONS, exposed=Exposed(0.1))
    named = {one.setting.removeprefix("prepare.") for one in verdict.findings if one.setting is not None}
    assert named <= set(PrepareOptions.model_fields)
    for finding in verdict.findings:
        if finding.limit is not None:
            assert getattr(OPTIONS, finding.setting.removeprefix("prepare.")) == finding.limit


def test_the_nearest_finding_is_the_one_on_which_the_verdict_hangs():
    """Accepted: the tightest one. Turned down: the failure that gives way last."""
    assert decide(measured(share=0.142), seen(), OPTIONS).nearest.name == "face.share"
    both = decide(measured(share=0.13, sharp=5.0), seen(), OPTIONS)
    assert both.nearest.name == "face.sharpness"
    assert decide(measured(others=1), seen(), OPTIONS).nearest is None  # no threshold would let it through


@pytest.mark.parametrize(("score", "passes"), [(0.0, True), (0.35, True), (0.36, False), (1.0, False)])
def test_the_second_opinion_alone_turns_down(score, passes):
    """And both answers are kept where it and the model differ."""
    verdict = decide(measured(), seen(), OPTIONS, exposed=Exposed(score, part="female breast"))
    assert verdict.accepted is passes
    assert bool(verdict.disagreements) is not passes


def test_a_second_opinion_that_failed_lets_nothing_through():
    """Also where an owner allows nudity: he asked for the opinion, and a failure is no opinion."""
    verdict = decide(
        measured(), seen(), PrepareOptions(allow_nudity=True), exposed=Exposed(0.0, failed="it ended badly (killed).")
    )
    assert not verdict.accepted
    assert "could not be had" in verdict.reasons[0]
    assert "it ended badly" in verdict.reasons[0]


def test_the_model_is_never_told_the_threshold():
    """A judge that knows the passing mark aims at it: the schema and the prompt must not show one."""
    from steps import prompts

    told = str(Seen.model_json_schema()) + prompts.load("see_system").text + prompts.load("see_user").text
    for limit in ("0.5", "0.6", "0.75", "0.14", "threshold", "at most", "at least"):
        assert limit not in told
