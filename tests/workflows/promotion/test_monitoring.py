"""What is watched of a place where a change arrived, and how its drift is shown."""

from dataclasses import replace
from datetime import timedelta

from activities.models.configuration import DeploymentSpec, EnvironmentView, FluxSpec
from activities.models.delivery import Observation
from activities.models.failures import BriefFailure
from activities.models.tracking import Artifact
from crds.reasons.problems import FailureKind
from workflows.promotion.monitoring import watched

PROMOTED, THERE = "a" * 40, "b" * 40
WEB = DeploymentSpec(name="web", component="web", wave=0, instance="argocd", project="shop", application="web-staging")
API = replace(WEB, name="api", component="api", application="api-staging")
VIEW = EnvironmentView(
    name="staging", final=False, vars={}, delivery_timeout=timedelta(minutes=15), deployments=(WEB, API)
)
SEEN = Observation(deployment="web", component="web", application="web-staging", runs=THERE, tag="v2")


def test_what_was_promoted_is_watched_with_its_own_revision_whatever_its_place_has_seen_yet() -> None:
    (one,) = watched(VIEW, ("web",), (SEEN,), (Artifact(component="web", revision=PROMOTED, tag="v1"),))
    assert (one.deployment, one.application, one.instance, one.project) == ("web", "web-staging", "argocd", "shop")
    assert (one.revision, one.tag) == (PROMOTED, "v1")


def test_what_others_brought_is_watched_as_it_is_observed() -> None:
    (one,) = watched(VIEW, ("web",), (SEEN,), None)
    assert (one.revision, one.tag) == (THERE, "v2")


def test_what_is_not_known_and_what_the_change_does_not_touch_has_no_monitor() -> None:
    unreadable = replace(SEEN, failure=BriefFailure(kind=FailureKind.UNAVAILABLE, message="no answer"))
    assert watched(VIEW, ("web", "api"), (unreadable,), None) == ()
    assert watched(VIEW, (), (SEEN,), None) == ()
    assert watched(None, ("web",), (SEEN,), None) == ()


def test_what_flux_deploys_has_no_monitor() -> None:
    by_flux = replace(WEB, instance="", flux=FluxSpec(environment="staging", repository="web"))
    assert watched(replace(VIEW, deployments=(by_flux,)), ("web",), (SEEN,), None) == ()
