import itertools

import pytest

from consumers.events import Actor, Feedback, Surface
from consumers.purpose import classify_purpose

END_USER = Actor(role="end_user")
ANNOTATOR = Actor(role="annotator")
PRODUCT = Surface(environment="production", purpose="product")
CURATION = Surface(environment="staging", purpose="curation")


def feedback(actor: Actor | None, surface: Surface | None, rubric: str | None = None) -> Feedback:
    return Feedback(response_id="r", signal="flag", actor=actor, surface=surface, rubric=rubric)


@pytest.mark.parametrize(
    ("event", "purpose", "rule"),
    [
        (feedback(ANNOTATOR, CURATION, "tone-2"), "curation", "1:curation"),
        (feedback(END_USER, PRODUCT), "reward", "1:reward"),
        (feedback(ANNOTATOR, CURATION), "debugging", "1:curation_without_rubric"),
        (feedback(ANNOTATOR, CURATION, "  "), "debugging", "1:curation_without_rubric"),
        (feedback(ANNOTATOR, PRODUCT, "tone-2"), "debugging", "1:annotator_outside_curation"),
        (feedback(END_USER, CURATION, "tone-2"), "debugging", "1:end_user_on_curation_surface"),
        (feedback(END_USER, Surface(environment="staging", purpose="product")), "debugging", "1:not_production"),
        (feedback(END_USER, Surface(purpose="product")), "debugging", "1:unknown_environment"),
        (feedback(END_USER, Surface(environment="production")), "debugging", "1:unknown_surface"),
        (feedback(END_USER, None), "debugging", "1:unknown_surface"),
        (feedback(None, PRODUCT), "debugging", "1:unknown_actor"),
        (feedback(Actor(id="u"), CURATION, "tone-2"), "debugging", "1:unknown_actor"),
        (feedback(Actor(role="engineer"), PRODUCT), "debugging", "1:actor_role_engineer"),
        (feedback(Actor(role="on_call"), CURATION, "tone-2"), "debugging", "1:actor_role_on_call"),
        (
            feedback(END_USER, Surface(environment="production", purpose="debugging")),
            "debugging",
            "1:debugging_surface",
        ),
        (feedback(None, None), "debugging", "1:unknown_actor"),
    ],
)
def test_feedback_gets_its_purpose_and_rule(event: Feedback, purpose: str, rule: str) -> None:
    assert classify_purpose(event) == (purpose, rule)


def test_nothing_unknown_becomes_a_label_or_a_reward() -> None:
    roles = [None, "end_user", "engineer", "on_call", "annotator", "support", "bot", "unknown"]
    purposes = [None, "product", "debugging", "curation", "unknown"]
    environments = [None, "production", "staging", "development", "evaluation", "unknown"]
    chosen = {
        (role, purpose, environment, rubric)
        for role, purpose, environment, rubric in itertools.product(roles, purposes, environments, [None, "r-1"])
        if classify_purpose(
            feedback(Actor(role=role), Surface(purpose=purpose, environment=environment), rubric)  # type: ignore[arg-type]
        ).purpose
        != "debugging"
    }
    rewards = {("end_user", "product", "production", rubric) for rubric in (None, "r-1")}
    labels = {("annotator", "curation", environment, "r-1") for environment in environments}
    assert chosen == rewards | labels
