"""From pictures of a person to templates: every picture with its verdict, nothing without a consent.

- ``verdicts``: what can be said about a picture, in two languages. ``examiner``: one picture by itself.
- ``judging``: several pictures against each other and against everybody enrolled; ``likeness``: who is one
  person, and who only looks alike.
- ``guidance`` (pure), ``camera``: a person before the camera is told what to do; the best frames are taken.
- ``requests``, ``desk``: orders of the platform, in the thread ``enrol``.
- ``outside``, ``child``, ``pipe``: the examiner in a short-lived process of its own, for the daemon.
- ``reembedding``: what is to be done when the network changes.
"""

from edge.enrolment.camera import Scene, Sitter, Sitting, as_jpeg, take_portraits
from edge.enrolment.desk import Enrolled, EnrolmentDesk, enrolment_note
from edge.enrolment.examiner import Examiner
from edge.enrolment.guidance import HINT_TEXT, VIEW_TEXT, Advice, Guide, Hint, Look, View
from edge.enrolment.judging import Judgement, judge
from edge.enrolment.likeness import LikenessRule, likeness_rule
from edge.enrolment.outside import OutsideExaminer
from edge.enrolment.reembedding import Backlog, backlog, reembed
from edge.enrolment.requests import MOST_PICTURES, EnrolRequest, enrol_request
from edge.enrolment.verdicts import ACCEPTED, WORDS, Examination, Finding, PictureVerdict

__all__ = [
    "ACCEPTED",
    "HINT_TEXT",
    "MOST_PICTURES",
    "VIEW_TEXT",
    "WORDS",
    "Advice",
    "Backlog",
    "EnrolRequest",
    "Enrolled",
    "EnrolmentDesk",
    "Examination",
    "Examiner",
    "Finding",
    "Guide",
    "Hint",
    "Judgement",
    "LikenessRule",
    "Look",
    "OutsideExaminer",
    "PictureVerdict",
    "Scene",
    "Sitter",
    "Sitting",
    "View",
    "as_jpeg",
    "backlog",
    "enrol_request",
    "enrolment_note",
    "judge",
    "likeness_rule",
    "reembed",
    "take_portraits",
]
