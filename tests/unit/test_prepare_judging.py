"""Thresholds decide, not witnesses: each one alone turns a picture down and says so in a sentence."""

from __future__ import annotations

import numpy as np
import pytest

from steps.external.faces import Face
from steps.judging import Measured, MeasuredFace, Seen, decide
from steps.options import PrepareOptions

OPTIONS = PrepareOptions()


def measured(
    *, score: float = 0.9, presence: float = 1.0, sharp: float = 200.0, share: float = 0.3, others: int = 0
) -> Measured:
    face = Face(100, 100, 120, 120, score=score, points=np.zeros((6, 2)))
    one = MeasuredFace(face, presence=presence, sharpness=sharp)
    return Measured(one, (one,) * others, share=share, persons=1 + others)


def seen(**changes: object) -> Seen:
    usual = {"persons": 1, "sex": "female", "nudity": 0.0, "child": 0.1, "portrait": 0.9, "blur": 0.1, "text": 0.0}
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


@pytest.mark.parametrize(("flag", "vision"), [("allow_child", {"child": 1.0}), ("allow_nudity", {"nudity": 1.0})])
def test_an_owner_may_allow(flag, vision):
    """A museum of children's portraits is a legitimate wish."""
    assert not decide(measured(), seen(**vision), OPTIONS).accepted
    assert decide(measured(), seen(**vision), PrepareOptions(**{flag: True})).accepted


def test_witnesses_who_disagree_are_both_kept():
    """The review shows where the model and the detector saw different things."""
    verdict = decide(measured(), seen(persons=3, portrait=0.1), OPTIONS)
    assert len(verdict.disagreements) == 2
    assert "1 by the face detector, 3 by the vision model" in verdict.disagreements[0]


def test_the_model_is_never_told_the_threshold():
    """A judge that knows the passing mark aims at it: the schema and the prompt must not show one."""
    from steps import prompts

    told = str(Seen.model_json_schema()) + prompts.load("see_system").text + prompts.load("see_user").text
    for limit in ("0.5", "0.6", "0.75", "0.14", "threshold", "at most", "at least"):
        assert limit not in told
