"""What is a feedback event good for? A training label, a reward signal, or neither.

Only what is known to be one becomes one: everything unknown is debugging, which is never exported and never a reward.
"""

from functools import cache
from typing import Literal, NamedTuple

from consumers.payloads import Feedback

RULES_VERSION = "1"
"""Stored with the rule of each decision, e.g. "1:reward"; raised with every change to the rules below."""


class Purpose(NamedTuple):
    """`rule` names what decided, with the version of the rules."""

    purpose: Literal["curation", "reward", "debugging"]
    rule: str


def classify_purpose(feedback: Feedback) -> Purpose:
    """Split one feedback event. Pure: the same event always gets the same purpose and rule."""
    actor, surface = feedback.actor, feedback.surface
    return _decide(
        (actor and actor.role) or "unknown",
        (surface and surface.purpose) or "unknown",
        (surface and surface.environment) or "unknown",
        feedback.rubric is not None and not feedback.rubric.isspace(),
    )


@cache
def _decide(role: str, surface: str, environment: str, has_rubric: bool) -> Purpose:
    if role == "annotator" and surface == "curation" and has_rubric:
        return Purpose("curation", f"{RULES_VERSION}:curation")
    if role == "end_user" and surface == "product" and environment == "production":
        return Purpose("reward", f"{RULES_VERSION}:reward")
    return Purpose("debugging", f"{RULES_VERSION}:{_why_debugging(role, surface, environment)}")


def _why_debugging(role: str, surface: str, environment: str) -> str:
    """The first thing missing for a label or a reward."""
    if surface == "debugging":
        return "debugging_surface"
    if role == "unknown":
        return "unknown_actor"
    if role not in ("annotator", "end_user"):
        return f"actor_role_{role}"
    if surface == "unknown":
        return "unknown_surface"
    if role == "annotator":
        return "curation_without_rubric" if surface == "curation" else "annotator_outside_curation"
    if surface == "curation":
        return "end_user_on_curation_surface"
    return "unknown_environment" if environment == "unknown" else "not_production"
