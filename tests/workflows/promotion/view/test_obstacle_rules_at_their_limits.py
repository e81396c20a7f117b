"""Conditions on obstacles that other tests pass by: each case differs from its neighbour in one of them alone."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from activities.models.delivery import Observation
from activities.models.failures import Failure
from activities.models.places import Counter, PlaceSignal
from activities.models.testing import RunState
from crds.reasons.problems import FailureKind
from crds.reasons.vocabulary import State
from tests.workflows.promotion.rules.test_commands import a_story
from tests.workflows.promotion.rules.test_rules_at_their_limits import progress
from tests.worlds.refusals import unread
from workflows.promotion.state import PromotionState
from workflows.promotion.view.obstacles import Obstacle, find_obstacle

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
WEB = Observation(deployment="web-0", component="web", application="web-dev-0", runs="a" * 40)
API = replace(WEB, deployment="api-0", component="api", application="api-dev-0")
UNREAD = unread("answered 401")


def command(verb: str, tracker: str = "", /) -> str:
    return f"pilotage {verb} {tracker or 'web-412'}"


def found_in(story: PromotionState, *observed: Observation) -> Obstacle | None:
    place = PlaceSignal(environment="dev", counter=Counter(), observed=observed, observed_at=NOON)
    return find_obstacle(story, source=place, target=None, command=command)


@pytest.mark.parametrize("without", ["hop", "round"])
def test_before_its_round_a_test_misses_what_the_source_misses(without: str) -> None:
    story = a_story(State.TESTING)
    story.components = ("web",)
    assert story.hop is not None
    story.hop.round = None
    story.hop = story.hop if without == "round" else None
    found = found_in(story, replace(WEB, failure=UNREAD))
    assert found is not None
    assert found.reason == "DeploymentUnreadable"


def test_within_its_round_a_test_misses_nothing_of_the_source() -> None:
    story = a_story(State.TESTING)
    story.components = ("web",)
    assert found_in(story, replace(WEB, failure=UNREAD)) is None


@pytest.mark.parametrize(
    ("observed", "reason"),
    [
        ((WEB, API), ""),
        ((WEB, replace(API, failure=UNREAD)), ""),
        ((replace(WEB, failure=UNREAD), API), "DeploymentUnreadable"),
        ((API,), "ComponentNotDeployed"),
        ((replace(API, failure=UNREAD),), "ComponentNotDeployed"),
    ],
)
def test_only_deployments_of_touched_components_are_in_the_way(observed: tuple[Observation, ...], reason: str) -> None:
    story = PromotionState(started_at=NOON, state=State.AWAITING_SYNC, environment="dev", components=("web",))
    found = found_in(story, *observed)
    assert (found.reason if found else "") == reason


@pytest.mark.parametrize(
    ("what", "through", "credential"),
    [
        ("pull request #412", "GitRepository/web", "GitRepository/web"),
        ("Secret/github", "", "Secret/github"),
        ("GitRepository/web", "", "GitRepository/web"),
    ],
)
def test_the_credential_of_a_pull_request_is_that_of_its_repository(what: str, through: str, credential: str) -> None:
    failure = Failure(kind=FailureKind.UNAUTHORIZED, message="401", object=what, through=through)
    found = found_in(PromotionState(started_at=NOON, failure=failure))
    assert found is not None
    assert found.object == what
    assert found.unblock_with.startswith(f"fix the credential of {credential}, or its rights")


@pytest.mark.parametrize(
    ("named", "where"),
    [("", "TestRunner/ci"), ("TestRunner/ci", "TestRunner/ci"), ("Secret/ci", "TestRunner/ci (Secret/ci)")],
)
def test_a_refused_test_names_its_runner_and_what_else_refused_it(named: str, where: str) -> None:
    story = a_story(State.TESTING)
    assert story.hop is not None
    assert story.hop.round is not None
    refused = progress(error="401")
    assert refused.failure is not None
    refused.failure = replace(refused.failure, object=named)
    story.hop.round.tests = [refused, progress(state=RunState.PASSED)]
    found = found_in(story)
    assert found is not None
    assert found.text == f"e2e at {where}: ProviderUnauthorized: 401"
